"""Prompt probe: a base model under every prompt style.

The course needs a base model that fails on a bare question, copies the form
of its answers from an example, and reasons with true facts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from unitconv.evaluation.evaluate import evaluate, evaluate_samples
from unitconv.evaluation.stats import Proportion
from unitconv.inference.llm import LLM, default_prompt
from unitconv.inference.reference import Decoding
from unitconv.task.dataset import Question
from unitconv.task.prompts import (
    STYLES,
    WORKED_EXAMPLES,
    chat_messages,
    render_chat,
)
from unitconv.task.question_parser import parse_question
from unitconv.task.question_writer import typed_spellings

# Answer formats that no instruction names: only the worked example shows
# them.
WRAPPERS = ("[[{v}]]", "ANS({v})", "<kuvo>{v}</kuvo>")
# The instruction of the worked example without its last part.
FORMLESS = (
    "You convert units. Say how many of the wanted unit make one of the "
    "given unit, and multiply."
)
_TAGGED = re.compile("<answer>(.*?)</answer>")


@dataclass(frozen=True)
class ProbeSettings:
    """Number of questions in the costly parts; None stands for all."""

    n_sampled: int | None = None  # ten samples each, at temperature 0.8
    n_wrapped: int | None = None  # with other wrappers, and misspelled


def probe_prompts(
    llm: LLM,
    questions: Sequence[Question],
    settings: ProbeSettings = ProbeSettings(),
    progress: Callable[[str], None] = lambda part: None,
) -> dict[str, Any]:
    """Evaluate every prompt style, other wrappers, samples, misspelling.

    Args:
        llm: the base model; its own prompt style is not used.
        questions: asked in every style.
        settings: number of questions in the costly parts.
        progress: called with the name of each part before it runs.

    Returns:
        reports as plain data by name: the styles, `wrapper ...`,
        `rollouts` and `misspelled`.
    """
    reports: dict[str, Any] = {}
    default = default_prompt(llm.model)
    for style in dict.fromkeys([*STYLES, default]):
        progress(style)
        styled = _with_style(llm, style)
        reports[style] = evaluate(styled, questions).to_json()
    shown = _with_style(llm, default)
    progress("rollouts")
    reports["rollouts"] = evaluate_samples(
        llm=shown,
        questions=questions[: settings.n_sampled],
        num_return_sequences=10,
        settings=Decoding(temperature=0.8),
    ).to_json()
    wrapped = questions[: settings.n_wrapped]
    for wrapper in WRAPPERS:
        progress(wrapper)
        rate = imitation_rate(shown, wrapped, wrapper)
        reports[f"wrapper {wrapper}"] = {
            "n": rate.n,
            "imitated": rate.value,
            "imitated_ci95": list(rate.ci95),
        }
    progress("misspelled")
    misspelled = [misspell(question) for question in wrapped]
    reports["misspelled"] = evaluate(shown, misspelled).to_json()
    return reports


def _with_style(llm: LLM, style: str) -> LLM:
    return LLM(llm.model, llm.tokenizer, style, llm.name, llm.adapter)


def imitation_rate(
    llm: LLM, questions: Sequence[Question], wrapper: str
) -> Proportion:
    """Return the share of replies that end with a number in `wrapper`.

    The instruction names no format; only the worked example shows it.
    """
    example = WORKED_EXAMPLES[0]
    wrapped = replace(
        example, reply=_TAGGED.sub(wrapper.format(v=r"\1"), example.reply)
    )
    prompts = [
        render_chat(
            chat_messages(question.text, [wrapped], FORMLESS), llm.tokenizer
        )
        for question in questions
    ]
    before, after = (re.escape(p) for p in wrapper.split("{v}"))
    ending = re.compile(rf"{before}[-\d.]+{after}\s*$")
    replies = llm.complete(prompts)
    kept = sum(bool(ending.search(samples[0].text)) for samples in replies)
    return Proportion(kept, len(replies))


def misspell(question: Question) -> Question:
    """Misspell the longest unit of a question, the same way every time.

    Two letters within the word change places; a word of fewer than four
    letters gets its last one twice.
    """
    conversion = parse_question(question.text)
    if conversion is None:
        return question
    spelled = {
        word
        for name in (conversion.source, conversion.target)
        for spelling in typed_spellings(name)
        for word in re.findall("[a-z]+", spelling.lower())
    } - {"in"}  # the preposition, more often than the inch
    words = list(re.finditer(r"[A-Za-z]+", question.text))
    named = [word for word in words if word[0].lower() in spelled]
    word = max(named or words, key=lambda match: len(match[0]))
    old = word[0]
    places = [at for at in range(1, len(old) - 1) if old[at] != old[at + 1]]
    if len(old) < 4 or not places:
        new = old + old[-1]
    else:
        at = random.Random(question.text).choice(places)
        new = old[:at] + old[at + 1] + old[at] + old[at + 2 :]
    start, end = word.span()
    text = question.text[:start] + new + question.text[end:]
    return replace(question, text=text)
