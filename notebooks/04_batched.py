# %% [markdown]
# # Batched generation: many questions at once
#
# One question takes the model a moment. A test set has a thousand, and
# rejection sampling, which draws several replies and keeps the right ones,
# will want ten for each of two thousand more. Much of that time goes into
# what a step costs however many texts it serves: fetching the weights of a
# large model, calling a few hundred functions for a small one. So let us
# serve sixty-four.
#
# **The question of this chapter:** what could go wrong when texts that
# have nothing to do with each other share a tensor?
#
# :::{admonition} What you will learn
# :class: tip
# - why texts of different lengths need padding, and on which side;
# - three ways to get it wrong without an error message;
# - what the attention mask and the position ids are for;
# - how to check that a batch changes nothing but the speed;
# - how speed grows with the batch, and where it stops.
#
# **Before you start:** [chapter 3](03_sequential.ipynb). **Time:** 10
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

from unitconv.inference.llm import LLM
from unitconv.task.dataset import load_split

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL, dtype="float32")
questions = load_split("valid")
llm

# %% [markdown]
# ## How fast is one at a time?
#
# The decoder of chapter 3, sixteen questions in a row:

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
# ## A rectangle of tokens
#
# A tensor is a rectangle and texts are not. The short ones must be filled
# up with a *padding* token. The natural place is the end, where a text has
# run out. Three short prompts will do to see what happens; we keep them
# raw so that they fit on the page.

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
# The model predicts the next token at the *last* column. With padding on
# the right, the last column of a short row is padding, so the model is
# asked what follows a padding token:

# %%
pad = llm.pad_token_id


def tensor(rows):
    return torch.tensor(rows, device=llm.device)


def last_logits(input_ids, **extra):
    """What the model says at the last column of each row."""
    with torch.inference_mode():
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

# %% [markdown]
# The tokens need not make sense, for these are bare questions; what
# matters is whether the two lines agree. There was no error and no
# warning, and the attention mask was correct. Where a padded row comes out
# right, it is luck. Nothing tells you so but the comparison with the row
# alone, and that comparison is the habit to take from this chapter.
#
# ### Trap 2: padding on the left, and nothing else
#
# With padding on the left every row ends in the last column. But now the
# model sees padding *before* the text and takes it for part of it. For
# each row we print how far its logits are off at most. For a scale: a
# logit that is 2.3 too high makes its token ten times as likely beside
# the others. The longest row has no padding, so nothing can go wrong with
# it:

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


show("left, nothing else", error(last_logits(left)))

# %% [markdown]
# ### Trap 3: a mask, but no positions
#
# The *attention mask* hides the padding: 1 for tokens, 0 for padding. It
# must come from the lengths. Many tokenizers pad with the end-of-sequence
# token, so a mask made by `ids != pad` would hide real tokens too.
#
# The mask alone is not always enough. The model also knows *where* each
# token stands, and without being told it counts columns, padding included:

# %%
from unitconv.inference.reference import left_pad, positions

input_ids, mask = left_pad(short, pad)
assert torch.equal(input_ids.to(left), left)
mask = mask.to(left)
show("left, mask", error(last_logits(left, attention_mask=mask)))

# %% [markdown]
# The error is down to rounding already, and that is the trap: this model
# hides the mistake. Llama models use [rotary position
# embeddings](https://arxiv.org/abs/2104.09864), which encode distances,
# and distances do not change when a whole row is shifted. A model with
# *learned* positions would be visibly off. So we say where each token
# stands: the running sum of the mask, less one.

# %%
position_ids = positions(mask)
exact = last_logits(left, attention_mask=mask, position_ids=position_ids)
show("left, mask, positions", error(exact))
assert max(float(e) for e in error(exact)) < 1e-3

# %% [markdown]
# Nothing visible changes for this model; an exercise below shows a case
# where it does. What is left is rounding: sums taken in another order.
# This is the batch as the model should see it, each token above its
# position:

# %% tags=["hide-input"]
from unitconv import figures

figures.padded_batch(
    [[llm.tokenizer.decode([t]) for t in row] for row in input_ids],
    mask.tolist(),
    position_ids.tolist(),
)

# %% [markdown]
# On the book's page the next figure is alive. It pads texts of your own,
# and the base model continues each row:
#
# ```{live-padding} How many cm are in 3 m?|2 h in min|What is 5 kg in g?
# A batch padded on either side: each token above its mask and its position,
# and what the model writes after it. Look at the last column. With padding
# on the right, the model is asked what follows padding, and a row that goes
# on as it does alone is lucky. Without mask or positions you see traps 2
# and 3.
# ```
#
# ## Decoding a batch
#
# The loop is that of chapter 3, with one more column of tokens, mask and
# cache per step. It is the longest function of this chapter; read it for
# four things:
#
# - `left_pad` and `positions` are the two from above, and `prefill` reads
#   the whole rectangle in one pass;
# - `n` is how many replies each prompt gets. They begin with the same
#   prompt, so it is read once, and `repeat_interleave` copies what was
#   read;
# - each turn of the loop chooses a token for every row, adds a column of
#   ones to the mask, and places the new tokens at `next_position + step`;
# - `_Row` collects the tokens of a row and knows when it is done. Such a
#   row waits until the last one is, fed with padding that nobody reads.

# %%
import inspect

from IPython.display import Markdown

from unitconv.inference.reference import generate_batched

Markdown(f"```python\n{inspect.getsource(generate_batched)}```")

# %% [markdown]
# ## The check: batch equals single
#
# Sixteen questions, decoded together, against the same sixteen alone.
# Every token has to be the same.

# %%
together = generate_batched(
    llm.model, prompts[:16], llm.stop, settings, pad_token_id=pad
)
assert [row[0] for row in together] == alone
print("equal,", sum(len(c.token_ids) for c in alone), "tokens")

# %% [markdown]
# This holds for sampling too, because the noise of a token is a hash of
# the request and not a generator's state. We draw three replies each for
# eight questions: once alone, once in reverse order behind ten others.

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
# ### What precision has to do with it
#
# The check above is for 32-bit floats. GPUs prefer 16 bits. There, two
# batch sizes add in different orders *and* round visibly, and where two
# tokens are nearly tied the batch can decide. How far does a batch of
# sixteen move the logits of its rows, in each precision?

# %%
from unitconv.inference.reference import prefill

half = LLM.from_pretrained(MODEL, dtype="bfloat16")


def largest_shift(model):
    rows, rows_mask = (
        t.to(llm.device) for t in left_pad(prompts[:16], pad)
    )
    with torch.inference_mode():
        batch, _ = prefill(model, rows, rows_mask, positions(rows_mask))
        lone = [prefill(model, tensor([ids]))[0] for ids in prompts[:16]]
    return (batch - torch.cat(lone)).abs().max().item()


print(f"float32:  {largest_shift(llm.model):.1e}")
print(f"bfloat16: {largest_shift(half.model):.1e}")

# %% [markdown]
# Whether that changes a reply depends on how near the ties are:

# %%
half_alone = [
    generate_sequential(half.model, prompt, half.stop, settings)
    for prompt in prompts[:16]
]
half_together = generate_batched(
    half.model, prompts[:16], half.stop, settings, pad_token_id=pad
)
pairs = zip([row[0] for row in half_together], half_alone, strict=True)
same = sum(batched == single for batched, single in pairs)
print(f"{same} of 16 replies are the same in bfloat16")

# %% [markdown]
# Sixteen replies are few. Where all agree, no near tie stood in the way
# this time; among many thousand replies one may. If a result changes with
# the batch size, this is the first suspect ([He
# 2025](
# https://thinkingmachines.ai/blog/defeating-nondeterminism-in-llm-inference/)
# follows it into the kernels), and padding the second.
#
# ## How fast is it now?
#
# `generate_in_batches` sorts any number of prompts by length, so that
# little of a batch is padding, and calls `generate_batched` for one batch
# after the other. Here are the same questions at every batch size:

# %%
from unitconv.inference.engine import EngineOptions
from unitconv.inference.generate import generate_in_batches

many = [llm.encode(llm.format_prompt(q.text)) for q in questions[:64]]
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

figures.throughput(sizes, speeds)

# %% [markdown]
# Mind the axis: from mark to mark the rows double. Where the speed doubles
# too, the added rows were free, since a step costs mostly what it pays
# once. Where it grows by less, their arithmetic has begun to cost, or rows
# that are done wait for others. The first point need not be the rate from
# the start of the chapter: those were fewer questions, at another moment,
# and the clock of a busy machine can be off by a factor of two. Trust large
# ratios.
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
        "the padding token stands three times in these texts; what fills "
        "up the short one is no real token"
    )


attempt(check_mask, hidden_tokens)


# %% [markdown]
# ```{solution-start} ex-mask
# :class: dropdown
# ```


# %%
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
# in a new column on the right. What must the mask and the positions say
# for its logits to come out right too?
# ```


# %% tags=["exercise", "nbval-check-output"]
def first_logits(input_ids, mask):
    """What follows each text of a batch padded on the right: [rows, V]."""
    raise NotImplementedError


def second_logits(input_ids, mask, tokens):
    """What follows after `tokens`, [rows], in a new column: [rows, V]."""
    raise NotImplementedError


def furthest(logits, texts):
    alone = [last_logits(tensor([ids]))[0] for ids in texts]
    pairs = zip(logits.float(), alone, strict=True)
    return max(float((row - lone).abs().max()) for row, lone in pairs)


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
# position must be given.


# %%
def first_logits(input_ids, mask):
    with torch.inference_mode():
        logits = llm.model(input_ids, attention_mask=mask).logits
    ends = mask.sum(dim=-1) - 1
    return logits[torch.arange(len(ends)), ends]


def with_column(input_ids, mask, tokens):
    column = torch.ones_like(mask[:, :1])
    return (
        torch.cat([input_ids, tokens[:, None]], dim=-1),
        torch.cat([mask, column], dim=-1),
    )


def second_logits(input_ids, mask, tokens):
    input_ids, mask = with_column(input_ids, mask, tokens)
    return last_logits(
        input_ids, attention_mask=mask, position_ids=positions(mask)
    )


# %% [markdown]
# Counted by column, the token would stand too far from its own prompt, and
# this time rotary positions do not forgive it:

# %%
tokens = first_logits(right, right_mask).argmax(dim=-1)
longer = [[*i, t] for i, t in zip(short, tokens.tolist(), strict=True)]
wider, wider_mask = with_column(right, right_mask, tokens)
columns = last_logits(wider, attention_mask=wider_mask)
places = second_logits(right, right_mask, tokens)
print(f"position by column: off by {furthest(columns, longer):.1e}")
print(f"position by mask:   off by {furthest(places, longer):.1e}")
assert furthest(columns, longer) > 0.01

# %% tags=["solution", "nbval-check-output"]
attempt(check_right, first_logits, second_logits)

# %% [markdown]
# It works, and left padding avoids the special case.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: what positions forgive
# :label: ex-positions
#
# Rotary positions forgave us in trap 3. What exactly do they forgive?
# Write two functions that take the mask of `left` and return position ids.
# By the first, every token stands elsewhere than it should, and no logit
# of the last column notices. By the second, the tokens stand in their
# order, and every row notices.
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
        "forgiven: some token stands where it should"
    )
    assert max(errors_at(places)) < 1e-3, "forgiven: the logits change"
    places = noticed(mask)
    rows = zip(places, mask.bool(), strict=True)
    assert all((row[real].diff() > 0).all() for row, real in rows), (
        "noticed: the tokens are not in their order"
    )
    assert min(errors_at(places)) > 0.01, "noticed: a row hardly does"


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
# A shift keeps all distances between tokens, a stretch doubles them: now
# "the token before me" stands two steps back.
#
# ```{solution-end}
# ```
#
# ## Recap
#
# - Padding goes on the left, so that every row's last token stands in the
#   last column.
# - The mask comes from the lengths and the positions from the mask.
# - All three mistakes run without an error. Comparing with the row alone
#   finds the first two; the third shows only where absolute positions
#   matter.
# - In float32 the logits change by rounding only, and no token did here;
#   in 16 bits near ties may fall the other way.
# - Speed grows with the batch, by less and less as arithmetic takes over,
#   and rows that wait are wasted work.
#
# **Next:** [what becomes of the rows that wait](05_fast.ipynb): the same
# tokens, sooner.
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
