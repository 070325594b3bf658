# %% [markdown]
# # Rejection-sampling fine-tuning: learning from one's own right answers
#
# Asked once, a base model gives the reply it finds likeliest. Asked ten
# times at a temperature above zero, it gives other replies too, and often
# one of them is right where the first was wrong. So the model can do more
# than greedy decoding shows. In our base this is by design: its generated
# pretraining text multiplies long numbers in two ways, at once and in
# steps, and mixes British and American volumes. We chose its settings on
# generated development questions, though the last two candidates had been
# measured on the test sets too ([the appendix](90_pretraining.ipynb)).
#
# Rejection-sampling fine-tuning (RFT; [Yuan et al.
# 2023](https://arxiv.org/abs/2308.01825)) uses this. The model answers
# every training question several times, a grader keeps the right replies,
# and the model is trained on them. It writes its own training data, and no
# reasoning is written by hand. (Some vendors call a kind of online RL
# *reinforcement fine-tuning* and abbreviate it in the same way. [Chapter
# 10](10_online_rl.ipynb) is about online RL.)
#
# **The question of this chapter:** can a model learn from nothing but its
# own graded replies that longer reasoning pays where the numbers are hard?
#
# :::{admonition} What you will learn
# :class: tip
# - how to sample, grade and keep replies on a large scale;
# - why a right answer is not enough reason to learn from a reply;
# - which way of calculating survives the grading, and where;
# - what the number of samples and the temperature do;
# - how to make a long run survive being killed;
# - how to train on the result, and which controls show where the gain comes
#   from.
#
# **Before you start:** nothing, if you know LoRA and sampling; else
# [chapter 1](01_task.ipynb) for the grader and the audit, [chapter
# 4](04_sequential.ipynb) for temperature, [chapter 8](08_sft.ipynb) for
# LoRA. **Time:** 45 minutes to read, without the exercises, and about three
# minutes to run. **Hardware:** with the course model any laptop; 2 GB of
# memory.
# :::
#
# We use four ideas from earlier chapters. The *grader* reads the number
# between `<answer>` and `</answer>` and accepts it within 5 % of the truth.
# The *audit* checks whether every fact and every product in a reply is
# true, and whether they lead to its answer. *Temperature* sets how far
# sampling strays from the likeliest reply: at 0 not at all, at 1 it follows
# the model's own probabilities. *SFT* (supervised fine-tuning) trains an
# *adapter*, small LoRA matrices added to the frozen model, on questions and
# answers, of which only the answers are learned.
#
# And some names. The *course model* has 2.8 million parameters and has read
# only generated text about units. The questions are divided by conversion:
# 1000 to train on (`train`), 200 to choose settings by (`valid`) and 1000
# to report (`test`), with quantities of 1 to 12 and halves. The harder
# `train_hard` (1000), `valid_hard` (200) and `test_hard` (500) have two and
# three digits, decimals, and units that are far apart. A product is *long*
# if its quantity and its factor both have two digits or more, zeros at the
# end not counted, as in 7.75 × 453.6, and otherwise *short*. A *family* is
# a kind of unit, such as mass. The audit checks facts by *pint*, a Python
# library of units.
#
# In a shell, the trainings of the last chapter and of this one are three
# commands:
#
# ```bash
# unitconv sft --output my_sft                    # chapter 8
# unitconv rollouts --output rft.json             # sample and select
# unitconv rft --data rft.json --output my_rft    # train on the selection
# ```
#
# and `unitconv evaluate --adapter my_rft` measures the result. This chapter
# explains what these commands do, and why.

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
import json
import tempfile
from pathlib import Path

import pandas as pd

import unitconv
from unitconv import figures
from unitconv.inference.llm import LLM
from unitconv.task.dataset import load_split

MODEL = "course"  # or "smollm2"
REPLAY = False  # True: recorded rollouts, and no waiting for new ones

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
scratch = tempfile.TemporaryDirectory()  # what we write goes in here
work = Path(scratch.name)

llm = LLM.from_pretrained(MODEL)
asked = load_split("train")[:30] + load_split("train_hard")[:30]
llm

# %% [markdown]
# ## One greedy reply against ten samples
#
# The base gets one worked example with every question. We start with its
# greedy answers to sixty training questions, the first thirty of `train`
# and of `train_hard`:

# %%
from unitconv.evaluation.evaluate import evaluate

greedy = evaluate(llm, asked)
print(f"{greedy.accuracy.successes} of {len(asked)} right")

# %% [markdown]
# Now we draw ten samples (*rollouts*) for each, at temperature 0.8.
# `sample_rollouts` decodes them in batches, grades each one and writes all
# of them to a file.
#
# The package contains the rollouts for all 2000 training questions. To read
# those of our sixty from there instead of waiting, set `REPLAY` above to
# `True`.

# %%
from unitconv.training.rollouts import (
    RolloutSettings,
    read_rollouts,
    sample_rollouts,
)

settings = RolloutSettings(num_return_sequences=10, temperature=0.8)
replayed = read_rollouts(RESULTS / "rollouts.jsonl.gz")
recorded = {record.question: record for record in replayed}
if REPLAY:
    records = [recorded[question.text] for question in asked]
else:
    records = sample_rollouts(llm, asked, settings, work / "rollouts.jsonl")
same = sum(record == recorded[record.question] for record in records)
print(f"{same} of {len(asked)} questions with the recorded replies")

# %% [markdown]
# A sample's noise depends only on its question and its number ([chapter
# 4](04_sequential.ipynb)). So live and recorded replies are the same texts
# where two machines round alike, here for all 60 questions. What do the
# samples add to the greedy replies?

# %%
from unitconv.grading.answer import is_correct


def is_right(rollout, record):
    return rollout.answer is not None and is_correct(
        rollout.answer, record.answer
    )


one_right = sum(
    any(is_right(rollout, record) for rollout in record.rollouts)
    for record in records
)
one_kept = sum(bool(record.kept) for record in records)
print(f"greedy: {greedy.accuracy.successes} of {len(asked)} right")
print(f"ten samples: {one_right} of {len(asked)} with a right one,")
print(f"{one_kept} with one to learn from")
assert one_kept >= greedy.accuracy.successes

# %% [markdown]
# Here are the ten replies to one question, sorted by outcome:

# %%
from collections import Counter


def one_line(text):
    return " ".join(text.split())


def show(record):
    print(record.question, f"({record.answer:.6g})")
    outcomes = Counter(
        (r.reason or "kept", r.text) for r in record.rollouts
    )
    before = None
    for (outcome, text), times in sorted(outcomes.items()):
        if outcome != before:
            print(f"\n{outcome}:")
        before = outcome
        print(f"{times} x  {one_line(text)}")


mixed = max(
    records, key=lambda record: len({r.reason for r in record.rollouts})
)
show(mixed)

# %% [markdown]
# This function decides. Its argument `graded` holds the results of grader
# and audit for one reply; `fault` is the worst fault that the audit found.

# %%
import inspect

from IPython.display import Markdown

from unitconv.training.rollouts import rejection_reason

Markdown(f"```python\n{inspect.getsource(rejection_reason)}```")

# %% [markdown]
# ## The trap: right answers with false reasoning
#
# The simplest rule is to keep what is right. For many tasks nothing else
# can be checked. We try it:

# %%
naive = [
    (record.question, rollout.text)
    for record in records
    for rollout in record.rollouts
    if is_right(rollout, record)
]
print(f"{len(naive)} replies to learn from")

# %% [markdown]
# All of these replies end in a right answer. What comes before it?
# `audit_reasoning` asks two things. Is everything stated true, the facts by
# pint and the arithmetic by calculation? And does it lead to the answer,
# from the quantity asked, in the unit asked, by the factors stated? The
# sample has right answers with each kind of fault: false arithmetic, true
# reasoning about another unit, and a false fact.

# %%
from unitconv.grading.audit import audit_reasoning, reasoning_is_valid


def worst_fault(question, text):
    audit = audit_reasoning(text, question)
    for claim in audit.claims:
        if claim.verdict is False:
            return f"false {claim.kind}", claim.text
    return audit.fault, ""


lucky = [(q, text) for q, text in naive if not reasoning_is_valid(text, q)]
examples = {}
for q, text in lucky:
    kind, _ = worst_fault(q, text)
    examples.setdefault(kind, ("sampled", q, text))

question = "How many gram are there per 6 kg?"
for text in [
    "1 kg = 2000 g. 3 * 2000 = 6000. <answer>6000</answer>",
    "1 kg = 1000 g. 60 * 100 = 6000. <answer>6000</answer>",
    "1 kg = 1000 g. 6 * 1000 = 6100. <answer>6000</answer>",
]:
    kind, _ = worst_fault(question, text)
    examples.setdefault(kind, ("constructed", question, text))

for source, q, text in examples.values():
    print(f"{source}: {q}\n  {one_line(text)}")
    print("  " + " ".join(worst_fault(q, text)).strip())

# %% [markdown]
# The first answer is 3 % off, because of a false sum; the second takes 1024
# bytes for 1000; the third names the wrong unit. All three pass within 5 %,
# and a model trained on them can learn these errors. [Uesato et al.
# (2022)](https://arxiv.org/abs/2211.14275) found the same on word problems:
# if only the final answer is judged, more of the right solutions contain a
# wrong step.
#
# Grade and audit of all replies of our sample:

# %%
every = [(record, r) for record in records for r in record.rollouts]
right = pd.Series(
    [is_right(r, record) for record, r in every],
    name="right",
)
audited = pd.Series(
    [
        audit_reasoning(r.text, record.question).fault or "valid"
        for record, r in every
    ],
    name="audit",
)
pd.crosstab(right, audited)

# %% [markdown]
# Rows say whether the answer is right. Columns say whether the reasoning is
# valid, or what its worst fault is. The audit has tolerances of its own. A
# fact may be off by 1 %, because factors are written with few digits. A
# result may be off by 0.1 %, or by the rounding of its last digit: `3.5 *
# 1.609 = 5.6` passes as 5.63 rounded, and `742 * 1440 = 1063440` does not,
# though it is only half a percent off. From here on, *true* means true
# within these limits. Of the 384 right answers, 81 have faulty reasoning,
# which the simplest rule would teach. None of the 216 wrong answers has
# valid reasoning: true facts and products that lead from the quantity asked
# to the unit asked give the right number. So the audit is the stricter
# check.
#
# Can we learn from everything that is both right and valid? Two facts, each
# within 1 %, may together be further off. So a third rule asks that the
# answer is within 1 % of the truth. An answer that only the grader accepts
# is a *near miss*. `rejection_reason` tests this before the audit. What
# would the audit have said?

# %%
exact = pd.Series(
    [
        r.answer is not None and is_correct(r.answer, record.answer, 0.01)
        for record, r in every
    ]
)
near_miss = pd.Series([r.reason == "near miss" for _, r in every])
print(audited[near_miss].value_counts().to_string())
near_misses = passing = 0
for record in replayed:
    for rollout in record.rollouts:
        if rollout.reason == "near miss":
            near_misses += 1
            passing += reasoning_is_valid(rollout.text, record.question)
print(f"of all {len(replayed)} questions: {near_misses} near misses,")
print(f"of which the audit lets {passing} pass")
assert passing <= 0.01 * near_misses

# %% [markdown]
# Most near misses are products with a wrong digit; the others are about
# another unit, such as the UK ounce, which is 4 % smaller than the American
# one. The audit refuses all 1813 of the record, so the third rule adds
# nothing here. It is useful where no audit can be written.
#
# Next are the outcomes of all completions, by the first reason to reject
# them. The two faults of the audit are counted only within 1 % of the
# truth. So they are what the audit adds to a strict tolerance: 33 replies.

# %%
from unitconv.training.rejection_sampling import outcome_counts

outcomes = outcome_counts(records)
for outcome, count in outcomes.most_common():
    print(f"{count:4}  {outcome}")
valid = audited == "valid"
assert outcomes["kept"] == int((exact & valid).sum())
assert outcomes["kept"] <= int((right & valid).sum()) < len(every)
assert outcomes["false statement"] <= len(lucky)

# %% [markdown]
# ## Multiplying at once or in steps: which replies are kept?
#
# The base has two ways to do a long product. It writes the result *at
# once*, or it multiplies digit by digit and adds up the partial products:

# %%
from unitconv.evaluation.reasoning_path import uses_steps
from unitconv.task.question_parser import PRODUCTS, parse_question


def shortest(texts):
    return min(texts, key=len, default="none")


for record in replayed:
    if parse_question(record.question).product != "long product":
        continue
    ways = {True: [], False: []}
    for rollout in record.kept:
        ways[uses_steps(rollout.text)].append(rollout.text)
    if all(ways.values()):
        print(record.question)
        print("  at once: ", one_line(shortest(ways[False])))
        print("  in steps:", one_line(shortest(ways[True])))
        break

# %% [markdown]
# `uses_steps` recognizes the second way: partial products with a sum, or a
# product that uses the result of another. Now we sort all recorded replies
# by the way taken and by the length of the product. How often does the base
# take each way, and with what success? *right* means within 5 %:

# %%
from unitconv.evaluation.stats import Proportion

counts = {}
for record in replayed:
    product = parse_question(record.question).product
    for rollout in record.rollouts:
        way = "in steps" if uses_steps(rollout.text) else "at once"
        found = counts.setdefault((way, product), Counter())
        found["replies"] += 1
        found["kept"] += rollout.reason is None
        if rollout.answer is not None:
            for name, tolerance in (("right", 0.05), ("within 1 %", 0.01)):
                found[name] += is_correct(
                    rollout.answer, record.answer, tolerance
                )
by_way = pd.DataFrame(counts).T.sort_index()
for name in ("right", "within 1 %", "kept"):
    by_way[f"{name}, share"] = (by_way[name] / by_way["replies"]).round(3)
by_way.drop(columns=["right", "within 1 %"])

# %% tags=["hide-input"]
kept_shares = {
    way: {
        product: Proportion(
            counts[way, product]["kept"], counts[way, product]["replies"]
        )
        for product in PRODUCTS
    }
    for way in ("at once", "in steps")
}
figures.grouped_intervals(
    {
        way: {name: (share.value, share.ci95) for name, share in by.items()}
        for way, by in kept_shares.items()
    },
    xlabel="share of the replies that are kept",
).captioned(
    "Share of the replies that are kept, by length of the product "
    "and way of calculating."
)

# %% [markdown]
# The intervals treat the replies as independent, but replies to the same
# question are not. A fair test compares the two ways on the same long
# product. On how many were steps kept more often, and on how many less
# often?

# %%
from statistics import mean

from unitconv.evaluation.stats import PairedComparison

more = less = equal = 0
for record in replayed:
    if parse_question(record.question).product == "long product":
        tried = {True: [], False: []}
        for rollout in record.rollouts:
            tried[uses_steps(rollout.text)].append(rollout.reason is None)
        if all(tried.values()):
            steps, once = mean(tried[True]), mean(tried[False])
            more += steps > once
            less += steps < once
            equal += steps == once
sign_test = PairedComparison(more + less + equal, less, more)
print(f"steps kept more often on {more} questions, less often on {less},")
print(f"equally often on {equal}; p = {sign_test.p_value:.1g}")
assert sign_test.verdict() == "better"

# %% [markdown]
# For long products the base takes steps in 38 % of its replies. These are
# right 1.7 times as often as the others, and kept six times as often. Of
# the right answers multiplied at once, most are more than 1 % off, and only
# a fifth is kept; of those in steps, almost three quarters. So the contrast
# is this sharp only for a strict filter. For short products, steps are rare
# and seldom right.
#
# Pretraining could teach little about this. The corpus takes steps in about
# half of the documents with a long product, and hardly anywhere else. So
# the base has seen *where* steps can be taken. It has not seen that they
# pay, since the corpus gives the true result either way. The kept replies
# show this, and a model trained on them can learn it.
#
# ## Number of samples and temperature
#
# Sixty questions are too few to choose settings by. The package also has
# the results of larger runs, on the 400 validation questions. First the
# *success rate*: how many questions have a completion to learn from among
# their first N?

# %% tags=["hide-input"]
sweeps = json.loads((RESULTS / "sweeps.json").read_text())
sweep = {
    f"T = {warmth}": run
    for warmth, run in sorted(
        sweeps["temperature"].items(), key=lambda item: float(item[0])
    )
}


def interval(found):
    return found["rate"], tuple(found["ci95"])


curves = {
    name: [interval(found) for found in run["success"].values()]
    for name, run in sweep.items()
}
for name, curve in curves.items():
    print(
        f"{name}: {curve[0][0]:.2f} with one, {curve[-1][0]:.2f} with "
        f"{len(curve)}, n = {sweep[name]['n']}"
    )

# %% tags=["hide-input"]
figures.success_curves(curves).captioned(
    "Success rate: questions with a kept reply among the first N, by "
    "temperature."
)

# %% [markdown]
# The bands are 95 % intervals. A curve cannot fall, because what was found
# among the first three is also among the first four. The tenth sample adds
# far less than the second, since the questions that are left are the hard
# ones:

# %%
from itertools import pairwise

for name, curve in curves.items():
    values = [value for value, _ in curve]
    gains = [b - a for a, b in pairwise(values)]
    assert min(gains) >= 0
    print(f"{name}: second +{gains[0]:.3f}, tenth +{gains[-1]:.3f}")
    assert gains[0] >= gains[-1]

# %% [markdown]
# Temperature has two effects. At a low one, samples mostly repeat the
# greedy reply, right or wrong. At a high one they differ more, and more are
# wrong:

# %% tags=["hide-input"]
from unitconv.training.rollouts import REJECTION_REASONS

by_warmth = {name: run["outcomes"] for name, run in sweep.items()}
figures.outcome_bars(by_warmth, ["kept", *REJECTION_REASONS]).captioned(
    "What became of the replies, by temperature."
)

# %%
kept = {
    name: found["kept"] / sum(found.values())
    for name, found in by_warmth.items()
}
best = max(curves, key=lambda name: curves[name][-1][0])
print("most questions with one kept, of ten samples:", best)
print("most completions kept:", max(kept, key=kept.get))
coldest, *_, warmest = kept
assert kept[warmest] < kept[coldest]

# %% [markdown]
# A question needs few kept replies, but it needs one, so the first of these
# lines counts. By it the default, T = 0.8, is best. Could that be chance?
# The test is paired: it counts the questions that have a kept reply at only
# one of two temperatures.

# %%
from unitconv.evaluation.stats import holm

against = {
    name: PairedComparison.from_json(run["against_default"])
    for name, run in sweep.items()
    if "against_default" in run
}
adjusted = holm([pair.p_value for pair in against.values()])
for (name, pair), p in zip(against.items(), adjusted, strict=True):
    print(
        f"{name} against T = 0.8: {pair.only_a} lost, {pair.only_b} "
        f"gained, Holm p = {p:.2g}: {pair.verdict(p)}"
    )

# %% [markdown]
# T = 0.4 and T = 1.2 are both shown to be worse with ten samples. With one,
# T = 0.4 is ahead (.59 against .49). So choose the temperature for the
# number of samples that you can pay for.
#
# ### SmolLM2 is seldom right
#
# Most questions have a reply to keep, because the course model was made for
# such questions. [Chapter 12](12_smollm2.ipynb) samples SmolLM2, a general
# model fifty times as large, first with four worked examples and then after
# SFT on reasoning for 400 questions, here for questions of `train`:

# %% tags=["hide-input"]
smollm2 = json.loads((RESULTS / "smollm2.json").read_text())["rollouts"]
models = {
    "course model": curves["T = 0.8"],
    **{
        name: [
            interval(found) for found in smollm2[run]["success"].values()
        ]
        for name, run in {
            "SmolLM2": "base",
            "SmolLM2 after a little SFT": "warm",
        }.items()
    },
}
for name, curve in models.items():
    print(
        f"{name}: {curve[0][0]:.3f} with one sample, {curve[-1][0]:.3f} "
        f"with {len(curve)}"
    )

# %% [markdown]
# SmolLM2 has a reply to keep for 2 % of the questions with one sample, and
# for 10 % with ten. So nine in ten questions give nothing to learn from.
# After a little SFT on written reasoning, the curve starts at .15 and
# reaches .28 with four samples. RFT from there made the model worse in
# chapter 12.
#
# ### Success by family of units
#
# The next figure has the recorded run on all training questions, ten
# samples at temperature 0.8, by family of units:

# %%
from unitconv.evaluation.leaderboard.stages import read_stages

stages = read_stages()
seeds = stages["seeds"]
seed_0 = seeds["seed-0"]
round_1 = seed_0["rollouts"]["round 1"]
families = {
    name: interval(found) for name, found in round_1["families"].items()
}
hardest = min(families, key=lambda name: families[name][0])
print(f"n = {round_1['n']}; hardest: {hardest}")

# %% tags=["hide-input"]
figures.grouped_intervals(
    {"": families}, xlabel="questions with one kept, of ten samples"
).captioned(
    "Questions with at least one kept reply of ten, by family of units."
)

# %% [markdown]
# One reason to fail is that the model has read two conventions. A gallon in
# the corpus is American in one document and British in another ([the
# appendix](90_pretraining.ipynb) counts them), and the question does not
# say which it means. Many replies about the other unit name it: `UK`
# gallon, `short` ton, `binary` kB. We count these *rivals* in the record:

# %%
import re

from unitconv.pretraining.corpus.conventions import ALTERNATIVE_NAMES

rival = re.compile(rf"\b({'|'.join(ALTERNATIVE_NAMES.values())})\b")
table = pd.DataFrame(
    [
        (record.family, bool(rival.search(r.text)), r.reason is None)
        for record in replayed
        for r in record.rollouts
    ],
    columns=["family", "names a rival", "kept"],
)
print(f"{table['names a rival'].sum()} of {len(table)} name a rival")
table.groupby("family").mean().round(3)

# %%
table.groupby("names a rival")["kept"].agg(["mean", "size"]).round(3)

# %% [markdown]
# A UK gallon is a fifth larger. A reply about it may be true in every line
# and still not answer our question, which means the American one. The
# grader refuses it where the number is wrong, and the audit refuses nearly
# all the rest, because facts about UK gallons do not lead to an answer
# about gallons: of 1177 replies that name a rival, 0.5 % are kept. So
# training can teach what the prompt does not say.
#
# ### True statements that lead nowhere
#
# What would an audit keep that checks only whether all statements are true,
# and not where they lead? These are the replies whose answer is within 1 %,
# that state something, and nothing false:

# %%
pointless = [
    (record, r)
    for record in replayed
    for r in record.rollouts
    if r.reason == "does not lead to the answer"
]
kept_now = sum(len(record.kept) for record in replayed)
named = sum(bool(rival.search(r.text)) for _, r in pointless)
print(f"{kept_now} kept; {len(pointless)} more are true and refused,")
print(f"of which {named} name a rival")
seen = {}
for record, r in pointless:
    key = record.family, bool(rival.search(r.text))
    seen.setdefault(key, (record.question, r.text))
for (family, names_rival), (q, text) in sorted(seen.items()):
    print(f"{family}{', a rival' * names_rival}: {q}\n  {one_line(text)}")

# %% [markdown]
# "1 UK gallon = 8 UK pints. 11 * 8 = 88" is what a model must not learn,
# though 11 American gallons are 88 American pints too: it might also say
# `UK` for gallons to liters. Most of the others are slips: a digit of the
# quantity is left out, the result gets another unit, or the name of a unit
# is garbled. The audit also refuses a few nearly harmless replies. Most
# questions have others.
#
# ## Removing duplicate reasoning
#
# Easy questions have up to ten completions to keep, hard ones few. To avoid
# training mostly on easy questions, we take a few for each, with different
# *equations*. Spelling and the words around the equations do not count.

# %%
from unitconv.training.rejection_sampling import path_key

for text in [
    "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>",
    "As 1 kg = 1000 g: 6 * 1000 = 6000.",
    "1000 grams = 1 kilogram. 1,000 × 6.0 = 6000 g.",
    "1 g = 0.001 kg. 6 / 0.001 = 6000.",
]:
    print(path_key(text))

# %% [markdown]
# The first three are one path: spellings of units, signs and numbers are
# normalized, and the order of the factors and of a fact's two sides makes
# no difference. To divide by 0.001 is another path. So is another factor,
# or another result of the same product, even if the two differ only in
# rounding. An `oz` may mean a weight or a volume and is not normalized.
# This is the only difference between the two paths of the next question:

# %%


def kept_paths(record):
    return list(dict.fromkeys(path_key(r.text) for r in record.kept))


varied = max(records, key=lambda record: len(kept_paths(record)))
print(varied.question)
for path in kept_paths(varied):
    print("  " + "; ".join(path))

# %% [markdown]
# The figure counts the paths of each question in the recorded run, on all
# training questions:

# %% tags=["hide-input"]
figures.path_counts(
    [len(kept_paths(record)) for record in replayed]
).captioned("Questions by their number of distinct kept paths.")

# %% [markdown]
# Two thirds of the questions have exactly one path, however often they were
# sampled. The 338 questions without one give no examples. `select_examples`
# makes the training file from the first `max_paths` distinct paths of each
# question, here of our sixty and of all:

# %%
from unitconv.training.rejection_sampling import select_examples

for paths in (1, 2, 4, 10):
    ours = len(select_examples(records, paths))
    everything = len(select_examples(replayed, paths))
    print(f"at most {paths:2}: {ours:4} triples, {everything:5} of all")
few_more = len(select_examples(replayed, 10))
assert few_more < 1.1 * len(select_examples(replayed, 2))
assert len(select_examples(records, 1)) == one_kept
assert len(select_examples(records, 10)) == sum(
    len(kept_paths(record)) for record in records
)

# %% [markdown]
# Yuan et al. (2023) found that more *distinct* paths help, and that weaker
# models gain more than strong ones. The course takes at most two. This was
# not tuned: more paths would add only 26 triples.
#
# On the book's page you can sample and select yourself:
#
# ```{live-rollouts} pints in 461 gallon?
# Replies to one training question, and what becomes of them. A true claim
# is underlined, a false one has a wavy line. Look at what a higher
# temperature does: more different replies, and fewer that are kept.
# ```
#
# ## Resuming after a kill
#
# Twenty thousand samples take the course model some minutes, and a larger
# model hours. Such a run may be killed: by Colab, by a full disk, by you.
# So records are written as they come, and the last line may be cut in half.
# We cut the file of a small run like this:

# %%
few = load_split("train")[100:180]
small = RolloutSettings(num_return_sequences=2, max_new_tokens=64)
whole, killed = work / "whole.jsonl", work / "killed.jsonl"

sample_rollouts(llm, few, small, whole)
lines = whole.read_bytes().splitlines(keepends=True)
killed.write_bytes(b"".join(lines[:71]) + lines[71][:50])
print(f"{len(lines) - 1} records, of which 70 and a piece are left")

# %% [markdown]
# A simple resume counts the lines and continues with `open(path, "a")`. It
# would append the next record to the cut line. Even now the file cannot be
# read:

# %%
from unitconv.training.rollouts import RolloutError

try:
    read_rollouts(killed)
except RolloutError as error:
    print(str(error).replace(str(work), "..."))
else:
    raise AssertionError("half a line was read as a record")

# %% [markdown]
# Instead, call the same function again. It removes the cut line, goes back
# to the last complete chunk of questions, and continues from there:

# %%
done = []
sample_rollouts(llm, few, small, killed, progress=done.append)
print(f"{done[0]} questions found, {sum(done[1:])} sampled")
assert 0 < done[0] < 70
assert killed.read_bytes() == whole.read_bytes()
print("every byte as in the run that was not killed")

# %% [markdown]
# Two decisions make the bytes equal. The noise of a token is a hash of its
# request, so a sample does not depend on what was drawn before it. And
# complete chunks give the same batches, so that even the rounding agrees
# ([chapter 5](05_batched.ipynb)).
#
# Each line ends in a checksum (`crc32`), so that damage on a disk is
# noticed. A lock file keeps a second run from writing to the same file.
#
# What if the settings were changed in between? A file with two temperatures
# would be useless. So its first line records its settings:

# %%
from dataclasses import replace

try:
    sample_rollouts(llm, few, replace(small, temperature=1.2), killed)
except RolloutError as error:
    print(str(error).replace(str(work), "..."))
else:
    raise AssertionError("a record of two temperatures")
assert killed.read_bytes() == whole.read_bytes()

# %% [markdown]
# ## Training on the selection
#
# `unitconv rollouts --output rft.json` does all of the above: it writes the
# rollouts to `rft.jsonl` and the selected triples to `rft.json`. With
# several GPUs or many cores, `accelerate launch` starts several processes,
# which share the questions here and the batches in training:
#
# ```bash
# accelerate launch --num_processes 2 -m unitconv.cli \
#     rollouts --samples 10 --temperature 0.8 --output rft.json
# ```
#
# In Python it is one call. Each triple is a question, its true answer and a
# kept completion:

# %%
from unitconv.training.examples import read_triples

triples = select_examples(replayed)
assert triples == read_triples(RESULTS / "rft.json")
n_questions = len({triple.question for triple in triples})
in_steps = sum(uses_steps(triple.reasoning) for triple in triples)
print(f"{len(triples)} triples, {n_questions} questions")
print(f"{in_steps} of the triples use steps")
for triple in triples[:3]:
    print(f"\n{triple.question}\n  {one_line(triple.reasoning)}")
assert all(reasoning_is_valid(t.reasoning, t.question) for t in triples)

# %% [markdown]
# A training example is the bare question and then the reasoning, of which
# only the reasoning is learned. It has no worked example: the weights have
# to replace what the prompt showed before.

# %%
from unitconv.training.examples import rft_examples

[example] = rft_examples(triples[:1], llm.tokenizer)
prompt_tokens = len(llm.encode(llm.format_prompt(triples[0].question)))
print(f"{len(example.input_ids)} tokens, {example.n_supervised} learned")
print(f"the base's prompt, with its example: {prompt_tokens}")
assert 2 * len(example.input_ids) < prompt_tokens + example.n_supervised

# %% [markdown]
# A full training takes some minutes. This one is cut short: one epoch on
# every third triple, validated on forty questions.

# %%
from transformers.utils.logging import disable_progress_bar

from unitconv.training.config import TrainingRun
from unitconv.training.pipelines import pick_base, train_rft

disable_progress_bar()
base = pick_base(MODEL, llm.device.type)
result = train_rft(
    base,
    triples[::3],
    base.settings(base.recipes.rft, epochs=1),
    TrainingRun(work / "rft"),
    valid=load_split("valid")[:40],
)
print(f"{result.n_examples} examples")
print(f"{result.n_trainable:,} parameters trained")
print(f"epochs: {result.epochs:g}, in the recipe {base.recipes.rft.epochs}")
for epoch, score in result.valid_scores:
    print(f"epoch {epoch:.0f}: {score:.2f} right on valid")
assert result.losses[-1][1] < result.losses[0][1]

# %% [markdown]
# ## Results
#
# The adapter gets the bare question, the base also its worked example. Both
# answer the first 100 questions of `test` and of `test_hard`:

# %%
from unitconv.evaluation.report import compare

test = load_split("test")[:100] + load_split("test_hard")[:100]
tuned = LLM.from_pretrained(MODEL, work / "rft")
reports = {
    "one-shot CoT": evaluate(llm, test),
    "RFT, live": evaluate(tuned, test),
}


def rates(report):
    low, high = report.accuracy.ci95
    return {
        "accuracy": report.accuracy.value,
        "low": low,
        "high": high,
        "answered": report.answer_rate.value,
        "valid": report.reasoning_validity.value,
        "in steps": sum(uses_steps(row.text) for row in report.rows)
        / len(report.rows),
    }


pd.DataFrame(
    {name: rates(report) for name, report in reports.items()}
).T.round(3)


# %% [markdown]
# *valid* is the share of valid reasoning among the replies that state
# something to check, *in steps* the share that `uses_steps` recognizes.
# Wrong answers are hardly ever valid, so *valid* cannot be much above the
# accuracy.
#
# Both answered the same questions, so the comparison is paired: it looks at
# the questions on which they differ. The verdict is *better* or *worse* if
# p is below 5 % and the interval, clustered by pair of units, excludes zero
# ([chapter 11](11_evaluation.ipynb) explains both). Otherwise it is *not
# shown*:

# %%
found = compare(*reports.values())
low, high = found.clustered_ci95
print(
    f"difference {found.difference:+.3f} [{low:+.3f}, {high:+.3f}], "
    f"McNemar p = {found.p_value:.2g}"
)
print("RFT, live, against one-shot CoT:", found.verdict())

# %% [markdown]
# A gain of 4.5 points is *not shown* with 200 questions, which does not
# mean that the two are equal. The prompts differ as well: only the base is
# shown a worked example.
#
# ### The full runs
#
# The recorded runs train on the selection from all 2000 training questions
# and are measured on all test questions, with three seeds. `cot` is the
# base with its example, `sft` is chapter 8's adapter, `rft-1` is one round
# of RFT and `rft-2` two. The table has means over the seeds:

# %% tags=["hide-input"]
from unitconv.evaluation.leaderboard.stages import (
    SUMMARY_HEADS,
    stage_comparisons,
    summary_cells,
)

COLUMNS = {
    "accuracy": "accuracy",
    "reasoning_validity": "valid",
    "steps": "in steps",
    "tokens_per_answer": "tokens",
}


def means(names):
    """Means over the seeds, and the sd of the accuracy, by split."""
    rows = {}
    for split, spread in stages["spread"].items():
        for name in names:
            found = spread[name]
            rows[split, name] = {
                column: found[key]["mean"] if key in found else None
                for key, column in COLUMNS.items()
            } | {"sd": found["accuracy"]["sd"]}
    return pd.DataFrame(rows).T.astype(float).round(3)


print(f"{len(seeds)} seeds")
MAIN = ["cot", "sft", "rft-1", "rft-2"]
means(MAIN)

# %% tags=["hide-input"]
figures.grouped_intervals(
    {
        seed.replace("-", " "): {
            f"{split}, {name}": (
                run["rates"][split][name]["accuracy"],
                tuple(run["rates"][split][name]["accuracy_ci95"]),
            )
            for split in run["rates"]
            for name in MAIN
        }
        for seed, run in seeds.items()
    },
    xlabel="accuracy",
).captioned("Accuracy of the stages on both test sets; a dot is a seed.")

# %% [markdown]
# *sd* is the standard deviation of the accuracy over the seeds; `cot` does
# not change with a seed. `sft` was trained to answer at once and states
# nothing that could be checked.
#
# Are the differences more than luck? The paired tests give a difference and
# a verdict for each seed. A difference is the stage's accuracy minus that
# of the stage *against* which it is tested; p is adjusted for the number of
# tests on a split (Holm), and the largest of the seeds is shown:

# %%
comparisons = stage_comparisons(stages)


def tests(*pairs):
    chosen = [c for c in comparisons if (c.first, c.second) in pairs]
    cells = list(summary_cells(chosen))
    return pd.DataFrame(cells, columns=SUMMARY_HEADS).set_index("questions")


tests(*(("cot", stage) for stage in ("sft", "rft-1", "rft-2")))


# %%
def verdicts(first, second):
    """The verdicts on the second stage, of all seeds and splits."""
    pair = first, second
    return {c.verdict for c in comparisons if (c.first, c.second) == pair}


assert verdicts("cot", "sft") == {"worse"}
assert verdicts("cot", "rft-1") == verdicts("cot", "rft-2") == {"better"}

# %% [markdown]
# Trained on bare answers (`sft`), the model falls far behind its own base,
# most on the hard questions: it cannot do a long product in one step.
# Trained on its own selected reasoning, it is better than the base on both
# sets, by 8 to 11 points on `test` and 13 to 19 on `test_hard`. It learned
# only from replies that it could write before. [The results
# page](../book/results.md) has every interval.
#
# The test of one seed says whether two *adapters* differ. For two
# *recipes*, a difference smaller than the spread between three seeds may be
# luck in training. Nor are "3 of 3" three independent votes: all seeds
# answer the same questions, and `cot` is the same model in all of them.
#
# ## Length of the replies
#
# Where does the gain come from? The figure has accuracy and length of the
# replies on validation questions after each epoch, in the first round of
# one seed. The table has them on `test_hard`, as means over the seeds:

# %% tags=["hide-input"]
logged = seed_0["epochs"]["rft-1"]
panels = {
    title: {
        product: [
            entry[f"{key}_{product.replace(' ', '_')}"] for entry in logged
        ]
        for product in PRODUCTS
    }
    for title, key in (
        ("accuracy", "accuracy"),
        ("tokens a reply", "tokens"),
        ("share in steps", "steps"),
    )
}
figures.run_curves([entry["epoch"] for entry in logged], panels).captioned(
    "The first round of RFT, epoch by epoch, for short and long products."
)

# %% tags=["hide-input"]
by_product = pd.DataFrame(
    {
        (name, product): {
            column: sum(
                run["rates"]["test_hard"][name]["by_product"][product][key]
                for run in seeds.values()
            )
            / len(seeds)
            for key, column in (
                ("n", "n"),
                ("accuracy", "accuracy"),
                ("steps", "in steps"),
                ("tokens", "tokens"),
            )
        }
        for product in PRODUCTS
        for name in ("cot", "rft-1", "rft-2")
    }
).T.sort_index(level=1, sort_remaining=False)
by_product.astype({"n": int}).round(3)

# %%
for run in seeds.values():
    hard = run["rates"]["test_hard"]
    short, long = (
        [
            hard[name]["by_product"][product]
            for name in ("cot", "rft-1", "rft-2")
        ]
        for product in PRODUCTS
    )
    assert long[0]["steps"] < 0.35 < 2 * long[0]["steps"] < long[1]["steps"]
    assert long[1]["tokens"] > 1.3 * long[0]["tokens"]
    assert max(group["steps"] for group in short) < 0.25

# %% [markdown]
# On `test_hard` the base gets 53 % of the long products right and takes
# steps in a third of them. `rft-1` takes steps in 81 % and gets 78 % right.
# These replies grow by more than 40 %. Short products were mostly right
# before, and their replies grow by a tenth; some are now done in steps
# without need. So the replies grow mainly where this pays. The only signal
# was which replies a strict filter kept; there was no teacher and no reward
# for length.
#
# On `test` most products are short, and much of the gain has another cause.
# Between distant units the base often stops at the unit in between, and the
# trained model more often states the direct factor ([chapter
# 11](11_evaluation.ipynb) counts both).
#
# ## Controls: what is the gain due to?
#
# How much of the gain is due to *selection*? As a control, we take the same
# questions and as many different completions for each, but choose at random
# from all that have an answer, right or wrong. In our own sample:

# %%
from unitconv.grading.answer import parse_answer

control = select_examples(records, policy="random")
chosen = select_examples(records)
good = sum(
    is_correct(parse_answer(triple.reasoning), triple.answer)
    and reasoning_is_valid(triple.reasoning, triple.question)
    for triple in control
)
print(f"selected: {len(chosen)} of {len(chosen)} right and valid")
print(f"control:  {good} of {len(control)} right and valid")
assert good < len(control)

# %% [markdown]
# The record has more controls. Each was trained with the settings of RFT
# and three seeds, and each answers one question:
#
# - `random`: would *any* replies of the model do? As above.
# - `rft-right`: is the audit needed? Replies with a right answer, whatever
#   they state.
# - `sft-matched`: is it the *reasoning*, or the number of rows? Answers
#   alone, as many rows of the same questions.
# - `sft-reasoning`: does a teacher do better? Reasoning written by code
#   from pint, in steps where a product is long, always right.
# - `cot-gallon`, `cot-us`: is training needed at all? The base, untrained,
#   with a worked example about American gallons, or with "US units" in the
#   instruction. [Chapter 7](07_prompting.ipynb) shows that an example in
#   steps does not make the base use more steps.
#
# We did not train without the third rule, because the audit alone selects
# the same triples:

# %%
loose = select_examples(replayed, policy="audited")
differing = len({*loose} ^ {*triples})
print(f"{len(triples)} triples; {differing} differ without the third rule")
assert differing < 0.02 * len(triples)

# %%
ARMS = ["random", "rft-right", "sft-matched"]
means(["cot", *ARMS, "sft-reasoning", "rft-1", "rft-2"])

# %%
tests(
    *(("cot", arm) for arm in ("random", "rft-right")),
    *((arm, "rft-1") for arm in (*ARMS, "sft-reasoning")),
    ("sft-reasoning", "rft-2"),
    *(("cot", prompt) for prompt in ("cot-gallon", "cot-us")),
    ("cot-gallon", "rft-1"),
)

# %% [markdown]
# Row by row:
#
# - Training on *any* replies does not help: `random` is worse than `rft-1`
#   everywhere, and on hard questions worse than the base that wrote the
#   replies. It takes long products at once, as the base mostly does.
# - A right answer alone is not enough, even with more rows.
#   `rft-right` gains 5 to 6 points on `test`, where most products are
#   short, and no gain is shown on `test_hard`. The grader accepts a product
#   that is a few percent off, so this selection has many long products
#   multiplied at once, with a wrong digit. The model learns to do so: it
#   takes steps in 11 % of the hard replies, and `rft-1` in 56 %. The third
#   rule without the audit was not tried.
# - Answers without reasoning do not teach multiplication, even with as many
#   rows: on `test`, `sft-matched` is no better than chapter 8's `sft`, and
#   on `test_hard` it gets .37 instead of .33.
# - A teacher who writes every reply in code (`sft-reasoning`) is shown to
#   be better than one round for two seeds on `test` and one on `test_hard`;
#   against two rounds no difference is shown. If you can write the
#   reasoning, do so. RFT is for tasks where you can only check it.
# - Better prompts gain at most two points here, and even these are not
#   shown.
#
# Look for such controls in the papers you read.
#
# ### Family by family
#
# Here are the same paired tests for each family of units, `rft-2` against
# `cot`, with Holm over the six families and the verdicts of the three
# seeds:

# %% tags=["hide-input"]
by_family = {}
for split, pairs in seed_0["families"].items():
    for family in pairs["cot rft-2"]:
        found = [
            run["families"][split]["cot rft-2"][family]
            for run in seeds.values()
        ]
        counted = Counter(test["verdict"] for test in found)
        by_family[split, family] = {
            "differences": "  ".join(
                f"{test['difference']:+.3f}" for test in found
            ),
            "verdicts": ", ".join(
                f"{count} {verdict}" for verdict, count in counted.items()
            ),
        }
pd.DataFrame(by_family).T

# %% [markdown]
# Every family gains except data on `test_hard`. A gain of 14 points for
# data on `test` is still *not shown*, because the family has so few pairs
# of units ([chapter 11](11_evaluation.ipynb)).
#
# How much of the gain is the choice of a gallon? The record counts the
# questions that RFT gained where the base had the right answer for another
# unit of the same name. They are 3 % of the gain at most:

# %%
for split in seed_0["compared"]:
    for seed, run in seeds.items():
        pair = run["compared"][split]["cot rft-2"]
        net = pair["only_second"] - pair["only_first"]
        rivals = pair["alternative_unit"]
        share = (rivals["gained"] - rivals["lost"]) / net
        print(
            f"{split}, {seed}: {net} net gained, of which "
            f"{rivals['gained'] - rivals['lost']} rivals ({share:.0%})"
        )
        assert share < 1 / 3

# %% [markdown]
# ### pass@k: a new skill, or an old one?
#
# Did training add a skill, or does it only make existing replies more
# frequent? *pass@k* is the probability that at least one of k samples is
# right, estimated from 64 samples of each of 100 questions (an exercise
# below derives the estimate):

# %% tags=["hide-input"]
sampled = json.loads((RESULTS / "pass_at_k.json").read_text())
sizes = [1, 2, 4, 8, 16, 32, 64]
figures.pass_at_k(
    sizes,
    {
        split: {
            name: [interval(found["pass_at_k"][str(k)]) for k in sizes]
            for name, found in by_name.items()
        }
        for split, by_name in sampled["splits"].items()
    },
).captioned("pass@k: the probability that one of k samples is right.")

# %%
pd.DataFrame(
    {
        (split, name): {
            f"{curve.replace('_', ' ')}, {k}": found[curve][str(k)]["rate"]
            for curve, k in (
                ("pass_at_k", 1),
                ("pass_at_k", 64),
                ("majority", 64),
                ("best_of_n", 64),
            )
        }
        for split, by_name in sampled["splits"].items()
        for name, found in by_name.items()
    }
).T.round(3)

# %% [markdown]
# With one sample, RFT is far ahead. With 64, base and adapter find a right
# reply to nearly all of these questions, and on the hard ones the curves
# meet at about eight samples. So we see no skill that the base lacked: what
# it did in some of its samples has become the rule. For online RL on larger
# models [Yue et al. (2025)](https://arxiv.org/abs/2504.13837) found the
# same, and that the base even overtakes at large k, which it does not do
# here.
#
# The columns on the right use all 64 samples. A *majority* vote over the
# base's answers gets .82 on `test` and .80 on `test_hard`; one sampled
# reply of `rft-1` gets .87 and .77, for a 64th of the price. *best of n*
# takes the first sample that passes the audit, without the true answer, and
# finds nearly all the right replies there are. `sft` states nothing that an
# audit could read, so best of n has nothing to choose by.
#
# ## A second round
#
# The trained model writes other replies than the base. So we sample the
# same questions again from the adapter and join its paths with those of the
# base. Yuan et al. (2023) join the paths of several models in the same way;
# here the second model was made from the first.
#
# ```bash
# unitconv rft --rounds 2 --output my_rft
# ```
#
# Here is a small live version: sixteen questions, sampled from our adapter,
# and at most four paths each.

# %%
from unitconv.training.rejection_sampling import merge_rounds

again = sample_rollouts(
    tuned,
    asked[:16],
    RolloutSettings(num_return_sequences=6),
    work / "round-2.jsonl",
)
old = select_examples(records[:16], 4)
joined = merge_rounds(old, again, 4)
print(f"{len(old)} triples of the base, {len(joined)} after joining")
assert set(old) <= set(joined)
for triple in [t for t in joined if t not in old][:3]:
    print(f"\n{triple.question}\n  {one_line(triple.reasoning)}")

# %% [markdown]
# In the recorded runs, each round draws ten samples of the same questions:

# %%
rounds = seed_0["rollouts"]
for name, run in rounds.items():
    total = sum(run["outcomes"].values())
    share = run["outcomes"]["kept"] / total
    once, ten = (run["success"][n]["rate"] for n in ("1", "10"))
    print(
        f"{name}: {share:.2f} of {total} completions kept; one sample "
        f"covers {once:.2f}, ten cover {ten:.2f}"
    )

# %% tags=["hide-input"]
figures.grouped_intervals(
    {
        name: {
            family: interval(found)
            for family, found in run["families"].items()
        }
        for name, run in rounds.items()
    },
    xlabel="questions with one kept, of ten samples",
).captioned(
    "Questions with at least one kept reply of ten, in both rounds."
)

# %% [markdown]
# The adapter has been trained on these very questions. So the figure shows
# what the second round can choose from, not how good the model is.
#
# The second training starts from the *base* again, not from the first
# adapter. Otherwise the first round's triples would be learned twice as
# often as the new ones, and what the first adapter learned by mistake would
# stay in the weights. The rounds would also differ in the length of
# training, and no comparison could separate that from the data. STaR
# ([Zelikman et al. 2022](https://arxiv.org/abs/2203.14465)) and ReST-EM
# ([Singh et al. 2023](https://arxiv.org/abs/2312.06585)) start from the
# base in every round too.
#
# Did the second round help? Positive differences are in favor of round two:

# %%
tests(("rft-1", "rft-2"))

# %% [markdown]
# The rollouts improved a lot, but the model hardly did. Its gain of 1 to 3
# points on `test` is shown for one seed of three, and no gain is shown on
# `test_hard`. The second round adds replies for only a tenth of the
# questions. Let such a test decide when to stop, not the share of replies
# kept, which rose from .50 to .74.
#
# ## RFT on a task of your own
#
# 1. *Sample before you train.* Draw ten replies to a hundred training
#    questions. Compare one greedy reply with the best of ten: the gap is
#    the room that RFT has. If there is no gap, or if nothing is ever right,
#    stop: RFT cannot teach what is never sampled.
# 2. *Write the grader*: a function from question and reply to a reason for
#    rejection, or to `None`. Unit tests, a schema, an executed query and an
#    exact match are graders. Be stricter than in the evaluation.
# 3. *Without an audit*, tighten the tolerance, read fifty of the kept
#    replies and count those that are right by luck.
# 4. *Choose the temperature* by how many questions get a kept reply from
#    the samples that you can pay for.
# 5. *Keep a few distinct replies* of each question. A trained model may
#    solve some of the questions without any, so sample them again.
# 6. *Train three adapters*: on the selection, on a random choice of the
#    same size, and on right answers alone. Choose epochs on `valid`.
# 7. *Compare on test questions, by group*, and on harder questions than
#    those you trained on. A gain in one group can hide losses in others.
#
# ## Exercises
#
# ```{exercise} Warm-up: ten samples at temperature 0
# :label: ex-rft-cold
#
# How many different texts are among ten samples of a question at
# temperature 0? Predict; the check draws them.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt

different_texts = None  # your prediction


def check_cold(different_texts):
    assert different_texts is not None, "nothing is predicted"
    cold = RolloutSettings(num_return_sequences=10, temperature=0.0)
    path = work / "cold.jsonl"
    drawn = sample_rollouts(llm, asked[:4], cold, path)
    found = {len({r.text for r in record.rollouts}) for record in drawn}
    assert found == {different_texts}, "the samples say another number"


attempt(check_cold, different_texts)

# %% [markdown]
# ```{solution-start} ex-rft-cold
# :class: dropdown
# ```

# %%
different_texts = 1

# %% [markdown]
# Greedy decoding gives the same reply each time. Ten of them find what one
# finds, at ten times the cost.

# %% tags=["solution", "nbval-check-output"]
attempt(check_cold, different_texts)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Success without luck in the order
# :label: ex-rft-passk
#
# `success_rate(records, k)` looks at the first k completions, so it depends
# on the order. [Chen et al. (2021)](https://arxiv.org/abs/2107.03374) ask
# instead: of *all* ways to choose k of the n completions, which share
# contains at least one of the c that were kept? Write that share. The check
# lists every choice for small n.
# ```

# %% tags=["exercise", "nbval-check-output"]
from itertools import combinations


def at_least_one(n, c, k):
    """Share of the choices of k of n that hold one of the c kept."""
    raise NotImplementedError


def check_at_least_one(at_least_one):
    for n, c, k in [(5, 0, 2), (5, 2, 1), (6, 2, 3), (6, 5, 2), (7, 1, 7)]:
        choices = list(combinations(range(n), k))
        hits = sum(min(choice) < c for choice in choices)
        assert abs(at_least_one(n, c, k) - hits / len(choices)) < 1e-9, (
            f"of {n} with {c} kept, another share of the choices of {k} "
            "holds one"
        )


attempt(check_at_least_one, at_least_one)

# %% [markdown]
# ```{solution-start} ex-rft-passk
# :class: dropdown
# ```
#
# It is easier to count the choices with none of the kept: all k come from
# the $n - c$ others. So the share is $1 - \binom{n-c}{k} / \binom{n}{k}$.

# %%
from math import comb

from unitconv.training.rejection_sampling import success_rate


def at_least_one(n, c, k):
    return 1 - comb(n - c, k) / comb(n, k)


def averaged(records, k):
    shares = [
        at_least_one(len(r.rollouts), len(r.kept), k) for r in records
    ]
    return sum(shares) / len(shares)


for k in (1, 2, 5, 10):
    first = success_rate(records, k).value
    print(f"k = {k:2}: first {first:.3f}, all {averaged(records, k):.3f}")
assert abs(averaged(records, 10) - success_rate(records, 10).value) < 1e-9

# %% [markdown]
# At k = n there is one choice and both agree. For smaller k the average
# uses every completion and varies less. This estimate is pass@k.

# %% tags=["solution", "nbval-check-output"]
attempt(check_at_least_one, at_least_one)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} A grader without the truth
# :label: ex-rft-majority
#
# Suppose the answers were not known. The most frequent answer of a
# question's rollouts is a guess at the truth (self-consistency, [Wang et
# al. 2022](https://arxiv.org/abs/2203.11171)). Write a function that keeps
# the rollouts that agree with it, without looking at `record.answer`. How
# often is the guess right, and what would a model learn from these replies?
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.training.rollouts import Rollout, RolloutRecord


def kept_by_vote(record):
    """The rollouts that give the most frequent answer."""
    raise NotImplementedError


def check_kept_by_vote(kept_by_vote):
    for truth in (640.0, 800.0):
        for answers, agreed in [
            ([800.0, 640.0, 800.0, None], [0, 2]),
            ([None, None, None, 640.0], [3]),
            ([None, None], []),
        ]:
            rollouts = [
                Rollout(str(i), 1, True, answer, None)
                for i, answer in enumerate(answers)
            ]
            record = RolloutRecord(
                "5 gallons in oz", truth, "volume", rollouts
            )
            found = [int(r.text) for r in kept_by_vote(record)]
            assert found == agreed, (
                f"of the answers {answers}, where the truth is {truth:g}, "
                f"those at {agreed} agree with the vote, not {found}"
            )


attempt(check_kept_by_vote, kept_by_vote)

# %% [markdown]
# ```{solution-start} ex-rft-majority
# :class: dropdown
# ```


# %%
from unitconv.grading.self_consistency import majority


def kept_by_vote(record):
    given = [r for r in record.rollouts if r.answer is not None]
    # No tolerance: only equal numbers agree, and 1.57 is not 1.571.
    vote = majority([r.answer for r in given], tolerance=0)
    return [r for r in given if r.answer == vote.answer]


voted = any_right = 0
for record in records:
    voted += any(is_right(r, record) for r in kept_by_vote(record))
    any_right += any(is_right(r, record) for r in record.rollouts)
print(f"most frequent answer right: {voted} of {len(records)}")
print(f"any of the ten right:       {any_right} of {len(records)}")
assert voted <= any_right

# %% [markdown]
# The vote can be right only where some completion is. On the 8 questions in
# between, a wrong answer is the most frequent one. Training on the vote
# would make the model more certain of it.

# %% tags=["solution", "nbval-check-output"]
attempt(check_kept_by_vote, kept_by_vote)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Fool the filter
# :label: ex-rft-fool
#
# A filter could ask only whether the answer is right and every statement
# true. Write a completion for "How many gram are there per 6 kg?" that such
# a filter keeps, although its reasoning does not lead from kilograms to
# 6000 grams. Which reason does `rejection_reason` give for it?
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.evaluation.grade import grade
from unitconv.grading.expression_parser import chains
from unitconv.inference.llm import Generation
from unitconv.task.dataset import Question

fooling = ""  # your completion


def check_fooling(completion):
    assert completion, "nothing is written here"
    asked_of = Question("How many gram are there per 6 kg?", 6000.0)
    graded = grade(asked_of, Generation(completion, 12, True))
    assert graded.correct, "the answer is not right"
    claims = audit_reasoning(completion, asked_of.text).claims
    verdicts = [claim.verdict for claim in claims]
    assert True in verdicts, "nothing that it states is true"
    assert False not in verdicts, "something that it states is false"
    assert rejection_reason(graded) == "does not lead to the answer", (
        "its reasoning does lead from kilograms to 6000 grams"
    )


attempt(check_fooling, fooling)

# %% [markdown]
# ```{solution-start} ex-rft-fool
# :class: dropdown
# ```

# %%
fooling = "2 * 3 = 6. <answer>6000</answer>"

# %% [markdown]
# The statement is true, and the answer is right. But the audit also follows
# the calculation, and the 6000 does not come from 6 kg and 1000 g/kg.

# %% tags=["solution", "nbval-check-output"]
attempt(check_fooling, fooling)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: the core of the audit
# :label: ex-rft-strict
#
# Write the core of the audit yourself. `leads_there(text, quantity)` is
# true if the last equation gives the answer, within 1 %, and calculates
# with the quantity asked and with a number from an earlier equation between
# two different units. `chains(text)` gives the equations as lists of pairs
# of sides. Each side is `None` or has `.value`, `.unit` and `.expression`.
# The `.operands` of an expression, with a `.value` each, are what is
# multiplied or divided. Then compare your rule with the audit on the right
# answers of our sample.
# ```

# %% tags=["exercise", "nbval-check-output"]


def leads_there(text, quantity):
    """Does the reasoning lead from the quantity to the answer?"""
    raise NotImplementedError


def check_leads_there(leads_there):
    for quantity, good in [
        (6, "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>"),
        (6, "1 g = 0.001 kg. 6 / 0.001 = 6000. <answer>6000</answer>"),
        (2, "1 mile = 1.609 km. 2 * 1.609 = 3.218. <answer>3.22</answer>"),
    ]:
        assert leads_there(good, quantity), f"it throws out: {good}"
    for bad in [
        "2 * 3 = 6. <answer>6000</answer>",
        "1 kg = 1000 g. 2 * 3 = 6. <answer>6000</answer>",
        "1 kg = 1000 g. 60 * 100 = 6000. <answer>6000</answer>",
        "1 kg = 1000 g. 7 * 1000 = 7000. <answer>7000</answer>",
        "6 * 1000 = 6000. <answer>6000</answer>",
        "1 g = 1 g. 6 * 1000 = 6000. <answer>6000</answer>",
        "1 kg = 1000 g. 6 * 1000 = 6000. <answer>5500</answer>",
        "<answer>6000</answer>",
    ]:
        assert not leads_there(bad, 6), f"it lets through, for 6 kg: {bad}"


attempt(check_leads_there, leads_there)

# %% [markdown]
# ```{solution-start} ex-rft-strict
# :class: dropdown
# ```


# %%
from unitconv.task.question_parser import parse_question


def leads_there(text, quantity):
    sides = [pair for pairs in chains(text) for pair in pairs]
    if not sides or None in sides[-1]:
        return False
    *facts, (left, right) = sides
    stated = [
        side.value
        for a, b in facts
        if a and b and a.unit and b.unit and a.unit != b.unit
        for side in (a, b)
    ]
    numbers = [operand.value for operand in left.expression.operands]
    if quantity not in numbers:
        return False
    numbers.remove(quantity)
    answer = parse_answer(text)
    arrives = abs(right.value - answer) <= 0.01 * abs(answer)
    return arrives and any(number in stated for number in numbers)


rows = []
for (record, r), verdict in zip(every, audited, strict=True):
    if is_right(r, record):
        quantity = parse_question(record.question).quantity
        rows.append((leads_there(r.text, quantity), verdict, r.text))
verdicts = pd.DataFrame(rows, columns=["leads there", "audit", "text"])
differ = verdicts[verdicts["leads there"] != (verdicts["audit"] == "valid")]
few_each = differ.drop_duplicates("text").groupby("audit").head(3)
for verdict, text in few_each[["audit", "text"]].to_numpy():
    print(f"{verdict}: {one_line(text)}")
pd.crosstab(verdicts["leads there"], verdicts["audit"])

# %% [markdown]
# The rule throws out 58 valid replies, those in steps: their last equation
# is a sum, and the quantity occurs only in parts. And it lets through 58
# faulty ones, because it does not check products or recognize a UK ounce.
# The audit checks each claim. It follows sums back to the quantity asked,
# and keeps track of the units that numbers stand for.
#
# Before you make a rule stricter, read what it would reject: some of it may
# be fine.

# %% tags=["solution", "nbval-check-output"]
attempt(check_leads_there, leads_there)

# %% [markdown]
# ```{solution-end}
# ```

# %% tags=["remove-cell"]
scratch.cleanup()

# %% [markdown]
# ## Three questions
#
# ```{quiz}
# :right: 1
#
# A reply has the right answer. Why may RFT still reject it?
#
# - A statement in it is false, or it does not lead to the answer.
# - It is too short.
# - Another reply has the same answer.
#
# Training on such replies was measured: no gain on the hard questions was
# shown.
# ```
#
# ```{quiz}
# :right: 2
#
# What is the control for?
#
# - To choose the temperature.
# - To see what training on unselected replies of the same model does.
# - To measure the spread of the seeds.
#
# Only the difference from it is due to the selection.
# ```
#
# ```{quiz}
# :right: 3
#
# After RFT pass@1 has risen and pass@64 has not. What has changed?
#
# - The model has a new skill.
# - The grader has become easier.
# - What some samples did has become the rule.
#
# The base finds a right reply to nearly all of these questions as well, but
# it needs more samples.
# ```
#
# ## Recap
#
# - Several samples contain what one greedy reply does not show. A grader
#   turns them into training data, and no reasoning is written by hand.
# - A right answer does not make the reasoning true, and true statements
#   need not lead to the answer. We ask for all three. When the reasoning
#   was not checked, the model learned to guess long products.
# - The base multiplies in steps for some long products, and the model
#   trained on what a strict filter keeps does so for most. Its replies grow
#   longer there, and far less elsewhere.
# - More samples cover more questions, with falling returns. A higher
#   temperature gives more variety and more wrong replies.
# - Keep a few distinct paths for each question, so that easy questions do
#   not dominate.
# - A long run writes as it goes. If called again, it ends with the same
#   bytes; with other settings it refuses.
# - Controls show where the gain comes from. With 64 samples the base can do
#   what the adapter does with one, so the skill was there before.
# - The second round samples from the trained model and trains from the
#   base. Use a paired test to see whether it helped.
#
# **Next:** [sampling and learning in one loop](10_online_rl.ipynb); or
# straight to [what a difference between two models is
# worth](11_evaluation.ipynb).
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# yuan2023
# zelikman2022
# uesato2022
# singh2023
# chen2021
# wang2022
# mcnemar1947
# yue2025
# ```
