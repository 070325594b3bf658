"""Command `rollouts`: sample training examples from a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from unitconv.cli import console, options
from unitconv.cli.console import write_field
from unitconv.common import distributed
from unitconv.common.errors import UnitconvError
from unitconv.task.dataset import DEFAULT_TASK
from unitconv.training import config

if TYPE_CHECKING:
    from unitconv.grading.tasks.protocol import Task
    from unitconv.inference.llm import LLM
    from unitconv.task.dataset import Question
    from unitconv.training.examples import ReasoningExample
    from unitconv.training.rollouts import RolloutRecord, RolloutSettings


def rollouts(
    output: options.Triples,
    data: options.Data = None,
    split: options.TrainingSplits = None,
    model: options.Model = "course",
    adapter: options.Adapter = None,
    prompt: options.Prompt = None,
    samples: options.Samples = config.SAMPLES,
    temperature: options.Temperature = config.TEMPERATURE,
    policy: Annotated[
        str,
        Option(
            help="Which completions may be selected. strict: answers "
            "within 1 % whose reasoning passes the audit; audited: within "
            "5 %; right: within 5 %, unaudited; random: as many as strict "
            "selects from all, as a control."
        ),
    ] = "strict",
    seed: options.Seed = 0,
    batch_size: options.DecodingBatch = None,
    limit: options.Limit = None,
    task: options.TaskName = DEFAULT_TASK,
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> None:
    """Sample completions and select training data for RFT among them.

    A completion is right if its answer and its reasoning are. A run that
    was stopped continues when the same command is given again.
    """
    questions = options.load_training(data, split, task)[:limit]
    if output.suffix != ".json":
        raise UnitconvError(f"--output {output}: name a .json file")
    options.check_writable(output, "--output")
    from unitconv.training import rejection_sampling
    from unitconv.training.rollouts import RolloutSettings

    rejection_sampling.check_policy(policy)
    settings = RolloutSettings(samples, temperature, seed=seed)
    distributed.barrier()
    llm = options.load_llm(model, adapter, prompt, device, dtype, task)
    log = output.with_suffix(".jsonl")
    records = sample(llm, questions, settings, log, batch_size)
    examples = rejection_sampling.iter_examples(
        records, policy=policy, seed=seed, task=llm.task
    )
    write_rollouts(log, examples, output, llm.task)


def sample(
    llm: LLM,
    questions: Sequence[Question],
    settings: RolloutSettings,
    log: Path,
    batch_size: int | None = None,
) -> Iterator[RolloutRecord]:
    """Sample into the JSONL file `log`; return a reader of the records."""
    from unitconv.inference.reference import BATCH_SIZE
    from unitconv.training.rollouts import iter_rollouts, record_rollouts

    log.parent.mkdir(parents=True, exist_ok=True)
    total = len(questions) // distributed.world_size()
    with console.progress_bar("sampling", total) as update:
        record_rollouts(
            llm,
            questions,
            settings,
            log,
            batch_size=batch_size or BATCH_SIZE,
            progress=lambda done: update(advance=done),
        )
    return iter_rollouts(log)


def write_rollouts(
    log: Path,
    examples: Iterable[ReasoningExample],
    output: Path,
    task: Task,
) -> None:
    """Write the selected examples, and print why others were rejected."""
    from unitconv.training import rejection_sampling as sampling
    from unitconv.training.examples import write_triples
    from unitconv.training.rollouts import iter_rollouts

    if not distributed.is_main_process():
        return
    n_triples = write_triples(examples, output, task)
    rates = {"all": sampling.success_rate(iter_rollouts(log))}
    rates |= sampling.success_rate_by_family(iter_rollouts(log))
    counts = sampling.outcome_counts(iter_rollouts(log))
    n_questions = rates["all"].n
    n_samples = counts.total() // n_questions
    write_field("sampled", f"{n_questions} questions x {n_samples}")
    console.write_rates("questions with a right completion", rates)
    listed = (f"{name} {n}" for name, n in counts.most_common())
    write_field("of all", ", ".join(listed))
    write_field("triples", f"{n_triples} in {output}")
