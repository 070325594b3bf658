# %% [markdown]
# # SmolLM2 on a GPU: the same cells
#
# Every number in this book so far comes from a model of a few million
# parameters that knows units and nothing else. Each chapter opened with a
# line that said it need not be that one. This chapter is about that line.
#
# It was executed like all others, with the course model, and what you see
# below was computed by the cells above it, on the machine that the first
# of them names. No hub and no GPU were at hand, so there is no accuracy of
# SmolLM2 here and no time of a GPU. What can be *computed* of them is, and
# says so. The rest is for you to measure, and the last section before the
# exercises tells how your numbers get into the book.
#
# **The question of this chapter:** the model becomes a hundred times
# larger. What has to change in the code, and what breaks although nothing
# in the code had to?
#
# :::{admonition} What you will learn
# :class: tip
# - what the `MODEL` line changes, and what decides dtype, batch and rank;
# - why a T4 says yes to bf16, and what to believe instead;
# - how to compute the memory of each stage before you rent the card;
# - what to check of an unknown tokenizer, and how to work without a hub;
# - how to run everything on Colab, and add your results to the table.
#
# **Before you start:** [chapter 7](07_sft.ipynb) for LoRA and activations,
# [chapter 8](08_rft.ipynb) for rollouts, [chapter 5](05_fast.ipynb) for
# slots. **Time:** 20 minutes to read, without the exercises, and about two
# minutes to run. **Hardware:** as it stands any laptop; with SmolLM2 a GPU
# of 16 GB, such as Colab's free one.
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
# ## One line
#
# Here it is. Colab's menu *Runtime*, *Change runtime type* gives you the
# GPU; the second name gives you SmolLM2.

# %%
import tempfile
from pathlib import Path

import pandas as pd
import torch

from unitconv.common.run_metadata import machine, versions
from unitconv.inference.llm import LLM
from unitconv.training.pipelines import pick_base

MODEL = "course"  # or "smollm2"

scratch = tempfile.TemporaryDirectory()  # what we write goes in here
work = Path(scratch.name)

llm = LLM.from_pretrained(MODEL)
base = pick_base(MODEL)
print(llm)
print(f"preset {base.preset.name!r}; this machine: {machine()}")
for name, value in versions().items():
    print(f"{name:12} {value}")

# %% [markdown]
# What follows from the line, and what does not:
#
# | stays | changes |
# |---|---|
# | every function and command | weights, vocabulary, chat template |
# | questions, grader, audit, intervals | how many tokens a question has |
# | a recipe's epochs, learning rate | batch, rank, dtype: the preset's |
# | seeds, and what they decide | speed, memory, and every result |
#
# The left column is why two models can be compared at all. One entry of it
# deserves your doubt: the learning rates were chosen for the course model.
# A larger model usually wants a lower one. `--learning-rate` takes it, and
# `valid` tells which was better.
#
# ## What this machine can carry
#
# What depends on the machine and not on the method is kept in one place,
# `unitconv/training/config.py`:

# %%
from dataclasses import asdict

from unitconv.training.config import HARDWARE_PRESETS

pd.DataFrame([asdict(p) for p in HARDWARE_PRESETS.values()]).set_index(
    "name"
)

# %% [markdown]
# The preset is picked by the device and printed before a training starts;
# every value can be given by hand. Only that of the CPU was tuned on
# measurements. The other two follow from what the cards can do, which is
# the next trap.
#
# ### The trap: a card that says yes
#
# bf16 is the format large models are trained in. Is it there? The obvious
# way to ask is `torch.cuda.is_bf16_supported()`. A T4 answers `True`. It
# has no arithmetic for bf16 and emulates it: nothing fails, no warning
# comes, and every product is slow. What tells the truth is the *compute
# capability*, the generation of the card: from 8 on it computes in bf16.

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
# So a T4 gets float16. That is not the same with another name. Both have
# 16 bits, spent differently:

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
# bf16 has the range of float32 and three digits; float16 has a digit more
# and ends at 65,504. In training, a gradient too small for it becomes zero
# and one too large infinite. *Loss scaling* ([Micikevicius et al.
# 2018](https://arxiv.org/abs/1710.03740))
# multiplies the loss so that gradients fit, and skips a step where they do
# not. `Trainer` does that; and what we train, the LoRA matrices, is kept
# in float32 in any case.
#
# ### Does it change the answers?
#
# Half the bits, half the memory. What does it cost? This can be measured
# here: the same hundred questions, in float32 and in bf16.

# %%
from unitconv.evaluation.evaluate import evaluate
from unitconv.evaluation.report import compare
from unitconv.task.dataset import load_split

asked = load_split("valid")[:100]
models = {
    dtype: LLM.from_pretrained(MODEL, dtype=dtype)
    for dtype in ("float32", "bfloat16")
}
reports = {dtype: evaluate(m, asked) for dtype, m in models.items()}
for dtype, report in reports.items():
    low, high = report.accuracy.ci95
    value = report.accuracy.value
    print(f"{dtype:9} {value:.3f} [{low:.3f}, {high:.3f}]")
paired = compare(*reports.values())
low, high = paired.ci95
print(f"difference {paired.difference:+.3f} [{low:+.3f}, {high:+.3f}]")

# %% [markdown]
# And the replies themselves, word for word, greedy and sampled? The noise
# of a sample is a hash of its request, so it is the same in both formats.

# %%
from unitconv.inference.reference import Decoding

prompts = [llm.format_prompt(q.text) for q in asked]
differ = {}
for temperature in (0.0, 0.8, 1.2):
    sampling = Decoding(temperature=temperature)
    texts = [
        [row[0].text for row in m.complete(prompts, settings=sampling)]
        for m in models.values()
    ]
    differ[temperature] = sum(a != b for a, b in zip(*texts, strict=True))
    print(
        f"T = {temperature}: {differ[temperature]} of {len(asked)} differ"
    )
assert differ[1.2] > 0

# %% [markdown]
# Rounding moves a greedy reply only where two tokens were nearly equal. A
# sample is drawn by a number that falls into some token's stretch, and the
# hotter the odds, the more stretches there are with edges to shift. A
# reply that differs need not be wrong. But the promise that batch and
# slots leave no trace in a text holds for float32 only. So write the dtype
# down with every number, as the records of this course do, and compare
# like with like.
#
# ## Does it fit?
#
# Out of memory is the commonest failure on a GPU, and the most needless:
# all that a stage keeps is known before it begins. It is *computed* here,
# from the public configurations of SmolLM2 and from nothing else. The
# models stand on torch's *meta* device, which knows shapes and no numbers.

# %%
from unitconv.inference.kv_cache import bytes_per_token
from unitconv.profiling.memory_estimate import SMOLLM2, shape_only, smollm2

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
# The last column holds a surprise. The largest model has fewer layers than
# the middle one, 24 against 32, and its cache is almost five times as
# large. What decides is how many heads of keys and values a layer has: the
# two small models let three query heads share each of theirs, the large
# one does not.
#
# ### Decoding: slots
#
# A run of the engine keeps the weights and a cache that it plans before it
# starts: as many slots as were asked for, or as many as fit. The lengths
# are those of our own questions, in the tokens of the model at hand; with
# SmolLM2 loaded they are SmolLM2's.

# %%
from unitconv.inference.engine import shared_prefix_length
from unitconv.inference.kv_cache import CachePlan

encoded = [llm.encode(prompt) for prompt in prompts]
prefix = shared_prefix_length(encoded)
reply = Decoding().max_new_tokens
room = max(map(len, encoded)) - prefix + reply
print(f"a slot: {room} tokens, {reply} of them for the reply")

for size in SMOLLM2:
    per_token = bytes_per_token(smollm2(size), torch.float16)
    wish = CachePlan(4096, room, prefix, per_token)
    for budget in (1, 10):
        plan = wish.fit(budget * 10**9)
        print(f"{size}, {budget:2} GB of cache: {plan.slots} slots fit")

# %% [markdown]
# Memory is not what limits the slots of the small models; the default
# takes a fraction of any card. How many are *fast* is another question,
# and its answer is a curve that flattens ([chapter 5](05_fast.ipynb)).
# Double them until tokens a second stop growing:
#
# ```bash
# unitconv bench --slots 16,64,256 \
#     --model HuggingFaceTB/SmolLM2-360M-Instruct
# ```
#
# ### Training: what the backward pass keeps
#
# Weights, LoRA with its gradient and AdamW's two numbers, and the
# activations. [Chapter 7](07_sft.ipynb) counted the last with a hook that
# sees every tensor that is kept. The same hook works on the meta device.
# May one believe it? On the course model both can be had:

# %%
from unitconv.profiling.memory_estimate import saved_bytes
from unitconv.training.config import RFT_DEFAULTS, SFT_DEFAULTS
from unitconv.training.lora import add_lora

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
# To the byte. Now SmolLM2-360M, by the presets of both kinds of card, with
# rows as long as ours are:

# %%
from unitconv.inference.load.device import DTYPES
from unitconv.profiling.memory_estimate import (
    decoding_parts,
    training_parts,
)
from unitconv.training.config import TrainingSettings
from unitconv.training.examples import (
    read_triples,
    rft_examples,
    sft_examples,
)

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
train = load_split("train") + load_split("train_hard")
triples = read_triples(RESULTS / "rft.json")
lengths = {
    "SFT": max(
        len(e.input_ids) for e in sft_examples(train, llm.tokenizer)
    ),
    "RFT": max(
        len(e.input_ids) for e in rft_examples(triples, llm.tokenizer)
    ),
}
print("tokens of the longest row:", lengths)

config = smollm2("360M")
per_token = bytes_per_token(config, torch.float16)
plan = CachePlan(64, room, prefix, per_token)
shape = shape_only(config, torch.float16)
needs = {"decoding, 64 slots": decoding_parts(shape, plan)}
for name in ("t4", "ampere"):
    preset = HARDWARE_PRESETS[name]
    for stage, recipe in (("SFT", SFT_DEFAULTS), ("RFT", RFT_DEFAULTS)):
        settings = preset.apply(
            TrainingSettings(**asdict(recipe), lower_rank=True)
        )
        dtype = DTYPES[preset.dtype]
        needs[f"{stage}, preset {name}"] = training_parts(
            config, dtype, settings, lengths[stage]
        )
for name, parts in needs.items():
    print(f"{name:18} {sum(parts.values()) / 1e9:5.2f} GB, computed")

# %% tags=["hide-input"]
from unitconv import figures

figures.memory_bars(needs, {"16 GB": 16e9, "24 GB": 24e9})

# %%
fits = {name: sum(parts.values()) < 24e9 for name, parts in needs.items()}
if MODEL == "course":
    assert fits["RFT, preset t4"]
    assert not fits["RFT, preset ampere"]

# %% [markdown]
# The preset for a T4 takes 16 rows and keeps the inputs of layers only. By
# this sum it could carry more: the preset is careful, and nobody has tried
# yet. The preset for Ampere cards keeps all activations of 64 rows. That
# fits with the short rows of SFT. But replies that multiply in steps are
# long, and rows of similar length go into the same batch: the batch with
# the longest needs more than a card of 24 GB has. There, run RFT with
# `--preset t4`.
#
# And there is a part that hardly shows in the course model. Its vocabulary
# is 768 tokens, SmolLM2's is 49,152, and the logits of a batch are one
# number for each *row, token and entry of the vocabulary*.

# %%
for name, parts in needs.items():
    if "logits" in parts:
        share = parts["logits"] / parts["weights"]
        print(f"{name:18} logits take {share:.2f} times the weights")
assert all(
    parts["logits"] > parts["LoRA and AdamW"]
    for parts in list(needs.values())[1:]
)

# %% [markdown]
# Not in the sum: what the allocator rounds up and kernels borrow. Leave a
# fifth of the card free. If it still does not fit, go down this list: the
# first entries cost nothing but time.
#
# 1. Restart the kernel. A notebook that has loaded three models holds
#    three models.
# 2. Decoding: fewer slots, `--batch-size 32`. In float32 the texts stay
#    the same.
# 3. Training: `--preset t4`, which checkpoints. A smaller `--batch-size`
#    changes what is learned at each step, so it is another training.
# 4. A smaller model of the family.
#
# A cache that cannot fit says so at once, and not after an hour:

# %%
from unitconv.inference.kv_cache import CacheError

try:
    wish.fit(5 * 10**6)
except CacheError as error:
    print(error)
else:
    raise AssertionError("a cache in 5 MB?")

# %% [markdown]
# ## Before you pay: an unknown tokenizer
#
# The code is the same for every model, and a tokenizer can break it in
# silence. Four things are worth a look, and they need no weights: only the
# tokenizer's few files.

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
        wrong.append("digits are merged: arithmetic becomes memory")
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
# A check that never says no is none. So we spoil a tokenizer, with two
# tokens that a larger vocabulary might well have:

# %%
import copy

spoiled = copy.deepcopy(llm.tokenizer)
spoiled.add_tokens(["000", "? <"])
for problem in check_tokenizer(spoiled):
    print("-", problem)
assert len(check_tokenizer(spoiled)) >= 2

# %% [markdown]
# Merged digits are no error. The model trains and answers, only worse than
# it could, and nothing but the accuracy tells. The seam is refused by the
# library, row by row. SmolLM2's tokenizer cuts numbers into single digits
# as ours does; it does merge `?` and `<` where no space stands between
# them, and that is why every target begins with one. Not every tokenizer
# decodes what it encoded: some drop a space before a punctuation mark.
#
# ## With a hub, and without
#
# A name such as `HuggingFaceTB/SmolLM2-360M-Instruct` is looked up on the
# Hugging Face hub and downloaded on first use, weights as safetensors
# only. Files land in a cache in your own folder. On a machine whose home
# is small, point it elsewhere *before* Python starts:
#
# ```bash
# export HF_HOME=/content/drive/MyDrive/hf   # Colab: outlives the machine
# ```
#
# Many clusters let their GPU nodes see no network. Then fetch where there
# is one, and copy the folder:
#
# ```bash
# hf download HuggingFaceTB/SmolLM2-360M-Instruct --local-dir smol
# HF_HUB_OFFLINE=1 unitconv evaluate --model ./smol
# ```
#
# `HF_HUB_OFFLINE=1` saves the attempts to connect. A model whose licence
# has to be accepted (SmolLM2's need not) also wants `hf auth login`, once,
# with a token that may read and nothing else; never write it into a
# notebook. A folder is as good as a name. Let us see:

# %%
from transformers.utils.logging import disable_progress_bar

disable_progress_bar()
folder = work / "copy"
llm.model.save_pretrained(folder)
llm.tokenizer.save_pretrained(folder)
print(sorted(path.name for path in folder.iterdir()))

local = LLM.from_pretrained(str(folder))
first = [q.text for q in asked[:8]]
assert local.answer(*first) == llm.answer(*first)
print("the copy answers as the original does")

# %% [markdown]
# ## The whole pipeline, on the clock
#
# All stages of the course, on a few questions, and how long each took
# *here*. The adapters are too little trained to be good;
# what is tried is whether the machine can do it. Run this before you start
# the long runs: what fails in an hour fails here in a minute.

# %%
import time

from unitconv.training.config import TrainingRun
from unitconv.training.pipelines import train_rft, train_sft
from unitconv.training.rejection_sampling import select_examples
from unitconv.training.rollouts import RolloutSettings, sample_rollouts

FEW, VALID = 48, load_split("valid")[:24]
took = {}


def timed(name, run):
    start = time.perf_counter()
    result = run()
    took[name] = time.perf_counter() - start
    return result


def quick(recipe):
    return base.settings(recipe, epochs=1, rank=4, batch_size=16)


before = timed("evaluate, CoT", lambda: evaluate(llm, asked[:FEW]))
timed(
    "SFT, one epoch",
    lambda: train_sft(
        base,
        train[:FEW],
        quick(SFT_DEFAULTS),
        TrainingRun(work / "sft"),
        valid=VALID,
    ),
)
records = timed(
    "rollouts, 4 each",
    lambda: sample_rollouts(
        llm, train[:FEW], RolloutSettings(4), work / "rft.jsonl"
    ),
)
kept = select_examples(records)
if not kept:
    raise RuntimeError("no completion to learn from: is it the base?")
timed(
    "RFT, one epoch",
    lambda: train_rft(
        base,
        kept,
        quick(RFT_DEFAULTS),
        TrainingRun(work / "rft"),
        valid=VALID,
    ),
)
tuned = LLM.from_pretrained(MODEL, work / "rft")
after = timed("evaluate, RFT", lambda: evaluate(tuned, asked[:FEW]))

print(f"{FEW} questions, {len(kept)} completions kept")
print(f"{base.device}, {llm.dtype}, preset {base.preset.name}")
for name, seconds in took.items():
    print(f"{name:18} {seconds:6.1f} s")

# %%
if torch.cuda.is_available():
    peak = torch.cuda.max_memory_allocated() / 1e9
    total = torch.cuda.get_device_properties(0).total_memory / 1e9
    print(f"at most {peak:.2f} of {total:.1f} GB were taken: measured")
else:
    print("skipped: the peak of GPU memory, for there is no GPU")

# %% [markdown]
# Do not multiply these seconds up to a full run. Loading, the first batch
# and the scoring after each epoch are in them and do not grow. On a GPU
# the first decode also records its graphs.
#
# ## On Colab: six lines
#
# The full pipeline, as commands. In a cell of its own, with the GPU
# switched on; each line says what it does and goes on where it was stopped
# (a training with `--resume`):
#
# ```
# M = "HuggingFaceTB/SmolLM2-360M-Instruct"
# !unitconv evaluate --model $M --json cot.json
# !unitconv sft --model $M --output sft
# !unitconv rollouts --model $M --output rft.json
# !unitconv rft --model $M --data rft.json --output rft
# !unitconv evaluate --model $M --adapter rft --json rft-1.json
# ```
#
# The library has to be there first; opening any chapter on Colab and
# running its first cell puts it there. Colab forgets its disk: mount your
# drive and write to it, or download what you want to keep.
#
# ## What goes wrong
#
# `CUDA out of memory`
# : Activations or logits: the list above.
#
# Slow, and no error
# : bf16 is emulated, or the CPU was used. Each command prints device and
#   dtype before anything else.
#
# `no model ...`
# : No network, or a name misspelled. A folder helps against both.
#
# `prompt and target share the token`
# : A seam. Begin the target with a space.
#
# `more than the 20 MB allowed`
# : A `--rank` given by hand. The message names the one that fits.
#
# The loss is `nan`, in float16
# : Something was too large for it. A lower learning rate; bf16, where it
#   is real.
#
# Fewer right than with the course model
# : It may well be so: that one has read of nothing but units. Read twenty
#   replies before you change a setting.
#
# ## Add your results to the table
#
# [The results page](../book/results.md) is made of records: one small file
# for each model, stage and split. From a report to a row it is one
# command, and the command is strict. First a report of forty questions,
# to see it refuse:

# %%
from unitconv.common.io import write_json
from unitconv.evaluation.leaderboard.record import RecordError
from unitconv.evaluation.leaderboard.table import make_record

test = load_split("test")


def write_report(n):
    """What `unitconv evaluate --limit n --json` writes."""
    report = evaluate(llm, test[:n])
    report.run["data"] = "test"
    path = work / "report.json"
    write_json(report.to_json(rows=True), path)
    return path


try:
    make_record(write_report(40))
except RecordError as error:
    print(str(error).replace(f"{work}/", ""))
else:
    raise AssertionError("forty questions are too few for a row")

# %% [markdown]
# Forty questions leave an interval as wide as a barn. With two hundred it
# is let in, if narrowly; all thousand are better. The course's own rows
# cannot be replaced, so ours gets a name of its own:

# %%
from unitconv.evaluation.leaderboard.table import (
    HEADS,
    add_record,
    all_rows,
    cells,
)

record = make_record(write_report(200), model=f"{Path(MODEL).name} (here)")
path = add_record(record, work / "added")
print(path.name)

rows = all_rows(work / "added")
[mine] = [row for row in rows if row.model == record.model]
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
# A trap on the side: who writes capabilities as text finds that `"10.0"`
# sorts before `"8.0"`. Tuples of numbers do not.
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
        assert cache_bytes(config) == expected, (
            f"SmolLM2-{size}: the engine plans with another number"
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
        assert found == plan.slots, f"SmolLM2-{size}: the plan differs"


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
one_row = TrainingSettings(**asdict(RFT_DEFAULTS), rank=8, batch_size=1)


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
# It should not. Twice the batch is half as many steps of the optimiser,
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
# ## Recap
#
# - One line changes the model. Recipes stay; dtype, batch and rank come
#   from a preset that follows the machine.
# - A T4 reports bf16 and emulates it. Ask for the compute capability.
# - Memory can be computed from shapes alone, to the byte where it can be
#   checked. With a large vocabulary the logits are a part of their own.
# - A tokenizer breaks things in silence: digits, seam, end, template.
# - A folder is as good as a hub name, and works where there is no network.
# - A row of the results page is measured, with its interval and its
#   machine, or it is not there.
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
# chen2016
# hu2021
# kwon2023
# ```
