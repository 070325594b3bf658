"""Export of the trained model, with its model card.

The folder loads with plain Auto classes; its weights are bfloat16. The
card is generated from `training.json` and `results.json` beside it, so no
number in it was typed by hand.
"""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jinja2 import (
    Environment,
    PackageLoader,
    StrictUndefined,
    UndefinedError,
)
from torch import nn
from transformers import (
    GenerationConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
)

from unitconv.common.errors import UnitconvError
from unitconv.common.files.json_file import read_object
from unitconv.common.io import naming, write_json
from unitconv.evaluation.leaderboard.record import STAGES
from unitconv.pretraining.checkpoint import TrainingProgress
from unitconv.pretraining.config import PretrainConfig
from unitconv.task.prompts import STYLES

PROMPTS = {style: STAGES[style].what for style in STYLES} | {
    "misspelled": "CoT, a unit misspelled"
}


def export_model(
    folder: Path,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    config: PretrainConfig,
    progress: TrainingProgress,
) -> None:
    """Write weights, configs, tokenizer, training record and model card."""
    folder.mkdir(parents=True, exist_ok=True)
    nn.Module.to(model, "cpu", torch.bfloat16).eval()
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with naming(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # readable by all users
    record = training_record(config, progress, model.num_parameters())
    write_json(record, folder / "training.json")
    # Results of an earlier model do not apply to this one.
    (folder / "results.json").unlink(missing_ok=True)
    (folder / "README.md").write_text(_card(record, results={}))


def training_record(
    config: PretrainConfig, progress: TrainingProgress, parameters: int
) -> dict[str, Any]:
    """Size, data, time, machine, settings and losses of a run."""
    tokens = progress.step * config.tokens_per_step
    return {
        "parameters": parameters,
        "steps": progress.step,
        "tokens": tokens,
        "seconds": round(progress.seconds, 1),
        "tokens_per_second": round(tokens / max(progress.seconds, 1e-9)),
        "machine": describe_machine(),
        "torch": torch.__version__,
        "config": asdict(config),
        "losses": [round(loss, 4) for loss in progress.losses],
    }


def describe_machine() -> str:
    """Name the GPU, or the CPU with its number of cores."""
    if torch.cuda.is_available():
        return f"1 GPU ({torch.cuda.get_device_name()})"
    threads = torch.get_num_threads()
    cores = "1 CPU core" if threads == 1 else f"{threads} CPU cores"
    widest = torch.backends.cpu.get_cpu_capability()
    return f"{cores} ({platform.machine()}, {widest})"


def record_results(folder: Path, report: dict[str, Any]) -> None:
    """Store a report in the model's folder and renew its card.

    The report, written by ``unitconv measure`` or ``unitconv evaluate
    --json``, replaces an earlier one on the same questions and prompt.

    Raises:
        UnitconvError: it is neither, or not of the base model; or a file
            of the folder is broken.
    """
    data, parts = _by_prompt(report)
    path = folder / "results.json"
    results = read_object(path, UnitconvError) if path.exists() else {}
    results[data] = results.get(data, {}) | parts
    record = read_object(folder / "training.json", UnitconvError)
    card = _card(record, results)  # before anything is written
    write_json(results, path)
    (folder / "README.md").write_text(card)


def _by_prompt(report: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split a report into its question set and its parts by prompt."""
    run = report.get("run", {})
    if run.get("adapter"):
        raise UnitconvError(
            "this is a report of an adapter: give one of the base model"
        )
    if "num_return_sequences" in run:
        return run["data"], {"rollouts": report}
    if run:
        kept = {k: v for k, v in report.items() if k != "rows"}
        return run["data"], {run["prompt"]: kept}
    if "data" in report:
        parts = dict(report)
        return parts.pop("data"), parts
    raise UnitconvError(
        "not a report: give what `unitconv measure` or `unitconv evaluate "
        "--json` wrote"
    )


def _card(record: dict[str, Any], results: dict[str, Any]) -> str:
    """Fill in the template of the model card."""
    environment = Environment(
        loader=PackageLoader("unitconv.pretraining", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("model_card.md.jinja")
    try:
        return template.render(**record, results=results, prompts=PROMPTS)
    except UndefinedError as error:
        raise UnitconvError(f"an incomplete report: {error}") from error
