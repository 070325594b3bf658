"""No question or template of the question sets occurs in the corpus."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import pytest

from unitconv.pretraining.corpus.contamination import leaked_questions
from unitconv.pretraining.corpus.question_templates import (
    CLOSINGS,
    DEV_QUESTIONS,
    GREETINGS,
    IGNORED_FORMATS,
    QUESTIONS,
    SYSTEM_OPENINGS,
    SYSTEM_REQUESTS,
    TAG_WORDS,
)
from unitconv.pretraining.dev_set import dev_questions
from unitconv.task.dataset import SPLITS, load_split, normalize
from unitconv.task.question_parser import parse_question
from unitconv.task.question_templates import HARD_TEMPLATES, TEMPLATES
from unitconv.task.units import SPELLINGS

ASKED = {normalize(q.text) for split in SPLITS for q in load_split(split)}


def fill(templates: Iterable[str]) -> set[str]:
    names = dict.fromkeys(("q", "quantity"), "7")
    names |= dict.fromkeys(("a", "source"), "from")
    names |= dict.fromkeys(("b", "target"), "into")
    return {normalize(template.format(**names)) for template in templates}


def test_templates_are_those_of_no_question_set() -> None:
    framed = [
        before + template + after
        for template in QUESTIONS
        for before in ("", *GREETINGS)
        for after in ("", *CLOSINGS)
    ]
    corpus, development = fill(framed), fill(DEV_QUESTIONS)
    asked = fill(TEMPLATES + HARD_TEMPLATES)
    assert len(fill(QUESTIONS)) == len(QUESTIONS)
    assert not corpus & asked
    assert not development & (asked | corpus)


def test_no_question_occurs_in_the_corpus(texts: list[str]) -> None:
    assert not [
        leak for text in texts for leak in leaked_questions(text, ASKED)
    ]
    assert not ASKED & {normalize(text) for text, _ in dev_questions(500)}


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "<|im_start|>user\n{}<|im_end|>\n",
        "Q: {}\nA: 7",
        "* Hi there. {} Thanks!\n  7",
        "{} 1 kg = 1000 g. 7 * 1000 = 7000",
        "Problem: ok, {}\n",
    ],
)
def test_an_embedded_question_is_found(frame: str) -> None:
    for question in load_split("test")[:40]:
        text = "1 km = 1000 m\n" + frame.format(question.text)
        leaks = leaked_questions(text, ASKED)
        assert leaks == [normalize(question.text)], text


def test_tag_words_occur_in_no_question_or_system_message() -> None:
    own = (*QUESTIONS, *DEV_QUESTIONS, *GREETINGS, *CLOSINGS)
    messages = (*SYSTEM_OPENINGS, *SYSTEM_REQUESTS, *IGNORED_FORMATS)
    course = (*TEMPLATES, *HARD_TEMPLATES, *SPELLINGS)
    text = " ".join((*own, *messages, *course)).lower()
    words = re.findall("[a-z]+", re.sub(r"\{\w+\}", " ", text))
    assert not set(TAG_WORDS) & set(words)
    assert len(set(TAG_WORDS)) == 16
    assert "answer" in TAG_WORDS


def test_the_development_set_is_the_one_of_the_records() -> None:
    for hard, expected in (
        (False, "8b49dc1d2e736c51"),
        (True, "4244f83b89ce9562"),
    ):
        texts = "\n".join(text for text, _ in dev_questions(400, hard=hard))
        digest = hashlib.sha256(texts.encode()).hexdigest()
        assert digest.startswith(expected)


def test_development_answers_are_those_of_the_question_parser() -> None:
    parsed = [
        (parse_question(text), answer)
        for text, answer in dev_questions(300)
    ]
    readable = [(c.answer, answer) for c, answer in parsed if c is not None]
    assert len(readable) > 50
    for answer, expected in readable:
        assert answer == pytest.approx(expected)
