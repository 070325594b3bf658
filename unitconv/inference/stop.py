"""Rule that ends a reply: its closing tag, or an end-of-text token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unitconv.inference.reference import StopRule

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: A reply ends with it.
STOP_TEXT = "</answer>"
# A tokenizer may cut the stop text anywhere, but never finer than bytes.
_STOP_WINDOW = len(STOP_TEXT.encode()) + 4


def stop_rule(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> StopRule:
    """Stop at an end-of-sequence token or after `</answer>`."""
    ends = {tokenizer.eos_token_id}
    configured = model.generation_config.eos_token_id
    ends |= set(
        configured if isinstance(configured, list) else [configured]
    )

    # Only tokens with its last character can complete the stop text, so
    # the text of the others need not be decoded.
    vocabulary = tokenizer.get_vocab().items()
    closing = {i for token, i in vocabulary if STOP_TEXT[-1] in token}

    def stop(token_ids: list[int]) -> bool:
        if token_ids[-1] in ends:
            return True
        if token_ids[-1] not in closing:
            return False
        tail = tokenizer.decode(token_ids[-_STOP_WINDOW:])
        return STOP_TEXT in tail

    return stop
