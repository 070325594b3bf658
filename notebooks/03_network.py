# %% [markdown]
# # The network: from tokens to logits
#
# Chapter 2 turned a question into a list of numbers. The network turns each
# number into a vector, lets the vectors exchange information a few times,
# and says how likely each token of the vocabulary is to come next. Every
# step fits in a few lines of code, and in this chapter you write them.
#
# **The question of this chapter:** a reply repeats numbers of the question.
# Where does the model look when it needs one again?
#
# :::{admonition} What you will learn
# :class: tip
# - the parts of a Llama block: norms, rotary positions, grouped-query
#   attention, the gated MLP, the residual stream, the tied head;
# - how to compute attention for three tokens by hand;
# - how to compute the whole model by hand, and check that it is right;
# - how to find the head that copies a number, and what happens without it;
# - how the course model compares with SmolLM2, in shape, parameters and
#   bytes of cache.
#
# **Before you start:** [chapter 2](02_tokens.ipynb) for tokens and the
# prompt, a little PyTorch, matrix products. **Time:** 30 minutes to read,
# without the exercises, and under a minute to run. If you know
# transformers, skip to the last two sections. **Hardware:** with the course
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
from collections import Counter

import torch

from unitconv import figures
from unitconv.inference.llm import LLM

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL, dtype="float32")
torch.set_grad_enabled(False)  # nothing is trained in this chapter

question = "How many gram are there per 6 kg?"
question_ids = llm.encode(question)
prompt = llm.format_prompt(question)


def pieces(text):
    return [llm.tokenizer.decode([token]) for token in llm.encode(text)]


print(pieces(question))
print(question_ids)

# %% [markdown]
# ## Embeddings: tokens become vectors
#
# These are the tokens of our question, with their numbers. The model that
# reads them is a Llama ([Touvron et al.
# 2023](https://arxiv.org/abs/2302.13971)), the most common shape of open
# models today. Its weights come from pretraining: it was trained to predict
# each next token of a large text ([the appendix](90_pretraining.ipynb)).
# Its parts, as `transformers` names them:

# %%
model = llm.model
config = model.config
model

# %% [markdown]
# Here are the same parts as a drawing. Read it from the bottom to the top:

# %% tags=["hide-input"]
figures.block_drawing(
    layers=config.num_hidden_layers,
    hidden=config.hidden_size,
    heads=config.num_attention_heads,
    kv_heads=config.num_key_value_heads,
    head_dim=config.head_dim,
    intermediate=config.intermediate_size,
    vocabulary=config.vocab_size,
).captioned(
    "The model. Each of its blocks adds to the residual stream twice."
)

# %% [markdown]
# We now compute what each box does, with the real weights, and compare the
# result with the library's. Our text is the question. From here on each of
# its tokens has a row.
#
# **Embedding.** A table with one row for each token of the vocabulary. To
# embed is to look up:

# %%
token_ids = torch.tensor(question_ids, device=llm.device)
x = model.model.embed_tokens.weight[token_ids]
print(tuple(x.shape), "= (tokens, hidden)")

# %% [markdown]
# **The residual stream.** These rows are the line on the left of the
# drawing. No part of the model replaces them. Each part of a block reads
# the rows, computes something, and *adds* it. So the result of the first
# layer is still part of the sum that the last layer reads.
#
# **RMSNorm** ([Zhang and Sennrich
# 2019](https://arxiv.org/abs/1910.07467)). Because every block only adds to
# the stream, its values tend to grow. Each block therefore normalizes its
# input first: it divides each row by its root mean square and multiplies by
# a learned weight. Then only the direction of the row counts, not its
# length.


# %%
def rms_norm(x, weight, eps):
    return weight * x / (x.square().mean(dim=-1, keepdim=True) + eps).sqrt()


layer = model.model.layers[0]
eps = config.rms_norm_eps
normed = rms_norm(x, layer.input_layernorm.weight, eps)
longer = rms_norm(1000 * x, layer.input_layernorm.weight, eps)
print(f"{float((normed - longer).abs().max()):.4f}")
assert torch.allclose(normed, longer, atol=0.05)

# %% [markdown]
# The input is a thousand times as long, and the result differs by 0.0002.
# (That comes from `eps`, which prevents a division by zero.)
#
# ## Attention: a token looks at others
#
# Attention lets a token fetch information from the tokens before it. Each
# token has three vectors for it: a *query*, which says what it looks for, a
# *key*, by which it can be found, and a *value*, which others receive from
# it. They are the rows of $Q$, $K$ and $V$, with $d$ numbers each. The
# result is ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762))
#
# $$\mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{d}}\right) V .$$
#
# ### Attention with three tokens, by hand
#
# First with vectors of our own, two numbers a token. In a key the first
# number says *I am a quantity* and the second *I am a unit*; in a query
# they say what is looked for. `6` looks for its unit, `kg` looks for its
# quantity, and `?` looks for both, with more weight on the quantity. The
# formula is four lines:

# %%
three = ["6", " kg", "?"]
q = torch.tensor([[0.0, 2.0], [2.0, 0.0], [2.0, 1.0]])  # looks for
k = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])  # is
v = torch.tensor([[10.0, 0.0], [0.0, 10.0], [0.0, 0.0]])  # gives

scores = q @ k.T / 2**0.5
later = torch.ones(3, 3, dtype=torch.bool).triu(1)
weights = scores.masked_fill(later, -torch.inf).softmax(dim=-1)
fetched = weights @ v
fetched

# %% tags=["hide-input"]
figures.attention_steps(three, scores.tolist(), weights.tolist()).captioned(
    "Scores of three tokens, and the weights they turn into."
)

# %% [markdown]
# **Scores.** Every query is multiplied with every key. The dot product is
# large where the two point the same way: the query of `kg` with the key of
# `6` makes 2 × 1 + 0 × 0 = 2. Divided by $\sqrt{2}$ that is the 1.41 on
# the left.
#
# **Mask.** The best match for `6` is `kg`, and it may not look there: at
# that place the model is to *predict* `kg`. The scores of later tokens,
# crossed out, become minus infinity, which a softmax turns into a weight
# of 0.
#
# **Softmax.** The weights of a row add up to 1. With $d = 2$ you can work
# them out in your head: $e^{1/\sqrt{2}}$ is close to 2, so each extra unit
# in the dot product roughly doubles the weight. For `kg` the dot products
# are 2 and 0, so the weights are in the ratio 4 : 1, that is, four fifths
# and one fifth. For `?` the dot products are 2, 1 and 0, so the weights are
# in the ratio 4 : 2 : 1.
#
# **The mean of the values**, weighted in this way, is the result. For `kg`
# it is four fifths of (10, 0) and one fifth of (0, 10), so (8, 2): mostly
# the value of `6`. torch's own function agrees:

# %%
from torch.nn.functional import scaled_dot_product_attention

expected = [[1, 0, 0], [4 / 5, 1 / 5, 0], [4 / 7, 2 / 7, 1 / 7]]
assert torch.allclose(weights, torch.tensor(expected), atol=0.01)
by_torch = scaled_dot_product_attention(q, k, v, is_causal=True)
assert torch.allclose(fetched, by_torch)
unmasked = scaled_dot_product_attention(q, k, v)
assert not torch.allclose(fetched, unmasked, atol=1)  # the mask matters

# %% [markdown]
# ### Attention in the model, with 64 numbers a head
#
# **Queries, keys, values.** In the model they are not chosen by hand: three
# learned matrices compute them from each row. They are cut into *heads* of
# 64 numbers, and each head looks for something else.


# %%
def split_heads(x, head_dim):
    """[tokens, heads * head_dim] -> [heads, tokens, head_dim]."""
    return x.view(len(x), -1, head_dim).transpose(0, 1)


attention = layer.self_attn
q = split_heads(normed @ attention.q_proj.weight.T, config.head_dim)
k = split_heads(normed @ attention.k_proj.weight.T, config.head_dim)
v = split_heads(normed @ attention.v_proj.weight.T, config.head_dim)
print("queries:", tuple(q.shape), "= (heads, tokens, size of a head)")
print("keys:   ", tuple(k.shape))

# %% [markdown]
# **Rotary positions** ([Su et al. 2021](https://arxiv.org/abs/2104.09864)).
# So far nothing says where a token is in the text: `6 kg` and `kg 6` would
# give the same keys. So each query and each key is rotated by an angle that
# grows with its position. A head's 64 numbers are taken as 32 pairs,
# numbers $i$ and $i + 32$ as pair $i$, and each pair as a point in the
# plane. The first pair turns by one radian a token, which distinguishes
# neighboring places. The last hardly turns at all, and distinguishes
# places that are far apart.


# %%
def rotate(x, positions, theta):
    """Turn pair i by position * theta ** (-2 i / head_dim)."""
    size = x.shape[-1]
    steps = torch.arange(0, size, 2, device=x.device) / size
    angles = positions[:, None] * (1 / theta**steps)
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., : size // 2], x[..., size // 2 :]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


theta = config.rope_parameters["rope_theta"]
two = torch.stack([q[0, 5], k[0, 2]])  # a query and a key
for query_at, key_at in [(5, 2), (105, 102), (5, 3)]:
    places = torch.tensor([query_at, key_at], device=llm.device)
    query, key = rotate(two, places, theta)
    print(f"query at {query_at}, key at {key_at}: {query @ key:.2f}")

# %% [markdown]
# Compare the first two lines: query and key were moved by a hundred places,
# and the score is the same. If two vectors turn by the same angle, the
# angle between them does not change. So the score depends only on the
# distance between the two tokens. In the third line we changed that
# distance, and the score changed. A head that looks three tokens back does
# so anywhere in a text. The figure shows one pair of numbers of a query and
# a key:

# %% tags=["hide-input"]
figures.rotations([(5, 2), (15, 12), (5, 3)]).captioned(
    "One pair of a query and of a key, turned by one radian a token. In "
    "the first two panels the distance is 3 and the angle is the same."
)

# %% [markdown]
#
# **Scores, mask, softmax, mean** are the same as for the three tokens. Here
# the square root matters: a sum of 64 products tends to be larger than a
# sum of 2, and without the division the softmax would put nearly all weight
# on one token. Each head computes its own result. The results are laid side
# by side, and a last matrix, `o_proj`, mixes them into the row that is
# added to the stream.
#
# **Grouped-query attention** ([Ainslie et al.
# 2023](https://arxiv.org/abs/2305.13245)). Keys and values have to be kept
# while a text is generated; queries do not. So several query heads may
# share one key/value head, which makes the cache of the next chapter
# smaller. In the course model every query head has its own key/value head,
# that is, the group size is one; SmolLM2-135M has groups of three.

# %% tags=["hide-input"]
figures.shared_heads(
    {"course model": (3, 3), "SmolLM2-135M": (9, 3)}
).captioned("Query heads that share a key/value head are joined to it.")

# %% [markdown]
# The code handles any group size. Its last four lines are those of the
# three tokens.


# %%
def attend(q, k, v):
    """What each token fetches, and the weights it does so with."""
    group = len(q) // len(k)
    k, v = (part.repeat_interleave(group, dim=0) for part in (k, v))
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    later = torch.ones_like(scores[0], dtype=torch.bool).triu(1)
    weights = scores.masked_fill(later, -torch.inf).softmax(dim=-1)
    return weights @ v, weights


# %% [markdown]
# **The MLP**, for multi-layer perceptron. Attention moves things between
# tokens; the MLP works on each token by itself. Two matrices, `gate_proj`
# and `up_proj`, take its row to a wider one each. The first passes a SiLU,
# $x \cdot \sigma(x)$ with $\sigma(x) = 1 / (1 + e^{-x})$: large values
# pass and negative ones come out near zero. Then the two are multiplied
# number by number, so the first decides how much of the second gets
# through, and `down_proj` takes the product back to the stream's width.
# This is called SwiGLU ([Shazeer
# 2020](https://arxiv.org/abs/2002.05202)).
#
# That is all there is. A block:

# %%
from torch.nn.functional import silu


def mlp(x, part):
    gate, up = x @ part.gate_proj.weight.T, x @ part.up_proj.weight.T
    return (silu(gate) * up) @ part.down_proj.weight.T


def block(x, layer, config):
    """One layer: the stream after it, and its attention weights."""
    attention, size = layer.self_attn, config.head_dim
    theta = config.rope_parameters["rope_theta"]
    eps, places = config.rms_norm_eps, torch.arange(len(x), device=x.device)

    read = rms_norm(x, layer.input_layernorm.weight, eps)
    q, k, v = (
        split_heads(read @ projection.weight.T, size)
        for projection in (
            attention.q_proj,
            attention.k_proj,
            attention.v_proj,
        )
    )
    q, k = rotate(q, places, theta), rotate(k, places, theta)
    fetched, weights = attend(q, k, v)
    together = fetched.transpose(0, 1).flatten(1)  # heads side by side
    x = x + together @ attention.o_proj.weight.T

    read = rms_norm(x, layer.post_attention_layernorm.weight, eps)
    return x + mlp(read, layer.mlp), weights


# %% [markdown]
# Is it right? `transformers` can return the stream after every layer. We
# compare it after the first, and report the largest difference relative to
# the largest entry, because float32 has about seven significant digits at
# any scale.


# %%
def gap(mine, library):
    return float((mine - library).abs().max() / library.abs().max())


library = model(token_ids[None], output_hidden_states=True)
mine, _ = block(x, layer, config)
print(
    f"one layer by hand: off by {gap(mine, library.hidden_states[1]):.0e}"
)
assert gap(mine, library.hidden_states[1][0]) < 1e-5
assert gap(x, library.hidden_states[1][0]) > 0.1  # the layer does something

# %% [markdown]
# The last line asks whether the comparison could have failed. The course
# model cannot show that the groups are right, but SmolLM2 can. Its shapes
# are public ([Ben Allal et al. 2025](https://arxiv.org/abs/2502.02737)). We
# give two layers of the smallest random weights; they have nine heads of
# queries on three of keys:

# %%
from transformers import AutoModelForCausalLM, LlamaConfig


def smol(layers, hidden, heads, kv_heads, intermediate, theta):
    return LlamaConfig(
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        intermediate_size=intermediate,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
        vocab_size=49152,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )


grouped = smol(2, 576, 9, 3, 1536, 100_000.0)
torch.manual_seed(0)
random_model = AutoModelForCausalLM.from_config(grouped)
ids = token_ids.cpu()[None]
states = random_model(ids, output_hidden_states=True).hidden_states
mine, weights = block(states[0][0], random_model.model.layers[0], grouped)
print(f"{len(weights)} heads, off by {gap(mine, states[1][0]):.0e}")
assert gap(mine, states[1][0]) < 1e-5

# %% [markdown]
# ## Vectors become logits
#
# The rest is a loop over the layers, one more norm, and a matrix that
# gives each token of the vocabulary a score: the *logits*, which a softmax
# turns into probabilities. That matrix is
# the embedding once more. Both have one row a token, so many small models
# *tie* them, and save a large share of their parameters ([Press and Wolf
# 2017](https://arxiv.org/abs/1608.05859)).


# %%
def run(token_ids):
    """Logits, the stream at every depth, all attention weights."""
    x = model.model.embed_tokens.weight[token_ids]
    states, looks = [x], []
    for layer in model.model.layers:
        x, weights = block(x, layer, config)
        states.append(x)
        looks.append(weights)
    read = rms_norm(x, model.model.norm.weight, config.rms_norm_eps)
    return read @ model.lm_head.weight.T, states, torch.stack(looks)


logits, states, looks = run(token_ids)
print(tuple(logits.shape), "= (tokens, vocabulary)")
print(f"the whole model by hand: off by {gap(logits, library.logits):.0e}")
assert gap(logits, library.logits[0]) < 1e-4
tied = model.lm_head.weight is model.model.embed_tokens.weight
print("the head is the embedding:", tied)
assert tied == config.tie_word_embeddings

# %% [markdown]
# So this is a language model: a lookup, a few layers of thirty lines, a
# product. The next chapter takes the logits from here.
#
# ## Attention maps: where a head looks
#
# The attention weights can be drawn. Each row is a token that reads, each
# column one that is read. Here is the head that looks at its left
# neighbor more than any other head does:

# %%
rows = torch.arange(1, len(token_ids), device=llm.device)
neighbor = looks[:, :, rows, rows - 1].mean(dim=-1)
depth, head = divmod(int(neighbor.argmax()), neighbor.shape[1])
share = float(neighbor[depth, head])
print(f"layer {depth}, head {head}: {share:.0%} on the token before")

# %% tags=["hide-input"]
figures.attention_map(
    pieces(question),
    looks[depth, head].tolist(),
    title=f"layer {depth}, head {head}",
).captioned("Each token puts its weight on the token before it.")

# %% [markdown]
# The corner above the diagonal is empty: that is the mask. Every token puts
# all of its weight on its left neighbor, `kg` on `6` among them. Most
# trained transformers have such a *previous-token head*, and later layers
# build on it ([Olsson et al. 2022](https://arxiv.org/abs/2209.11895)).
#
# We return to our question. We write the first sentence of a reply for the
# model and stop where it needs the quantity:

# %%
begun = "1 kg = 1000 g. "
ids = llm.encode(prompt + begun)
logits, states, looks = run(torch.tensor(ids, device=llm.device))
odds = logits[-1].softmax(dim=-1)
says = int(odds.argmax())
print(f"next: {llm.tokenizer.decode([says])!r} with {odds[says]:.2f}")
[six] = llm.encode("6")
assert says == six or MODEL != "course"

# %% [markdown]
# The prompt holds many numbers, and the model must not take the example's.
# How much of its weight does each head put on the quantity of *this*
# question?

# %%
quantity = max(i for i, token in enumerate(ids) if token == six)
on_it = looks[:, :, -1, quantity]
depth, head = divmod(int(on_it.argmax()), on_it.shape[1])
heads = on_it.numel()
print(f"{int((on_it > 0.5).sum())} of {heads} heads: more than half")
print(f"most: layer {depth}, head {head} with {on_it[depth, head]:.0%}")
assert on_it.max() > 5 / len(ids)  # far more than an even share

# %% [markdown]
# And this is what the text looks like to that head, from the question on:

# %% tags=["hide-input"]
[start] = llm.encode("<|im_start|>")
opened = [i for i, token in enumerate(ids) if token == start]
shown = slice(opened[-2], None)
figures.token_strip(
    {"": [llm.tokenizer.decode([token]) for token in ids[shown]]},
    shades={"": looks[depth, head, -1, shown].tolist()},
).captioned(
    "The darker a token, the more weight the head puts on it when the next "
    "token is predicted."
)

# %% [markdown]
# On the book's page you can choose the head and the token that looks:
#
# ```{live-attention} How many gram are there per 6 kg?
# What one token of the reply looks at through one head: of all, these two
# put most weight on the quantity. A percentage is a weight. Choose other
# tokens, with the mouse or the arrow keys, and other layers. Which heads
# look one token back, which at the token itself, and which far away?
# ```
#
# That answers our question. When the model needs a number again, a head
# looks back to the place where the number is. Do not conclude too much from
# one head, though: the weights show where its values come from, and not
# what is done with them. To show that the copy depends on this head, you
# have to switch it off and see the prediction change. [The last
# exercise](#ex-network-ablation) does that.
#
# ## Parameter counts and the size of the cache
#
# How does this small model compare with the three SmolLM2? On torch's
# *meta* device a model is built without memory for its weights. It has all
# its shapes, so we can count, and nothing has to be downloaded.

# %%
from transformers import AutoConfig

from unitconv.inference.load.model import COURSE_MODEL

configs = {
    "course": AutoConfig.from_pretrained(COURSE_MODEL),
    "SmolLM2-135M": smol(30, 576, 9, 3, 1536, 100_000.0),
    "SmolLM2-360M": smol(32, 960, 15, 5, 2560, 100_000.0),
    "SmolLM2-1.7B": smol(24, 2048, 32, 32, 8192, 130_000.0),
}
with torch.device("meta"):
    shapes = {
        name: AutoModelForCausalLM.from_config(shape)
        for name, shape in configs.items()
    }


KINDS = {
    "norm": "norms",
    "self_attn": "attention",
    "mlp": "MLP",
    "embed": "embedding",
}


def parts(shape):
    """How many parameters each kind of part has; a tied head is none."""
    counts = Counter()
    for name, parameter in shape.named_parameters():
        kind = next(kind for mark, kind in KINDS.items() if mark in name)
        counts[kind] += parameter.numel()
    return counts


counted = {name: parts(shape) for name, shape in shapes.items()}
for name, shape in shapes.items():
    assert counted[name].total() == shape.num_parameters()

# %% tags=["hide-input"]
figures.parameter_shares(counted).captioned(
    "Shares of the parameters in four models."
)

# %% [markdown]
# The plan is the same in all four. The MLP has most of the parameters, the
# norms next to none. A vocabulary of 49,152 weighs most on the smallest
# SmolLM2; untied it would weigh twice as much. The course model has a tiny
# one, and nearly all of its parameters are in the layers.
#
# The last row of the next table is the one that counts when texts are
# generated. Later tokens look at the keys and values of earlier ones, and
# those never change, so they are computed once and kept. This is the
# *cache* that chapter 4 builds. It holds a key and a value for each token,
# in every layer and for every key/value head. In bf16, a 16-bit float, a
# number has two bytes:

# %%
import pandas as pd


def cache_bytes(config, bytes_per_number=2):
    """Keys and values of one token, in all layers."""
    numbers = config.num_key_value_heads * config.head_dim
    return 2 * config.num_hidden_layers * numbers * bytes_per_number


def column(name):
    shape, total = configs[name], shapes[name].num_parameters()
    return {
        "layers": shape.num_hidden_layers,
        "hidden": shape.hidden_size,
        "heads": shape.num_attention_heads,
        "heads of keys": shape.num_key_value_heads,
        "vocabulary": f"{shape.vocab_size:,}",
        "context": f"{shape.max_position_embeddings:,}",
        "tied": "yes" if shape.tie_word_embeddings else "no",
        "parameters": f"{total / 1e6:,.1f} M",
        "weights, bf16": f"{2 * total / 1e6:,.0f} MB",
        "cache a token": f"{cache_bytes(shape) / 1e3:,.3g} kB",
    }


smollm2 = [name for name in configs if name != "course"]
kilobytes = [round(cache_bytes(configs[n]) / 1e3) for n in smollm2]
assert kilobytes == [23, 41, 197]
pd.DataFrame({name: column(name) for name in configs})

# %% [markdown]
# SmolLM2-360M has more than two and a half times the parameters of the
# smallest one, but less than twice its cache. The largest does not group
# its heads, so its cache is nearly five times that of the middle one for
# each token. With a context full of text, a single reply needs:

# %%
for name, shape in configs.items():
    full = cache_bytes(shape) * shape.max_position_embeddings
    print(f"{name:13} {full / 1e6:8,.1f} MB")

# %% [markdown]
# ## Exercises
#
# ```{exercise} Warm-up: how many texts fit?
# :label: ex-network-cache
#
# A GPU has `memory` bytes left after the weights were loaded. Write
# `texts(config, memory)`: how many texts, each as long as the model's
# context allows, fit into it with their keys and values in bf16.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt


def texts(config, memory):
    raise NotImplementedError  # your answer


def check_texts(texts):
    # What transformers keeps for our question, in float32.
    kept = random_model(token_ids.cpu()[None]).past_key_values.layers
    size = sum(layer.keys.nbytes + layer.values.nbytes for layer in kept)
    full = size / len(token_ids) / 2 * grouped.max_position_embeddings
    fit = texts(grouped, 10 * full)
    assert fit == 10, f"10 texts fit exactly, and not {fit}"
    fit = texts(grouped, 10 * full - 1)
    assert fit == 9, f"one byte less, and 9 fit, not {fit}"


attempt(check_texts, texts)

# %% [markdown]
# ```{solution-start} ex-network-cache
# :class: dropdown
# ```


# %%
def texts(config, memory):
    full = cache_bytes(config) * config.max_position_embeddings
    return int(memory // full)


for name in smollm2:
    print(f"{name:13} {texts(configs[name], 8e9):3} texts in 8 GB")

# %% tags=["solution", "nbval-check-output"]
attempt(check_texts, texts)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Count them on paper
# :label: ex-network-count
#
# Write `count(config)`: the number of parameters of a Llama with a tied
# head, from its configuration alone. There are no biases. Check it on all
# four models.
# ```

# %% tags=["exercise", "nbval-check-output"]


def count(config):
    raise NotImplementedError  # your answer


def check_count(count):
    for name, shape in shapes.items():
        missing = shape.num_parameters() - count(configs[name])
        assert missing <= 0, f"{name}: {missing:,} are missing"
        assert missing >= 0, f"{name}: {-missing:,} are too many"


attempt(check_count, count)

# %% [markdown]
# ```{solution-start} ex-network-count
# :class: dropdown
# ```


# %%
def count(config):
    hidden, size = config.hidden_size, config.head_dim
    queries = hidden * config.num_attention_heads * size  # so is o_proj
    keys = hidden * config.num_key_value_heads * size  # so are values
    wide = hidden * config.intermediate_size
    layer = 2 * queries + 2 * keys + 3 * wide + 2 * hidden
    embedding = config.vocab_size * hidden
    return embedding + config.num_hidden_layers * layer + hidden


# %% tags=["solution", "nbval-check-output"]
attempt(check_count, count)

# %% [markdown]
# The last `hidden` is the norm before the head.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stop early
# :label: ex-network-lens
#
# Every depth of the stream has the form that the head expects. So what
# would the model say if it stopped after layer 3? Write `lens(state)`: the
# probabilities of the next token, from the stream of one token at any
# depth (a vector as long as `hidden`). Then look at `states[depth][-1]`
# for every depth. When does the model know the quantity?
# ```

# %% tags=["exercise", "nbval-check-output"]


def lens(state):
    raise NotImplementedError  # your answer


def check_lens(lens):
    last = lens(states[-1][-1])
    assert last.shape == odds.shape, "one probability for each token"
    assert abs(float(last.sum()) - 1) < 1e-3, "they should add up to 1"
    assert torch.allclose(last, odds, atol=1e-4), (
        "after the last layer it should say what the model says"
    )


attempt(check_lens, lens)

# %% [markdown]
# ```{solution-start} ex-network-lens
# :class: dropdown
# ```


# %%
def lens(state):
    read = rms_norm(state, model.model.norm.weight, config.rms_norm_eps)
    return (read @ model.lm_head.weight.T).softmax(dim=-1)


for depth, state in enumerate(states):
    guess = lens(state[-1])
    best = int(guess.argmax())
    said = repr(llm.tokenizer.decode([best]))
    print(f"after {depth} layers: {said:6} {guess[best]:.2f}")

# %% tags=["solution", "nbval-check-output"]
attempt(check_lens, lens)

# %% [markdown]
# This is known as the *logit lens*. Before the first layer there is only
# the token itself, a space, and with a tied head an embedding is most like
# itself. After one to five layers the best guess is `1`, as in the sentence
# before. Only the last layer changes it to `6`. That is layer 5, counted
# from 0, and it has the head that puts all its weight on the quantity.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: switch a head off
# :label: ex-network-ablation
#
# Does the copy depend on the head that looks at the quantity? Write
# `without(depth, head)`: the probabilities of the next token after `ids`,
# if this head of this layer returns zeros and everything else is as before.
# Then try every head. Which are needed for the `6`?
# ```

# %% tags=["exercise", "nbval-check-output"]


def without(depth, head):
    raise NotImplementedError  # your answer


def check_without(without):
    size = config.head_dim
    found = {at: without(*at) for at in [(0, 1), (4, 2), (5, 1)]}
    assert torch.allclose(without(0, 1), found[0, 1], atol=1e-3), (
        "called again it says something else: did a head stay off"
    )
    for depth, head in found:
        weight = model.model.layers[depth].self_attn.o_proj.weight
        columns = slice(head * size, (head + 1) * size)
        saved = weight[:, columns].clone()
        weight[:, columns] = 0  # whatever the head returns has no effect
        batch = torch.tensor([ids], device=llm.device)
        expected = model(batch).logits[0, -1].softmax(dim=-1)
        weight[:, columns] = saved
        assert torch.allclose(found[depth, head], expected, atol=1e-3), (
            f"layer {depth}, head {head}: the probabilities differ"
        )


attempt(check_without, without)

# %% [markdown]
# ```{solution-start} ex-network-ablation
# :class: dropdown
# ```
#
# A head's result is a slice of what `o_proj` reads. A hook of torch changes
# the input of that one matrix.


# %%
def without(depth, head):
    def silence(module, inputs):
        [together] = inputs
        start = head * config.head_dim
        silenced = together.clone()
        silenced[..., start : start + config.head_dim] = 0
        return (silenced,)

    projection = model.model.layers[depth].self_attn.o_proj
    handle = projection.register_forward_pre_hook(silence)
    batch = torch.tensor([ids], device=llm.device)
    odds = model(batch).logits[0, -1].softmax(dim=-1)
    handle.remove()  # or it stays for all later calls
    return odds


layers, heads = on_it.shape
left = torch.stack(
    [
        torch.stack([without(depth, head)[six] for head in range(heads)])
        for depth in range(layers)
    ]
)
for depth, head in (left < 0.5).nonzero().tolist():
    chance, best = without(depth, head).max(dim=-1)
    said = llm.tokenizer.decode([int(best)])
    print(f"without layer {depth}, head {head}: {said!r} {chance:.2f}")
pd.DataFrame(left.tolist()).map("{:.2f}".format).rename(
    index="layer {}".format, columns="without head {}".format
)

# %% tags=["solution", "nbval-check-output"]
attempt(check_without, without)

# %% [markdown]
# Two heads put more than half of their weight on the quantity, and the `6`
# needs both. With all heads its probability was 0.84. Without head 1 of
# layer 5 it is 0.39, without head 2 of layer 4 it is 0.21, and `1`, as in
# the sentence before, becomes the best guess. A head can also be needed
# that does not look there: without head 1 of layer 0, which reads mostly
# the token itself, the model no longer predicts a digit.
#
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 3
#
# Nine query heads share three key/value heads. What becomes smaller?
#
# - The number of layers.
# - The context.
# - The cache of keys and values.
#
# Keys and values are kept for every token, queries are not. The cache is a
# third of what nine key/value heads would need.
# ```
#
# ```{quiz}
# :right: 1
#
# A query and a key are both moved by 100 places. What happens to their
# score?
#
# - Nothing, because only their distance counts.
# - It becomes smaller, because they are far from the start.
# - It changes sign.
#
# Both vectors turn by the same angle, so the angle between them stays.
# ```
#
# ```{quiz}
# :right: 2
#
# Which part of a block moves information from one token to another?
#
# - The MLP.
# - Attention.
# - RMSNorm.
#
# The MLP and the norm work on each token's row by itself.
# ```
#
# ## Recap
#
# - A block reads the residual stream twice and adds to it twice: attention
#   fetches from earlier tokens, the MLP works on each token by itself.
# - Norms keep the input of each part at one scale, and rotation makes
#   scores depend on the distance between two tokens.
# - The head turns a vector into a logit for each token. Tied, it is the
#   embedding.
# - Attention weights show where a head reads. Whether the model needs that
#   head shows only when it is switched off.
# - Cache bytes per token = 2 × layers × key/value heads × head size × bytes
#   per number. Grouping the query heads makes the cache smaller.
#
# **Next:** [what to do with the logits](04_sequential.ipynb): text, one
# token at a time.
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# vaswani2017
# press2017
# zhang2019
# shazeer2020
# su2021
# olsson2022
# touvron2023
# ainslie2023
# benallal2025
# ```
