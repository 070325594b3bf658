"""What the widgets of chapters 2 to 4 compute, against the library."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator

import live_attention
import live_kv_cache
import live_next_token
import live_tokens
import pytest
import torch

from tests.live.pages import NodePage, make_page
from tests.live.replies import load, questions
from unitconv.inference.reference import Decoding, generate_sequential
from unitconv.inference.sampling import row_key, sample, uniform
from unitconv.task.dataset import SPLITS, load_split
from unitconv.task.prompts import STYLES, format_prompt

QUESTION = "How many gram are there per 6 kg?"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no Node on the PATH")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodePage]:
    assert NODE is not None
    folder = make_page(tmp_path_factory.mktemp("live") / "page").parent
    opened = NodePage(NODE, folder)
    yield opened
    opened.close()


# ------------------------------------------------------------- tokens


def described(token_ids: list[int]) -> list[dict[str, object]]:
    """Describe tokens as the build does."""
    decode = load("base").tokenizer.decode
    return [
        {
            "id": token,
            "text": decode([token]),
            "kind": live_tokens.kind(token),
        }
        for token in token_ids
    ]


def test_every_question_is_shown_as_the_library_cuts_it(
    page: NodePage,
) -> None:
    texts = [row.text for split in SPLITS for row in load_split(split)]
    request = {"does": "describeTokens", "style": "raw"}
    found = page.ask(*(request | {"text": text} for text in texts))
    cut = load("base").tokenizer(texts, add_special_tokens=False)
    assert found == [described(ids) for ids in cut["input_ids"]]


@pytest.mark.parametrize("style", STYLES)
def test_turns_are_shown_as_the_template_writes_them(
    page: NodePage, style: str
) -> None:
    llm = load("base")
    request = {"does": "describeTokens", "style": style, "text": "5 µm?"}
    expected = llm.encode(format_prompt("5 µm?", style, llm.tokenizer))
    assert page.ask(request) == [described(expected)]


# ------------------------------------------------------------- next token


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1.0, 1.0), (1.7, 0.8), (0.4, 1.0)]
)
def test_token_of_each_seed_is_the_library_s(
    page: NodePage, temperature: float, top_p: float
) -> None:
    llm = load("base")
    prompt = llm.encode(llm.format_prompt(QUESTION))
    written = live_next_token.least_certain(prompt)
    logits = live_next_token.Step(prompt, written).logits
    keys = [row_key(seed, prompt, sample=0) for seed in range(50)]
    noise = uniform(torch.tensor([keys]), len(written))
    expected = sample(logits, temperature, top_p, noise)[0].tolist()
    if temperature >= 1:
        assert len(set(expected)) > 1, "the noise made no difference"
    settings = {"temperature": temperature, "topP": top_p}
    request = {"does": "drawSeeds", "question": QUESTION, "ids": written}
    request |= {"seeds": 50, "settings": settings}
    [found] = page.ask(request)
    assert found["drawn"] == expected
    assert dict(found["tally"]) == Counter(expected)


def test_steps_write_the_library_s_reply_also_after_going_back(
    page: NodePage,
) -> None:
    llm = load("base")
    decoding = Decoding(temperature=1.5, seed=3)
    prompt = llm.encode(llm.format_prompt(QUESTION))
    reply = generate_sequential(llm.model, prompt, llm.stop, decoding)
    settings = {"temperature": 1.5, "topP": 1.0, "seed": 3}
    request = {"does": "writeSteps", "question": QUESTION}
    request |= {"actions": [], "settings": settings}
    back = ["next"] * 6 + ["back"] * 4 + ["next"] * 4
    other = settings | {"seed": 4}
    [whole, again, replaced] = page.ask(
        request,
        request | {"actions": back},
        request | {"ids": reply.token_ids[:5], "actions": ["back"]},
    )
    assert whole == reply.token_ids
    assert again == reply.token_ids[:6]
    assert replaced == reply.token_ids[:4]
    [elsewhere] = page.ask(request | {"settings": other})
    assert elsewhere != whole


# ------------------------------------------------------------- attention


def test_attention_is_that_of_transformers(page: NodePage) -> None:
    llm = load("base")
    texts = questions(per_split=1)
    requests = ({"does": "attention", "question": text} for text in texts)
    for text, found in zip(texts, page.ask(*requests), strict=True):
        prompt = llm.encode(llm.format_prompt(text))
        reply = generate_sequential(llm.model, prompt, llm.stop)
        assert found["tokens"] == prompt + reply.token_ids
        read = found["tokens"][:-1]  # the last one is never read
        padded = [
            [
                [row + [0.0] * (len(read) - len(row)) for row in head]
                for head in layer
            ]
            for layer in found["weights"]
        ]
        torch.testing.assert_close(
            torch.tensor(padded),
            live_attention.attention_weights(read),
            atol=1e-4,
            rtol=0,
        )


# ------------------------------------------------------------- KV cache


def test_counted_work_is_what_the_runtime_does(page: NodePage) -> None:
    work = live_kv_cache.Work.of(load("base").model.config)
    request = {"does": "countWork", "work": vars(work)}
    prompt, reply = 11, 5
    [found] = page.ask(request | {"prompt": prompt, "reply": reply})
    assert found["said"] == found["done"]
    for key, expected in {
        "without": work.without_cache(prompt, reply),
        "cached": work.with_cache(prompt, reply),
    }.items():
        assert [token[key] for token in found["done"]] == expected
