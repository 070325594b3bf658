"""From a question to the text the model reads.

Four styles, in the order the course meets them:

- `raw`: the question and nothing else. What a fine-tuned model reads.
- `chat`: an instruction, then the question, as two turns of a chat.
- `direct`: two examples that answer at once, then the question.
- `cot`: the instruction, a worked example that shows its reasoning, then
  the question: in-context chain of thought (Wei et al. 2022,
  arXiv:2201.11903).

All but the first pass through the tokenizer's own chat template, so a model
sees the turn markers it was trained on. The result is a string: what you
print is what the model reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from unitconv.common.errors import UnitconvError

Style = Literal["raw", "chat", "direct", "cot"]
#: What a prompt may look like, explained above.
STYLES: tuple[str, ...] = get_args(Style)

INSTRUCTION = (
    "You convert units. Say how many of the wanted unit make one of the "
    "given unit, multiply, and close with the number alone between "
    "<answer> and </answer>."
)
DIRECT_INSTRUCTION = (
    "You convert units. Reply with the number alone between <answer> and "
    "</answer>."
)


class PromptError(UnitconvError):
    """A prompt that cannot be built or read: empty, unknown style."""


@dataclass(frozen=True)
class WorkedExample:
    """A question with the reply we would like to get."""

    question: str
    reply: str


# None of these conversions stands in a question set (a test holds that),
# so no example shows the model an answer it is graded on.
WORKED_EXAMPLES: tuple[WorkedExample, ...] = (
    WorkedExample(
        "How many minutes are there in 15 hours?",
        "1 hour = 60 minutes. 15 * 60 = 900. <answer>900</answer>",
    ),
)
DIRECT_EXAMPLES: tuple[WorkedExample, ...] = (
    WorkedExample(
        "How many minutes are there in 15 hours?", "<answer>900</answer>"
    ),
    WorkedExample(
        "How many meters are there in 6 km?", "<answer>6000</answer>"
    ),
)

# What each chat style shows, and how it instructs.
_SHOWN: dict[str, tuple[tuple[WorkedExample, ...], str]] = {
    "chat": ((), INSTRUCTION),
    "direct": (DIRECT_EXAMPLES, DIRECT_INSTRUCTION),
    "cot": (WORKED_EXAMPLES, INSTRUCTION),
}


def check_question(question: str) -> None:
    """Raise PromptError if there is nothing to ask, or no text."""
    if not question.strip():
        raise PromptError("the question is empty: ask something")
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"the question is no valid text: character {error.start + 1} "
            "is a broken Unicode code"
        ) from error


def check_style(style: str) -> None:
    """Raise PromptError if `style` is none of `STYLES`."""
    if style not in STYLES:
        raise PromptError(
            f"unknown prompt style {style!r}: choose from "
            + ", ".join(STYLES)
        )


def chat_messages(
    question: str,
    examples: Sequence[WorkedExample] = (),
    instruction: str = INSTRUCTION,
) -> list[dict[str, str]]:
    """The turns of a chat that ends with `question`."""
    messages = [{"role": "system", "content": instruction}]
    for example in examples:
        messages.append({"role": "user", "content": example.question})
        messages.append({"role": "assistant", "content": example.reply})
    return [*messages, {"role": "user", "content": question}]


def render_chat(messages: list[dict[str, str]], tokenizer: Any) -> str:
    """The turns as one string that ends where the reply begins."""
    if getattr(tokenizer, "chat_template", None) is None:
        raise PromptError(
            "this tokenizer has no chat template, so it cannot take a chat "
            "or cot prompt: use prompt='raw', or an instruction-tuned model"
        )
    return str(
        tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
    )


def format_prompt(
    question: str,
    style: str,
    tokenizer: Any = None,
    examples: Sequence[WorkedExample] | None = None,
) -> str:
    """The text a model reads for `question`, in one of `STYLES`.

    Args:
        tokenizer: a Hugging Face tokenizer with a chat template; `raw`
            needs none.
        examples: what `cot` and `direct` show instead of their own
            examples.

    Raises:
        PromptError: empty question, unknown style, no chat template.
    """
    check_question(question)
    check_style(style)
    if style == "raw":
        return question
    own, instruction = _SHOWN[style]
    shown = own if examples is None or style == "chat" else examples
    messages = chat_messages(question, shown, instruction)
    return render_chat(messages, tokenizer)
