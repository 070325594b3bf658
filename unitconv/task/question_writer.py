"""Text of a question: a template filled with units as people type them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from unitconv.task.dataset import Question, normalize
from unitconv.task.question_parser import Conversion
from unitconv.task.units import BY_NAME, FAMILIES, SPELLINGS

T = TypeVar("T")

# Share of each unit family among the questions of a split; roughly in
# proportion to its number of unit pairs.
FAMILY_SHARES = {
    **{"time": 0.20, "mass": 0.15, "length": 0.20},
    **{"speed": 0.13, "volume": 0.22, "data": 0.10},
}
# How often a noun does not agree with its number.
_DISAGREEMENT_RATE = 0.15
# Nouns whose plural is not the noun with an "s".
_PLURALS_OF = {"inch": "inches", "foot": "feet", "century": "centuries"}
# Short forms that go with any number: "6 lb" as well as "6 lbs".
_ABBREVIATIONS = {"sec", "min", "hr", "lb"}


@dataclass(frozen=True)
class GeneratedQuestion:
    """A generated question with its conversion and template."""

    text: str
    conversion: Conversion
    template: str

    @property
    def question(self) -> Question:
        """The question and its answer, as the split's file holds them."""
        # Twelve digits are more than any grader looks at, and readable.
        return Question(self.text, float(f"{self.conversion.answer:.12g}"))


def shuffled(items: Iterable[T], rng: random.Random) -> list[T]:
    """Return the items in random order.

    Of `Random`, Python promises only `random` the same sequence for a seed
    in every version, and not `shuffle` or `choice`.
    """
    return sorted(items, key=lambda _: rng.random())


class ShuffledSampler(Generic[T]):
    """Random draws without replacement, reshuffled when used up."""

    def __init__(self, items: Sequence[T], rng: random.Random) -> None:
        self._items, self._rng = items, rng
        self._left: list[T] = []

    def draw(self) -> T:
        """Draw the next item."""
        if not self._left:
            self._left = shuffled(self._items, self._rng)
        return self._left.pop()


def write_questions(
    size: int,
    conversions: dict[str, list[Conversion]],
    templates: Sequence[str],
    rng: random.Random,
) -> list[GeneratedQuestion]:
    """Write `size` different questions, each family by its share.

    Args:
        size: number of questions.
        conversions: what may be asked, by family.
        templates: texts with `{quantity}`, `{source}` and `{target}`.
        rng: source of every random choice.
    """
    questions: dict[str, GeneratedQuestion] = {}
    template_sampler = ShuffledSampler(templates, rng)
    speller = _Speller(rng)
    for family in FAMILIES:
        sampler = ShuffledSampler(conversions[family], rng)
        goal = len(questions) + round(FAMILY_SHARES[family] * size)
        while len(questions) < goal:
            template = template_sampler.draw()
            question = _fill(template, sampler.draw(), speller)
            questions.setdefault(normalize(question.text), question)
    return shuffled(questions.values(), rng)


# Templates in which "in" for inch can be told from the preposition.
_TAKES_IN = re.compile(r"(?:many|to|into) \{target\}(?! in| \{quantity\})")


def _fill(
    template: str, conversion: Conversion, speller: _Speller
) -> GeneratedQuestion:
    source = speller.spell(conversion.source, conversion.quantity != 1)
    target = speller.spell(conversion.target, True)
    while target == "in" and not _TAKES_IN.search(template):
        target = speller.spell(conversion.target, True)
    text = template.format(
        quantity=f"{conversion.quantity:g}", source=source, target=target
    )
    return GeneratedQuestion(text, conversion, template)


def typed_spellings(name: str) -> tuple[str, ...]:
    """List the spellings of a unit; a fluid ounce is also an "oz"."""
    extra = BY_NAME["ounce"].spellings if name == "fluid ounce" else ()
    return BY_NAME[name].spellings + extra


class _Speller:
    """Random spellings of units, now and then in the wrong number."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._samplers: dict[tuple[str, bool], ShuffledSampler[str]] = {}

    def spell(self, name: str, plural: bool) -> str:
        if self._rng.random() < _DISAGREEMENT_RATE:
            plural = not plural
        key = name, plural
        if key not in self._samplers:
            other_number = _SINGULARS if plural else _PLURALS
            forms = [
                s for s in typed_spellings(name) if s not in other_number
            ]
            self._samplers[key] = ShuffledSampler(forms, self._rng)
        return self._samplers[key].draw()


def _plural(spelling: str) -> str:
    noun, per, rest = spelling.partition(" per ")
    return _PLURALS_OF.get(noun, noun + "s") + per + rest


_SINGULAR_OF = {_plural(s): s for s in SPELLINGS if s not in _ABBREVIATIONS}
_PLURALS = {s for s in SPELLINGS if s in _SINGULAR_OF} | {
    s + "s" for s in _ABBREVIATIONS
}
_SINGULARS = {_SINGULAR_OF[s] for s in _PLURALS if s in _SINGULAR_OF}
