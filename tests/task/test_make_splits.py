"""The splits keep their promises: sizes, no leak, every wording."""

from __future__ import annotations

import hashlib
import json
import os
import re
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
    SEED,
    SIZES,
    GeneratedQuestion,
    SplitError,
    main,
    make_hidden,
    make_splits,
    to_json,
)
from unitconv.task.question_parser import DIFFICULTIES, parse_question
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


def test_sizes_answers_and_quantities(splits: Splits) -> None:
    easy = {*range(1, 13), 0.5, 1.5, 2.5}
    for name, records in splits.items():
        assert len(records) == SIZES[name]
        counts = Counter(r.conversion.family for r in records)
        assert set(counts) == set(FAMILIES)
        assert min(counts.values()) >= 0.08 * len(records)
        for asked in (record.conversion for record in records):
            source, target = BY_NAME[asked.source], BY_NAME[asked.target]
            truth = convert(asked.quantity, source.symbol, target.symbol)
            assert asked.answer == truth
            assert 0.01 <= asked.answer <= 1e7
            assert (asked.quantity in easy) == (not name.endswith("_hard"))


def test_a_fifth_of_the_hard_training_questions_is_two_hop(
    splits: Splits,
) -> None:
    for name in ("train_hard", "valid_hard"):
        kinds = Counter(r.conversion.difficulty for r in splits[name])
        assert set(kinds) == {*DIFFICULTIES} - {"1 digit"}
        assert 0.15 < kinds["two-hop"] / len(splits[name]) < 0.25
    pairs = {
        (r.conversion.source, r.conversion.target)
        for r in splits["train_hard"]
        if r.conversion.difficulty == "two-hop"
    }
    assert pairs - {*PAIRS}  # such as weeks to minutes


# The files that existed before train_hard and valid_hard were added.
EARLIER = {
    "train": "b184091c0c2e08a7",
    "valid": "0d6c0fb3073bb9cc",
    "test": "c9d78705f5672c94",
    "test_hard": "5325c72c9d31316c",
}


@pytest.mark.parametrize("name", EARLIER)
def test_the_earlier_splits_have_not_changed(name: str) -> None:
    data = (DATA / f"{name}.json").read_bytes()
    assert hashlib.sha256(data).hexdigest()[:16] == EARLIER[name]


def test_every_spelling_and_template_occurs(splits: Splits) -> None:
    assert len({normalize(t) for t in (*TEMPLATES, *HARD_TEMPLATES)}) == 88
    for name, records in splits.items():
        templates = HARD_TEMPLATES if name == "test_hard" else TEMPLATES
        assert {r.template for r in records} == set(templates)
    text = " ".join(f" {r.text} " for r in splits["train"])
    for spelling in SPELLINGS:
        assert re.search(rf"\s{re.escape(spelling)}(?![\w/^*])", text)
    assert {name for pair in PAIRS for name in pair} == set(BY_NAME)


# ------------------------------------------------------------ no leak


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
            same = {"cubic centimeter": "milliliter"}
            source, target = asked.source, asked.target
            triple = (
                asked.quantity,
                same.get(source, source),
                same.get(target, target),
            )
            assert triple not in RESERVED
            assert homes.setdefault(triple, split) == split


def test_no_leak_between_the_shipped_splits() -> None:
    _assert_no_leak(
        {name: [q.text for q in load_split(name)] for name in SPLITS}
    )


def test_no_leak_with_another_seed() -> None:
    made = make_splits(seed=7)
    assert made != make_splits()
    _assert_no_leak({n: [r.text for r in made[n]] for n in SPLITS})


# ---------------------------------------------------------- templates


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
    hidden = make_hidden(500, 3)
    families, hard_families = (
        Counter(r.conversion.family for r in records)
        for records in (hidden, splits["test_hard"])
    )
    assert families == hard_families
    assert {r.template for r in hidden} == set(HARD_TEMPLATES)
    assert hidden == make_hidden(500, 3) != make_hidden(500, 4)


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


def test_seeds_of_the_guide_make_no_hidden_set() -> None:
    """Whatever number the guide shows as a seed."""
    pages = (DATA.parents[2] / "book").glob("teaching*.md")
    text = "\n".join(page.read_text("utf-8") for page in pages)
    shown = {int(n) for n in re.findall(r"(?i)seed[ =]+(\d+)", text)}
    assert shown > {7}
    for seed in shown | {SEED}:
        with pytest.raises(SplitError, match="public"):
            make_hidden(100, seed)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hidden", "100", "--out", "private"],
        ["--hidden", "100", "--seed", "3"],
        ["--hidden", "150", "--seed", "3", "--out", "private"],
        ["--hidden", "0", "--seed", "3", "--out", "private"],
        ["--hidden", "100", "--seed", "5170236", "--out", "private"],
        ["--hidden", "100", "--seed", "7", "--out", "private"],
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
