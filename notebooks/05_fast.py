# %% [markdown]
# # Fast decoding: the same tokens, sooner
#
# Rejection sampling, which [chapter 8](08_rft.ipynb) comes to, asks for ten
# replies to each of a thousand questions. Training reads a whole text in
# one pass of the model. A reply is written one token at a time, and every
# token is a pass of its own.
#
# **The question of this chapter:** where does the time of 10,000 rollouts
# go, and how much of it buys a token that somebody wanted?
#
# :::{admonition} What you will learn
# :class: tip
# - how much of a padded batch's work is thrown away, and how to count it;
# - slots: rows that leave when they are done, and others that enter;
# - how a prefix that all prompts share is read once and stored once, and
#   why attention over two places is exact;
# - pages: why a row's keys need not lie together;
# - how ten samples of a question stay one text until they differ;
# - how a token is drawn from a large vocabulary without sorting it;
# - which numbers a processor is slow with;
# - what a roofline says about how much faster it could be.
#
# **Before you start:** [chapter 3](03_sequential.ipynb) for the cache,
# [chapter 4](04_batched.ipynb) for the batch. **Time:** 30 minutes to read,
# without the exercises, and less than a minute to run. **Hardware:** with
# the course model any laptop; 1 GB of memory.
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
# The live cells of this chapter count tokens and passes of the model,
# which do not depend on the machine. What is measured in seconds comes
# from records, and each says where. Here is the first: ten thousand
# rollouts at the speeds of `unitconv bench`, by the decoder of chapter 4
# and by the one this chapter explains.

# %%
import json
from pathlib import Path

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
bench = json.loads((RESULTS / "bench.json").read_text())
run = bench["run"]
print(f"{run['machine']}, {run['threads']} thread, {run['when'][:10]}")

sampled = [s for s in bench["speeds"] if s["workload"] == "rollouts"]
rows = 10 * max(1, run["questions"] // 10)
for speed in sampled:
    a_row = speed["tokens"] / rows
    minutes = 10_000 * a_row / speed["tokens_per_second"] / 60
    print(f"{speed['decoder']:9} {minutes:6.1f} minutes")

# %% [markdown]
# ## The trap: a full batch that is half empty
#
# Chapter 4 ended with a confession: a row that is done waits for the last
# one. How much is that? Four dozen real questions, eight at a time, and a
# hook that sees what the model is really given:

# %%
from contextlib import contextmanager

from unitconv.inference.llm import LLM
from unitconv.inference.reference import Decoding, generate_batched
from unitconv.task.dataset import load_split

MODEL = "course"  # or "HuggingFaceTB/SmolLM2-360M-Instruct"
SLOTS = 8

llm = LLM.from_pretrained(MODEL, device="cpu", dtype="float32")
questions = load_split("valid")[:48]
prompts = [llm.encode(llm.format_prompt(q.text)) for q in questions]


@contextmanager
def watched(model):
    """The shape, rows by tokens, of all the model reads meanwhile."""
    shapes = []
    handle = model.base_model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(kwargs["input_ids"].shape),
        with_kwargs=True,
    )
    try:
        yield shapes
    finally:
        handle.remove()


# %%
batches = [prompts[i : i + SLOTS] for i in range(0, len(prompts), SLOTS)]
with watched(llm.model) as shapes:
    reference = [
        row
        for batch in batches
        for row in generate_batched(
            llm.model, batch, llm.stop, pad_token_id=llm.pad_token_id
        )
    ]
lengths = [len(row[0].token_ids) for row in reference]
decoded = sum(n for n, width in shapes if width == 1)
# A reply's first token falls out of the prompt, its last is never read.
useful = sum(n - 1 for n in lengths)
print(f"replies of {min(lengths)} to {max(lengths)} tokens")
print(f"{decoded} row-steps decoded, {useful} of them useful")
print(f"{1 - useful / decoded:.0%} wasted")
assert useful < decoded

# %% [markdown]
# The batch always *looks* full: eight rows in, eight rows out. No error,
# no warning, and the tokens are right. The waste grows with the spread of
# the lengths: one reply that rambles to its limit keeps its whole batch
# waiting.
#
# ## Slots
#
# So let a finished row leave at once and give its place to a question that
# waits. That is *continuous batching* ([Yu et al.
# 2022](https://www.usenix.org/conference/osdi22/presentation/yu)). A place
# is called
# a *slot*: room in the KV cache for one row. Three things need care.
#
# - **The cache is allocated once** and written in place. Growing it by a
#   column a step, as the library's default cache does, copies all of it
#   each time.
# - **A slot starts at 0.** Rows of all ages share a step, so there is no
#   common column to pad to. Each row has its own length, and a mask hides
#   what lies behind it.
# - **Live rows have no holes between them.** When one leaves, the next
#   question takes its slot. Once nobody waits, the last row moves there,
#   and the model is given the first `n` slots only.
#
# This is the loop:

# %%
import inspect
import textwrap

from IPython.display import Markdown

from unitconv.inference import old_engine as engine
from unitconv.inference.old_engine.batching import Engine

Markdown(f"```python\n{textwrap.dedent(inspect.getsource(Engine.run))}```")

# %% [markdown]
# `admit` reads waiting prompts into free slots, `decode` moves all live
# rows on by a token, `settle` hands the tokens out and frees the slots of
# rows that are done. A pass over one prompt takes a third of the time of a
# pass over ten; so rows come in when a sixteenth of the slots is free, of
# eight slots one. An observer is told of every pass:

# %%
told: list[engine.Pass] = []
done = engine.generate(
    llm.model, prompts, llm.stop, slots=SLOTS, observe=told.append
)
refilled = [p.prompts for p in told if p.kind == "decode"]
assert done == reference
assert sum(map(len, refilled)) == useful
print(f"{len(refilled)} steps, {sum(map(len, refilled))} row-steps")

# %% [markdown]
# The same tokens, and not one row-step too many. Here are both, a bar for
# each row's stay in a slot, hatched where the row is done and waits:

# %% tags=["hide-input"]
from unitconv import figures
from unitconv.figures.engine import WAITS

static = []
for first in range(0, len(lengths), SLOTS):
    batch = lengths[first : first + SLOTS]
    static += [
        [first + i if step < n - 1 else WAITS for i, n in enumerate(batch)]
        for step in range(max(batch) - 1)
    ]
assert sum(map(len, static)) == decoded
figures.slots_over_time({"no refill": static, "refilled": refilled})

# %% [markdown]
# Only at the end, when nobody waits any more, slots stay empty: short bars
# there are rows that moved into a hole. That tail is why a benchmark needs
# several times as many prompts as there are slots.
#
# ## What all prompts begin with
#
# Look at what is read *before* the first token. Every prompt of the course
# opens with the same text, the worked example; only the question at the
# end differs.

# %%
from unitconv.inference.old_engine.rows import shared_prefix

shared = shared_prefix(prompts)
print(llm.tokenizer.decode(prompts[0][:shared]))
print(f"---\n{shared} of {len(prompts[0])} tokens")


# %% [markdown]
# The keys and values of a token depend on the tokens before it and on
# nothing else. So those of the prefix are the same in all rows, and to
# compute them once is enough. To count what that saves we spoil it: one
# prompt that begins otherwise, and nothing is shared any more.


# %%
def prompt_tokens(passes):
    """Tokens the model is given before it decodes, padding included."""
    return sum(
        max(1, len(p.prompts)) * p.width
        for p in passes
        if p.kind != "decode"
    )


stranger = llm.encode("How many cm are in 3 m?")
spoiled: list[engine.Pass] = []
again = engine.generate(
    llm.model,
    [*prompts, stranger],
    llm.stop,
    slots=SLOTS,
    observe=spoiled.append,
)
assert shared_prefix([*prompts, stranger]) == 0
assert again[:-1] == done
saved = 1 - prompt_tokens(told) / prompt_tokens(spoiled)
print(f"{prompt_tokens(told)} tokens against {prompt_tokens(spoiled)}")
print(f"{saved:.0%} of the reading saved; the replies are the same")

# %% [markdown]
# Note how fragile this is: sharing ends at the first token that differs.
# Put what varies, such as a date or a user's name, at the end of a prompt.
#
# ### Stored once, too
#
# One could now copy the prefix into every slot. Then each step reads as
# many copies from memory as there are rows. It takes less to store it once
# and to let all rows attend to the one copy: their queries, put under each
# other, are *one* matrix, and a large product is what processors are good
# at. [Juravsky et al. (2024)](https://arxiv.org/abs/2402.05099) call it
# Hydragen.
#
# But softmax runs over *all* keys of a row: those of the prefix and its
# own. Must they lie together? No: it asks for the *scores*, one number a
# key, where a key has as many numbers as a head is wide. So the keys stay
# where they are, the scores are put side by side and pass through one
# softmax. For one query over five keys, three in the prefix and two of its
# own:

# %%
import torch

torch.manual_seed(0)
query, keys, values = torch.randn(4), torch.randn(5, 4), torch.randn(5, 4)
plain = torch.softmax(keys @ query, dim=0) @ values

scores = torch.cat([keys[:3] @ query, keys[3:] @ query])
there, here = torch.softmax(scores, dim=0).split([3, 2])
together = there @ values[:3] + here @ values[3:]
assert torch.allclose(together, plain, atol=1e-6)
print("plain:   ", [f"{x:.4f}" for x in plain.tolist()])
print("together:", [f"{x:.4f}" for x in together.tolist()])

# %% [markdown]
# `unitconv/inference/old_engine/attention.py` does this for all heads and
# rows.
#
# With a very long prefix even the scores are many. A kernel that never
# stores them finishes each place by itself, and leaves two numbers beside
# the values: the sum of its weights and its largest score.

# %%


def part(keys, values):
    """Weighted values, the sum of the weights, and the largest score."""
    scores = keys @ query
    top = scores.max()
    weights = torch.exp(scores - top)  # at most 1: nothing overflows
    return weights @ values, weights.sum(), top


there, weight_there, top_there = part(keys[:3], values[:3])
here, weight_here, top_here = part(keys[3:], values[3:])

top = torch.maximum(top_there, top_here)
scale_there = torch.exp(top_there - top)
scale_here = torch.exp(top_here - top)
merged = (there * scale_there + here * scale_here) / (
    weight_there * scale_there + weight_here * scale_here
)
assert torch.allclose(merged, plain, atol=1e-6)
print("merged:  ", [f"{x:.4f}" for x in merged.tolist()])

# %% [markdown]
# The two numbers together are the logarithm of a sum of exponentials, and
# so the method's name is *log-sum-exp* merging. It is exact as well, and
# it is the step that lets FlashAttention ([Dao et al.
# 2022](https://arxiv.org/abs/2205.14135)) take the keys
# block by block. We merged like this at first. On a CPU, with a prefix of
# a hundred tokens, one softmax over both takes fewer passes over the same
# few numbers.
#
# ### A question with ten samples
#
# Rollouts share more: all samples of a question share the question. It is
# read once. `num_return_sequences` of `transformers.generate` repeats the
# prompt first and reads it ten times.
#
# And why stop at the question? Two samples that have drawn the same tokens
# so far *are* one text: the same keys, the same values, the same next
# probabilities. So the ten begin in one slot. Each step computes the
# probabilities once, each sample draws from them with its own noise, and
# those that drew a different token part: they move to a slot of their own,
# with a copy of what both have read. Ten samples of each of two dozen
# questions, all at once:

# %%
warm = Decoding(temperature=0.8, seed=1)
told = []
rollouts = engine.generate(
    llm.model, prompts[:24], llm.stop, warm, 10, 240, observe=told.append
)
computed = [len(p.prompts) for p in told if p.kind == "decode"]
ends = [len(c.token_ids) for row in rollouts for c in row]
writing = [sum(n - 1 > step for n in ends) for step in range(len(computed))]
texts = sum(len({tuple(c.token_ids) for c in row}) for row in rollouts)
saved = 1 - sum(computed) / sum(writing)
print(f"{len(ends)} replies, {texts} of them different")
print(
    f"{sum(computed)} tokens computed for {sum(writing)}: {saved:.0%} saved"
)
assert all(n <= m for n, m in zip(computed, writing, strict=True))

# %% tags=["hide-input"]
figures.slots_shared(writing, computed)

# %% [markdown]
# The model is sure of most tokens, so samples stay together for long; at a
# higher temperature, or with a model that is less sure, they part sooner.
# Nothing is approximated: a sample's tokens are those it would have drawn
# in a slot of its own.
#
# ## Each row what it has
#
# What rows do not share, the keys and values of their own tokens, a step
# reads for each of them. How much is that? Rows are of all ages: one has
# just come in, its neighbour is about to end. A tensor is a box, and as
# long as its longest row. Count what the steps need, and what a box would
# read, for some questions of the test split on 64 slots:

# %%
from collections import Counter

asked = [
    llm.encode(llm.format_prompt(q.text)) for q in load_split("test")[:256]
]
wide: list[engine.Pass] = []
engine.generate(llm.model, asked, llm.stop, slots=64, observe=wide.append)


def own_lengths(passes):
    """At each step, how many tokens of its own each row reads."""
    start = shared_prefix(asked)
    own = Counter({i: len(p) - start for i, p in enumerate(asked)})
    for step in passes:
        if step.kind == "decode":
            own.update(step.prompts)
            yield [own[i] for i in step.prompts]


ages = list(own_lengths(wide))
needed = sum(map(sum, ages))
assert needed == sum(p.own for p in wide if p.kind == "decode")
box = sum(max(rows) * len(rows) for rows in ages)
print(f"{needed} tokens needed; in a box {box}, {box / needed:.2f}x")
for size in (64, 16):
    paged = sum(-(-n // size) * size for rows in ages for n in rows)
    print(f"in pieces of {size} tokens {paged}, {paged / needed:.2f}x")

# %% [markdown]
# One row that rambles makes the box long for all. The remedy is what an
# operating system does with memory. It is dealt out in small *pages*; a row
# gets a page when it needs one and gives its pages back when it leaves; a
# table says which page holds what ([Kwon et al.
# 2023](https://arxiv.org/abs/2309.06180), PagedAttention). They
# must be small, as the count shows: the last page of a row is half empty.
#
# Any page will do, so pages in use can stay together:

# %%
from unitconv.inference.old_engine.pages import Pages

pages = Pages(slots=4, a_slot=5, size=16, device="cpu")
pages.cover([0, 1, 2, 3], [20, 35, 10, 50])
pages.release(1)  # its row is done, and the next one shorter
pages.cover([0, 1, 2, 3], [44, 12, 34, 70])
print(pages.table)
figures.pages_of_slots(pages.of, [44, 12, 34, 70], pages.size)

# %% [markdown]
# A slot's pages lie anywhere, and in any order; the table knows. Its zeros
# are pages a slot does not have. In memory there are no holes: what slot 1
# left was taken by others.
#
# Now attention is turned around. A row does not fetch its pages: keys and
# values are large, and to copy them takes as long as to read them. Each
# page fetches the query of *its* row, and hands a few scores back. That is
# the class `InPages` of `unitconv/inference/old_engine/attention.py`, a
# dozen lines.
#
# ## The same tokens, also when drawn
#
# Everything so far changed *when* and *where* a token is computed. Nothing
# may change *which*. For greedy decoding we have seen it. For sampling it
# holds because the noise of a token is a hash of its request, as in
# chapter 4: not the slot, not the neighbours, not the order.

# %%
nucleus = Decoding(temperature=0.8, top_p=0.95, seed=1)
few = prompts[:6]
drawn = generate_batched(
    llm.model, few, llm.stop, nucleus, 3, llm.pad_token_id
)
for slots in (1, 5):
    found = engine.generate(llm.model, few, llm.stop, nucleus, 3, slots)
    assert found == drawn
back = engine.generate(llm.model, few[::-1], llm.stop, nucleus, 3, 5)
assert back[::-1] == drawn
print(sum(len(c.token_ids) for row in drawn for c in row), "tokens, equal")

# %% [markdown]
# That is in float32. In 16 bits a near tie may fall the other way, for the
# reasons of chapter 4, here as in any batch.
#
# ## Drawing a token
#
# After the model comes the draw, for each row from the whole vocabulary.
# `torch.multinomial` makes a random number for *every* entry. One is
# enough: lay the probabilities end to end on a line from 0 to 1 and see
# where it falls. That is the *inverse CDF*.

# %%
from unitconv.inference.sampling import sample, uniform

probabilities = torch.tensor([[0.5, 0.2, 0.2, 0.1]])
ends = probabilities.cumsum(dim=-1)
print("ends: ", [round(x, 2) for x in ends[0].tolist()])
for noise in (0.1, 0.6, 0.95):
    token = int((ends[0] <= noise).sum())  # how many ends it is past
    assert token == sample(
        probabilities.log(), 1.0, 1.0, torch.tensor([noise])
    )
    print(f"noise {noise}: token {token}")

# %% [markdown]
# Top-p seems to need the vocabulary in order, and to sort it takes a CPU
# longer than the model does. But the nucleus is mostly small. How large is
# it, along the replies to our first questions?

# %%
from unitconv.inference.sampling import TOP_K, keep_top_p


def logits_along(prompt, reply):
    """What each token of a reply was chosen from: [tokens, vocabulary]."""
    with torch.inference_mode():
        logits = llm.model(torch.tensor([[*prompt, *reply]])).logits[0]
    return logits[len(prompt) - 1 : -1]


along = torch.cat(
    [
        logits_along(prompt, row[0].token_ids)
        for prompt, row in zip(prompts[:8], reference, strict=False)
    ]
)
for temperature in (0.8, 5.0):
    likely = torch.softmax(along / temperature, dim=-1)
    sizes = (keep_top_p(likely, 0.95) > 0).sum(dim=-1)
    print(
        f"temperature {temperature}: {sizes.min()} to {sizes.max()} of "
        f"{likely.shape[-1]} tokens; more than {TOP_K} in "
        f"{(sizes > TOP_K).float().mean():.0%} of the rows"
    )

# %% [markdown]
# So only the largest few hundred are taken out and ordered. Their sum says
# whether the nucleus ends among them; rows where it does not are sorted
# whole. A shortcut that *checks itself* gives the exact result at any
# temperature, and here is the slow way to compare with:

# %%
order = likely.sort(dim=-1, descending=True, stable=True)
before = order.values.cumsum(dim=-1) - order.values
kept = order.values.masked_fill(before >= 0.95, 0.0)
by_sort = torch.zeros_like(likely).scatter(-1, order.indices, kept)
assert torch.equal(keep_top_p(likely, 0.95), by_sort)

# %% [markdown]
# ## The layers
#
# Transformers' modules serve every model and every use. In each layer they
# ask again for masks, caches and kernels, and the engine has prepared its
# own. So it walks through the layers of chapter 2 by itself:

# %%
from unitconv.inference.old_engine.backbone import Backbone

walk = inspect.getsource(Backbone.__call__)
Markdown(f"```python\n{textwrap.dedent(walk)}```")

# %% [markdown]
# Norms, rotation and attention are the engine's. Each matrix is the
# model's own, and where an adapter sits in one its module is called, so
# nothing need be merged. (How tokens are laid out, and filled up to a round
# number, matters to processors that multiply tiles: see further down.)
#
# One more thing needs no computing. Of a question's tokens only the last
# one is asked what comes next. The others are read for the keys and values
# they leave in each layer, and those of the last layer come before its
# attention: from there on, only the rows' ends go on.
#
# ## Numbers too small to matter
#
# A softmax never gives 0. A score that lies 90 below the largest has a
# weight of $e^{-90}$. That is less than the smallest *normal* number of
# float32, and is kept with fewer digits, as a *subnormal* one (Goldberg
# 1991). Is a small model ever so sure of where to look?

# %%
from unittest.mock import patch

tiny = torch.finfo(torch.float32).tiny
counts = []


def count(weights):
    below = (weights > 0) & (weights < tiny)
    counts.append((int(below.sum()), weights.numel()))


with patch.object(engine.attention, "without_subnormals", count):
    untouched = engine.generate(llm.model, prompts, llm.stop)
below, every = (sum(numbers) for numbers in zip(*counts, strict=True))
print(f"smallest normal number: {tiny:.1e}")
print(f"{below / every:.1%} of {every} attention weights lie below it")
assert untouched == reference

# %% [markdown]
# To a sum such a weight adds nothing: with zeros in their place every token
# is the same, as the last line has checked. But most processors multiply
# subnormal numbers in a slow way of their own, many times slower than
# others. So the engine puts the zeros there (`without_subnormals` in
# `unitconv/inference/old_engine/attention.py`), one pass over the weights
# before they meet the values. It is the last rung of the ladder below.
#
# A profile does not find this. It shows a product that takes long, as
# products do; you have to time the same product on other numbers. Neither
# Transformers nor CTranslate2 lost anything in this way: we told the
# processor to take all such numbers for zeros, and they were no faster by
# more than two runs of the same differ.
#
# ## The ladder
#
# What is each idea worth? `python -m experiments.engine_ablation` begins
# with `transformers.generate` on left-padded batches and adds one idea at a
# time. Each rung is the engine of this chapter with an idea taken away, and
# a rung that gives other tokens is refused. From the second on, prompts are
# sorted by length, as in chapter 4. The rungs take turns, and a gain is the
# median of the ratios within a turn.

# %%
import pandas as pd

ladder = json.loads((RESULTS / "ladder.json").read_text())
run = ladder["run"]
print(f"{run['questions']} questions, {run['slots']} slots, {run['dtype']}")
steps = pd.DataFrame(ladder["steps"]).set_index("name")
total = steps.cpu_seconds.iloc[0] / steps.cpu_seconds.iloc[-1]
print(f"all together {total:.2f} times as fast, in CPU time")
steps[["cpu_seconds", "wall_seconds", "gain"]].round(2)

# %% tags=["hide-input"]
figures.ladder_bars(
    [step["name"] for step in ladder["steps"]],
    [step["cpu_seconds"] for step in ladder["steps"]],
    [step["gain"] for step in ladder["steps"]],
)

# %%
gains = {s["name"]: s["gain"] for s in ladder["steps"] if s["gain"]}
best = max(gains, key=gains.get)
idle = [name for name, gain in gains.items() if gain < 1.05]
print(f"the largest gain: {best}, {gains[best]:.2f}x")
print("less than 5 %:", ", ".join(idle) or "none")
warm_run = ladder["rollouts"]
print("---")
print(f"{warm_run['questions']} questions, {warm_run['samples']} samples")
print(f"each, {warm_run['slots']} slots:", end=" ")
apart, joint = warm_run["steps"]
print(f"{joint['name']}, {joint['gain']:.2f}x")

# %% [markdown]
# Two things to keep in mind when you read a ladder. The gains multiply,
# and their order matters: an idea that comes late finds less time to save.
# And they belong to a workload. Refilling gains with the spread of the
# lengths, sharing with the length of the prefix; on prompts that share
# nothing those two rungs are worth nothing. The last line above is of
# rollouts: that samples share a slot until they part.
#
# Pages gain where rows differ in length and where there are many: the
# keys and values of few rows stay in a processor's cache, and what is read
# for nothing costs little. To fetch and to hand back has its price too.
#
# ## How fast could it be?
#
# A pass of the model has to do some arithmetic, and it has to read some
# bytes: the weights, and the keys and values that its tokens attend to. It
# can be no faster than the slower of the two allows:
#
# $$
# \text{seconds} \ge \max\left(
# \frac{\text{operations}}{\text{operations per second}},
# \frac{\text{bytes}}{\text{bytes per second}}\right)
# $$
#
# That is the *roofline* ([Williams et al.
# 2009](https://doi.org/10.1145/1498765.1498785)). Which side of it counts
# is
# decided by the operations done with each byte, the *intensity*. With one
# row each weight is read for one product and one sum; with 64 rows it is
# read once for 64 of each.

# %%
from unitconv.profiling.roofline import work

ceiling = bench["ceiling"]
ridge = ceiling["gflops"] / ceiling["gbytes_per_second"]
print(f"the recorded machine: {ceiling['gflops']:.0f} GFLOP/s,", end=" ")
print(f"{ceiling['gbytes_per_second']:.0f} GB/s: {ridge:.1f} to a byte")
own = len(prompts[0]) - shared + max(lengths) // 2
for n in (1, 4, 16, 64, 256):
    one = work(
        llm.model, engine.Pass("decode", [0] * n, 1, n * own), shared
    )
    limit = "memory" if one.flops / one.bytes < ridge else "arithmetic"
    print(
        f"{n:3} rows: {one.flops / one.bytes:5.1f} operations a byte,",
        end=" ",
    )
    print(f"limited by {limit}")

# %% [markdown]
# This is why batching works at all. Where memory is the limit, a second
# row costs next to nothing: its weights are already on their way.
#
# `unitconv bench` measures both ceilings, a large matrix product and a
# pass over memory, and then the decoders. The dashed line is the speed at
# which the engine's own passes would run on this machine if it wasted
# nothing:

# %%
speeds = pd.DataFrame(bench["speeds"])
evaluation = speeds[speeds.workload == "evaluation"]
table = evaluation.pivot(
    index="slots", columns="decoder", values="tokens_per_second"
)
ours = evaluation[evaluation.decoder == "engine"].set_index("slots")
table["roofline"] = table["engine"] / ours["roofline"]
table["share"] = ours["roofline"]
table.round(2)

# %% tags=["hide-input"]
figures.roofline(
    [int(n) for n in table.index],
    {
        name: table[name].tolist()
        for name in ("engine", "reference")
        if name in table
    },
    table["roofline"].tolist(),
)

# %%
first, last = table.iloc[0], table.iloc[-1]
print(f"{last['engine'] / first['engine']:.1f} times as fast", end=" ")
print(f"at {table.index[-1]} slots as at {table.index[0]}")
print(f"of the roofline: {first['share']:.0%}, then {last['share']:.0%}")

# %% [markdown]
# Part of what lies between the engine and the dashed line is Python, which
# calls a few hundred functions a pass, each for a tensor so small that the
# call costs as much as the work. Another part is products too small to run
# at the speed of the large one that was measured. A larger model has less
# of both. And a model as small as ours fits in a processor's cache, which
# is faster than the memory: for it the roof of few slots is a low one.
#
# On a GPU the calls would dominate everything, so there a step is recorded
# once as a CUDA graph and then replayed
# (`unitconv/inference/old_engine/graphs.py`), and the host looks at the
# tokens only every few steps; samples have slots of their own, since it is
# the host who would part them. That part awaits a GPU: none of the numbers
# here is from one.
#
# ## Against the tools people use
#
# `benchmarks/` in the repository runs the same requests through other
# decoders, two processes in turns. A reply's length is fixed beforehand,
# so that all do the same work, and each decodes with the number of slots
# that suits it best. The ratio is theirs to our seconds, the median over
# the turns with the least and the largest: above 1 the engine is faster.
# In the evaluation all peers got 64 slots, which had suited those best that
# were tried with others as well. `hf_continuous`, whose runs are long, had
# two turns.


# %%
def contests(name):
    """What a record holds, in the order of `benchmarks/`."""
    record = json.loads((RESULTS / name).read_text())
    rows = record["rows"]
    print(f"{record['machine']}, {record['when'][:10]}")
    print(f"our slots, where there is more than one: {record['slots']}")
    for peer, dtype in {row["peer"]: row["dtype"] for row in rows}.items():
        print(f"{peer:10} {dtype}")
    return rows


def ratio(row):
    once = len(row["wall"]["ours"]) == 1
    form = "{median:.2f}" if once else "{median:.2f} ({low:.2f}-{high:.2f})"
    return form.format(**row["wall_ratio"])


def as_table(rows):
    return pd.DataFrame(
        {
            "workload": row["job"],
            "against": row["peer"],
            "their slots": row["slots"]["peer"],
            "ratio": ratio(row),
        }
        for row in rows
    ).set_index("workload")


duels = contests("peers.json")
as_table(duels)

# %% [markdown]
# ### A larger model
#
# SmolLM2-135M has 30 layers instead of 6, and 49152 tokens instead of 768.
# Here is the same contest in its shape, with random weights, in bf16, for
# which this processor has instructions that multiply whole tiles of numbers
# (AMX). A turn takes minutes, so there are few of them, and one alone where
# no range is given. Transformers got 128 slots: on a quarter of the
# questions of the evaluation it was faster with them than with 64, and not
# clearly faster with 256. Of 16, 32 and 64 slots llama.cpp was fastest with
# 32, on fewer questions; CTranslate2 had 64, and nothing else was tried.
# While Transformers had its turns of evaluation and rollouts the machine
# was idle otherwise; in the other contests something ran on its other core,
# and the engine lacked some of what is told below.

# %%
larger = contests("peers-smollm2.json")
as_table(larger)

# %% [markdown]
# Of a larger model one expects products, and little else. But with such
# instructions the products were fast enough for much of the time to go
# elsewhere, and a profile found it where nobody had looked:
#
# - *The place of a maximum.* `argmax` looks at number by number, and each
#   row has 49152 logits. `greedy` in `sampling.py` asks for the
#   maximum of each block of 256, which a processor finds many numbers at a
#   time, and then for the place in one block only. To draw a token is the
#   same: running sums are made one by one, sums of blocks are not. So the
#   blocks of few rows at a time are weighed, while their logits are in the
#   cache, and then one block of each row is looked at again, all together:
#   a call has a price of its own, however few its rows.
# - *What no cache holds.* The logits of 250 rows take 24 MB. They are
#   compared a piece of the vocabulary at a time (`head.py`)
#   while the last product's result is still at hand.
# - *Copies before a softmax.* Scores were put side by side, widened to
#   float32 and masked, in three passes over all of them. Now each is
#   written once, to its place, and widened and masked on the way.
# - *Where a weight begins.* A file of weights is mapped to memory as it is.
#   Behind a header of any length a matrix may begin anywhere in a line of
#   the cache, and then each row that is read touches a line more.
#   `load_model` copies such weights once; every decoder gains by it.
#
# And the products themselves can be written in two ways. A processor that
# multiplies tiles first puts the second matrix of a product into the order
# of tiles, each time. In tokens times weights that is the large one:

# %%
from unitconv.inference.old_engine.products import in_tiles

Markdown(f"```python\n{inspect.getsource(in_tiles)}```")

# %% [markdown]
# With the weights first, it is the tokens that are put in order, and what a
# token becomes lies in a column of the result. To what follows in a layer
# that is all one; only queries, keys and values have to lie in rows. A
# token alone is not worth any order, and is multiplied as a vector. Both
# ways give the same numbers, but for the last digit that bf16 rounds off:

# %%
torch.manual_seed(0)
tokens, weight = torch.randn(33, 192), torch.randn(512, 192)
halves = tokens.bfloat16(), weight.bfloat16(), None
by_rows, by_columns = (in_tiles(*halves, way) for way in (False, True))
print("a token's numbers lie", by_rows.stride(1), "apart in rows and")
print(by_columns.stride(1), "apart in columns, filled up to whole tiles")
torch.testing.assert_close(by_rows, by_columns, rtol=2**-7, atol=2**-7)

# %% [markdown]
# ### What this code does not win
#
# One sequence shares with nobody: no slots to refill, no prefix to attend
# to together, each weight read for one token. All that is left to win is
# how little is done between two products:

# %%
alone = speeds[speeds.workload == "one sequence"].set_index("decoder")
for name, speed in alone.tokens_per_second.items():
    print(f"{name:10} {speed:.0f} tokens a second, one sequence")

# %% [markdown]
# There a program like llama.cpp, which never returns to Python, has the
# advantage:

# %%
lone = [row for row in duels if row["job"] == "one sequence"]
for row in lone:
    low, high = row["wall_ratio"]["low"], row["wall_ratio"]["high"]
    verdict = "wins" if low > 1 else "loses" if high < 1 else "ties"
    print(f"one sequence: the engine {verdict} against {row['peer']}")
if not lone:
    print("one sequence: no peer in the record")

# %% [markdown]
# If you serve one person at one machine, use such a program. If you ask a
# thousand questions of a model that you have just trained, with an adapter
# still in it, the batch is where the time goes.
#
# ## Exercises
#
# ```{exercise} Warm-up: one that rambles
# :label: ex-rambles
#
# Without refill, 64 rows decode together. All replies have 40 tokens but
# one, which runs to its limit of 96. What share of the row-steps is
# wasted? And if all have 40? Count as above: a reply's first token falls
# out of the prompt, so $n$ tokens are $n - 1$ steps.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt


def wasted(lengths):
    """Share of the row-steps in which a row of one batch only waits."""
    raise NotImplementedError


def check_rambles(wasted):
    for lengths, share in [([40] * 64, 0), ([2, 3], 1 / 4), ([5], 0)]:
        assert abs(wasted(lengths) - share) < 1e-9, (
            f"replies of {sorted(set(lengths))} tokens, "
            f"{len(lengths)} in a batch: another share"
        )
    assert wasted([40] * 63 + [96]) > wasted([40] * 63 + [95]), (
        "a longer straggler should waste more"
    )


attempt(check_rambles, wasted)


# %% [markdown]
# ```{solution-start} ex-rambles
# :class: dropdown
# ```


# %%
def wasted(lengths):
    steps = [n - 1 for n in lengths]
    return 1 - sum(steps) / (len(steps) * max(steps))


print(f"{wasted([40] * 63 + [96]):.0%}, and {wasted([40] * 64):.0%}")
assert wasted([40] * 63 + [96]) > 0.5

# %% tags=["solution", "nbval-check-output"]
attempt(check_rambles, wasted)


# %% [markdown]
# One row in 64 wastes more than half. Base models ramble often.
#
# ```{solution-end}
# ```
#
# ```{exercise} Three places
# :label: ex-three-places
#
# A system prompt that all rows share, a question that ten rows share, and
# a row's own tokens: that is attention over three places. Write a function
# that merges two parts, as `part` returns them, into one part of the same
# form, so that a third can follow. Does it matter which two come first?
# ```


# %% tags=["exercise", "nbval-check-output"]
def merge_parts(a, b):
    """Two parts as one: weighted values, sum of weights, top score."""
    raise NotImplementedError


def check_three_places(merge_parts):
    for scale in (1, 100):  # with 100, exp(score) alone would overflow
        whole = torch.softmax(scale * keys @ query, dim=0) @ values
        cuts = (slice(2), slice(2, 3), slice(3, 5))
        first, second, third = (
            part(scale * keys[s], values[s]) for s in cuts
        )
        for a, b, c in [(first, second, third), (third, second, first)]:
            both = merge_parts(a, b)
            assert len(both) == 3, "a part is three things"
            mixed, weight, _ = merge_parts(both, c)
            assert torch.allclose(mixed / weight, whole, atol=1e-5), (
                "divided by its weight, the last merge is not the "
                "attention over all keys"
            )


attempt(check_three_places, merge_parts)


# %% [markdown]
# ```{solution-start} ex-three-places
# :class: dropdown
# ```


# %%
def merge_parts(a, b):
    top = torch.maximum(a[2], b[2])
    scale_a, scale_b = torch.exp(a[2] - top), torch.exp(b[2] - top)
    return (
        a[0] * scale_a + b[0] * scale_b,
        a[1] * scale_a + b[1] * scale_b,
        top,
    )


# %% tags=["solution", "nbval-check-output"]
attempt(check_three_places, merge_parts)

# %% [markdown]
# It does not: sums do not ask for their order, but for rounding. What may
# not be left out is the top score. A part that forgets it cannot be put on
# one scale with a third.
#
# ```{solution-end}
# ```
#
# ```{exercise} Ten samples
# :label: ex-ten-samples
#
# You draw ten replies to each of the six questions in `few` with five
# slots. How many tokens of prompts are read? Say it, as a number or as an
# expression; the check lets an observer count.
# ```

# %% tags=["exercise", "nbval-check-output"]
predicted_tokens = 0  # tokens of prompts, for all sixty replies


def check_ten_samples(predicted_tokens):
    seen: list[engine.Pass] = []
    brief = Decoding(max_new_tokens=4, temperature=0.8)
    engine.generate(
        llm.model, few, llm.stop, brief, 10, slots=5, observe=seen.append
    )
    counted = sum(p.width for p in seen if p.kind == "prefix")
    counted += sum(p.own for p in seen if p.kind == "prefill")
    assert predicted_tokens != 10 * sum(map(len, few)), (
        "so many if each reply read its whole prompt"
    )
    assert predicted_tokens != sum(map(len, few)), (
        "so many if each question read the prefix again"
    )
    assert predicted_tokens == counted, (
        "another number: what do all share, and what ten"
    )


attempt(check_ten_samples, predicted_tokens)

# %% [markdown]
# ```{solution-start} ex-ten-samples
# :class: dropdown
# ```

# %%
predicted_tokens = shared_prefix(few)
predicted_tokens += sum(len(p) - shared_prefix(few) for p in few)
print(f"{predicted_tokens} tokens, against {10 * sum(map(len, few))}")

# %% tags=["solution", "nbval-check-output"]
attempt(check_ten_samples, predicted_tokens)

# %% [markdown]
# The prefix once and each question once, although its ten samples find no
# more than five slots: a question whose samples still wait is kept in a
# slot of its own.
#
# ```{solution-end}
# ```
#
# ```{exercise} More slots in the same memory
# :label: ex-slot-memory
#
# A cache may take 100 MB. How many rows fit, if each holds the longest of
# our prompts and 96 new tokens? How many, if the shared prefix is stored
# once? Work it out by hand from the model's configuration, or with
# `plan_cache`.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.inference.old_engine.cache import (
    PAGE,
    CachePlan,
    bytes_per_token,
    plan_cache,
)

longest = max(map(len, prompts))
fit = {"whole": 0, "shared": 0}  # rows in 100 MB, in either way


def check_slot_memory(fit):
    a_token = bytes_per_token(llm.model.config, torch.float32)
    for way, prefix in [("whole", 0), ("shared", shared)]:
        room = longest - prefix + 96
        plan = CachePlan(fit[way], room, prefix, a_token, PAGE["cpu"])
        assert plan.bytes > 80 * 10**6, f"{way}: more rows would fit"
        # Pages round up a little, which a count by hand need not know.
        assert plan.bytes < 120 * 10**6, f"{way}: so many do not fit"


attempt(check_slot_memory, fit)

# %% [markdown]
# ```{solution-start} ex-slot-memory
# :class: dropdown
# ```

# %%
for way, prefix in [("whole", 0), ("shared", shared)]:
    plan = plan_cache(
        llm.model.config,
        torch.float32,
        slots=10_000,
        room=longest - prefix + 96,
        prefix=prefix,
        budget=100 * 10**6,
    )
    fit[way] = plan.slots
    print(plan)
assert fit["shared"] > 1.5 * fit["whole"]

# %% tags=["solution", "nbval-check-output"]
attempt(check_slot_memory, fit)


# %% [markdown]
# For a large model memory decides how many rows fit, and so the speed.
# The engine promises each slot the pages of the longest row, so that none
# runs out halfway. vLLM (Kwon et al. 2023) promises less and lets more rows
# in; when pages run out, a row waits. It shares pages between rows as well.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: who goes first?
# :label: ex-who-first
#
# At the end slots stay empty because nobody waits. Suppose you *knew* the
# length of each reply. Simulate the slots, then compare 256 replies on 64
# of them: short ones first, long ones first, in random order. How many
# steps does each take, and what is the least possible? Why does the engine
# not do the best of them?
# ```


# %% tags=["exercise", "nbval-check-output"]
def steps_taken(lengths, slots):
    """Until the last row is done; a free slot takes the next row."""
    raise NotImplementedError


def check_who_first(steps_taken):
    for lengths, slots, steps in [
        ([3, 1, 2], 2, 3),
        ([1, 1, 4], 2, 5),
        ([4, 1, 1], 2, 4),
        ([2, 3, 4], 1, 9),
        ([5, 1], 3, 5),
    ]:
        assert steps_taken(list(lengths), slots) == steps, (
            f"{lengths} on {slots} slots are done after {steps} steps"
        )


attempt(check_who_first, steps_taken)

# %% [markdown]
# ```{solution-start} ex-who-first
# :class: dropdown
# ```

# %%
import heapq
import random


def steps_taken(lengths, slots):
    free_at = [0] * slots
    for n in lengths:
        heapq.heapreplace(free_at, free_at[0] + n)
    return max(free_at)


rng = random.Random(0)
replies = [10 + int(rng.expovariate(1 / 30)) for _ in range(256)]
least = max(-(-sum(replies) // 64), max(replies))
taken = {
    "short first": steps_taken(sorted(replies), 64),
    "random": steps_taken(replies, 64),
    "long first": steps_taken(sorted(replies, reverse=True), 64),
}
print(taken, "least:", least)
assert least <= taken["long first"] < taken["short first"]

# %% tags=["solution", "nbval-check-output"]
attempt(check_who_first, steps_taken)

# %% [markdown]
# Long ones first leave only short ones for the end. But a reply's length
# is known when it is over. What is known is the length of the *prompt*,
# and by that the engine sorts, so that prompts read together are of one
# length.
#
# ```{solution-end}
# ```
#
# ## Recap
#
# - In a batch without refill, rows that are done go on costing what a live
#   row costs. Count row-steps before you trust a full batch.
# - Slots that are refilled make every row-step useful, but for the tail.
# - What prompts share is read once and stored once. Attention over two
#   places is exact, by one softmax or merged by log-sum-exp.
# - In pages, a step reads what rows have, not what the longest has.
# - Samples of a question are one text until they draw different tokens.
# - One uniform number draws a token; a shortcut for top-p checks itself.
# - How long a product takes may depend on the numbers in it.
# - None of it may change a token, and a test that compares all of them
#   with the simple decoder is what makes such code safe to write.
# - The roofline says what is left. Gains belong to a workload: alone, a
#   sequence profits from none of them.
#
# **Next:** [what to say to the model](06_prompting.ipynb): prompts, and
# what a worked example in them is worth.
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# yu2022
# juravsky2024
# dao2022
# kwon2023
# holtzman2020
# goldberg1991
# williams2009
# ```
