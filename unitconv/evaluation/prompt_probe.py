"""What a base model does before any fine-tuning: one table of it.

The course needs a base that is useless on a bare question, reads the form
of its answers off an example, and reasons with true facts. `measure` asks
the same questions in every prompt style and collects the reports; the
course model's card, the sweep that chose its corpus and the tests of the
shipped files all call it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from unitconv.evaluation.evaluate import evaluate, evaluate_samples
from unitconv.evaluation.stats import Proportion
from unitconv.inference.llm import LLM
from unitconv.inference.reference import BATCH_SIZE, Decoding
from unitconv.task.dataset import Question
from unitconv.task.prompts import (
    STYLES,
    WORKED_EXAMPLES,
    chat_messages,
    render_chat,
)
from unitconv.task.question_parser import parse_question
from unitconv.task.question_writer import typed_spellings
from unitconv.training.config import SAMPLES, TEMPERATURE

# Ways to mark an answer that no instruction names: only the worked example
# shows them.
WRAPPERS: tuple[str, ...] = (
    "[[{v}]]",
    "ANS({v})",
    "<kuvo>{v}</kuvo>",
)
# The instruction of the worked example without its last part.
FORMLESS = (
    "You convert units. Say how many of the wanted unit make one of the "
    "given unit, and multiply."
)
_TAGGED = re.compile("<answer>(.*?)</answer>")


def measure(
    llm: LLM,
    questions: Sequence[Question],
    sampled: int | None = None,
    wrapped: int | None = None,
    batch_size: int = BATCH_SIZE,
    say: Callable[[str], None] = lambda stage: None,
) -> dict[str, Any]:
    """Every prompt style, other wrappers, rollouts and misspelled units.

    Args:
        sampled: how many questions to sample from; all by default.
        wrapped: how many to ask with each other wrapper, and misspelled.
        say: called with the name of each part before it runs.

    Returns:
        reports as plain data by name: the styles, `wrapper ...`,
        `rollouts` and `misspelled`.
    """
    found: dict[str, Any] = {}
    for style in STYLES:
        say(style)
        asked = _with_style(llm, style)
        found[style] = evaluate(asked, questions, batch_size).to_json()
    cot = _with_style(llm, "cot")
    say("rollouts")
    warm = Decoding(temperature=TEMPERATURE)
    found["rollouts"] = evaluate_samples(
        cot, questions[:sampled], SAMPLES, warm, batch_size
    ).to_json()
    for wrapper in WRAPPERS:
        say(wrapper)
        rate = imitation(cot, questions[:wrapped], wrapper, batch_size)
        found[f"wrapper {wrapper}"] = {
            "n": rate.n,
            "imitated": rate.value,
            "imitated_ci95": list(rate.ci95),
        }
    say("misspelled")
    found["misspelled"] = evaluate(
        cot, [misspell(q) for q in questions[:wrapped]], batch_size
    ).to_json()
    return found


def _with_style(llm: LLM, style: str) -> LLM:
    return LLM(llm.model, llm.tokenizer, style, llm.name, llm.adapter)


def imitation(
    llm: LLM,
    questions: Sequence[Question],
    wrapper: str,
    batch_size: int = BATCH_SIZE,
) -> Proportion:
    """How many replies mark their answer as the worked example does.

    The instruction names no form, so the example is all there is to go by.
    A reply counts where its last marked value is a number in `wrapper`.
    """
    [example] = WORKED_EXAMPLES
    shown = replace(
        example, reply=_TAGGED.sub(wrapper.format(v=r"\1"), example.reply)
    )
    prompts = [
        render_chat(
            chat_messages(question.text, [shown], FORMLESS),
            llm.tokenizer,
        )
        for question in questions
    ]
    before, after = (re.escape(p) for p in wrapper.split("{v}"))
    ending = re.compile(rf"{before}[-\d.]+{after}\s*$")
    replies = llm.complete(prompts, batch_size=batch_size)
    kept = sum(bool(ending.search(samples[0].text)) for samples in replies)
    return Proportion(kept, len(replies))


def misspell(question: Question) -> Question:
    """The question with a slip in its longest unit.

    Two letters within the word change places; a word of fewer than four
    letters gets its last one twice. The same question always gets the same
    slip. A question that no conversion can be read from stays as it is.
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
    slipped = _slip(word[0], random.Random(question.text))
    text = question.text[: word.start()] + slipped
    return replace(question, text=text + question.text[word.end() :])


def _slip(word: str, rng: random.Random) -> str:
    places = [
        at for at in range(1, len(word) - 1) if word[at] != word[at + 1]
    ]
    if len(word) < 4 or not places:
        return word + word[-1]
    at = rng.choice(places)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
