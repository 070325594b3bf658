"""Generation of the splits and of hidden question sets.

    python -m unitconv.task.make_splits --help

The (quantity, source, target) triples are divided among the splits before
any sentence is written: no spelling or template can bring a conversion of
the training set into a test.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from itertools import chain, cycle, permutations
from pathlib import Path

from unitconv.common.errors import UnitconvError
from unitconv.task.dataset import DATA
from unitconv.task.question_parser import Conversion
from unitconv.task.question_templates import (
    HARD_TEMPLATES,
    PAIRS,
    RESERVED,
    TEMPLATES,
)
from unitconv.task.question_writer import (
    FAMILY_SHARES,
    GeneratedQuestion,
    ShuffledSampler,
    shuffled,
    write_questions,
)
from unitconv.task.units import (
    BY_NAME,
    FAMILIES,
    UNITS,
    exact_factor,
    is_distant,
)

SEED = 1
SIZES = {
    **{"train": 1000, "valid": 200, "test": 1000, "test_hard": 500},
    **{"train_hard": 1000, "valid_hard": 200},
}
# Of train_hard and valid_hard, between units that `is_distant` calls so;
# some of the others, which are asked like those of test_hard, are as well.
_DISTANT_SHARE = 0.1
LARGEST_HIDDEN = 2000
PUBLIC_SEEDS = {SEED, 7, 5170236}  # the last two stand in the lab manual
QUANTITIES = (*(float(n) for n in range(1, 13)), 0.5, 1.5, 2.5)
HARD_QUANTITIES = (
    tuple(float(n) for n in range(13, 100)),
    tuple(float(n) for n in range(100, 1000)),
    tuple(
        n / 100
        for n in range(5, 2000, 5)
        if n % 100 and n / 100 not in QUANTITIES
    ),
)
SMALLEST_ANSWER, LARGEST_ANSWER = 0.01, 1e7
# Nobody has 1.5 bits, and few people speak of 800 decades.
_WHOLE = {"bit", "byte"}
_AT_MOST = {"century": 50, "decade": 50, "year": 150, "ton": 500}
# Nobody counts a century in seconds.
_DISTANT = tuple(
    (a.name, b.name)
    for a, b in permutations(UNITS, 2)
    if a.family == b.family and is_distant(a, b)
    if not {a.name, b.name} & {"century", "decade"}
)
# The triples of one pair of units are dealt to the splits in this order, so
# that a pair asked in the test is practised in train, at other quantities.
_TURNS = ("train", "test", "train", "test", "valid") + ("train", "test") * 3

LeakKey = tuple[float, str, str]


class SplitError(UnitconvError):
    """A size or a seed that a hidden set cannot have."""


def make_splits(seed: int = SEED) -> dict[str, list[GeneratedQuestion]]:
    """Generate all splits; the same seed gives the same questions."""
    rng = random.Random(seed)
    dealt = _deal_conversions(rng)
    splits = {
        split: write_questions(SIZES[split], dealt[split], TEMPLATES, rng)
        for split in dealt
    }
    splits["test_hard"] = _write_hard_questions(SIZES["test_hard"], rng)
    for name in ("train_hard", "valid_hard"):
        # An own stream of random numbers: the others stay as they are.
        rng = random.Random(f"{seed} {name}")
        used_keys = _leak_keys(splits.values())
        splits[name] = _write_hard_training(SIZES[name], rng, used_keys)
    return splits


def make_hidden(size: int, seed: int) -> list[GeneratedQuestion]:
    """Generate questions like those of test_hard that no split asks.

    The splits use up nearly all easy conversions, so only the quantities
    of test_hard leave room for a separate set.

    Args:
        size: a multiple of 100, at most `LARGEST_HIDDEN`.
        seed: keep it secret, since it is enough to make the set again.

    Raises:
        SplitError: another size, or a seed that everybody knows.
    """
    if seed in PUBLIC_SEEDS:
        raise SplitError(f"seed {seed} is public, not hidden: draw one")
    if size not in range(100, LARGEST_HIDDEN + 1, 100):
        raise SplitError(
            f"a hidden set has 100, 200, ... {LARGEST_HIDDEN} questions"
        )
    used_keys = _leak_keys(make_splits().values())
    return _write_hard_questions(size, random.Random(seed), used_keys)


def _leak_keys(
    splits: Iterable[Sequence[GeneratedQuestion]],
) -> set[LeakKey]:
    return {leak_key(q.conversion) for split in splits for q in split}


def leak_key(conversion: Conversion) -> LeakKey:
    """Return a key that equivalent conversions share, for leak checks.

    6 L in ml and 6 L in cc have the same key.
    """
    source = _equal_unit(conversion.source)
    return conversion.quantity, source, _equal_unit(conversion.target)


@cache
def _equal_unit(name: str) -> str:
    """Return the first unit of the same family and the same size."""
    unit = BY_NAME[name]
    family = (u for u in UNITS if u.family == unit.family)
    return next(u.name for u in family if exact_factor(unit, u) == 1)


def _is_plausible(conversion: Conversion) -> bool:
    """Return True if a person might ask this, and no example shows it."""
    quantity, source = conversion.quantity, conversion.source
    return (
        SMALLEST_ANSWER <= conversion.answer <= LARGEST_ANSWER
        and (quantity.is_integer() or source not in _WHOLE)
        and quantity <= _AT_MOST.get(source, math.inf)
        and leak_key(conversion) not in RESERVED
    )


def _deal_conversions(
    rng: random.Random,
) -> dict[str, dict[str, list[Conversion]]]:
    """Assign every easy conversion to a split: split -> family -> list."""
    groups: dict[tuple[str, str], dict[float, list[Conversion]]] = {}
    for source, target in PAIRS:
        for quantity in QUANTITIES:
            conversion = Conversion(quantity, source, target)
            if _is_plausible(conversion):
                _, *units = leak_key(conversion)
                pair = groups.setdefault((units[0], units[1]), {})
                pair.setdefault(quantity, []).append(conversion)
    dealt: dict[str, dict[str, list[Conversion]]] = {
        split: {family: [] for family in FAMILIES}
        for split in ("train", "valid", "test")
    }
    turn = cycle(_TURNS)
    for pair in groups.values():
        for group in shuffled(pair.values(), rng):
            dealt[next(turn)][group[0].family].extend(group)
    return dealt


def _write_hard_questions(
    size: int,
    rng: random.Random,
    used_keys: AbstractSet[LeakKey] = frozenset(),
) -> list[GeneratedQuestion]:
    """Write questions of test_hard's kind, without any in `used_keys`."""
    conversions = _draw_hard_conversions(size, PAIRS, rng, used_keys)
    return write_questions(size, conversions, HARD_TEMPLATES, rng)


def _write_hard_training(
    size: int, rng: random.Random, used_keys: AbstractSet[LeakKey]
) -> list[GeneratedQuestion]:
    """Write hard questions in the wordings of train."""
    n_distant = round(_DISTANT_SHARE * size)
    drawn = _draw_hard_conversions(n_distant, _DISTANT, rng, used_keys)
    used_keys = used_keys | {
        leak_key(conversion) for conversion in chain(*drawn.values())
    }
    others = _draw_hard_conversions(size - n_distant, PAIRS, rng, used_keys)
    both = {family: drawn[family] + others[family] for family in FAMILIES}
    return write_questions(size, both, TEMPLATES, rng)


def _draw_hard_conversions(
    size: int,
    pairs: Sequence[tuple[str, str]],
    rng: random.Random,
    used_keys: AbstractSet[LeakKey],
) -> dict[str, list[Conversion]]:
    """Draw conversions of `HARD_QUANTITIES`, each family by its share."""
    conversions: dict[str, list[Conversion]] = {}
    for family in FAMILIES:
        of_family = ShuffledSampler(
            [p for p in pairs if BY_NAME[p[0]].family == family], rng
        )
        kinds = ShuffledSampler(
            [ShuffledSampler(kind, rng) for kind in HARD_QUANTITIES], rng
        )
        drawn: dict[LeakKey, Conversion] = {}
        while len(drawn) < round(FAMILY_SHARES[family] * size):
            conversion = Conversion(kinds.draw().draw(), *of_family.draw())
            key = leak_key(conversion)
            if _is_plausible(conversion) and key not in used_keys:
                drawn.setdefault(key, conversion)
        conversions[family] = list(drawn.values())
    return conversions


def to_json(questions: Iterable[GeneratedQuestion]) -> str:
    """Format a split as its file: one entry a line, 6000 for 6000.0."""
    entries = []
    for question in (generated.question for generated in questions):
        answer = question.answer
        whole = answer.is_integer()
        entries.append([question.text, int(answer) if whole else answer])
    lines = map(json.dumps, entries)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unitconv.task.make_splits",
        description="Write the files of the splits, or a hidden set.",
    )
    parser.add_argument("--seed", type=int)
    parser.add_argument("--out", type=Path, default=DATA, metavar="FOLDER")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing, exit 1 if a file would change",
    )
    parser.add_argument(
        "--hidden",
        type=int,
        metavar="N",
        help="write only hidden.json, with N questions; needs a secret "
        "--seed and a folder --out that you do not publish",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the split files; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.hidden is None:
        splits = make_splits(SEED if options.seed is None else options.seed)
    elif options.seed is None or options.out == DATA:
        parser.error("--hidden needs a --seed and an --out of your own")
    else:
        try:
            splits = {"hidden": make_hidden(options.hidden, options.seed)}
        except SplitError as error:
            parser.error(str(error))
    stale = {}
    for split, questions in splits.items():
        # Bytes: a text file would get other line ends on Windows.
        content = to_json(questions).encode()
        path = options.out / f"{split}.json"
        if not path.is_file() or path.read_bytes() != content:
            stale[path] = content
    if not options.check:
        for path, content in stale.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    verb = "differs" if options.check else "written"
    print("\n".join(f"{verb}: {p}" for p in stale) or "nothing has changed")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
