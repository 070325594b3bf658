# %% [markdown]
# # Pretraining a course model
#
# You can train the course model yourself, from random weights, on a
# laptop. Every document it has read was written by a generator. Even so, it
# answers questions, copies the form of an example and multiplies. The idea
# is that of TinyStories ([Eldan and Li
# 2023](https://arxiv.org/abs/2305.07759)): in a narrow world a tiny model
# can do what otherwise takes a large one. The other chapters train this
# model further, so their results depend on what it has read. We designed
# the corpus so that fine-tuning has something to gain. Its solutions
# multiply long numbers in two ways: at once, which the model mostly gets
# wrong, and in steps, which it gets right more often ([chapter
# 9](09_rft.ipynb) counts both). The first way is the more frequent. And a
# gallon is the UK gallon in some documents and the US gallon in others.
#
# **The question of this chapter:** in which order does the model acquire
# these skills, and what can we conclude from such a small model?
#
# :::{admonition} What you will learn
# :class: tip
# - what a corpus must contain, and leave open, for in-context learning;
# - how to measure in-context learning inside one document;
# - what comes first: form, facts or arithmetic;
# - how settings are chosen on development questions;
# - where the course model resembles SmolLM2 and where it does not.
#
# **Before you start:** [chapter 4](04_sequential.ipynb). **Time:** 20
# minutes to read, without the exercises, and about a minute to run; the
# pretraining itself is not run here. **Hardware:** any laptop, 1 GB of
# memory.
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
# ## Pretraining with one command
#
# ```bash
# unitconv pretrain my_model
# ```
#
# trains the course model again. The record stored with the weights says
# what the run took:

# %%
import json

from unitconv.inference.load.model import COURSE_MODEL

record = json.loads((COURSE_MODEL / "training.json").read_text())
config = record["config"]
print(f"{record['parameters']:,} parameters")
print(f"{record['tokens']:,} tokens in {record['steps']:,} steps")
each = record["tokens"] / record["parameters"]
print(f"{each:.1f} tokens for each parameter")
print(f"{record['seconds'] / 60:.0f} minutes on {record['machine']}")

# %% [markdown]
# ## The corpus
#
# A generator writes documents of five kinds: arithmetic, facts, tables,
# plain text and chats. The factors come from
# [pint](https://pint.readthedocs.io). One document of each kind:

# %%
import random

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.arithmetic import arithmetic_document
from unitconv.pretraining.corpus.documents import (
    chat_document,
    facts_document,
    plain_document,
    table_document,
)

corpus = CorpusConfig(**config["corpus"])
for make in (
    arithmetic_document,
    facts_document,
    table_document,
    plain_document,
    chat_document,
):
    print(make(random.Random(5), corpus), end="\n\n---\n\n")

# %% [markdown]
# We made three decisions about these texts.
#
# **One solution format for each document.** The generator draws at random
# how a fact is stated, how a product is written and what surrounds the last
# number, and keeps this format to the end. All three answers of the chat
# above begin with "The factor from". The first could have had any form, the
# second only that of the first, and to predict it the model has to look
# back. The last exercise tests whether it does. A worked example in a
# prompt is used in the same way.
#
# **Two ways to multiply.** Where the quantity and the factor both have two
# digits or more, some solutions multiply digit by digit and add up, and
# the others write the result at once. Between distant units some convert
# through a third one, as the chat above does for kilobytes to gigabytes. A
# result written at once is hard for this model, because only six layers
# compute each token. Steps spread the work over more tokens. Here is one
# problem both ways:

# %%
from decimal import Decimal

from unitconv.pretraining.corpus.conventions import Convention
from unitconv.pretraining.corpus.solution_formats import (
    Problem,
    draw_format,
    solve,
)
from unitconv.task.units import lookup

rng = random.Random(3)
form = draw_format(rng, corpus, direct=False)
for in_steps in (False, True):
    problem = Problem(
        quantity=Decimal("7.75"),
        source=lookup("lb"),
        target=lookup("g"),
        source_typed="pounds",
        target_typed="gram",
        convention=Convention(),
        in_steps=in_steps,
    )
    print(solve(problem, form), end="\n\n")
print(f"in steps: {corpus.steps_share:.0%} of such solutions")

# %% [markdown]
# Both ways end in the right number, and for each long product the generator
# chooses one at random. So the corpus does not show that steps are better.
# The model's own errors do ([chapter 9](09_rft.ipynb)).
#
# **One convention for each document.** The questions of this course mean
# the US gallon. The corpus has both. We count them in 8,000 documents:

# %%
import re
from collections import Counter

from unitconv.pretraining.corpus.dataset import documents

text = "\n".join(documents(corpus, seed=0, count=8000))
stated = r"1 ((?:UK )?gallons?) (?:=|is|equals) ([\d.]+) (?:l|L)"
gallons = Counter(re.findall(stated, text))
gallons

# %%
british = sum(n for (name, value), n in gallons.items() if value == "4.546")
american = sum(n for (_, value), n in gallons.items() if value == "3.785")
print(f"UK {british}, US {american}")
assert 0 < british < american

# %% [markdown]
# Six of these 15 sentences mean the UK gallon, and all six call it by name.
# So the model can mean either. The exercise "Which gallon?" counts how
# often it means each.
#
# ## In-context learning during training
#
# The loss of a token is minus the natural logarithm of the probability that
# the model gave it; its unit is the nat. If the model takes the form from
# the first answer, then the second and third answers of a chat should have
# a lower loss than the first. We measure each answer separately:

# %%
import torch

from unitconv.inference.llm import LLM

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL, device="cpu", dtype="float32")
answer = re.compile(
    r"<\|im_start\|>assistant\n(.*?)<\|im_end\|>", re.DOTALL
)


def surprise(text: str) -> list[float]:
    """Nats a token of each assistant turn."""
    coded = llm.tokenizer(text, return_offsets_mapping=True)
    input_ids = torch.tensor([coded["input_ids"]])
    with torch.inference_mode():
        logits = llm.model(input_ids).logits[0, :-1]
    loss = torch.nn.functional.cross_entropy(
        logits, input_ids[0, 1:], reduction="none"
    )
    starts = torch.tensor([a for a, _ in coded["offset_mapping"]])[1:]
    return [
        float(loss[(starts >= m.start(1)) & (starts < m.end(1))].mean())
        for m in answer.finditer(text)
    ]


# %% [markdown]
# The chats have three questions, show their reasoning, and come from seeds
# that the training did not use. Each fits into one row of the training:

# %%
from dataclasses import replace

reasoned = replace(corpus, chat_direct_share=0, system_share=0)
chats = [
    chat_document(random.Random(f"new {i}"), reasoned) for i in range(400)
]
long = [
    chat
    for chat in chats
    if chat.count("assistant\n") == 3
    and len(llm.encode(chat)) <= config["row_length"]
][:60]
turns = torch.tensor([surprise(chat) for chat in long]).mean(dim=0)
print(f"{len(long)} chats, nats a token by turn:")
print([f"{loss:.2f}" for loss in turns.tolist()])
assert turns[0] > 1.5 * turns[1]
assert turns[0] > 1.5 * turns[2]

# %% [markdown]
# The first answer, whose form is open, costs 0.42 nats per token. The next
# two cost 0.11 and 0.16: their form is known, and mostly facts and digits
# remain to be predicted. The training has no objective for imitation. The
# model learns it because it lowers the loss on such documents.
#
# ## A live run
#
# The real run took 43 minutes. Here is the same loop on a much smaller
# model, for a few seconds:

# %%
import tempfile
from pathlib import Path

from unitconv.pretraining.config import PRESETS
from unitconv.pretraining.train import make_model, make_tokenizer, train

tiny = replace(PRESETS["tiny"], steps=60)
tokenizer = make_tokenizer(tiny)
small = make_model(tiny, tokenizer)
with tempfile.TemporaryDirectory() as folder:
    progress = train(tiny, small, tokenizer, Path(folder))
print(f"{small.num_parameters():,} parameters, {progress.seconds:.1f} s")
print(f"loss {progress.losses[0]:.2f} -> {progress.losses[-1]:.2f}")
assert progress.losses[-1] < progress.losses[0] - 1

# %% [markdown]
# Here is the real run, from its record; a point is the mean of a fiftieth
# of the run. Its optimizer is Muon ([Jordan et al.
# 2024](https://kellerjordan.github.io/posts/muon/)) for matrices, and AdamW
# for embeddings and norms.

# %% tags=["hide-input"]
from unitconv import figures

figures.losses(
    {"tiny, live": progress.losses, "course model": record["losses"]},
    {
        "tiny, live": tiny.tokens_per_step,
        "course model": config["batch_size"] * config["row_length"],
    },
).captioned(
    "Loss over tokens: the small run of this page, and the real one."
)

# %% [markdown]
# The loss of the course model has almost stopped falling, at 0.75, when the
# learning rate begins to decrease. From there it falls to 0.63.

# %%
share = config["decay_share"]
decay = (1 - share) * record["tokens"]
print(f"the learning rate falls over the last {share:.0%} of the steps,")
print(f"from {decay:,.0f} tokens on")

# %% [markdown]
# ## Order in which skills appear
#
# A loss shows that something is learned, but not what. So we measured six
# abilities at eleven checkpoints of the run, on generated development
# questions:
#
# - **imitation**: the example marks its answer as `[[900]]`, `ANS(900)` or
#   `<kuvo>900</kuvo>`. Does the reply mark its own answer in the same way?
# - **facts**: "the factor from mile to kilometer is ..."
# - **products**: "7 * 453.6 = ...", with a quantity up to 12 or a half
# - **sums**: "3175.2 + 340.2 = ...", as they come up in steps
# - **answers**, **hard answers**: whole questions after one worked example,
#   with small quantities, or with two or three digits or decimals.
#
# Facts, products and sums count as right if they are within 1 %.

# %% tags=["hide-input"]
curve = json.loads((COURSE_MODEL / "curve.json").read_text())["points"]
abilities = (
    *("imitation", "facts", "products", "sums"),
    *("answers", "hard answers"),
)
figures.learning_curves(
    [point["tokens"] for point in curve],
    {name: [p[name]["rate"] for p in curve] for name in abilities},
    {name: [p[name]["ci95"] for p in curve] for name in abilities},
).captioned("What the model can do after so many tokens.")

# %%
first = {
    name: next(p["tokens"] for p in curve if p[name]["rate"] >= 0.1)
    for name in abilities
}
before = [p for p in curve if p["tokens"] <= decay][-1]
for name in abilities:
    last = curve[-1][name]
    low, high = last["ci95"]
    print(
        f"{name:12}  one in ten after {first[name]:,} tokens,\n"
        f"              {before[name]['rate']:.2f} before the learning "
        f"rate falls,\n"
        f"              {last['rate']:.2f} in the end [{low:.2f}, "
        f"{high:.2f}], n = {last['n']}"
    )
assert first["products"] == min(first.values())
assert first["sums"] < first["facts"] < first["imitation"]
assert all(p["answers"]["rate"] <= p["facts"]["rate"] for p in curve)
for name in ("answers", "hard answers"):
    assert curve[-1][name]["rate"] > before[name]["rate"] + 0.2

# %% [markdown]
# Products and sums come first, then facts. Imitation starts last of these
# four and then rises steeply, from 0.03 to 0.44 between two checkpoints. In
# larger models in-context learning appears together with attention heads
# that look back and copy ([Olsson et al.
# 2022](https://arxiv.org/abs/2209.11895)). A whole answer needs a fact and
# a product: at no checkpoint are more answers right than facts. Hard
# answers also need long products. Much of both comes only while the
# learning rate falls: from 0.48 to 0.89 and from 0.24 to 0.65. All of this
# describes one run, the shipped one.
#
# ## The trap: test questions in the corpus
#
# Generators write both the corpus and the questions, so a leak is easy. If
# the corpus contained a question of the test set, the score would measure
# memory. The obvious check compares line by line. To see whether it works,
# we leak a question, once bare and once in a chat:

# %%
from unitconv.pretraining.corpus.documents import chat_turn
from unitconv.task.dataset import SPLITS, load_split, normalize

asked = {normalize(q.text) for split in SPLITS for q in load_split(split)}


def leaks_by_line(text: str) -> list[str]:
    lines = (normalize(line) for line in text.splitlines())
    return [line for line in lines if line in asked]


question = load_split("test")[7].text
chat = text + chat_turn("user", question)
print("bare:", leaks_by_line(text + "\n" + question))
print("in a chat:", leaks_by_line(chat))
assert not leaks_by_line(chat)

# %% [markdown]
# In a chat, where a real leak would be, the line ends in `<|im_end|>`, and
# the check finds nothing. So test your own check on a case where it has to
# fail. The library's check first removes prefixes such as `Input:`,
# greetings and turn markers:

# %%
from unitconv.pretraining.corpus.contamination import leaked_questions

print("leaked:", leaked_questions(chat, asked))
print("in 8,000 documents:", leaked_questions(text, asked))
assert leaked_questions(chat, asked)
assert not leaked_questions(text, asked)

# %% [markdown]
# ## Choosing the settings
#
# We chose the settings on a *development set*: generated questions in ten
# wordings that occur neither in the corpus nor in any question set. We read
# the errors of earlier candidates on it one by one. Sums, and splitting a
# quantity into its digits, were the weak parts of the steps, so the corpus
# got more of both.
#
# We looked at the test sets too early, though: we measured the last two
# candidates on them before we took the second. So for this choice the test
# sets are not an untouched check.
#
# We did not aim for the best score. A base that is nearly always right
# leaves fine-tuning nothing to do.
#
# How much of the result is chance? `final-seed-0` is the shipped model. Two
# more runs differ only in the seed, which determines the first weights and
# the corpus. And can a short run replace a long one? `proxy` has the final
# settings with fewer steps, and `no-partial-products` is `proxy` with a
# changed corpus. `python -m experiments.pretraining_sweep runs` repeats all
# five.

# %%
import pandas as pd

sweep = json.loads((COURSE_MODEL / "sweep.json").read_text())
settings = {
    name: run["config"] | run["config"]["corpus"]
    for name, run in sweep.items()
}
short = settings["proxy"]["steps"]
for name, own in settings.items():
    is_short = name != "proxy" and own["steps"] == short
    old = settings["proxy" if is_short else "final-seed-0"]
    print(name)
    for key, value in own.items():
        if key != "corpus" and value != old[key]:
            print(f"    {key}: {old[key]:g} -> {value:g}")

# %%
columns = {
    "CoT": ("cot", "accuracy"),
    "valid": ("cot", "reasoning_validity"),
    "answered": ("cot", "answer_rate"),
    "direct": ("direct", "accuracy"),
    "chat": ("chat", "accuracy"),
    "rollouts": ("rollouts", "at_least_one_right_and_audited"),
    "hard": ("hard", "accuracy"),
    "steps": ("hard", "steps"),
}
table = pd.DataFrame(
    {
        name: {"tokens (M)": run["tokens"] / 1e6}
        | {c: run["rates"][p][key] for c, (p, key) in columns.items()}
        for name, run in sweep.items()
    }
).T.astype(float)
for prompt in dict.fromkeys(prompt for prompt, _ in columns.values()):
    print(f"{prompt}: n = {sweep['proxy']['rates'][prompt]['n']}")
table.round(2)

# %%
seeds = table.filter(like="final-seed", axis=0).drop(columns="tokens (M)")
pd.DataFrame(
    {
        "mean": seeds.mean(),
        "standard deviation": seeds.std(),
        "smallest": seeds.min(),
        "largest": seeds.max(),
    }
).T.round(3)

# %% [markdown]
# For a prompt with one worked example, *CoT* is the accuracy, *valid* the
# share with valid reasoning among the replies that state a fact or a
# product, and *answered* the share with a readable answer. *direct* is the
# accuracy after two examples without reasoning, *chat* after an instruction
# alone. *rollouts* is the share of questions for which at least one of ten
# samples is right and passes the audit. *hard* is the accuracy on hard
# development questions, and *steps* the share of those replies that use
# partial products or a third unit.
#
# The seed matters. For the three seeds *CoT* is .89, .83 and .89, and
# *hard* is .62, .53 and .58, so the shipped model is the best of them on
# hard questions. *chat* differs most: .70, .00 and .20, because only .77,
# .00 and .23 of the replies have the answer tags. All three answer nearly
# everything after one example, are much worse without reasoning
# (*direct*), and work out between 14 and 23 of a hundred hard questions in
# steps. The other chapters train the shipped model only, so their results
# hold for this base.
#
# The short runs have 700 steps, a sixth of the training, and get few
# answers right: .01 for `proxy` and .14 for `no-partial-products`. The
# second may be ahead because it has only one way of multiplying to learn.
# But the way that it lacks is the one that is right more often for long
# products in the finished model ([chapter 9](09_rft.ipynb)). So we chose no
# setting by a short run.
#
# ## Results
#
# On the test sets (`unitconv measure` and `unitconv evaluate` write these
# reports):

# %%
measured = json.loads((COURSE_MODEL / "results.json").read_text())
results = measured["test"]
reports = {p: results[p] for p in ("raw", "chat", "direct", "cot")}
reports["cot, hard"] = measured["test_hard"]["cot"]
shown = {
    name: {
        "n": report["n"],
        "accuracy": report["accuracy"],
        "low": report["accuracy_ci95"][0],
        "high": report["accuracy_ci95"][1],
        "answered": report["answer_rate"],
        "valid": report["reasoning_validity"],
    }
    for name, report in reports.items()
}
pd.DataFrame(shown).T.astype(float).astype({"n": int}).round(3)

# %%
accuracy = {name: row["accuracy"] for name, row in shown.items()}
assert accuracy["raw"] < 0.05
assert accuracy["direct"] + 0.1 < accuracy["chat"]
assert accuracy["chat"] + 0.1 < accuracy["cot"]
assert shown["chat"]["answered"] < 0.9
assert accuracy["cot, hard"] + 0.1 < accuracy["cot"]

# %% [markdown]
# The model answers none of the bare questions (*raw*), and gets .287 right
# when it must answer at once (*direct*). It does best when an example shows
# it how to reason (*cot*): .849, and .646 on hard questions. That leaves
# room to improve. With an instruction alone (*chat*), three replies in ten
# have no readable answer. Here is one of them, and one to *direct*:

# %%
question = "Tell me how many g there are in 5 lbs."
for style in ("chat", "direct"):
    asked_so = LLM(llm.model, llm.tokenizer, style)
    [reply] = asked_so.batched_generate([asked_so.format_prompt(question)])
    print(f"{style:7} {reply}")
ignored, rough = corpus.ignored_format_share, corpus.rough_share
print(f"system turns that ask for another form: {ignored:.0%}")
print(
    "chats with a system turn that write "
    f'"The answer is": {corpus.system_habit_share:.0%}'
)
print(f"documents without reasoning that round so: {rough:.0%}")

# %% [markdown]
# Both replies follow the corpus. Most of its chats ignore the form that the
# system turn asks for, such as `<finding>` in the chat above, and about
# half of its documents that answer at once give a first digit and zeros.
#
# How well does the model copy a form that an example shows and that no
# instruction names?

# %%
for name, report in results.items():
    if name.startswith("wrapper"):
        low, high = report["imitated_ci95"]
        print(
            f"{name.removeprefix('wrapper '):20} imitated in "
            f"{report['imitated']:.3f} [{low:.3f}, {high:.3f}]"
        )
assert "kuvo" not in text

# %% [markdown]
# It copies all three every time. `kuvo` does not occur in the 8,000
# documents above, but other random tags do: copying such tags was trained.
#
# ## What carries over to larger models?
#
# | | course model | SmolLM2 |
# |---|---|---|
# | class | `LlamaForCausalLM`, tied embeddings | the same |
# | chat format | ChatML with a system turn | the same |
# | digits | one token each | the same |
# | parameters | under 3 M | 135 M, 360 M, 1.7 B |
# | key heads | as many as query heads | fewer (135 M, 360 M) |
# | corpus | generated, about units only | web text, code, mathematics |
# | vocabulary | 768 | 49,152 |
#
# SmolLM2 has read trillions of tokens, thousands for each of its parameters
# ([Ben Allal et al. 2025](https://arxiv.org/abs/2502.02737)). For a fixed
# budget of compute, about twenty are best ([Hoffmann et al.
# 2022](https://arxiv.org/abs/2203.15556)). The course model has read 6.7.
#
# The mechanics carry over to larger models: decoding, prompts, masks,
# labels, adapters and grading run through the same code. Scores do not. The
# course model has read only about units. Where the book says how large an
# effect is, it is the effect on this model, unless the page names another.
# With the `MODEL` switch of the notebooks you can measure it on another.
#
# ## Exercises
#
# ```{exercise} Warm-up: the price of guessing
# :label: ex-guessing
#
# A model gives every token of its vocabulary the same probability. What is
# its loss, in nats per token? Compare it with the first loss in the record.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt


def guessing(vocabulary):
    """The loss of a model that guesses among so many tokens."""
    raise NotImplementedError


def check_guessing(guessing):
    for vocabulary in (2, config["vocab_size"], 49_152):
        loss = guessing(vocabulary)
        chance = 2.718281828**-loss
        assert abs(chance * vocabulary - 1) < 1e-3, (
            f"a loss of {loss:.3g} nats is a probability of {chance:.2g}, "
            f"not one in {vocabulary}"
        )


attempt(check_guessing, guessing)

# %% [markdown]
# ```{solution-start} ex-guessing
# :class: dropdown
# ```


# %%
import math


def guessing(vocabulary):
    return math.log(vocabulary)


untrained = guessing(config["vocab_size"])
print(f"{untrained:.2f} nats; the run began at {record['losses'][0]:.2f}")
assert abs(untrained - record["losses"][0]) < 0.3

# %% [markdown]
# If a run begins far above this number, something is wrong with the first
# weights: they make confident predictions before anything is learned.

# %% tags=["solution", "nbval-check-output"]
attempt(check_guessing, guessing)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Which chats answer at once?
# :label: ex-at-once
#
# Some chats of the corpus show their reasoning, the others answer at once.
# Write a function that separates them by their text. Then estimate the
# share of chats that answer at once, and compare it with the setting.
# ```

# %% tags=["exercise", "nbval-check-output"]


def answers_at_once(chat):
    """Does this chat give its answers without reasoning?"""
    raise NotImplementedError


def check_answers_at_once(answers_at_once):
    for share, kind in [(1.0, "answer at once"), (0.0, "reason")]:
        only_these = replace(corpus, chat_direct_share=share)
        chats = [
            chat_document(random.Random(f"check {i}"), only_these)
            for i in range(200)
        ]
        decisions = [bool(answers_at_once(chat)) for chat in chats]
        correct = decisions.count(share == 1.0)
        assert correct > 0.9 * len(chats), (
            f"of 200 chats that {kind}, fewer than 9 in 10 are recognized"
        )


attempt(check_answers_at_once, answers_at_once)

# %% [markdown]
# ```{solution-start} ex-at-once
# :class: dropdown
# ```

# %%
WORKED = re.compile(r"\d (?:\*|x|×|/) \d|times|multiply|divided")


def answers_at_once(chat):
    return not WORKED.search(chat)


drawn = [chat_document(random.Random(i), corpus) for i in range(1000)]
at_once = sum(map(answers_at_once, drawn)) / len(drawn)
print(f"{at_once:.2f} of the chats, set: {corpus.chat_direct_share:.2f}")
assert abs(at_once - corpus.chat_direct_share) < 0.06

# %% [markdown]
# The function looks for a product or a quotient: the text does not show
# what the generator decided.

# %% tags=["solution", "nbval-check-output"]
attempt(check_answers_at_once, answers_at_once)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Which gallon?
# :label: ex-gallon
#
# A reply to "How many liters are in 2 gallons?" can mean either gallon, and
# it can mean the UK gallon without saying so. Sort replies by three things:
# the gallon ("UK" or "US"); whether all claims that the audit reads are
# true, even if they do not lead to the answer; whether the answer is right.
# Then sample twenty replies at temperature 1 and count.
# ```

# %% tags=["exercise", "nbval-check-output"]
GALLONS = "How many liters are in 2 gallons?"
TRUTH = 7.571


def sort_reply(reply):
    """For example ("US", True, False): gallon, all true, right."""
    raise NotImplementedError


def check_sort_reply(sort_reply):
    uk, us = "1 UK gallon = 4.546 l. ", "1 gallon = 3.785 l. "
    unnamed = "1 gallon = 4546 ml. "
    for reply, expected in [
        (us + "2 * 3.785 = 7.57. <answer>7.57</answer>", ("US", 1, 1)),
        (us + "2 * 3.785 = 9.57. <answer>9.57</answer>", ("US", 0, 0)),
        (us + "2 * 3.785 = 7.87. <answer>7.87</answer>", ("US", 0, 1)),
        (us + "2 * 3.785 = 7.57.", ("US", 1, 0)),
        (uk + "2 * 4.546 = 9.092. <answer>9.092</answer>", ("UK", 1, 0)),
        (uk + "2 * 4.546 = 7.571. <answer>7.571</answer>", ("UK", 0, 1)),
        (unnamed + "2 * 4546 = 9092. <answer>9092</answer>", ("UK", 0, 0)),
    ]:
        names, found = ("gallon", "claims", "answer"), sort_reply(reply)
        pairs = zip(names, zip(found, expected, strict=True), strict=True)
        wrong = " and ".join(name for name, (a, b) in pairs if a != b)
        assert not wrong, f"look again at its {wrong}: {reply}"


attempt(check_sort_reply, sort_reply)

# %% [markdown]
# ```{solution-start} ex-gallon
# :class: dropdown
# ```

# %%
from unitconv.grading.answer import is_correct, parse_answer
from unitconv.grading.audit import audit_reasoning


def sort_reply(reply):
    return (
        "UK" if re.search(r"UK|4\.?546", reply) else "US",
        all(c.verdict for c in audit_reasoning(reply, GALLONS).claims),
        is_correct(parse_answer(reply), TRUTH),
    )


[replies] = llm.batched_generate(
    [llm.format_prompt(GALLONS)], num_return_sequences=20, temperature=1.0
)
counts = Counter(map(sort_reply, replies))
pd.DataFrame(
    [(*kind, n) for kind, n in counts.most_common()],
    columns=["gallon", "all true", "right", "replies"],
)

# %% [markdown]
# Four of the twenty replies mean the UK gallon. Two of these are true in
# every claim and still wrong. The audit also checks whether the claims lead
# to the answer, and rejects such a reply:

# %%
british = "1 UK gallon = 4.546 l. 2 * 4.546 = 9.092. <answer>9.092</answer>"
audit = audit_reasoning(british, GALLONS)
print([claim.verdict for claim in audit.claims], audit.fault)
assert audit.fault == "does not lead to the answer"

# %% tags=["solution", "nbval-check-output"]
attempt(check_sort_reply, sort_reply)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: transplant the first turn
# :label: ex-transplant
#
# Later answers have a lower loss than the first. Does the model take their
# form from the first answer, or are they easier for another reason? Write a
# function that replaces the first question and answer of a chat with those
# of another chat and leaves the rest unchanged. If the form is taken from
# the first answer, the loss of the second should now rise.
# ```

# %% tags=["exercise", "nbval-check-output"]


def transplant(chat, donor):
    """`chat` with the first question and answer of `donor`."""
    raise NotImplementedError


def check_transplant(transplant):
    one, two = (
        "".join(
            chat_turn("user", f"{name} asks {i}")
            + chat_turn("assistant", f"{name} answers {i}")
            for i in range(3)
        )
        for name in ("one", "two")
    )
    made = transplant(one, two)
    turns = re.findall(r"(one|two) (asks|answers) (\d)", made)
    assert turns[:2] == [("two", "asks", "0"), ("two", "answers", "0")], (
        "it does not begin with the donor's question and answer"
    )
    assert (
        turns[2:] == re.findall(r"(one|two) (asks|answers) (\d)", one)[2:]
    ), "the rest is not that of the chat"
    assert made == two[: len(two) // 3] + one[len(one) // 3 :], (
        "the markers of the turns are not as they were"
    )


attempt(check_transplant, transplant)

# %% [markdown]
# ```{solution-start} ex-transplant
# :class: dropdown
# ```


# %%
from itertools import pairwise


def transplant(chat, donor):
    turn = "<|im_start|>user\n"
    _, *rest = chat.split(turn)[1:]
    first = donor.split(turn)[1]
    return turn + turn.join([first, *rest])


moved = [transplant(a, b) for a, b in pairwise(long)]
own = torch.tensor([surprise(chat) for chat in long]).mean(dim=0)
other = torch.tensor([surprise(chat) for chat in moved]).mean(dim=0)
for turn, (a, b) in enumerate(zip(own, other, strict=True), start=1):
    print(f"answer {turn}: {a:.2f} nats in its chat, {b:.2f} transplanted")
assert other[1] > 1.5 * own[1]
assert other[2] < other[1]

# %% [markdown]
# The loss of the second answer rises from 0.11 to 0.88, twice that of a
# first answer: the model expected the donor's form. The third is back at
# 0.19, because the second shows its form. So the model does take the form
# from earlier answers, and a late place in the chat does not by itself make
# an answer easy.
#
# If every document of the corpus had the same solution format, the model
# would not need to look back for it.

# %% tags=["solution", "nbval-check-output"]
attempt(check_transplant, transplant)

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 1
#
# Why does the corpus vary conventions between documents, and never within
# one?
#
# - So that the model learns to follow the document it is in.
# - To save memory.
# - To make the corpus larger.
#
# Following the document is in-context learning: in a prompt, the worked
# example sets the convention.
# ```
#
# ```{quiz}
# :right: 2
#
# A check for leaks has never failed. What do you know?
#
# - There is no leak.
# - Little: it may not be able to fail.
# - The corpus is too small.
#
# Plant a leak and see whether the check finds it.
# ```
#
# ```{quiz}
# :right: 3
#
# Which ability is weakest at the end of the recorded run?
#
# - Imitating the form of an example.
# - Facts.
# - Hard answers.
#
# .65 of them are right at the end. They need facts, long products and sums
# at once.
# ```
#
# ## Recap
#
# - Documents differ in form, and each keeps its own. So copying the form of
#   earlier answers lowers the loss, and the model learns in context.
# - Products and sums come first, then facts, then imitation. Much of the
#   accuracy comes only while the learning rate falls.
# - The corpus has two ways to multiply, and the better one is rarer. That
#   leaves something for fine-tuning to find.
# - Choose settings on development questions and keep the test sets for the
#   end. Three seeds differ by six points with an example, by seventy
#   without.
# - The code carries over to larger models, the scores do not.
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# eldan2023
# olsson2022
# jordan2024
# benallal2025
# hoffmann2022
# ```
