"""Inputs of whole commands, and what an undisturbed one writes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.processes import CLI, GGUF, LOCAL, REPORT, REWARD, Arguments, run
from unitconv.task.dataset import Question, load_split
from unitconv.training.examples import reference_triples, write_triples
from unitconv.training.rollouts import CHUNK_SIZE


@pytest.fixture(scope="session")
def arguments(
    model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Arguments:
    """A tiny model, and questions for three chunks and a part of one."""
    data = tmp_path_factory.mktemp("data") / "questions.json"
    (data.parent / "parity.py").write_text(REWARD)
    LOCAL["PYTHONPATH"] = os.pathsep.join([*sys.path, str(data.parent)])
    questions = load_split("train")[: 3 * CHUNK_SIZE + 5]
    data.write_text(json.dumps([[q.text, q.answer] for q in questions]))
    many = data.with_name("many.json")
    questions = load_split("train")[:300]
    many.write_text(json.dumps([[q.text, q.answer] for q in questions]))
    # Of so few words that reasoning fits into the context.
    short = [Question(f"{n} kg in g?", 1000.0 * n) for n in range(1, 33)]
    few, triples = (data.with_name(f"{name}.json") for name in "ab")
    few.write_text(json.dumps([[q.text, q.answer] for q in short[:8]]))
    write_triples(reference_triples(short), triples)
    inputs = [f"--model={model_folder}", f"--data={data}", "--device=cpu"]
    options = {
        "evaluate": ["--prompt=raw", f"--data={many}", f"--json={REPORT}"],
        "rollouts": ["--prompt=raw", "--samples=2", "--output=rft.json"],
        # So many examples that every batch is full.
        "sft": [
            *[f"--valid={data}", "--limit=96", "--epochs=3", "--rank=4"],
            *["--batch-size=16", "--output=sft"],
        ],
        "rft": [
            *[f"--data={triples}", f"--valid={few}", "--epochs=2"],
            *["--rank=4", "--batch-size=16", "--output=rft"],
        ],
        # Batches of three for two processes: one has less to do.
        "rl": [
            *[f"--valid={data}", "--prompt=raw", "--reward=parity:even"],
            *["--steps=2", "--questions=5", "--samples=4", "--rank=4"],
            *["--batch-size=7", "--output=rl"],
        ],
    }

    def arguments(name: str, folder: Path) -> list[str]:
        if name == "export":  # of the course model
            return [name, f"--output={folder / GGUF}"]
        *rest, output = options[name]
        output = output.replace("=", f"={folder}/")
        return [name, *inputs, *rest, output]

    return arguments


@pytest.fixture(scope="session")
def uninterrupted(
    arguments: Arguments, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the outputs of every command in one process."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    for name in ("rollouts", "sft", "rft", "rl", "evaluate", "export"):
        run(CLI + arguments(name, folder))
    return folder
