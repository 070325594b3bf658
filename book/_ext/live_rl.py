"""Sphinx extension: advantages of a group of replies.

    ```{live-rl} pints in 461 gallon?
    What to look at.
    ```

takes the first recorded replies to a training question as a group, with the
rewards and advantages of `unitconv.training.rl`. The form chooses another
loss, changes rewards, and samples another group.
"""

from __future__ import annotations

from html import escape
from typing import Any

import torch
from live_figure import LiveFigureDirective, set_up, show
from live_rollouts import recorded
from sphinx.application import Sphinx

from unitconv.inference.reference import Decoding
from unitconv.training.rl.config import LOSSES, RLSettings
from unitconv.training.rl.loss import advantages, token_weights

SHOWN = 4  # of the recorded replies

FORM = """<form hidden>
<label class="ask-wide"><span class="ask-label">Question</span>
<input name="question" value="{question}" maxlength="200" required
 autocomplete="off"></label>
<label><span class="ask-label">Temperature
<span class="live-value">{temperature}</span></span>
<input name="temperature" type="range" value="{temperature}" min="0.1"
 max="2" step="0.1"></label>
<label><span class="ask-label">Replies
<span class="live-value">{replies}</span></span>
<input name="replies" type="range" value="{replies}" min="2"
 max="8"></label>
<label><span class="ask-label">Seed</span>
<input name="seed" type="number" value="{seed}" min="0" max="999999"
 required></label>
<label><span class="ask-label">Loss</span>
<select name="loss">{losses}</select></label>
<button type="submit">Sample a group</button>
<button type="button" class="live-cancel" disabled>Cancel</button>
</form>
<p class="live-question">{question} ({answer})</p>
<p class="live-note">Mean reward {mean}; of {replies} replies {up}
become likelier, {down} less likely.</p>
<ol>
{items}
</ol>
"""
ITEM = (
    '<li data-tokens="{tokens}" data-reward="{reward:.0f}">'
    '<p class="live-text {way}">{text}</p><p class="live-verdict">'
    '<span class="live-reward">{judged}: reward {reward:.0f}.</span> '
    '<span class="live-words">{words}</span></p></li>'
)


def words(length: int, gain: float, weight: float) -> str:
    """Say which way the tokens of a reply go, in the words of rl.js."""
    if not gain:
        return "Advantage 0: nothing is learned from it."
    way = "\u25b2 likelier" if gain > 0 else "\u25bc less likely"
    return (
        f"Advantage {gain:+#.3g}, times the weight of a token "
        f"{gain * weight:+#.2g}: its {length} tokens become {way}."
    )


def group(question: str) -> str:
    """Write the form, and a group with its advantages."""
    settings, rows = recorded()
    if question not in rows:
        raise ValueError("no question of the shipped rollouts")
    replies = rows[question]["rollouts"][:SHOWN]
    loss = RLSettings.loss
    rewards = torch.tensor([[float(not r["reason"]) for r in replies]])
    gains = advantages(rewards, loss)[0]
    if not gains.any():
        raise ValueError("all rewards are equal: nothing to see")
    lengths = torch.tensor([reply["n_tokens"] for reply in replies])
    # Of this loss, the weight is a constant.
    weights = token_weights(
        lengths, loss, len(replies), Decoding.max_new_tokens
    )
    items = [
        ITEM.format(
            tokens=reply["n_tokens"],
            reward=reward,
            way="live-up" if gain > 0 else "live-down",
            text=escape(reply["text"]),
            judged=(reply["reason"] or "right").capitalize(),
            words=words(reply["n_tokens"], gain, weight),
        )
        for reply, reward, gain, weight in zip(
            replies,
            rewards[0].tolist(),
            gains.tolist(),
            weights.tolist(),
            strict=True,
        )
    ]
    losses = [f"<option>{name}</option>" for name in LOSSES]
    return FORM.format(
        question=escape(question),
        answer=show(rows[question]["answer"]),
        losses="".join(losses),
        mean=show(rewards.mean().item()),
        replies=len(replies),
        up=int((gains > 0).sum()),
        down=int((gains < 0).sum()),
        items="\n".join(items),
        temperature=settings["temperature"],
        seed=settings["seed"],
    )


class RLDirective(LiveFigureDirective):
    """`{live-rl} QUESTION`: a group of replies and its advantages."""

    figure = "rl"
    scripts = ("advantages", "rl")
    styles = ("rl",)

    def draw(self, argument: str) -> str:
        return group(argument)


def setup(app: Sphinx) -> Any:
    return set_up(app, RLDirective)
