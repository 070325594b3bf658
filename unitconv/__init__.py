"""unitconv: a course on making a small language model reason.

The names that the chapters use most can be imported from here; a module is
loaded when one of its names is first used:

    from unitconv import LLM, evaluate, load_split

    report = evaluate(LLM.from_pretrained("course"), load_split("test"))

The packages, in the order the data flows: `task` (questions and units),
`grading` (a reply becomes right or wrong), `inference` (a prompt becomes a
reply), `evaluation` (grades become a report), `training`, `profiling`,
`pretraining`; `figures` draws, `cli` is the command line.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unitconv.common.errors import UnitconvError
    from unitconv.common.exercises import attempt
    from unitconv.evaluation.evaluate import evaluate
    from unitconv.evaluation.grade import grade
    from unitconv.evaluation.report import Report, compare
    from unitconv.grading.answer import is_correct, parse_answer
    from unitconv.grading.audit import audit_reasoning, reasoning_is_valid
    from unitconv.grading.self_consistency import majority
    from unitconv.grading.tasks.protocol import Task
    from unitconv.inference.llm import LLM
    from unitconv.inference.reference import Decoding
    from unitconv.task.dataset import Question, load_split, read_questions
    from unitconv.task.prompts import format_prompt
    from unitconv.task.question_parser import parse_question
    from unitconv.training.pipelines import train_rft, train_sft

    __version__: str

_MODULE_OF = {
    "LLM": "inference.llm",
    "Decoding": "inference.reference",
    "Question": "task.dataset",
    "Report": "evaluation.report",
    "Task": "grading.tasks.protocol",
    "UnitconvError": "common.errors",
    "attempt": "common.exercises",
    "audit_reasoning": "grading.audit",
    "compare": "evaluation.report",
    "evaluate": "evaluation.evaluate",
    "format_prompt": "task.prompts",
    "grade": "evaluation.grade",
    "is_correct": "grading.answer",
    "load_split": "task.dataset",
    "majority": "grading.self_consistency",
    "parse_answer": "grading.answer",
    "parse_question": "task.question_parser",
    "read_questions": "task.dataset",
    "reasoning_is_valid": "grading.audit",
    "train_rft": "training.pipelines",
    "train_sft": "training.pipelines",
}

__all__ = [
    "LLM",
    "Decoding",
    "Question",
    "Report",
    "Task",
    "UnitconvError",
    "__version__",
    "attempt",
    "audit_reasoning",
    "compare",
    "evaluate",
    "format_prompt",
    "grade",
    "is_correct",
    "load_split",
    "majority",
    "parse_answer",
    "parse_question",
    "read_questions",
    "reasoning_is_valid",
    "train_rft",
    "train_sft",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("unitconv")
    elif name in _MODULE_OF:
        module = import_module(f"unitconv.{_MODULE_OF[name]}")
        value = getattr(module, name)
    else:
        raise AttributeError(f"module 'unitconv' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
