# %% [markdown]
# # Sequential generation: one token at a time
#
# A language model does not write text. It looks at a row of numbers and
# says how likely each possible next number is. Everything else, from the
# first word of a reply to its last full stop, is a loop around that one
# act, and in this chapter we take the loop apart.
#
# **The question of this chapter:** the model's reply is a few dozen tokens
# long. How many tokens does it have to *read* to write them?
#
# :::{admonition} What you will learn
# :class: tip
# - from logits to text: the loop, and what it costs;
# - greedy decoding, and what the KV cache saves;
# - when to stop, and why a model that cannot stop is a problem;
# - what temperature and top-p do to the next token;
# - how to sample so that a text can be had again, alone or in company.
#
# **Before you start:** [chapter 2](02_model.ipynb) for tokens, the chat
# template and attention. **Time:** 10 minutes to read, without the
# exercises, and under a minute to run. **Hardware:** with the course model
# any laptop; 1 GB of memory.
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
from unitconv.inference.llm import LLM
from unitconv.task.prompts import format_prompt

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL, dtype="float32")
llm

# %% [markdown]
# ## What the model reads
#
# Chapter 2 showed how a question becomes turns with markers between them,
# and the turns become tokens: an instruction, one worked example, the
# question, and a last line that opens the assistant's turn.

# %%
question = "How many gram are there per 6 kg?"
prompt = llm.format_prompt(question)
prompt_ids = llm.encode(prompt)
print(prompt)
print(len(prompt_ids), "tokens in the prompt")

# %% [markdown]
# This style is called `cot`, for [chain of
# thought](https://arxiv.org/abs/2201.11903): the example shows its
# reasoning, so the reply should too. Two plainer styles are `chat`, the
# same without the example, and `raw`, the bare question.

# %% [markdown]
# ## What the model says
#
# Feed the prompt's tokens to the model and you get logits *for every
# position*: at each one the model says what follows the text up to there.
# All but the last position are no news, for we know what follows. A
# softmax turns the last row into probabilities.

# %%
import torch

input_ids = torch.tensor([prompt_ids], device=llm.device)
with torch.inference_mode():
    logits = llm.model(input_ids).logits
print("logits:", tuple(logits.shape), "= (rows, tokens, vocabulary)")

probabilities = logits[0, -1].float().softmax(dim=-1)
best = probabilities.topk(5)
for p, token in zip(*(t.tolist() for t in best), strict=True):
    print(f"{p:6.3f}  {llm.tokenizer.decode([token])!r}")

# %% [markdown]
# To generate, choose a token, append it, and ask again. Choosing the most
# likely one each time is *greedy* decoding. Here is the loop, in its
# simplest form:

# %%
import time


def slow_greedy(token_ids, steps):
    token_ids, read = list(token_ids), 0
    for _ in range(steps):
        row = torch.tensor([token_ids], device=llm.device)
        with torch.inference_mode():
            logits = llm.model(row).logits
        read += len(token_ids)
        token_ids.append(int(logits[0, -1].argmax()))
    return token_ids, read


start = time.perf_counter()
slow_ids, slow_read = slow_greedy(prompt_ids, steps=24)
slow_seconds = time.perf_counter() - start
print(llm.tokenizer.decode(slow_ids[len(prompt_ids) :]))
print(f"{slow_read} tokens read to write 24")

# %% [markdown]
# There is the answer to our question, and it is a bad one. Each step reads
# everything so far again to add a single token, and 24 are not even the
# whole reply: the answer tag is still to come.
#
# ## The KV cache
#
# In a [transformer](https://arxiv.org/abs/1706.03762) every layer computes
# a key for each token, by which later tokens find it, and a value, which
# is what they take from it. Tokens look back and never forward, so the
# keys and values of the prompt do not change when a token is appended:
# compute them once and keep them. What is kept is the KV cache. The first
# pass, which fills it, is called *prefill*; every later step reads one
# token.

# %%
from unitconv.inference.reference import decode_one_token, prefill

with torch.inference_mode():
    logits, cache = prefill(llm.model, input_ids)
print(cache.get_seq_length(), "positions in the cache after the prefill")

keys = cache.layers[0].keys
print("keys of a layer:", tuple(keys.shape))
print("               = (rows, key heads, tokens, size of a head)")

# %%
token = logits.argmax(dim=-1)
position = torch.tensor([len(prompt_ids)], device=llm.device)
with torch.inference_mode():
    logits = decode_one_token(llm.model, token, position, cache)
print(cache.get_seq_length(), "positions after one more token")

# %% [markdown]
# `position` tells the model where the token stands, since it no longer
# sees the ones before it. In the figure a row is one pass of the model.
# What is dark is read, what is pale comes from the cache, and the token
# in orange is what the pass makes likely:

# %% tags=["hide-input"]
from unitconv import figures

pieces = [llm.tokenizer.decode([token]) for token in slow_ids]
begin = len(prompt_ids) - 6
figures.cache_filling(
    prompt=pieces[begin : len(prompt_ids)],
    reply=pieces[len(prompt_ids) : len(prompt_ids) + 7],
    first=begin,
)

# %% [markdown]
# Counted over a whole reply, what the cache saves is plain to see:

# %% tags=["hide-input"]
figures.cache_work(prompt_tokens=len(prompt_ids), new_tokens=24)

# %% [markdown]
# Not every token read costs the same, for a later one looks at more. On
# the book's page you can set both lengths and count the multiply-adds:
#
# ```{live-kv-cache} 127 24
# Multiply-adds of the course model for each token of the reply: the
# products with its weights, and attention. Both charts have the same scale.
# The first token costs the same with the cache, for the prompt has to be
# read. Make the reply longer and look at the last row of the table.
# ```
#
# The cache costs memory instead: two tensors per layer that grow with every
# token. Chapter 2 computed how much from the model's shape, in bf16; here
# it is in float32, and held against the cache itself. For the course model
# that is nothing; with many long texts at once it can be more than the
# weights ([Pope et al. 2022](https://arxiv.org/abs/2211.05102)).

# %%
config = llm.model.config
heads = config.num_key_value_heads
head_size = keys.shape[-1]
per_token = (
    2 * config.num_hidden_layers * heads * head_size * keys.element_size()
)
print(f"{per_token / 1e3:.1f} kB of cache per token")
assert per_token == sum(
    2 * layer.keys.element_size() * layer.keys[:, :, :1].numel()
    for layer in cache.layers
)

# %% [markdown]
# ## The whole loop
#
# This is the library's decoder, as it stands in
# `unitconv/inference/reference.py`. `choose` is `argmax` for now, `row_key`
# belongs to sampling below, and `stop` is asked after each token whether
# the text is done.

# %%
import inspect

from IPython.display import Markdown

from unitconv.inference.reference import Decoding, generate_sequential


def source(function):
    return Markdown(f"```python\n{inspect.getsource(function)}```")


source(generate_sequential)


# %%
def never(token_ids):
    return False


settings = Decoding(max_new_tokens=24)
start = time.perf_counter()
completion = generate_sequential(llm.model, prompt_ids, never, settings)
cached_seconds = time.perf_counter() - start
print(llm.tokenizer.decode(completion.token_ids))
cached_read = len(prompt_ids) + 23
print(f"{slow_read / cached_read:.0f} times fewer tokens read")
print(f"{slow_seconds / cached_seconds:.1f} times as fast")
assert completion.token_ids == slow_ids[len(prompt_ids) :]

# %% [markdown]
# The clock need not agree with the count: a pass over one token is far
# from free, and most of it is overhead. The tokens are the same, as the
# last line checks: a cache that changed the result would be a bug. The
# library is held to more than that: its tests compare
# every token with `transformers`' own `generate`.
#
# ## When to stop
#
# Above we passed a rule that never stops. Left to itself the model goes
# on past its answer until the limit, and starts another turn or text:

# %%
endless = generate_sequential(
    llm.model, prompt_ids, never, Decoding(max_new_tokens=60)
)
print(llm.tokenizer.decode(endless.token_ids))

# %% [markdown]
# A chat model ends its turn with a special token, the *end of sequence*.
# We stop there, or as soon as `</answer>` is complete, since nothing
# behind it is read. `finished` records which replies came to such an end
# and which were cut off at the limit; the share of the first is the *stop
# rate* of chapter 1's table.

# %%
reply = generate_sequential(llm.model, prompt_ids, llm.stop)
print(llm.tokenizer.decode(reply.token_ids))
print("came to an end:", reply.finished)
print("the answer:", llm.parse_answer(llm.generate(prompt)))

# %% [markdown]
# A model need not come to an end. This is the recorded reply of
# SmolLM2-135M-Instruct, a general model of 135 million parameters, to the
# same prompt. (Its weights were rounded to 4 bits, see [chapter
# 11](11_smollm2.ipynb).)

# %%
import json
from pathlib import Path

import unitconv

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
smol = json.loads((RESULTS / "smollm2.json").read_text())["shown"]
print(smol["replies"]["cot"])
print(f"(cut off after {smol['max_new_tokens']} tokens)")
assert "</answer>" not in smol["replies"]["cot"]

# %% [markdown]
# It has taken a short sentence from the example, but neither the product
# nor the tags, and it repeats itself. Each repetition in the context makes
# the next one likelier, and greedy decoding always takes the likeliest
# token, so it seldom leaves such a loop. Only the limit ended this reply.
#
# ## Sampling
#
# Greedy decoding knows one reply to each question. In later chapters we
# want several, so that a wrong one can be outvoted or discarded. Then we
# *draw* the next token by its probability. Two knobs shape the odds.
#
# **Temperature** divides the logits before the softmax. Below 1 it makes
# likely tokens likelier, above 1 it flattens the odds. At 0 it would
# divide by zero, which is why greedy is a path of its own in the code.
#
# **Top-p**, or nucleus sampling, drops the unlikely tail: it keeps the
# fewest tokens whose probabilities add up to at least `p`
# ([Holtzman et al. 2020](https://arxiv.org/abs/1904.09751)).
#
# Let us look at a token the model is unsure of. We take, among the steps
# of its reply, the one with the highest entropy, which is high where the
# odds are spread and 0 where one token is certain.

# %% tags=["hide-input"]
from unitconv.inference.sampling import token_probabilities

row = torch.tensor([prompt_ids + reply.token_ids], device=llm.device)
with torch.inference_mode():
    steps = llm.model(row).logits[0, len(prompt_ids) - 1 : -1].float()
odds = steps.softmax(dim=-1)
entropy = -(odds * odds.clamp(min=1e-12).log()).sum(dim=-1)
unsure = int(entropy.argmax())
top = odds[unsure].topk(6).indices

distributions = {
    name: token_probabilities(steps[unsure : unsure + 1], t, p)[0, top]
    for name, t, p in [
        ("T = 0.5", 0.5, 1.0),
        ("T = 1", 1.0, 1.0),
        ("T = 1.5", 1.5, 1.0),
        ("T = 1.5, top-p 0.8", 1.5, 0.8),
    ]
}
figures.next_token(
    [repr(llm.tokenizer.decode([t]))[1:-1] for t in top.tolist()],
    {name: p.tolist() for name, p in distributions.items()},
)

# %%
written = llm.tokenizer.decode(reply.token_ids[:unsure])
print("The text so far:", written)

# %% [markdown]
# From left to right the bars flatten, and in the last panel top-p has cut
# the tail. Here the draw decides only how a unit is spelled. Where the
# model has to multiply longer numbers, it decides more:

# %%
warm = Decoding(temperature=1.0)
long_ids = llm.encode(llm.format_prompt("How many grams are 27 ounces?"))
for number in range(4):
    drawn = generate_sequential(
        llm.model, long_ids, llm.stop, warm, sample_number=number
    )
    print(number, llm.tokenizer.decode(drawn.token_ids))


# %% [markdown]
# Read them as the audit of chapter 1 does. Is every product true, and does
# the reply lead from the question to the answer? The model knows two ways
# to multiply: in steps, as 20 and 7 times the factor, which comes out right
# here, and at once. At once it gets a digit wrong, and the answer may still
# be within 5 % of the truth. That is why a reply is graded *and* audited,
# and in chapter 8 the audit decides which of the two ways the model learns.
#
# ## Random, and reproducible
#
# A random reply that cannot be had again cannot be debugged. The usual
# remedy is `torch.manual_seed`, and it has a hole. The generator hands out
# numbers in the order they are asked for, so a text depends on everything
# drawn before it. Watch one question answered twice, with the same seed,
# first alone and then after another question:


# %%
def torch_sample(token_ids, steps=16):
    token_ids = list(token_ids)
    for _ in range(steps):
        row = torch.tensor([token_ids], device=llm.device)
        with torch.inference_mode():
            logits = llm.model(row).logits[0, -1].float()
        odds = (logits / 3).softmax(dim=-1)  # hot, so that noise shows
        token_ids.append(int(torch.multinomial(odds, 1)))
    return token_ids


other_ids = llm.encode(llm.format_prompt("What is 2 h in min?"))

torch.manual_seed(0)
alone = torch_sample(prompt_ids)
torch.manual_seed(0)
torch_sample(other_ids)
in_company = torch_sample(prompt_ids)
print("the same text:", alone == in_company)
assert alone != in_company

# %% [markdown]
# Our decoder draws one number between 0 and 1 per token, the *noise*, and
# computes it as a hash of four things: the seed, the prompt, which sample
# this is, and how many tokens the reply already has. The first three are
# the same for a whole reply, so they are hashed once: that is the
# `row_key` in the loop above. With the fourth,
# [SplitMix64](https://doi.org/10.1145/2660193.2660195) makes the noise of
# each token from it. Nothing else can touch it.

# %%
warm = Decoding(temperature=1.0, seed=0)
alone = generate_sequential(llm.model, prompt_ids, llm.stop, warm)
generate_sequential(llm.model, other_ids, llm.stop, warm)
in_company = generate_sequential(llm.model, prompt_ids, llm.stop, warm)
assert alone == in_company
print("the same text:", alone == in_company)

# %% [markdown]
# The number picks the token by its place in the cumulative distribution:
# stack the probabilities to a column of height 1, and see in which
# token's stretch the number falls. The next chapter relies on this: there,
# the company is the rest of a batch.
#
# On the book's page you can write a reply in this way, token by token:
#
# ```{live-next-token} How many gram are there per 6 kg?
# The step of a sampled reply at which the model is least certain. The line
# is the column, laid on its side, in the order of the vocabulary, and u is
# the noise. Raise the temperature and see the stretches move under u; lower
# top-p and see the tail vanish. Then let twenty seeds draw: how near do the
# counts come to the probabilities?
# ```
#
# ## Exercises
#
# ```{exercise} Warm-up: what does each style leave out?
# :label: ex-styles
#
# A `cot` prompt has turn markers, an instruction and a worked example.
# Which of the three do the styles `raw` and `chat` lack? Then generate a
# reply in each: does it still close with an answer tag?
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt
from unitconv.task.prompts import INSTRUCTION, WORKED_EXAMPLES

PARTS = {
    "markers": "<|im_start|>",
    "instruction": INSTRUCTION,
    "example": WORKED_EXAMPLES[0].reply,
}
lacking = {"raw": set(), "chat": set()}  # each a set of names from PARTS


def check_styles(lacking):
    for style in ("raw", "chat"):
        text = format_prompt(question, style, llm.tokenizer)
        for part, words in PARTS.items():
            said, found = part in lacking[style], words not in text
            assert said == found, f"{style}: look again for the {part}"


attempt(check_styles, lacking)

# %% [markdown]
# ```{solution-start} ex-styles
# :class: dropdown
# ```

# %%
lacking = {
    "raw": {"markers", "instruction", "example"},
    "chat": {"example"},
}
for style in lacking:
    text = format_prompt(question, style, llm.tokenizer)
    told = llm.generate(text, Decoding(max_new_tokens=64))
    print(f"[{style}] {told!r}\n    answer: {llm.parse_answer(told)}")

# %% tags=["solution", "nbval-check-output"]
attempt(check_styles, lacking)

# %% [markdown]
# `raw` is the bare question; `chat` lacks only the example. Whether a tag
# comes back depends on the model: look above. How much each part is worth,
# on a thousand questions, is a matter of measuring and not of one reply.
#
# ```{solution-end}
# ```
#
# ```{exercise} The price of no cache
# :label: ex-price
#
# A prompt has $m$ tokens and the reply $n$. How many tokens are read in
# all, without the cache and with it? The check stands at the model's door
# and counts what goes in.
# ```


# %% tags=["exercise", "nbval-check-output"]
def tokens_read(m, n):
    """Tokens read to write n after m: without the cache, and with it."""
    raise NotImplementedError


def counted(run):
    """How many tokens the model is given while `run` is called."""
    sizes = []
    handle = llm.model.base_model.register_forward_pre_hook(
        lambda _, args, kwargs: sizes.append(kwargs["input_ids"].numel()),
        with_kwargs=True,
    )
    try:
        run()
    finally:
        handle.remove()
    return sum(sizes)


def check_price(tokens_read):
    for m, n in [(10, 1), (10, 2), (7, 5)]:
        ids, limit = prompt_ids[:m], Decoding(max_new_tokens=n)
        without, cached = tokens_read(m, n)
        case = f"m = {m}, n = {n}"
        assert without == counted(lambda i=ids, n=n: slow_greedy(i, n)), (
            f"{case}, without the cache: the model read another number"
        )
        assert cached == counted(
            lambda i=ids, d=limit: generate_sequential(
                llm.model, i, never, d
            )
        ), f"{case}, with the cache: the model read another number"


attempt(check_price, tokens_read)


# %% [markdown]
# ```{solution-start} ex-price
# :class: dropdown
# ```
#
# Without: step $i$ reads $m + i - 1$ tokens, in all $nm + n(n-1)/2$. With:
# $m$ in the prefill, then one for each token but the last, $m + n - 1$.


# %%
def tokens_read(m, n):
    return n * m + n * (n - 1) // 2, m + n - 1


without, cached = tokens_read(len(prompt_ids), 24)
print(without, "against", cached)
assert without == slow_read

# %% tags=["solution", "nbval-check-output"]
attempt(check_price, tokens_read)

# %% [markdown]
# The first grows with the square of the reply, the second with its length.
# The last token of a reply is never read: nothing is asked after it.
#
# ```{solution-end}
# ```
#
# ```{exercise} Nucleus by hand
# :label: ex-nucleus
#
# For the probabilities 0.5, 0.3, 0.15 and 0.05, which tokens does top-p
# keep at $p = 0.79$, and at $p = 0.81$? Write a function that returns the
# kept probabilities, the largest first, scaled to add up to 1. The
# check compares it with the library's `token_probabilities`.
# ```


# %% tags=["exercise", "nbval-check-output"]
def nucleus(probabilities, p):
    """What top-p keeps of a list of probabilities, scaled, as a list."""
    raise NotImplementedError


def check_nucleus(nucleus):
    kept = [len(nucleus([0.5, 0.3, 0.15, 0.05], p)) for p in (0.79, 0.81)]
    assert kept[0] == 2, "at 0.79 two tokens are enough"
    assert kept[1] == 3, "at 0.81 two tokens are not enough"
    for row, p in [([0.2, 0.7, 0.1], 0.8), ([0.1, 0.4, 0.5], 1.0)]:
        mine = nucleus(row, p)
        theirs = token_probabilities(torch.tensor([row]).log(), 1.0, p)[0]
        theirs = theirs[theirs > 0].sort(descending=True).values
        same = len(mine) == len(theirs) and torch.allclose(
            torch.tensor(mine), theirs, atol=1e-5
        )
        assert same, f"{row} at {p}: the library keeps something else"


attempt(check_nucleus, nucleus)


# %% [markdown]
# ```{solution-start} ex-nucleus
# :class: dropdown
# ```


# %%
def nucleus(probabilities, p):
    kept, mass = [], 0.0
    for value in sorted(probabilities, reverse=True):
        if mass >= p:
            break
        kept.append(value)
        mass += value
    return [value / mass for value in kept]


for p in (0.79, 0.81):
    kept = nucleus([0.5, 0.3, 0.15, 0.05], p)
    print(f"p = {p}:", [round(value, 3) for value in kept])

# %% tags=["solution", "nbval-check-output"]
attempt(check_nucleus, nucleus)

# %% [markdown]
# Why not ask at exactly 0.8? There two tokens suffice on paper; in floating
# point 0.5 + 0.3 may fall short by a hair and a third gets in. A check
# should stay clear of such an edge.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: is the sampling fair?
# :label: ex-fair
#
# Draw the token of the figure often, each time with another sample number,
# at temperature 1. Its logits are `steps[unsure]`, and
# `unitconv.inference.sampling` has the three parts:
# `row_key(seed, prompt_ids, number)` is an integer; `uniform(keys, unsure)`
# takes a tensor of them and returns one noise for each;
# `sample(logits, 1.0, 1.0, noise)` wants a row of logits for each. Does
# each token come as often as its probability says? And can the draws be
# had again?
# ```


# %% tags=["exercise", "nbval-check-output"]
def draw(n):
    """n token ids, int64 [n]; number i belongs to sample i."""
    raise NotImplementedError


def check_fair(draw):
    n = 2000
    tokens = draw(n)
    assert tokens.shape == (n,), "one token for each sample number"
    assert torch.equal(draw(n), tokens), "drawn again, they differ"
    assert torch.equal(draw(n // 2), tokens[: n // 2]), (
        "a token depends on how many others are drawn"
    )
    for token in odds[unsure].topk(4).indices.tolist():
        share = (tokens == token).float().mean().item()
        p = odds[unsure][token].item()
        four_sigma = 4 * (p * (1 - p) / n) ** 0.5 + 1e-3
        assert abs(share - p) < four_sigma, (
            "a token comes more or less often than its probability"
        )


attempt(check_fair, draw)


# %% [markdown]
# ```{solution-start} ex-fair
# :class: dropdown
# ```

# %%
from unitconv.inference.sampling import row_key, sample, uniform


def draw(n):
    keys = torch.tensor([row_key(0, prompt_ids, i) for i in range(n)])
    noise = uniform(keys, unsure).to(llm.device)
    return sample(steps[unsure].expand(n, -1), 1.0, 1.0, noise)


tokens = draw(2000)
for token in odds[unsure].topk(4).indices.tolist():
    share = (tokens == token).float().mean().item()
    print(f"{odds[unsure][token]:.3f} expected, {share:.3f} drawn")

# %% tags=["solution", "nbval-check-output"]
attempt(check_fair, draw)

# %% [markdown]
# The shares scatter around the probabilities as those of a fair draw do,
# by about $\sqrt{p(1-p)/n}$. A hash has no memory: sample 7 is the same
# token whether it is drawn alone or among two thousand.
#
# ```{solution-end}
# ```
#
# ## Recap
#
# - A model maps tokens to the odds of the next one; decoding is a loop
#   around that.
# - The KV cache turns reading everything at every step into reading one
#   token, and costs memory that grows with the text.
# - A reply stops at the end-of-sequence token or after `</answer>`; what
#   is cut off at the limit is counted.
# - Temperature shapes the odds, top-p cuts their tail, greedy is separate.
# - Noise that hashes the request makes sampling reproducible row by row.
#
# **Next:** [the same for many questions at once](04_batched.ipynb), where
# the obvious way to do it goes wrong in silence.
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# vaswani2017
# wei2022
# holtzman2020
# pope2022
# steele2014
# ```
