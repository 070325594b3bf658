# %% [markdown]
# # Pretraining a course model
#
# The course model is one that you can make yourself, from nothing, on a
# laptop. Every document it has read was written by a generator. Still it
# answers questions, copies the form of an example and multiplies. The idea
# is that of TinyStories ([Eldan and Li
# 2023](https://arxiv.org/abs/2305.07759)): in a narrow world a tiny model
# can do what otherwise takes a large one. The other chapters train this
# model further, so what they find depends on what we put into it. We
# designed the corpus to leave fine-tuning something to gain. Its solutions
# multiply long numbers in two ways: at once, which so small a model gets
# mostly wrong, and in steps, which it gets right more often ([chapter
# 8](08_rft.ipynb) counts). The first way is the more frequent. And the
# corpus means the UK gallon in some documents and the US gallon in others.
#
# **The question of this chapter:** in which order does the model learn
# these things, and what may we conclude from so small a model?
#
# :::{admonition} What you will learn
# :class: tip
# - what a corpus must hold, and leave open, for in-context learning;
# - how to see that learning happen inside one document;
# - what comes first: form, facts or arithmetic;
# - how settings are chosen on development questions;
# - where the course model is like SmolLM2 and where it is not.
#
# **Before you start:** [chapter 3](03_sequential.ipynb). **Time:** 15
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
# ## One command
#
# ```bash
# unitconv pretrain my_model
# ```
#
# makes the course model again. The record beside the weights says what
# that took the last time:

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
# A generator writes documents of five kinds. The factors come from
# [pint](https://pint.readthedocs.io); everything else is a matter of form.

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
# The course rests on three decisions about these texts.
#
# **One solution format for each document.** How a fact is stated, how a
# product is written and what surrounds the last number are drawn once, at
# random, and kept to the end. The first answer of a document can be in any
# form; the second can only be in the form of the first. To predict the
# second, the model has to look back at the first. That is why a worked
# example in the prompt works.
#
# **Two ways to multiply.** A child multiplies long numbers digit by digit
# and adds up. Where the quantity and the factor both have two digits or
# more, some solutions do the same. Between distant units some convert
# through a third one: days to hours, hours to seconds. The others write
# the result at once. That is hard for a model with six layers, because
# each token gets only these six. Steps spread the work over more tokens.
# Here is one problem both ways:

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
# Both ways end in the right number, and for each long product the way is
# drawn at random. So the corpus does not show that steps pay; in [chapter
# 8](08_rft.ipynb) the model's own errors do.
#
# **One convention for each document.** A gallon is American here and
# British there. The questions of this course mean the American one. The
# corpus holds both, and mostly calls the British one by its name:

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
# A model that has read this can mean either gallon. The exercise "Which
# gallon?" counts how often it means which.
#
# ## In-context learning during training
#
# The loss of a token says how little the model expected it, in nats. If
# the model reads the form off the first answer, then the second and third
# answers of a chat must have a lower loss than the first. We measure each
# answer by itself:

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
# that the training did not use. None is longer than a row of the training:

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
# In the first answer the form is still open. From the second on it is
# known, and mostly facts and digits are left to predict. No part of the
# training asks the model to imitate: imitation is the cheapest way to
# predict such documents.
#
# ## A live run
#
# The real run takes too long for a page. Here is the same loop, for
# seconds, on a much smaller model:

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
# And here is the real run, from its record. Its optimiser is Muon ([Jordan
# et al. 2024](https://kellerjordan.github.io/posts/muon/)) for matrices,
# and AdamW for embeddings and norms.

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
# The loss of the course model falls faster again towards the end, where
# the learning rate goes to nearly zero and the noise of large steps dies
# down.

# %%
share = config["decay_share"]
decay = (1 - share) * record["tokens"]
print(f"the learning rate falls over the last {share:.0%} of the steps,")
print(f"from {decay:,.0f} tokens on")

# %% [markdown]
# ## Order in which skills appear
#
# A loss shows that something is learned, but not what. So six abilities
# were measured at several checkpoints of the run, on generated development
# questions:
#
# - **imitation**: shown an example that marks its answer as `[[900]]`,
#   `ANS(900)` or `<kuvo>900</kuvo>`, does the reply mark its own so?
# - **facts**: "the factor from mile to kilometer is ..."
# - **products**: "7 * 453.6 = ...", with a quantity up to 12 or a half
# - **sums**: "3175.2 + 340.2 = ...", as they come up in steps
# - **answers**, **hard answers**: whole questions after one worked example,
#   with small quantities, and with two or three digits or decimals.
#
# Facts, products and sums count as right within 1 %.

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
# Products and sums begin first; where they differ early, their intervals
# overlap. Facts follow. Imitation begins last of the four, and then rises
# steeply. In larger models it comes together with attention heads that look
# back and copy ([Olsson et al. 2022](https://arxiv.org/abs/2209.11895)).
# A whole answer needs a fact and a product: at no checkpoint are more
# answers right than facts known. Hard answers need long products besides.
# Much of both comes only while the learning rate falls. All this is the
# shipped run alone.
#
# ## A trap: the corpus that knows the test
#
# Generators write both the corpus and the questions, so a leak is easy. If
# the corpus asked a question of the test set, the score would measure
# memory. The obvious check compares line by line. To see whether it works,
# we leak a question on purpose:

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
# In a chat, where a leak would be, the line ends in `<|im_end|>`, and the
# check finds nothing. It would have passed for ever: a check that has never
# been seen to fail proves little. The library's check takes labels,
# greetings and turn markers off first:

# %%
from unitconv.pretraining.corpus.contamination import leaked_questions

print("leaked:", leaked_questions(chat, asked))
print("in 8,000 documents:", leaked_questions(text, asked))
assert leaked_questions(chat, asked)
assert not leaked_questions(text, asked)

# %% [markdown]
# ## Choosing the settings
#
# Settings are chosen on a *development set*: questions of the generator,
# in ten wordings that occur neither in the corpus nor in any question set.
# We read the errors of earlier candidates on it one by one. The weak parts
# of the steps were sums and the splitting of a quantity into its digits, so
# the corpus got more of both.
#
# We looked at the test sets too early, though: the last two candidates were
# both measured on them before we took the second. So the test sets are no
# untouched check of this choice.
#
# We did not aim for the best score: a base that is nearly always right
# leaves nothing for fine-tuning to do.
#
# How much of this is chance? `final-seed-0` is the shipped model. Two more
# runs differ in the seed alone, which draws the first weights and the
# corpus. And can a short run save the time of a long one? `proxy` is the
# final setting with fewer steps, and `no-partial-products` is `proxy` with
# a change of the corpus. `python -m experiments.pretraining_sweep runs`
# makes all five again.

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
# *CoT*, *valid* and *answered* are for a prompt with one worked example:
# accuracy; the share with valid reasoning, of the replies that state a fact
# or a product; and the share with an answer that can be read.
# *direct* is accuracy after two examples without reasoning, *chat* after
# an instruction alone. *rollouts* is the share of questions for which at
# least one of ten samples is right and passes the audit. *hard* is the
# accuracy on hard development questions, and *steps* the share of those
# replies that use partial products or a third unit.
#
# The seed matters. *CoT* is .89, .83 and .89 for the three, and *hard* .62,
# .53 and .58, so the shipped model is the best of them on hard questions.
# The extreme is *chat*: .70, .00 and .20. There the instruction alone has
# to bring the answer tags, and how often it does differs from seed to seed.
# What the three have in common: they answer nearly everything after one
# example, they are much worse without reasoning (*direct*), and they work
# out between 14 and 23 of a hundred hard questions in steps. The chapters
# train on the shipped model alone. So what they find holds for this base;
# for others it was not tried.
#
# The short runs answer little: 700 steps are a sixth of the training.
# `no-partial-products` is ahead of `proxy`, perhaps because it has one way
# of multiplying to learn and not two. But the way that it lacks is the one
# that is right more often for long products in the finished model ([chapter
# 8](08_rft.ipynb)). So a short run is no guide here: what is learned first
# need not be better in the end. We chose no setting by one.
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
pd.DataFrame(shown).T.astype(float).round(3)

# %%
accuracy = {name: row["accuracy"] for name, row in shown.items()}
assert accuracy["raw"] < 0.05
assert accuracy["direct"] + 0.1 < accuracy["chat"]
assert accuracy["chat"] + 0.1 < accuracy["cot"]
assert shown["chat"]["answered"] < 0.9
assert accuracy["cot, hard"] + 0.1 < accuracy["cot"]

# %% [markdown]
# The model fails on the bare question (*raw*) and is weak when it must
# answer at once (*direct*). It does best when an example shows it how to
# reason (*cot*), less well on hard questions. That is the base the course
# needs. With an instruction alone (*chat*), part of the replies hold no
# answer that can be read. Here is such a reply, and one to *direct*:

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
# Both replies follow the corpus: its chats mostly ignore the form that the
# system turn asks for, and about half of its documents that answer at once
# give a first digit and zeros.
#
# How well does it copy a form that an example shows and no instruction
# names?

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
# `kuvo` does not occur in the 8,000 documents above, so the model copies
# more than forms that it knows.
#
# ## Is it honest to use it?
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
# SmolLM2 read trillions of tokens, thousands for each of its parameters
# ([Ben Allal et al. 2025](https://arxiv.org/abs/2502.02737)). About twenty
# are best for a fixed budget of compute ([Hoffmann et al.
# 2022](https://arxiv.org/abs/2203.15556)). The course model has read the
# few that the first cell counts.
#
# The mechanics carry over: decoding, prompts, masks, labels, adapters and
# grading run through the same code. No score carries over. The course model
# has read about nothing but units and can do nothing else. Where the book
# says how large an effect is, it is the effect on this model; that is why
# the notebooks have a `MODEL` switch.
#
# ## Exercises
#
# ```{exercise} Warm-up: the price of guessing
# :label: ex-guessing
#
# A model gives every token of its vocabulary the same probability. What is
# its loss, in nats a token? Compare with the first loss in the record.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt


def guessing(vocabulary):
    """The loss of a model that guesses among so many tokens."""
    raise NotImplementedError


def check_guessing(guessing):
    for vocabulary in (2, config["vocab_size"], 49_152):
        chance = 2.718281828 ** -guessing(vocabulary)
        assert abs(chance * vocabulary - 1) < 1e-3, (
            "a loss of so many nats is not one chance in the vocabulary"
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
# If a run begins far above this number, something is wrong with its first
# weights: they give confident predictions before there is anything to be
# confident about.

# %% tags=["solution", "nbval-check-output"]
attempt(check_guessing, guessing)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Which chats answer at once?
# :label: ex-at-once
#
# Some chats of the corpus reason, the others answer at once. Write a
# function that separates them by their text. Then estimate which share
# of the chats answers at once, and compare it with the setting.
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
            f"of 200 chats that {kind}, fewer than 9 in 10 are recognised"
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
# The test looks for a product, which is not quite what the generator
# decided, but it is all that the text shows.

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
# may mean the British one without saying so. Sort replies by three things:
# "UK" or "US"; is everything true that the audit reads in it, whether or
# not it leads to the answer; is the answer right? Then sample twenty
# replies at temperature 1 and count.
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
        assert tuple(sort_reply(reply)) == expected, (
            f"it is sorted otherwise: {reply}"
        )


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
# A reply about UK gallons can be true in every line and still be wrong.
# The audit also asks whether the claims lead to the answer, and refuses
# this reply as the grade does:

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
# ```{exercise} Stretch: another author's first turn
# :label: ex-transplant
#
# Later answers have a lower loss than the first. Is that because the model
# reads their form off the first, or are they easier? Write a function that
# replaces the first question and answer of a chat by those of another chat,
# and leaves the rest alone. If the form is read off the first answer, then
# the loss of the second must now rise.
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
# The loss of the second answer is now higher than that of a first one: the
# model expected the donor's form. The third has a low loss again, since the
# second shows the form. So the model does read the form off, and being late
# in a chat does not by itself make an answer easy.
#
# If every document of the corpus had the same solution format, the model
# could do without looking back for it.

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
# That is in-context learning: a worked example sets the convention.
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
# Which ability comes last in the recorded run?
#
# - Imitating the form of an example.
# - Facts.
# - Hard answers.
#
# They need facts, long products and sums at once.
# ```
#
# ## Recap
#
# - Documents differ in form and each keeps its own, so imitation is the
#   best way to predict them. That is where in-context learning comes from.
# - Products and sums begin first; a whole answer also needs facts. Much
#   of it comes only when the learning rate falls.
# - Two ways to multiply, of which the better one is the rarer, leave
#   something for fine-tuning to find out.
# - Settings are chosen on development questions; the test sets are for
#   the end. Three seeds of one recipe differ by several points.
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
