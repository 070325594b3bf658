# %% [markdown]
# # Batched generation: many questions at once
#
# One question takes the model a moment. A test set has a thousand, and
# rejection sampling, which draws several replies and keeps the right ones,
# will want ten for each of a thousand more. Much of that time goes into
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
# **Before you start:** [chapter 3](03_sequential.ipynb). **Time:** 25
# minutes to read, about a minute to run. **Hardware:** with the course
# model any laptop; 1 GB of memory.
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

from unitconv.llm import LLM
from unitconv.questions import load_split

MODEL = "course"  # or "HuggingFaceTB/SmolLM2-360M-Instruct"

llm = LLM.from_pretrained(MODEL, dtype="float32")
questions = load_split("valid")
llm

# %% [markdown]
# ## How fast is one at a time?
#
# The decoder of chapter 3, sixteen questions in a row:

# %%
import time

from unitconv.decoding import Decoding, generate_sequential

prompts = [llm.encode(llm.format_prompt(q.text)) for q in questions]
settings = Decoding(max_new_tokens=48)

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
# model sees padding *before* the text and takes it for part of it:

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
from unitconv.decoding import left_pad, positions

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
# Nothing visible changes for this model; exercise 3.3 shows a case where
# it does. What is left is rounding: sums taken in another order. This is
# the batch as the model should see it, each token above its position:

# %% tags=["hide-input"]
from unitconv import plots

plots.padded_batch(
    [[llm.tokenizer.decode([t]) for t in row] for row in input_ids],
    mask.tolist(),
    position_ids.tolist(),
)

# %% [markdown]
# ## Decoding a batch
#
# The loop is that of chapter 3, with one more column of tokens, mask and
# cache per step. A row that is done waits until the last one is, fed with
# padding that nobody reads.

# %%
import inspect

from IPython.display import Markdown

from unitconv.decoding import generate_batched

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
warm = Decoding(max_new_tokens=48, temperature=0.8)
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
from unitconv.decoding import prefill

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
# If a result changes with the batch size, this is the first suspect ([He
# 2025](
# https://thinkingmachines.ai/blog/defeating-nondeterminism-in-llm-inference/)
# follows it into the kernels), and padding the second.
#
# ## How fast is it now?
#
# `llm.complete` sorts the prompts by length, so that little of a batch is
# padding. Here are the same questions at every batch size:

# %%
texts = [llm.format_prompt(q.text) for q in questions[:64]]
llm.complete(texts[:2], settings=settings)  # warm up
sizes = [1, 2, 4, 8, 16, 32, 64]
speeds = []
for size in sizes:
    start = time.perf_counter()
    replies = llm.complete(texts, settings=settings, batch_size=size)
    seconds = time.perf_counter() - start
    speeds.append(sum(r[0].n_tokens for r in replies) / seconds)

plots.throughput(sizes, speeds)

# %% [markdown]
# Speed grows with the batch for as long as a step's cost is dominated by
# what it pays once, and flattens when arithmetic takes over. And part of
# the work is wasted, because finished rows wait. [Orca](
# https://www.usenix.org/conference/osdi22/presentation/yu) was the first
# to let them leave and others enter.

# %%
lengths = [r[0].n_tokens for r in replies]
waste = 1 - sum(lengths) / (len(lengths) * max(lengths))
print(f"{waste:.0%} of the last batch's row-steps went to rows that waited")

# %% [markdown]
# ## Exercises
#
# ```{exercise} Warm-up: a mask from the ids
# :label: ex-mask
#
# Build the attention mask as `input_ids != pad` for a tokenizer that pads
# with its end-of-sequence token, on a chat prompt. How many real tokens
# does it hide?
# ```
#
# ```{solution-start} ex-mask
# :class: dropdown
# ```

# %%
eos = llm.tokenizer.eos_token_id
chat_ids, true_mask = left_pad(prompts[:2], eos)
wrong_mask = (chat_ids != eos).long()
hidden = int((true_mask - wrong_mask).sum())
print(hidden, "real tokens hidden")
assert hidden > 0


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
# Count the padding in batches of 8 over the 200 validation prompts, in
# the order of the file and sorted by length.
# ```
#
# ```{solution-start} ex-sorting
# :class: dropdown
# ```


# %%
def padding(lengths, size=8):
    batches = [lengths[i : i + size] for i in range(0, len(lengths), size)]
    return sum(len(b) * max(b) - sum(b) for b in batches)


in_order = [len(p) for p in prompts]
print(padding(in_order), "against", padding(sorted(in_order)))
assert padding(sorted(in_order)) < padding(in_order) / 2

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Right padding, rescued
# :label: ex-right
#
# Padding on the right can be made to work for the *first* new token: read
# each row's logits where its text ends. Do it and compare with `wanted`.
# Then append that token in a new column on the right. What must the mask
# and the position say for the second token to come out right too?
# ```
#
# ```{solution-start} ex-right
# :class: dropdown
# ```

# %%
with torch.inference_mode():
    logits = llm.model(right, attention_mask=right_mask).logits
ends = right_mask.sum(dim=-1) - 1
rescued = [
    llm.tokenizer.decode([int(logits[row, end].argmax())])
    for row, end in enumerate(ends.tolist())
]
print(rescued)
assert rescued == wanted

# %% [markdown]
# In the new column the last token is the last column again. But now the
# padding is a gap *inside* the row: the mask must go on hiding it, and the
# position must be given. Counted by column, the token would stand too far
# from its own prompt, and this time rotary positions do not forgive it:

# %%
from unitconv.decoding import decode_one_token

tokens = torch.stack([row.argmax() for row in single])
longer = [[*ids, int(t)] for ids, t in zip(short, tokens, strict=True)]
second = [last_logits(tensor([ids]))[0] for ids in longer]
next_mask = torch.cat([right_mask, tensor([[1]] * len(short))], dim=-1)

for name, place in [
    ("position by column", tensor([width] * len(short))),
    ("position by mask", ends + 1),
]:
    with torch.inference_mode():
        _, cache = prefill(llm.model, right, right_mask)
        got = decode_one_token(llm.model, tokens, place, cache, next_mask)
    pairs = zip(got.float(), second, strict=True)
    errors = [(row - lone).abs().max() for row, lone in pairs]
    show(name, errors)
assert max(float(e) for e in errors) < 1e-3

# %% [markdown]
# It works, and left padding avoids the special case.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: positions that matter
# :label: ex-positions
#
# Rotary positions forgave us in trap 3. Give the padded rows positions
# that are *stretched*, twice those of `positions(mask)`, and measure the
# error. What does the model notice that it did not notice before?
# ```
#
# ```{solution-start} ex-positions
# :class: dropdown
# ```

# %%
stretched = last_logits(
    left, attention_mask=mask, position_ids=2 * position_ids
)
show("stretched positions", error(stretched))
assert min(float(e) for e in error(stretched)) > 0.01

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
# - Speed grows with the batch until arithmetic dominates, and rows that
#   wait are wasted work.
#
# ## References
#
# - J. Su et al. (2021). RoFormer: enhanced transformer with rotary
#   position embedding.
#   [arXiv:2104.09864](https://arxiv.org/abs/2104.09864)
# - G.-I. Yu et al. (2022). Orca: a distributed serving system for
#   transformer-based generative models. USENIX OSDI.
# - H. He (2025). Defeating nondeterminism in LLM inference. Thinking
#   Machines Lab.
