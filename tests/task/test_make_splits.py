"""The four splits keep their promises: sizes, no leak, every wording."""

from __future__ import annotations

import json
import os
import re
import string
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from unitconv.task.dataset import (
    DATA,
    SPLITS,
    load_split,
    normalize,
    read_questions,
)
from unitconv.task.make_splits import (
    SIZES,
    GeneratedQuestion,
    leak_key,
    main,
    make_hidden,
    make_splits,
    to_json,
)
from unitconv.task.prompts import DIRECT_EXAMPLES, WORKED_EXAMPLES
from unitconv.task.question_parser import Conversion, parse_question
from unitconv.task.question_templates import (
    HARD_TEMPLATES,
    PAIRS,
    RESERVED,
    TEMPLATES,
)
from unitconv.task.question_writer import typed_spellings
from unitconv.task.units import BY_NAME, FAMILIES, SPELLINGS, convert

Splits = dict[str, list[GeneratedQuestion]]
EASY = ("train", "valid", "test")


@pytest.fixture(scope="module")
def splits() -> Splits:
    return make_splits()


# ------------------------------------------------------- the shipped files


def test_the_files_are_what_the_command_writes(splits: Splits) -> None:
    for name in SPLITS:
        content = (DATA / f"{name}.json").read_bytes()
        assert content.decode() == to_json(splits[name])
        assert load_split(name) == [r.question for r in splits[name]]


@pytest.mark.slow
def test_splits_do_not_depend_on_the_order_of_sets() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unitconv.task.make_splits", "--check"],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "nothing has changed\n")


def test_sizes_and_answers(splits: Splits) -> None:
    for name in SPLITS:
        assert len(splits[name]) == SIZES[name]
        for record in splits[name]:
            asked = record.conversion
            truth = convert(
                asked.quantity,
                BY_NAME[asked.source].symbol,
                BY_NAME[asked.target].symbol,
            )
            assert asked.answer == truth
            assert record.question.answer == pytest.approx(truth, 1e-11)
            assert 0.01 <= truth <= 1e7


def test_every_family_is_well_represented(splits: Splits) -> None:
    for records in splits.values():
        counts = Counter(r.conversion.family for r in records)
        assert set(counts) == set(FAMILIES)
        assert min(counts.values()) >= 0.08 * len(records)


def test_quantities(splits: Splits) -> None:
    easy = {*range(1, 13), 0.5, 1.5, 2.5}
    for name in EASY:
        assert {r.conversion.quantity for r in splits[name]} == easy
    hard = {r.conversion.quantity for r in splits["test_hard"]}
    assert not hard & easy
    assert any(10 < q < 100 and q.is_integer() for q in hard)
    assert any(100 <= q < 1000 and q.is_integer() for q in hard)
    assert any(not q.is_integer() for q in hard)


def _occurs(spelling: str, records: list[GeneratedQuestion]) -> bool:
    return any(
        re.search(rf"(?<!\S){re.escape(spelling)}(?![\w/^*])", r.text)
        for r in records
        if spelling in typed_spellings(r.conversion.source)
        or spelling in typed_spellings(r.conversion.target)
    )


def test_train_holds_every_spelling(splits: Splits) -> None:
    missing = [s for s in SPELLINGS if not _occurs(s, splits["train"])]
    assert missing == []
    # "ounce" for a fluid ounce, too
    fluid = [
        r
        for r in splits["train"]
        if "fluid ounce" in (r.conversion.source, r.conversion.target)
    ]
    assert any("fluid" not in r.text for r in fluid)


# ------------------------------------------------------------ no leak


def _ask_the_same(conversion: Conversion) -> tuple[float, str, str]:
    same = {"cubic centimeter": "milliliter"}
    source, target = conversion.source, conversion.target
    return (
        conversion.quantity,
        same.get(source, source),
        same.get(target, target),
    )


def _assert_no_leak(texts: dict[str, list[str]]) -> None:
    """From the text alone, as a stranger to the generator would check."""
    homes: dict[object, str] = {}
    for split, questions in texts.items():
        plain = [" ".join(text.casefold().split()) for text in questions]
        assert len(plain) == len(set(plain))
        for text in plain:
            assert homes.setdefault(text, split) == split
        for text in questions:
            asked = parse_question(text)
            assert asked is not None
            triple = _ask_the_same(asked)
            assert homes.setdefault(triple, split) == split


def test_no_leak_between_the_shipped_splits() -> None:
    _assert_no_leak(
        {name: [q.text for q in load_split(name)] for name in SPLITS}
    )


def test_no_leak_with_another_seed() -> None:
    made = make_splits(seed=7)
    assert made != make_splits()
    _assert_no_leak({n: [r.text for r in made[n]] for n in SPLITS})


def test_leak_key() -> None:
    in_ml = Conversion(6.0, "liter", "milliliter")
    in_cc = Conversion(6.0, "liter", "cubic centimeter")
    back = Conversion(6.0, "milliliter", "liter")
    assert leak_key(in_ml) == leak_key(in_cc) != leak_key(back)


def test_examples_of_the_prompts_are_not_asked(splits: Splits) -> None:
    asked = {r.conversion for n in SPLITS for r in splits[n]}
    for example in WORKED_EXAMPLES + DIRECT_EXAMPLES:
        shown = parse_question(example.question)
        assert shown is not None
        assert shown not in asked
    assert not asked & {Conversion(*triple) for triple in RESERVED}


# ---------------------------------------------------------- templates


def test_templates_differ_and_have_all_slots() -> None:
    templates = (*TEMPLATES, *HARD_TEMPLATES)
    assert len({normalize(template) for template in templates}) == 88
    for template in templates:
        slots = [f for _, f, _, _ in string.Formatter().parse(template)]
        slots = sorted(filter(None, slots))
        assert slots == ["quantity", "source", "target"]


def test_every_template_is_used(splits: Splits) -> None:
    for name in EASY:
        assert {r.template for r in splits[name]} == set(TEMPLATES)
    hard = {r.template for r in splits["test_hard"]}
    assert hard == set(HARD_TEMPLATES)


def test_a_template_gives_its_question(splits: Splits) -> None:
    for name in SPLITS:
        for r in splits[name]:
            shape = re.escape(r.template)
            for slot, words in (
                ("quantity", [f"{r.conversion.quantity:g}"]),
                ("source", typed_spellings(r.conversion.source)),
                ("target", typed_spellings(r.conversion.target)),
            ):
                either = "|".join(re.escape(word) for word in words)
                shape = shape.replace(rf"\{{{slot}\}}", f"(?:{either})")
            assert re.fullmatch(shape, r.text), r


def test_pairs_are_distinct_and_of_one_family() -> None:
    assert len(set(PAIRS)) == len(PAIRS)
    for source, target in PAIRS:
        assert source != target
        assert BY_NAME[source].family == BY_NAME[target].family
    assert {name for pair in PAIRS for name in pair} == set(BY_NAME)


def test_every_question_of_the_set_is_understood(splits: Splits) -> None:
    for name in SPLITS:
        for record in splits[name]:
            assert parse_question(record.text) == record.conversion


# ------------------------------------------------------ the command line


def test_the_command_writes_checks_and_finds_drift(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "data")]
    assert main([*out, "--check"]) == 1  # nothing there yet
    assert not (tmp_path / "data").exists()
    assert main(out) == 0
    assert main([*out, "--check"]) == 0
    for name in SPLITS:
        made = (tmp_path / "data" / f"{name}.json").read_bytes()
        assert made == (DATA / f"{name}.json").read_bytes()
    assert main([*out, "--check", "--seed", "2"]) == 1
    test = tmp_path / "data" / "test.json"
    entries = json.loads(test.read_text(encoding="utf-8"))
    entries[0][1] += 1
    test.write_text(json.dumps(entries), encoding="utf-8")
    capsys.readouterr()
    assert main([*out, "--check"]) == 1
    assert capsys.readouterr().out == f"differs: {test}\n"
    assert main(out) == 0
    assert main([*out, "--check"]) == 0


# --------------------------------------------------------- a hidden set


def test_a_hidden_set_asks_nothing_that_is_shipped() -> None:
    hidden = make_hidden(500, seed=20931)
    texts = {name: [q.text for q in load_split(name)] for name in SPLITS}
    _assert_no_leak({**texts, "hidden": [r.text for r in hidden]})


def test_a_hidden_set_is_like_test_hard(splits: Splits) -> None:
    hidden, hard = make_hidden(500, 3), splits["test_hard"]
    families = [
        Counter(r.conversion.family for r in records)
        for records in (hidden, hard)
    ]
    assert families[0] == families[1]
    assert {r.template for r in hidden} == set(HARD_TEMPLATES)
    easy = {r.conversion.quantity for r in splits["train"]}
    assert not easy & {r.conversion.quantity for r in hidden}
    assert hidden != make_hidden(500, 4)
    assert hidden == make_hidden(500, 3)


def test_the_command_writes_a_hidden_set_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "private"
    arguments = ["--hidden", "100", "--seed", "20931", "--out", str(out)]
    assert main(arguments) == 0
    assert [path.name for path in out.iterdir()] == ["hidden.json"]
    asked = read_questions(out / "hidden.json")
    assert asked == [r.question for r in make_hidden(100, 20931)]
    assert main([*arguments, "--check"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hidden", "100", "--out", "private"],
        ["--hidden", "100", "--seed", "3"],
        ["--hidden", "150", "--seed", "3", "--out", "private"],
        ["--hidden", "0", "--seed", "3", "--out", "private"],
    ],
)
def test_a_hidden_set_is_refused_where_it_could_be_found(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "hidden" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
