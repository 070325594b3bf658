"""The finished model as a folder that plain Auto classes load.

Weights go to disk in bf16 and are read back as float32 on a CPU. The model
card is written from `training.json` and `results.json` beside it: no
number in it was typed in.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    GenerationConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
)

from .checkpoint import Progress
from .config import PretrainConfig


def export_model(
    folder: Path,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    config: PretrainConfig,
    progress: Progress,
) -> None:
    """Write weights, configs, tokenizer, training record and model card."""
    folder.mkdir(parents=True, exist_ok=True)
    nn.Module.to(model, "cpu", torch.bfloat16).eval()
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # for whoever installs it
    tokenizer.save_pretrained(folder)
    record = training_record(config, progress, model.num_parameters())
    _write_json(folder / "training.json", record)
    # Results of an earlier model say nothing about this one.
    (folder / "results.json").unlink(missing_ok=True)
    write_card(folder)


def training_record(
    config: PretrainConfig, progress: Progress, parameters: int
) -> dict[str, Any]:
    """What was trained, on what, for how long, and how the loss fell."""
    tokens = progress.step * config.batch_size * config.row_length
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
    """The GPU, or how many cores of which processor."""
    if torch.cuda.is_available():
        return f"1 GPU ({torch.cuda.get_device_name()})"
    cores = torch.get_num_threads()
    widest = torch.backends.cpu.get_cpu_capability()
    return f"{cores} CPU cores ({platform.machine()}, {widest})"


def record_results(folder: Path, name: str, report: dict[str, Any]) -> None:
    """Keep one evaluation report beside the model, and renew its card.

    `report` is what `unitconv evaluate --json` writes; a second report of
    the same name replaces the first.
    """
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    results[name] = report
    _write_json(path, results)
    write_card(folder)


def write_card(folder: Path) -> None:
    """Write README.md, the model card, from the recorded numbers."""
    record = json.loads((folder / "training.json").read_text())
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    (folder / "README.md").write_text(_card(record, results))


def _card(record: dict[str, Any], results: dict[str, Any]) -> str:
    config, corpus = record["config"], record["config"]["corpus"]
    losses = record["losses"]
    return f"""\
---
license: mit
language: en
pipeline_tag: text-generation
library_name: transformers
---

# The course model

A small language model for the course *unitconv*, pretrained from scratch
on generated text about units. It is a `LlamaForCausalLM` with ChatML and
one token per digit, like SmolLM2, and about as small as one can be.

| | |
|---|---|
| parameters | {record["parameters"]:,} (embeddings tied) |
| shape | {config["num_layers"]} layers, width {config["hidden_size"]}, \
{config["num_heads"]} heads, MLP {config["intermediate_size"]} |
| vocabulary | {config["vocab_size"]}, byte-level BPE, single digits |
| tokens read | {record["tokens"]:,} in {record["steps"]:,} steps of \
{config["batch_size"]} x {config["row_length"]} |
| seed | {config["seed"]} |
| time | {record["seconds"] / 60:.1f} minutes on {record["machine"]}, \
{record["tokens_per_second"]:,} tokens a second, torch {record["torch"]} |
| loss | {losses[0]:.2f} at the start, \
{_mean(losses[-20:]):.3f} over the last 20 steps (nats a token) |
| weights | bfloat16, safetensors |

## Data

Documents made by the project's generator: chats of one to three
conversions ({corpus["chat_share"]:.0%}), questions with answers
({corpus["plain_share"]:.0%}), lists of facts
({corpus["facts_share"]:.0%}) and arithmetic
({corpus["arithmetic_share"]:.0%}). Factors come from pint. Each document
draws its own style, so that the form of an answer has to be read from the
example before it. Each rival convention (imperial volumes, short ton,
1024 bytes, months of 30 and years of 365 days) holds in
{corpus["rival_share"]:.0%} of the documents. No person's text was read,
and no question of the course's sets, in its wording, is among them.

## Results
{_results(results)}
## Limits

It knows the units of the course and little else: no other language, no
other subject. It has read rows of {config["row_length"]} tokens. It mixes
conventions, because its corpus does; long products and quantities of three
digits are where its digits go wrong first. Use it to learn how training
works, not to convert units: for that there is pint.

## Licence

MIT, like the code that made it. `unitconv pretrain` makes it again.
"""


def _results(results: dict[str, Any]) -> str:
    if not results:
        return "\nNone recorded yet.\n"
    lines = [
        "",
        "Greedy decoding; 95 % Wilson intervals in brackets.",
        "",
        "| evaluation | n | accuracy | answered | reasoning valid |",
        "|---|---|---|---|---|",
    ]
    for name, report in results.items():
        cells = [
            _with_interval(report, key)
            for key in ("accuracy", "answer_rate", "reasoning_validity")
        ]
        lines.append(f"| {name} | {report['n']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _with_interval(report: dict[str, Any], key: str) -> str:
    low, high = report[f"{key}_ci95"]
    return f"{report[key]:.3f} [{low:.3f}, {high:.3f}]"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(draft, path)
