"""Reasoning paths: which equations a text states, and whether in steps.

Two texts take the same path if they state the same equations, however
these are spelled: `6 x 1,000 g = 6000` and `1000 * 6.0 = 6000 gram`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from unitconv.grading.expression_parser import OPERATORS, Side, chains
from unitconv.grading.lexer import Token, sentences, without_separators
from unitconv.task.units import lookup


def path_key(text: str) -> tuple[str, ...]:
    """Return the reasoning path of a text: its equations, in order.

    Spaces, repetitions and the spellings of operators, units and numbers
    make no difference; nor do the order of factors, of addends and of the
    two sides, and units within a calculation.

    >>> path_key("1 kg = 1000 grams. 6 x 1,000 = 6000.0 g")
    ('1 kg = 1000 g', '6 * 1000 = 6000')
    """
    equations = {
        _write_equation(left, right): None
        for pairs in chains(text)
        for left, right in pairs
        if left and right
    }
    return tuple(equations)


@dataclass(frozen=True)
class Steps:
    """Calculations in a text; equal ones, and factors of 1, count once."""

    products: int
    sums: int
    chained: bool  #: a product of three factors, or of a product's result


def reasoning_steps(text: str) -> Steps:
    """Count the products and sums that a text states."""
    products: set[str] = set()
    sums: set[str] = set()
    results: set[str] = set()
    chained = False
    for pairs in chains(text):
        for left, right in pairs:
            terms = _terms(left)
            for factors in (term.without_ones() for term in terms):
                if len(factors) < 2:
                    continue
                chained |= len(factors) > 2 or not results.isdisjoint(
                    factors
                )
                products.add(" ".join(sorted(factors)))
            if len(terms) > 1:
                sums.add(_write_terms(terms))
            elif right and products and left and left.has_operator:
                results.add(_write_terms(_terms(right)))
    return Steps(len(products), len(sums), chained)


def uses_steps(text: str) -> bool:
    """Return True for partial products with a sum, or a chain of products.

    >>> uses_steps("7 * 453.6 = 3175.2. 0.5 * 453.6 = 226.8. "
    ...            "3175.2 + 226.8 = 3402")
    True
    """
    steps = reasoning_steps(text)
    return steps.chained or (steps.products > 1 and steps.sums > 0)


@dataclass
class _Term:
    """A product with its sign: factors, and what it is divided by."""

    sign: str = "+"
    factors: list[str] = field(default_factory=list)
    divisors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        product = " * ".join(sorted(self.factors, key=_by_size))
        return " / ".join([product, *sorted(self.divisors, key=_by_size)])

    def without_ones(self) -> list[str]:
        return [f for f in (*self.factors, *self.divisors) if f != "1"]


def _by_size(number: str) -> tuple[int, str]:
    return len(number), number


def _write_equation(left: Side, right: Side) -> str:
    """Write a calculation before its result, and a fact in fixed order."""
    if left.is_quantity and right.has_operator:
        # "6 kg = 6 * 1000 g": what is converted, no result.
        return f"{_write_side(left, True)} = {_write_side(right, False)}"
    is_fact = not (left.has_operator or right.has_operator)
    sides = [
        (not side.has_operator, _write_side(side, is_fact))
        for side in (left, right)
    ]
    return " = ".join(text for _, text in sorted(sides))


def _write_side(side: Side, with_units: bool) -> str:
    if with_units or "(" in side.text:
        return " ".join(_write(token) for token in _tokens(side))
    return _write_terms(_terms(side))


def _write_terms(terms: list[_Term]) -> str:
    ordered = sorted(terms, key=lambda term: (term.sign, str(term)))
    text = " ".join(f"{term.sign} {term}" for term in ordered)
    return text.removeprefix("+ ")


def _terms(side: Side | None) -> list[_Term]:
    """Split a side without brackets into terms, units left out."""
    if side is None or "(" in side.text:
        return []
    terms = [_Term()]
    operator = "*"
    for token in _tokens(side):
        if token.kind == "operator":
            operator = _write(token)
            if operator in "+-":
                terms.append(_Term(operator))
        elif token.kind in ("number", "power10"):
            last = terms[-1]
            numbers = last.divisors if operator == "/" else last.factors
            numbers.append(_write(token))
    return [term for term in terms if term.factors]


def _tokens(side: Side) -> list[Token]:
    return [token for run in sentences(side.text) for token in run]


def _write(token: Token) -> str:
    """Write a number, a unit or an operator in one of its spellings."""
    if token.kind == "number":
        return f"{float(without_separators(token.text)):.12g}"
    if token.kind == "unit":
        return lookup(token.text).symbol
    return OPERATORS.get(token.text, token.text)
