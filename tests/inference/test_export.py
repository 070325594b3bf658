"""Exported models: llama.cpp and plain Transformers answer as we do."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import xllamacpp
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from unitconv.inference.export.export import check_output, export_model
from unitconv.inference.export.gguf_file import ExportError
from unitconv.inference.llm import LLM
from unitconv.inference.load.adapter import ADAPTERS
from unitconv.inference.load.errors import ModelError
from unitconv.inference.reference import Decoding, left_pad
from unitconv.task.dataset import SPLITS, load_split
from unitconv.task.prompts import chat_messages

N_TOKENS = 40


class LlamaCpp:
    """llama.cpp's own server on 127.0.0.1, asked in text."""

    def __init__(self, path: Path, n_ctx: int) -> None:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_parallel = 1
        parameters.n_ctx = n_ctx
        parameters.cpuparams.n_threads = 1
        parameters.cpuparams_batch.n_threads = 1
        parameters.fit_params = False
        parameters.warmup = False
        parameters.verbosity = 0
        kind = xllamacpp.ggml_type.GGML_TYPE_F32
        parameters.cache_type_k = parameters.cache_type_v = kind
        self.server = xllamacpp.Server(parameters)

    def post(self, name: str, **request: object) -> Any:
        call = urllib.request.Request(
            f"{self.server.listening_address}/{name}",
            json.dumps(request).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(call) as reply:
            return json.load(reply)

    def encode(self, text: str, parse_special: bool = False) -> list[int]:
        reply = self.post(
            "tokenize",
            content=text,
            add_special=True,
            parse_special=parse_special,
        )
        return list(reply["tokens"])

    def greedy(self, prompt: str, n_tokens: int = N_TOKENS) -> Any:
        return self.post(
            "completion",
            prompt=prompt,
            n_predict=n_tokens,
            temperature=0,
            return_tokens=True,
        )


def every_question() -> str:
    """All questions with their answers, one a line."""
    return "\n".join(
        f"{question.text} <answer>{question.answer}</answer>"
        for split in SPLITS
        for question in load_split(split)
    )


def assert_same_tokens(theirs: LlamaCpp, ours: LLM) -> None:
    """Compare token ids and a prompt from the chat template."""
    text = every_question()
    assert theirs.encode(text) == ours.encode(text)
    messages = chat_messages("How many gram are there per 6 kg?")
    prompt = theirs.post("apply-template", messages=messages)["prompt"]
    chat = LLM(ours.model, ours.tokenizer, "chat")
    expected = chat.format_prompt(messages[-1]["content"])
    assert prompt == expected
    ids = theirs.encode(prompt, parse_special=True)
    assert ids == chat.encode(expected)


# --------------------------------------------------- the course model


@pytest.fixture(scope="module")
def rft() -> LLM:
    return LLM.from_pretrained("course", "rft", device="cpu")


@pytest.fixture(scope="module")
def replies(rft: LLM) -> dict[str, str]:
    """What the engine answers to 50 questions, with the LoRA layers."""
    questions = [question.text for question in load_split("test")[:50]]
    rows = rft.complete(questions, settings=Decoding(N_TOKENS))
    return dict(zip(questions, (row[0].text for row in rows), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number_type", "least_same"), [("f16", 50), ("q8_0", 35)]
)
def test_llama_cpp_reads_and_answers_as_the_engine_does(
    number_type: str,
    least_same: int,
    rft: LLM,
    replies: dict[str, str],
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.gguf"
    export_model("course", path, "rft", number_type)
    llama = LlamaCpp(path, n_ctx=512)
    assert_same_tokens(llama, rft)
    answers = {q: llama.greedy(q)["content"] for q in replies}
    same = sum(answers[q] == reply for q, reply in replies.items())
    assert same >= least_same


@pytest.mark.slow
def test_plain_transformers_answers_as_the_engine_does(
    replies: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "merged"
    export_model("course", folder, "rft")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    questions = tokenizer(
        list(replies),
        padding=True,
        add_special_tokens=False,
        return_tensors="pt",
    )
    output = model.generate(
        **questions, do_sample=False, max_new_tokens=N_TOKENS
    )
    start = questions["input_ids"].shape[1]
    texts = tokenizer.batch_decode(
        output[:, start:], skip_special_tokens=True
    )
    assert texts == list(replies.values())


@pytest.mark.slow
def test_a_folder_has_all_that_other_programs_read(
    course: LLM, tmp_path: Path
) -> None:
    folder = tmp_path / "merged"
    merged = export_model("course", folder, "sft")
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    weights = load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template == course.tokenizer.chat_template
    card = (folder / "README.md").read_text()
    made = (ADAPTERS / "sft" / "adapter_model.safetensors").read_bytes()
    assert hashlib.sha256(made).hexdigest() in card
    assert "The weights course with the LoRA adapter sft" in card
    assert merged.origin in card
    # The library reads what it wrote.
    assert LLM.from_pretrained(str(folder), prompt="raw").encode("6 kg")


# ------------------------------ grouped heads, and SmolLM2's vocabulary


def test_grouped_heads_and_a_vocabulary_with_gaps(
    make_model: Callable[..., Any], smollm2_tokenizer: Any, tmp_path: Path
) -> None:
    """A random model with the ids of SmolLM2's full vocabulary."""
    folder, path = tmp_path / "model", tmp_path / "model.gguf"
    model = make_model(
        vocab_size=49152, bos_token_id=1, eos_token_id=2, pad_token_id=2
    )
    model.save_pretrained(folder)
    smollm2_tokenizer.save_pretrained(folder)
    export_model(str(folder), path, number_type="f32")
    llama = LlamaCpp(path, n_ctx=96)
    ours = LLM(model, smollm2_tokenizer, "raw")
    assert_same_tokens(llama, ours)
    prompt = "How many gram are there per 6 kg?"
    ids, mask = left_pad([ours.encode(prompt)], 2)
    output = model.generate(
        ids, attention_mask=mask, do_sample=False, max_new_tokens=12
    )
    expected = output[0, ids.shape[1] :].tolist()
    assert llama.greedy(prompt, n_tokens=12)["tokens"] == expected


@pytest.mark.slow
def test_smollm2_itself(tmp_path: Path, smollm2_weights: str) -> None:
    path = tmp_path / "model.gguf"
    merged = export_model(smollm2_weights, path)
    assert smollm2_weights in merged.origin
    llama = LlamaCpp(path, n_ctx=512)
    ours = LLM(merged.model, merged.tokenizer, "chat")
    assert_same_tokens(llama, ours)
    questions = [question.text for question in load_split("test")[:3]]
    prompts = [
        ours.format_prompt(text)
        for text in [*questions, "What is the capital of France?"]
    ]
    rows = ours.complete(prompts, settings=Decoding(16))
    answers = [llama.greedy(prompt, n_tokens=16) for prompt in prompts]
    assert [a["content"] for a in answers] == [row[0].text for row in rows]


# -------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("name", "number_type", "expected"),
    [
        ("there", "f16", "exists"),
        ("no/such/model.gguf", "f16", "create it first"),
        ("model.bin", "f16", r"unknown suffix '\.bin'"),
        ("model.gguf", "q4_1", "choose from f32, f16, q8_0"),
        ("model", "q8_0", "choose from f32, f16$"),
    ],
)
def test_an_output_that_cannot_be_made_is_refused_at_once(
    name: str, number_type: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ExportError, match=expected):
        check_output(tmp_path / name, number_type)


def test_an_adapter_of_another_model_is_refused(
    model_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="does not fit"):
        export_model(str(model_folder), tmp_path / "model", "rft")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_no_plain_llama_is_refused(
    make_model: Callable[..., Any], byte_tokenizer: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    make_model(attention_bias=True).save_pretrained(folder)
    byte_tokenizer.save_pretrained(folder)
    with pytest.raises(ExportError, match="convert_hf_to_gguf"):
        export_model(str(folder), tmp_path / "model.gguf")
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits a file's size")
@pytest.mark.parametrize("name", ["model.gguf", "model"])
def test_a_full_disk_leaves_nothing(name: str, tmp_path: Path) -> None:
    """As far as a limit on a file's size can stand in for one."""
    code = (
        "import resource\n"
        "from unitconv.cli import app\n"
        "limit = 1_000_000\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        f"app(['export', '-o', {str(tmp_path / name)!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 1
    *_, line = done.stderr.splitlines()
    assert line.startswith("unitconv: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
