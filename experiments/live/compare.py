"""Compare what the page's scripts compute with what the library does."""

from __future__ import annotations

from typing import Any

from experiments.live.record import summary
from experiments.live.texts import Asked
from tests.live.grading_page import Page, graded, without_places
from tests.live.pages import NodePage
from tests.live.replies import MODELS, Case, cases, load, questions
from unitconv.inference.llm import LLM
from unitconv.inference.reference import Decoding
from unitconv.task.prompts import STYLES

AT_ONCE = 100  #: requests


def compare_tokens(page: NodePage, texts: list[str]) -> dict[str, Any]:
    """Compare the tokens of texts, in every style of prompt."""
    base = load("base")
    shown = [LLM(base.model, base.tokenizer, style) for style in STYLES]
    differences = []
    for start in range(0, len(texts), AT_ONCE):
        for llm in shown:
            some = texts[start : start + AT_ONCE]
            expected = [llm.encode(llm.format_prompt(t)) for t in some]
            request = {"does": "encode", "style": llm.style}
            ids = page.ask(*(request | {"question": t} for t in some))
            differences += [
                {"style": llm.style, "text": text}
                for text, got, right in zip(
                    some, ids, expected, strict=True
                )
                if got != right
            ]
    count = {"texts": len(texts), "prompts": len(texts) * len(shown)}
    return count | summary(differences)


def compare_grades(page: Page, replies: list[Asked]) -> dict[str, Any]:
    """Compare grades: answer, verdicts of the audit, and its claims."""
    claims = 0
    differences = []
    for start in range(0, len(replies), AT_ONCE):
        some = replies[start : start + AT_ONCE]
        calls = [({"text": q, "answer": a}, text) for q, a, text in some]
        page.send("grade", calls)
        expected = [graded(*each) for each in some]  # meanwhile
        found = map(without_places, page.receive(len(calls)))
        for asked, right, grade in zip(some, expected, found, strict=True):
            claims += len(grade["claims"])
            if grade != right:
                differences.append({"question": asked[0], "text": asked[2]})
    count = {"texts": len(replies), "claims": claims}
    return count | summary(differences)


def compare_replies(
    page: NodePage, per_split: int, settings: Decoding, **options: Any
) -> dict[str, Any]:
    """Compare replies of all models to questions of both splits.

    Args:
        options: `samples` of each question, and whether to use `simd`.
    """
    asked = questions(per_split)
    samples = options.get("samples", 1)
    simd = options.get("simd", True)
    counted = 0
    differences = []
    for model in MODELS:
        expected = cases(model, asked, settings, samples)
        counted += len(expected)
        requests = [case.request | {"simd": simd} for case in expected]
        replies = page.ask(*requests)
        differences += [
            describe(case, reply)
            for case, reply in zip(expected, replies, strict=True)
            if not case.matches(reply)
        ]
    return {"texts": counted} | summary(differences)


def describe(case: Case, reply: Any) -> dict[str, Any]:
    """Describe a reply that is not the library's."""
    asked = case.request
    return {
        "model": asked["model"],
        "question": asked["question"],
        "sample": asked["options"]["sample"],
        "library": case.expected.text,
        "page": reply,
    }
