"""Every step of the ablation gives the same tokens, in its own way."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from experiments import engine_ablation
from experiments.engine_ablation import STEPS, main, measure
from experiments.peers import decoders
from experiments.peers.workload import Workload, course_workloads
from experiments.timing import Seconds
from unitconv.inference import engine
from unitconv.inference.engine import ForwardPass


@pytest.fixture(scope="module")
def jobs() -> dict[str, Workload]:
    """Twelve questions to evaluate, and two samples of each of six."""
    evaluation, _ = course_workloads(12)
    rollouts = Workload(
        "rollouts",
        evaluation.prompts[:6],
        evaluation.lengths[:6],
        samples=2,
        temperature=0.8,
    )
    return {"evaluation": evaluation, "rollouts": rollouts}


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_every_step_gives_the_same_tokens(
    name: str, jobs: dict[str, Workload]
) -> None:
    workload = jobs[name]
    replies = [load(workload, 4)() for load in STEPS[name].values()]
    assert all(other == replies[0] for other in replies[1:])
    assert workload.by_prompt(replies[0])
    assert len({len(reply) for reply in replies[0]}) > 1


def passes(
    name: str, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> list[ForwardPass]:
    """Run a step, and return the passes of the engine."""
    made: list[ForwardPass] = []
    observed = partial(engine.EngineOptions, observe=made.append)
    monkeypatch.setattr(decoders, "EngineOptions", observed)
    STEPS[workload.name][name](workload, 4)()
    return made


def test_steps_differ_in_what_they_compute(
    jobs: dict[str, Workload], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(name: str) -> list[int]:
        """Own tokens of the prompts, summed; and of decoding steps."""
        job = "evaluation" if name in STEPS["evaluation"] else "rollouts"
        made = passes(name, jobs[job], monkeypatch)
        prefill = sum(p.own_tokens for p in made if p.kind == "prefill")
        decode = sum(len(p.prompts) for p in made if p.kind == "decode")
        return [prefill, decode]

    prompts = jobs["evaluation"].prompts
    whole = sum(map(len, prompts))
    shared = engine.shared_prefix_length(prompts)
    assert shared > 50
    useful = jobs["evaluation"].n_tokens - len(prompts)
    assert read("slots that are refilled") == [whole, useful]
    own = whole - shared * len(prompts)
    assert read("shared prefix") == [own, useful]
    apart = read("a slot for each sample")
    together = read("samples share a slot")
    assert apart[0] == 2 * together[0]
    assert apart[1] == jobs["rollouts"].n_tokens - 12
    assert together[1] < apart[1]


def test_gains_are_ratios_within_a_turn(
    jobs: dict[str, Workload], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A warm-up, then three turns; the machine is slower in the second.
    times = iter([99.0, 99.0, 8.0, 4.0, 80.0, 20.0, 9.0, 3.0])
    monkeypatch.setattr(
        engine_ablation,
        "timed",
        lambda run: (run(), Seconds(1.0, next(times))),
    )
    steps = {name: lambda *_: lambda: [[1]] for name in ("slow", "fast")}
    first, second = measure(jobs["evaluation"], 4, 3, steps)
    assert first["gain"] is None
    assert second["gain"] == {"median": 3.0, "low": 2.0, "high": 4.0}
    assert second["cpu"] == [4.0, 20.0, 3.0]


def test_other_tokens_are_refused(jobs: dict[str, Workload]) -> None:
    steps: dict[str, Any] = {
        "right": lambda *_: lambda: [[1]],
        "wrong": lambda *_: lambda: [[2]],
    }
    with pytest.raises(ValueError, match="'wrong': other tokens"):
        measure(jobs["evaluation"], 4, 1, steps)


def test_the_record_has_what_chapter_5_reads(
    jobs: dict[str, Workload],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fast = {"shared prefix": STEPS["evaluation"]["shared prefix"]}
    monkeypatch.setattr(
        engine_ablation, "STEPS", {"evaluation": fast, "rollouts": fast}
    )
    monkeypatch.setattr(
        engine_ablation, "course_workloads", lambda _: jobs.values()
    )
    main(questions=20, slots=4, turns=1, out=tmp_path / "ablation.json")
    record = json.loads((tmp_path / "ablation.json").read_text())
    assert {"machine", "versions", "when"} <= record["run"].keys()
    assert record["slots"] == 4
    assert record["rollouts"]["samples"] == 2
    [step] = record["evaluation"]["steps"]
    assert len(step["cpu"]) == len(step["wall"]) == 1
