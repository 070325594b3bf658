"""Options that several commands share, and loaders of what they name.

Commands import torch and transformers when they run: --help answers fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from unitconv.cli.console import err, plain_warnings, write
from unitconv.common.errors import UnitconvError
from unitconv.task.dataset import DEFAULT_TASK

if TYPE_CHECKING:
    from unitconv.grading.tasks.protocol import Task
    from unitconv.inference.llm import LLM
    from unitconv.task.dataset import Question

# The model
Model = Annotated[
    str, Option(help="'course', 'smollm2', a hub id, or a folder.")
]
Adapter = Annotated[
    str | None,
    Option(
        help="Folder of a LoRA adapter; or the name of a shipped one, such "
        "as sft or rft (for 'course'): see unitconv info."
    ),
]
Prompt = Annotated[
    str | None,
    Option(
        help="Prompt style: raw, chat, direct or cot; or a variant: "
        "direct-precise, cot-gallon, cot-us, or cot-2 to cot-8.",
        show_default="by model; with an adapter that of its training",
    ),
]
Device = Annotated[
    str | None,
    Option(help="cpu, cuda, cuda:1 or mps.", show_default="the fastest"),
]
Dtype = Annotated[
    str | None,
    Option(help="float32, bfloat16 or float16.", show_default="by device"),
]

# Questions
TaskName = Annotated[
    str,
    Option(
        "--task",
        help="unit-conversion, multiplication, or module:attribute, a Task "
        "of your own.",
    ),
]
Data = Annotated[
    Path | None,
    Option(help="JSON file of questions and answers, instead of a split."),
]
Split = Annotated[
    str | None,
    Option(
        help="train, train_hard, valid, valid_hard, test or test_hard.",
        show_default="test",
    ),
]
TrainingSplits = Annotated[
    list[str] | None,
    Option(
        "--split",
        help="Split of training questions; may be given several times.",
        show_default="train and train_hard",
    ),
]
Limit = Annotated[
    int | None, Option(min=1, help="Use only the first N questions.")
]

# Sampling and decoding
Seed = Annotated[int, Option(min=0, max=2**32 - 1, help="Random seed.")]
Samples = Annotated[int, Option(min=1, help="Completions per question.")]
Temperature = Annotated[
    float,
    Option(min=0.0, max=1000.0, help="Sampling temperature; 0 is greedy."),
]
DecodingBatch = Annotated[
    int | None,
    Option(
        "--batch-size",
        min=1,
        help="Sequences decoded together.",
        show_default="256, or as many as fit in memory",
    ),
]
JsonReport = Annotated[
    Path | None, Option("--json", help="Write the report to this file.")
]

# Sampling of training examples
Triples = Annotated[
    Path,
    Option(
        "-o",
        "--output",
        help="JSON file for the selected triples of question, answer and "
        "reasoning; all completions go to a .jsonl file beside it.",
    ),
]
Selected = Annotated[
    Path | None,
    Option(
        help="File that `unitconv rollouts` has written.",
        show_default="sampled from --questions or --split",
    ),
]
Rounds = Annotated[
    int,
    Option(
        min=1,
        max=2,
        help="With 2, sample again from the trained model, and train the "
        "base on the examples of both rounds.",
    ),
]
Questions = Annotated[
    Path | None,
    Option(
        help="JSON file of questions to sample from.",
        show_default="those of --split",
    ),
]

# Training
Output = Annotated[Path, Option("-o", "--output", help="Adapter folder.")]
Valid = Annotated[
    Path | None,
    Option(
        help="JSON file of questions that decide which epoch is kept.",
        show_default="the splits valid and valid_hard",
    ),
]
_BY_MODEL = "that of the model's recipe"
TrainingPrompt = Annotated[
    str,
    Option(
        "--prompt",
        help="Prompt style of the training examples: raw, the bare "
        "question; or chat, an instruction and the question in the "
        "model's chat template.",
    ),
]
Epochs = Annotated[
    int | None,
    Option(
        min=1, help="Number of training epochs.", show_default=_BY_MODEL
    ),
]
Rank = Annotated[
    int | None,
    Option(
        min=1,
        help="LoRA rank.",
        show_default=_BY_MODEL,
    ),
]
LearningRate = Annotated[
    float | None,
    Option(
        min=0.0,
        max=10.0,
        help="Peak learning rate.",
        show_default=_BY_MODEL,
    ),
]
TrainingBatch = Annotated[
    int | None,
    Option(
        "--batch-size",
        min=1,
        help="Training examples per step.",
        show_default=_BY_MODEL,
    ),
]
MaxSize = Annotated[
    float,
    Option(
        min=0.0,
        max=1e6,
        help="Largest adapter in MB, checked before training.",
    ),
]
Preset = Annotated[
    str | None,
    Option(
        help="Number format and activation checkpointing for one kind of "
        "hardware: cpu, t4 or ampere.",
        show_default="by device",
    ),
]
Resume = Annotated[
    bool, Option("--resume", help="Continue from the last checkpoint.")
]


def load_llm(
    model: str,
    adapter: str | Path | None,
    prompt: str | None,
    device: str | None,
    dtype: str | None,
    task: str = DEFAULT_TASK,
) -> LLM:
    """Load a model and its adapter, and print what was loaded."""
    from transformers.utils.logging import disable_progress_bar

    from unitconv.inference.llm import LLM

    if not err.is_terminal:
        disable_progress_bar()
    with plain_warnings():
        llm = LLM.from_pretrained(
            model,
            adapter,
            prompt,
            device,
            dtype,
            task=load_task(task),
        )
    write(repr(llm), err)
    return llm


def load_task(name: str) -> Task:
    """Return a task of the package, or import a reader's own."""
    from unitconv.grading.tasks import load

    return load.load_task(name)


def load_training(
    data: Path | None, splits: list[str] | None, task: str = DEFAULT_TASK
) -> list[Question]:
    """Read the questions of a file, or of the training splits."""
    from unitconv.task.dataset import read_questions

    if data and splits:
        raise UnitconvError("give a file of questions or --split, not both")
    if data:
        return read_questions(data)
    asked = load_task(task)
    return asked.load_splits(splits) if splits else asked.load_training()


def load_validation(
    data: Path | None, task: str = DEFAULT_TASK
) -> list[Question]:
    """Read the questions of a file, or of the validation splits."""
    from unitconv.task.dataset import read_questions

    if data:
        return read_questions(data)
    return load_task(task).load_validation()


def choose_questions(
    data: Path | None,
    split: str | None,
    limit: int | None,
    task: str = DEFAULT_TASK,
) -> tuple[str, list[Question]]:
    """Return the name of a file or split, and its first questions."""
    from unitconv.task.dataset import read_questions

    if data and split:
        raise UnitconvError("give --data or --split, not both")
    if data:
        return str(data), read_questions(data)[:limit]
    asked, split = load_task(task), split or "test"
    name = " ".join([*asked.entry.values(), split])
    return name, asked.load_split(split)[:limit]


def check_writable(path: Path | None, option: str = "--json") -> None:
    """Refuse a path that cannot be written, before any work is done.

    Raises:
        UnitconvError: it is a folder, or in a folder that does not exist.
    """
    if path is not None and path.is_dir():
        raise UnitconvError(f"{option} {path} is a folder: name a file")
    if path is not None and not (folder := path.absolute().parent).is_dir():
        raise UnitconvError(
            f"{option}: the folder {folder} does not exist, create it first"
        )
