"""Task: the questions, the prompts, and the grader of their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unitconv.grading.answer import is_correct, parse_answer
from unitconv.grading.audit import Audit, audit_reasoning
from unitconv.task.dataset import (
    DEFAULT_TASK,
    TRAINING_SPLITS,
    VALIDATION_SPLITS,
    DataError,
    Question,
)
from unitconv.task.prompts import ChatStyle, format_prompt
from unitconv.task.question_parser import Conversion

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task: functions that ask, and functions that grade a reply.

    The page "Your own task" writes one. The defaults grade numbers within
    5 %, and audit equations as `audit_reasoning` does.
    """

    name: str
    #: Reads or generates the questions of each split. Training needs
    #: `train` and `valid`, evaluation `test`.
    splits: Mapping[str, Callable[[], list[Question]]]
    #: Prompt style -> worked examples and instruction. `raw`, the bare
    #: question, need not be among them. The default is `cot`; for models
    #: that were not pretrained for this course it is `cot-4`, if there.
    chat_styles: Mapping[str, ChatStyle]
    #: Writes true reasoning with its answer for a question; None if it
    #: cannot. Training on it is the control for RFT, and its loss on
    #: `valid` is logged.
    reasoning: Callable[[str], str | None]
    #: Writes the beginning of the reply, which the model goes on from.
    opening: Callable[[str], str] = lambda question: ""
    #: Parses the answer from a reply; NaN if there is none.
    parse: Callable[[str], float] = parse_answer
    #: Compares an answer with the truth.
    is_right: Callable[[float, float], bool] = is_correct
    #: Checks the reasoning of a reply (first) to a question (second).
    audit: Callable[[str, str], Audit] = audit_reasoning
    #: Names the kind of a question; reports give the accuracy of each.
    family: Callable[[str], str] = lambda question: "all"
    #: Reads the conversion that a question asks for, to tell mistakes
    #: with units apart; for unit conversion alone.
    conversion: Callable[[str], Conversion | None] = lambda question: None
    #: Significant digits of an answer that SFT trains on; None for those
    #: of the course.
    digits: int | None = None

    def load_split(self, name: str) -> list[Question]:
        """Read one of the splits.

        Raises:
            DataError: the task has no such split.
        """
        if name not in self.splits:
            known = ", ".join(self.splits)
            of_task = f", the splits of {self.name}" if self.entry else ""
            raise DataError(
                f"unknown split {name!r}: choose from {known}{of_task}"
            )
        return self.splits[name]()

    def load_splits(self, names: Sequence[str]) -> list[Question]:
        """Read several splits, one after the other."""
        return [q for name in names for q in self.load_split(name)]

    def load_training(self) -> list[Question]:
        """Read `train`, and the other training splits there are."""
        return self._load_present(TRAINING_SPLITS)

    def load_validation(self) -> list[Question]:
        """Read `valid`, and the other validation splits there are."""
        return self._load_present(VALIDATION_SPLITS)

    def _load_present(self, names: Sequence[str]) -> list[Question]:
        first, *others = names
        present = [name for name in others if name in self.splits]
        return self.load_splits([first, *present])

    def format_prompt(
        self,
        question: str,
        style: str,
        tokenizer: PreTrainedTokenizerBase | None = None,
    ) -> str:
        """Format a question as a prompt, raw or in a chat style.

        Raises:
            PromptError: empty question, unknown style, no chat template.
        """
        prompt = format_prompt(question, style, tokenizer, self.chat_styles)
        return prompt if style == "raw" else prompt + self.opening(question)

    @property
    def entry(self) -> dict[str, str]:
        """Entry of a record; none for unit conversion, the default."""
        return {} if self.name == DEFAULT_TASK else {"task": self.name}
