"""The page "Your own task": its file works as it stands there."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_cli import fail, succeed
from unitconv.grading.tasks.load import load_task
from unitconv.grading.tasks.protocol import Task

PAGE = Path(__file__).resolve().parents[2] / "book" / "your-task.md"
[CODE] = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S
)
NAME = "my_task:celsius"


@pytest.fixture
def celsius(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Task]:
    (tmp_path / "my_task.py").write_text(CODE, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield load_task(NAME)
    del sys.modules["my_task"]


def test_the_page_keeps_its_promise_of_a_short_file() -> None:
    lines = [line for line in CODE.splitlines() if line.strip()]
    assert len(lines) <= 45


def test_questions_reasoning_and_splits_are_right(celsius: Task) -> None:
    splits = [celsius.load_split(n) for n in ("train", "valid", "test")]
    ((examples, _),) = celsius.chat_styles.values()
    texts = [e.question for e in examples]
    for question in (q for split in splits for q in split):
        texts.append(question.text)
        degrees = int(re.findall(r"\d+", question.text)[0])
        # 100 degrees apart there are 180 here, and water freezes at 32.
        assert question.answer == pytest.approx(degrees * 9 / 5 + 32)
        reply = celsius.reasoning(question.text)
        assert reply is not None
        assert celsius.is_right(celsius.parse(reply), question.answer)
        assert celsius.audit(reply, question.text).fault is None
    assert len(texts) == len(set(texts)) == 1000
    assert not celsius.is_right(74, 77)
    assert celsius.reasoning("What is 25 F in C?") is None


def test_commands_take_it_by_name(
    celsius: Task, model_folder: Path, tmp_path: Path
) -> None:
    model = ["--model", str(model_folder), "--prompt", "raw"]
    own = ["--task", NAME, "--limit", "2"]
    report = tmp_path / "report.json"
    shown = succeed("evaluate", *own, *model, "--json", str(report))
    run = json.loads(report.read_text())["run"]
    assert (run["task"], run["data"]) == ("celsius", "celsius test")
    assert "celsius test, n = 2" in shown
    assert "pair of units" not in shown
    triples = ["-o", "a.json"]
    sampled = ["--samples", "2", *model]
    succeed("rollouts", *triples, *own, *sampled)
    header = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    assert header["task"] == "celsius"
    line = fail(2, "rollouts", *triples, *sampled, "--limit", "2")
    assert "other settings" in line
    assert "task" in line
    assert "'hard'" in fail(2, "evaluate", *own, "--split", "hard")
    assert "unknown task" in fail(2, "evaluate", "--task", "kelvin")


@pytest.mark.slow
def test_an_adapter_names_its_task(
    celsius: Task, model_folder: Path, tmp_path: Path
) -> None:
    valid = tmp_path / "valid.json"
    valid.write_text('[["What is 25 C in F?", 77]]')
    own = ["--task", NAME, "--model", str(model_folder)]
    shown = succeed(
        *("sft", "--reasoning", "--limit", "4", "--epochs", "1"),
        *("-o", "adapter", "--valid", str(valid), *own),
    )
    assert "--adapter adapter --task my_task:celsius" in shown
    run = json.loads((tmp_path / "adapter" / "run.json").read_text())
    assert run["task"] == "celsius"
    triples = tmp_path / "rft.json"
    triples.write_text('[["2 kg in g?", 2000, "2 * 1000 = 2000."]]')
    line = fail(2, "rft", "-o", "other", "--data", str(triples), *own)
    assert "unit-conversion, not celsius" in line
    assert not (tmp_path / "other").exists()
