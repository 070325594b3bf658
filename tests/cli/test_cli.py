"""Output, exit codes and error messages of the commands."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner, Result

import unitconv
from unitconv.cli import app, console
from unitconv.grading.answer import TOLERANCE, is_correct
from unitconv.inference.llm import LLM
from unitconv.inference.reference import BATCH_SIZE
from unitconv.task.dataset import SPLITS, load_split

QUESTION = "How many gram are there per 6 kg?"
TIMEOUT = 240
MODULE = [sys.executable, "-m", "unitconv.cli"]


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without these rich and typer believe what the streams are."""
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tiny(model_folder: Path) -> list[str]:
    """Options for a model whose context of 96 holds no worked example."""
    return ["--model", str(model_folder), "--prompt", "raw"]


@pytest.fixture
def reply(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the reply of every model."""

    def set_reply(text: str) -> None:
        monkeypatch.setattr(LLM, "generate", lambda *_: text)

    return set_reply


def invoke(*arguments: str) -> Result:
    """Run a command in a wide window that is no terminal."""
    return CliRunner().invoke(
        app, arguments, env={"COLUMNS": "200"}, color=False
    )


def succeed(*arguments: str) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def fail(code: int, *arguments: str) -> str:
    """Run a command that fails; return its one line of error."""
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.stderr
    *before, line = result.stderr.splitlines()
    assert line.startswith("unitconv: ")
    assert not any(line.startswith("unitconv: ") for line in before)
    return line


# --- real processes -----------------------------------------------------


def test_console_script_and_module_show_the_version() -> None:
    script = shutil.which("unitconv", path=Path(sys.executable).parent)
    assert script, "the console script `unitconv` is not installed"
    for command in ([script], MODULE):
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True
        )
        expected = f"unitconv {unitconv.__version__}\n"
        assert (done.stdout, done.stderr) == (expected, "")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["rft", "--help"], ["evaluate", "--limit", "ten"]],
    ids=" ".join,
)
def test_nothing_slow_is_imported_for_help_or_a_mistyped_option(
    arguments: list[str],
) -> None:
    code = f"""
import atexit, sys
slow = {{"torch", "transformers", "numpy", "pint", "pandas"}}
atexit.register(lambda: print(slow & {{*sys.modules}}))
from unitconv.cli import app
app({arguments})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A child started where SIGINT is ignored would ignore it too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_an_evaluation_in_one_line(
    tiny: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    arguments = ["evaluate", "--batch-size", "1", "--json", str(path)]
    with subprocess.Popen(
        [*MODULE, *arguments, *tiny],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr is not None
        loaded = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert loaded.startswith("LLM(")
    # An interrupted console prints its last line again.
    assert stderr.removeprefix(loaded) == "unitconv: interrupted\n"
    assert stdout == ""
    # Perhaps the header of the replies, with which the run would go on.
    unfinished = tmp_path / "report.json.unfinished"
    assert {*tmp_path.iterdir()} <= {unfinished}


INTERRUPT = """
import sys

module = sys.argv.pop(1)

class Interrupt:
    def find_spec(self, name, *_):
        if name == module:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from unitconv.__main__ import main

main()
"""


@pytest.mark.parametrize("module", ["unitconv.cli", "rich.table", "torch"])
def test_ctrl_c_during_an_import_ends_in_one_line(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPT, module, "info"],
        capture_output=True,
        text=True,
    )
    assert done.stderr == "unitconv: interrupted\n"
    assert (done.returncode, done.stdout) == (130, "")


# --- errors -------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ask", " \n\t"], ["question is empty"]),
        (["ask", QUESTION, "--prompt", "zulu"], ["'zulu'", "raw", "cot"]),
        (["ask", QUESTION, "--model", "nosuch"], ["'nosuch'", "course"]),
        (["ask", QUESTION, "--adapter", "nosuch"], ["no adapter", "sft"]),
        (["ask", QUESTION, "--device", "quantum"], ["'quantum'"]),
        (["ask", "x" * 2000], ["context", "shorten"]),
        (["evaluate", "--split", "tset"], ["'tset'", *SPLITS]),
        (["evaluate", "--data", "no/such.json"], ["no/such.json"]),
        (["evaluate", "--data", "a.json", "--split", "test"], ["not both"]),
        (["evaluate", "--json", "no/such/r.json"], ["no/such", "create"]),
        (["evaluate", "--json", "."], ["is a folder"]),
        (["measure", "no/such/r.json"], ["no/such", "create"]),
        (["bench", "--slots=1,,2"], ["whole numbers"]),
        (["sft", "-o", "x", "--rank", "3000"], ["Take rank"]),
        (["sft", "-o", "x", "--preset", "tpu"], ["cpu, t4, ampere"]),
        (["sft", "-o", "x", "--resume"], ["start without --resume"]),
        (["rollouts", "-o", "x"], [".json"]),
        (["rollouts", "-o", "x.json", "--policy", "best"], ["strict"]),
        (["rft", "-o", "x", "--data", "no.json"], ["no.json"]),
        (["export", "-o", "x.bin"], ["'.bin'", ".gguf"]),
        (["export", "-o", "x", "--type", "q8_0"], ["'q8_0'", "f16"]),
        (["export", "-o", "x", "--adapter", "nosuch"], ["no adapter"]),
        (["pretrain", "x", "--preset", "huge"], ["course, gpu, tiny"]),
        (["results", "add", "no.json"], ["no.json"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_bad_requests_get_one_line_and_exit_code_2(
    arguments: list[str],
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    line = fail(2, *arguments)
    assert [part for part in expected if part not in line] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--limit", "0"],
        ["evaluate", "--limit", "ten"],
        ["ask"],
        ["rollouts", "-o", "x.json", "--temperature", "nan"],
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


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (PermissionError(13, "Denied", "r.json"), 1, "Denied (r.json)"),
        (MemoryError(), 1, "lower --batch-size"),
        (RuntimeError("CUDA out of memory.\n Tried"), 1, "--batch-size"),
        (RuntimeError("DefaultCPUAllocator: no"), 1, "--batch-size"),
    ],
    ids=repr,
)
def test_failures_that_are_no_bugs_get_one_line(
    error: BaseException,
    code: int,
    expected: str,
    tiny: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def generate(*_: object) -> None:
        raise error

    monkeypatch.setattr(LLM, "generate", generate)
    assert expected in fail(code, "ask", QUESTION, *tiny)


def test_a_bug_shows_its_traceback_and_where_to_report_it(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(*_: object) -> None:
        raise ValueError("shapes differ")

    monkeypatch.setattr(LLM, "generate", generate)
    result = invoke("ask", QUESTION, *tiny)
    assert result.exit_code == 1
    assert "Traceback (most recent call last):" in result.stderr
    assert "ValueError: shapes differ" in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("unitconv: this is a bug in unitconv")
    assert last.endswith("/issues")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_report_is_shown_where_the_disk_is_full(tiny: list[str]) -> None:
    result = invoke(
        "evaluate", "--limit", "1", "--json", "/dev/full", *tiny
    )
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [
        "unitconv: No space left on device (/dev/full)"
    ]
    assert "accuracy" in result.stdout


# --- output -------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "text", "lines"),
    [
        (
            QUESTION,
            "1 kg = 100 g. 6 * 100 = 600. <answer>600</answer>",
            [
                "  audit  1 kg = 100 g: FALSE",
                "  audit  6 * 100 = 600: true",
                "  audit  reasoning: false statement",
                " answer  600",
                "   pint  6000 (wrong, at 5 % tolerance)",
            ],
        ),
        (
            QUESTION,
            "<answer>6,001</answer>",
            [
                "  audit  reasoning: no reasoning",
                " answer  6001",
                "   pint  6000 (right, at 5 % tolerance)",
            ],
        ),
        (
            "How many grams are 2 kg and 3 kg?",
            "<answer>5000</answer>",
            [
                "  audit  reasoning: no reasoning",
                " answer  5000",
                "   pint  cannot tell which conversion the question asks "
                "for",
            ],
        ),
    ],
)
def test_ask_shows_reply_audit_answer_and_truth(
    question: str,
    text: str,
    lines: list[str],
    tiny: list[str],
    reply: Callable[[str], None],
) -> None:
    reply(text)
    shown = succeed("ask", question, *tiny).splitlines()
    assert shown == [f"  model  {text}", *lines]


def test_no_text_controls_the_terminal(
    tiny: list[str], reply: Callable[[str], None]
) -> None:
    hostile = "[bold]6[/bold] [/] :smile: \x1b[2J\x07\t\x9b1m\u202e é²"
    harmless = r"[bold]6[/bold] [/] :smile: \x1b[2J\x07\t\x9b1m\u202e é²"
    reply(f"a\n{hostile}")
    shown = succeed("ask", hostile, "--show-prompt", *tiny)
    assert shown.startswith(f" prompt  {harmless}\n")
    assert f"\n  model  a\n{harmless}\n" in shown
    line = fail(2, "evaluate", "--data", f"{hostile}.json")
    assert harmless.replace(r"\t", " ") in line  # one line: one space
    assert "\x1b" not in shown + line


def test_a_terminal_that_knows_only_ascii_gets_escapes() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    console.write("3 cm² \ud800", Console(file=file))
    file.flush()
    assert raw.getvalue() == rb"3 cm\xb2 \ud800" + os.linesep.encode()


def test_progress_bars_are_for_terminals_only(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["evaluate", "--limit", "2", *tiny]
    assert "evaluating" not in invoke(*arguments).output
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(console, "err", terminal)
    succeed(*arguments)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "evaluating" in plain
    assert "2/2" in plain


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [TOLERANCE, 0.0001])
def test_evaluate_writes_and_shows_the_report_of_the_library(
    tolerance: float, course: LLM, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    shown = succeed(
        *("evaluate", "--limit", "20", "--split", "test_hard"),
        *("--json", str(path), "--device", "cpu"),
        *("--tolerance", str(tolerance)),
    )
    report = json.loads(path.read_text("utf-8"))
    questions = load_split("test_hard")[:20]
    answers = course.answer(*(q.text for q in questions))
    right = [
        is_correct(answer, question.answer, tolerance)
        for answer, question in zip(answers, questions, strict=True)
    ]
    assert [row["question"] for row in report["rows"]] == [
        question.text for question in questions
    ]
    assert [row["correct"] for row in report["rows"]] == right
    assert report["accuracy"] == sum(right) / 20
    assert report["run"]["data"] == "test_hard"
    assert re.search(rf" accuracy +{report['accuracy']:.3f} .* 20 ", shown)


def test_evaluate_your_own_questions(
    tiny: list[str], tmp_path: Path
) -> None:
    data, path = tmp_path / "[b]mine.json", tmp_path / "report.json"
    questions = [[QUESTION, 6000], ["6 ft in cm?", 183], ["Hm?", 1.5]]
    data.write_text(json.dumps(questions))
    own = ["evaluate", "--data", str(data), "--json", str(path), *tiny]
    shown = succeed(*own)
    report = json.loads(path.read_text())
    rows = report["rows"]
    assert [[row["question"], row["truth"]] for row in rows] == questions
    families = [row["family"] for row in rows]
    assert families == ["mass", "length", "unknown"]
    assert report["run"]["data"] == str(data)
    assert f"{data}, n = 3" in shown
    assert re.search(r" mass .* 1 ", shown)

    shown = succeed(*own, "--samples", "4")
    report = json.loads(path.read_text())
    assert report["n"] == 3
    assert report["run"]["num_return_sequences"] == 4
    assert "4 each, at temperature 0.8" in shown
    assert re.search(r"at least one right .* 3 ", shown)


@pytest.mark.slow
def test_measure_reports_every_prompt(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    shown = succeed("measure", str(path), "--limit", "1", "--device", "cpu")
    reports = json.loads(path.read_text())
    assert reports["data"] == "test"
    assert reports["rollouts"]["n"] == 1
    for name in ("raw", "chat", "direct", "cot", "rollouts"):
        assert name in reports
        assert re.search(rf"^ *{name} ", shown, re.M), shown


@pytest.mark.slow
def test_bench_ends_in_a_line_of_json(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    shown = succeed(
        *("bench", "--questions", "10", "--slots", "2,1"),
        *("--repeats", "1", "--json", str(path)),
    )
    record = json.loads(shown.splitlines()[-1])
    assert record == json.loads(path.read_text())
    runs = [
        (speed["workload"], speed["decoder"], speed["slots"])
        for speed in record["speeds"]
    ]
    assert runs[:4] == [
        ("evaluation", decoder, slots)
        for slots in (1, 2)
        for decoder in ("engine", "reference")
    ]
    assert all(speed["tokens"] > 0 for speed in record["speeds"])


def test_info_shows_versions_and_question_counts() -> None:
    lines = dict(
        line.strip().split("  ", 1) for line in succeed("info").splitlines()
    )
    assert lines["unitconv"] == unitconv.__version__
    assert lines["test questions"] == "1000"


def test_weights_in_the_cache_are_shown_and_cleared(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNITCONV_CACHE", str(tmp_path))
    assert "cached weights" not in succeed("info")
    assert "nothing is cached" in succeed("clear-cache")
    weights = shutil.copytree(model_folder, tmp_path / "smollm2-q4_1")
    (weights / "more").write_bytes(bytes(5_000_000))
    (tmp_path / "mine").write_text("")
    told = re.search(
        r"cached weights +smollm2-q4_1, (\d+) MB", succeed("info")
    )
    assert told is not None
    assert 5 <= int(told[1]) <= 7
    assert "smollm2-q4_1" in succeed("download")
    assert "deleted: smollm2-q4_1" in succeed("clear-cache")
    assert not weights.exists()
    assert (tmp_path / "mine").exists()


def test_unknown_weights_are_not_downloaded() -> None:
    assert "smollm2, smollm2-q4_1" in fail(2, "download", "smollm3")


def test_every_command_and_option_has_a_help_text() -> None:
    root = get_command(app)
    commands = {**root.commands, **root.commands["results"].commands}
    names = [
        (name, option.name)
        for name, command in commands.items()
        for option in command.params
        if not option.help
    ]
    assert names == []
    assert [n for n, command in commands.items() if not command.help] == []


def test_the_help_shows_the_default_batch_size() -> None:
    assert f"[default: ({BATCH_SIZE}," in succeed("evaluate", "--help")
