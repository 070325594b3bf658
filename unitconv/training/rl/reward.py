"""Rewards by name: those of the package, and a reader's own."""

from __future__ import annotations

from collections.abc import Callable

from unitconv.common.plugins import PluginError, import_attribute
from unitconv.evaluation.grade import Graded
from unitconv.training.rollouts import rejection_reason

#: Gives a finite number for a graded reply; the more, the better.
Reward = Callable[[Graded], float]


def right_reasoning(graded: Graded) -> float:
    """Reward 1 for a reply that RFT would keep, else 0."""
    return float(rejection_reason(graded) is None)


def right_answer(graded: Graded) -> float:
    """Reward 1 for a right answer, whatever the reasoning, else 0."""
    return float(graded.correct)


#: Names of the rewards in the package.
REWARDS: dict[str, Reward] = {
    "reasoning": right_reasoning,
    "answer": right_answer,
}


def load_reward(name: str) -> Reward:
    """Return one of `REWARDS`, or import a `module:attribute`.

    Raises:
        PluginError: no such reward or module, or it cannot be called.
    """
    if name in REWARDS:
        return REWARDS[name]
    reward = import_attribute("reward", name, REWARDS)
    if not callable(reward):
        raise PluginError(
            f"reward {name!r}: expected a function of a graded reply, not "
            f"{type(reward).__name__}"
        )
    return reward


def name_of(reward: Reward) -> str:
    """Return the name of a reward for the record of a run."""
    known = {function: name for name, function in REWARDS.items()}
    own = getattr(reward, "__qualname__", type(reward).__qualname__)
    return known.get(reward) or f"{reward.__module__}:{own}"
