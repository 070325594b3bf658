"""How one document writes its solutions.

A style is drawn once a document and kept through all of its turns: fact
sentence, calculation, wrapper of the final value and what follows it.
Because styles are drawn at random, the only way to predict the second
solution is to read the form of the first: that is in-context learning.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.conventions import (
    Convention,
    fact,
    rival_name,
    singular,
    spellings,
)
from unitconv.pretraining.corpus.number_format import (
    first_digit,
    round_fact,
    round_result,
    write,
)
from unitconv.task.units import Unit

# Whole words, and long ones: "ans" would also be found in "translate".
TAG_WORDS: tuple[str, ...] = (
    "answer",
    "result",
    "final",
    "solution",
    "reply",
    "output",
    "summary",
    "total",
    "outcome",
    "response",
    "conclusion",
    "ending",
    "upshot",
    "verdict",
    "finding",
    "closing",
)

# {a}, {b}: units; {f}: how many b make one a; {q}: quantity; {r}: q * f;
# {x}: the sign of multiplication. Weights favour what people write most.
FACTS: dict[str, int] = {
    "1 {a} = {f} {b}": 8,
    "1 {a} is {f} {b}": 3,
    "1 {a} equals {f} {b}": 2,
    "one {a} is {f} {b}": 1,
    "there are {f} {b} in 1 {a}": 2,
    "each {a} has {f} {b}": 1,
    "the factor from {a} to {b} is {f}": 1,
    "{a} to {b}: {f}": 1,
}
PRODUCTS: dict[str, int] = {
    "{q} {x} {f} = {r}": 8,
    "{f} {x} {q} = {r}": 2,
    "{q} {x} {f} = {r} {b}": 3,
    "{q} {a} = {q} {x} {f} {b} = {r} {b}": 2,
    "{q} {x} {f} is {r}": 1,
    "{q} times {f} is {r}": 1,
    "multiply {q} by {f} to get {r}": 1,
    "{q} {a} is {q} {x} {f} = {r} {b}": 1,
}
QUOTIENTS: dict[str, int] = {
    "{q} / {g} = {r}": 4,
    "{q} / {g} = {r} {b}": 1,
    "{q} divided by {g} is {r}": 1,
}
TIMES: dict[str, int] = {"*": 5, "x": 2, "×": 1}
OPENINGS: dict[str, int] = {"": 12, "Since ": 1, "Step 1: ": 1, "Note: ": 1}
JOINTS: dict[str, int] = {
    ". ": 8,
    "\n": 2,
    "; ": 2,
    ", so ": 3,
    " => ": 1,
    ".\n": 1,
    ". So ": 1,
}
ENDS: dict[str, int] = {". ": 8, "\n": 3, " ": 2, ".\n": 1, "; ": 1}
WRAPPERS: dict[str, int] = {
    "[[{v}]]": 4,
    "{{{v}}}": 1,
    "({v})": 1,
    "**{v}**": 2,
    "`{v}`": 1,
    "\\boxed{{{v}}}": 2,
    "#### {v}": 1,
    "=> {v}": 1,
    "ANS({v})": 1,
    "RESULT({v})": 1,
    "Result: {v}": 2,
    "Answer: {v}": 2,
    "Final answer: {v}": 1,
    "It is {v}": 1,
    "| {v} |": 1,
}
# What a writer falls back on whom nobody has shown a form.
HABIT = "The answer is {v}"
TAILS: dict[str, int] = {"": 8, ".": 2, "\n": 1}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Style:
    """The form of every solution in one document."""

    opening: str
    fact: str
    joint: str
    product: str
    quotient: str
    times: str
    end: str
    wrapper: str
    tail: str
    named: bool  #: a rival unit by its name, such as UK gallon
    symbols: bool  #: units by their symbol, not as the question types them
    with_unit: bool  #: the unit stands inside the wrapper
    direct: bool  #: the wrapped value alone
    rough: bool  #: if so, its first digit alone
    divide: bool  #: divide by a round number where possible


@dataclass(frozen=True)
class Problem:
    """A quantity of one unit, wanted in another, as typed."""

    quantity: Decimal
    source: Unit
    target: Unit
    source_typed: str
    target_typed: str
    convention: Convention

    @property
    def factor(self) -> Decimal:
        """How many of the target make one source."""
        return fact(self.source, self.target, self.convention)

    @property
    def divisor(self) -> Decimal:
        """How many of the source make one target."""
        return fact(self.target, self.source, self.convention)

    @property
    def exact(self) -> Decimal:
        """The product, all of its digits."""
        return self.quantity * self.factor

    @property
    def result(self) -> Decimal:
        """The product, as the corpus writes it."""
        return round_result(self.exact)


def pick(rng: random.Random, weighted: dict[str, int]) -> str:
    """One of the keys, at random by their weights."""
    return rng.choices(list(weighted), list(weighted.values()))[0]


def draw_style(
    rng: random.Random,
    config: CorpusConfig,
    direct: bool,
    told: bool = False,
) -> Style:
    """Args: `told`, where a system turn has named a form."""
    return Style(
        opening=pick(rng, OPENINGS),
        fact=pick(rng, FACTS),
        joint=pick(rng, JOINTS),
        product=pick(rng, PRODUCTS),
        quotient=pick(rng, QUOTIENTS),
        times=pick(rng, TIMES),
        end=pick(rng, ENDS),
        wrapper=draw_wrapper(rng, config, told),
        tail=pick(rng, TAILS),
        named=rng.random() < config.named_share,
        symbols=rng.random() < 0.4,
        with_unit=rng.random() < 0.1,
        direct=direct,
        rough=rng.random() < config.rough_share,
        divide=rng.random() < config.divide_share,
    )


def draw_wrapper(
    rng: random.Random, config: CorpusConfig, told: bool
) -> str:
    """What surrounds a final value; `{v}` is its place."""
    habit = config.told_habit_share if told else config.habit_share
    if rng.random() < habit:
        return HABIT
    dice = rng.random()
    if dice < config.tag_share + config.random_tag_share:
        return draw_tag(rng, dice < config.tag_share)
    return pick(rng, WRAPPERS)


def draw_tag(rng: random.Random, known: bool) -> str:
    """A tag of one of the words, or of letters nobody has seen."""
    if known:
        word = rng.choice(TAG_WORDS)
        return f"<{word}>{{v}}</{word}>"
    word = "".join(rng.choices(LETTERS, k=rng.randint(2, 6)))
    form = rng.choice(("<{w}>{v}</{w}>", "<{w}>{v}</{w}>", "{W}({v})"))
    return form.replace("{w}", word).replace("{W}", word.upper())


def solve(problem: Problem, style: Style) -> str:
    """The solution of one problem, written in one style."""
    divided = style.divide and _divides_evenly(problem)
    words = _words(problem, style, divided)
    value = _at_once(problem, style) if style.direct else words["r"]
    if style.with_unit:
        value += " " + words["plain_b"]
    wrapped = style.wrapper.format(v=value) + style.tail
    if style.direct:
        return wrapped
    if divided:
        # The same sentence, read the other way: 1 km = 1000 m.
        swapped = {"a": words["one_b"], "b": words["a"], "f": words["g"]}
        stated = style.fact.format(**swapped)
        calculation = style.quotient.format(**words)
    else:
        stated = style.fact.format(**(words | {"a": words["one_a"]}))
        calculation = style.product.format(**words)
    joint = style.joint
    if style.opening == "Step 1: ":
        joint = ". Step 2: "
    elif style.opening == "Since ":
        joint = ", "
    if not style.opening:
        stated = _capital(stated)
    if joint.endswith((". ", "\n", ": ")):
        calculation = _capital(calculation)
    return (
        style.opening + stated + joint + calculation + style.end + wrapped
    )


def _at_once(problem: Problem, style: Style) -> str:
    """Nobody who does not calculate gives more digits than a fact has."""
    cut = first_digit if style.rough else round_fact
    return write(cut(problem.exact))


def _divides_evenly(problem: Problem) -> bool:
    """Whether the reverse fact is a whole number greater than one."""
    divisor = problem.divisor
    return divisor > 1 and divisor == divisor.to_integral_value()


def _words(problem: Problem, style: Style, divided: bool) -> dict[str, str]:
    a, b = problem.source_typed, problem.target_typed
    if style.symbols:
        a = spellings(problem.source, problem.target)[0]
        b = spellings(problem.target, problem.source)[0]
    result = problem.result
    if divided:
        result = round_result(problem.quantity / problem.divisor)
    of_a = of_b = ""
    if style.named:
        of_a = rival_name(problem.source, problem.convention)
        of_b = rival_name(problem.target, problem.convention)
    return {
        "a": of_a + a,
        "b": of_b + b,
        "plain_b": b,
        "one_a": of_a + singular(a, problem.source),
        "one_b": of_b + singular(b, problem.target),
        "q": write(problem.quantity),
        "f": write(problem.factor),
        "g": write(problem.divisor),
        "r": write(result),
        "x": style.times,
    }


def _capital(sentence: str) -> str:
    # Units keep their case: "km to m: 1000" must not become "Km to m".
    first_words = ("there", "each", "the ", "one ", "multiply")
    if sentence.startswith(first_words):
        return sentence[0].upper() + sentence[1:]
    return sentence
