# %% [markdown]
# # Sequential generation: one token at a time
#
# A language model reads a row of numbers and says how likely each possible
# next number is. A reply, from its first word to its last full stop, comes
# from a loop around that one step. In this chapter you write the loop.
#
# **The question of this chapter:** the model's reply is a few dozen tokens
# long. How many tokens does it have to *read* to write them?
#
# :::{admonition} What you will learn
# :class: tip
# - how a loop turns next-token probabilities into text, and what it costs;
# - how to build a KV cache, and what it saves;
# - when generation stops, and what happens if it does not;
# - how temperature and top-p change the next token, and how a token is
#   drawn;
# - how to sample reproducibly, whether a prompt runs alone or in a batch.
#
# **Before you start:** [chapter 2](02_tokens.ipynb) for tokens and the chat
# template, [chapter 3](03_network.ipynb) for attention. **Time:** 35
# minutes to read, without the exercises, and under a minute to run.
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
from unitconv.task.prompts import format_prompt

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL, dtype="float32")
torch.set_grad_enabled(False)  # nothing is trained in this chapter
llm

# %% [markdown]
# ## The prompt
#
# Chapter 2 showed how a question becomes turns with markers between them,
# and how the turns become tokens. The prompt has an instruction, one worked
# example, the question, and a last line that opens the assistant's turn.

# %%
question = "How many gram are there per 6 kg?"
prompt = llm.format_prompt(question)
prompt_ids = llm.encode(prompt)
print(prompt)
print(len(prompt_ids), "tokens in the prompt")

# %% [markdown]
# This style is called `cot`, for [chain of
# thought](https://arxiv.org/abs/2201.11903): the example shows its
# reasoning, so the reply should too. Two plainer styles are `chat`, which
# is the same without the example, and `raw`, the bare question.
#
# ## From logits to the next token
#
# Feed the prompt's tokens to the model and you get logits *for every
# position*: each row of logits scores what follows the text up to there.
# We only need the last position, because for all the others we already
# know the next token. A softmax turns the last row into probabilities.

# %%
input_ids = torch.tensor([prompt_ids], device=llm.device)
logits = llm.model(input_ids).logits
print("logits:", tuple(logits.shape), "= (rows, tokens, vocabulary)")

probabilities = logits[0, -1].softmax(dim=-1)
best = probabilities.topk(5)
for p, token in zip(*(t.tolist() for t in best), strict=True):
    print(f"{p:6.3f}  {llm.tokenizer.decode([token])!r}")

# %% [markdown]
# The model is almost certain that its reply begins with a `1`, as the
# example's did.
#
# To generate text, choose a token, append it, and ask again. Choosing the
# most likely token each time is *greedy* decoding. Here is the loop in its
# simplest form:

# %%
import time


def slow_greedy(token_ids, steps):
    token_ids, read = list(token_ids), 0
    for _ in range(steps):
        row = torch.tensor([token_ids], device=llm.device)
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
# That answers our question for this loop: it reads 3324 tokens to write 24,
# because each step reads the whole text again to add a single token. And
# the reply is not complete yet: the answer tag is still missing.
#
# ## The KV cache
#
# In every layer of a [transformer](https://arxiv.org/abs/1706.03762) a
# token has a key, by which later tokens find it, and a value, which they
# take from it. A token attends to earlier tokens and never to later ones.
# So the keys and values of the prompt do not change when a token is
# appended. We can compute them once and keep them: that is the *KV cache*.
#
# Let us build one. Chapter 3 computed a whole block by hand. Below, the
# model's own matrices, norms and MLP do their part, and attention is
# written out again. Only the lines marked *new* differ from chapter 3: the
# keys and values of earlier tokens come from `past`, and a new token is
# rotated to the place where it is in the text.

# %%
config, base = llm.model.config, llm.model.model


def split_heads(x):
    """[tokens, heads * head_dim] -> [heads, tokens, head_dim]."""
    return x.view(len(x), -1, config.head_dim).transpose(0, 1)


def rotate(x, places):
    size = config.head_dim
    steps = torch.arange(0, size, 2, device=x.device) / size
    theta = config.rope_parameters["rope_theta"]
    angles = places[:, None] / theta**steps
    a, b = x[..., : size // 2], x[..., size // 2 :]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def attend(x, layer, past, places):
    """What the tokens at `places` fetch; `past` is the layer's cache."""
    q = rotate(split_heads(layer.q_proj(x)), places)
    k = rotate(split_heads(layer.k_proj(x)), places)
    v = split_heads(layer.v_proj(x))
    if past:  # new: put the keys and values of earlier tokens first
        k = torch.cat([past["k"], k], dim=1)
        v = torch.cat([past["v"], v], dim=1)
    past["k"], past["v"] = k, v  # new: keep them for the next call
    group = len(q) // len(k)
    k, v = (part.repeat_interleave(group, dim=0) for part in (k, v))
    scores = q @ k.transpose(-1, -2) / config.head_dim**0.5
    columns = torch.arange(k.shape[1], device=x.device)
    later = columns > columns[-len(x) :, None]  # x has the last columns
    weights = scores.masked_fill(later, -torch.inf).softmax(dim=-1)
    return layer.o_proj((weights @ v).transpose(0, 1).flatten(1))


def forward(token_ids, cache, start):
    """Logits of tokens that begin at place `start`; extends the cache."""
    places = torch.arange(start, start + len(token_ids), device=llm.device)
    x = base.embed_tokens(token_ids)
    for layer, past in zip(base.layers, cache, strict=True):
        read = layer.input_layernorm(x)
        x = x + attend(read, layer.self_attn, past, places)
        x = x + layer.mlp(layer.post_attention_layernorm(x))
    return llm.model.lm_head(base.norm(x))


# %% [markdown]
# The first pass reads the prompt and fills the cache, which is called
# *prefill*. Every later pass reads one token. If this is right, the logits
# are those of the model that reads everything:

# %%
cache = [{} for _ in base.layers]
ids = torch.tensor(slow_ids, device=llm.device)
n = len(prompt_ids)
parts = [forward(ids[:n], cache, 0)]  # prefill
for i in range(n, n + 3):  # then one token at a time
    parts.append(forward(ids[i : i + 1], cache, i))

whole = llm.model(ids[None, : n + 3]).logits[0]
off = float((torch.cat(parts) - whole).abs().max())
print(f"{tuple(cache[0]['k'].shape)} = (heads, tokens, size of a head)")
print(f"with a cache: off by {off:.0e}")
assert off < 1e-3

# %% [markdown]
# What if we forget `start`? The model is given a single token, and nothing
# says that it is the 128th. It does read the earlier tokens, through their
# keys and values, but it cannot count them:

# %%
misplaced = [{k: v[:, :n] for k, v in past.items()} for past in cache]
wrong = forward(ids[n : n + 1], misplaced, 0)[0]
off = float((wrong - whole[n]).abs().max())
print(f"at place 0 instead of {n}: off by {off:.1f}")
assert off > 0.1

# %% [markdown]
# No error, and other logits: the rotation of chapter 3 now says that this
# token is where the prompt begins, 127 places too early.
#
# Here is the loop with the cache. It must write the same tokens:


# %%
def cached_greedy(token_ids, steps):
    cache, written, start = [{} for _ in base.layers], [], 0
    ids = torch.tensor(token_ids, device=llm.device)
    for _ in range(steps):
        logits = forward(ids, cache, start)
        start += len(ids)
        ids = logits[-1:].argmax(dim=-1)
        written.append(int(ids))
    return written, start


begin = time.perf_counter()
cached_ids, cached_read = cached_greedy(prompt_ids, steps=24)
cached_seconds = time.perf_counter() - begin
assert cached_ids == slow_ids[len(prompt_ids) :]
print(f"{cached_read} tokens read instead of {slow_read}")
print(f"{slow_read / cached_read:.0f} times fewer tokens", end=", ")
print(f"{slow_seconds / cached_seconds:.1f} times as fast")
assert cached_read == 150 or MODEL != "course"

# %% [markdown]
# So 150 tokens are enough: 127 for the prompt, and one for each new token
# but the last, after which nothing is asked. The clock does not gain as
# much as the count, because a pass over one token is far from free: most of
# its time goes into starting a few hundred small operations.
#
# In the figure a row is one pass of the model. Dark cells are read in this
# pass, pale cells come from the cache, and orange marks the most likely
# next token:

# %% tags=["hide-input"]
from unitconv import figures

pieces = [llm.tokenizer.decode([token]) for token in slow_ids]
begin = len(prompt_ids) - 6
figures.cache_filling(
    prompt=pieces[begin : len(prompt_ids)],
    reply=pieces[len(prompt_ids) : len(prompt_ids) + 7],
    first=begin,
).captioned(
    "Seven passes with a KV cache. Dark: read in this pass; pale: taken "
    "from the cache; orange: the most likely next token."
)

# %% [markdown]
# Without a cache, the work of a step grows with the text. With it, only
# the prefill is long:

# %% tags=["hide-input"]
figures.cache_work(prompt_tokens=len(prompt_ids), new_tokens=24).captioned(
    "Tokens read in all, after each new token."
)

# %% [markdown]
# Not every token costs the same: a later one attends to more tokens. On
# the book's page you can set both lengths and count the multiply-adds:
#
# ```{live-kv-cache} 127 24
# Multiply-adds of the course model for each token of the reply: the
# products with its weights, and attention. Both charts have the same scale.
# The first token costs the same with the cache, because the prompt has to
# be read. Make the reply longer and look at the last row of the table.
# ```
#
# The cache costs memory instead. Each token has a key and a value in every
# layer and for every key/value head, so a cache takes
#
# $$2 \times \text{layers} \times \text{key/value heads} \times
# \text{head size} \times \text{bytes a number} \times \text{tokens},$$
#
# and a batch of $B$ texts takes $B$ times as much. For the course model
# that is little. With many long texts at once it can be more than the
# weights ([Pope et al. 2022](https://arxiv.org/abs/2211.05102)).

# %%
keys = cache[0]["k"]
heads, _, head_size = keys.shape
number = keys.element_size()
per_token = 2 * len(cache) * heads * head_size * number
print(f"{per_token / 1e3:.1f} kB of cache per token, in float32")
print(f"{per_token * len(slow_ids) / 1e6:.1f} MB for this text")
held = sum(t.numel() * number for past in cache for t in past.values())
assert held == per_token * keys.shape[1]

# %% [markdown]
# ## The library's loop
#
# The library leaves the model to `transformers`, whose cache does what ours
# did: `prefill` reads the prompt, `decode_one_token` reads one token at a
# `position`. Around them is the same loop, as it is in
# `unitconv/inference/reference.py`. It has three additions, which the rest
# of this chapter explains: `stop` is called after each token and returns
# True once the reply is complete, `choose` draws a token if it does not
# take the most likely one, and `row_key` makes the drawing reproducible.

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
completion = generate_sequential(llm.model, prompt_ids, never, settings)
assert completion.token_ids == cached_ids
print(llm.tokenizer.decode(completion.token_ids))

# %% [markdown]
# The tokens are the same, as the assertion checks. The library's tests
# compare every token with `transformers`' own `generate` as well.
#
# ## When to stop
#
# Above we passed a rule that never stops. Left alone, the model goes on
# past its answer until the limit:

# %%
endless = generate_sequential(
    llm.model, prompt_ids, never, Decoding(max_new_tokens=60)
)
text = llm.tokenizer.decode(endless.token_ids)
print(text)
assert MODEL != "course" or "<|im_start|>system" in text

# %% [markdown]
# It ends its turn, ends the text, and starts another conversation with an
# instruction of its own. In pretraining, one conversation followed the
# other, so that is what the model has learned to write.
#
# A chat model ends its turn with a special token, the *end of sequence*. We
# stop there, or as soon as `</answer>` is complete, since nothing behind it
# is read. `finished` says whether a reply ended in this way or was cut off
# at the limit. The share of finished replies is the *stop rate* of chapter
# 1's table.

# %%
reply = generate_sequential(llm.model, prompt_ids, llm.stop)
print(llm.tokenizer.decode(reply.token_ids))
print("finished:", reply.finished)
print("the answer:", llm.parse_answer(llm.generate(prompt)))

# %% [markdown]
# A model need not come to an end. This is the recorded reply of
# SmolLM2-135M-Instruct, a general model of 135 million parameters, to the
# same prompt. (Its weights were rounded to 4 bits, see [chapter
# 12](12_smollm2.ipynb).)

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
# the next one likelier, and greedy decoding always takes the most likely
# token, so it seldom leaves such a loop. Only the limit ended this reply.
#
# ## Sampling: temperature and top-p
#
# Greedy decoding always produces the same reply. In later chapters we want
# several, so that a wrong one can be outvoted or discarded. Then we *draw*
# the next token by its probability. Two settings shape the probabilities.
#
# **Temperature** divides the logits before the softmax. Below 1 it makes
# likely tokens likelier, above 1 it makes the probabilities more equal. At
# 0 it would divide by zero, so greedy decoding is a separate branch in the
# code.
#
# **Top-p**, or nucleus sampling, drops the unlikely tail: it keeps the
# fewest tokens whose probabilities add up to at least `p`, and scales them
# so that they add up to 1 ([Holtzman et al.
# 2020](https://arxiv.org/abs/1904.09751)).


# %%
def next_token_odds(logits, temperature, top_p=1.0):
    """The distribution to draw from, for logits [vocabulary]."""
    odds = (logits / temperature).softmax(dim=-1)
    if top_p == 1:
        return odds
    ordered, ids = odds.sort(descending=True)
    mass_before = ordered.cumsum(dim=-1) - ordered
    ordered[mass_before >= top_p] = 0  # enough without these
    kept = torch.zeros_like(odds).scatter(-1, ids, ordered)
    return kept / kept.sum()


from unitconv.inference.sampling import token_probabilities

last = logits[0, -1]
for temperature, p in [(0.7, 1.0), (1.5, 0.8)]:
    ours = next_token_odds(last, temperature, p)
    theirs = token_probabilities(last[None], temperature, p)[0]
    assert torch.allclose(ours, theirs, atol=1e-6)

# %% [markdown]
# To see both at work, we need a token that the model is unsure of. Among
# the steps of its reply we take the one with the highest entropy, which is
# high where the probabilities are spread and 0 where one token is certain.

# %% tags=["hide-input"]
row = torch.tensor([prompt_ids + reply.token_ids], device=llm.device)
steps = llm.model(row).logits[0, len(prompt_ids) - 1 : -1]
odds = steps.softmax(dim=-1)
entropy = -(odds * odds.clamp(min=1e-12).log()).sum(dim=-1)
unsure = int(entropy.argmax())
top = odds[unsure].topk(6).indices

figures.next_token(
    [repr(llm.tokenizer.decode([t]))[1:-1] for t in top.tolist()],
    {
        name: next_token_odds(steps[unsure], t, p)[top].tolist()
        for name, t, p in [
            ("T = 0.5", 0.5, 1.0),
            ("T = 1", 1.0, 1.0),
            ("T = 1.5", 1.5, 1.0),
            ("T = 1.5, top-p 0.8", 1.5, 0.8),
        ]
    },
).captioned(
    "Probabilities of the six most likely tokens under four settings."
)

# %%
written = llm.tokenizer.decode(reply.token_ids[:unsure])
print("The text so far:", written)
for t, p in [(0.5, 1.0), (1.0, 1.0), (1.5, 1.0), (1.5, 0.8)]:
    kept = next_token_odds(steps[unsure], t, p)
    print(
        f"T {t}, top-p {p}: {int((kept > 0).sum()):3} tokens possible, "
        f"{kept.max():.2f} for the best"
    )
assert int((kept > 0).sum()) == 3 or MODEL != "course"

# %% [markdown]
# After `1 kg = 1000` comes the unit, and it may be spelled `g`, `gram` or
# `grams`. From the first panel to the third the bars become more equal, and
# each of the 768 tokens stays possible, however unlikely. Top-p then keeps
# three.
#
# Why not a fixed threshold, say all tokens with a probability of at least
# 0.2? Here are three places in two replies. At the third, the model writes
# a digit of a product that it has not worked out:

# %% tags=["hide-input"]
P, THRESHOLD = 0.9, 0.2
places = {
    "the reply begins": (question, ""),
    "after 1 kg = 1000": (question, "1 kg = 1000"),
    "in 1.5 * 8766": (
        "how much hr is 1.5 year",
        "1 year = 8766 h. 1.5 * 8766 = 12",
    ),
}
shown = {}
for name, (asked, begun) in places.items():
    context = llm.encode(llm.format_prompt(asked)) + llm.encode(begun)
    scores = llm.model(torch.tensor([context], device=llm.device)).logits
    likely = scores[0, -1].softmax(dim=-1).topk(10)
    shown[name] = {
        repr(llm.tokenizer.decode([token]))[1:-1]: p
        for p, token in zip(
            likely.values.tolist(), likely.indices.tolist(), strict=True
        )
    }
figures.kept_tokens(shown, P, THRESHOLD).captioned(
    "The ten likeliest tokens at three places. Filled: top-p 0.9 keeps "
    "them. Dashed: a threshold of 0.2."
)

# %%
for name, likely in shown.items():
    above = sum(p >= THRESHOLD for p in likely.values())
    print(f"{name:18} {above} tokens above the threshold")
assert above == 0 or MODEL != "course"

# %% [markdown]
# In the third panel no digit has a probability of 0.2, so the threshold
# keeps nothing. In the second it drops two of three right spellings. Top-p
# follows the model: it keeps one token where the model
# is sure, three where there are three spellings, and nine of the ten digits
# where it guesses. A fixed number of tokens, called *top-k*, keeps too many
# where a single token is right.
#
# ## How a token is drawn
#
# A random number $u$ between 0 and 1 becomes a token as follows. Lay the
# probabilities end to end on a line of length 1, a segment for each token.
# The number is a place on the line, and the token whose segment contains it
# is drawn. A token with a probability of .7 has a segment of length .7, so
# it is drawn in 70 % of the cases. The ends of the segments are the running
# sum of the probabilities, the *cumulative distribution function* (CDF),
# and this is called inverse-CDF sampling:


# %%
def draw(odds, u):
    """The first token whose cumulative probability exceeds u."""
    return int((odds.cumsum(dim=-1) <= u).sum())


for u in (0.1, 0.5, 0.99):
    token = draw(odds[unsure], u)
    print(f"u = {u}: {llm.tokenizer.decode([token])!r}")

# %% tags=["hide-input"]
order = top[:3].sort().values  # the segments lie in the order of the ids
figures.inverse_cdf(
    [repr(llm.tokenizer.decode([t]))[1:-1] for t in order.tolist()],
    odds[unsure][order].tolist(),
    u=0.5,
).captioned("Drawing a token: the place u = 0.5 is in the blue segment.")

# %% [markdown]
# The library draws in the same way. For this token the draw decides only
# how a unit is spelled. Where the model has to multiply longer numbers, it
# decides more:

# %%
warm = Decoding(temperature=1.0)
long_ids = llm.encode(llm.format_prompt("How many grams are 27 ounces?"))
drawn = [
    generate_sequential(llm.model, long_ids, llm.stop, warm, number)
    for number in range(4)
]
for number, completion in enumerate(drawn):
    print(number, llm.tokenizer.decode(completion.token_ids))
print(f"the product: {27 * 28.35:.2f}")

# %%
in_steps = ["20 *" in llm.tokenizer.decode(c.token_ids) for c in drawn]
assert in_steps == [True, False, True, False] or MODEL != "course"

# %% [markdown]
# All four state that an ounce has 28.35 grams, and then they go two ways.
# Replies 0 and 2 multiply in steps, 20 and 7 times the factor, and arrive
# at the product. Replies 1 and 3 multiply at once and get digits wrong:
# 777.85 and 760.05 instead of 765.45. Both are within 5 % of the truth, so
# the grade alone would count all four as right. That is why a reply is
# graded *and* audited, and in chapter 9 the audit decides which of the two
# ways the model learns.
#
# ## Reproducible sampling
#
# You cannot debug a random reply that you cannot reproduce. The usual
# remedy is `torch.manual_seed`, and it has a gap. The generator hands out
# numbers in the order in which they are requested, so a text depends on
# everything drawn before it. Here one question is answered twice with the
# same seed, first alone and then after another question:


# %%
def torch_sample(token_ids, steps=16):
    token_ids = list(token_ids)
    for _ in range(steps):
        row = torch.tensor([token_ids], device=llm.device)
        odds = next_token_odds(llm.model(row).logits[0, -1], 3.0)
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
# (A temperature of 3 makes nearly every draw matter.)
#
# The library does not ask a generator. It computes the number from what the
# draw is for: the seed, the prompt, which sample of the prompt this is, and
# how many tokens the reply already has. The first three are hashed once for
# a reply, to a key of 64 bits. The fourth goes through
# [SplitMix64](https://doi.org/10.1145/2660193.2660195), a random number
# generator whose $n$-th number can be computed directly. It mixes bits by
# shifts and products, so that neighboring inputs give unrelated outputs:

# %%
import hashlib

from unitconv.inference.sampling import row_key, uniform

BITS = 2**64 - 1  # sums and products keep 64 bits


def request_key(seed, prompt_ids, sample):
    text = f"{seed}|{sample}|{','.join(map(str, prompt_ids))}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def noise(key, n):
    """A number in [0, 1) for token n of the reply with this key."""
    bits = (key + (n + 1) * 0x9E3779B97F4A7C15) & BITS
    bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & BITS
    bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & BITS
    return ((bits ^ bits >> 31) >> 11) / 2**53


key = request_key(seed=0, prompt_ids=prompt_ids, sample=0)
library_key = torch.tensor([row_key(0, prompt_ids, 0)])
assert key == library_key.item() & BITS
for n in range(3):
    print(f"token {n}: u = {noise(key, n):.4f}")
    assert abs(noise(key, n) - uniform(library_key, n).item()) < 1e-7

# %% [markdown]
# With `forward` for the logits, `next_token_odds` for the probabilities,
# `noise` and `draw`, we have a whole sampler. It writes what the library
# writes:


# %%
def sample_reply(prompt_ids, decoding, number=0, limit=100):
    key = request_key(decoding.seed, prompt_ids, number)
    cache, written, start = [{} for _ in base.layers], [], 0
    ids = torch.tensor(prompt_ids, device=llm.device)
    for n in range(limit):
        logits = forward(ids, cache, start)[-1]
        start += len(ids)
        odds = next_token_odds(logits, decoding.temperature, decoding.top_p)
        written.append(draw(odds, noise(key, n)))
        if llm.stop(written):
            break
        ids = torch.tensor(written[-1:], device=llm.device)
    return written


for number in range(3):
    ours = sample_reply(long_ids, warm, number)
    assert ours == drawn[number].token_ids
print("the library's tokens:", llm.tokenizer.decode(ours))

# %% [markdown]
# And a reply no longer depends on what was drawn before it:

# %%
alone = generate_sequential(llm.model, prompt_ids, llm.stop, warm)
generate_sequential(llm.model, other_ids, llm.stop, warm)
in_company = generate_sequential(llm.model, prompt_ids, llm.stop, warm)
assert alone == in_company
print("the same text:", alone == in_company)

# %% [markdown]
# The noise is fixed by the request, and by nothing else. The logits must be
# the same too, up to rounding: if $u$ falls within rounding error of the
# border between two segments, the other token may be drawn. In float32 that
# is rare. The next chapter relies on this in a batch, and looks at 16-bit
# floats.
#
# On the book's page you can write a reply in this way, token by token:
#
# ```{live-next-token} How many gram are there per 6 kg?
# The step of a sampled reply at which the model is least certain. The line
# has its segments in the order of the vocabulary, and u is the random
# number. Raise the temperature and see the segments move under u; lower
# top-p and see the tail vanish. Then let twenty seeds draw: how near are
# the counts to the probabilities?
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
# `raw` is the bare question, and the reply multiplies on and on without a
# tag. `chat` lacks only the example, and closes with a tag. How much each
# part is worth has to be measured on many questions ([chapter
# 7](07_prompting.ipynb)), not on one reply.
#
# ```{solution-end}
# ```
#
# ```{exercise} The price of no cache
# :label: ex-price
#
# A prompt has $m$ tokens and the reply $n$. How many tokens are read in
# all, without the cache and with it? The check counts the tokens that are
# actually passed to the model.
# ```
#
# On the book's page you can try it with two numbers first:
#
# ```{live-exercise-price} 10 5
# How many tokens are read in all? The check writes the reply in both ways
# with the course model, and counts.
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
# ```{exercise} Another way to cut the tail
# :label: ex-nucleus
#
# *Min-p* keeps each token whose probability is at least `m` times that of
# the most likely token ([Nguyen et al.
# 2024](https://arxiv.org/abs/2407.01082)). Write it for a tensor of
# probabilities, scaled to add up to 1. The check compares it with
# `transformers`. Then find probabilities of which min-p with `m = 0.1`
# keeps fewer tokens than top-p with `p = 0.9`, and others of which it keeps
# more.
# ```


# %% tags=["exercise", "nbval-check-output"]
from transformers import MinPLogitsWarper


def min_p(odds, m):
    """What min-p keeps of probabilities [vocabulary], scaled to 1."""
    raise NotImplementedError


fewer, more = [1.0], [1.0]  # your probabilities


def n_kept(odds):
    return int((odds > 0).sum())


def check_min_p(min_p, fewer, more):
    for m in (0.05, 0.1, 0.5):
        odds = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.03, 0.02])
        cut = MinPLogitsWarper(m)(None, odds.log()[None])
        same = torch.allclose(min_p(odds, m), cut.softmax(-1)[0], atol=1e-5)
        assert same, f"m = {m}: transformers keeps something else"
    counts = []
    for odds in (torch.tensor(fewer), torch.tensor(more)):
        assert abs(float(odds.sum()) - 1) < 1e-3, "they do not add up to 1"
        by_top_p = n_kept(next_token_odds(odds.log(), 1.0, 0.9))
        counts.append(n_kept(min_p(odds, 0.1)) - by_top_p)
    assert counts[0] < 0, "the first: min-p does not keep fewer"
    assert counts[1] > 0, "the second: min-p does not keep more"


attempt(check_min_p, min_p, fewer, more)


# %% [markdown]
# ```{solution-start} ex-nucleus
# :class: dropdown
# ```


# %%
def min_p(odds, m):
    kept = odds.where(odds >= m * odds.max(), 0)
    return kept / kept.sum()


fewer = [0.7] + 10 * [0.03]
more = [0.5, 0.41, 0.09]
for mine in (torch.tensor(fewer), torch.tensor(more)):
    by_top_p = next_token_odds(mine.log(), 1.0, 0.9)
    print(f"min-p {n_kept(min_p(mine, 0.1))}, top-p {n_kept(by_top_p)}")

# %% tags=["solution", "nbval-check-output"]
attempt(check_min_p, min_p, fewer, more)

# %% [markdown]
# Beside a strong favorite min-p drops all weak tokens, while top-p takes
# as many of them as it needs to reach 90 %. Where two tokens make up more
# than 90 %, top-p stops there, and min-p also keeps the third.
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
# takes a tensor of them and returns one number between 0 and 1 for each;
# `sample(logits, 1.0, 1.0, noise)` takes a row of logits for each. Is each
# token drawn as often as its probability says? Are the draws reproducible?
# ```


# %% tags=["exercise", "nbval-check-output"]
def draw_many(n):
    """n token ids, int64 [n]; number i belongs to sample i."""
    raise NotImplementedError


def check_fair(draw_many):
    n = 2000
    tokens = draw_many(n)
    assert tokens.shape == (n,), "one token for each sample number"
    assert torch.equal(draw_many(n), tokens), "drawn again, they differ"
    assert torch.equal(draw_many(n // 2), tokens[: n // 2]), (
        "a token depends on how many others are drawn"
    )
    for token in odds[unsure].topk(4).indices.tolist():
        share = (tokens == token).float().mean().item()
        p = odds[unsure][token].item()
        four_sigma = 4 * (p * (1 - p) / n) ** 0.5 + 1e-3
        assert abs(share - p) < four_sigma, (
            "a token comes more or less often than its probability"
        )


attempt(check_fair, draw_many)


# %% [markdown]
# ```{solution-start} ex-fair
# :class: dropdown
# ```

# %%
from unitconv.inference.sampling import sample


def draw_many(n):
    keys = torch.tensor([row_key(0, prompt_ids, i) for i in range(n)])
    noise = uniform(keys, unsure).to(llm.device)
    return sample(steps[unsure].expand(n, -1), 1.0, 1.0, noise)


tokens = draw_many(2000)
for token in odds[unsure].topk(4).indices.tolist():
    share = (tokens == token).float().mean().item()
    print(f"{odds[unsure][token]:.3f} expected, {share:.3f} drawn")

# %% tags=["solution", "nbval-check-output"]
attempt(check_fair, draw_many)

# %% [markdown]
# The shares scatter around the probabilities as those of a fair draw do,
# by about $\sqrt{p(1-p)/n}$. A hash has no memory: sample 7 is the same
# token whether it is drawn alone or among two thousand.
#
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 2
#
# A prompt has 100 tokens and the reply 50. How many tokens does a decoder
# with a KV cache read?
#
# - 100
# - 149
# - 150 times 50
#
# The prompt in the prefill, then each new token but the last.
# ```
#
# ```{quiz}
# :right: 3
#
# Why give the position of a token that is decoded with a cache?
#
# - Its mask would hide the prompt.
# - The cache does not hold the prompt.
# - The model sees one token, and cannot count those before it.
#
# It reads earlier tokens through their keys and values, but its own
# rotation depends on its position.
# ```
#
# ```{quiz}
# :right: 1
#
# Top-p 0.9 and a distribution in which one token has a probability of .95.
# How many tokens can be drawn?
#
# - One
# - As many as are above .1
# - All
#
# The smallest set whose probabilities reach .9 is that token alone.
# ```
#
# ## Recap
#
# - A model computes how likely each next token is; decoding is a loop
#   around that.
# - The KV cache keeps keys and values of earlier tokens. A step then reads
#   one token instead of the whole text, and the memory grows with the text.
# - A reply stops at the end-of-sequence token or after `</answer>`; replies
#   that are cut off at the limit are counted.
# - Temperature changes how unequal the probabilities are, top-p removes the
#   unlikely tail, and inverse-CDF sampling draws a token.
# - Deriving the random numbers from a hash of the request makes every reply
#   reproducible on its own.
#
# **Next:** [the same for many questions at once](05_batched.ipynb), where
# the obvious way to do it goes wrong without an error message.
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
# nguyen2024
# ```
