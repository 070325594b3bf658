"""Sphinx extension: what a campaign of many questions takes, computed.

    ```{campaign} hours
    ```

The rates are read from the records when the book is built; those of a GPU
follow from its data sheet, since none was measured.
"""

import gzip
import json
from collections.abc import Callable
from typing import Any

import torch
from record_directive import RecordDirective, table
from sphinx.application import Sphinx
from torch.utils._python_dispatch import TorchDispatchMode

from unitconv.evaluation.leaderboard.table import PACKAGE
from unitconv.inference.engine import ForwardPass
from unitconv.profiling.memory_estimate import shape_only, smollm2
from unitconv.profiling.roofline import Ceiling, work

RESULTS = PACKAGE / "evaluation" / "results"
#: Of the data sheet of an A100 with 40 GB, in bf16; that
#: of the course's chapter on batches, too.
CARD = Ceiling(flops=312e12, bandwidth=1555e9)
#: Seconds to start an operation on a GPU, as assumed in the last chapter.
START = 10e-6
SLOTS = 256
#: Seconds until a process has loaded Python, torch and a model; assumed.
LOADING = 60
SAMPLES = 10
PRICE = 2.0  #: of a GPU for an hour; assumed
QUESTIONS = [10**n for n in range(3, 9)]
GPUS = [1, 8, 100, 1000]


class CountOperations(TorchDispatchMode):
    """Counts what PyTorch is asked to do while it is active."""

    n = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.n += 1
        return function(*args, **(kwargs or {}))


def card_rate(length: float) -> float:
    """Compute the tokens a second of SmolLM2-135M on one GPU.

    A step takes the larger of arithmetic and reading, and the starts of
    its operations. No kernel is as fast as the data sheet.

    Args:
        length: tokens of a reply.
    """
    model = shape_only(smollm2("135M"), torch.bfloat16)
    tokens = torch.zeros(SLOTS, 1, dtype=torch.long, device="meta")
    # Ready-made, because a model inspects numbers to make its own.
    mask = torch.zeros(SLOTS, 1, 1, 1, dtype=model.dtype, device="meta")
    model.set_attn_implementation("eager")
    with torch.no_grad(), CountOperations() as counted:
        model(tokens, mask, use_cache=False)
    cached = round(SLOTS * length / 2)
    step = ForwardPass("decode", [*range(SLOTS)], 1, cached)
    seconds = work(model, step, prefix=200).seconds(CARD)
    return SLOTS / (seconds + counted.n * START)


def measured() -> dict[str, float]:
    """Read tokens a second, and tokens and bytes of a reply."""
    bench = json.loads((RESULTS / "bench.json").read_text("utf-8"))
    [course] = [
        speed["tokens_per_second"]
        for speed in bench["speeds"]
        if speed["workload"] == "rollouts" and speed["decoder"] == "engine"
    ]
    stored = RESULTS / "rollouts.jsonl.gz"
    raw = gzip.decompress(stored.read_bytes())
    _, *lines = map(json.loads, raw.splitlines())
    replies = [reply for line in lines for reply in line["rollouts"]]
    smollm2_record = json.loads(
        (RESULTS / "smollm2.json").read_text("utf-8")
    )
    rates = smollm2_record["rates"]["test"]["sft-reasoning"]
    return {
        "course": course,
        "smollm2": rates["tokens_per_second"],
        "length": sum(reply["n_tokens"] for reply in replies)
        / len(replies),
        "bytes": len(raw) / len(replies),
        "packed": stored.stat().st_size / len(replies),
    }


def seconds(questions: int, gpus: int, rate: float, length: float) -> float:
    """Compute how long a campaign takes; see the page's formula."""
    chunks = -(-questions // 64)
    busy = min(gpus, chunks)  # a chunk is never divided
    return LOADING + questions * SAMPLES * length / (rate * busy)


def duration(value: float) -> str:
    """Write seconds with the unit that fits."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if value >= 2 * size:
            return f"{value / size:,.0f} {unit}"
    return f"{value:.0f} s"


def size(value: float) -> str:
    """Write bytes with the unit that fits."""
    for power, unit in ((12, "TB"), (9, "GB"), (6, "MB")):
        if value >= 10**power:
            return f"{value / 10**power:,.1f} {unit}"
    return f"{value / 1000:,.0f} kB"


def rates() -> str:
    found = measured()
    card = card_rate(found["length"])
    rows = [
        ["course model, one core", f"{found['course']:,.0f}", "measured"],
        ["SmolLM2-135M, one core", f"{found['smollm2']:,.0f}", "measured"],
        ["SmolLM2-135M, an A100", f"{card:,.0f}", "computed"],
    ]
    return table(["model and machine", "tokens a second", ""], rows)


def hours() -> str:
    found = measured()
    length = found["length"]
    card = card_rate(length)
    rows = [
        [
            f"{n:,}",
            duration(seconds(n, 1, found["smollm2"], length)),
            *(duration(seconds(n, gpus, card, length)) for gpus in GPUS),
        ]
        for n in QUESTIONS
    ]
    gpus = ["1 GPU", *(f"{n:,} GPUs" for n in GPUS[1:])]
    return table(["questions", "one core", *gpus], rows)


def storage() -> str:
    found = measured()
    card = card_rate(found["length"])
    rows = []
    for n in QUESTIONS:
        spent = seconds(n, 1, card, found["length"]) / 3600
        rows.append(
            [
                f"{n:,}",
                f"{n * SAMPLES * found['length'] / 1e6:,.1f} M",
                size(n * SAMPLES * found["bytes"]),
                size(n * SAMPLES * found["packed"]),
                f"{spent:,.1f}",
                f"{spent * PRICE:,.0f}",
            ]
        )
    heads = ["questions", "tokens", "JSONL", "packed", "GPU-hours", "price"]
    return table(heads, rows)


TABLES: dict[str, Callable[[], str]] = {
    "rates": rates,
    "hours": hours,
    "storage": storage,
}


class CampaignDirective(RecordDirective):
    """`{campaign} NAME`: a table of `TABLES`."""

    required_arguments = 1
    records = tuple(
        RESULTS / name
        for name in ("bench.json", "smollm2.json", "rollouts.jsonl.gz")
    )

    def markdown(self) -> str:
        return TABLES[self.arguments[0]]()


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("campaign", CampaignDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
