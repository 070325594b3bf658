"""Grade adapters that students trained, on questions nobody has seen.

    python -m scripts.grade_adapters rft --seed N handed_in/*

Each is a folder or a zip with adapter_config.json and
adapter_model.safetensors. The questions are those of a hidden set, made
from a seed that nobody else knows. Points rise from none at the floor to
all at the bar; scripts/model_bars.json has both, and what the course's own
training reaches.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from scripts.grading.adapter import safe_adapter
from scripts.grading.messages import one_line
from scripts.grading.submission import UnreadableError, name_students
from unitconv.common.errors import UnitconvError
from unitconv.common.io import write_text
from unitconv.evaluation.evaluate import evaluate
from unitconv.evaluation.report import Report
from unitconv.evaluation.stats import Z95
from unitconv.grading.answer import TOLERANCE, is_correct
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION
from unitconv.inference.llm import LLM
from unitconv.task.dataset import Question
from unitconv.task.make_splits import make_hidden

BARS = Path(__file__).with_name("model_bars.json")


@dataclass(frozen=True)
class Bar:
    """Accuracies between which points are earned.

    Args:
        reference: accuracies of the course's own training on test_hard,
            for three seeds, the row `stage` of the results.
    """

    stage: str
    reference: list[float]
    floor: float
    bar: float
    points: int

    def earned(self, accuracy: float, n: int) -> float:
        """Return the points for an accuracy on n questions.

        All of them from the lower end of the interval in which a model
        that is exactly at the bar is found 95 times in 100.
        """
        tolerance = Z95 * math.sqrt(self.bar * (1 - self.bar) / n)
        top = max(self.bar - tolerance, self.floor + 0.01)
        share = (accuracy - self.floor) / (top - self.floor)
        return round(self.points * min(1.0, max(0.0, share)), 1)


def read_bars(path: Path = BARS) -> dict[str, Bar]:
    bars = json.loads(path.read_text("utf-8"))
    return {name: Bar(**values) for name, values in bars.items()}


def measure(
    path: Path, questions: Sequence[Question], tolerance: float
) -> Report:
    """Evaluate an adapter that was handed in.

    Raises:
        UnitconvError: it does not fit the course model.
        UnreadableError: it is none.
    """
    is_right = partial(is_correct, tolerance=tolerance)
    task = replace(UNIT_CONVERSION, is_right=is_right)
    with safe_adapter(path) as (folder, prompt):
        llm = LLM.from_pretrained("course", folder, prompt, task=task)
    return evaluate(llm, questions)


def row(
    path: Path, bar: Bar, questions: Sequence[Question], tolerance: float
) -> dict[str, object]:
    """Return what an adapter earns; one that is none has a reason."""
    earned: dict[str, object] = {"points": 0.0, "out_of": bar.points}
    try:
        report = measure(path, questions, tolerance)
    except (UnitconvError, UnreadableError) as error:
        return earned | {"reason": one_line(str(error))}
    except Exception as error:  # whatever is in it, the class goes on
        return earned | {"reason": one_line(f"no adapter: {error!r}"[:300])}
    rates = {
        "accuracy": report.accuracy.value,
        "low": report.accuracy.ci95[0],
        "high": report.accuracy.ci95[1],
    }
    earned["points"] = bar.earned(report.accuracy.value, len(questions))
    return earned | {k: round(v, 3) for k, v in rates.items()}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.grade_adapters"
    )
    add = parser.add_argument
    add("exercise", help="a name in model_bars.json")
    add("handed_in", nargs="+", type=Path)
    add("--seed", type=int, required=True, help="of the hidden set; secret")
    add("--questions", type=int, default=300)
    add("--tolerance", type=float, default=TOLERANCE)
    add("--bars", type=Path, default=BARS)
    add("--output", type=Path, default=Path("models.csv"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Print and write what each adapter earns."""
    options = parse(arguments)
    bars = read_bars(options.bars)
    if options.exercise not in bars:
        raise UnitconvError(f"no bar for {options.exercise}: {[*bars]}")
    hidden = make_hidden(options.questions, options.seed)
    questions = [generated.question for generated in hidden]
    rows = []
    names = name_students(options.handed_in)
    for name, path in zip(names, options.handed_in, strict=True):
        found = row(
            path, bars[options.exercise], questions, options.tolerance
        )
        rows.append({"student": name} | found)
        print(
            ", ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True
        )
        write_text(pd.DataFrame(rows).to_csv(index=False), options.output)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (UnitconvError, OSError) as error:
        sys.exit(f"error: {error}")
