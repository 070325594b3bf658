"""Fuzzing guided by coverage: inputs that reach new code are varied.

    pip install atheris
    python -m experiments.robustness.guided --minutes 10

It writes `guided.json`. Hypothesis (`fuzz.py`) draws texts that look like
a reply; atheris starts from replies and keeps the changes that make Python
take another branch.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

RECORD = Path(__file__).with_name("guided.json")
INSTRUMENTED = ["unitconv.grading", "unitconv.task"]


def targets(folder: Path) -> dict[str, Callable[[bytes], object]]:
    """Return the functions by name; a file is written into a folder."""
    from unitconv.common.errors import UnitconvError
    from unitconv.grading.answer import parse_answer
    from unitconv.grading.audit import audit_reasoning
    from unitconv.task.dataset import read_questions
    from unitconv.task.question_parser import parse_question

    path = folder / "file.json"

    def decode(data: bytes) -> str:
        return data.decode("utf-8", "surrogateescape")

    def audit(data: bytes) -> None:
        question, _, reply = decode(data).partition("\n")
        audit_reasoning(reply, question)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(UnitconvError):
            read_questions(path)

    return {
        "answer parser": lambda data: parse_answer(decode(data)),
        "question parser": lambda data: parse_question(decode(data)),
        "audit": audit,
        "question reader": read,
    }


def write_corpus(folder: Path, words: Path) -> None:
    """Write replies, questions and files to begin with, and a dictionary.

    libFuzzer reads quoted bytes, one word a line.
    """
    from experiments.robustness.inputs import QUESTIONS, WORDS
    from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION

    for n, question in enumerate(QUESTIONS[:60]):
        reply = f"{question}\n{UNIT_CONVERSION.reasoning(question)}"
        pairs = json.dumps([[question, 6.0], ["6 kg?", 1e3]])
        texts = {"question": question, "reply": reply, "file": pairs}
        for name, text in texts.items():
            (folder / f"{name}-{n}").write_text(text, "utf-8")
    quoted = (
        "".join(f"\\x{b:02x}" for b in word.encode("utf-8", "replace"))
        for word in WORDS
    )
    words.write_text("".join(f'"{word}"\n' for word in quoted))


def fuzz_in_this_process(name: str, folder: Path, seconds: int) -> None:
    """Fuzz a target; atheris ends the process, so faults go to a file."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        call = targets(folder)[name]
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir()
    write_corpus(corpus, words)

    def check(data: bytes) -> None:
        try:
            call(data)
        except Exception as error:
            with (folder / "faults").open("a") as file:
                file.write(f"{type(error).__name__}: {data!r}\n")

    options = [f"-max_total_time={seconds}", f"-dict={words}"]
    options += ["-print_final_stats=1", "-max_len=400", "-verbosity=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], check)
    atheris.Fuzz()


def fuzz(name: str, seconds: int) -> dict[str, Any]:
    """Fuzz a target in a process of its own, and count."""
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [sys.executable, "-m", "experiments.robustness.guided"]
        command += ["--target", name, "--folder", folder]
        command += ["--minutes", str(seconds / 60)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        faults = Path(folder) / "faults"
        found = faults.read_text().splitlines() if faults.exists() else []
    executed = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
    if done.returncode or not executed:
        raise RuntimeError(done.stderr[-2000:])
    edges = [int(n) for n in re.findall(r"cov: (\d+)", done.stderr)]
    return {
        "executions": int(executed[-1]),
        "edges": [edges[0], edges[-1]],
        "seconds": round(time.perf_counter() - start),
        "faults": len(found),
        "first_faults": found[:5],
    }


def main(
    minutes: Annotated[float, typer.Option(help="Of all targets.")] = 10.0,
    target: Annotated[str | None, typer.Option(hidden=True)] = None,
    folder: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Fuzz parsers, audit and reader for some minutes."""
    if target and folder:
        fuzz_in_this_process(target, folder, round(60 * minutes))
    from unitconv.common.io import write_json
    from unitconv.common.run_metadata import run_metadata

    with TemporaryDirectory() as empty:
        names = [*targets(Path(empty))]
    found = json.loads(RECORD.read_text())["targets"]
    for name in names:
        found[name] = fuzz(name, round(60 * minutes / len(names)))
        print(name, found[name], flush=True)
        # A run that is stopped keeps the targets that it has finished.
        write_json({"targets": found, "run": run_metadata()}, RECORD)
    if any(one["faults"] for one in found.values()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
