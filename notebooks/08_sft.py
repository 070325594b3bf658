# %% [markdown]
# # LoRA SFT: teaching the format
#
# So far the model has read the same instruction and the same worked
# example before every question. This chapter trains a few small matrices
# on two thousand questions with their answers. After that the bare question
# is enough. What our base can gain and lose by this depends on its
# pretraining. The generated text ends its answers in many forms, so without
# an example the base keeps to none. It multiplies long numbers in two ways,
# at once and in steps. We chose the settings of the base on
# generated development questions, though the last two candidates had been
# measured on the test sets as well ([the appendix](90_pretraining.ipynb)).
#
# **The question of this chapter:** can the example move from the prompt
# into the weights, and what is lost on the way?
#
# :::{admonition} What you will learn
# :class: tip
# - what a training example is, token by token;
# - two ways to mask its labels wrongly, both without an error message;
# - what LoRA computes, by hand on one layer and then with PEFT;
# - how large an adapter is, and what its training keeps in memory;
# - a complete training loop in plain PyTorch, and what `Trainer` adds;
# - why the epoch to keep is chosen by accuracy and not by loss;
# - what answers without reasoning gain and what they cost;
# - whether that cost comes from the training or from its target.
#
# **Before you start:** [chapter 1](01_task.ipynb) for the grader, [chapter
# 7](07_prompting.ipynb) for the prompts, gradient descent in PyTorch.
# **Time:** 35 minutes to read, without the exercises, and three to four
# minutes to run. **Hardware:** with the course model any laptop; 2 GB of
# memory.
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

# %%
from pathlib import Path

import torch

import unitconv
from unitconv.inference.llm import LLM
from unitconv.task.dataset import (
    TRAINING_SPLITS,
    VALIDATION_SPLITS,
    load_split,
    load_splits,
)

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL)
tokenizer = llm.tokenizer
train = load_splits(TRAINING_SPLITS)
valid = load_splits(VALIDATION_SPLITS)
print(f"{len(train)} questions to train on, {len(valid)} to choose by")
llm

# %% [markdown]
# In each list the first half are ordinary questions, and the second half
# (`train_hard`, `valid_hard`) have longer numbers.
#
# ## The cost of a worked example
#
# How much of what the model reads is the question?

# %%
question = "How many gram are there per 6 kg?"
n_prompt = len(llm.encode(llm.format_prompt(question)))
n_question = len(llm.encode(question))
print(f"{n_prompt} tokens read, {n_question} of them the question")
assert n_prompt > 5 * n_question

# %% [markdown]
# The rest is the same every time. What if we leave it out?

# %%
from unitconv.evaluation.evaluate import evaluate

bare = evaluate(LLM(llm.model, tokenizer, "raw"), valid[:50])
print(bare.rows[0].question, "->", repr(bare.rows[0].text))
print(f"{bare.answer_rate.successes} of 50 have an answer tag")
print(f"{bare.stop_rate.successes} of 50 come to an end")
assert bare.answer_rate.value < 0.5

# %% [markdown]
# The first reply has the right number, 2268, but no tag, and 41 of 50
# replies run on until they are cut off. *Supervised fine-tuning* (SFT)
# trains the model on the one continuation we want. In this chapter that is
# the shortest possible: no reasoning, only the number between its tags.
# [The next one](09_rft.ipynb) adds reasoning, with the same trainer, other
# examples and a higher learning rate.
#
# ## A training example
#
# A training example is a prompt and a target. The model reads both, and
# the loss is computed on the target only. Every token has a *label*: in
# the target it is the token itself, and in the prompt it is $-100$, which
# the loss skips. The labels act as the *loss mask*.

# %%
from unitconv import figures
from unitconv.training.examples import IGNORE_INDEX, make_example

example = make_example(tokenizer, question, " <answer>6000</answer>")


def show(example):
    """Draw the tokens; those with a label are filled."""
    tokens = [tokenizer.decode([token]) for token in example.input_ids]
    filled = [float(label != IGNORE_INDEX) for label in example.labels]
    return figures.token_strip({"": tokens}, shades={"": filled})


n_tokens = len(example.input_ids)
print(f"{example.n_supervised} of {n_tokens} tokens have a label")
show(example)

# %% [markdown]
# The filled tokens are learned. Two details matter: the target begins
# with a space, and `make_example` appends the token for the end of the
# sequence. Each prevents a mistake that raises no error. We now make both
# mistakes.
#
# ### Trap 1: prompt and target share a token
#
# It is natural to count the prompt's tokens and mask as many labels. Here
# the prompt ends with a space, so the target does not begin with one:

# %%
prompt, target = question + " ", "<answer>6000</answer>"


def encode(text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


joined = encode(prompt + target)
naive = [IGNORE_INDEX] * len(encode(prompt)) + joined[len(encode(prompt)) :]
learned = [label for label in naive if label != IGNORE_INDEX]
print("learned:", tokenizer.decode(learned))
assert tokenizer.decode(learned) != target

# %% [markdown]
# The opening `<` is missing. Alone, the prompt ends with a token for the
# space; joined, the space and `<` are *one* token, which was counted as
# part of the prompt. The model would never learn to open the tag. Which
# characters merge depends on the tokenizer: SmolLM2's also joins `?` and
# `<`, so leaving the space out does not help there. The library tokenizes
# prompt and target as one text and refuses an example if one token belongs
# to both:

# %%
from unitconv.training.examples import LabelError

try:
    make_example(tokenizer, prompt, target)
except LabelError as error:
    print(error)

# %% [markdown]
# With the space at the start of the target, the seam is between two tokens,
# and the prompt has the same tokens as when it is asked alone.
# `make_example` checks both.
#
# ### Trap 2: the end token is masked as padding
#
# Examples of different lengths are padded. Unlike in chapter 5 the padding
# is on the right: nothing is generated, and a token never sees what comes
# after it. The model must not learn the padding, so many training scripts
# mask every label that is the padding token. But many tokenizers, SmolLM2's
# among them, have no padding token of their own and pad with the
# end-of-sequence token. We do the same:

# %%
from unitconv.training.examples import collate, sft_examples

end = tokenizer.eos_token_id
batch = collate(sft_examples(train[:8], tokenizer), pad_token_id=end)

by_token = batch["input_ids"].clone()
by_token[batch["attention_mask"] == 0] = IGNORE_INDEX  # padding
by_token[batch["labels"] == IGNORE_INDEX] = IGNORE_INDEX  # prompts
by_token[by_token == end] = IGNORE_INDEX  # the mistake

for name, labels in [
    ("masked by token", by_token),
    ("masked by position", batch["labels"]),
]:
    print(f"{name}: {int((labels == end).sum())} of 8 ends are learned")
assert int((by_token == end).sum()) == 0
assert int((batch["labels"] == end).sum()) == 8


# %% tags=["hide-input"]
def kinds(labels):
    """Of each token: read, learned, learned as the end, or hidden."""
    found = torch.where(labels == IGNORE_INDEX, 0, 1)
    found[labels == end] = 2
    start = (batch["labels"] != IGNORE_INDEX).int().argmax(dim=-1)
    places = torch.arange(labels.shape[1])
    found[(labels == IGNORE_INDEX) & (places >= start[:, None])] = 3
    names = ["prompt", "answer", "end", "hidden"]
    return [[names[kind] for kind in row] for row in found.tolist()]


figures.label_masks(
    {
        "masked by token": kinds(by_token),
        "masked by position": kinds(batch["labels"]),
    }
).captioned("Which tokens of eight rows are learned, with two masks.")

# %% [markdown]
# In the upper panel the end is masked together with the padding. A model
# trained in this way does not learn where to stop. Our decoder would hide
# that, because it stops at `</answer>` too; another program would not.
# `collate` masks by position: what comes after an example's own length is
# padding, whichever token it is.
#
# The template is a third place for a silent mistake. Our rows are bare
# questions, so the adapter has to be asked the bare question; inside the
# chat template it reads a text that it was not trained on ([From here to
# your stack](../book/your-stack.md)). With `--prompt chat` it is the other
# way round. To find all three mistakes, print a row as above, turn the
# tokens that have a label back into text, and count the ends: they should
# be the target and one end token.
#
# ## LoRA on one layer
#
# We could train every weight. That would need a gradient and two optimizer
# values for each, and a whole model to store for each training.
# LoRA ([Hu et al.
# 2021](https://arxiv.org/abs/2106.09685)) freezes a layer's matrix
# $W$ and learns an addition to it, as the product of two thin matrices:
#
# $$y = W x + \frac{\alpha}{r}\, B A\, x, \qquad
#   A: r \times n_\text{in}, \quad B: n_\text{out} \times r .$$
#
# $r$ is the *rank*, and $\alpha$ sets how much the addition counts. Only
# the ratio of the two matters. $\alpha$ is one number and takes no memory.
# In this course it is 32 at every rank, twice the rank of the shipped
# adapters, and it was not tuned. Here is LoRA by hand, for one matrix of
# the first layer:

# %%
from unitconv.training.pipelines import pick_base

cpu = pick_base(MODEL, device="cpu")
model, _ = cpu.load()
layer = model.model.layers[0].self_attn.q_proj
W = layer.weight.detach()

rank, alpha = 4, 8
torch.manual_seed(0)
A = torch.randn(rank, layer.in_features) / layer.in_features**0.5
B = torch.zeros(layer.out_features, rank)


def adapted(x):
    return x @ W.T + alpha / rank * (x @ A.T) @ B.T


x = torch.randn(5, layer.in_features)
assert torch.equal(adapted(x), x @ W.T)
print(f"{W.numel():,} frozen, {A.numel() + B.numel():,} to learn")

# %% [markdown]
# $B$ is zero at the start, so the adapted layer computes what the old one
# did, and training begins at the base model. Once $B$ is no longer zero
# (here we fill it with noise, as if it had been trained), the addition is a
# full matrix, but of low rank:

# %%
B = 0.05 * torch.randn(layer.out_features, rank)
update = alpha / rank * B @ A
update_rank = int(torch.linalg.matrix_rank(update))
print(f"shape {tuple(update.shape)}, rank {update_rank}")
assert update_rank == rank

# %% tags=["hide-input"]
corner = 24  # of its rows and columns, so that single cells show
figures.low_rank(
    B[:corner].tolist(),
    A[:, :corner].tolist(),
    (B @ A)[:corner, :corner].tolist(),
    "$BA$",
).captioned("A product of two thin matrices: a full matrix of rank 4.")

# %% [markdown]
# This is a corner of the product, blue where it is positive and orange
# where it is negative. It has stripes because each row is a combination of
# the four rows of $A$. The order in which `adapted` multiplies matters too:
# `(x @ A.T) @ B.T` passes through $r$ numbers; `B @ A` would build the
# large matrix at every step.
#
# After training we can build that matrix and add it to $W$. The layer then
# does no more work than before:

# %%
merged = W + update
error = (x @ merged.T - adapted(x)).abs().max()
print(f"merged and unmerged differ by {error:.1e}")
assert error < 1e-4

# %% [markdown]
# ## LoRA with PEFT
#
# `unitconv.training.lora.add_lora` uses the library PEFT to add such a pair
# to every linear layer except the output:

# %%
from unitconv.training.config import SFT_DEFAULTS
from unitconv.training.lora import add_lora, lora_parameters

settings = cpu.settings(SFT_DEFAULTS, rank=4)
expected = lora_parameters(model, settings.rank)
input_ids = torch.tensor([encode(question)])


def last_logits(any_model):
    with torch.inference_mode():
        return any_model(input_ids).logits[0, -1]


before = last_logits(model)
wrapped = add_lora(model, settings).eval()
print(wrapped.base_model.model.model.layers[0].self_attn.q_proj)

# %%
learning = [p for p in wrapped.parameters() if p.requires_grad]
assert sum(p.numel() for p in learning) == expected
assert torch.equal(last_logits(wrapped), before)
print(f"{expected:,} parameters to learn, and no logit has changed")

# %% [markdown]
# PEFT does not copy the model. It changes the one that you pass in:

# %%
names = [name for name, _ in model.named_parameters() if "lora" in name]
print(len(names), "LoRA matrices in what was the base model")
assert names

# %% [markdown]
# To compare with the base afterwards, load it again. To test merging, we
# fill every $B$ with noise and let PEFT add the products to the weights:

# %%
with torch.no_grad():
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            parameter.normal_(std=0.02)
unmerged = last_logits(wrapped)
merged_model = wrapped.merge_and_unload()
error = (last_logits(merged_model) - unmerged).abs().max()
change = (unmerged - before).abs().max()
print(
    f"the noise changes a logit by {change:.2f}, the merge by {error:.0e}"
)
assert error < change / 100

# %% [markdown]
# ## Size of an adapter
#
# A layer costs $r\,(n_\text{in} + n_\text{out})$ numbers instead of
# $n_\text{in} \cdot n_\text{out}$, so the size is known before any
# training:

# %%
import pandas as pd

model, _ = cpu.load()
weights = model.num_parameters()
sizes = {rank: lora_parameters(model, rank) for rank in (1, 4, 16, 64)}
pd.DataFrame(
    {
        "parameters": sizes.values(),
        "MB": [4 * n / 1e6 for n in sizes.values()],
        "share of the model": [n / weights for n in sizes.values()],
    },
    index=pd.Index(sizes, name="rank"),
).round(3)

# %% [markdown]
# Rank 64 already has half as many parameters as the model, because a small
# model has narrow layers. On wide layers the saving is larger. Training
# needs further memory for each learned number: for its gradient and for two
# values of AdamW:

# %%
for name, n in [("all weights", weights), ("rank 16", sizes[16])]:
    print(f"{name:12} {3 * 4 * n / 1e6:6.1f} MB to train them")

# %% [markdown]
# How large are adapters of SmolLM2 ([Ben Allal et al.
# 2025](https://arxiv.org/abs/2502.02737))? We do not need its weights to
# find out: torch's *meta* device stores only shapes. In megabytes, for
# three sizes:

# %%
from unitconv.profiling.memory_estimate import SMOLLM2, shape_only, smollm2

shapes = {
    size: shape_only(smollm2(size), torch.float32) for size in SMOLLM2
}
pd.DataFrame(
    {
        size: [4 * lora_parameters(shape, r) / 1e6 for r in sizes]
        for size, shape in shapes.items()
    },
    index=pd.Index(sizes, name="rank"),
).round(1)

# %% [markdown]
# SmolLM2's recipe has rank 8, half of the row for 16: 9.8, 17.4 and 36.2
# MB. The gradient and AdamW's two values take three times as much, 29, 52
# and 109 MB. The frozen weights in 16 bits take 269, 724 and 3,423 MB, so
# the rank hardly decides whether a training fits.
#
# If there is a limit on the size, as in a homework, pass it as
# `--max-adapter-mb`. A larger adapter is refused before training begins,
# and the message says which rank fits:

# %%
from unitconv.training.config import TrainingError
from unitconv.training.lora import check_budget

limited = cpu.settings(SFT_DEFAULTS, rank=16, max_adapter_mb=20)
try:
    check_budget(shapes["360M"], limited)
except TrainingError as error:
    print(error)

# %% [markdown]
# ## Memory of the backward pass
#
# Weights, gradients and optimizer are not all. The forward pass must keep
# the intermediate results from which the backward pass computes gradients:
# the *activations*. They grow with the batch and the length of its
# examples. LoRA does not remove them, because a gradient has to pass
# through the frozen layers to reach the LoRA matrices of earlier layers.
# *Gradient checkpointing* ([Chen et al.
# 2016](https://arxiv.org/abs/1604.06174)) keeps only the input of each
# layer, and recomputes the rest during the backward pass.
#
# A PyTorch hook sees every tensor that is saved for this purpose. We add up
# their memory, without parameters, and count shared memory once.

# %%
import time

base = pick_base(MODEL)
batch = {
    name: values.to(base.device)
    for name, values in collate(
        sft_examples(train[:32], tokenizer), llm.pad_token_id
    ).items()
}


def measure(checkpointing):
    """Bytes saved for the backward pass, seconds a step, the loss."""
    settings = base.settings(
        SFT_DEFAULTS, gradient_checkpointing=checkpointing
    )
    model = add_lora(base.load()[0], settings).train()
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    saved = {}

    def pack(tensor):
        block = tensor.untyped_storage()
        if block.data_ptr() not in own:
            saved[block.data_ptr()] = block.nbytes()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t)
    with hooks:
        loss = model(**batch, use_cache=False).loss
    n_bytes = sum(saved.values())
    loss.backward()  # also warms up

    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        model(**batch, use_cache=False).loss.backward()
        seconds.append(time.perf_counter() - start)
    return n_bytes, min(seconds), loss.item()


# %%
measured = {
    "all activations": measure(checkpointing=False),
    "checkpointing": measure(checkpointing=True),
}
for name, (n_bytes, seconds, loss) in measured.items():
    print(
        f"{name:16} {n_bytes / 1e6:6.1f} MB saved, "
        f"{seconds:.2f} s a step, loss {loss:.4f}"
    )
plain, spared = measured.values()
assert spared[0] < plain[0] / 2
assert abs(spared[2] - plain[2]) < 1e-3

# %% [markdown]
# The forward pass saves 8.9 instead of 97.9 MB. (The peak is higher, since
# the backward pass recomputes one layer at a time.) The loss is the same,
# because nothing is approximated. The price is time: every layer's forward
# pass is computed twice. This model does not need checkpointing. With a
# large model on a small GPU it can decide whether the training runs at all,
# so the preset for a T4 switches it on.
#
# ## The training loop
#
# We have examples, a loss mask and an adapter. Now we need the loop. The
# library has it in one file of plain PyTorch, `unitconv/training/loop.py`.
# We print that file function by function, and then run it.
#
# ### Batches

# %%
import inspect

from IPython.display import Markdown

from unitconv.training import loop


def source(function):
    return Markdown(f"```python\n{inspect.getsource(function)}```")


source(loop.shuffled_batches)

# %% [markdown]
# Each epoch has a new random order, drawn from a seed so that a run can be
# repeated. `collate` pads a batch to its longest example:

# %%
few = sft_examples(train[::8], tokenizer)
batches = list(loop.shuffled_batches(few, 32, llm.pad_token_id, seed=0))
batch = batches[0]
padding = 1 - batch["attention_mask"].float().mean().item()
supervised = int((batch["labels"] != IGNORE_INDEX).sum())
print(f"{len(batches)} batches, the first: {tuple(batch['labels'].shape)}")
print(f"{padding:.0%} padding, {supervised} supervised tokens")
assert sum(len(b["labels"]) for b in batches) == len(few)

# %% [markdown]
# ### The loss

# %%
source(loop.batch_logits)

# %%
source(loop.masked_loss)

# %% [markdown]
# Note the shift by one: the logits at a position predict the *next* token.
# The mean is over all supervised tokens of the batch, so each counts the
# same, however long its example is. Transformers' models compute the same
# loss if they are given labels:

# %%
import math

from unitconv.inference.load.model import load_model

# In float32 on every device: see below.
model, _ = load_model(MODEL, base.device, torch.float32)
with torch.no_grad():
    own = loop.masked_loss(model, batch).item()
    inputs = {name: t.to(base.device) for name, t in batch.items()}
    theirs = model(**inputs).loss.item()
print(f"{own:.4f} and {theirs:.4f} nats per token")
print(f"a probability of {math.exp(-own):.2f} per token, on average")
assert abs(own - theirs) < 1e-4

# %% [markdown]
# The second line is the same number as a probability: the geometric mean
# of the probabilities that the base gives to the target tokens after the
# bare question.
#
# ### The learning rate

# %%
source(loop.lr_scale)

# %%
n_steps, n_warmup = 40, 3
for step in (0, 1, 2, 3, 10, 20, 30, 39):
    scale = loop.lr_scale(step, n_steps, n_warmup)
    print(f"step {step:2}  {scale:4.2f}  {'#' * round(40 * scale)}")
assert loop.lr_scale(n_warmup, n_steps, n_warmup) == 1.0

# %% [markdown]
# The *warm-up* starts low because AdamW's running averages of the gradients
# are not yet reliable. Then the rate falls along half a cosine, so that the
# last steps make small corrections. With a warm-up, the very first step has
# rate 0 and changes no weight.
#
# ### Validation and the loop

# %%
source(loop.validation_loss)

# %%
source(loop.train)

# %% [markdown]
# (`History` only has the two lists of losses.) Once the loss is known,
# five lines do the work. `backward` computes the gradient of the loss for
# every parameter that requires one: the LoRA matrices, because PEFT has
# frozen the rest. *Clipping* scales the gradient down if its norm exceeds
# `max_grad_norm`, which limits the damage of one odd batch. AdamW takes a
# step, the schedule sets the next learning rate, and the gradients are
# cleared, since the next batch would add to them.
#
# Two details are easy to get wrong. `model.train()` switches dropout on and
# `model.eval()`, in `validation_loss`, switches it off; the loop must call
# both in each epoch. (Our recipe has a dropout of 0.) And plain float16
# fails: many gradients are too small for its range and would become zero,
# so the loop refuses it.
#
# We run it on every eighth question:

# %%
from unitconv.training.lora import add_lora

settings = cpu.settings(SFT_DEFAULTS, epochs=4)
valid_examples = sft_examples(valid, tokenizer)
wrapped = add_lora(model, settings)

start = time.perf_counter()
history = loop.train(
    wrapped, few, valid_examples, settings, llm.pad_token_id
)
seconds = time.perf_counter() - start

print(f"{len(history.step_losses)} steps in {seconds:.0f} seconds")
print("first steps:", [round(loss, 2) for loss in history.step_losses[:4]])
print("last steps: ", [round(loss, 2) for loss in history.step_losses[-4:]])
print("valid:      ", [round(loss, 2) for loss in history.valid_losses])
assert history.valid_losses[-1] < 0.6 * history.step_losses[0]

# %% [markdown]
# The loss on `valid` falls from 0.92 after one epoch to 0.61 after four.
# (The losses of single steps also vary with their batches.) Has the model
# learned what we wanted? We ask it the same fifty bare questions that we
# asked the base:

# %%
taught = evaluate(LLM(wrapped.eval(), tokenizer, "raw"), valid[:50])
print(taught.rows[0].question, "->", repr(taught.rows[0].text))
for name, report in [("base", bare), ("after the loop", taught)]:
    print(
        f"{name}: {report.answer_rate.successes} of 50 have an answer tag, "
        f"{report.accuracy.successes} are right"
    )
assert taught.answer_rate.value > 0.9

# %% [markdown]
# This short loop is enough to teach the format, though not to get most
# answers right. A run that takes hours also needs checkpoints, to resume
# after a crash; mixed precision, for speed and for float16; several GPUs;
# and a rule for when to stop. Hugging Face's `Trainer` has all that, and
# the library's commands use it.
#
# ## The full training
#
# On the command line the whole training is
#
# ```bash
# unitconv sft --output my_sft
# ```
#
# and here is the same from Python, with three epochs instead of five and a
# temporary folder. The settings combine the recipe for SFT (AdamW with a
# peak learning rate of 1e-3, batches of 32, rank 16, $\alpha$ twice the
# rank) with the preset for this machine.

# %%
import tempfile

from unitconv.training.config import TrainingRun
from unitconv.training.pipelines import train_sft

settings = base.settings(base.recipes.sft, epochs=3)
with tempfile.TemporaryDirectory() as folder:
    output = Path(folder) / "my_sft"
    result = train_sft(base, train, settings, TrainingRun(output))
    sft = LLM.from_pretrained(MODEL, output)
    left = sorted(p.name for p in output.iterdir())
    logs = [p.name for p in output.rglob("events.out.tfevents.*")]

print(f"{result.n_trainable:,} parameters, {result.n_examples} examples")
print(f"{result.seconds:.0f} seconds for {result.epochs:g} epochs")
print(left)
assert logs

# %% [markdown]
# The adapter is two files: weights and a configuration that names the
# base. `run.json` has the settings, so that `--resume` can refuse to
# continue with others.
#
# A training that was killed continues with the same command and `--resume`,
# from its last checkpoint, which is written after each epoch. A checkpoint
# needs more than the adapter: AdamW's two values for each weight, the step
# of the schedule, and the state of the random numbers. Without them the run
# would continue differently. In the tests a training that is killed and
# resumed ends with the same weights, to the bit.
#
# The folder `checkpoints` also has the log that `tensorboard --logdir
# my_sft` shows during training. These are its curves:

# %% tags=["hide-input"]
figures.training_curves(
    result.losses, result.valid_losses, result.valid_scores
).captioned("Loss in training and on valid, and accuracy, over the epochs.")

# %% [markdown]
# ### Choosing the epoch
#
# After each epoch the trainer does two things with the 400 questions of
# `valid` and `valid_hard`: it measures the loss on their target answers,
# and it *asks* the questions and grades the replies. Rings mark the best
# epoch by each.

# %%
by_loss, _ = min(result.valid_losses, key=lambda point: point[1])
by_score, best = max(result.valid_scores, key=lambda point: point[1])
print(f"lowest loss: epoch {by_loss:g}")
print(f"highest accuracy: epoch {by_score:g}, {best:.3f}")

# %% [markdown]
# The library keeps the epoch with the highest accuracy. Here both rules
# choose epoch 3, the last, so this run is evidence for neither. There are
# two reasons to distrust the loss when they disagree.
#
# First, the loss of a wrong token grows with the model's confidence in it.
# A model that makes fewer mistakes, but with more confidence, can have a
# higher loss and more right answers. Second, the loss is a mean over
# tokens, many of which are no longer hard:

# %%
held_out = collate(valid_examples, llm.pad_token_id)
with torch.inference_mode():
    logits = sft.model(
        input_ids=held_out["input_ids"].to(base.device),
        attention_mask=held_out["attention_mask"].to(base.device),
    ).logits[:, :-1]
labels = held_out["labels"][:, 1:]
losses = torch.nn.functional.cross_entropy(
    logits.float().cpu().transpose(1, 2), labels, reduction="none"
)
numbers = torch.tensor([encode(c)[0] for c in "0123456789."])
is_number = torch.isin(labels, numbers)
is_form = (labels != IGNORE_INDEX) & ~is_number
for name, chosen in [("form", is_form), ("number", is_number)]:
    mean = losses[chosen].mean()
    print(f"{name:7} {int(chosen.sum()):5} tokens, {mean:.4f} nats each")
assert losses[is_form].mean() < losses[is_number].mean() / 2

# %% [markdown]
# The tags and the end are two thirds of the tokens and add almost nothing
# to the loss by now, so they dilute what it says about the numbers.
# Accuracy measures what we want to know: is the whole number right?
#
# The best of several epochs was in part lucky, so its accuracy on `valid`
# is too high. Report the accuracy on questions that had no part in the
# choice.
#
# ## Results
#
# We compare on the first 200 questions of `test` and of `test_hard`. *CoT*
# is the base with its worked example. *Direct* is the base with two
# examples that answer at once, of the precise kind that did better than
# round ones in [chapter 7](07_prompting.ipynb). It does not reason either,
# so it is the closer comparison. *SFT* gets the bare question.

# %%
from unitconv.evaluation.report import compare

asked = load_split("test")[:200] + load_split("test_hard")[:200]
models = {
    "CoT": llm,
    "direct": LLM(llm.model, tokenizer, "direct-precise"),
    "SFT": sft,
}
reports = {name: evaluate(m, asked) for name, m in models.items()}


def read(model):
    """Mean tokens of a prompt."""
    prompts = [model.encode(model.format_prompt(q.text)) for q in asked]
    return sum(map(len, prompts)) / len(prompts)


pd.DataFrame(
    {
        name: {
            "accuracy": report.accuracy.value,
            "low": report.accuracy.ci95[0],
            "high": report.accuracy.ci95[1],
            "answered": report.answer_rate.value,
            "tokens read": read(models[name]),
            "tokens written": report.n_tokens / len(asked),
            "seconds": report.seconds,
        }
        for name, report in reports.items()
    }
).T.round(3)

# %%
n_cot, n_sft = reports["CoT"].n_tokens, reports["SFT"].n_tokens
assert reports["SFT"].answer_rate.value > 0.9
assert n_sft < n_cot / 2
assert read(sft) < read(llm) / 5

# %% [markdown]
# Without an instruction, the trained model answers 98.8 % of the questions
# in the form we want. It reads 14 tokens instead of 131 or 117, and writes
# 13 where CoT writes 53. Is it also right more often? All three answered
# the same questions, so we pair them:

# %%
from unitconv.evaluation.stats import holm

against = {
    other: compare(reports[other], reports["SFT"])
    for other in ("CoT", "direct")
}
adjusted = holm([found.p_value for found in against.values()])
for (other, found), p in zip(against.items(), adjusted, strict=True):
    low, high = found.clustered_ci95
    print(
        f"SFT against {other}: {found.difference:+.3f} "
        f"[{low:+.3f}, {high:+.3f}], p = {p:.1g}: {found.verdict(p)}\n"
        f"    right only with {other}: {found.only_a}, "
        f"only with SFT: {found.only_b}"
    )

# %% [markdown]
# Each line ends with the verdict of a paired test; p is adjusted for two
# tests. The interval allows for questions about the same two units, which
# tend to be right or wrong together ([chapter 11](11_evaluation.ipynb) has
# the reasons). SFT is 5 points better than *direct*, which also answers at
# once, and 28 points worse than *CoT*, which writes out the calculation.
# SFT has to produce the number with a fixed amount of computation for each
# token, whether the product is 2 times 1000 or 7.75 times 453.6.
#
# ### Training settings or training target?
#
# Is the drop due to the settings of the training, or to its target? Three
# trainings are recorded, each measured on all test questions. `sft` is the
# command above. `sft-matched` also learns bare answers, with the settings
# and the number of rows of [chapter 9](09_rft.ipynb). `sft-reasoning` has
# the same settings and learns reasoning that a program wrote: the facts,
# the product, and the answer. A product is *long*, and written in steps, if
# its quantity and its factor both have two digits or more, not counting
# zeros at the end. The table has the share of right answers, for trainings
# the mean over three seeds:

# %%
from statistics import mean

from unitconv.evaluation.leaderboard.stages import read_stages
from unitconv.task.question_parser import PRODUCTS

stages = read_stages()
seeds = stages["seeds"].values()


def accuracies(name, split):
    """All questions of a split, and by product: means over the seeds."""
    prompts = stages["prompts"][split]
    runs = (
        [prompts[name]]
        if name in prompts
        else [run["rates"][split][name] for run in seeds]
    )
    return {split: mean(run["accuracy"] for run in runs)} | {
        f"{split}, {product.removesuffix(' product')}": mean(
            run["by_product"][product]["accuracy"] for run in runs
        )
        for product in PRODUCTS
    }


names = ["cot", "direct-precise", "sft", "sft-matched", "sft-reasoning"]
stage_rates = pd.DataFrame(
    {
        name: accuracies(name, "test") | accuracies(name, "test_hard")
        for name in names
    }
).T
print(f"{len(seeds)} seeds")
stage_rates.round(3)

# %%
lost = stage_rates.loc["cot"] - stage_rates.loc["sft"]
for split in ("test", "test_hard"):
    assert lost[f"{split}, long"] > lost[f"{split}, short"] > 0
    of_split = stage_rates[split]
    assert abs(of_split["sft-matched"] - of_split["sft"]) < 0.06
    assert of_split["sft-reasoning"] > of_split["cot"]

# %% [markdown]
# The settings of the training explain little: `sft-matched` is level with
# `sft` on `test` and 4 points above it on `test_hard`. The target explains
# most of the drop. Trained on reasoning, the model is 12 and 20 points
# above the base with its worked example. Trained on bare answers it is 27
# and 32 points below, most for long products, where the base can use steps.
# These are the paired tests of the record, with a difference and a verdict
# for each seed:

# %%
from unitconv.evaluation.leaderboard.stages import (
    SUMMARY_HEADS,
    stage_comparisons,
    summary_cells,
)

pairs = [
    ("cot", "sft"),
    ("cot", "sft-reasoning"),
    ("sft-matched", "sft-reasoning"),
]
tests = [
    c for c in stage_comparisons(stages) if (c.first, c.second) in pairs
]
for c in tests:
    expected = "worse" if c.second == "sft" else "better"
    assert c.verdict == expected
pd.DataFrame(summary_cells(tests), columns=SUMMARY_HEADS).set_index(
    "questions"
)

# %% [markdown]
# So training on bare answers loses the calculation. To keep it, the model
# needs examples that show it. Here a program could write them, since it
# knows every unit and its factor. For most tasks there is no such program,
# and [the next chapter](09_rft.ipynb) works without one.
#
# One command evaluates your own adapter on the test set:
#
# ```bash
# unitconv evaluate --adapter my_sft
# ```
#
# For SmolLM2 both commands take `--model smollm2`. Its recipe has a
# different learning rate and batch size; [chapter 12](12_smollm2.ipynb)
# shows how they were chosen.
#
# ## How rank and digits were chosen
#
# Each row below is a full training with one setting changed, graded on
# `valid`. The epoch was chosen on `valid` too, so all rates are a little
# too high. They are recorded; `python -m experiments.train_adapters sweep`
# repeats them. We begin with the rank:

# %%
import json

recorded = (
    Path(unitconv.__file__).parent / "evaluation/results" / "sweeps.json"
)
sweeps = json.loads(recorded.read_text())


def table(kind):
    runs = sorted(sweeps[kind].items(), key=lambda item: int(item[0]))
    return pd.DataFrame(
        {
            "MB": [run["adapter_bytes"] / 1e6 for _, run in runs],
            "accuracy": [run["accuracy"] for _, run in runs],
            "low": [run["accuracy_ci95"][0] for _, run in runs],
            "high": [run["accuracy_ci95"][1] for _, run in runs],
            "tokens": [run["tokens_per_answer"] for _, run in runs],
            "n": [run["n"] for _, run in runs],
        },
        index=pd.Index([int(value) for value, _ in runs], name=kind),
    )


ranks = table("rank")
ranks.round(3)

# %% tags=["hide-input"]
figures.rank_sizes(
    list(ranks.index),
    list(ranks["MB"]),
    list(ranks["accuracy"]),
    list(zip(ranks["low"], ranks["high"], strict=True)),
).captioned("Accuracy on valid against the size of the adapter.")

# %% [markdown]
# Each dot is one training with one seed. Is any rank better or worse than
# the default, 16? All answered the same questions, so we use the paired
# test. It counts the questions that a training has *lost* against the
# default and those that it has *gained*; p is adjusted for the number of
# rows:

# %%
from unitconv.evaluation.stats import PairedComparison


def against_default(kind, default):
    pairs = {
        int(value): PairedComparison.from_json(run["against_default"])
        for value, run in sweeps[kind].items()
        if "against_default" in run
    }
    adjusted = holm([pair.p_value for pair in pairs.values()])
    rows = {
        value: {
            "lost": pair.only_a,
            "gained": pair.only_b,
            "Holm p": f"{p:.1g}",
            "verdict": pair.verdict(p),
        }
        for (value, pair), p in zip(pairs.items(), adjusted, strict=True)
    }
    table = pd.DataFrame(rows).T.sort_index()
    return table.rename_axis(f"{kind}, not {default}")


against_default("rank", cpu.settings(SFT_DEFAULTS).rank)

# %% [markdown]
# No rank is shown to differ from 16. That does not make the ranks equal: on
# 200 questions luck alone can make a difference of a few points, and can
# hide one.
#
# The second choice is easy to overlook: how many digits should an answer in
# the training data have? The grader accepts 5 %, so how many are needed?

# %%
from unitconv.grading.answer import is_correct
from unitconv.training.config import SIGNIFICANT_DIGITS
from unitconv.training.examples import write_value

answer = 0.0328084
for digits in (1, 2, 3, 4, 6):
    right = sum(
        is_correct(float(write_value(q.answer, digits)), q.answer)
        for q in train
    )
    if digits == 2:
        assert right > 0.99 * len(train)
    print(
        f"{digits} digits: {write_value(answer, digits):10} "
        f"{right} of {len(train)} answers would be graded right"
    )

# %% [markdown]
# Two are enough: rounding to two digits moves a number by less than 5 %.
# The one miss at three digits is 0.0195 for 0.01953: the grader rounds both
# to three decimals, to 0.019 and 0.020. And how accurate is a model trained
# on each?

# %%
digits = table("digits")
digits.drop(columns="MB").round(3)

# %% [markdown]
# With fewer digits there is less to get wrong, so one might expect short
# answers to score best. Two digits score lowest here, 0.53. These are the
# paired tests against four digits, the default:

# %%
against_default("digits", SIGNIFICANT_DIGITS)

# %% [markdown]
# Again no difference is shown, so accuracy does not decide. More digits
# cost more tokens but say more: 31560000 seconds describes a year better
# than 32000000.
#
# ## Exercises
#
# ```{exercise} Warm-up: the loss by hand
# :label: ex-sft-loss
#
# Write the loss of one example without `cross_entropy`: for each
# supervised token take minus the natural logarithm of the probability that
# the model gave it, and return the mean.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt


def example_loss(logits, labels):
    """From logits [tokens, vocabulary] and labels [tokens]."""
    raise NotImplementedError


def check_example_loss(example_loss):
    for tried in (example, sft_examples(train[:1], tokenizer)[0]):
        ids, labels = (
            torch.tensor([values], device=llm.device)
            for values in (tried.input_ids, tried.labels)
        )
        with torch.inference_mode():
            output = llm.model(input_ids=ids, labels=labels)
        logits, labels = output.logits[0].float().cpu(), labels[0].cpu()
        loss = float(example_loss(logits, labels))
        unshifted = torch.nn.functional.cross_entropy(logits, labels)
        assert abs(loss - unshifted) > 0.01, (
            "a label was compared with the logits of its own position"
        )
        assert abs(loss - output.loss) < 0.01, (
            "the model's own loss for this example is another"
        )


attempt(check_example_loss, example_loss)

# %% [markdown]
# ```{solution-start} ex-sft-loss
# :class: dropdown
# ```


# %%
def example_loss(logits, labels):
    log_probabilities = logits[:-1].log_softmax(dim=-1)
    targets = labels[1:]
    positions = (targets != IGNORE_INDEX).nonzero()[:, 0]
    return -log_probabilities[positions, targets[positions]].mean()


# %% [markdown]
# The model shifts the labels itself. If you shift them in the data as
# well, you train it to predict the token after the next.

# %% tags=["solution", "nbval-check-output"]
attempt(check_example_loss, example_loss)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Why not both zero?
# :label: ex-sft-zero
#
# $B$ starts at zero and $A$ does not. Which of the two changes in the first
# step of training? Predict it for this start and for two others. The check
# computes the gradients.
# ```

# %% tags=["exercise", "nbval-check-output"]
first_step = {  # how A starts, how B starts: what moves?
    ("random", "zero"): "",  # "A", "B", "both" or "neither"
    ("zero", "random"): "",
    ("zero", "zero"): "",
}


def gradients(start_a, start_b):
    """The gradients of A and of B in the first step."""
    shapes = (rank, layer.in_features), (layer.out_features, rank)
    make = {"random": torch.randn, "zero": torch.zeros}
    a, b = (
        make[start](shape).requires_grad_()
        for start, shape in zip((start_a, start_b), shapes, strict=True)
    )
    y = x @ W.T + alpha / rank * (x @ a.T) @ b.T
    y.square().mean().backward()
    return a.grad, b.grad


def check_first_step(first_step):
    assert len(first_step) == 3, "there are three starts"
    names = {(1, 0): "A", (0, 1): "B", (1, 1): "both", (0, 0): "neither"}
    for start, said in first_step.items():
        where = f"A {start[0]}, B {start[1]}"
        assert said, f"{where}: nothing is said"
        moved = tuple(int(grad.any()) for grad in gradients(*start))
        assert said == names[moved], f"{where}: it is not {said!r}"


attempt(check_first_step, first_step)

# %% [markdown]
# ```{solution-start} ex-sft-zero
# :class: dropdown
# ```

# %%
first_step = {
    ("random", "zero"): "B",
    ("zero", "random"): "A",
    ("zero", "zero"): "neither",
}
for start in first_step:
    of_a, of_b = (float(grad.abs().max()) for grad in gradients(*start))
    print(f"A {start[0]:6}  B {start[1]:6}  {of_a:.1e} and {of_b:.1e}")

# %% [markdown]
# The gradient of each matrix has the other as a factor. If one is zero, the
# first step changes that one, and the second can change both. If both are
# zero, neither ever changes. Either could start at zero, as long as the
# other does not.

# %% tags=["solution", "nbval-check-output"]
attempt(check_first_step, first_step)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} The rank that was used
# :label: ex-sft-rank
#
# An update of rank $r$ may have only a few large singular values. Write a
# function that returns how many of them make up nine tenths of the sum of
# their squares. Then apply it to the trained adapter: which layers use the
# most of their rank?
# ```

# %% tags=["exercise", "nbval-check-output"]


def directions(update, share=0.9):
    """The fewest singular values that hold `share` of the squares."""
    raise NotImplementedError


def check_directions(directions):
    noise = torch.Generator().manual_seed(0)
    for values, share, expected in [
        ([4.0, 2.0, 1.0, 0.0], 0.7, 1),
        ([4.0, 2.0, 1.0, 0.0], 0.9, 2),
        ([4.0, 2.0, 1.0, 0.0], 0.99, 3),
        ([1.0, 1.0, 1.0, 1.0], 0.9, 4),
    ]:
        left, right = (
            torch.linalg.qr(torch.randn(4, 4, generator=noise)).Q
            for _ in range(2)
        )
        found = directions(
            left @ torch.diag(torch.tensor(values)) @ right, share
        )
        assert found == expected, (
            f"of the singular values {values}, {found} is not the fewest "
            f"that hold {share} of the squares"
        )


attempt(check_directions, directions)

# %% [markdown]
# ```{solution-start} ex-sft-rank
# :class: dropdown
# ```


# %%
def directions(update, share=0.9):
    squares = torch.linalg.svdvals(update).square()
    held = squares.cumsum(0) / squares.sum()
    return int((held < share).sum()) + 1


used = {}
for name, module in sft.model.named_modules():
    if hasattr(module, "lora_A"):
        a, b = (
            pair["default"].weight.detach().float().cpu()
            for pair in (module.lora_A, module.lora_B)
        )
        place = name.rpartition(".")[2]
        used.setdefault(place, []).append(directions(b @ a))
assert max(map(max, used.values())) <= settings.rank
pd.DataFrame(
    used, index=[f"layer {i}" for i in range(len(used["q_proj"]))]
).T

# %% [markdown]
# The numbers are between 1 and 8, of a rank of 16. They are highest in
# layer 0 and for `k_proj`, while LoRA gives all matrices the same rank. The
# scale $\alpha / r$ can be left out, because it changes every singular
# value alike.

# %% tags=["solution", "nbval-check-output"]
attempt(check_directions, directions)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Two answers in one example
# :label: ex-sft-turns
#
# A dialogue has several questions, each with its answer. Build its
# training example. Its tokens are those of the whole text, followed by the
# end token. The answers and the end are supervised, the questions are not.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.training.examples import TrainingExample

dialogue = [
    (question, " <answer>6000</answer>"),
    (" And per 7 kg?", " <answer>7000</answer>"),
]


def dialogue_example(turns):
    """The `TrainingExample` of a list of (prompt, target)."""
    raise NotImplementedError


def check_dialogue_example(dialogue_example):
    for turns in (dialogue[:1], dialogue):
        made = dialogue_example(turns)
        tokens, labels = made.input_ids, made.labels
        whole = "".join(prompt + target for prompt, target in turns)
        assert tokens == [*encode(whole), end], (
            "its tokens are not those of the whole text and the end"
        )
        pairs = list(zip(tokens, labels, strict=True))
        assert all(
            label in (token, IGNORE_INDEX) for token, label in pairs
        ), "a label is neither its own token nor hidden"
        assert labels[-1] == end, "the end is not learned"
        learned = [label for label in labels[:-1] if label != IGNORE_INDEX]
        targets = "".join(target for _, target in turns)
        assert tokenizer.decode(learned) == targets, (
            "what is learned is not the answers and nothing else"
        )


attempt(check_dialogue_example, dialogue_example)

# %% [markdown]
# ```{solution-start} ex-sft-turns
# :class: dropdown
# ```


# %%
def dialogue_example(turns):
    text, spans = "", []
    for prompt, target in turns:
        start = len(text) + len(prompt)
        text += prompt + target
        spans.append((start, len(text)))
    coded = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True
    )
    tokens, offsets = coded["input_ids"], coded["offset_mapping"]
    labels = [
        token if any(a <= at < b for a, b in spans) else IGNORE_INDEX
        for token, (at, _) in zip(tokens, offsets, strict=True)
    ]
    return TrainingExample([*tokens, end], [*labels, end])


show(dialogue_example(dialogue))

# %% [markdown]
# The text is tokenized once, and the position of its characters decides
# what is learned. Two mistakes are common: learning only the last answer,
# which wastes the others, and learning everything after the first question,
# which teaches the model to write questions too.

# %% tags=["solution", "nbval-check-output"]
attempt(check_dialogue_example, dialogue_example)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: is the reasoning gone?
# :label: ex-sft-forgotten
#
# Give the fine-tuned model the prompt with the worked example. Does it
# still reason when it is shown how? Evaluate it on the first 100 questions
# of `asked`, and count the replies that state a fact or a product.
# ```

# %% tags=["exercise", "nbval-check-output"]
shown = None  # the report
reasoned = None  # how many of its replies state something


def check_shown(shown, reasoned):
    assert shown is not None, "there is no report"
    questions = [graded.question for graded in shown.rows]
    assert questions == [q.text for q in asked[:100]], (
        "the report is not of the first 100 questions of `asked`"
    )
    assert shown.run["prompt"] == "cot", (
        "the model was not shown the worked example"
    )
    base_texts = [graded.text for graded in reports["CoT"].rows[:100]]
    assert [graded.text for graded in shown.rows] != base_texts, (
        "these are the replies of the base"
    )
    stated = [graded.reasoning_ok is not None for graded in shown.rows]
    assert reasoned == sum(stated), (
        "another number of replies state a fact or a product"
    )


attempt(check_shown, shown, reasoned)

# %% [markdown]
# ```{solution-start} ex-sft-forgotten
# :class: dropdown
# ```

# %%
shown = evaluate(LLM(sft.model, tokenizer, "cot"), asked[:100])
reasoned = sum(graded.reasoning_ok is not None for graded in shown.rows)
print(f"{reasoned} of 100 replies state a fact or a product")
for name, rows in [
    ("CoT", reports["CoT"].rows[:100]),
    ("SFT, shown", shown.rows),
]:
    right = sum(graded.correct for graded in rows)
    n_tokens = sum(graded.n_tokens for graded in rows) / len(rows)
    print(f"{name}: {right} right, {n_tokens:.1f} tokens each")
print(shown.rows[0].text)

# %% [markdown]
# The reasoning is cut short: 99 replies still state something, but they are
# about half as long, and 27 are right instead of 77. In the one above a
# fact is followed by the answer, with no product between them. The training
# examples had only immediate answers. The base itself is unchanged: without
# the adapter it reasons as before.

# %% tags=["solution", "nbval-check-output"]
attempt(check_shown, shown, reasoned)

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 2
#
# The padding token is the end token, and all padding is masked by its id.
# What goes wrong?
#
# - The loss becomes zero.
# - The model never learns to stop.
# - The model learns to pad.
#
# The end of every reply has the same id and is masked with it.
# ```
#
# ```{quiz}
# :right: 1
#
# LoRA of rank 16 is added to a matrix of 192 by 192. What is trained?
#
# - Two matrices, 192 by 16 and 16 by 192.
# - 16 rows of the matrix.
# - A copy of the matrix.
#
# Their product is added to the matrix, which stays as it is.
# ```
#
# ```{quiz}
# :right: 3
#
# Why can SFT on bare answers lose to a prompt with a worked example?
#
# - It forgets the units.
# - It overfits the training questions.
# - It has no room to write out the calculation.
#
# Without written steps there are no tokens on which to spread the
# calculation.
# ```
#
# ## Recap
#
# - SFT teaches one continuation. Here it replaces the instruction and the
#   example in the prompt.
# - Prompt and target are tokenized as one text, with the space on the
#   target's side, and labels are masked by position: otherwise the first
#   token or the end is not learned, and there is no error message.
# - LoRA adds $\frac{\alpha}{r} B A$ to a frozen matrix. The addition starts
#   at zero, its size is known beforehand, and it can be merged.
# - Activations need memory too. Checkpointing recomputes them: less
#   memory, more time, the same loss.
# - A training loop is five lines around a masked loss: backward, clip,
#   step, schedule, clear. `Trainer` adds what long runs need.
# - Keep the epoch with the best accuracy on `valid`. The loss punishes
#   confident mistakes and is diluted by easy tokens.
# - Answers without reasoning are shorter and faster, but far fewer of them
#   are right. Trained on reasoning instead, the model does better than the
#   base with its worked example.
#
# **Next:** [the same trainer, with reasoning that the model wrote
# itself](09_rft.ipynb).
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# hu2021
# chen2016
# benallal2025
# ```
