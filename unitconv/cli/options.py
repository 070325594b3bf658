"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unitconv.cli.console import err, write

# torch and transformers take seconds to import: each command imports what
# it needs, so that --help and a mistyped option answer at once.
if TYPE_CHECKING:
    from unitconv.inference.llm import LLM
    from unitconv.task.dataset import Question

MODEL_HELP = "'course' (shipped), a hub id, or a folder."
ADAPTER_HELP = (
    "Folder of a LoRA adapter trained for this model; or sft or rft, "
    "shipped for the course model."
)
DATA_HELP = "Your own JSON file: a list of question, answer pairs."
PROMPT_HELP = (
    "raw, chat, direct or cot. Default: cot, or raw with an adapter, which "
    "has learned the format."
)
Model = Annotated[str, typer.Option("--model", help=MODEL_HELP)]
Adapter = Annotated[
    str | None, typer.Option("--adapter", help=ADAPTER_HELP)
]
Prompt = Annotated[str | None, typer.Option("--prompt", help=PROMPT_HELP)]
Data = Annotated[Path | None, typer.Option("--data", help=DATA_HELP)]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="train, valid, test or test_hard.",
        show_default="test",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Only the first N questions."),
]
Device = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")
]
Dtype = Annotated[
    str | None,
    typer.Option("--dtype", help="float32, bfloat16 or float16."),
]

# ------------------------------------------ what is trained, and on what

Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="Folder for the adapter.", show_default=False
    ),
]
TrainData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=DATA_HELP,
        show_default="the train split",
    ),
]
Valid = Annotated[
    Path | None,
    typer.Option(
        help="Questions that decide which epoch is kept.",
        show_default="the valid split",
    ),
]
Epochs = Annotated[int, typer.Option(min=1)]
Rank = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Of LoRA.",
        show_default="the preset's, or less to stay in the budget",
    ),
]
LearningRate = Annotated[float, typer.Option(min=0.0)]
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, help="Rows a step.", show_default="the preset's"),
]
Dropout = Annotated[float, typer.Option(min=0.0, max=1.0)]
Seed = Annotated[int, typer.Option()]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the last checkpoint.")
]
Budget = Annotated[
    float,
    typer.Option(help="Refuse a larger adapter, before any training."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="cpu, t4 or ampere: batch size, dtype and rank.",
        show_default="this machine's",
    ),
]
Samples = Annotated[
    int, typer.Option(min=1, help="Completions a question.")
]
Temperature = Annotated[float, typer.Option(min=0.0)]
Paths = Annotated[
    int, typer.Option(min=1, help="Distinct paths a question, at most.")
]


def load_llm(
    model: str,
    adapter: str | None,
    prompt: str | None,
    device: str | None,
    dtype: str | None,
) -> LLM:
    from transformers.utils.logging import disable_progress_bar

    from unitconv.inference.llm import LLM

    if not err.is_terminal:
        disable_progress_bar()
    llm = LLM.from_pretrained(model, adapter, prompt, device, dtype)
    write(err, repr(llm))
    return llm


def chosen_questions(
    data: Path | None, split: str | None, limit: int | None
) -> tuple[str, list[Question]]:
    """The questions a command was asked for, and what to call them."""
    if data and split:
        raise ValueError("give --data or --split, not both")
    name = str(data) if data else split or "test"
    return name, read(data, name)[:limit]


def read(data: Path | None, split: str) -> list[Question]:
    """The questions of a file, or else those of a split."""
    from unitconv.task.dataset import load_split, read_questions

    return read_questions(data) if data else load_split(split)


def check_writable(path: Path, option: str = "--json") -> None:
    """Better to say so now than after ten minutes of work."""
    if path.is_dir():
        raise ValueError(f"{option} {path} is a folder: name a file in it")
    if not path.absolute().parent.is_dir():
        raise ValueError(
            f"{option} {path}: the folder {path.absolute().parent} does "
            "not exist, create it first"
        )
