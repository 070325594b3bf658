"""The corpus is true and the run repeats; the shipped model loads."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
from dataclasses import fields, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from unitconv.cli import pretrain as command
from unitconv.pretraining import model_card as export
from unitconv.pretraining.checkpoint import Progress, ResumeError
from unitconv.pretraining.config import PRESETS, CorpusConfig
from unitconv.pretraining.corpus.arithmetic import arithmetic_document
from unitconv.pretraining.corpus.contamination import leaks
from unitconv.pretraining.corpus.conventions import (
    NEAR,
    RIVAL_NAMES,
    Convention,
    conversions,
    draw_convention,
    fact,
    rival_name,
    settle,
    singular,
    spellings,
)
from unitconv.pretraining.corpus.dataset import (
    Rows,
    documents,
    make_document,
)
from unitconv.pretraining.corpus.documents import (
    chat_document,
    table_document,
)
from unitconv.pretraining.corpus.number_format import (
    draw_quantity,
    first_digit,
    round_fact,
    round_result,
    write,
)
from unitconv.pretraining.corpus.question_templates import (
    CLOSINGS,
    DEV_QUESTIONS,
    GREETINGS,
    QUESTIONS,
    STRAY_FORMS,
    SYSTEM_OPENINGS,
    SYSTEM_REQUESTS,
)
from unitconv.pretraining.corpus.solution_formats import (
    FACTS,
    HABIT,
    TAG_WORDS,
    Problem,
    draw_style,
    draw_wrapper,
    solve,
)
from unitconv.pretraining.dev_set import dev_questions
from unitconv.pretraining.optimizer import lr_share
from unitconv.pretraining.tokenizer import (
    DEFAULT_SYSTEM,
    SPECIAL_TOKENS,
    train_tokenizer,
)
from unitconv.pretraining.train import make_model, make_tokenizer, train
from unitconv.task.dataset import SPLITS, load_split, normalize
from unitconv.task.question_parser import parse_question
from unitconv.task.question_templates import (
    HARD_TEMPLATES,
    PAIRS,
    TEMPLATES,
)
from unitconv.task.units import (
    BY_NAME,
    SPELLINGS,
    UNITS,
    convert,
    lookup,
    resolve,
)

# The tokenizer's threads cost more than they bring on texts this short.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
TINY = PRESETS["tiny"]
COURSE_MODEL = (
    Path(command.__file__).parents[1] / "inference" / "course_model"
)
NUMBER = r"\d+(?:\.\d+)?"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(documents(CorpusConfig(), seed=0, count=3000))


@pytest.fixture(scope="module")
def tokenizer(texts):
    return train_tokenizer(texts[:1000], vocab_size=512, max_length=512)


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    ("value", "as_fact", "as_result"),
    [
        ("453.59237", "453.6", "453.592"),
        ("0.0328084", "0.03281", "0.03281"),
        ("31557600", "31560000", "31557600"),
        ("0.000000001", "0.000000001", "0.000000001"),
        ("3175.2", "3175", "3175.2"),
        ("2.00000", "2", "2"),
        ("9.9996", "10", "10"),
        ("0.00999996", "0.01", "0.01"),
    ],
)
def test_written_numbers(value: str, as_fact: str, as_result: str) -> None:
    number = Decimal(value)
    assert write(round_fact(number)) == as_fact
    assert write(round_result(number)) == as_result


@given(st.decimals("1e-12", "1e12", allow_nan=False))
def test_a_result_keeps_what_the_grader_reads(value: Decimal) -> None:
    written = Decimal(write(round_result(value)))
    error = abs(written - value)
    assert error <= Decimal("0.0005")
    assert error <= value * Decimal("0.0005")


@pytest.mark.parametrize(
    ("value", "rough"),
    [("2999", "2000"), ("0.0078", "0.007"), ("10", "10"), ("9.99", "9")],
)
def test_a_rough_number_is_its_first_digit(value: str, rough: str) -> None:
    assert write(first_digit(Decimal(value))) == rough


def test_quantities_reach_beyond_twelve() -> None:
    rng = random.Random(0)
    drawn = [draw_quantity(rng, 0.6, 0.2) for _ in range(4000)]
    small = sum(q <= 12 and q == int(q) for q in drawn) / len(drawn)
    halves = sum(q % 1 == Decimal("0.5") for q in drawn) / len(drawn)
    assert 0.58 < small < 0.66
    assert 0.18 < halves < 0.25
    assert any(q >= 100 for q in drawn)
    assert any(12 < q < 100 for q in drawn)


def test_an_eleven_is_drawn_as_often_as_it_is_asked_to_be() -> None:
    rng = random.Random(0)
    for weight in (1, 3):
        drawn = [draw_quantity(rng, 1.0, 0.0, weight) for _ in range(8000)]
        tens, elevens = drawn.count(Decimal(10)), drawn.count(Decimal(11))
        assert 0.8 * weight < elevens / tens < 1.2 * weight
        assert {*drawn} == {Decimal(n) for n in range(1, 13)}


@pytest.mark.parametrize(
    "make", [chat_document, table_document, arithmetic_document]
)
def test_documents_draw_elevens_as_they_are_told(make: Any) -> None:
    def elevens(weight: int) -> int:
        config = CorpusConfig(eleven_weight=weight)
        made = [make(random.Random(i), config) for i in range(300)]
        return sum(len(re.findall(r"\b11\b", text)) for text in made)

    assert 1.5 * elevens(1) < elevens(4)


def test_development_questions_are_the_same_for_every_corpus() -> None:
    """The records of all runs are of these 400: nothing may move them."""
    texts = "\n".join(text for text, _ in dev_questions(400))
    digest = hashlib.sha256(texts.encode()).hexdigest()
    assert digest.startswith("22525a6df24bd712")


def test_round_factors_are_read_where_they_are_wanted() -> None:
    def round_ones(weight: int) -> int:
        config = CorpusConfig(round_weight=weight)
        made = [
            arithmetic_document(random.Random(i), config)
            for i in range(600)
        ]
        long = re.compile(r"[*x×] [1-9]000000+\b|times [1-9]000000+\b")
        return sum(bool(long.search(document)) for document in made)

    assert round_ones(0) < round_ones(3) < round_ones(30)


# ----------------------------------------------------- what it says is true


# Typed from NIST SP 811 (2008), appendix B, and UK and US statutes.
@pytest.mark.parametrize(
    ("source", "target", "rival", "value"),
    [
        ("pound", "g", None, "453.6"),
        ("mile", "km", None, "1.609"),
        ("gallon", "l", None, "3.785"),
        ("gallon", "l", "imperial", "4.546"),
        ("pint", "ml", "imperial", "568.3"),
        ("ton", "kg", None, "1000"),
        ("ton", "pounds", "short_ton", "2000"),
        ("kilobyte", "B", "binary", "1024"),
        ("month", "days", "short_month", "30"),
        ("year", "days", "short_year", "365"),
        ("year", "days", None, "365.3"),
    ],
)
def test_facts_of_each_convention(
    source: str, target: str, rival: str | None, value: str
) -> None:
    convention = Convention(**({rival: True} if rival else {}))
    assert write(fact(lookup(source), lookup(target), convention)) == value


def test_every_rival_is_drawn_about_as_often_as_asked() -> None:
    rng = random.Random(0)
    drawn = [draw_convention(rng, 0.6, 0.2) for _ in range(2000)]
    for field in fields(Convention):
        share = sum(getattr(c, field.name) for c in drawn) / len(drawn)
        wanted = 0.2 if field.name in NEAR else 0.6
        assert abs(share - wanted) < 0.05, field.name
    assert set(RIVAL_NAMES) == {field.name for field in fields(Convention)}


def test_near_rivals_change_no_grade() -> None:
    """In what the course asks; the other rivals do change grades."""
    for rival in RIVAL_NAMES:
        convention = Convention(**{rival: True})
        changes = [
            factor / truth - 1
            for a, b in [(BY_NAME[x], BY_NAME[y]) for x, y in PAIRS]
            for factor, truth in [
                (fact(a, b, convention), fact(a, b, Convention()))
            ]
        ]
        worst = max(abs(change) for change in changes)
        assert (worst < 0.05) == (rival in NEAR), rival


EQUATION = re.compile(
    rf"^(?:- |Step \d: )?({NUMBER}) ([*x×/+-]) ({NUMBER}) = ({NUMBER})\.?$"
)


def test_every_equation_of_the_corpus_holds(texts: list[str]) -> None:
    """Recomputed in binary floating point, read from the finished text."""
    checked = 0
    for line in (line for text in texts for line in text.splitlines()):
        if match := EQUATION.match(line):
            a, sign, b, c = match.groups()
            x, y = float(a), float(b)
            value = {
                "*": x * y, "x": x * y, "×": x * y,
                "/": x / (y or 1), "+": x + y, "-": x - y,
            }[sign]  # fmt: skip
            assert float(c) == pytest.approx(value, rel=6e-4, abs=1e-15)
            checked += 1
    assert checked > 1000


def test_every_stated_fact_holds_in_some_convention(
    texts: list[str],
) -> None:
    """Lines such as `1 mile = 1.609 km`, against all conventions."""
    # Months and years are the only rivals that can meet in one fact.
    everything = [
        Convention(True, True, True, month, year)
        for month in (False, True)
        for year in (False, True)
    ] + [Convention()]
    line = re.compile(rf"^1 (.+) (?:=|is|equals) ({NUMBER}) (.+?)\.?$")
    checked = 0
    for match in (
        m
        for text in texts
        for row in text.splitlines()
        if (m := line.match(row)) and {m[1], m[3]} <= set(SPELLINGS)
    ):
        a, b = resolve(match[1], match[3])
        truths = {write(fact(a, b, c)) for c in everything}
        assert match[2] in truths, match[0]
        checked += 1
    assert checked > 200


@pytest.mark.parametrize(
    ("named", "gallon"), [(0.0, "gallon"), (1.0, "UK gallon")]
)
def test_one_document_keeps_one_convention(
    named: float, gallon: str
) -> None:
    """With all rivals on, no document states the course's gallon."""
    config = CorpusConfig(
        rival_share=1.0, near_rival_share=1.0, named_share=named
    )
    text = "\n".join(documents(config, seed=0, count=2000))
    stated = re.findall(
        rf"(?<![\d.])1 ((?:UK )?gallon) = ({NUMBER}) l\w*\b",
        text,
    )
    assert set(stated) == {(gallon, "4.546")}


def test_a_tonne_is_no_short_ton() -> None:
    short = Convention(short_ton=True)
    assert settle(short, "tonnes", "kg") == Convention()
    assert settle(short, "kg", "metric ton") == Convention()
    assert settle(short, "tons", "kg") == short
    assert rival_name(lookup("ton"), short) == "short "
    assert rival_name(lookup("kg"), short) == ""


def test_solutions_in_the_form_of_the_course() -> None:
    problem = Problem(
        Decimal(7),
        lookup("lb"),
        lookup("g"),
        "pounds",
        "gram",
        Convention(),
    )
    style = replace(
        draw_style(random.Random(0), CorpusConfig(), direct=False),
        opening="",
        fact="1 {a} = {f} {b}",
        joint=". ",
        product="{q} {x} {f} = {r}",
        times="*",
        end=". ",
        wrapper="<answer>{v}</answer>",
        tail="",
        symbols=False,
        with_unit=False,
        divide=False,
    )
    reasoning = "1 pound = 453.6 gram. 7 * 453.6 = 3175.2. "
    answer = "<answer>3175.2</answer>"
    assert solve(problem, style) == reasoning + answer
    at_once = replace(style, direct=True, rough=False)
    assert solve(problem, at_once) == "<answer>3175</answer>"
    rough = replace(at_once, rough=True)
    assert solve(problem, rough) == "<answer>3000</answer>"


def test_a_table_answers_at_once_and_truly() -> None:
    """Every line is a conversion, as pint has it or a rival means it."""
    own = CorpusConfig(rival_share=0, near_rival_share=0)
    line = re.compile(r"^([\d.]+) (.+?) (?:=|is|equals|->) ([\d.]+) (.+)$")
    checked = 0
    for index in range(200):
        table = table_document(random.Random(index), own)
        for found in filter(None, map(line.match, table.split("\n"))):
            q, a, r, b = found.groups()
            truth = convert(float(q), a, b)
            assert float(r) == pytest.approx(truth, rel=1e-3), found[0]
            checked += 1
    assert checked > 400
    conventions = CorpusConfig(rival_share=1, named_share=1)
    text = "".join(
        table_document(random.Random(i), conventions) for i in range(50)
    )
    assert "UK " in text


def test_every_spelling_of_every_unit_is_read() -> None:
    read = " ".join(documents(CorpusConfig(), seed=1, count=5000))
    for spelling in SPELLINGS:
        whole = rf"(?<![\w/]){re.escape(spelling)}(?![\w/^*])"
        assert re.search(whole, read), spelling


def test_a_unit_after_one_is_singular() -> None:
    for unit in UNITS:
        for spelling in unit.spellings:
            one = singular(spelling, unit)
            assert not one.endswith("ss")
            assert singular(one, unit) == one
    assert singular("inches", lookup("inch")) == "inch"
    assert singular("centuries", lookup("century")) == "century"
    assert singular("s", lookup("s")) == "s"
    assert singular("metric tons", lookup("ton")) == "metric ton"
    assert "oz" in spellings(lookup("fluid ounce"), lookup("pint"))
    assert "oz" not in spellings(lookup("pint"), lookup("fluid ounce"))


def test_conversions_are_every_ordered_pair() -> None:
    pairs, weights = conversions()
    sizes = [9, 5, 8, 5, 9, 5]
    assert len(pairs) == len(weights) == sum(n * (n - 1) for n in sizes)


# ----------------------------------------------------- apart from the tests


def _filled(template: str, names: dict[str, str]) -> str:
    return normalize(template.format(**names))


def test_no_wording_of_the_corpus_is_a_wording_of_a_question_set() -> None:
    theirs = {"quantity": "7", "source": "from", "target": "into"}
    asked = {_filled(t, theirs) for t in TEMPLATES + HARD_TEMPLATES}
    own = {"q": "7", "a": "from", "b": "into"}
    corpus = {
        _filled(before + t + after, own)
        for t in QUESTIONS
        for before in ("", *GREETINGS)
        for after in ("", *CLOSINGS)
    }
    development = {_filled(t, own) for t in DEV_QUESTIONS}
    assert len({_filled(t, own) for t in QUESTIONS}) == len(QUESTIONS)
    assert not corpus & asked
    assert not development & asked
    assert not development & corpus


ASKED = {normalize(q.text) for split in SPLITS for q in load_split(split)}


def test_no_question_stands_in_the_corpus(texts: list[str]) -> None:
    assert not [leak for text in texts for leak in leaks(text, ASKED)]
    assert not ASKED & {normalize(t) for t, _ in dev_questions(500)}


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "<|im_start|>user\n{}<|im_end|>\n",
        "Q: {}\nA: 7",
        "* Hi there. {} Thanks!\n  7",
        "{} 1 kg = 1000 g. 7 * 1000 = 7000",
        "Problem: ok, {}\n",
    ],
)
def test_a_leak_is_found_in_every_form(frame: str) -> None:
    for question in load_split("test")[:100]:
        text = "1 km = 1000 m\n" + frame.format(question.text)
        assert leaks(text, ASKED) == [normalize(question.text)], text


def test_tag_words_stand_in_no_question() -> None:
    own = " ".join(
        (*QUESTIONS, *DEV_QUESTIONS, *GREETINGS, *CLOSINGS)
    ).lower()
    slots = re.compile(r"\{\w+\}")
    course = " ".join((*TEMPLATES, *HARD_TEMPLATES, *SPELLINGS)).lower()
    words = set(re.findall("[a-z]+", slots.sub(" ", course) + " " + own))
    assert not set(TAG_WORDS) & words
    assert len(set(TAG_WORDS)) == 16
    assert "answer" in TAG_WORDS


def test_system_turns_do_not_tell_the_form() -> None:
    """Most of them name a tag, and it is that of the chat by chance."""
    text = " ".join(SYSTEM_OPENINGS + SYSTEM_REQUESTS + STRAY_FORMS).lower()
    assert not set(re.findall("[a-z]+", text)) & set(TAG_WORDS)
    config = CorpusConfig(
        system_share=1,
        stray_form_share=1,
        told_habit_share=0,
        tag_share=1,
        random_tag_share=0,
    )
    named, kept = 0, 0
    for index in range(400):
        chat = chat_document(random.Random(index), config)
        system, *turns = chat.split("<|im_end|>")
        asked = re.search(
            r"<(\w+)>(?!.*<\w+>)|([A-Z]+)\(", system, re.DOTALL
        )
        used = re.search(r"</(\w+)>", "".join(turns))
        assert asked, system
        assert used
        named += asked[1] in TAG_WORDS
        kept += asked[1] == used[1]
    assert named > 150
    assert kept / named < 2.5 / len(TAG_WORDS)


def test_wrappers_are_of_many_kinds() -> None:
    rng = random.Random(0)
    config = CorpusConfig()
    for told, share in (
        (False, config.habit_share),
        (True, config.told_habit_share),
    ):
        drawn = [draw_wrapper(rng, config, told) for _ in range(4000)]
        assert all("{v}" in w for w in drawn)
        habit = drawn.count(HABIT) / len(drawn)
        assert abs(habit - share) < 0.03
        named = sum(w.startswith("<answer>") for w in drawn) / len(drawn)
        expected = (1 - share) * config.tag_share / len(TAG_WORDS)
        assert abs(named - expected) < 0.01
        assert len(set(drawn)) > 300


def test_development_answers_are_those_of_the_question_parser() -> None:
    """Where the parser can read a wording, both agree on its answer."""
    read = 0
    for text, answer in dev_questions(300):
        if (conversion := parse_question(text)) is not None:
            assert conversion.answer == pytest.approx(answer), text
            read += 1
    assert read > 50


# --------------------------------------------------------------- repeatable


def test_the_same_seed_gives_the_same_corpus(texts: list[str]) -> None:
    again = list(documents(CorpusConfig(), seed=0, count=50))
    assert again == texts[:50]
    other = list(documents(CorpusConfig(), seed=1, count=50))
    assert not set(again) & set(other)


def test_shares_are_kept(texts: list[str]) -> None:
    chats = sum("<|im_start|>" in text for text in texts) / len(texts)
    assert abs(chats - CorpusConfig().chat_share) < 0.04
    only_facts = CorpusConfig(
        chat_share=0,
        plain_share=0,
        facts_share=1,
        table_share=0,
        arithmetic_share=0,
    )
    one_fact = re.compile(
        r"^(?:[-*] |\d\. )?"
        + "(?:"
        + "|".join(
            re.escape(f)
            .replace(r"\{a\}", ".+").replace(r"\{b\}", ".+")
            .replace(r"\{f\}", NUMBER)
            for f in FACTS
        )
        + r")\.?$"
    )  # fmt: skip
    for index in range(200):
        text = make_document(only_facts, random.Random(index))
        assert all(one_fact.match(line) for line in text.splitlines())


def test_rows_start_at_a_document_and_are_full(tokenizer) -> None:
    rows = Rows(TINY, tokenizer)
    assert len(rows) == TINY.steps * TINY.batch_size
    for index in range(5):
        row = rows[index]
        assert row.shape == (TINY.row_length,)
        assert torch.equal(row, rows[index])
        rng = random.Random(f"{TINY.seed} row {index}")
        first = make_document(TINY.corpus, rng)
        start = tokenizer.decode(row.tolist())
        assert (first + "<|endoftext|>").startswith(start[: len(first)])


# ---------------------------------------------------------------- tokenizer


def test_one_token_a_digit(tokenizer) -> None:
    ids = tokenizer.encode("907.2 kg is 31560000 g")
    tokens = tokenizer.convert_ids_to_tokens(ids)
    assert sum(any(c.isdigit() for c in t) for t in tokens) == 12
    assert all(len(t) == 1 for t in tokens if any(c.isdigit() for c in t))


@given(st.text(max_size=60))
def test_every_text_comes_back(tokenizer, text: str) -> None:
    if not any(special in text for special in SPECIAL_TOKENS):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_are_those_of_chatml(tokenizer) -> None:
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    for token in SPECIAL_TOKENS:
        assert len(tokenizer.encode(token)) == 1
    assert len(tokenizer.encode("<answer>")) > 1


def test_chat_template(tokenizer) -> None:
    user = {"role": "user", "content": "6 km -> m"}
    text = tokenizer.apply_chat_template(
        [user], tokenize=False, add_generation_prompt=True
    )
    assert text == (
        f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
        "<|im_start|>user\n6 km -> m<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    system = {"role": "system", "content": "Be brief."}
    chat = tokenizer.apply_chat_template([system, user], tokenize=False)
    assert chat.startswith("<|im_start|>system\nBe brief.<|im_end|>\n")
    assert chat.count("<|im_start|>") == 2


def test_a_vocabulary_below_the_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="256 bytes"):
        train_tokenizer(["a"], vocab_size=100, max_length=64)


# ----------------------------------------------------------------- training


def test_schedule() -> None:
    config = replace(TINY, steps=100, warmup_steps=10, decay_share=0.4)
    shares = [lr_share(step, config) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[9:60] == pytest.approx([1.0] * 51)
    assert shares[-1] == pytest.approx(config.final_lr_share)
    assert all(a > b for a, b in pairwise(shares[60:]))


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Twenty steps without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    tokenizer = make_tokenizer(TINY)
    model = make_model(TINY, tokenizer)
    progress = train(TINY, model, tokenizer, folder)
    return model, tokenizer, progress


def test_twenty_steps_lower_the_loss(whole_run) -> None:
    _, _, progress = whole_run
    assert progress.step == len(progress.losses) == 20
    assert sum(progress.losses[-3:]) < sum(progress.losses[:3]) - 1


class InterruptedRunError(Exception):
    pass


def test_a_resumed_run_is_the_same_run(whole_run, tmp_path: Path) -> None:
    model, tokenizer, progress = whole_run

    def stop_at_13(progress: Progress) -> None:
        if progress.step == 13:
            raise InterruptedRunError

    first = make_model(TINY, tokenizer)
    with pytest.raises(InterruptedRunError):
        train(TINY, first, tokenizer, tmp_path, watch=stop_at_13)
    assert [p.name for p in tmp_path.glob("step-*")] == ["step-000010"]

    resumed = make_model(replace(TINY, seed=1), tokenizer)
    again = train(TINY, resumed, tokenizer, tmp_path, resume=True)
    assert again.losses == progress.losses
    for a, b in zip(resumed.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_resuming_needs_a_checkpoint_of_the_same_run(
    whole_run, tmp_path: Path
) -> None:
    _, tokenizer, _ = whole_run
    model = make_model(TINY, tokenizer)
    with pytest.raises(ResumeError, match="no checkpoint"):
        train(TINY, model, tokenizer, tmp_path / "none", resume=True)
    short = replace(TINY, steps=2, checkpoint_every=1)
    train(short, model, tokenizer, tmp_path, keep_all=True)
    assert len(list(tmp_path.glob("step-*"))) == 2
    other = replace(TINY, muon_lr=0.5)
    with pytest.raises(ResumeError, match=r"\(muon_lr, steps\)"):
        train(other, model, tokenizer, tmp_path, resume=True)


# -------------------------------------------------------- command and card


def test_the_command_trains_a_model_that_plain_classes_load(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "model"
    run = CliRunner().invoke(
        command.app,
        ["pretrain", str(folder), "--preset", "tiny", "--steps", "3"],
    )
    assert run.exit_code == 0, run.output
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    ids = tokenizer("6 km", return_tensors="pt").input_ids
    assert model(ids).logits.shape == (1, ids.shape[1], TINY.vocab_size)
    record = json.loads((folder / "training.json").read_text())
    assert len(record["losses"]) == record["steps"] == 3
    assert f"{record['tokens']:,}" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--preset", "huge"], "choose from course, gpu, tiny"),
        (["--preset", "tiny", "--resume"], "start without --resume"),
        (["--steps", "0"], "--steps"),
    ],
)
def test_misuse_is_one_clear_error(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    run = CliRunner().invoke(
        command.app, ["pretrain", str(tmp_path / "m"), *arguments]
    )
    assert run.exit_code == 2
    plain = re.sub(r"\x1b\[[\d;]*m|[│╭╮╰╯─]", " ", run.output)
    assert says in " ".join(plain.split())


RATES = {
    "n": 10,
    "accuracy": 0.5,
    "accuracy_ci95": [0.2366, 0.7634],
    "answer_rate": 1.0,
    "answer_rate_ci95": [0.7225, 1.0],
    "reasoning_validity": None,
    "reasoning_validity_ci95": [None, None],
    "by_quantity": {
        "1 to 12": {"n": 4, "accuracy": 0.75, "accuracy_ci95": [0.3, 0.95]}
    },
}


def test_the_card_reports_recorded_results(tmp_path: Path) -> None:
    for name in ("training.json", "README.md"):
        (tmp_path / name).write_bytes((COURSE_MODEL / name).read_bytes())
    measured = {
        "data": "test",
        "cot": RATES,
        "wrapper [[{v}]]": {
            "n": 20,
            "imitated": 0.95,
            "imitated_ci95": [0.76, 0.99],
        },
        "rollouts": {
            "n": 7,
            "at_least_one_right_and_audited": 0.857,
            "at_least_one_right_and_audited_ci95": [0.49, 0.97],
            "run": {
                "num_return_sequences": 10,
                "decoding": {"temperature": 0.8},
            },
        },
    }
    export.record_results(tmp_path, measured)
    evaluated = RATES | {
        "run": {"data": "test_hard", "prompt": "cot"},
        "rows": [1],
    }
    export.record_results(tmp_path, evaluated)
    card = (tmp_path / "README.md").read_text()
    row = "one worked example (CoT) | 10 | 0.500 [0.237, 0.763] | 1.000"
    assert f"| test | {row}" in card
    assert f"| test_hard | {row}" in card
    assert "| test | 1 to 12 | 4 | 0.750 [0.300, 0.950] |" in card
    assert "Shown `[[...]]` by the worked example alone, 0.950" in card
    assert "0.857 [0.490, 0.970] had a completion" in card
    assert "rows" not in (tmp_path / "results.json").read_text()

    # One sampled or one bare prompt is enough; an adapter's is refused.
    sampled = measured["rollouts"] | {"n": 8}
    sampled["run"] = sampled["run"] | {"data": "test"}
    export.record_results(tmp_path, sampled)
    raw = RATES | {"run": {"data": "valid", "prompt": "raw"}}
    export.record_results(tmp_path, raw)
    card = (tmp_path / "README.md").read_text()
    assert "Of 8 questions of test, each sampled 10 times" in card
    assert "| valid | the bare question | 10 |" in card
    foreign = RATES | {"run": {"data": "test", "adapter": "mine"}}
    with pytest.raises(ValueError, match="of an adapter"):
        export.record_results(tmp_path, foreign)
    assert (tmp_path / "README.md").read_text() == card


def test_a_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    run = CliRunner().invoke(
        command.app, ["card", str(tmp_path), str(wrong)]
    )
    assert run.exit_code == 2
    plain = re.sub(r"\x1b\[[\d;]*m|[│╭╮╰╯─]", " ", run.output)
    assert "not a report" in " ".join(plain.split())
    assert not (tmp_path / "results.json").exists()


def test_preview_and_development_set(tmp_path: Path) -> None:
    shown = CliRunner().invoke(command.app, ["corpus", "--count", "3"])
    assert shown.exit_code == 0
    assert shown.output.count("-" * 72) == 3
    file = tmp_path / "dev.json"
    made = CliRunner().invoke(
        command.app, ["dev", str(file), "--count", "20"]
    )
    assert made.exit_code == 0
    pairs = json.loads(file.read_text())
    assert len({text for text, _ in pairs}) == 20
    assert all(answer > 0 for _, answer in pairs)
