"""Prompt styles: from a question to the text that the model reads.

- `raw`: the question and nothing else, as fine-tuned models read it.
- `chat`: an instruction, then the question, as two turns of a chat.
- `direct`: two examples that answer at once, then the question.
- `cot`: the instruction, a worked example that shows its reasoning, then
  the question (Wei et al. 2022, arXiv:2201.11903).

Variants of the last two differ in the examples or the instruction alone:

- `direct-precise`: answers that have digits to lose.
- `cot-gallon`: an example with the American gallon.
- `cot-us`: a sentence that asks for US units.
- `cot-2` to `cot-8`: that many worked examples.

All but `raw` pass through the tokenizer's own chat template. Only the
template may write special tokens, such as the one that ends a turn: in a
question or an example they are text like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Literal, Self, get_args

from unitconv.common.errors import UnitconvError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Style = Literal["raw", "chat", "direct", "cot"]
#: The prompt styles, explained above.
STYLES: tuple[str, ...] = get_args(Style)

INSTRUCTION = (
    "You convert units. Say how many of the wanted unit make one of the "
    "given unit, multiply, and close with the number alone between "
    "<answer> and </answer>."
)
US_INSTRUCTION = INSTRUCTION + " Use US units."
DIRECT_INSTRUCTION = (
    "You convert units. Reply with the number alone between <answer> and "
    "</answer>."
)


class PromptError(UnitconvError):
    """A prompt that cannot be built or read: empty, unknown style."""


class Prompt(str):
    """Text of a prompt that knows which of its pieces people wrote.

    `pieces` are its parts in order: the template's, people's, the
    template's, and so on. The first and the last are the template's.
    """

    pieces: tuple[str, ...]

    def __new__(cls, *pieces: str) -> Self:
        """Join the pieces."""
        prompt = super().__new__(cls, "".join(pieces))
        prompt.pieces = pieces
        return prompt

    def __add__(self, text: str) -> Prompt:
        """Append a text that people wrote."""
        return Prompt(*self.pieces, text, "")


@dataclass(frozen=True)
class WorkedExample:
    """A question with an exemplary reply."""

    question: str
    reply: str


# No example shows an answer that a model is graded on: they are in no
# split, in neither direction, which a test checks.
_HOURS = "How many minutes are there in 15 hours?"
_KM = "How many meters are there in 6 km?"
#: `cot-K` shows the first K; `cot` the first alone.
WORKED_EXAMPLES: tuple[WorkedExample, ...] = (
    WorkedExample(
        question=_HOURS,
        reply="1 hour = 60 minutes. 15 * 60 = 900. <answer>900</answer>",
    ),
    WorkedExample(
        question="How many gram are there in 14 kg?",
        reply="1 kg = 1000 gram. 14 * 1000 = 14000. <answer>14000</answer>",
    ),
    WorkedExample(
        question="How many inches are in 13 feet?",
        reply="1 foot = 12 inches. 13 * 12 = 156. <answer>156</answer>",
    ),
    WorkedExample(
        question="Convert 16 liters to ml.",
        reply="1 liter = 1000 ml. 16 * 1000 = 16000. "
        "<answer>16000</answer>",
    ),
    WorkedExample(
        question="What is 14 days in hours?",
        reply="1 day = 24 hours. 14 * 24 = 336. <answer>336</answer>",
    ),
    WorkedExample(
        question="How many bits are 30 bytes?",
        reply="1 byte = 8 bits. 30 * 8 = 240. <answer>240</answer>",
    ),
    WorkedExample(
        question="17 yards are how many feet?",
        reply="1 yard = 3 feet. 17 * 3 = 51. <answer>51</answer>",
    ),
    WorkedExample(
        question=_KM,
        reply="1 km = 1000 meters. 6 * 1000 = 6000. <answer>6000</answer>",
    ),
)
DIRECT_EXAMPLES: tuple[WorkedExample, ...] = (
    WorkedExample(question=_HOURS, reply="<answer>900</answer>"),
    WorkedExample(question=_KM, reply="<answer>6000</answer>"),
)
PRECISE_EXAMPLES: tuple[WorkedExample, ...] = (
    WorkedExample(
        question="How many inches are in 16 feet?",
        reply="<answer>192</answer>",
    ),
    WorkedExample(
        question="What is 14 days in hours?", reply="<answer>336</answer>"
    ),
)
# The corpus never writes "US": the factor says which gallon is meant.
GALLON_EXAMPLES: tuple[WorkedExample, ...] = (
    WorkedExample(
        question="How many liters are there in 20 gallons?",
        reply="1 gallon = 3.785 liters. 20 * 3.785 = 75.7. "
        "<answer>75.7</answer>",
    ),
)

#: Worked examples and instruction of a prompt style.
ChatStyle = tuple[tuple[WorkedExample, ...], str]
#: The chat styles and variants, explained above.
CHAT_STYLES: dict[str, ChatStyle] = {
    "chat": ((), INSTRUCTION),
    "direct": (DIRECT_EXAMPLES, DIRECT_INSTRUCTION),
    "cot": (WORKED_EXAMPLES[:1], INSTRUCTION),
    "direct-precise": (PRECISE_EXAMPLES, DIRECT_INSTRUCTION),
    "cot-gallon": (GALLON_EXAMPLES, INSTRUCTION),
    "cot-us": (WORKED_EXAMPLES[:1], US_INSTRUCTION),
} | {
    f"cot-{n}": (WORKED_EXAMPLES[:n], INSTRUCTION)
    for n in range(2, len(WORKED_EXAMPLES) + 1)
}
#: The default of models that were not pretrained for this course: chosen
#: on `valid` with SmolLM2-135M-Instruct, see chapter 7.
SEVERAL_EXAMPLES = "cot-4"


#: Variants of the styles, explained above.
VARIANTS: tuple[str, ...] = tuple(s for s in CHAT_STYLES if s not in STYLES)


def check_question(question: str) -> None:
    """Raise PromptError if the question is empty or no valid text."""
    if not question.strip():
        raise PromptError("the question is empty: ask something")
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"the question is no valid text: character {error.start + 1} "
            "is a broken Unicode code"
        ) from error


def check_style(
    style: str, chat_styles: Mapping[str, ChatStyle] = CHAT_STYLES
) -> None:
    """Raise PromptError unless `style` is `raw` or a chat style."""
    known = ("raw", *chat_styles)
    if style not in known:
        raise PromptError(
            f"unknown prompt style {style!r}: choose from "
            + ", ".join(known)
        )


def chat_messages(
    question: str,
    examples: Sequence[WorkedExample] = (),
    instruction: str = INSTRUCTION,
) -> list[dict[str, str]]:
    """Build the turns of a chat that ends with `question`."""
    messages = [{"role": "system", "content": instruction}]
    for example in examples:
        messages.append({"role": "user", "content": example.question})
        messages.append({"role": "assistant", "content": example.reply})
    return [*messages, {"role": "user", "content": question}]


def render_chat(
    messages: list[dict[str, str]],
    tokenizer: PreTrainedTokenizerBase | None,
) -> Prompt:
    """Join the turns into one string that ends where the reply begins.

    Raises:
        PromptError: there is no chat template, or it fails.
    """
    if tokenizer is None or tokenizer.chat_template is None:
        raise PromptError(
            "this tokenizer has no chat template, so it cannot take a chat "
            "or cot prompt: use prompt='raw', or an instruction-tuned model"
        )
    # Nobody can guess these marks, so nobody can write them.
    left, right = f"<{token_hex(8)}", f"{token_hex(8)}>"
    turns = []
    for message in messages:
        content = message["content"]
        text = content.strip()  # some templates strip it: marks lie inside
        marked = content.replace(text, f"{left}{text}{right}", 1)
        turns.append({**message, "content": marked})
    try:
        rendered = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True
        )
    except Exception as error:  # a template is a program of its author
        raise PromptError(
            f"the chat template of {tokenizer.name_or_path!r} fails "
            f"({error}): use prompt='raw', or another model"
        ) from error
    pieces = re.split(f"{left}(.*?){right}", str(rendered), flags=re.DOTALL)
    # A template that cuts a turn leaves a mark without its other one.
    return Prompt(*(re.sub(f"{left}|{right}", "", p) for p in pieces))


def format_prompt(
    question: str,
    style: str,
    tokenizer: PreTrainedTokenizerBase | None = None,
    chat_styles: Mapping[str, ChatStyle] = CHAT_STYLES,
) -> Prompt:
    """Format a question as a prompt, raw or in a chat style of the task.

    Raises:
        PromptError: empty question, unknown style, no chat template.
    """
    check_question(question)
    check_style(style, chat_styles)
    if style == "raw":
        return Prompt("", question, "")
    examples, instruction = chat_styles[style]
    messages = chat_messages(question, examples, instruction)
    return render_chat(messages, tokenizer)


def encode_prompt(
    prompt: str, tokenizer: PreTrainedTokenizerBase
) -> list[int]:
    """Tokenize a prompt; special tokens are those of the template alone.

    A string that is no `Prompt` is taken for a text that people wrote.

    Raises:
        PromptError: the tokenizer cannot write a special token as text.
    """
    if not isinstance(prompt, Prompt):
        prompt = Prompt("", prompt, "")
    added = tokenizer.added_tokens_decoder.items()
    special = {token_id for token_id, token in added if token.special}

    def tokenize(texts: list[str], **how: bool) -> list[list[int]]:
        how |= {"add_special_tokens": False, "verbose": False}
        rows: list[list[int]] = tokenizer(texts, **how)["input_ids"]
        return rows

    def count(rows: list[list[int]]) -> int:
        return sum(token in special for row in rows for token in row)

    first, *others = tokenize([*prompt.pieces[::2]])
    [whole] = tokenize([prompt])
    if count([whole]) == count([first, *others]):
        return whole
    # Somebody typed one. Tokens cannot grow together across these seams.
    typed = tokenize([*prompt.pieces[1::2]], split_special_tokens=True)
    pieces = [first]
    for theirs, template in zip(typed, others, strict=True):
        pieces += [theirs, template]
    if count(pieces) != count([first, *others]):
        raise PromptError(
            "this tokenizer reads special tokens wherever they are "
            f"written: remove {', '.join(tokenizer.all_special_tokens)} "
            "from the text"
        )
    return [token for piece in pieces for token in piece]
