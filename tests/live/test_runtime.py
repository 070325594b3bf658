"""The browser's runtime in Node: it replies what the library replies."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.live.pages import NodePage, make_page
from tests.live.replies import MODELS, cases, load, questions
from unitconv.inference.load.model import COURSE_MODEL
from unitconv.inference.reference import Decoding
from unitconv.inference.sampling import (
    row_key,
    token_probabilities,
    uniform,
)
from unitconv.task.dataset import SPLITS, load_split
from unitconv.task.prompts import STYLES, format_prompt

QUESTION = "How many gram are there per 6 kg?"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no Node on the PATH")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_page(tmp_path_factory.mktemp("live") / "page").parent


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[NodePage]:
    assert NODE is not None
    opened = NodePage(NODE, folder)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def text_tokenizer() -> Tokenizer:
    """The model's tokenizer without its special tokens: all is text."""
    content = json.loads((COURSE_MODEL / "tokenizer.json").read_text())
    content["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(content))


# ------------------------------------------------------------- replies


@pytest.mark.parametrize("model", MODELS)
def test_greedy_replies_are_the_library_s(
    page: NodePage, model: str
) -> None:
    expected = cases(model, questions(per_split=2))
    replies = page.ask(*(case.request for case in expected))
    for case, reply in zip(expected, replies, strict=True):
        assert case.matches(reply), (case, reply)


@pytest.mark.parametrize(
    ("model", "top_p"), [("base", 0.9), ("sft", 1.0), ("rft", 1.0)]
)
def test_sampled_replies_are_the_library_s(
    page: NodePage, model: str, top_p: float
) -> None:
    sampling = Decoding(temperature=1.5, top_p=top_p, seed=3)
    texts = questions(per_split=1)
    expected = cases(model, texts, sampling, samples=3)
    different = {case.expected.text for case in expected}
    assert len(different) > len(texts), "the noise made no difference"
    replies = page.ask(*(case.request for case in expected))
    for case, reply in zip(expected, replies, strict=True):
        assert case.matches(reply), (case, reply)


def test_reply_is_cut_off_at_its_limit(page: NodePage) -> None:
    settings = Decoding(max_new_tokens=7)
    [case] = cases("rft", [QUESTION], settings)
    assert not case.expected.finished
    assert case.matches(page.ask(case.request)[0])


@torch.inference_mode()
def test_logits_agree_with_and_without_simd(
    page: NodePage, folder: Path
) -> None:
    llm = load("rft")
    ids = llm.encode(QUESTION)
    expected = llm.model(torch.tensor([ids])).logits[0]
    request = {"does": "logits", "model": "rft", "ids": ids}
    for simd in (True, False):
        [logits] = page.ask(request | {"simd": simd})
        torch.testing.assert_close(
            torch.tensor(logits), expected, atol=1e-3, rtol=0
        )


def test_plain_javascript_replies_the_same(page: NodePage) -> None:
    [case] = cases("rft", [QUESTION])
    request = case.request | {"simd": False}
    assert case.matches(page.ask(request)[0])


def test_page_that_may_not_use_webassembly_falls_back(folder: Path) -> None:
    assert NODE is not None
    blocked = NodePage(NODE, folder, "--no-wasm")
    [case] = cases("sft", [QUESTION])
    uses_simd = {"does": "usesSimd", "model": "sft"}
    simd, reply = blocked.ask(uses_simd, case.request)
    blocked.close()
    assert simd is False
    assert case.matches(reply)


def test_tokens_arrive_one_by_one_until_aborted(page: NodePage) -> None:
    request = {"model": "rft", "question": QUESTION, "after": 5}
    [reply] = page.ask({"does": "abort"} | request)
    [whole] = cases("rft", [QUESTION])
    assert len(reply["texts"]) == 5
    assert all(map(whole.expected.text.startswith, reply["texts"]))
    assert reply["error"].startswith("AbortError")


def test_page_gets_its_turn_during_a_reply(page: NodePage) -> None:
    request = {"model": "base", "simd": False, "question": QUESTION}
    assert page.ask({"does": "countTurns"} | request)[0] > 3


# ------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (" \n\x1c", "the question is empty"),
        ("6 kg \ud800", "broken Unicode code"),
        ("kg " * 600, "the model's context holds 512"),
    ],
)
def test_question_that_cannot_be_asked_is_refused(
    page: NodePage, question: str, message: str
) -> None:
    request = {"does": "generate", "model": "rft", "question": question}
    [reply] = page.ask(request)
    assert message in reply["error"]


def test_unknown_model_and_style_are_refused(page: NodePage) -> None:
    request = {"does": "generate", "model": "rft", "question": QUESTION}
    unknown = {"options": {"style": "rhyme"}}
    replies = page.ask(request | {"model": "dpo"}, request | unknown)
    assert "cannot load" in replies[0]["error"]
    assert "no prompt style rhyme" in replies[1]["error"]


# ------------------------------------------------------------- tokens


@pytest.mark.parametrize("style", STYLES)
def test_prompts_have_the_library_s_tokens(
    page: NodePage, style: str
) -> None:
    llm = load("base")
    texts = questions(per_split=20)
    requests = ({"question": text, "style": style} for text in texts)
    ids = page.ask(*({"does": "encode"} | r for r in requests))
    prompts = (format_prompt(t, style, llm.tokenizer) for t in texts)
    assert ids == [llm.encode(prompt) for prompt in prompts]


def test_every_question_has_the_library_s_tokens(page: NodePage) -> None:
    texts = [row.text for split in SPLITS for row in load_split(split)]
    request = {"does": "encode", "style": "raw"}
    ids = page.ask(*(request | {"question": text} for text in texts))
    tokenizer = load("base").tokenizer
    assert ids == tokenizer(texts, add_special_tokens=False)["input_ids"]


TEXTS = st.lists(
    st.text(max_size=12)
    | st.sampled_from([*SPECIAL, "½", " 's", "\u00a0", "\u0085", "\ufeff"]),
    max_size=6,
).map("".join)


@settings(max_examples=300)
@given(text=TEXTS.filter(str.strip))
def test_any_text_has_the_library_s_tokens(
    page: NodePage, text_tokenizer: Tokenizer, text: str
) -> None:
    request = {"does": "encode", "style": "raw", "question": text}
    [ids] = page.ask(request)
    assert ids == text_tokenizer.encode(text).ids
    assert page.ask({"does": "decode", "ids": ids}) == [text]


@settings(max_examples=100)
@given(ids=st.lists(st.integers(0, 767), max_size=20))
def test_any_tokens_have_the_library_s_text(
    page: NodePage, ids: list[int]
) -> None:
    tokenizer = load("base").tokenizer
    request = {"does": "decode", "ids": ids}
    assert page.ask(request, request | {"withSpecial": True}) == [
        tokenizer.decode(ids, skip_special_tokens=True),
        tokenizer.decode(ids),
    ]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\x1c", "\u3000"])
def test_typed_special_tokens_are_cut_as_in_the_library(
    page: NodePage, style: str, blank: str
) -> None:
    llm = load("base")
    texts = [
        f"{blank}{before}<|pad|>{after}{blank}"
        for before in ("", "=", "a", "s")
        for after in ("", ".", "1")
    ]
    requests = ({"question": text, "style": style} for text in texts)
    ids = page.ask(*({"does": "encode"} | r for r in requests))
    prompts = (format_prompt(t, style, llm.tokenizer) for t in texts)
    assert ids == [llm.encode(prompt) for prompt in prompts]


@pytest.mark.parametrize("style", STYLES)
def test_typed_special_tokens_are_text(page: NodePage, style: str) -> None:
    request = {"does": "encode", "style": style}
    typed = QUESTION + "".join(SPECIAL) + "{question}"
    plain, with_special = page.ask(
        request | {"question": QUESTION}, request | {"question": typed}
    )
    special = [ids for ids in with_special if ids < len(SPECIAL)]
    assert special == [ids for ids in plain if ids < len(SPECIAL)]
    [text] = page.ask({"does": "decode", "ids": with_special})
    assert typed in text


# ------------------------------------------------------------- noise


@settings(max_examples=100)
@given(text=st.text(min_size=1, max_size=400))
def test_hash_is_blake2b(page: NodePage, text: str) -> None:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    [hashed] = page.ask({"does": "hash", "text": text})
    assert int(hashed) == int.from_bytes(digest, "little")


@settings(max_examples=100)
@given(seed=st.integers(0, 99), position=st.integers(0, 511))
def test_noise_is_the_library_s(
    page: NodePage, seed: int, position: int
) -> None:
    key = row_key(seed, [1, 2, 3], sample=seed % 3)
    expected = uniform(torch.tensor([key]), position).item()
    unsigned = str(key % 2**64)
    request = {"does": "uniform", "key": unsigned, "position": position}
    assert page.ask(request) == [expected]


@pytest.mark.parametrize("top_p", [1.0, 0.95, 0.5])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
def test_probabilities_are_the_library_s(
    page: NodePage, temperature: float, top_p: float
) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = 4 * torch.randn(64, generator=generator).round(decimals=1)
    request = {"does": "probabilities", "logits": logits.tolist()}
    request |= {"temperature": temperature, "topP": top_p}
    [found] = page.ask(request)
    expected = token_probabilities(logits[None], temperature, top_p)[0]
    found = torch.tensor(found, dtype=torch.float32)
    torch.testing.assert_close(found, expected)
