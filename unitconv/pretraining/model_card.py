"""Export of the trained model, with its model card.

The folder loads with plain Auto classes; its weights are bfloat16. The
card is generated from `training.json` and `results.json` beside it, so no
number in it was typed by hand.
"""

from __future__ import annotations

import json
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

from unitconv.common.errors import UnitconvError
from unitconv.common.io import write_json
from unitconv.evaluation.leaderboard_record import STAGES
from unitconv.pretraining.checkpoint import TrainingProgress
from unitconv.pretraining.config import PretrainConfig
from unitconv.task.prompts import STYLES


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
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # readable by all users
    tokenizer.save_pretrained(folder)
    record = training_record(config, progress, model.num_parameters())
    write_json(record, folder / "training.json")
    # Results of an earlier model do not apply to this one.
    (folder / "results.json").unlink(missing_ok=True)
    write_card(folder)


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
    """Store a report beside the model and renew its card.

    Args:
        folder: of the exported model.
        report: written by ``unitconv measure`` or ``unitconv evaluate
            --json``. It replaces an earlier one on the same questions and
            prompt.

    Raises:
        UnitconvError: it is neither, or not of the base model.
    """
    data, parts = _by_prompt(report)
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    results[data] = results.get(data, {}) | parts
    record = json.loads((folder / "training.json").read_text())
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


def write_card(folder: Path) -> None:
    """Write README.md, the model card, from the recorded numbers."""
    record = json.loads((folder / "training.json").read_text())
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    (folder / "README.md").write_text(_card(record, results))


def _card(record: dict[str, Any], results: dict[str, Any]) -> str:
    """Fill in the template of the model card."""
    config, corpus = record["config"], record["config"]["corpus"]
    first, last = record["losses"][0], record["losses"][-20:]
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
| loss | {first:.2f} at the start, \
{sum(last) / len(last):.3f} over the last 20 steps (nats a token) |
| weights | bfloat16, safetensors |

## Data

Documents made by the project's generator: chats of one to three
conversions ({corpus["chat_share"]:.0%}), questions with answers
({corpus["plain_share"]:.0%}), lists of facts
({corpus["facts_share"]:.0%}), tables of conversions
({corpus["table_share"]:.0%}) and arithmetic
({corpus["arithmetic_share"]:.0%}). Factors come from pint. Each document
draws its own solution format, so that the form of an answer has to be
read from the example before it. Of the chats,
{corpus["chat_direct_share"]:.0%} answer without reasoning, and
{corpus["rough_share"]:.0%} of those give a first digit and zeros.
Alternative unit definitions occur in all kinds but the arithmetic:
imperial volumes and the short ton each in
{corpus["alternative_share"]:.0%}, a kilobyte of 1024 bytes, months of 30
and years of 365 days each in {corpus["near_alternative_share"]:.0%}. Of
the documents that use an alternative unit, {corpus["named_share"]:.0%}
call it by its name ("1 UK gallon = 4.546 l") where they state a fact. Bare
products use the numbers of both. Of the quantities up to 12, an 11 is
drawn {corpus["eleven_weight"]} times as often as any other.
No person's text was read, and no question of the course's sets, in its
wording, is among the documents.

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


PROMPTS = {style: STAGES[style].what for style in STYLES} | {
    "misspelled": "CoT, a unit misspelled"
}
TABLE_HEAD = """
Greedy decoding; 95 % Wilson intervals in brackets; *valid*: of the \
replies that state a fact or a product, those that state nothing false.

| questions | prompt | n | accuracy | answered | valid |
|---|---|---|---|---|---|"""
QUANTITIES_HEAD = """
With the worked example, by the quantity in the question:

| questions | quantity | n | accuracy |
|---|---|---|---|"""


def _results(results: dict[str, Any]) -> str:
    """Write the results as tables, with sentences between them."""
    if not results:
        return "\nNone recorded yet.\n"
    rows, sentences, by_quantity = [], [], []
    for data, reports in results.items():
        for name, report in reports.items():
            if name in PROMPTS:
                keys = ("accuracy", "answer_rate", "reasoning_validity")
                cells = [_with_interval(report, key) for key in keys]
                head = f"| {data} | {PROMPTS[name]} | {report['n']} | "
                rows.append(head + " | ".join(cells) + " |")
            elif name == "rollouts":
                sentences.append("\n" + _rollouts_sentence(data, report))
            else:
                sentences.append("\n" + _imitation_sentence(name, report))
        groups = reports.get("cot", {}).get("by_quantity", {})
        for quantity, group in groups.items():
            accuracy = _with_interval(group, "accuracy")
            by_quantity.append(
                f"| {data} | {quantity} | {group['n']} | {accuracy} |"
            )
    lines = [TABLE_HEAD, *rows, *sentences, QUANTITIES_HEAD, *by_quantity]
    return "\n".join(lines) + "\n"


def _rollouts_sentence(data: str, report: dict[str, Any]) -> str:
    """State how many questions had a usable completion."""
    run = report["run"]
    share = _with_interval(report, "at_least_one_right_and_audited")
    return (
        f"Of {report['n']} questions of {data}, each sampled "
        f"{run['num_return_sequences']} times at temperature "
        f"{run['decoding']['temperature']:g}, {share} had a completion "
        "that was right and passed the audit."
    )


def _imitation_sentence(name: str, report: dict[str, Any]) -> str:
    """State how many replies used the format of the worked example."""
    wrapper = name.removeprefix("wrapper ").format(v="...")
    share = _with_interval(report, "imitated")
    return (
        f"Shown `{wrapper}` by the worked example alone, {share} of "
        f"{report['n']} replies ended in it."
    )


def _with_interval(report: dict[str, Any], key: str) -> str:
    """Write a rate with its interval; empty if nothing was rated."""
    if report[key] is None:
        return ""
    low, high = report[f"{key}_ci95"]
    return f"{report[key]:.3f} [{low:.3f}, {high:.3f}]"
