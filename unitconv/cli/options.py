"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import err, write

# torch and transformers take seconds to import: each command imports what
# it needs, so that --help and a mistyped option answer at once.
if TYPE_CHECKING:
    from unitconv.llm import LLM
    from unitconv.questions import Question

MODEL_HELP = "'course' (shipped), a hub id, or a folder."
ADAPTER_HELP = (
    "Folder of a LoRA adapter trained for this model; or sft or rft, "
    "shipped for the course model."
)
PROMPT_HELP = (
    "raw, chat, direct or cot. Default: cot, or raw with an adapter, which "
    "has learned the format."
)
Model = Annotated[str, typer.Option("--model", help=MODEL_HELP)]
Adapter = Annotated[
    str | None, typer.Option("--adapter", help=ADAPTER_HELP)
]
Prompt = Annotated[str | None, typer.Option("--prompt", help=PROMPT_HELP)]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Your own JSON file: a list of question, answer pairs.",
    ),
]
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


def load_llm(
    model: str,
    adapter: str | None,
    prompt: str | None,
    device: str | None,
    dtype: str | None,
) -> LLM:
    from transformers.utils.logging import disable_progress_bar

    from unitconv.llm import LLM

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
    return name, _questions(data, name)[:limit]


def _questions(data: Path | None, split: str) -> list[Question]:
    from unitconv.questions import load_split, read_questions

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
