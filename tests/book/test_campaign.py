"""The page "A campaign on many GPUs": its formula, and vLLM's stand-in."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import campaign
import proofs
import pytest

from unitconv.inference.llm import LLM
from unitconv.inference.reference import Decoding

PAGE = Path(__file__).resolve().parents[2] / "book" / "campaign.md"
[CODE] = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S
)


def test_a_campaign_takes_what_its_tokens_take() -> None:
    # 6,400 questions of 10 replies of 50 tokens, 100 chunks: 3.2 M tokens.
    loading = campaign.LOADING
    one = campaign.seconds(6400, gpus=1, rate=1000.0, length=50)
    assert one == pytest.approx(loading + 3200)
    ten = campaign.seconds(6400, gpus=10, rate=1000.0, length=50)
    assert ten == pytest.approx(loading + 320)
    # No chunk is left for the GPUs beyond the hundredth.
    most = campaign.seconds(6400, gpus=1000, rate=1000.0, length=50)
    assert most == pytest.approx(loading + 32)


def test_a_computed_card_is_slower_than_its_bandwidth_alone() -> None:
    # 270 MB of weights in bf16, read for each step of 256 tokens.
    assert campaign.card_rate(56) < 256 / (270e6 / 1555e9)
    # 30 layers with more than ten operations each, at 10 us a start.
    assert campaign.card_rate(56) < 256 / (30 * 10 * campaign.START)


@pytest.mark.parametrize("name", campaign.TABLES)
def test_tables_have_a_row_for_each_size(name: str) -> None:
    heads, _, *rows = campaign.TABLES[name]().splitlines()
    assert len(rows) == (3 if name == "rates" else 6)
    assert {row.count("|") for row in rows} == {heads.count("|")}


def test_the_function_for_vllm_fits(
    tiny_model: Any, byte_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in with vLLM's interface decodes with our engine."""
    tiny = LLM(tiny_model, byte_tokenizer, "raw")
    prompts = [f"How many gram are there per {i} kg?" for i in range(3)]
    settings = Decoding(max_new_tokens=5, temperature=0.7, seed=4)
    expected = tiny.complete(prompts, 2, settings)
    ours = LLM.complete

    class Server:
        def __init__(self, model: str) -> None:
            assert model == tiny.name

        def generate(self, requests: Any, sampling: Any) -> Any:
            asked = [r["prompt_token_ids"] for r in requests]
            assert asked == tiny.encode_all(prompts)
            assert sampling.max_tokens == 5
            rows = ours(tiny, prompts, sampling.n, settings)
            return [
                SimpleNamespace(outputs=[*map(output, r)]) for r in rows
            ]

    def output(generation: Any) -> SimpleNamespace:
        return SimpleNamespace(
            text=generation.text,
            token_ids=[0] * generation.n_tokens,
            finish_reason="stop" if generation.finished else "length",
        )

    vllm = ModuleType("vllm")
    vars(vllm).update(LLM=Server, SamplingParams=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setattr(LLM, "complete", ours)  # is put back afterwards
    exec(CODE, {"__name__": "with_vllm"})
    done: list[int] = []
    found = tiny.complete(prompts, 2, settings, progress=done.append)
    assert found == expected
    assert done == [3]


def test_every_table_of_a_trial_has_its_record() -> None:
    pages = "".join(p.read_text("utf-8") for p in PAGE.parent.glob("*.md"))
    asked = re.findall(r"^```\{proof\} (\w+)$", pages, re.M)
    assert sorted(asked) == sorted(proofs.TABLES)
    for name in asked:
        path = proofs.RECORDS / f"{name}.json"
        record = json.loads(path.read_text("utf-8"))
        assert proofs.TABLES[name](record).count("\n") >= 3


def test_every_surviving_mutant_is_explained() -> None:
    record = json.loads(
        (proofs.RECORDS / "mutants.json").read_text("utf-8")
    )
    text = (proofs.RECORDS / "mutants.md").read_text("utf-8")
    explained: Counter[str] = Counter()
    for module, count in re.findall(r"^\| `([\w.]+)` \| (\d+)", text, re.M):
        explained[module] += int(count)
    assert explained == Counter(
        {
            module.split(".", 2)[2]: found["mutants"] - found["killed"]
            for module, found in record["modules"].items()
        }
    )
