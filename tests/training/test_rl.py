"""Online RL: losses against numpy, gradients, the sampler, rewards."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from unitconv.common.plugins import PluginError
from unitconv.evaluation.grade import Graded, grade
from unitconv.inference import engine
from unitconv.inference.llm import LLM, Generation
from unitconv.inference.sampling import row_key
from unitconv.task.dataset import Question, load_split
from unitconv.training.config import TrainingError
from unitconv.training.examples import (
    IGNORE_INDEX,
    TrainingExample,
    collate,
)
from unitconv.training.lora import add_lora
from unitconv.training.rl.config import LOSSES, RLSettings
from unitconv.training.rl.loop import (
    Minibatch,
    Update,
    add_gradient,
    improve,
    make_minibatches,
    make_optimizer,
    train,
)
from unitconv.training.rl.loss import (
    advantages,
    kl_divergence,
    policy_loss,
    token_log_probs,
)
from unitconv.training.rl.reward import load_reward, name_of
from unitconv.training.rl.rollout import (
    Group,
    Reply,
    pick_questions,
    sample_groups,
)

SETTINGS = RLSettings(
    epochs=1,
    learning_rate=3e-2,
    max_adapter_mb=50.0,
    rank=4,
    alpha=8,
    batch_size=3,
    steps=12,
    questions=4,
    samples=8,
    temperature=0.7,
    max_new_tokens=4,
)
VOCABULARY = 9
PAD = 1


class Bigram(nn.Module):
    """Predicts a token from the one before, by a table of logits."""

    def __init__(self, seed: int = 0, device: str = "cpu") -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.logits = nn.Embedding(VOCABULARY, VOCABULARY, device=device)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, **_: Any
    ) -> Any:
        assert attention_mask.device == input_ids.device
        return SimpleNamespace(logits=self.logits(input_ids))


def make_group(rewards: list[float], seed: int) -> Group:
    """A group of random replies of different lengths."""
    rng = random.Random(seed)

    def tokens(longest: int) -> list[int]:
        size = rng.randint(1, longest)
        return [rng.randrange(VOCABULARY) for _ in range(size)]

    replies = [Reply(tokens(4), "", reward, None) for reward in rewards]
    return Group(0, str(seed), tokens(6), replies)


REWARDS = [
    *([1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]),
    *([0.0, 0.0, 0.0, 1.0], [0.1, 0.1, 0.1, 0.1], [0.5, 1.0, 0.0, 0.5]),
]
GROUPS = [make_group(rewards, i) for i, rewards in enumerate(REWARDS)]


def reference_loss(loss: str, new: Bigram, old: Bigram) -> float:
    """The loss of `GROUPS` by its definition, reply by reply."""

    def log_prob(model: Bigram, before: int, token: int) -> float:
        row = model.logits.weight[before].tolist()
        scaled = np.array(row) / SETTINGS.temperature
        return float(scaled[token] - np.log(np.exp(scaled).sum()))

    total, n_tokens = 0.0, 0
    high = 1.28 if loss == "dapo" else 1.2
    for group in GROUPS:
        r = np.array([reply.reward for reply in group.replies])
        gain = {
            "dr_grpo": r - r.mean(),
            "reinforce": r,
            "raft": r if r.max() > r.min() else 0 * r,
        }.get(loss, (r - r.mean()) / (r.std(ddof=1) + 1e-4))
        for reply, a in zip(group.replies, gain, strict=True):
            n = len(reply.token_ids)
            text = [group.prompt_ids[-1], *reply.token_ids]
            pairs = list(pairwise(text))
            ratios = [
                math.exp(log_prob(new, *p) - log_prob(old, *p))
                for p in pairs
            ]
            terms = [
                min(x * a, float(np.clip(x, 0.8, high)) * a) for x in ratios
            ]
            n_tokens += n if abs(a) > 1e-9 else 0
            by_sample = {"grpo": 24 * n, "dapo": 1, "raft": 1}
            total -= sum(terms) / by_sample.get(loss, 24 * 4)
    return total / n_tokens if loss in ("dapo", "raft") else total


def library_loss(
    settings: RLSettings, groups: list[Group], new: Bigram, old: Bigram
) -> Tensor:
    losses = []
    for batch in make_minibatches(groups, settings, PAD):
        before = token_log_probs(old, batch.tokens, settings.temperature)[0]
        after = token_log_probs(new, batch.tokens, settings.temperature)[0]
        losses.append(
            policy_loss(
                after,
                before.detach(),
                batch.advantages,
                batch.weights,
                settings.clip_range,
            )
        )
    return torch.stack(losses).sum()


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_that_of_its_definition(loss: str) -> None:
    new, old = Bigram(0), Bigram(1)
    settings = replace(SETTINGS, loss=loss)
    value = library_loss(settings, GROUPS, new, old).item()
    assert value == pytest.approx(reference_loss(loss, new, old), rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_order_and_size_of_batches_change_nothing(loss: str) -> None:
    settings = replace(SETTINGS, loss=loss)
    new, old = Bigram(0), Bigram(1)
    library_loss(settings, GROUPS, new, old).backward()
    expected = new.logits.weight.grad
    shuffled = [
        replace(g, replies=random.Random(7).sample(g.replies, 4))
        for g in reversed(GROUPS)
    ]
    other = Bigram(0)
    one_batch = replace(settings, batch_size=99)
    library_loss(one_batch, shuffled, other, old).backward()
    assert torch.allclose(other.logits.weight.grad, expected, atol=1e-6)


def gradient(batches: list[Minibatch], settings: RLSettings) -> Tensor:
    model: Any = Bigram()
    for batch in batches:
        add_gradient(model, batch, None, settings)
    return model.logits.weight.grad


def test_clipping_changes_nothing_in_the_first_update() -> None:
    batches = make_minibatches(GROUPS, SETTINGS, PAD)
    model = Bigram()
    for batch in batches:
        log_probs, _ = token_log_probs(model, batch.tokens, 0.7)
        loss = -(batch.advantages * log_probs * batch.weights).sum()
        loss.backward()
    for clip in (0.01, 0.9):
        clipped = gradient(batches, replace(SETTINGS, clip=clip))
        expected = model.logits.weight.grad
        assert torch.allclose(clipped, expected, atol=1e-7)


def test_log_probabilities_and_entropy_are_those_of_torch() -> None:
    model, temperature = Bigram(), 0.7
    for batch in make_minibatches(GROUPS, SETTINGS, PAD):
        found, entropy = token_log_probs(model, batch.tokens, temperature)
        expected = [
            (
                Categorical(
                    logits=model.logits.weight[before] / temperature
                ),
                after,
            )
            for ids, labels in zip(
                batch.tokens["input_ids"].tolist(),
                batch.tokens["labels"].tolist(),
                strict=True,
            )
            for before, after in zip(ids, labels[1:], strict=False)
            if after != IGNORE_INDEX
        ]
        log_probs = [
            drawn.log_prob(torch.tensor(n)) for drawn, n in expected
        ]
        assert torch.allclose(found, torch.stack(log_probs), atol=1e-5)
        entropies = torch.stack([drawn.entropy() for drawn, _ in expected])
        assert torch.allclose(entropy, entropies, atol=1e-5)


def test_rloo_is_dr_grpo_but_for_a_factor() -> None:
    rewards = torch.tensor(REWARDS)
    others = (rewards.sum(1, keepdim=True) - rewards) / 3
    rloo = rewards - others
    assert torch.allclose(advantages(rewards, "dr_grpo") * 4 / 3, rloo)


def test_equal_rewards_teach_nothing_and_need_no_forward_pass() -> None:
    equal = [g for g in GROUPS if not g.mixed]
    assert len(equal) == 3
    for loss in set(LOSSES) - {"reinforce"}:
        settings = replace(SETTINGS, loss=loss)
        batches = make_minibatches(equal, settings, PAD)
        assert batches == []
        rewards = torch.tensor([[0.1] * 7, [1 / 3] * 7])
        assert not advantages(rewards, loss).any()
    model: Any = Bigram()
    before = model.logits.weight.clone()
    model.forward = None
    optimizer = make_optimizer(model, SETTINGS)
    assert improve(model, [], optimizer, SETTINGS) == Update()
    assert torch.equal(model.logits.weight, before)


def test_the_kl_estimate_is_right_on_average() -> None:
    torch.manual_seed(0)
    p, q = torch.randn(2, 6).softmax(-1)
    exact = (p * (p / q).log()).sum()
    estimate = kl_divergence(p.log(), q.log())
    assert (estimate >= 0).all()
    assert (p * estimate).sum().item() == pytest.approx(exact.item(), 1e-4)


def test_tensors_stay_on_the_model_s_device() -> None:
    """On `meta`, a tensor left on the CPU would raise an error."""
    batch = collate([TrainingExample([1, 2, 3], [IGNORE_INDEX, 2, 3])], PAD)
    model = Bigram(device="meta")
    log_probs, entropy = token_log_probs(model, batch, 1.0)
    assert log_probs.is_meta
    assert entropy.is_meta
    loss = policy_loss(
        log_probs, log_probs.detach(), log_probs, log_probs, (0.8, 1.2)
    )
    assert (loss + kl_divergence(log_probs, log_probs).sum()).is_meta


# --- the sampler ---------------------------------------------------------


@pytest.fixture
def llm(make_model: Callable[..., Any], byte_tokenizer: Any) -> LLM:
    """A tiny model with a LoRA adapter."""
    wrapped: Any = add_lora(make_model(initializer_range=0.1), SETTINGS)
    return LLM(wrapped, byte_tokenizer, "raw")


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return load_split("train")[:18]


def even(graded: Graded) -> float:
    """Reward every second character at the start of a reply."""
    return float(ord(graded.text[0]) % 2 == 0) if graded.text else 0.0


def test_every_update_reaches_the_engine(
    llm: LLM, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log-probabilities of the engine are those of the update's model."""
    drawn: dict[tuple[int, int], float] = {}

    def choose(
        logits: Tensor, decoding: Any, keys: Tensor, position: Tensor
    ) -> Tensor:
        tokens = original(logits, decoding, keys, position)
        scaled = logits.float() / decoding.temperature
        log_probs = scaled.log_softmax(-1).gather(-1, tokens)
        for row, at in enumerate(position.flatten().tolist()):
            for key, value in zip(keys[row], log_probs[row], strict=True):
                drawn[int(key), at] = float(value)
        return tokens

    original = engine.choose
    steps = train(
        llm, questions, SETTINGS, make_optimizer(llm.model, SETTINGS)
    )
    for _ in range(2):
        next(steps)
    monkeypatch.setattr(engine, "choose", choose)
    groups = sample_groups(llm, questions[:4], SETTINGS, step=5)
    assert len({tuple(r.token_ids) for r in groups[0].replies}) > 1
    for group in groups:
        batch = collate(group.examples, PAD)
        log_probs, _ = token_log_probs(llm.model, batch, 0.7)
        expected = [
            drawn[row_key(5, group.prompt_ids, i), at]
            for i, reply in enumerate(group.replies)
            for at in range(len(reply.token_ids))
        ]
        assert log_probs.tolist() == pytest.approx(expected, abs=1e-4)


def test_the_model_learns_what_is_rewarded(
    llm: LLM, questions: list[Question]
) -> None:
    optimizer = make_optimizer(llm.model, SETTINGS)
    steps = [
        metrics
        for _, metrics in train(
            llm, questions, SETTINGS, optimizer, reward=even
        )
    ]
    assert [s.step for s in steps] == list(range(1, 13))
    rewards = [s.reward for s in steps]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.2


def test_several_updates_and_kl_change_the_gradient(
    llm: LLM, questions: list[Question]
) -> None:
    settings = replace(SETTINGS, epochs=3, kl=0.1, clip=0.1)
    optimizer = make_optimizer(llm.model, settings)
    steps = train(llm, questions, settings, optimizer, reward=even)
    _, first = next(steps)
    # The third update is made by a model that is no longer the base.
    assert first.update.kl is not None
    assert first.update.kl > 0


def test_all_questions_come_once_before_any_comes_again() -> None:
    pool = load_split("train")[:10]
    seen = [
        question.text
        for step in range(3)
        for question in pick_questions(pool, 3, step, seed=0)
    ]
    assert len(set(seen)) == 9
    again = pick_questions(pool, 3, 3, seed=0)
    assert [q.text for q in again] != seen[:3]
    with pytest.raises(TrainingError, match="lower --questions"):
        pick_questions(pool, 11, 0, seed=0)


# --- rewards -------------------------------------------------------------


def test_rewards_differ_in_what_they_ask_of_the_reasoning() -> None:
    question = Question("How many gram are there per 6 kg?", 6000.0)
    texts = {
        "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>": (1, 1),
        "1 kg = 2 g. 3 * 2000 = 6000. <answer>6000</answer>": (0, 1),
        "<answer>6000</answer>": (0, 1),
        "1 kg = 1000 g. 6 * 1000 = 6000. <answer>60</answer>": (0, 0),
        "1 kg = 1000 g. 6 * 1000 = 6000.": (0, 0),
    }
    for text, rewards in texts.items():
        graded = grade(question, Generation(text, 1, True))
        found = [load_reward(n)(graded) for n in ("reasoning", "answer")]
        assert tuple(found) == rewards, text


def test_a_reward_of_one_s_own_is_imported_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = "def short(graded):\n    return -graded.n_tokens\nsize = 3\n"
    (tmp_path / "own_reward.py").write_text(source)
    question = Question("How many gram are there per 6 kg?", 6000.0)
    graded = grade(question, Generation("6 kg", 2, True))
    reward = load_reward("own_reward:short")
    assert reward(graded) == -2
    assert name_of(reward) == "own_reward:short"
    assert name_of(load_reward("answer")) == "answer"
    with pytest.raises(PluginError, match="expected a function"):
        load_reward("own_reward:size")
    with pytest.raises(PluginError, match="reasoning, answer, or"):
        load_reward("length")


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (lambda graded: 1 / 0, "ZeroDivisionError.*return 0.0"),
        (lambda graded: None, "TypeError"),
        (lambda graded: math.nan, "reward is nan.*finite"),
        (lambda graded: -math.inf, "reward is -inf"),
    ],
)
def test_a_reward_that_is_no_number_is_an_error(
    llm: LLM, questions: list[Question], reward: Any, message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        sample_groups(llm, questions[:1], SETTINGS, 0, reward)


def test_ten_steps_without_anything_to_learn_are_reported(
    llm: LLM, questions: list[Question]
) -> None:
    settings = replace(SETTINGS, questions=2, samples=2, max_new_tokens=2)
    optimizer = make_optimizer(llm.model, settings)
    before = {n: p.clone() for n, p in llm.model.named_parameters()}
    steps = train(llm, questions, settings, optimizer)
    updates = [next(steps)[1].update for _ in range(9)]
    with pytest.warns(UserWarning, match=r"nothing was learned .* 10 step"):
        updates += [metrics.update for _, metrics in steps]
    assert updates == [Update()] * 12
    for name, value in llm.model.named_parameters():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"loss": "ppo"}, "choose from dr_grpo"),
        ({"samples": 1}, "at least 2"),
        ({"questions": 0}, "questions must be"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"temperature": math.nan}, "temperature must be above 0"),
        ({"clip": 1.0}, "clip must be"),
        ({"kl": -1.0}, "kl at least 0"),
        ({"dropout": 0.1}, "dropout must be 0"),
    ],
)
def test_settings_out_of_range_are_refused(
    bad: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        replace(SETTINGS, **bad)
