"""Adapters earn points between a floor and a bar, and run no code."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from experiments.arms.stages import RESULTS
from scripts.grade_adapters import BARS, main, read_bars
from scripts.grading.adapter import CONFIG, WEIGHTS, safe_adapter
from scripts.grading.submission import UnreadableError
from unitconv.common.errors import UnitconvError
from unitconv.inference.load.adapter import ADAPTERS


def nearly(name: str, folder: Path) -> Path:
    """Copy an adapter of the course, whose own weights would be refused."""
    shutil.copytree(ADAPTERS / name, folder)
    tensors = load_file(folder / WEIGHTS)
    changed = {key: 1.0001 * one.float() for key, one in tensors.items()}
    save_file(changed, folder / WEIGHTS)
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return nearly("rft", tmp_path / "ada")


def test_bars_follow_from_three_recorded_seeds() -> None:
    stages = json.loads((RESULTS / "stages.json").read_text("utf-8"))
    hard = stages["spread"]["test_hard"]
    untrained = stages["prompts"]["test_hard"]
    for name, bar in read_bars().items():
        assert bar.reference == hard[bar.stage]["accuracy"]["values"]
        assert len(bar.reference) == 3
        # Who trains as the course does reaches the bar, give or take what
        # 300 questions allow; who trains nothing earns nothing.
        assert all(bar.earned(x, 300) == bar.points for x in bar.reference)
        base = untrained["direct" if name == "sft" else "cot"]["accuracy"]
        assert bar.earned(base, 300) == 0


def test_points_rise_from_the_floor_to_the_bar() -> None:
    bar = read_bars()["rft"]
    rates = [0, bar.floor, 0.7, 0.73, bar.bar, 1]
    earned = [bar.earned(rate, 300) for rate in rates]
    assert earned == sorted(earned)
    assert (earned[1], earned[-2]) == (0, bar.points)
    assert 0 < earned[2] < earned[3] < bar.points
    # Fewer questions allow for more.
    assert bar.earned(0.7, 100) > earned[2] > bar.earned(0.7, 2000)


def test_adapter_is_read_from_folder_and_zip(
    adapter: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "eve.zip"
    with ZipFile(archive, "w") as file:
        for name in (CONFIG, WEIGHTS):
            file.write(adapter / name, f"runs/my_rft/{name}")
    for path in (adapter, archive):
        with safe_adapter(path) as (folder, prompt):
            weights = (folder / WEIGHTS).read_bytes()
            assert weights == (adapter / WEIGHTS).read_bytes()
            assert prompt == "raw"


def _change(name: str, **values: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / name
        data = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps(data | values), "utf-8")

    return change


def _weights(name: str, value: torch.Tensor) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        save_file(tensors | {name: value}, folder / WEIGHTS)

    return change


_A_WEIGHT = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: (f / WEIGHTS).unlink(), "there is no adapter_model"),
        (
            lambda f: (f / WEIGHTS).write_bytes(b"\x80\x04."),
            "adapter_model",
        ),
        (lambda f: (f / CONFIG).write_text("[" * 9999), "no JSON"),
        (lambda f: (f / CONFIG).write_text(" " * 2**17), "too large"),
        (_change(CONFIG, peft_type="VERA"), "none of LoRA"),
        (_change(CONFIG, r=10**9), "a rank is not"),
        (_change(CONFIG, r=0), "a rank is not"),
        (_change(CONFIG, rank_pattern={"up_proj": []}), "a rank is not"),
        (_change(CONFIG, alpha_pattern={"(a+)+$": 1}), "by a pattern"),
        (_change(CONFIG, target_modules=[["q"], 1.5]), "by a pattern"),
        (_change("run.json", prompt="../../x"), "the prompt"),
        (_weights("lm_head.weight", torch.ones(1)), "no weight of LoRA"),
        (_weights(_A_WEIGHT, torch.full((16, 192), torch.nan)), "finite"),
    ],
)
def test_what_is_no_adapter_has_a_reason(
    change: Callable[[Path], object], reason: str, adapter: Path
) -> None:
    change(adapter)
    with (
        pytest.raises(UnreadableError, match=reason),
        safe_adapter(adapter),
    ):
        pass


def test_course_adapter_is_recognised(tmp_path: Path) -> None:
    shutil.copytree(ADAPTERS / "rft", tmp_path / "eve")
    (tmp_path / "fay").symlink_to(ADAPTERS / "rft")
    for name, reason in (
        ("eve", "the course's own adapter rft"),
        ("fay", "link"),
    ):
        with (
            pytest.raises(UnreadableError, match=reason),
            safe_adapter(tmp_path / name),
        ):
            pass


def test_link_is_not_followed(adapter: Path) -> None:
    (adapter / WEIGHTS).unlink()
    (adapter / WEIGHTS).symlink_to(ADAPTERS / "rft" / WEIGHTS)
    with pytest.raises(UnreadableError), safe_adapter(adapter):
        pass


def test_settings_that_name_code_are_left_out(adapter: Path) -> None:
    evil = {"auto_mapping": {"parent_library": "evil"}}
    _change(CONFIG, megatron_core="evil", **evil)(adapter)
    with safe_adapter(adapter) as (folder, _):
        assert "evil" not in (folder / CONFIG).read_text("utf-8")


def test_public_seed_is_refused(adapter: Path) -> None:
    with pytest.raises(UnitconvError, match="public"):
        main(["rft", "--seed", "5170236", str(adapter)])


@pytest.mark.slow
def test_class_is_graded_on_hidden_questions(
    adapter: Path, tmp_path: Path
) -> None:
    bars = json.loads(BARS.read_text("utf-8"))
    bars["rft"]["floor"] = 0.2
    own = tmp_path / "bars.json"
    own.write_text(json.dumps(bars), "utf-8")
    wrong = nearly("smollm2-sft", tmp_path / "bob")
    worse = nearly("sft", tmp_path / "sft")
    main(
        [
            *["rft", "--seed", "4711", "--questions", "100"],
            *["--bars", str(own), "--output", str(tmp_path / "m.csv")],
            *[str(adapter), str(wrong), str(worse)],
        ]
    )
    ada, bob, sft = pd.read_csv(tmp_path / "m.csv").to_dict("records")
    assert (ada["student"], ada["points"]) == ("ada", 10)
    assert bob["points"] == 0
    assert "does not fit" in bob["reason"]
    assert 0 < sft["points"] < ada["points"]
    assert sft["high"] < ada["low"]
