# %% [markdown]
# # Fast decoding: the same tokens, sooner
#
# Rejection sampling, the method of [chapter 9](09_rft.ipynb), needs ten
# replies, called *rollouts*, to each of two thousand questions. Training
# reads a whole text in one pass of the model. A reply is written one token
# at a time, and each token needs its own pass.
#
# **The question of this chapter:** where does the time of 20,000 rollouts
# go, and how much of it is wasted?
#
# :::{admonition} What you will learn
# :class: tip
# - how to count the work that a padded batch throws away;
# - how an engine with slots works: finished rows leave, and waiting ones
#   take their place;
# - why a prefix that all prompts share can be computed and stored once,
#   and why attention over two parts is exact;
# - how ten samples of a question share a slot until they differ;
# - what a paged KV cache is for;
# - how to read an ablation, a roofline and a comparison of tools without
#   fooling yourself.
#
# **Before you start:** [chapter 4](04_sequential.ipynb) for the cache,
# [chapter 5](05_batched.ipynb) for the batch. **Time:** 25 minutes to read,
# without the exercises, and about a minute to run. **Hardware:** with the
# course model any laptop; 1 GB of memory.
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
# The cells of this chapter count tokens and passes of the model, which do
# not depend on the machine. Seconds come from recorded runs, and each
# record names its machine. All were measured with an earlier course model
# of the same architecture, whose replies are shorter. The first record
# gives the time of 20,000 rollouts at the speeds of `unitconv bench`, with
# the decoder of chapter 5 (`reference`) and the one of this chapter
# (`engine`).

# %%
import json
from pathlib import Path

import unitconv

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
bench = json.loads((RESULTS / "bench.json").read_text())
run = bench["run"]
print(f"{run['machine']}, {run['threads']} thread, {run['when'][:10]}")

sampled = [s for s in bench["speeds"] if s["workload"] == "rollouts"]
replies = 10 * max(1, run["questions"] // 10)
for speed in sampled:
    tokens = 20_000 * speed["tokens"] / replies
    minutes = tokens / speed["tokens_per_second"] / 60
    print(f"{speed['decoder']:9} {minutes:6.1f} minutes")

# %% [markdown]
# ## Idle rows in a batch
#
# In the batches of chapter 5, a finished row waits for the last one. How
# much work does that waste? We take 48 questions, eight at a time, and
# count *row-steps*: one row in one decoding pass is one row-step, whether
# the row is still writing or only waiting. A hook on the model records the
# shape of its input in every pass:

# %%
from contextlib import contextmanager

from unitconv.inference.llm import LLM
from unitconv.inference.reference import Decoding, generate_batched
from unitconv.task.dataset import load_split

MODEL = "course"  # or "smollm2"
SLOTS = 8

llm = LLM.from_pretrained(MODEL, device="cpu", dtype="float32")
questions = load_split("valid")[:48]
prompts = [llm.encode(llm.format_prompt(q.text)) for q in questions]


@contextmanager
def input_shapes(model):
    """Collect the shape, rows by tokens, of the input of each pass."""
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
with input_shapes(llm.model) as shapes:
    reference = [
        row
        for batch in batches
        for row in generate_batched(
            llm.model, batch, llm.stop, pad_token_id=llm.pad_token_id
        )
    ]
lengths = [len(row[0].token_ids) for row in reference]
decoded = sum(n for n, width in shapes if width == 1)
# The first token of a reply comes from reading the prompt, and the last
# one is never read: n tokens take n - 1 steps of decoding.
useful = sum(n - 1 for n in lengths)
print(f"replies of {min(lengths)} to {max(lengths)} tokens")
print(f"{decoded} row-steps decoded, {useful} of them useful")
print(f"{1 - useful / decoded:.0%} wasted")
assert useful < decoded

# %% [markdown]
# Nearly a third of the row-steps, 938 of 3040, compute nothing that is
# used. There is no error and no warning, and the tokens are right. The
# waste grows with the spread of the lengths: a single reply that runs to
# its limit keeps its whole batch waiting.
#
# ## Slots that are refilled
#
# The remedy is to let a finished row leave at once and give its place to a
# waiting question. This is called *continuous batching* ([Yu et al. 2022](
# https://www.usenix.org/conference/osdi22/presentation/yu)). A place is a
# *slot*: room for the keys and values of one row in a cache that is
# allocated once. The decoder is `unitconv/inference/engine.py`; its cache,
# its attention and its sampling have files of their own next to it. This
# is the main loop:

# %%
import inspect
import textwrap

from IPython.display import Markdown

from unitconv.inference.engine import Engine, EngineOptions, ForwardPass
from unitconv.inference.generate import generate


def show(function):
    source = textwrap.dedent(inspect.getsource(function))
    return Markdown(f"```python\n{source}```")


show(Engine.run)

# %% [markdown]
# In each round the engine either admits waiting requests, which means
# reading their prompts, or decodes one more token for every slot in use.
# A pass over one prompt costs far more than a tenth of a pass over ten. So
# the engine admits requests only when a sixteenth of the slots are free.
# With eight slots that is one slot; with 64 it is four.
#
# This is the decoding step:

# %%
show(Engine._decode)

# %% [markdown]
# `_forward` passes the new tokens and their positions to the model, and
# returns the logits after the last token of each row:

# %%
show(Engine._forward)

# %% [markdown]
# `self.groups` lists what each slot works on. Below we explain why a slot
# has a *group* of requests; for now each group has one member. A step mixes
# rows that have just started with rows that are nearly done. So there is no
# common column to pad to: each slot is filled from its first column on and
# has its own length, and a mask hides the columns after it. This is how the
# cache stores the key and value of a new token in one layer:

# %%
from unitconv.inference.kv_cache import SlotCache

show(SlotCache.append)

# %% [markdown]
# The cache of chapter 5 grew by one column in each step, and all of it was
# copied each time. Here the new token of each row is written in place, and
# a decoding step gets a view of the slots in use. This works because the
# slots in use always come first: when a row leaves, the last row moves to
# its slot at once, and new rows are added at the end.
#
# The engine uses the model's own layers. It registers its own attention
# function with Transformers, and everything else (norms, projections, any
# LoRA adapter) is unchanged. So the engine needs no separate code for each
# kind of model with plain causal attention.
#
# Now it decodes the same questions in the same number of slots. An observer
# is called after each pass with a `ForwardPass`: the kind of the pass
# (`prefix`, `prefill` or `decode`), the prompt in each of its slots, and
# how many tokens it computed in each (`width`):

# %%
passes: list[ForwardPass] = []
options = EngineOptions(slots=SLOTS, observe=passes.append)
done = generate(llm.model, prompts, llm.stop, options=options)
refilled = [p.prompts for p in passes if p.kind == "decode"]
assert done == reference
assert sum(map(len, refilled)) == useful
print(f"{len(refilled)} steps, {sum(map(len, refilled))} row-steps")

# %% [markdown]
# The tokens are the same, and all 2102 row-steps are useful. The figure
# shows both runs, with a bar for each row's time in a slot. The hatched
# parts are finished rows that wait for their batch.

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
figures.slots_over_time(
    {"no refill": static, "refilled": refilled}
).captioned(
    "Eight slots over time. Hatched: the row is finished and waits."
)

# %% [markdown]
# With refilling, 317 steps do the work of 380. Slots are empty only at the
# end, when no question is waiting. (Where a color continues in another
# slot, the row has moved to fill a gap.) Because of this tail, a benchmark
# needs several times as many prompts as slots.
#
# On the book's page you can step through a smaller run and choose the
# lengths:
#
# ```{live-slots} 4
# Sixteen replies in four slots. A number is a reply, a dashed box a row
# that waits for its batch. With refill there are gaps only at the end. A
# bar that continues in another slot has moved to close a gap. Give one
# reply 190 tokens, and see which rows wait for it.
# ```
#
# ## A shared prompt prefix
#
# Next, look at what is read *before* the first token. All these prompts
# begin with the same text, the instruction and a worked example; only the
# question at the end differs.

# %%
from unitconv.inference.engine import shared_prefix_length

shared = shared_prefix_length(prompts)
print(llm.tokenizer.decode(prompts[0][:shared]))
print(f"---\n{shared} of {len(prompts[0])} tokens")


# %% [markdown]
# The keys and values of a token depend only on it and on the tokens before
# it. So those of the prefix are the same in all rows and need to be
# computed only once. To see what that saves, we add one prompt that begins
# differently, so that nothing is shared:


# %%
def prompt_tokens(passes):
    """Count the tokens computed before decoding, padding included."""
    return sum(
        max(1, len(p.prompts)) * p.width
        for p in passes
        if p.kind != "decode"
    )


stranger = llm.encode("How many cm are in 3 m?")
spoiled: list[ForwardPass] = []
again = generate(
    llm.model,
    [*prompts, stranger],
    llm.stop,
    options=EngineOptions(slots=SLOTS, observe=spoiled.append),
)
assert shared_prefix_length([*prompts, stranger]) == 0
assert again[:-1] == done
saved = 1 - prompt_tokens(passes) / prompt_tokens(spoiled)
print(f"{prompt_tokens(passes)} tokens against {prompt_tokens(spoiled)}")
print(f"{saved:.0%} of the reading saved; the replies are the same")

# %% [markdown]
# Sharing ends at the first token that differs. So put what varies, such as
# a date or a user's name, at the end of a prompt.
#
# ### Storing the prefix once
#
# We could copy the prefix into every slot, but then each step would read
# one copy for each row from memory. It is better to store it once and let
# all rows attend to that copy: their queries, stacked, form *one* matrix,
# and processors are good at large matrix products. [Juravsky et al.
# (2024)](https://arxiv.org/abs/2402.05099) call this Hydragen.
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
# ## Samples that share a question
#
# Rollouts share more than a prefix: all samples of a question share the
# question, which should be read once. (`num_return_sequences` of
# `transformers.generate` repeats the prompt first, and reads it ten times.)
#
# They also share the start of their replies. Two samples that have drawn
# the same tokens so far have the same keys, values and probabilities for
# the next token. So all ten begin in one slot, as one group. In each step
# the model computes the probabilities once, and each sample draws from them
# with its own noise. Samples that draw a different token fork: they move to
# another slot, with a copy of the cache so far. This runs after every pass:

# %%
show(Engine._sample)

# %% [markdown]
# The last part of the engine admits requests. All samples of a question are
# admitted together, as one group, once there is a free slot for each,
# because the group may fork into that many. (So the main loop subtracts
# requests, not groups, to get `free`.) Prompts are read in passes of
# bounded size. If a question has more samples than there are slots, the
# rest come later. The first slot still holds the question then, so it is
# not read again:

# %%
show(Engine._admit)

# %% [markdown]
# Here are ten samples of each of 24 questions, with 240 slots:

# %%
settings = Decoding(temperature=0.8, seed=1)
passes = []
rollouts = generate(
    llm.model,
    prompts[:24],
    llm.stop,
    settings,
    num_return_sequences=10,
    options=EngineOptions(slots=240, observe=passes.append),
)
computed = [len(p.prompts) for p in passes if p.kind == "decode"]
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
figures.slots_shared(writing, computed).captioned(
    "Replies that are being written, and the slots that they need."
)

# %% [markdown]
# At most 128 of the 240 slots are in use. Where the model is sure of a
# token, all samples draw it and stay together. At a higher temperature, or
# with a model that is less sure, they fork sooner. Nothing is approximated:
# each sample draws the tokens that it would draw in a slot of its own.
#
# ## The same tokens with sampling
#
# So far we have changed *when* and *where* a token is computed. *Which*
# token comes out must not change. For greedy decoding the cells above check
# this. For sampling it follows from how a token is drawn:

# %%
from unitconv.inference.sampling import sample

show(sample)

# %% [markdown]
# One random number decides a token, whatever the size of the vocabulary.
# Lay the probabilities end to end on a line from 0 to 1: the token is the
# one on whose part the number falls. This is the *inverse CDF* method.

# %%
probabilities = torch.tensor([[0.5, 0.2, 0.2, 0.1]])
print("ends:", [round(x, 2) for x in probabilities.cumsum(-1)[0].tolist()])
for noise in (0.1, 0.6, 0.95):
    token = sample(probabilities.log(), 1.0, 1.0, torch.tensor([noise]))
    print(f"noise {noise}: token {int(token)}")

# %% [markdown]
# The number is a hash of the request: its seed, its prompt, the number of
# the sample and the position, as in chapter 4. It does not depend on the
# slot, on the other rows or on the order.

# %%
nucleus = Decoding(temperature=0.8, top_p=0.95, seed=1)
few = prompts[:6]
drawn = generate_batched(
    llm.model, few, llm.stop, nucleus, 3, llm.pad_token_id
)
for slots in (1, 5):
    options = EngineOptions(slots=slots)
    assert drawn == generate(llm.model, few, llm.stop, nucleus, 3, options)
back = generate(llm.model, few[::-1], llm.stop, nucleus, 3, options)
assert back[::-1] == drawn
print(sum(len(c.token_ids) for row in drawn for c in row), "tokens, equal")

# %% [markdown]
# This holds in float32. In 16 bits a near tie may be decided differently,
# as in any batch (see chapter 5).
#
# ## Paged KV cache
#
# The keys and values of a row's own tokens are not shared: every step reads
# them for each row. Rows differ in length, but a tensor is a box, as wide
# as its longest row. We count the tokens that the steps need, and those
# that a box makes them read, for 256 questions of the test split in 64
# slots:

# %%
from collections import Counter

many = [
    llm.encode(llm.format_prompt(q.text)) for q in load_split("test")[:256]
]
passes = []
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
SIZE = 16
free = list(range(1, 20))
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
# pages, and so need not reserve the longest length for every row. The
# price: keys and values have to be gathered from their pages, or attention
# has to be computed page by page. With rows as short as ours, attention to
# their own tokens is a small part of a step's arithmetic, so the engine
# does without pages.
#
# ## What each idea gains
#
# An *ablation* measures a program with and without each idea.
# `python -m experiments.engine_ablation` starts with
# `transformers.generate` on left-padded batches and adds one idea at a
# time. The reference decoder is that of chapter 5, with prompts sorted by
# length; the next step is the engine without a shared prefix. Results are
# recorded only if all steps give the same tokens. The steps take turns,
# because a machine's speed drifts. A gain is the ratio of the CPU seconds
# of two steps in one turn: the table has the median of five turns, with the
# lowest and the highest in parentheses. A shorter table is for rollouts.

# %%
import pandas as pd

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
# finds less time to save. (The medians multiply to 3.08, not 2.87, since
# each is taken over its own turns.) Third, gains belong to a workload:
# refilling gains more when lengths vary more, and sharing gains more with a
# longer prefix.
#
# ## Roofline: how fast could it be?
#
# A pass of the model has to do some arithmetic and read some bytes: the
# weights, and the keys and values that its tokens attend to. It takes at
# least as long as the slower of the two:
#
# $$
# \text{seconds} \ge \max\left(
# \frac{\text{operations}}{\text{operations per second}},
# \frac{\text{bytes}}{\text{bytes per second}}\right)
# $$
#
# This is the *roofline*
# ([Williams et al. 2009](https://doi.org/10.1145/1498765.1498785)). Which
# term is larger depends on the *intensity*, the number of operations for
# each byte. With one row, each weight is read for one product and one sum;
# with 64 rows, it is read once for 64 of each. The machine has such a ratio
# too: its operations per second (FLOP/s) divided by its bytes per second.
# Below that ratio memory is the limit, above it arithmetic.

# %%
from unitconv.inference.kv_cache import bytes_per_token

ceiling = bench["ceiling"]
ridge = ceiling["gflops"] / ceiling["gbytes_per_second"]
print(f"the recorded machine: {ceiling['gflops']:.0f} GFLOP/s,", end=" ")
print(f"{ceiling['gbytes_per_second']:.0f} GB/s: {ridge:.1f} to a byte")

config = llm.model.config
weights = llm.model.num_parameters()
cached = bytes_per_token(config, torch.float32)  # of one token's cache
sharing = config.num_attention_heads / config.num_key_value_heads
own_tokens = len(prompts[0]) - shared + max(lengths) // 2
for rows in (1, 4, 16, 64, 256):
    # A product and a sum for each weight, and for each cached number and
    # query head that meets it.
    seen = (shared + own_tokens) * cached / 4 * sharing
    operations = 2 * rows * (weights + seen)
    read = 4 * weights + (shared + rows * own_tokens) * cached
    limit = "memory" if operations / read < ridge else "arithmetic"
    print(f"{rows:3} rows: {operations / read:5.1f} a byte: {limit}")

# %% [markdown]
# With few rows, most bytes are weights, and a second row costs next to
# nothing, because the weights are read anyway. This is why batching works.
# With 256 rows memory is still the limit by this count: each row's own keys
# and values are read for it alone. (The bound assumes that weights come
# from memory. Those of a small model may fit in the faster cache of the
# processor.)
#
# `unitconv bench` measures both ceilings, with a large matrix product and
# a pass over memory, and then the decoders. The dashed line is the speed
# that the roofline allows for the engine's passes:

# %%
speeds = pd.DataFrame(bench["speeds"])
by_slots = speeds[speeds.workload == "evaluation"]
table = by_slots.pivot(
    index="slots", columns="decoder", values="tokens_per_second"
)
ours = by_slots[by_slots.decoder == "engine"].set_index("slots")
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
).captioned(
    "Tokens per second against the number of slots, with the ceiling "
    "that the processor sets."
)

# %%
first, last = table.iloc[0], table.iloc[-1]
print(f"{last['engine'] / first['engine']:.1f} times as fast", end=" ")
print(f"with {table.index[-1]} slots as with {table.index[0]}")
print(f"of the roofline: {first['share']:.0%}, then {last['share']:.0%}")

# %% [markdown]
# The engine reaches between 15 % and 33 % of the roofline. Two likely
# causes, not measured here: Python calls hundreds of functions in a pass,
# and for a small tensor the call can cost as much as the work; and the
# products are too small to run at the speed of the large one that was
# measured. Both should matter less in a larger model.
#
# ## Compared with other decoders
#
# `python -m experiments.peers` gives the same requests to three other
# decoders: `generate` of Transformers, CTranslate2 and llama.cpp. Each runs
# in its own process and takes turns with the engine. The length of each
# reply is fixed beforehand, so that all do the same work. The engine has
# its default of 256 slots; each of the others has the fastest of several
# numbers of slots. The ratio is their seconds divided by ours: above 1 the
# engine is faster. `same` is the share of greedy replies that are equal to
# ours, token for token.

# %%
peers = json.loads((RESULTS / "peers.json").read_text())
run = peers["run"]
print(f"{run['machine']}, {run['threads']} thread, {run['when'][:10]}")
print({k: v for k, v in run["versions"].items() if k != "python"})
pd.DataFrame(
    {
        "workload": row["workload"],
        "decoder": row["decoder"],
        "slots": row["slots"][row["decoder"]],
        "ratio": spread(row["ratio"]["wall"]),
        "ratio, CPU": spread(row["ratio"]["cpu"]),
        "same": ""
        if row["same_replies"] is None
        else f"{row['same_replies']:.0%}",
    }
    for row in peers["rows"]
).set_index("workload")

# %% [markdown]
# The engine is faster in all four rows. Four reasons not to generalize:
#
# - The table covers one small model on one thread of one processor. In a
#   larger model the matrix products take a larger share of the time, and
#   the rest counts for less.
# - `generate` is called in the usual way, on padded batches in the given
#   order. It can also use a cached prefix, and Transformers has continuous
#   batching too; both need more code.
# - llama.cpp keeps its cache in float16, its default, which may be why one
#   of its 1000 replies differs (`same` rounds 99.9 % to 100 %). It comes
#   from a prebuilt package; compiled for this processor it may be faster.
# - The ratios belong to the versions printed above; these programs are
#   still getting faster.
#
# ### One sequence alone
#
# A single sequence has nothing to share: there are no slots to refill, no
# common prefix, and each weight is read for one token. The engine still has
# its bookkeeping, and it saves only the copying of a growing cache.

# %%
alone = speeds[speeds.workload == "one sequence"].set_index("decoder")
for name, speed in alone.tokens_per_second.items():
    print(f"{name:10} {speed:.0f} tokens a second, one sequence")

# %% [markdown]
# On this one reply of 36 tokens the engine was slower than the simple
# decoder: 154 against 190 tokens a second. A program like llama.cpp, which
# does not return to Python between two tokens, is made for this case; we
# did not measure it. If you serve one person on one machine, use such a
# program. If you serve many people on a GPU, use vLLM or SGLang, which have
# refilling, shared prefixes and pages, with GPU code for them. To evaluate
# a model that you have just trained, adapter included, on a thousand
# questions, a small engine is enough.
#
# ## Exercises
#
# ```{exercise} Warm-up: one that rambles
# :label: ex-rambles
#
# Without refill, 64 rows decode together. One reply runs to its limit of
# 192 tokens; the others have 40. What share of the row-steps is wasted? And
# if all have 40? Count as above: a reply's first token comes from reading
# the prompt, so $n$ tokens take $n - 1$ steps.
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
    assert wasted([40] * 63 + [192]) > wasted([40] * 63 + [191]), (
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


print(f"{wasted([40] * 63 + [192]):.0%}, and {wasted([40] * 64):.0%}")
assert wasted([40] * 63 + [192]) > 0.75

# %% tags=["solution", "nbval-check-output"]
attempt(check_rambles, wasted)


# %% [markdown]
# One long row in 64 wastes more than three quarters of the row-steps.
#
# ```{solution-end}
# ```
#
# ```{exercise} Three places
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
# ```{exercise} Ten samples
# :label: ex-ten-samples
#
# You draw ten replies to each of the six questions in `few` with five
# slots. How many prompt tokens are computed? Answer with a number or an
# expression; the check counts with an observer.
# ```

# %% tags=["exercise", "nbval-check-output"]
predicted_tokens = 0  # tokens of prompts, for all sixty replies


def check_ten_samples(predicted_tokens):
    seen: list[ForwardPass] = []
    brief = Decoding(max_new_tokens=4, temperature=0.8)
    options = EngineOptions(slots=5, observe=seen.append)
    generate(llm.model, few, llm.stop, brief, 10, options)
    counted = sum(p.width for p in seen if p.kind == "prefix")
    counted += sum(p.own_tokens for p in seen if p.kind == "prefill")
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
prefix = shared_prefix_length(few)
predicted_tokens = prefix + sum(len(p) - prefix for p in few)
print(f"{predicted_tokens} tokens, against {10 * sum(map(len, few))}")

# %% tags=["solution", "nbval-check-output"]
attempt(check_ten_samples, predicted_tokens)

# %% [markdown]
# The prefix and each question are read once, although there are only five
# slots for ten samples: the first slot still holds the question when the
# other five are admitted.
#
# ```{solution-end}
# ```
#
# ```{exercise} More slots in the same memory
# :label: ex-slot-memory
#
# A cache may take 100 MB. How many rows fit, if each holds the longest of
# our prompts and 192 new tokens? How many, if the shared prefix is stored
# once? Work it out by hand from the model's configuration, or with a
# `CachePlan`.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.inference.kv_cache import CachePlan

longest = max(map(len, prompts))
fit = {"whole": 0, "shared": 0}  # rows in 100 MB, in either way


def check_slot_memory(fit):
    a_token = bytes_per_token(llm.model.config, torch.float32)
    for way, prefix in [("whole", 0), ("shared", shared)]:
        a_slot = (longest - prefix + 192) * a_token
        room = 100 * 10**6 - prefix * a_token
        assert (fit[way] + 1) * a_slot > room, f"{way}: more rows would fit"
        assert fit[way] * a_slot <= room, f"{way}: so many do not fit"


attempt(check_slot_memory, fit)

# %% [markdown]
# ```{solution-start} ex-slot-memory
# :class: dropdown
# ```

# %%
for way, prefix in [("whole", 0), ("shared", shared)]:
    plan = CachePlan(
        slots=10_000,
        slot_tokens=longest - prefix + 192,
        prefix_tokens=prefix,
        bytes_per_token=bytes_per_token(llm.model.config, torch.float32),
    ).fit(100 * 10**6)
    fit[way] = plan.slots
    print(plan)
assert fit["shared"] > 1.4 * fit["whole"]

# %% tags=["solution", "nbval-check-output"]
attempt(check_slot_memory, fit)


# %% [markdown]
# For a large model memory limits the number of rows, and so the speed. The
# engine reserves room for the longest row in each slot, so that none runs
# out halfway. With pages one can reserve less and admit more rows; when the
# pages run out, a row has to wait or be computed again.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: which reply goes first?
# :label: ex-who-first
#
# At the end slots stay empty because no reply is waiting. Suppose you
# *knew* the length of each reply. Simulate the slots, then run 256 replies
# in 64 slots: short ones first, long ones first, and in random order. How
# many steps does each order take, and what is the minimum? (Here a reply of
# length $n$ takes $n$ steps.) Why does the engine not use the best order?
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
# Long replies first is the best order: it leaves only short ones for the
# end, and 233 steps are the minimum. But a reply's length is known only
# when it is over. The engine sorts by the length of the
# *prompt*, which is known, so that prompts that are read together have
# similar lengths.
#
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 1
#
# What does refilling slots save?
#
# - Steps in which finished rows wait.
# - The prefill of the prompts.
# - Memory for the weights.
#
# A new request takes the slot of a reply that is finished.
# ```
#
# ```{quiz}
# :right: 2
#
# All prompts begin with the same example. What can be computed once?
#
# - The logits of the reply.
# - The keys and values of that beginning.
# - The sampling noise.
#
# A token attends only to what comes before it, so the prefix has the same
# keys and values in every prompt.
# ```
#
# ```{quiz}
# :right: 3
#
# What does a roofline compare a program with?
#
# - Another program.
# - The same program with more threads.
# - What the machine could do, given its arithmetic and its memory.
#
# Whichever of the two takes longer sets the ceiling.
# ```
#
# ## Recap
#
# - In a batch without refill, a finished row still costs as much as a live
#   one. Count row-steps before you trust a full batch.
# - With slots every row-step is useful, and refilling keeps the slots full
#   until the tail.
# - What prompts share is computed once and stored once. Attention over two
#   parts is exact, by one softmax or merged by log-sum-exp.
# - Samples of a question share a slot until they draw different tokens.
# - With small pages a step reads little more of a row than its tokens, not
#   as many as the longest row has.
# - None of this may change a token. A test that compares all tokens with
#   those of the simple decoder makes such code safe to write.
# - The roofline says what is left to gain. A gain belongs to a workload and
#   comes with a range: on a single sequence the engine was slower.
#
# **Next:** [what to say to the model](07_prompting.ipynb): prompts, and
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
# williams2009
# ```
