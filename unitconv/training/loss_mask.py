"""Which tokens a fine-tuning row learns from.

A row is a prompt and the target that should follow it. The model reads
both and is taught the target alone: the label of every prompt token is
`IGNORE`. Two mistakes are common here, and both train without an error.
The prompt's tokens are counted by themselves, although "?" and "<" may
merge into one token when the two texts are joined; or labels are hidden
wherever the token *is* the padding token, which hides the end-of-sequence
token too where both are the same, so that the model never learns to stop.
Here the texts are tokenised together, the seam is checked token by token,
and labels are hidden by place and never by token.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unitconv.common.errors import UnitconvError

IGNORE = -100  #: what torch's cross-entropy skips
# How a token looks in a notebook, on a light page and on a dark one.
_CELL = (
    "display:inline-block;margin:2px 1px;padding:0 4px;border-radius:3px;"
    "font-family:monospace;border:1px solid rgba(138,143,152,.6);"
)
_FILLED = "background:rgba(217,130,43,.35);border-color:#d9822b;"


class LabelError(UnitconvError):
    """A row that cannot be labelled: a merged seam, an empty target."""


@dataclass(frozen=True)
class Row:
    """One training example, unpadded; `labels` is IGNORE or the token."""

    input_ids: list[int]
    labels: list[int]

    @property
    def n_supervised(self) -> int:
        """How many tokens the model learns from."""
        return sum(label != IGNORE for label in self.labels)


def make_row(
    tokenizer: Any, prompt: str, target: str, max_length: int | None = None
) -> Row:
    """Tokenise `prompt + target` as one text and label the target.

    The end-of-sequence token is added and supervised, once.

    Raises:
        LabelError: either text is empty, a token spans the seam, the
            target holds an end-of-sequence token itself, or the row is
            longer than `max_length`.
    """
    if not prompt or not target:
        raise LabelError("a row needs a prompt and a target")
    encoded = tokenizer(
        prompt + target,
        add_special_tokens=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    token_ids = list(encoded["input_ids"])
    start = _seam(encoded["offset_mapping"], len(prompt), prompt, target)
    alone = tokenizer(prompt, add_special_tokens=False, verbose=False)
    if token_ids[:start] != list(alone["input_ids"]):
        raise LabelError(
            f"the prompt {prompt!r} has other tokens before {target!r} "
            "than alone, so the model would be asked what it never read"
        )
    end = tokenizer.eos_token_id
    if end in token_ids[start:]:
        raise LabelError(f"the target {target!r} holds the end token")
    if max_length is not None and len(token_ids) >= max_length:
        raise LabelError(
            f"the row has {len(token_ids) + 1} tokens, more than "
            f"{max_length}: shorten {prompt[:60]!r} or its target"
        )
    labels = [IGNORE] * start + [*token_ids[start:], end]
    return Row([*token_ids, end], labels)


def _seam(
    offsets: Sequence[tuple[int, int]],
    length: int,
    prompt: str,
    target: str,
) -> int:
    """The index of the first token that starts at or after the seam."""
    for index, (start, end) in enumerate(offsets):
        if start < length < end:
            merged = (prompt + target)[start:end]
            raise LabelError(
                f"prompt and target share the token {merged!r}: start the "
                "target with a space"
            )
        if start >= length:
            return index
    raise LabelError(f"the target {target!r} has no tokens")


def collate(rows: Sequence[Row], pad_token_id: int) -> dict[str, Tensor]:
    """Rows as one batch, padded on the right to the longest of them.

    Returns:
        `input_ids`, `attention_mask` and `labels`, each int64
        [rows, longest]. Padding is masked and its labels are IGNORE,
        whichever token it is.
    """
    longest = max(len(row.input_ids) for row in rows)

    def padded(lists: list[list[int]], fill: int) -> Tensor:
        return torch.tensor(
            [ids + [fill] * (longest - len(ids)) for ids in lists]
        )

    return {
        "input_ids": padded([row.input_ids for row in rows], pad_token_id),
        "attention_mask": padded([[1] * len(r.input_ids) for r in rows], 0),
        "labels": padded([row.labels for row in rows], IGNORE),
    }


@dataclass(frozen=True)
class ShownRow:
    """A row's tokens with their mask, for people: text and HTML."""

    tokens: list[str]
    supervised: list[bool]

    def __str__(self) -> str:
        """One token a line; what is learned stands behind an arrow."""
        return "\n".join(
            f"{'-> ' if learned else '   '}{token!r}"
            for token, learned in zip(
                self.tokens, self.supervised, strict=True
            )
        )

    def _repr_html_(self) -> str:
        """Styled in place: a notebook outside the book has no sheet."""
        cells = "".join(
            f'<span class="token{" learned" if learned else ""}" '
            f'style="{_CELL}{_FILLED if learned else ""}">'
            f"{html.escape(token).replace(' ', '·')}</span>"
            for token, learned in zip(
                self.tokens, self.supervised, strict=True
            )
        )
        label = f"{sum(self.supervised)} of {len(self.tokens)} tokens learn"
        return (
            f'<div class="tokens" role="img" aria-label="{label}">'
            f"{cells}</div>"
        )


def show_row(row: Row, tokenizer: Any) -> ShownRow:
    """A row's tokens as they read, and which of them are learned."""
    return ShownRow(
        [tokenizer.decode([token]) for token in row.input_ids],
        [label != IGNORE for label in row.labels],
    )
