"""The grader of the page, run by Node, and the library's own grades."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import live_grading

from scripts.move_repository import ROOT
from unitconv.evaluation.grade import grade
from unitconv.grading.answer import parse_answer
from unitconv.grading.audit import audit_reasoning
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION
from unitconv.inference.llm import Generation
from unitconv.task.dataset import Question
from unitconv.task.question_parser import parse_question

NODE = shutil.which("node")
HARNESS = Path(__file__).with_name("grading_in_node.js")
# Each grade needs the audit twice, and audits of long texts take seconds.
audit = cache(audit_reasoning)
TASK = replace(UNIT_CONVERSION, audit=audit)
SCRIPTS = ROOT / "book" / "_static" / "live" / "grading"


def make_html(html: Path) -> Path:
    """Write the scripts as a build does, and return their folder."""
    folder = html / "_static" / "live" / "grading"
    shutil.copytree(SCRIPTS, folder)
    app: Any = SimpleNamespace(
        builder=SimpleNamespace(format="html"), outdir=html
    )
    live_grading.write_tables(app, None)
    return folder


class Page:
    """The scripts of the page, run by Node."""

    def __init__(self, html: Path) -> None:
        assert NODE is not None
        self.node = subprocess.Popen(
            [NODE, str(HARNESS), str(make_html(html))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> Page:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.node.communicate()

    def call(self, name: str, *values: Any) -> Any:
        """Call a function of the page."""
        self.send(name, [values])
        [found] = self.receive(1)
        return found

    def send(self, name: str, calls: Iterable[Sequence[Any]]) -> None:
        """Begin to call a function with each of some arguments.

        These have to fit into a pipe: 64 kB.
        """
        assert self.node.stdin is not None
        lines = [json.dumps([name, values]) + "\n" for values in calls]
        self.node.stdin.write("".join(lines))
        self.node.stdin.flush()

    def receive(self, count: int) -> list[Any]:
        """Wait for what the calls return."""
        assert self.node.stdout is not None
        found = [self.node.stdout.readline() for _ in range(count)]
        assert all(found), "a call failed"
        return [json.loads(line, parse_int=read_integer) for line in found]


def read_integer(digits: str) -> int | float:
    """Read 66640857163088460 as the float that JavaScript wrote."""
    return int(digits) if len(digits) < 16 else float(digits)


def number(value: float) -> float | None:
    """Write a number as JSON has it: NaN becomes null."""
    return value if math.isfinite(value) else None


def parsed_answer(text: str) -> float | None:
    return number(parse_answer(text))


def parsed_question(text: str) -> dict[str, Any] | None:
    conversion = parse_question(text)
    return conversion and {
        "quantity": conversion.quantity,
        "source": conversion.source,
        "target": conversion.target,
        "answer": conversion.answer,
        "family": conversion.family,
    }


def audited(text: str, question: str) -> dict[str, Any]:
    found = audit(text, question)
    return {
        "claims": [vars(claim) for claim in found.claims],
        "fault": found.fault,
    }


def graded(question: str, truth: float, text: str) -> dict[str, Any]:
    found = grade(
        Question(question, truth),
        Generation(text, n_tokens=1, finished=True),
        TASK,
    )
    return audited(text, question) | {
        "answer": number(found.answer),
        "correct": found.correct,
        "factsOk": found.facts_ok,
        "arithmeticOk": found.arithmetic_ok,
        "failure": found.failure,
    }


def without_places(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out where the claims are: the library does not say."""
    places = {"start", "end"}
    claims = [
        {key: value for key, value in claim.items() if key not in places}
        for claim in found["claims"]
    ]
    return found | {"claims": claims}
