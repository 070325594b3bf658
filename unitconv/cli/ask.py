"""`unitconv ask` and `info`: one question, and what there is here."""

from __future__ import annotations

import json
import math
from typing import Annotated

import typer

from unitconv.cli.console import out, say, write
from unitconv.cli.options import (
    Adapter,
    Device,
    Dtype,
    Model,
    Prompt,
    load_llm,
)


def ask(
    question: Annotated[
        str, typer.Argument(help='"How many gram are there per 6 kg?"')
    ],
    model: Model = "course",
    adapter: Adapter = None,
    prompt: Prompt = None,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 is greedy.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print what it reads.")
    ] = False,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Ask one question; show the reply, its answer, and the truth."""
    from unitconv.task.prompts import check_question

    check_question(question)
    from unitconv.inference.reference import Decoding

    settings = Decoding(temperature=temperature, seed=seed)
    llm = load_llm(model, adapter, prompt, device, dtype)
    text = llm.format_prompt(question)
    if show_prompt:
        say("prompt", text)
    reply = llm.generate(text, settings)
    say("model", reply.strip() or "(nothing)")
    _show_grade(question, reply)


def _show_grade(question: str, reply: str) -> None:
    from unitconv.grading.answer import is_correct, parse_answer
    from unitconv.grading.audit import audit_reasoning
    from unitconv.task.question_parser import parse_question

    for claim in audit_reasoning(reply):
        verdict = {True: "true", False: "FALSE", None: "not checkable"}
        say("audit", f"{claim.text}: {verdict[claim.verdict]}")
    answer = parse_answer(reply)
    say("answer", "none" if math.isnan(answer) else f"{answer:.10g}")
    conversion = parse_question(question)
    if conversion is None:
        say("pint", "cannot tell which conversion the question asks for")
        return
    truth = conversion.answer
    grade = "right" if is_correct(answer, truth) else "wrong"
    say("pint", f"{truth:.10g} ({grade}, at 5 % tolerance)")


def info(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line.")
    ] = False,
) -> None:
    """What is installed, what it would run on, and what is shipped."""
    facts = _facts()
    if as_json:
        write(out, json.dumps(facts))
        return
    for name, value in facts.items():
        write(out, f"{name.replace('_', ' '):>19}  {value}")


def _facts() -> dict[str, str | int]:
    import platform

    import torch
    import transformers

    from unitconv import __version__
    from unitconv.common.run_metadata import machine
    from unitconv.inference.load import (
        COURSE_MODEL,
        pick_device,
        pick_dtype,
    )
    from unitconv.task.dataset import SPLITS, load_split

    device = pick_device()
    size = sum(f.stat().st_size for f in COURSE_MODEL.iterdir())
    facts: dict[str, str | int] = {
        "unitconv": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": machine(),
        "device": str(device),
        "dtype": str(pick_dtype(device)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "course_model": f"{size / 1e6:.1f} MB",
    }
    for split in SPLITS:
        facts[f"{split}_questions"] = len(load_split(split))
    return facts
