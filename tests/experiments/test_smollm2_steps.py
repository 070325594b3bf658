"""Steps of the experiment with SmolLM2 are commands in a working order."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from experiments.arms.records import merged
from experiments.arms.steps import Step
from experiments.smollm2 import stages
from unitconv.cli import app
from unitconv.task.prompts import CHAT_STYLES, SEVERAL_EXAMPLES


def all_steps() -> list[Step]:
    return [
        *stages.curve_steps(),
        *stages.settings_steps(),
        *stages.prompt_steps(),
        *stages.sampling_steps(),
        *stages.training_steps(),
        *stages.expert_steps(),
        *stages.best_steps(),
        *stages.online_steps(),
        *stages.evaluation_steps(),
        *stages.format_steps(),
    ]


def test_every_step_is_a_command_with_options_that_exist() -> None:
    helps: dict[str, str] = {}
    for step in all_steps():
        name, *options = step.command()
        if name not in helps:
            helps[name] = CliRunner().invoke(app, [name, "--help"]).output
        for option in options:
            assert option.split("=")[0] in helps[name], step


def test_steps_need_only_what_earlier_ones_write() -> None:
    made = {stages.WORK / "valid.json", stages.WORK / "half.json"}
    made.add(stages.RESULTS / "rft.json")
    for step in all_steps():
        for argument in step.arguments:
            _, _, value = argument.partition("=")
            if value.startswith("/"):
                path = Path(value)
                assert {path, path.parent} & made, step
        assert step.output not in made
        made.add(step.output)


def test_the_curve_and_the_default_are_prompts_that_exist() -> None:
    numbers = stages.EXAMPLES["smollm2"]
    styles = [stages.style_of(number) for number in numbers]
    for number, style in zip(numbers, styles, strict=True):
        examples, _ = CHAT_STYLES[style]
        assert len(examples) == number
    assert SEVERAL_EXAMPLES in styles
    assert SEVERAL_EXAMPLES in stages.PROMPTS


def test_pairs_are_of_known_stages() -> None:
    known = {*stages.PROMPTS, *stages.TRAINED}
    for pair in stages.PAIRS:
        assert {*pair.split()} <= known


def test_a_record_keeps_what_was_not_run_again() -> None:
    earlier = {"rates": {"test": {"sft": 1, "warm": 2}}, "curve": {"a": 1}}
    found = {"rates": {"test": {"sft": 3}, "test_hard": {}}, "curve": {}}
    assert merged(earlier, found) == {
        "rates": {"test": {"sft": 3, "warm": 2}, "test_hard": {}},
        "curve": {"a": 1},
    }
