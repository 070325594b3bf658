"""Command `rl`: train a model by online reinforcement learning."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

from typer import Option

from unitconv.cli import console, options
from unitconv.cli.console import write_field
from unitconv.cli.train.finetune import (
    choose_settings,
    evaluation_of,
    prepare,
)
from unitconv.common import distributed
from unitconv.common.errors import UnitconvError
from unitconv.task.dataset import DEFAULT_TASK
from unitconv.training.config import MAX_ADAPTER_MB, TrainingRun
from unitconv.training.rl.config import LOSSES, RL_DEFAULTS, RLSettings

if TYPE_CHECKING:
    from unitconv.training.rl.checkpoint import Progress


Loss = Annotated[str, Option(help=f"One of {', '.join(LOSSES)}.")]
RewardName = Annotated[
    str,
    Option(
        "--reward",
        help="reasoning, 1 for what RFT would keep; answer, 1 for every "
        "right answer; or module:attribute, a function of your own.",
    ),
]
Steps = Annotated[int, Option(min=1, help="Times to sample and learn.")]
Questions = Annotated[int, Option(min=1, help="Questions per step.")]
Updates = Annotated[int, Option(min=1, help="Updates per step.")]
Rank = Annotated[
    int | None,
    Option(min=1, help="LoRA rank.", show_default=str(RL_DEFAULTS.rank)),
]
LearningRate = Annotated[
    float, Option(min=0.0, max=10.0, help="Learning rate.")
]
UpdateBatch = Annotated[
    int,
    Option(
        "--batch-size",
        min=1,
        help="Samples in a forward pass; changes memory, not the result.",
    ),
]
KL = Annotated[
    float,
    Option(
        min=0.0,
        max=1000.0,
        help="Weight of the KL divergence from the base.",
    ),
]
Every = Annotated[int, Option(min=1, help="Steps between validations.")]


def rl(
    output: options.Output,
    data: options.Data = None,
    split: options.TrainingSplits = None,
    model: options.Model = "course",
    adapter: options.Adapter = None,
    prompt: options.Prompt = None,
    loss: Loss = RLSettings.loss,
    reward: RewardName = "reasoning",
    steps: Steps = RLSettings.steps,
    questions: Questions = RLSettings.questions,
    samples: options.Samples = RLSettings.samples,
    temperature: options.Temperature = RLSettings.temperature,
    updates: Updates = RL_DEFAULTS.epochs,
    kl: KL = RLSettings.kl,
    valid: options.Valid = None,
    valid_every: Every = RLSettings.valid_every,
    rank: Rank = None,
    learning_rate: LearningRate = RL_DEFAULTS.learning_rate,
    batch_size: UpdateBatch = RL_DEFAULTS.batch_size,
    seed: options.Seed = 0,
    max_adapter_mb: options.MaxSize = MAX_ADAPTER_MB,
    preset: options.Preset = None,
    task: options.TaskName = DEFAULT_TASK,
    resume: options.Resume = False,
    device: options.Device = None,
) -> None:
    """Online RL: train a new adapter, or --adapter, on its own samples."""
    if adapter and rank:
        raise UnitconvError("--rank is that of --adapter: give only one")
    pool = options.load_training(data, split, task)
    held_out = options.load_validation(valid, task)
    base = prepare(model, device, preset, task)
    recipe = replace(RL_DEFAULTS, epochs=updates, batch_size=batch_size)
    given = {"rank": rank, "seed": seed}
    common = choose_settings(
        base, recipe, learning_rate, max_adapter_mb, given
    )
    settings = RLSettings(
        **asdict(common),
        loss=loss,
        steps=steps,
        questions=questions,
        samples=samples,
        temperature=temperature,
        kl=kl,
        valid_every=valid_every,
        adapter=adapter,
        prompt=prompt,
    )
    from unitconv.training.rl.pipeline import RLData, train_rl
    from unitconv.training.rl.reward import load_reward

    rl_data = RLData(pool, held_out, load_reward(reward))
    with console.plain_warnings():
        run = TrainingRun(output, resume)
        done = train_rl(base, rl_data, settings, run, _write_step)
    _write_result(done, evaluation_of(model, output, task))


def _write_result(progress: Progress, next_command: str) -> None:
    """Print the scores before and after, and what to run next."""
    if not distributed.is_main_process():
        return
    scores, best = dict(progress.valid_scores), progress.best_step
    rates = f"{scores[0]:.3f} before, {scores[best]:.3f} after step {best}"
    write_field(
        "trained", f"{progress.step} steps, {progress.seconds:.0f} s"
    )
    write_field("valid", f"{rates}, which is kept")
    write_field("next", next_command)


def _write_step(progress: Progress) -> None:
    """Print a line for a step; no number where nothing was learned."""
    if not distributed.is_main_process():
        return
    cells = [f"step {progress.step:>4}"]
    if progress.history:
        last = progress.history[-1]
        numbers = {
            "reward": last.reward,
            "mixed": last.mixed,
            "entropy": last.update.entropy,
            "gradient": last.update.grad_norm,
            "kl": last.update.kl,
        }
        cells += [
            f"{name} {'--' if value is None else format(value, '.3f')}"
            for name, value in numbers.items()
            if name != "kl" or value is not None
        ]
        cells.append(f"tokens {last.n_tokens:.1f}")
    step, score = progress.valid_scores[-1]
    if step == progress.step:
        cells.append(f"valid {score:.3f}")
    console.write("  ".join(cells), console.err)
