"""Audit of reasoning: is all of it true, and does it lead to the answer?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from unitconv.grading.answer import answer_unit, parse_answer
from unitconv.grading.reasoning.claims import (
    Claim,
    Link,
    read_links,
    states,
)
from unitconv.grading.reasoning.derivation import Derivation
from unitconv.task.question_parser import Conversion, parse_question
from unitconv.task.units import BY_NAME, UnitError, exact_factor, resolve

#: What can be wrong with the reasoning of a reply, the worst first.
FAULTS = (
    "no reasoning",  # nothing that is stated could be checked and is true
    "false statement",
    "wrong unit",  # of the answer: "6000 kg" where gram was asked
    "does not lead to the answer",
)
# Beyond these, nobody can follow the reasoning.
_LONGEST_REPLY = 3_000  # characters; no more are read
_MOST_LINKS = 200


@dataclass(frozen=True)
class Audit:
    """The claims of a reply; `fault`, one of `FAULTS`, is None if valid."""

    claims: list[Claim]
    fault: str | None


def audit_reasoning(text: str, question: str) -> Audit:
    """Check the equations in a reply, and that they lead to its answer.

    An equation is two sides around `=` (or "is", "makes", an arrow ...):
    products, quotients, sums and differences of numbers, with or without
    units, and statements such as `1 kg = 1000 g` or "each foot has 12
    inches". Facts are checked by pint and must be true within 1 %, and so
    must the factors of a product, as in `14 in * 2.54 cm/in`. A result
    must be right to the digits that are written, or to 0.1 %. Two claims
    are made by `a = b = c`, and by `6 kg = 6 * 1000 = 6000 g`: the
    arithmetic, and that its ends agree.

    The reasoning is valid if no claim is false and it leads to the
    answer: the number in the tag, in the unit asked for, is the last one
    stated before it and follows from the quantity asked and from true
    conversion factors (see `unitconv.grading.reasoning.derivation`). If
    the reply states facts about units, the answer must follow from one.
    Where no conversion can be parsed from the question, the last claim
    must be true and give the answer. An answer may be rounded to three
    decimals. A reply of more than 3,000 characters is never valid.

    >>> reply = "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"
    >>> audit_reasoning(reply, "How many gram are there per 6 kg?").fault
    >>> audit_reasoning(reply, "How many gram are there per 7 kg?").fault
    'does not lead to the answer'
    """
    before, after = read_reply(text)
    conversion = parse_question(question)
    return judge(
        claims=[
            link.claim
            for chain in before + after
            for link in chain
            if link.claim
        ],
        used=_claims_used(before, text, conversion),
        wrong_unit=bool(conversion and names_other_unit(text, conversion)),
    )


def read_reply(text: str) -> tuple[list[list[Link]], list[list[Link]]]:
    """Read the equations before the answer, and those after it."""
    before, tag, after = text[:_LONGEST_REPLY].partition("<answer>")
    inside, _, after = after.partition("</answer>")
    if tag and before.rstrip().endswith(("=", "\u2248", " is")):
        before += inside  # "6 * 1000 = <answer>6000</answer>"
    return read_links(before), read_links(after)


def is_too_long(text: str, links: list[Link]) -> bool:
    """Return True if nobody can follow the reasoning of this reply."""
    return len(text) > _LONGEST_REPLY or len(links) > _MOST_LINKS


def judge(
    claims: list[Claim],
    used: frozenset[int] | None,
    wrong_unit: bool = False,
) -> Audit:
    """Find the worst fault of a reply.

    Args:
        claims: of the reply, in order.
        used: places of the claims that the answer follows from; None if
            it follows from none.
        wrong_unit: the answer names another unit than the one asked.
    """
    claims = [
        replace(claim, used=used is not None and n in used)
        for n, claim in enumerate(claims)
    ]
    verdicts = {claim.verdict for claim in claims}
    found = {
        "no reasoning": verdicts <= {None},
        "false statement": False in verdicts,
        "wrong unit": wrong_unit,
        "does not lead to the answer": used is None,
    }
    return Audit(claims, next((f for f in FAULTS if found[f]), None))


def reasoning_is_valid(text: str, question: str) -> bool:
    """Return True if the reasoning is true and leads to the answer."""
    return audit_reasoning(text, question).fault is None


def names_other_unit(text: str, conversion: Conversion) -> bool:
    """Return True if the answer names another unit than the one asked."""
    symbol = answer_unit(text)
    return symbol is not None and _is_other(symbol, conversion)


def _is_other(symbol: str, conversion: Conversion) -> bool:
    """Return True unless this unit is the one asked, or of its size."""
    target = BY_NAME[conversion.target]
    try:
        unit, target = resolve(symbol, target.symbol)
    except UnitError:
        return True
    return exact_factor(unit, target) != 1


def _claims_used(
    chains: list[list[Link]], text: str, conversion: Conversion | None
) -> frozenset[int] | None:
    """Return which claims the answer follows from; None if from none."""
    answer = parse_answer(text)
    links = [link for chain in chains for link in chain]
    if math.isnan(answer) or is_too_long(text, links):
        return None
    if conversion is None:
        return _last_claim(links, answer)
    derivation = Derivation(conversion)
    for link in links:
        derivation.add_fact(link)
    for chain in chains:
        derivation.follow(chain)
    if not _is_last(answer, links, derivation):
        return None
    facts = frozenset(link.index for link in links if _is_fact(link))
    behind = derivation.claims_behind(answer)
    if facts and behind is not None and behind.isdisjoint(facts):
        return None
    return behind


def _last_claim(links: list[Link], answer: float) -> frozenset[int] | None:
    """Return the last claim if it is true and gives the answer."""
    made = [link for link in links if link.claim and link.left]
    if not made or not states(links[-1].right.value, answer):
        return None
    last = made[-1]
    if last.holds and states(last.right.value, answer):
        return frozenset({last.index})
    return None


def _is_last(
    answer: float, links: list[Link], derivation: Derivation
) -> bool:
    """Return True if only what was given is stated after the answer.

    That is the quantity or a factor, as in "check: 6000 / 1000 = 6".
    """
    for link in reversed(links):
        unit = None if link.right.has_operator else link.right.unit
        if states(link.right.value, answer):
            return unit is None or not _is_other(
                unit, derivation.conversion
            )
        if not derivation.is_given(link.right.value):
            return False
    return False


def _is_fact(link: Link) -> bool:
    """Return True for a fact about two units, true or unread."""
    return bool(
        link.claim
        and link.claim.kind == "fact"
        and link.left
        and link.left.unit != link.right.unit
    )
