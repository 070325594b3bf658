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
# - why a prefix that all prompts share can be computed once;
# - how ten samples of a question share a slot until they differ;
# - how to read a roofline and a comparison of tools;
# - when to use vLLM instead.
#
# **Before you start:** [chapter 4](04_sequential.ipynb) for the cache,
# [chapter 5](05_batched.ipynb) for the batch. **Time:** 20 minutes to read,
# without the exercises, and about a minute to run. **Hardware:** with the
# course model any laptop; 1 GB of memory. [The fast
# track](../book/how-to-use.md) leaves this chapter out: the others use the
# engine and do not explain it.
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
# The benchmark sampled ten replies to every tenth of its questions.
replies = 10 * max(1, run["questions"] // 10)
for speed in sampled:
    tokens = 20_000 * speed["tokens"] / replies
    minutes = tokens / speed["tokens_per_second"] / 60
    print(f"{speed['decoder']:9} {minutes:6.1f} minutes")

# %% [markdown]
# Today's model writes longer replies, so it takes more than this.
#
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
# allocated once. The decoder is `unitconv/inference/engine.py`; its cache
# and its attention are in [the appendix on the engine](91_engine.ipynb).
# `self.groups` lists what each slot works on. Further below we explain why
# a slot has a *group* of requests; for now each group has one member. This
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
# Reading ten prompts in one pass is much cheaper than in ten passes. So the
# engine admits requests only when a sixteenth of the slots are free.
# With eight slots that is one slot; with 64 it is four.
#
# This is the decoding step:

# %%
show(Engine._decode)

# %% [markdown]
# `_forward` passes the new tokens and their positions to the model and
# returns the logits after the last token of each row. The model's own
# layers run unchanged: the engine registers only its attention function
# with Transformers.
#
# A step mixes rows that have just started with rows that are nearly done,
# so there is no common column to pad to. Each slot is filled from its first
# column on and has its own length, and a mask hides the columns after it.
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
from unitconv.figures.decoding import WAITS

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
# slot, the row has moved to fill a gap, most often one that the eighth slot
# fills.) Because of this tail, a benchmark
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
# The engine also *stores* the prefix once. The rows do not get a copy each:
# their queries form one matrix and attend to the same keys, which is called
# Hydragen ([Juravsky et al. 2024](https://arxiv.org/abs/2402.05099)). The
# softmax needs only one score for each key, so it runs over the scores of
# both parts, those of the prefix and those of the row's own tokens. The
# result is exact; [the appendix](91_engine.ipynb) shows it on five keys.
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
# All samples of a question are admitted together, as one group, once there
# is a free slot for each, because the group may fork into that many. (So
# the main loop subtracts requests, not groups, to get `free`.) If a
# question has more samples than there are slots, it is admitted in parts,
# and still read once.
#
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
# For greedy decoding the cells above check that no token has changed. For
# sampling it follows from how a token is drawn ([chapter
# 4](04_sequential.ipynb)): one random number decides it, and that number is
# a hash of the seed, the prompt, the number of the sample and the position.
# It does not depend on the slot, on the other rows or on the order:

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
import pandas as pd
import torch

from unitconv.inference.kv_cache import bytes_per_token

ceiling = bench["ceiling"]
ridge = ceiling["gflops"] / ceiling["gbytes_per_second"]
print(f"the recorded machine: {ceiling['gflops']:.0f} GFLOP/s,", end=" ")
print(f"{ceiling['gbytes_per_second']:.0f} GB/s: {ridge:.1f} to a byte")

config = llm.model.config
weights = llm.model.num_parameters()
cached = bytes_per_token(config, torch.float32)  # of one token's cache
print(f"a token takes {cached:,} bytes of the cache,", end=" ")
print(f"the weights take {4 * weights / 1e6:.0f} MB")
sharing = config.num_attention_heads / config.num_key_value_heads
# Of its own tokens a row has its question and, on average, half a reply.
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
# One row does half an operation a byte: a product and a sum for each weight
# of four bytes. With few rows, most bytes are weights, and a second row
# costs next to nothing, because the weights are read anyway. This is why
# batching works. The bound assumes that weights come from memory; those of
# a small model may fit in the faster cache of the processor. With 256 rows
# memory is still the limit by this count: each row's own keys and values
# are read for it alone.
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
# The record holds the share of the roofline that the engine reached.
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
    "that the machine sets."
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
# numbers of slots. The ratio is their seconds divided by ours, the median
# of three turns with the lowest and the highest in parentheses: above 1 the
# engine is faster. `same` is the share of greedy replies that are equal to
# ours, token for token.

# %%
peers = json.loads((RESULTS / "peers.json").read_text())
run = peers["run"]
print(f"{run['machine']}, {run['threads']} thread, {run['when'][:10]}")
print({k: v for k, v in run["versions"].items() if k != "python"})


def spread(ratio):
    return "{median:.2f} ({low:.2f}-{high:.2f})".format(**ratio)


pd.DataFrame(
    {
        "workload": row["workload"],
        "decoder": row["decoder"],
        "slots": row["slots"][row["decoder"]],
        "ratio": spread(row["ratio"]["wall"]),
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
# ## When to use vLLM instead
#
# The number of sequences decides. A single sequence has nothing to share:
# there are no slots to refill, no common prefix, and each weight is read
# for one token. The engine still has its bookkeeping, and it saves only
# the copying of a growing cache.

# %%
alone = speeds[speeds.workload == "one sequence"].set_index("decoder")
for name, speed in alone.tokens_per_second.items():
    print(f"{name:10} {speed:.0f} tokens a second, one sequence")

# %% [markdown]
# On this one reply the engine was slower than the simple decoder: 154
# against 190 tokens a second. Choose by the job:
#
# - **Chat with a model on your own machine:** llama.cpp, which does not
#   return to Python between two tokens. (We have not measured this case.)
# - **Sample or evaluate a small model that you have just trained**, adapter
#   included: this engine. Nothing is exported, and a reply does not depend
#   on what is decoded beside it.
# - **Sample millions of replies, or a model of several billion parameters,
#   on GPUs; serve many users at once:** vLLM or SGLang. They refill slots,
#   share prefixes and keep the cache in pages, small pieces that are given
#   out when needed ([appendix](91_engine.ipynb)), with GPU code for each.
#
# We have not measured vLLM, which is made for GPUs. [A campaign on many
# GPUs](../book/campaign.md) shows the one function to replace. Two things
# change with the tool: it draws samples with its own random numbers, so
# they are not those of this book, and in 16 bits the other replies in the
# batch can decide a near tie ([chapter 5](05_batched.ipynb)).
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
# once? Work it out by hand from the bytes of a token, printed in the
# section on the roofline, or with `CachePlan`, which counts slots, their
# tokens and the tokens stored once.
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
# out halfway. With a paged cache ([appendix](91_engine.ipynb)) one can
# reserve less and admit more rows; when the pages run out, a row has to
# wait or be computed again.
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
# - What prompts share is computed once and stored once.
# - Samples of a question share a slot until they draw different tokens.
# - None of this may change a token. A test that compares all tokens with
#   those of the simple decoder makes such code safe to write.
# - The roofline says what is left to gain.
# - A gain belongs to a workload and comes with a range: on a single
#   sequence the engine was slower.
#
# [The appendix on the engine](91_engine.ipynb) has the rest: attention over
# two parts, pages for the cache, and what each idea gains.
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
# williams2009
# ```
