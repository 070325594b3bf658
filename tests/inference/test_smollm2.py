"""SmolLM2-135M-Instruct itself, where ``make weights`` could fetch it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from unitconv.evaluation.evaluate import evaluate
from unitconv.inference.llm import LLM
from unitconv.inference.load.adapter import (
    ADAPTER_WEIGHTS,
    ADAPTERS,
    shipped_adapters,
)
from unitconv.inference.reference import Decoding, left_pad
from unitconv.profiling.memory_estimate import SMOLLM2, smollm2
from unitconv.task.dataset import SPLITS, load_split

pytestmark = pytest.mark.slow
N_TOKENS = 24


@pytest.fixture(scope="module")
def real(smollm2_weights: str) -> LLM:
    return LLM.from_pretrained(
        smollm2_weights, prompt="chat", device="cpu", dtype="float32"
    )


def test_its_shape_is_the_published_one(real: LLM) -> None:
    published = smollm2("135M").to_dict()
    ours = real.model.config.to_dict()
    # Published is that of the base model, with other special tokens.
    special = {"bos_token_id", "eos_token_id", "pad_token_id"}
    shape = SMOLLM2["135M"].keys() - special
    assert len(shape) == 10
    for key in shape:
        assert ours[key] == published[key], key
    assert real.model.num_parameters() == 134_515_008


def test_its_tokens_are_those_of_the_original(
    real: LLM, smollm2_tokenizer: Any
) -> None:
    for split in SPLITS:
        for question in load_split(split):
            text = f"{question.text} <answer>{question.answer}</answer>"
            ids = smollm2_tokenizer(text, add_special_tokens=False)
            assert real.encode(text) == ids["input_ids"]
    # It has no template of its own that differs.
    assert real.format_prompt("6 kg in g?") == LLM(
        real.model, smollm2_tokenizer, "chat"
    ).format_prompt("6 kg in g?")


@torch.inference_mode()
def test_the_engine_equals_transformers(real: LLM) -> None:
    """Greedily, in float32, of prompts of different lengths."""
    texts = [real.format_prompt(q.text) for q in load_split("test")[:19]]
    texts.append(real.format_prompt("What is the capital of France?"))
    prompts = [real.encode(text) for text in texts]
    ids, mask = left_pad(prompts, real.pad_token_id)
    model: Any = real.model
    output = model.generate(
        ids, attention_mask=mask, do_sample=False, max_new_tokens=N_TOKENS
    )
    theirs = [
        real.tokenizer.decode(row[ids.shape[1] :], skip_special_tokens=True)
        for row in output
    ]
    ours = real.complete(texts, settings=Decoding(max_new_tokens=N_TOKENS))
    assert [row[0].text for row in ours] == theirs
    assert "Paris" in theirs[-1]


def test_the_shipped_adapter_answers_and_is_often_right(
    smollm2_weights: str,
) -> None:
    """Of a thousand questions .777 were right, and all were answered."""
    [name] = shipped_adapters(smollm2_weights)
    weights = ADAPTERS / name / ADAPTER_WEIGHTS
    assert weights.stat().st_size < 6e6
    assert {t.dtype for t in load_file(weights).values()} == {torch.float16}
    tuned = LLM.from_pretrained(
        smollm2_weights, name, device="cpu", dtype="float32"
    )
    report = evaluate(tuned, load_split("test")[-40:])
    assert report.answer_rate.value == 1
    # Two standard errors below the record.
    assert report.accuracy.value > 0.64
