"""What a person sees: output, exit codes, one line for every mistake.

A few real processes, each of which spends seconds on importing torch; the
rest runs the same commands in this one.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

import unitconv
from unitconv.cli import app, console
from unitconv.grading.answer import is_correct, parse_answer
from unitconv.inference.llm import LLM
from unitconv.task.dataset import SPLITS, load_split

QUESTION = "How many gram are there per 6 kg?"
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TIMEOUT = 240


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without these rich and typer believe what the streams are."""
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


# --- real processes -----------------------------------------------------


def script() -> str:
    found = shutil.which("unitconv", path=str(Path(sys.executable).parent))
    assert found, "the console script `unitconv` is not installed"
    return found


def run(*arguments: str) -> tuple[str, str]:
    """What a command that succeeds prints: stdout and stderr."""
    done = subprocess.run(
        [script(), *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    for stream in (done.stdout, done.stderr):
        assert "\x1b" not in stream
        assert "\r" not in stream
    return done.stdout, done.stderr


def test_version() -> None:
    assert run("--version") == (f"unitconv {unitconv.__version__}\n", "")


def test_nothing_slow_is_imported_for_help_or_a_mistyped_option() -> None:
    code = (
        "import sys, unitconv.cli; "
        "print({'torch', 'pint', 'pandas'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout == "set()\n"


def test_info_is_one_json_line() -> None:
    stdout, stderr = run("info", "--json")
    assert stderr == ""
    assert stdout.count("\n") == 1
    facts = json.loads(stdout)
    assert facts["unitconv"] == unitconv.__version__
    assert facts["test_questions"] == 1000
    assert facts["course_model"].endswith(" MB")


def test_ask_the_course_model(course: LLM) -> None:
    stdout, stderr = run("ask", QUESTION, "--device", "cpu")
    reply = course.generate(course.format_prompt(QUESTION)).strip()
    answer = parse_answer(reply)
    assert stdout.startswith(f"  model  {reply}\n")
    shown = "none" if answer != answer else f"{answer:.10g}"
    assert f"\n answer  {shown}\n" in stdout
    grade = "right" if abs(answer - 6000) < 300 else "wrong"
    assert f"\n   pint  6000 ({grade}, " in stdout
    assert re.fullmatch(
        r"LLM\('course', .* float32 on cpu, prompt='cot'\)\n", stderr
    )


def test_evaluate_the_course_model(tmp_path: Path, course: LLM) -> None:
    path = tmp_path / "report.json"
    stdout, stderr = run(
        *("evaluate", "--limit", "20", "--json", str(path)),
        *("--device", "cpu"),
    )
    report = json.loads(path.read_text("utf-8"))
    rows, questions = report["rows"], load_split("test")[:20]
    assert report["n"] == 20
    assert [row["question"] for row in rows] == [q.text for q in questions]
    expected = course.answer(*(q.text for q in questions))
    right = [
        is_correct(answer, q.answer)
        for answer, q in zip(expected, questions, strict=True)
    ]
    assert [row["correct"] for row in rows] == right
    assert report["accuracy"] == sum(right) / 20
    assert f"{report['accuracy']:.3f}" in stdout
    assert stderr.splitlines()[1:] == [f"written: {path}"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A child started where SIGINT is ignored would ignore it too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_an_evaluation_in_one_line(
    model_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    arguments = ["evaluate", "--batch-size", "1", "--json", str(path)]
    with subprocess.Popen(
        [script(), *arguments, *tiny(model_folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr is not None
        loaded = process.stderr.readline()
        time.sleep(0.5)  # mostly enough to be at work; earlier is fine too
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert loaded.startswith("LLM(")
    # rich says again what it was interrupted in.
    assert stderr.removeprefix(loaded) == "unitconv: interrupted\n"
    assert stdout == ""
    assert list(tmp_path.iterdir()) == []


# --- the same commands in this process ----------------------------------


def tiny(model_folder: Path) -> list[str]:
    """Options for a model whose context of 96 holds no worked example."""
    return ["--model", str(model_folder), "--prompt", "raw"]


def invoke(*arguments: str) -> Result:
    """Run a command where a wide window and no terminal are around."""
    return CliRunner().invoke(
        app, arguments, env={"COLUMNS": "200"}, color=False
    )


def succeed(*arguments: str) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    return ANSI.sub("", result.stdout)


def complaint(code: int, *arguments: str) -> str:
    """The one line with which a command fails."""
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    lines = result.stderr.splitlines()
    if lines and lines[0].startswith("LLM("):
        del lines[0]  # what was loaded, before the mistake showed
    assert len(lines) == 1
    assert lines[0].startswith("unitconv: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ask", ""], ["question is empty"]),
        (["ask", " \n\t"], ["question is empty"]),
        (
            ["ask", QUESTION, "--prompt", "zulu"],
            ["'zulu'", "raw", "chat", "cot"],
        ),
        (["ask", QUESTION, "--model", "nosuch"], ["'nosuch'", "course"]),
        (["ask", QUESTION, "--device", "quantum"], ["'quantum'"]),
        (
            ["ask", QUESTION, "--dtype", "float3"],
            ["'float3'", "float32", "bfloat16"],
        ),
        (["evaluate", "--split", "tset"], ["'tset'", *SPLITS]),
        (["evaluate", "--prompt", "zulu"], ["'zulu'", "cot"]),
        (["evaluate", "--data", "no/such.json"], ["no/such.json"]),
        (["evaluate", "--json", "no/such/r.json"], ["no/such", "create"]),
        (["evaluate", "--json", "."], ["is a folder"]),
        (["measure", "no/such/r.json"], ["no/such", "create"]),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(
    arguments: list[str], expected: list[str]
) -> None:
    line = complaint(2, *arguments)
    assert [part for part in expected if part not in line] == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[\n["6 kg in g?", 6000],\n["5 kg"\n', "line 4"),
        ('[["6 kg in g?", 6000], ["5 kg in g?"]]', "entry 2"),
        ('[["6 kg in g?", "6000"]]', "entry 1"),
        ('[["6 kg in g?", 6000], ["5 kg in g?", NaN]]', "entry 2"),
        ('[["6 kg in g?", 6000], ["", 5]]', "entry 2"),
        ('{"6 kg in g?": 6000}', "expected a list"),
        ("[]", "at least one entry"),
        ("", "line 1"),
    ],
)
def test_broken_data_is_named_by_file_and_place(
    content: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    line = complaint(2, "evaluate", "--data", str(path))
    assert f"{path}: " in line
    assert expected in line


def test_an_unknown_adapter_is_named(model_folder: Path) -> None:
    arguments = ["ask", QUESTION, "--adapter", "nosuch"]
    line = complaint(2, *arguments, *tiny(model_folder))
    assert "no adapter at 'nosuch'" in line


def test_a_prompt_longer_than_the_context(
    model_folder: Path, tmp_path: Path
) -> None:
    """The error names both lengths, and does not cut the question."""
    long = "x" * 96
    line = complaint(2, "ask", long, *tiny(model_folder))
    assert "96 tokens" in line
    path = tmp_path / "mine.json"
    path.write_text(json.dumps([[QUESTION, 6000], [long, 1]]))
    arguments = ["evaluate", "--data", str(path), *tiny(model_folder)]
    assert "96 tokens" in complaint(2, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--limit", "0"],
        ["evaluate", "--batch-size", "0"],
        ["evaluate", "--limit", "ten"],
        ["evaluate", "--nosuch"],
        ["ask"],
        ["ask", QUESTION, "--temperature", "-1"],
        ["ask", QUESTION, "--temperature", "nan"],
        ["nosuch"],
    ],
    ids=" ".join,
)
def test_a_mistyped_command_line_gets_the_usage(
    arguments: list[str],
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_line_and_the_report_is_still_shown(
    model_folder: Path,
) -> None:
    result = invoke(
        *("evaluate", "--limit", "1", "--json", "/dev/full"),
        *tiny(model_folder),
    )
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [
        "unitconv: No space left on device (/dev/full)"
    ]
    assert "accuracy" in result.stdout


def test_a_report_that_cannot_be_written_is_one_line(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    path = tmp_path / "report.json"
    arguments = ["evaluate", "--limit", "1", "--json", str(path)]
    line = complaint(1, *arguments, *tiny(model_folder))
    assert line == f"unitconv: Permission denied ({path})"


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (KeyboardInterrupt(), 130, "unitconv: interrupted"),
        (RuntimeError("out of\n  memory"), 1, "unitconv: out of memory"),
        (MemoryError(), 1, "unitconv: MemoryError"),
    ],
)
def test_a_failure_while_generating_is_one_line(
    error: BaseException,
    code: int,
    expected: str,
    model_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(LLM, "generate", fail)
    arguments = ["ask", QUESTION, *tiny(model_folder)]
    assert complaint(code, *arguments) == expected


# --- what is shown ------------------------------------------------------


def ask(
    reply: str,
    question: str,
    options: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """What `ask` prints where the model gives this reply."""
    monkeypatch.setattr(LLM, "generate", lambda *_: reply)
    return succeed("ask", question, *options)


def test_ask_shows_reply_audit_answer_and_truth(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = "1 kg = 100 g. 6 * 100 = 600. <answer>600</answer>"
    shown = ask(reply, QUESTION, tiny(model_folder), monkeypatch)
    assert shown.splitlines() == [
        f"  model  {reply}",
        "  audit  1 kg = 100 g: FALSE",
        "  audit  6 * 100 = 600: true",
        " answer  600",
        "   pint  6000 (wrong, at 5 % tolerance)",
    ]


@pytest.mark.parametrize(
    ("reply", "answer", "grade"),
    [
        ("<answer>6,001</answer>", "6001", "right"),
        ("It is 6000.", "none", "wrong"),
        ("", "none", "wrong"),
    ],
)
def test_ask_grades_the_parsed_answer(
    reply: str,
    answer: str,
    grade: str,
    model_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = ask(reply, QUESTION, tiny(model_folder), monkeypatch)
    assert shown.splitlines() == [
        f"  model  {reply or '(nothing)'}",
        f" answer  {answer}",
        f"   pint  6000 ({grade}, at 5 % tolerance)",
    ]


@pytest.mark.parametrize(
    "question",
    ["How many grams are 2 kg and 3 kg?", "6 kg in metres?", "Hello!"],
)
def test_ask_does_not_guess_what_was_asked(
    question: str, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = "<answer>5000</answer>"
    shown = ask(reply, question, tiny(model_folder), monkeypatch)
    assert shown.splitlines()[-1].startswith("   pint  cannot tell")
    assert "right" not in shown


HOSTILE = "[bold]6[/bold] [/] :smile: \x1b[2J\x1b]0;t\x07\t\x9b1m\u202e é²"
HARMLESS = (
    "[bold]6[/bold] [/] :smile: "
    r"\x1b[2J\x1b]0;t\x07\t\x9b1m\u202e é²"
)


def test_a_reply_reaches_the_terminal_as_text(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LLM, "generate", lambda *_: f"a\n{HOSTILE}")
    result = invoke("ask", QUESTION, *tiny(model_folder))
    assert result.stdout.startswith(f"  model  a\n{HARMLESS}\n")


def test_a_question_reaches_the_terminal_as_text(
    model_folder: Path,
) -> None:
    result = invoke("ask", HOSTILE, "--show-prompt", *tiny(model_folder))
    assert result.stdout.startswith(f" prompt  {HARMLESS}\n")
    assert "\x1b" not in result.stdout


def test_an_error_reaches_the_terminal_as_text() -> None:
    line = complaint(2, "evaluate", "--data", f"{HOSTILE}.json")
    assert HARMLESS.replace(r"\t", " ") in line  # one line: one space
    assert "\x1b" not in line


def test_a_terminal_that_knows_only_ascii_gets_escapes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    console.write("3 cm² \ud800", Console(file=file))
    file.flush()
    assert raw.getvalue() == rb"3 cm\xb2 \ud800" + os.linesep.encode()


def test_a_progress_bar_is_for_terminals_only(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["evaluate", "--limit", "2", *tiny(model_folder)]
    assert "evaluating" not in invoke(*arguments).output
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(console, "err", terminal)
    succeed(*arguments)
    assert "evaluating" in ANSI.sub("", screen.getvalue())
    assert "2/2" in ANSI.sub("", screen.getvalue())


def test_bench_ends_in_a_line_of_json(tmp_path: Path) -> None:
    record = tmp_path / "bench.json"
    how = ["--questions", "10", "--slots", "2,1", "--repeats", "1"]
    result = invoke("bench", *how, "--json", str(record))
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout.splitlines()[-1])
    assert told == json.loads(record.read_text())
    made = [
        (s["workload"], s["decoder"], s["slots"]) for s in told["speeds"]
    ]
    assert made[:4] == [
        ("evaluation", decoder, slots)
        for slots in (1, 2)
        for decoder in ("engine", "reference")
    ]
    assert len(made) == 4 + 2 * 3
    assert all(s["tokens"] > 0 for s in told["speeds"])


@pytest.mark.parametrize("slots", ["", "0", "4,x", "-1", "1,,2"])
def test_bench_refuses_slots_that_are_no_numbers(slots: str) -> None:
    result = invoke("bench", f"--slots={slots}")
    assert result.exit_code == 2
    assert "whole numbers" in result.stderr


def test_evaluate_your_own_questions(
    model_folder: Path, tmp_path: Path
) -> None:
    data, path = tmp_path / "[b]mine.json", tmp_path / "report.json"
    questions = [[QUESTION, 6000], ["6 ft in cm?", 183], ["Hm?", 1.5]]
    data.write_text(json.dumps(questions))
    shown = succeed(
        *("evaluate", "--data", str(data), "--json", str(path)),
        *tiny(model_folder),
    )
    report = json.loads(path.read_text())
    assert [
        [r["question"], r["truth"]] for r in report["rows"]
    ] == questions
    families = [row["family"] for row in report["rows"]]
    assert families == ["mass", "length", "unknown"]
    assert report["run"]["data"] == str(data)
    assert f"{data}, n = 3" in shown
    assert re.search(r"accuracy, mass .* 1 ", shown)


def test_limit_takes_the_first_questions(
    model_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    succeed(
        *("evaluate", "--limit", "3", "--split", "test_hard"),
        *("--json", str(path), *tiny(model_folder)),
    )
    rows = json.loads(path.read_text())["rows"]
    expected = [q.text for q in load_split("test_hard")[:3]]
    assert [row["question"] for row in rows] == expected


def test_info_in_words_says_what_the_json_says() -> None:
    facts: dict[str, Any] = json.loads(succeed("info", "--json"))
    lines = succeed("info").splitlines()
    pairs = list(zip(lines, map(str, facts.values()), strict=True))
    assert [line for line, fact in pairs if not line.endswith(fact)] == []
    columns = {len(line) - len(fact) for line, fact in pairs}
    assert len(columns) == 1, "the values do not stand in one column"


MODEL_OPTIONS = ["--model", "--adapter", "--prompt", "--device", "--dtype"]


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ([], ["--version", "ask", "evaluate", "info"]),
        (
            ["ask"],
            [*MODEL_OPTIONS, "--temperature", "--seed", "--show-prompt"],
        ),
        (
            ["evaluate"],
            [
                *MODEL_OPTIONS,
                *("--data", "--split", "--limit", "--batch-size"),
                "--json",
            ],
        ),
        (["info"], ["--json"]),
    ],
)
def test_help_names_every_option(
    command: list[str], options: list[str]
) -> None:
    shown = succeed(*command, "--help")
    words = set(re.findall(r"[\w-]+", shown))
    assert set(options) - words == set()


def test_samples_tell_what_could_be_kept(
    model_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "samples.json"
    shown = succeed(
        *("evaluate", "--samples", "3", "--limit", "2"),
        *("--temperature", "1.5", "--json", str(path)),
        *tiny(model_folder),
    )
    report = json.loads(path.read_text())
    assert report["n"] == 2
    assert report["at_least_one_right"] == 0
    assert report["run"]["num_return_sequences"] == 3
    assert report["run"]["decoding"]["temperature"] == 1.5
    assert "3 each, at temperature 1.5" in shown
    assert re.search(r"at least one right .* 2 ", shown)
    line = complaint(2, "evaluate", "--temperature", "1.5")
    assert "--samples" in line


def test_measure_reports_every_prompt(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    shown = succeed(
        *("measure", str(path), "--limit", "2", "--sampled", "1"),
        *("--device", "cpu"),
    )
    found = json.loads(path.read_text())
    assert found["data"] == "test"
    assert found["rollouts"]["n"] == 1
    for name in ("raw", "chat", "direct", "cot", "rollouts"):
        assert name in found
        assert re.search(rf"│ {name} ", shown), shown
