# %% [markdown]
# # Batched generation: many questions at once
#
# One question takes the model a moment. A test set has a thousand, and
# rejection sampling, which draws several replies and keeps the right ones,
# will want ten for each of two thousand more. Much of the cost of a step is
# fixed, no matter how many texts share it. So let us serve sixty-four at
# once.
#
# **The question of this chapter:** what could go wrong when texts that
# have nothing to do with each other share a tensor?
#
# :::{admonition} What you will learn
# :class: tip
# - why a batch costs little more than one text, and where that ends;
# - why texts of different lengths need padding, and on which side;
# - three mistakes that raise no error;
# - what the attention mask and the position ids are for;
# - how to write a batched decoder, and how to check that a batch changes
#   nothing but the speed.
#
# **Before you start:** [chapter 4](04_sequential.ipynb). **Time:** 30
# minutes to read, without the exercises, and about a minute to run.
# **Hardware:** with the course model any laptop; 1 GB of memory.
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
import torch

from unitconv import figures
from unitconv.inference.llm import LLM
from unitconv.task.dataset import load_split

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL, dtype="float32")
torch.set_grad_enabled(False)  # nothing is trained in this chapter
questions = load_split("valid")
llm

# %% [markdown]
# ## What a token costs
#
# To compute one token, every weight of the model is multiplied with one
# number and added to a sum: two operations a weight. A model with $N$
# weights needs about $2N$ operations a token, plus attention, which is
# small while texts are short. In a format of 16 bits a weight has two
# bytes, so $2N$ bytes must be read from memory. That is *one operation for
# each byte*.
#
# Processors can do far more operations than that in the time it takes to
# read a byte. With one text they wait for memory most of the time. With a
# batch of $B$ texts the weights are read once and used $B$ times: $B$
# operations a byte. Until the arithmetic takes as long as the reading, more
# rows are almost free. The table computes this for SmolLM2-1.7B on two
# GPUs, from their data sheets (computed, not measured):

# %%
import pandas as pd

N = 1.71e9  # weights of SmolLM2-1.7B
gpus = pd.DataFrame(
    {"T4": [65e12, 320e9], "A100, 40 GB": [312e12, 1555e9]},
    index=["operations a second", "bytes a second"],
).T
per_step = pd.DataFrame(
    {
        "reading the weights, ms": 1000 * 2 * N / gpus["bytes a second"],
        "arithmetic of a row, ms": 1000
        * (2 * N / gpus["operations a second"]),
        "rows until both are equal": gpus["operations a second"]
        / gpus["bytes a second"],
    }
)
per_step.round(3)

# %% [markdown]
# On a T4 the arithmetic of about 200 rows takes as long as reading the
# weights once. With one row, less than half a per cent of the arithmetic
# that the GPU could do is done. One text can get at most one token in 10.7
# ms, 94 a second on a T4 and 455 on an A100; 64 texts can get 64 times as
# many. (The key and value caches must be read too, and they are different
# for each row. With long texts this limit is reached earlier. With 500
# tokens a text, 35 rows of this model read as many bytes of cache as of
# weights.)
#
# Our model has 2.8 million weights, which fit in the cache of a processor.
# Its steps have another fixed cost: Python calls a few hundred functions
# for each. The effect of a batch is the same. This is the decoder of
# chapter 4 with sixteen questions in a row:

# %%
import time

from unitconv.inference.reference import Decoding, generate_sequential

prompts = [llm.encode(llm.format_prompt(q.text)) for q in questions]
settings = Decoding()

start = time.perf_counter()
alone = [
    generate_sequential(llm.model, prompt, llm.stop, settings)
    for prompt in prompts[:16]
]
seconds = time.perf_counter() - start
one_by_one = sum(len(c.token_ids) for c in alone) / seconds
print(f"{one_by_one:.0f} tokens per second")

# %% [markdown]
# ## Padding
#
# A tensor is a rectangle, and texts have different lengths. Short ones must
# be filled up with a *padding* token. The natural place is the end, where a
# text has run out. Three short prompts are enough to see what happens; we
# keep them raw so that they fit on the page.

# %%
texts = [
    "How many cm are in 3 m?",
    "2 h in min",
    "What is 5 kg in g?",
]
short = [llm.encode(text) for text in texts]
width = max(len(ids) for ids in short)
print([len(ids) for ids in short], "tokens, so the width is", width)

# %% [markdown]
# ### Trap 1: padding on the right
#
# The next token is predicted at the *last* column. If the padding is on
# the right, the last column of a short row is padding:

# %%
pad = llm.pad_token_id


def tensor(rows):
    return torch.tensor(rows, device=llm.device)


def last_logits(input_ids, **extra):
    """The logits at the last column of each row."""
    return llm.model(input_ids, **extra).logits[:, -1].float()


def best_next(logits):
    tokens = logits.argmax(dim=-1).tolist()
    return [llm.tokenizer.decode([token]) for token in tokens]


right = tensor([ids + [pad] * (width - len(ids)) for ids in short])
right_mask = tensor(
    [[1] * len(ids) + [0] * (width - len(ids)) for ids in short]
)
single = [last_logits(tensor([ids]))[0] for ids in short]

wanted = best_next(torch.stack(single))
got = best_next(last_logits(right, attention_mask=right_mask))
print("alone:         ", wanted)
print("padded right:  ", got)
assert wanted[0] == got[0]
assert wanted[1:] != got[1:]

# %% [markdown]
# The first row has no padding and is right. The other two are wrong, and
# there was no error and no warning. Nor was the attention mask wrong: it
# hides the padding from the tokens that *look* at it. But here the padding
# is the token that looks. Its query is the one whose logits we read, so the
# model was asked what follows a padding token.
#
# If a padded row happens to come out right, that is luck. The only way to
# notice is to compare it with the same row run on its own, and that
# comparison is the habit to take from this chapter.
#
# ### Trap 2: padding on the left, without a mask
#
# With padding on the left every row ends in the last column. But now the
# model attends to the padding *before* the text as if it were part of it.
# For each row we print how far its logits are off at most. To put the
# numbers in perspective: raising one logit by 2.3 multiplies that token's
# odds by ten.

# %%
left = tensor([[pad] * (width - len(ids)) + ids for ids in short])


def error(logits):
    """Per row, the largest difference to the row's logits alone."""
    return [
        (row - lone).abs().max()
        for row, lone in zip(logits, single, strict=True)
    ]


def show(name, errors):
    print(f"{name:24}", "  ".join(f"{float(e):8.1e}" for e in errors))


show("left, no mask", error(last_logits(left)))

# %% [markdown]
# The row without padding is right up to rounding. The others are off by
# 1.7 and 0.9.
#
# The *attention mask* hides the padding: 1 for tokens, 0 for padding. It
# must come from the lengths. Many tokenizers pad with the end-of-sequence
# token, so a mask made by `ids != pad` would hide real tokens too.


# %%
def pad_left(rows):
    """Ids and mask, both [rows, width], with padding on the left."""
    width = max(len(row) for row in rows)
    ids = [[pad] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return tensor(ids), tensor(mask)


input_ids, mask = pad_left(short)
assert torch.equal(input_ids, left)
show("left, mask", error(last_logits(left, attention_mask=mask)))

# %% [markdown]
# That is rounding error: sums were taken in another order.
#
# ### Trap 3: positions counted by column
#
# Are we done? The model also needs the *position* of each token. We did not
# give any, so it counted columns, padding included. In the row `2 h in min`
# the first token is in column 5 instead of 0. It did no harm, because Llama
# models use [rotary position embeddings](https://arxiv.org/abs/2104.09864).
# They encode distances, and when a whole row is shifted, all distances
# remain the same. A model with *learned* positions would be visibly off.
#
# This model is off as soon as padding lies *between* tokens. That happens
# in a dialogue: the first replies in a batch have different lengths, so the
# short rows are filled up, and then a second turn is appended to all of
# them. Below, one more token follows each row that was padded on the right.
# The mask hides the gap in both lines. In the first, positions are counted
# by column; in the second, they are the running sum of the mask, less one:


# %%
def positions(mask):
    """The place of each token in its own text; of padding, any."""
    return (mask.cumsum(dim=-1) - 1).clamp(min=0)


more = llm.encode("?")
longer = [last_logits(tensor([ids + more]))[0] for ids in short]
gap_ids = torch.cat([right, tensor([more] * 3)], dim=1)
gap_mask = torch.cat([right_mask, tensor([[1]] * 3)], dim=1)


def gap_error(**extra):
    found = last_logits(gap_ids, attention_mask=gap_mask, **extra)
    return [(a - b).abs().max() for a, b in zip(found, longer, strict=True)]


show("gap, by column", gap_error())
show("gap, by mask", gap_error(position_ids=positions(gap_mask)))
assert max(gap_error()) > 0.1
assert max(gap_error(position_ids=positions(gap_mask))) < 1e-3

# %% [markdown]
# With positions by column, the new token is five places too far from its
# text in the second row and one place in the third, and the logits are
# wrong by more than one. So we always give the positions. The figure shows
# the batch on both sides. Only with padding on the left does every row end
# in a token:

# %% tags=["hide-input"]
from unitconv.figures.tokens import Cell


def batch_cells(input_ids, mask):
    names = [[llm.tokenizer.decode([t]) for t in row] for row in input_ids]
    masks, places = mask.tolist(), positions(mask).tolist()
    return [
        [Cell(*cell) for cell in zip(*row, strict=True)]
        for row in zip(names, masks, places, strict=True)
    ]


position_ids = positions(mask)
exact = last_logits(left, attention_mask=mask, position_ids=position_ids)
assert max(float(e) for e in error(exact)) < 1e-3
figures.padded_batches(
    {
        "padded on the right": batch_cells(right, right_mask),
        "padded on the left": batch_cells(left, mask),
    }
).captioned(
    "A batch padded on the right and on the left. Below each token its "
    "mask and its position; hollow cells are padding with mask 0. The next "
    "token is predicted at the framed column."
)

# %% [markdown]
# On the book's page the next figure is interactive. It pads texts of your
# own, and the base model continues each row:
#
# ```{live-padding} How many cm are in 3 m?|2 h in min|What is 5 kg in g?
# A batch padded on either side: each token above its mask and its position,
# and what the model writes after it. Look at the last column. With padding
# on the right, the model is asked what follows padding, and if a row
# continues as it does alone, that is luck. Without mask or positions you
# see traps 2 and 3.
# ```
#
# ## Decoding a batch
#
# The loop is that of chapter 4 with one more column of tokens, mask and
# cache in each step. Some rows finish before others. A finished row cannot
# leave the tensor, so it waits: it is fed with padding that nobody reads,
# until the last row is finished.

# %%
from unitconv.inference.reference import decode_one_token, prefill


def batched_greedy(prompts, limit):
    """The reply of each prompt, as lists of token ids."""
    input_ids, mask = pad_left(prompts)
    logits, cache = prefill(llm.model, input_ids, mask, positions(mask))
    place = mask.sum(dim=1)  # of the next token of each row
    replies = [[] for _ in prompts]
    done = [False] * len(prompts)
    for step in range(limit):
        tokens = logits.argmax(dim=-1)
        for row, token in enumerate(tokens.tolist()):
            if done[row]:
                tokens[row] = pad
            else:
                replies[row].append(token)
                done[row] = llm.stop(replies[row])
        if all(done):
            break
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        logits = decode_one_token(
            llm.model, tokens, place + step, cache, mask
        )
    return replies


ours = batched_greedy(prompts[:16], limit=192)
assert ours == [completion.token_ids for completion in alone]
print("equal,", sum(map(len, ours)), "tokens")

# %% [markdown]
# Sixteen questions decoded together give the same tokens as the same
# sixteen alone, every one of them. That is the check to make of any batched
# decoder.
#
# The library's `generate_batched` is this loop with two additions: it can
# sample, and it can write several replies to each prompt. Those begin with
# the same prompt, so it is read once, and the cache is then copied for each
# reply.

# %%
from unitconv.inference.reference import generate_batched

together = generate_batched(
    llm.model, prompts[:16], llm.stop, settings, pad_token_id=pad
)
assert [row[0] for row in together] == alone

# %% [markdown]
# The check holds for sampling too, because the noise of a token is a hash
# of the request and not the state of a generator ([chapter
# 4](04_sequential.ipynb)). We draw three replies each for eight questions:
# once alone, once in reverse order behind ten others.

# %%
warm = Decoding(temperature=0.8)
first = generate_batched(
    llm.model, prompts[:8], llm.stop, warm, 3, pad_token_id=pad
)
mixed = generate_batched(
    llm.model, prompts[20:30] + prompts[7::-1], llm.stop, warm, 3, pad
)
assert first == mixed[10:][::-1]

distinct = {tuple(c.token_ids) for c in first[0]}
print(len(distinct), "distinct replies of 3 to:", questions[0].text)

# %% [markdown]
# ## Batches in 16 bits
#
# The checks above were made in float32, which keeps about seven digits.
# GPUs prefer bf16, which keeps two to three: a number near 256 can only be
# a multiple of 2. So the order of a sum matters:

# %%
a, b = torch.tensor([256.0, 1.0], dtype=torch.bfloat16)
print(f"(256 + 1) + 1 = {(a + b) + b:.0f}")
print(f"256 + (1 + 1) = {a + (b + b):.0f}")
assert (a + b) + b != a + (b + b)

# %% [markdown]
# The matrix products for one row and for sixteen rows add up in different
# orders, since the work is divided differently among the units of the
# processor. How far does a batch of sixteen move the logits of its rows?

# %%
half = LLM.from_pretrained(MODEL, dtype="bfloat16")


def largest_shift(model):
    rows, rows_mask = pad_left(prompts[:16])
    batch, _ = prefill(model, rows, rows_mask, positions(rows_mask))
    lone = [prefill(model, tensor([ids]))[0] for ids in prompts[:16]]
    return (batch - torch.cat(lone)).abs().max().item()


print(f"float32:  {largest_shift(llm.model):.1e}")
print(f"bfloat16: {largest_shift(half.model):.1e}")

# %% [markdown]
# In bf16 logits of about 9 are multiples of 1/16, and the batch moves them
# by a step or two. Two tokens that are nearly tied can change places.
# Among the questions 17 to 32 of the validation set that happens once:

# %%
block = prompts[16:32]
half_together = generate_batched(
    half.model, block, half.stop, settings, pad_token_id=pad
)
for number, prompt in enumerate(block):
    lone = generate_sequential(half.model, prompt, half.stop, settings)
    batched = half_together[number][0]
    if lone != batched:
        print(questions[16 + number].text)
        print("alone:   ", llm.tokenizer.decode(lone.token_ids))
        print("in batch:", llm.tokenizer.decode(batched.token_ids))

# %% [markdown]
# The model hesitates between `m` and `metre`. Both replies are right, but
# they are not the same, and over thousands of replies some answers will
# change. (On another processor it may be another reply, or none.) If a
# result changes with the batch size, this is one suspect ([He 2025](
# https://thinkingmachines.ai/blog/defeating-nondeterminism-in-llm-inference/)
# follows it into the kernels), and padding is the other. To tell them
# apart, compare in float32.
#
# ## Speed and batch size
#
# `generate_in_batches` sorts any number of prompts by length, so that
# little of a batch is padding, and calls `generate_batched` for one batch
# after the other. Here are the same 64 questions at every batch size:

# %%
from itertools import pairwise

from unitconv.inference.engine import EngineOptions
from unitconv.inference.generate import generate_in_batches

many = prompts[:64]
sizes = [1, 2, 4, 8, 16, 32, 64]
speeds = []
for size in sizes:
    start = time.perf_counter()
    replies = generate_in_batches(
        llm.model, many, llm.stop, settings, options=EngineOptions(size)
    )
    seconds = time.perf_counter() - start
    lengths = [len(row[0].token_ids) for row in replies]
    speeds.append(sum(lengths) / seconds)

figures.throughput(sizes, speeds).captioned(
    "Tokens per second against the batch size. On the dashed line twice "
    "the rows give twice the speed."
)

# %%
gains = [after / before for before, after in pairwise(speeds)]
print("gain by each doubling:", *(f"{gain:.2f}" for gain in gains))
print(f"best: {max(speeds) / speeds[0]:.1f} times one row")

# %% [markdown]
# If doubling the rows doubles the speed, the extra rows cost nothing. That
# is the dashed line, and the curve is below it from the first step. Clocks
# depend on what else the machine does: in one run the speed grew up to
# eight rows, to 2.6 times that of one row, in another up to 32 rows, to 2.1
# times. With 64 rows it fell in both. Two causes pull it down. The
# arithmetic of this small model is not free on a processor that has no
# GPU's parallelism, and rows that are finished wait for the others: the
# more rows, the longer. (The clock of a busy machine can be off by half, so
# trust only large ratios. By the table above, a GPU would follow the line
# further.)
#
# The waiting is wasted work: a batch takes as many steps as its longest
# reply has tokens. [Orca](
# https://www.usenix.org/conference/osdi22/presentation/yu) was the first
# to let finished rows leave and others enter.

# %%
waste = 1 - sum(lengths) / (len(lengths) * max(lengths))
print(f"{waste:.0%} of the last batch's row-steps went to rows that waited")
longest = replies[lengths.index(max(lengths))][0]
print("the longest:", llm.tokenizer.decode(longest.token_ids))

# %% [markdown]
# One reply multiplies in steps and needs more than twice as many tokens as
# most others, which wait for it. The next chapter shows how to avoid the
# waiting.
#
# ## Exercises
#
# ```{exercise} Warm-up: a mask from the ids
# :label: ex-mask
#
# Someone builds the attention mask as `input_ids != pad`, for a tokenizer
# that pads with its end-of-sequence token. Count the *real* tokens that
# such a mask hides. How many are they in a chat prompt?
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt


def hidden_tokens(rows, pad):
    """Real tokens that `ids != pad` hides; rows are lists of ids."""
    raise NotImplementedError


def check_mask(hidden_tokens):
    assert hidden_tokens([[5, 6, 7], [8]], 9) == 0, (
        "no text holds the padding token, so nothing real is hidden"
    )
    assert hidden_tokens([[5, 9, 6, 9], [9]], 9) == 3, (
        "the padding token occurs three times in these texts; what fills "
        "up the short one is no real token"
    )


attempt(check_mask, hidden_tokens)


# %% [markdown]
# ```{solution-start} ex-mask
# :class: dropdown
# ```


# %%
from unitconv.inference.reference import left_pad


def hidden_tokens(rows, pad):
    ids, true_mask = left_pad(rows, pad)
    wrong_mask = (ids != pad).long()
    return int((true_mask - wrong_mask).sum())


eos = llm.tokenizer.eos_token_id
print(hidden_tokens(prompts[:1], eos), "real tokens of a prompt hidden")
assert hidden_tokens(prompts[:1], eos) > 0

# %% tags=["solution", "nbval-check-output"]
attempt(check_mask, hidden_tokens)

# %% [markdown]
# Every turn of the chat ends with that token, so every turn's end is
# hidden from the model.
#
# ```{solution-end}
# ```
#
# ```{exercise} How much padding does sorting save?
# :label: ex-sorting
#
# Count the padding of texts that are batched in the order they come in.
# Then compare the 200 validation prompts in the order of the file and
# sorted by length, eight at a time.
# ```


# %% tags=["exercise", "nbval-check-output"]
def padding(lengths, size):
    """Padding tokens in batches of `size`, taken in the given order."""
    raise NotImplementedError


def check_sorting(padding):
    for lengths, size, expected in [
        ([3, 1, 2, 2], 2, 2),
        ([1, 9, 1, 9], 2, 16),
        ([4, 1, 2], 8, 5),
        ([5, 5, 2], 2, 0),
    ]:
        assert padding(lengths, size) == expected, (
            f"{lengths} in batches of {size}: {expected} to fill up"
        )


attempt(check_sorting, padding)


# %% [markdown]
# ```{solution-start} ex-sorting
# :class: dropdown
# ```


# %%
def padding(lengths, size):
    batches = [lengths[i : i + size] for i in range(0, len(lengths), size)]
    return sum(len(b) * max(b) - sum(b) for b in batches)


in_order = [len(p) for p in prompts]
print(padding(in_order, 8), "against", padding(sorted(in_order), 8))
assert padding(sorted(in_order), 8) < padding(in_order, 8) / 2

# %% tags=["solution", "nbval-check-output"]
attempt(check_sorting, padding)

# %% [markdown]
# The last batch may be a smaller one; it is padded to its own width.
#
# ```{solution-end}
# ```
#
# ```{exercise} Right padding, rescued
# :label: ex-right
#
# Padding on the right can be made to work. For the *first* new token, read
# each row's logits where its text ends. For the *second*, append the first
# in a new column on the right, and give the model what trap 3 has taught.
# ```


# %% tags=["exercise", "nbval-check-output"]
def first_logits(input_ids, mask):
    """What follows each text of a batch padded on the right: [rows, V]."""
    raise NotImplementedError


def second_logits(input_ids, mask, tokens):
    """What follows after `tokens`, [rows], in a new column: [rows, V]."""
    raise NotImplementedError


def furthest(logits, texts):
    alone = torch.cat([last_logits(tensor([ids])) for ids in texts])
    return float((logits.float() - alone).abs().max())  # NaN stays NaN


def check_right(first_logits, second_logits):
    first = first_logits(right, right_mask)
    assert furthest(first, short) < 1e-3, (
        "first token: the logits are not those of the text alone"
    )
    tokens = first.argmax(dim=-1)
    longer = [[*i, t] for i, t in zip(short, tokens.tolist(), strict=True)]
    second = second_logits(right, right_mask, tokens)
    assert furthest(second, longer) < 1e-3, (
        "second token: the logits are not those of the text alone"
    )


attempt(check_right, first_logits, second_logits)


# %% [markdown]
# ```{solution-start} ex-right
# :class: dropdown
# ```
#
# In the new column the last token is the last column again. But now the
# padding is a gap *inside* the row: the mask must go on hiding it, and the
# positions must be given.


# %%
def first_logits(input_ids, mask):
    logits = llm.model(input_ids, attention_mask=mask).logits
    ends = mask.sum(dim=-1) - 1
    return logits[torch.arange(len(ends)), ends]


def second_logits(input_ids, mask, tokens):
    input_ids = torch.cat([input_ids, tokens[:, None]], dim=-1)
    mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=-1)
    return last_logits(
        input_ids, attention_mask=mask, position_ids=positions(mask)
    )


# %% tags=["solution", "nbval-check-output"]
attempt(check_right, first_logits, second_logits)

# %% [markdown]
# It works, and left padding avoids the special case.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: wrong positions that do no harm
# :label: ex-positions
#
# In trap 3 rotary positions hid the mistake while the padding was on the
# left. Which mistakes do they hide? Write two functions that take the mask
# of `left` and return position ids. The first must change every token's
# position without changing the logits in the last column. The second must
# keep the tokens in order and change the logits of every row.
# ```


# %% tags=["exercise", "nbval-check-output"]
def forgiven(mask):
    """Position ids, shaped as the mask, that change nothing."""
    raise NotImplementedError


def noticed(mask):
    """Position ids, shaped as the mask and in order, that do."""
    raise NotImplementedError


def errors_at(places):
    placed = last_logits(left, attention_mask=mask, position_ids=places)
    return [float(e) for e in error(placed)]


def check_positions(forgiven, noticed):
    places = forgiven(mask)
    assert (places != positions(mask))[mask.bool()].all(), (
        "forgiven: some token is where it should be"
    )
    assert all(e < 1e-3 for e in errors_at(places)), (
        "forgiven: the logits change"
    )
    places = noticed(mask)
    rows = zip(places, mask.bool(), strict=True)
    assert all((row[real].diff() > 0).all() for row, real in rows), (
        "noticed: the tokens are not in their order"
    )
    assert all(e > 0.01 for e in errors_at(places)), (
        "noticed: a row hardly does"
    )


attempt(check_positions, forgiven, noticed)


# %% [markdown]
# ```{solution-start} ex-positions
# :class: dropdown
# ```


# %%
def forgiven(mask):
    return positions(mask) + 5


def noticed(mask):
    return 2 * positions(mask)


show("shifted", errors_at(forgiven(mask)))
show("stretched", errors_at(noticed(mask)))

# %% tags=["solution", "nbval-check-output"]
attempt(check_positions, forgiven, noticed)

# %% [markdown]
# A shift keeps all distances between tokens. A stretch doubles them, so
# that the previous token is now two steps away.
#
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 1
#
# Why is one row a waste on a GPU?
#
# - The weights are read for a single token each time.
# - A GPU cannot compute single rows.
# - The prompt is too short.
#
# A token takes about 2N operations for 2N bytes of weights, and a GPU could
# do some 200 operations in the time of one byte.
# ```
#
# ```{quiz}
# :right: 2
#
# Padding is on the right and the mask is correct. Why is the next token
# still wrong?
#
# - The positions are wrong.
# - The logits are read at a padding token.
# - The softmax includes the padding.
#
# The mask hides padding as a key. Here the padding is the query.
# ```
#
# ```{quiz}
# :right: 3
#
# A reply changes with the batch size in bf16, and not in float32. What
# happened?
#
# - A row attended to another row.
# - The noise was not reproducible.
# - Two tokens were nearly tied, and rounding decided.
#
# Sums are taken in another order, and bf16 keeps two to three digits.
# ```
#
# ## Recap
#
# - A token costs about 2N operations and, in bf16, 2N bytes of weights. A
#   batch reads the weights once for all its rows, so rows are almost free
#   until arithmetic takes as long as reading.
# - Padding goes on the left, so that the last column of every row is its
#   last token and not padding.
# - The mask comes from the lengths, and the positions come from the mask.
# - All three mistakes run without an error. Comparing with the row alone
#   finds them.
# - In float32 a batch changes logits by rounding only. In bf16 it can
#   change which of two nearly tied tokens is chosen.
# - Throughput grows with the batch, but by less than the number of rows,
#   and only up to a point, here 8 to 32 rows. Rows that wait are wasted
#   work.
#
# **Next:** [an engine in which no row waits](06_fast.ipynb): the same
# tokens in less time.
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# su2021
# yu2022
# he2025
# ```
