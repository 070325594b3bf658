"""What the library replies, to compare the browser's replies with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.live.pages import Request
from unitconv.inference.llm import LLM, Generation
from unitconv.inference.reference import GREEDY, Decoding
from unitconv.task.dataset import load_split

MODELS = ["base", "sft", "rft", "rl"]


@cache
def load(model: str) -> LLM:
    """Load a model by the name that it has in the browser."""
    adapter = None if model == "base" else model
    return LLM.from_pretrained("course", adapter, device="cpu")


def questions(per_split: int) -> list[str]:
    """Return questions of two splits, from all over them."""
    chosen = []
    for split in ("test", "test_hard"):
        rows = load_split(split)
        step = len(rows) // per_split
        chosen += [row.text for row in rows[::step][:per_split]]
    return chosen


@dataclass(frozen=True)
class Case:
    """A request to a page, and the reply that is expected."""

    request: Request
    expected: Generation

    def matches(self, reply: Any) -> bool:
        """Compare a page's reply with the library's."""
        got = (reply["text"], len(reply["ids"]), reply["stopped"])
        expected = self.expected
        return got == (expected.text, expected.n_tokens, expected.finished)


def cases(
    model: str,
    texts: list[str],
    settings: Decoding = GREEDY,
    samples: int = 1,
) -> list[Case]:
    """Ask the library some questions."""
    llm = load(model)
    prompts = [llm.format_prompt(text) for text in texts]
    found = []
    rows = llm.complete(prompts, samples, settings)
    for text, row in zip(texts, rows, strict=True):
        for sample, expected in enumerate(row):
            options = {
                "temperature": settings.temperature,
                "topP": settings.top_p,
                "seed": settings.seed,
                "sample": sample,
                "maxNewTokens": settings.max_new_tokens,
            }
            request = {
                "does": "generate",
                "model": model,
                "question": text,
                "options": options,
            }
            found.append(Case(request, expected))
    return found
