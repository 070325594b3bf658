# %% [markdown]
# # Inside the engine
#
# [Chapter 6](06_fast.ipynb) decodes in slots that are refilled and lets
# prompts share a prefix. This appendix shows the parts of the engine that
# the chapter leaves out. You can skip it: no chapter needs it.
#
# **The question of this chapter:** how can rows of different lengths, which
# begin with the same tokens, share one cache, and which of the engine's
# ideas was worth its code?
#
# :::{admonition} What you will learn
# :class: tip
# - how a cache of slots stores a token for each row;
# - why attention over two parts of the keys is exact;
# - what a paged KV cache is for;
# - how to read an ablation without fooling yourself.
#
# **Before you start:** [chapter 6](06_fast.ipynb). **Time:** 15 minutes to
# read, without the exercises, and half a minute to run. **Hardware:** with
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
# ## A cache of slots
#
# The cache of chapter 5 grew by one column in each step, and all of it was
# copied each time. The engine's cache is allocated once. Each slot is
# filled from its first column on and has its own length. This is how the
# key and the value of a new token are stored in one layer:

# %%
import inspect
import textwrap

from IPython.display import Markdown

from unitconv.inference.kv_cache import SlotCache


def show(function):
    source = textwrap.dedent(inspect.getsource(function))
    return Markdown(f"```python\n{source}```")


show(SlotCache.append)

# %% [markdown]
# The new token of each row is written in place, and a decoding step gets a
# view of the slots in use. This works because the slots in use always come
# first: when a row leaves, the last row moves to its slot at once, and new
# rows are added at the end. `slots` are the slots of this pass, `rows`
# and `positions` the row and the column of each new token, and `length` the
# longest row so far.
#
# The engine passes the new tokens and their positions to the model. The
# model's own layers do the work (norms, projections, any LoRA adapter); the
# engine registers only its attention function with Transformers. So a model
# needs no code of its own here, if its attention is plain and causal.
# Prompts that are read together are padded on the right. After chapter 5
# this looks wrong, but here it is safe: the positions are given, and
# `logits_to_keep` picks the last real token of each row.

# %%
from unitconv.inference.engine import Engine, EngineOptions, ForwardPass

show(Engine._forward)

# %% [markdown]
# Requests are admitted by groups, the samples of one question. Prompts are
# read in passes of bounded size. If a question has more samples than there
# are slots, the rest come later. The first slot still holds the question
# then, so it is not read again:

# %%
show(Engine._admit)

# %% [markdown]
# ## Attention over two parts
#
# The prompts of a run begin with the same tokens, and the engine stores
# their keys and values once ([Juravsky et al.
# 2024](https://arxiv.org/abs/2402.05099)). With a copy in every slot, each
# step would read one copy for each row from memory. With one copy, the
# queries of all rows, stacked, form *one* matrix, and processors are good
# at large matrix products.
#
# The softmax of a row runs over *all* its keys, those of the prefix and its
# own, but they need not be stored together. The softmax needs only the
# *scores*, one number for each key. So the keys stay where they are, and
# one softmax runs over the concatenated scores. Here is one query over five
# keys, three in the prefix and two of its own:

# %%
import torch

torch.manual_seed(0)
query, keys, values = torch.randn(4), torch.randn(5, 4), torch.randn(5, 4)
plain = torch.softmax(keys @ query, dim=0) @ values

scores = torch.cat([keys[:3] @ query, keys[3:] @ query])
prefix_weights, own_weights = torch.softmax(scores, dim=0).split([3, 2])
together = prefix_weights @ values[:3] + own_weights @ values[3:]
assert torch.allclose(together, plain, atol=1e-6)
print("plain:   ", [f"{x:.4f}" for x in plain.tolist()])
print("together:", [f"{x:.4f}" for x in together.tolist()])

# %% [markdown]
# The engine's attention does this for all rows and heads at once. Most of
# its code is reshaping; the two products of queries and keys, the softmax
# and the two products of weights and values are those above.

# %%
from unitconv.inference.attention import attend

show(attend)

# %% [markdown]
# With a very long prefix, even the scores take much memory. Then each part
# can be computed by itself, if it also returns the sum of its weights and
# its largest score.

# %%


def part(keys, values):
    """Weighted values, the sum of the weights, and the largest score."""
    scores = keys @ query
    top = scores.max()
    weights = torch.exp(scores - top)  # at most 1: nothing overflows
    return weights @ values, weights.sum(), top


mixed_prefix, weight_prefix, top_prefix = part(keys[:3], values[:3])
mixed_own, weight_own, top_own = part(keys[3:], values[3:])

top = torch.maximum(top_prefix, top_own)
scale_prefix = torch.exp(top_prefix - top)
scale_own = torch.exp(top_own - top)
merged = (mixed_prefix * scale_prefix + mixed_own * scale_own) / (
    weight_prefix * scale_prefix + weight_own * scale_own
)
assert torch.allclose(merged, plain, atol=1e-6)
print("merged:  ", [f"{x:.4f}" for x in merged.tolist()])

# %% [markdown]
# This is *log-sum-exp* merging: `top + log(weight)` is the logarithm of the
# sum of the exponentials of a part's scores. It is exact too, and it lets
# FlashAttention ([Dao et al. 2022](https://arxiv.org/abs/2205.14135))
# process the keys in blocks. Our prefix is short, so the engine uses one
# softmax, which is simpler.
#
# ## Paged KV cache
#
# The keys and values of a row's own tokens are not shared. Rows differ in
# length, but a tensor is a box, as wide as its longest row. A box costs
# twice. In memory, every slot has room for the longest row, whether its row
# needs it or not. And in time, every step reads the whole box. We count the
# tokens that the steps need, and those that a box makes them read, for 256
# questions of the test split in 64 slots. (`-(-n // size)` is `n / size`,
# rounded up.)

# %%
from collections import Counter

from unitconv.inference.engine import shared_prefix_length
from unitconv.inference.generate import generate
from unitconv.inference.llm import LLM
from unitconv.task.dataset import load_split

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL, device="cpu", dtype="float32")
many = [
    llm.encode(llm.format_prompt(q.text)) for q in load_split("test")[:256]
]
passes: list[ForwardPass] = []
options = EngineOptions(slots=64, observe=passes.append)
generate(llm.model, many, llm.stop, options=options)

start = shared_prefix_length(many)
own = Counter({i: len(prompt) - start for i, prompt in enumerate(many)})
needed, box = 0, 0
paged = {64: 0, 16: 0}
for step in passes:
    if step.kind == "decode":
        own.update(step.prompts)  # each of these rows reads one token more
        rows = [own[i] for i in step.prompts]
        needed += sum(rows)
        box += max(rows) * len(rows)
        for size in paged:
            paged[size] += sum(-(-n // size) * size for n in rows)
assert needed == sum(p.own_tokens for p in passes if p.kind == "decode")
print(f"{needed} tokens needed; a box reads {box / needed:.2f} times that")
for size, read in paged.items():
    print(f"pieces of {size} tokens: {read / needed:.2f} times")

# %% [markdown]
# One long row widens the box for all. The remedy comes from operating
# systems: give out memory in small *pages*. A row gets a page when it needs
# one and gives its pages back when it leaves, and a table says which page
# holds what (PagedAttention, [Kwon et al.
# 2023](https://arxiv.org/abs/2309.06180)). Pages must be small, because on
# average the last page of a row is half empty: with pages of 64 tokens a
# step still reads 1.68 times what it needs. The bookkeeping is a list of
# free pages and the table:

# %%
from unitconv import figures

SIZE = 16
free = list(range(1, 20))  # the numbers of the free pages
table: list[list[int]] = [[], [], [], []]  # of each slot, its pages


def cover(lengths):
    """Give each slot as many pages as its tokens need."""
    for pages, length in zip(table, lengths, strict=True):
        while len(pages) * SIZE < length:
            pages.append(free.pop(0))


cover([20, 35, 10, 50])
free = table[1] + free  # row 1 is done: its pages are free again,
table[1] = []  # and a new row comes into its slot
cover([44, 12, 34, 70])
figures.page_table(table, [44, 12, 34, 70], SIZE).captioned(
    "The page table: the pages of each slot, in order. Pages of one "
    "slot need not be neighbors."
)

# %% [markdown]
# A slot's pages may lie anywhere, in any order. Servers such as vLLM use
# pages, and so need not reserve the longest length for every row: more rows
# fit into the same memory. The price: keys and values have to be gathered
# from their pages, or attention has to be computed page by page, by code
# that is written for it. The course's engine does without pages, because
# its rows are short and its code is there to be read. We have not measured
# what pages would gain here.
#
# ## What each idea gains
#
# An *ablation* measures a program with and without each idea. This one was
# measured with an earlier course model of the same architecture, whose
# replies are shorter.
# `python -m experiments.engine_ablation` starts with
# `transformers.generate` on left-padded batches and adds one idea at a
# time. The reference decoder is that of chapter 5, with prompts sorted by
# length; the next step is the engine without a shared prefix. Results are
# recorded only if all steps give the same tokens. The steps take turns,
# because a machine's speed drifts. A gain is the ratio of the CPU seconds
# of two steps in one turn: the table has the median of five turns, with the
# lowest and the highest in parentheses. A second table is for rollouts.

# %%
import json
from pathlib import Path

import pandas as pd

import unitconv

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
ablation = json.loads((RESULTS / "ablation.json").read_text())
run = ablation["run"]
print(f"{run['machine']}, {run['threads']} thread, {run['when'][:10]}")


def spread(ratio):
    return "{median:.2f} ({low:.2f}-{high:.2f})".format(**ratio)


def steps_of(job):
    """A table of a job's steps, with median CPU seconds."""
    steps = pd.DataFrame(job["steps"]).set_index("name")
    steps["cpu"] = [pd.Series(times).median() for times in steps.cpu]
    steps["gain"] = [spread(g) if g else "" for g in steps.gain]
    return steps[["cpu", "gain"]].round(2)


evaluation = ablation["evaluation"]
print(f"{evaluation['questions']} questions, {ablation['slots']} slots")
table = steps_of(evaluation)
table

# %% tags=["hide-input"]
figures.ablation_bars(
    [step["name"] for step in evaluation["steps"]],
    table.cpu.tolist(),
    [
        g and (g["median"], g["low"], g["high"])
        for g in (step["gain"] for step in evaluation["steps"])
    ],
).captioned(
    "CPU seconds for the same greedy replies, one idea after the "
    "other. The factor is the gain over the bar above."
)

# %%
unclear = [
    step["name"]
    for step in evaluation["steps"]
    if step["gain"] and step["gain"]["low"] <= 1.05
]
total = table.cpu.iloc[0] / table.cpu.iloc[-1]
print(f"all together {total:.2f} times as fast, in CPU time")
print("not clearly a gain:", ", ".join(unclear) or "none")

job = ablation["rollouts"]
print(f"---\n{job['questions']} questions, {job['samples']} samples each")
steps_of(job)

# %% [markdown]
# There are three rules for reading an ablation. First, look at the range
# before the median: the reference decoder is not shown to be faster than
# `transformers.generate`, because its gain ranges from 0.88 to 1.25.
# Second, gains multiply, and their order matters: an idea that comes late
# finds less time to save. (The medians multiply to 3.08, not 2.87, since a
# median of five ratios is not the ratio of two medians.) Third, gains
# belong to a workload: refilling gains more when lengths vary more, and
# sharing gains more with a longer prefix.
#
# ## Exercises
#
# ```{exercise} Warm-up: what pages read
# :label: ex-pages-read
#
# Rows of 5, 16 and 17 tokens decode one more step with pages of 16 tokens.
# A page is read whole. How many tokens does the step read? Write a function
# for any lengths and any size of the pages.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt


def tokens_read(lengths, size):
    """Tokens that a step reads if every page is read whole."""
    raise NotImplementedError


def check_pages_read(tokens_read):
    for lengths, size, read in [
        ([1], 16, 16),
        ([16], 16, 16),
        ([17, 3], 16, 48),
        ([5, 5], 1, 10),
    ]:
        assert tokens_read(lengths, size) == read, (
            f"rows of {lengths} tokens, pages of {size}: another number"
        )


attempt(check_pages_read, tokens_read)


# %% [markdown]
# ```{solution-start} ex-pages-read
# :class: dropdown
# ```


# %%
def tokens_read(lengths, size):
    return sum(-(-n // size) * size for n in lengths)


print(tokens_read([5, 16, 17], 16))

# %% tags=["solution", "nbval-check-output"]
attempt(check_pages_read, tokens_read)

# %% [markdown]
# The three rows have 38 tokens, and 64 are read. The row of 17 tokens takes
# a second page for one token.
#
# ```{solution-end}
# ```
#
# ```{exercise} Three parts
# :label: ex-three-places
#
# If all rows share a system prompt and ten rows share a question, a row
# attends to three parts: these two and its own tokens. Write a function
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
# It does not: up to rounding, a sum is the same in any order. The merged
# part must include the top score. Without it the third part cannot be put
# on the same scale.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: pages of samples
# :label: ex-pages-of-samples
#
# Several samples of a question share its first `shared` tokens and then go
# on with tokens of their own, at least one each. Full pages of shared
# tokens are stored once. The last shared page may be partly filled; each
# sample needs a copy of it, because it writes its own tokens behind. How
# many pages do the samples take?
# ```


# %% tags=["exercise", "nbval-check-output"]
def pages_of_samples(shared, own, size):
    """Pages of samples with `own` tokens each after `shared` ones."""
    raise NotImplementedError


def check_pages_of_samples(pages_of_samples):
    for shared, own, size, pages in [
        (32, [1, 1], 16, 4),
        (40, [1, 10], 16, 5),
        (0, [16, 17], 16, 3),
        (15, [1, 1, 1], 16, 3),
    ]:
        found = pages_of_samples(shared, own, size)
        alone = sum(-(-(shared + n) // size) for n in own)
        assert found == pages or found != alone, (
            f"{shared} shared tokens, then {own}: so many if no page is "
            "shared"
        )
        assert found == pages, (
            f"{shared} shared tokens, then {own}: another number of pages "
            f"of {size}; where does a sample's first own token go"
        )


attempt(check_pages_of_samples, pages_of_samples)


# %% [markdown]
# ```{solution-start} ex-pages-of-samples
# :class: dropdown
# ```


# %%
def pages_of_samples(shared, own, size):
    full, rest = divmod(shared, size)
    return full + sum(-(-(rest + n) // size) for n in own)


alone = sum(-(-(150 + 40) // 16) for _ in range(10))
print(pages_of_samples(150, [40] * 10, 16), "pages instead of", alone)

# %% tags=["solution", "nbval-check-output"]
attempt(check_pages_of_samples, pages_of_samples)

# %% [markdown]
# This is *copy on write*: samples share a page until one of them has to
# write into it. Ten samples of 40 tokens after a prompt of 150 take 39
# pages instead of 120.
#
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 2
#
# Why is attention over two parts of the keys exact?
#
# - The two parts have the same length.
# - The softmax needs only one score for each key, wherever the key is.
# - The weights of the two parts are averaged.
#
# One softmax runs over the scores of both parts. Their place in memory does
# not enter it.
# ```
#
# ```{quiz}
# :right: 1
#
# What do pages save?
#
# - Memory that is reserved for tokens a row never writes.
# - The attention of a row to its own tokens.
# - The prefill of the prompts.
#
# A row gets a page when it needs one. The last page is half empty on
# average.
# ```
#
# ```{quiz}
# :right: 3
#
# An ablation gives a gain of 1.05, between 0.88 and 1.25. What does it
# show?
#
# - A gain of 5 %.
# - A loss in some workloads.
# - That no gain has been shown.
#
# The range holds 1, so the next turn could be slower.
# ```
#
# ## Recap
#
# - The cache is allocated once, and a token is written in place. The slots
#   in use always come first, so a step gets a view of them.
# - Attention over two parts is exact, by one softmax or merged by
#   log-sum-exp.
# - Pages give out memory when it is needed. With pages of 16 tokens a step
#   reads a fifth more than each row's own tokens; a box as wide as the
#   longest row reads 1.85 times as much.
# - In an ablation look at the range first. Gains multiply, depend on their
#   order and belong to a workload. Here refilled slots and the shared
#   prefix were worth their code: 1.5 and 1.9 times as fast.
#
# **Next:** [how the course model was made](90_pretraining.ipynb), another
# appendix.
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# juravsky2024
# dao2022
# kwon2023
# ```
