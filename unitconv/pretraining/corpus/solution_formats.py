"""Solution formats: how the solutions of one document are written.

A format is drawn once per document and kept in all of its turns, so the
second solution can only be predicted by reading the format of the first.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from string import ascii_lowercase

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.conventions import (
    Convention,
    alternative_name,
    fact,
    singular,
    spellings,
)
from unitconv.pretraining.corpus.number_format import (
    first_digit,
    round_fact,
    round_result,
    write,
)
from unitconv.pretraining.corpus.question_templates import (
    FORMATS,
    TAG_WORDS,
)
from unitconv.task.units import Unit

# The phrase of writers who follow no example.
HABIT = "The answer is {v}"


@dataclass(frozen=True)
class SolutionFormat:
    """Format of every solution in one document."""

    opening: str
    fact: str
    separator: str
    product: str
    quotient: str
    times: str
    end: str
    wrapper: str
    tail: str
    named: bool  #: alternative units by name, such as UK gallon
    symbols: bool  #: units by symbol, not as the question spells them
    with_unit: bool  #: the unit inside the wrapper
    direct: bool  #: only the wrapped value, without reasoning
    rough: bool  #: if direct, only the first digit
    divide: bool  #: divide by a whole number where possible


@dataclass(frozen=True)
class Problem:
    """A quantity to convert, with the spellings of its units."""

    quantity: Decimal
    source: Unit
    target: Unit
    source_typed: str
    target_typed: str
    convention: Convention

    @property
    def factor(self) -> Decimal:
        """Number of target units in one source unit."""
        return fact(self.source, self.target, self.convention)

    @property
    def divisor(self) -> Decimal:
        """Number of source units in one target unit."""
        return fact(self.target, self.source, self.convention)

    @property
    def exact(self) -> Decimal:
        """The product with all its digits."""
        return self.quantity * self.factor

    @property
    def result(self) -> Decimal:
        """The product as the corpus writes it."""
        return round_result(self.exact)

    def qualifiers(self, named: bool) -> tuple[str, str]:
        """First words of the alternative units, if documents name them."""
        return (
            alternative_name(self.source, self.convention, named),
            alternative_name(self.target, self.convention, named),
        )


def pick(rng: random.Random, part: str) -> str:
    """Draw a template for a part of a text, by the weights in `FORMATS`."""
    weights = FORMATS[part]
    return rng.choices(list(weights), list(weights.values()))[0]


def draw_format(
    rng: random.Random,
    config: CorpusConfig,
    direct: bool,
    has_system: bool = False,
) -> SolutionFormat:
    """Draw a format; `has_system` makes the habitual phrase likelier."""
    return SolutionFormat(
        opening=pick(rng, "opening"),
        fact=pick(rng, "fact"),
        separator=pick(rng, "joint"),
        product=pick(rng, "product"),
        quotient=pick(rng, "quotient"),
        times=pick(rng, "times"),
        end=pick(rng, "end"),
        wrapper=draw_wrapper(rng, config, has_system),
        tail=pick(rng, "tail"),
        named=rng.random() < config.named_share,
        symbols=rng.random() < 0.4,
        with_unit=rng.random() < 0.1,
        direct=direct,
        rough=rng.random() < config.rough_share,
        divide=rng.random() < config.divide_share,
    )


def draw_wrapper(
    rng: random.Random, config: CorpusConfig, has_system: bool
) -> str:
    """Draw the text around a final value, with `{v}` in its place."""
    phrase_probability = config.habit_share
    if has_system:
        phrase_probability = config.system_habit_share
    if rng.random() < phrase_probability:
        return HABIT
    dice = rng.random()
    if dice < config.tag_share + config.random_tag_share:
        return draw_tag(rng, dice < config.tag_share)
    return pick(rng, "wrapper")


def draw_tag(rng: random.Random, known: bool) -> str:
    """Draw a tag: one of the known words, or random letters."""
    if known:
        word = rng.choice(TAG_WORDS)
        return f"<{word}>{{v}}</{word}>"
    word = "".join(rng.choices(ascii_lowercase, k=rng.randint(2, 6)))
    tag = rng.choice(("<{w}>{v}</{w}>", "<{w}>{v}</{w}>", "{W}({v})"))
    return tag.replace("{w}", word).replace("{W}", word.upper())


def solve(problem: Problem, form: SolutionFormat) -> str:
    """Write the solution of one problem in a given format."""
    divided = form.divide and _divides_evenly(problem)
    words = _words(problem, form, divided)
    value = words["r"]
    if form.direct:
        # Without a calculation nobody gives more digits than a fact has.
        cut = first_digit if form.rough else round_fact
        value = write(cut(problem.exact))
    if form.with_unit:
        value += " " + words["plain_b"]
    wrapped = form.wrapper.format(v=value) + form.tail
    if form.direct:
        return wrapped
    if divided:
        # The same sentence in the other direction: 1 km = 1000 m.
        swapped = {"a": words["one_b"], "b": words["a"], "f": words["g"]}
        stated = form.fact.format(**swapped)
        calculation = form.quotient.format(**words)
    else:
        stated = form.fact.format(**(words | {"a": words["one_a"]}))
        calculation = form.product.format(**words)
    separator = form.separator
    if form.opening == "Step 1: ":
        separator = ". Step 2: "
    elif form.opening == "Since ":
        separator = ", "
    if not form.opening:
        stated = _capitalize(stated)
    if separator.endswith((". ", "\n", ": ")):
        calculation = _capitalize(calculation)
    return (
        form.opening + stated + separator + calculation + form.end + wrapped
    )


def _divides_evenly(problem: Problem) -> bool:
    """Test whether the reverse fact is a whole number above one."""
    divisor = problem.divisor
    return divisor > 1 and divisor == divisor.to_integral_value()


def _words(
    problem: Problem, form: SolutionFormat, divided: bool
) -> dict[str, str]:
    """Units and numbers of a problem, by their names in the templates."""
    a, b = problem.source_typed, problem.target_typed
    if form.symbols:
        a = spellings(problem.source, problem.target)[0]
        b = spellings(problem.target, problem.source)[0]
    result = problem.result
    if divided:
        result = round_result(problem.quantity / problem.divisor)
    of_a, of_b = problem.qualifiers(form.named)
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
        "x": form.times,
    }


def _capitalize(sentence: str) -> str:
    """Capitalise a sentence unless it begins with a unit (km, Mb)."""
    first_words = ("there", "each", "the ", "one ", "multiply")
    if sentence.startswith(first_words):
        return sentence[0].upper() + sentence[1:]
    return sentence
