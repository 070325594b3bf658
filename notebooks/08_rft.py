# %% [markdown]
# # Rejection-sampling fine-tuning: learning from one's own right answers
#
# Asked once, a base model gives the reply it finds likeliest. Asked ten
# times at a temperature above zero, it gives others, and often one of them
# is right where the first was not. The skill is there, and greedy decoding
# does not show it. In our base this is by design. We pretrained it on
# generated text that multiplies long numbers in two ways, at once and in
# steps, and that holds British volumes beside American ones. Its
# settings were chosen on generated development questions, though the last
# two candidates had been measured on the test sets as well ([the
# appendix](90_pretraining.ipynb)).
#
# Rejection-sampling fine-tuning (RFT;
# [Yuan et al. 2023](https://arxiv.org/abs/2308.01825)) brings the skill
# out. The model answers every training question several times, a grader
# keeps the replies that are right, and the model is trained on those.
# Nobody writes a line of reasoning: the model writes its own training
# data, and code that is easy to check chooses among it.
#
# **The question of this chapter:** can a model find out by itself, from
# nothing but its own graded replies, that thinking longer pays where the
# numbers are hard?
#
# :::{admonition} What you will learn
# :class: tip
# - how to sample, grade and keep replies on a large scale;
# - why a right answer is not reason enough to learn from a reply;
# - which way of calculating survives the grading, and where;
# - what the number of samples and the temperature do;
# - how to write a long run down so that a kill costs little;
# - how to train on the result, and which controls show what the gain is
#   due to.
#
# **Before you start:** nothing, if you know LoRA and sampling; else
# [chapter 1](01_task.ipynb) for the grader and the audit, [chapter
# 3](03_sequential.ipynb) for temperature, [chapter 7](07_sft.ipynb) for
# LoRA. **Time:** 40 minutes to read, without the exercises, and about three
# minutes to run. **Hardware:** with the course model any laptop; 2 GB of
# memory.
# :::
#
# Who starts here needs four things from the chapters before. The *grader*
# reads the number between `<answer>` and `</answer>` and accepts it within
# 5 % of the truth, and the *audit* checks whether every fact and every
# product in a reply is true, and whether they lead to its answer.
# *Temperature* says how far a sampled reply may stray from the likeliest:
# at 0 not at all, at 1 as far as the model's own odds go, and further
# above. *SFT* trains an *adapter*, small LoRA matrices beside the frozen
# model, on rows of question and answer, of which only the answer is
# learned.
#
# And some names. The *course model* has 2.8 million parameters and has
# read generated text about units, nothing else. The questions are split by
# conversion. There are 1000 to train on (`train`), 200 to choose by
# (`valid`) and 1000 to report (`test`), with quantities of 1 to 12 and
# halves. Beside them there are harder ones, `train_hard` (1000),
# `valid_hard` (200) and `test_hard` (500), with two and three digits,
# decimals, and units that are far apart. A product is *long* if its
# quantity and its factor both have two digits or more, zeros at the end
# not counted, as in 7.75 × 453.6, and *short* otherwise. A *family* is
# a kind of unit, such as mass or volume. And *pint*, where it checks
# facts, is a Python library of units.
#
# In a shell, the trainings of the last chapter and of this one are three
# commands:
#
# ```bash
# unitconv sft --output my_sft                    # chapter 7
# unitconv rollouts --output rft.json             # sample and select
# unitconv rft --data rft.json --output my_rft    # train on the selection
# ```
#
# and `unitconv evaluate --adapter my_rft` says what came of it. The rest
# of the chapter is what these commands do, and why.

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
# ## One reply against ten
#
# The base gets one worked example with every question. First its greedy
# answers to sixty training questions, the first thirty of `train` and of
# `train_hard`:

# %%
from unitconv.evaluation.evaluate import evaluate

greedy = evaluate(llm, asked)
print(f"{greedy.accuracy.successes} of {len(asked)} right")

# %% [markdown]
# Now ten samples for each, at temperature 0.8. `sample_rollouts` decodes
# them in batches, grades each one and writes everything to a file, kept or
# not. *Rollout* is the word for one sampled reply.
#
# The same was done once for all 2000 training questions, and its file
# comes with the package. Without patience, set `REPLAY` above to `True`:
# the rollouts of our sixty questions are then read from that file, and all
# that follows is the same code.

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
# A sample's noise depends on its question and its number, and not on what
# is sampled beside it ([chapter 3](03_sequential.ipynb)). So live and
# recorded replies of one model agree text by text, where the machines
# round alike. What do the samples add to the greedy replies?

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
# Here is one question with its ten replies, sorted by what became of them:

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
# A few lines decide. What they read, `graded`, is what grader and audit
# say of one reply; its `fault` is the worst that the audit found.

# %%
import inspect

from IPython.display import Markdown

from unitconv.training.rollouts import rejection_reason

Markdown(f"```python\n{inspect.getsource(rejection_reason)}```")

# %% [markdown]
# ## The trap: right is not good enough
#
# The plain recipe is to keep what is right; for many tasks it is all one
# can do. Let us do it:

# %%
naive = [
    (record.question, rollout.text)
    for record in records
    for rollout in record.rollouts
    if is_right(rollout, record)
]
print(f"{len(naive)} replies to learn from")

# %% [markdown]
# It looks fine: every one of them ends in a right answer. Now read what
# they say before that. `audit_reasoning` asks two things. Is all of it
# true, the facts by pint and the arithmetic by calculation? And does it
# lead to the answer, from the quantity asked, in the unit asked, by the
# factors that it states? We look for right answers with a false fact, with
# false arithmetic, and with reasoning that is true and leads elsewhere;
# where this sample has none, the cell takes a constructed one.

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
# The tolerance of 5 % forgives a slip in a product; two mistakes can
# cancel; and a true line can be about something else. A model trained on
# such replies is taught the slip, the false fact and the wrong unit. On
# the next question nothing may cancel.
# [Uesato et al. (2022)](https://arxiv.org/abs/2211.14275)
# found the like on word problems: where only the final answer is judged,
# more of the right solutions hold a wrong step.
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
# Rows say whether the answer is right, columns whether the reasoning is
# valid, or what is the worst fault in it. The audit has tolerances of its
# own. A fact may be off by 1 %, because factors are written with few
# digits. A result may be off by 0.1 %, or by the rounding of its last
# digit: `3.5 * 1.609 = 5.6` passes, for 5.63 is rounded there, and
# `742 * 1440 = 1063440` does not, though it is only half a percent off.
# *True* means true within these limits from here on. The lower row
# holds right answers with faulty reasoning: these are what the plain recipe
# would teach. The upper row has no valid reasoning at all. True facts and
# true products that lead from the quantity asked to the unit asked can
# only give the right number, so the audit is the stricter of the two. But
# it must read the question for that. Where it cannot, it asks only that
# the last equation is true and gives the answer, and the grade decides.
#
# Is what is both right and valid fit to learn from? Nearly. Two facts,
# each within 1 %, may end further off. So there is a third rule:
# what is learned from must be within 1 % of the truth. What is right by
# the grade and not by this rule is a *near miss*. `rejection_reason` asks
# this before it asks the audit. What would the audit have said of them?

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
# A near miss is a product with a wrong digit, or another unit: a UK ounce
# is 4 % smaller than an American one. The audit refuses all of them by
# itself, and leaves the third rule nothing to do. Where no audit can be
# written, the rule is what remains.
#
# The outcomes of all completions, by the first reason to reject them. The
# order matters: a false statement, or reasoning that does not lead to the
# answer, is counted only where the answer is within 1 %. So these counts
# are what the audit adds to a strict look at the answer. They are small
# beside the wrong answers.

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
# ## Which way of calculating survives?
#
# The base knows two ways to a long product. It writes the result at once,
# or it multiplies digit by digit and adds up what it gets:

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
# `uses_steps` recognises the second way: partial products with a sum, or a
# product of the result of another one. Now we sort all replies of the
# record by the way, and their questions by the length of the product. How
# often does the base take each way, and what becomes of it? *right* is
# within 5 %, as the grader asks:

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
# The intervals take the replies as independent, and those of one question
# are not. A fair test compares the two ways on the same question. Of the
# long products that were tried in both ways, on how many were steps kept
# more often, and on how many less often?

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
# This is what selection has to work with. For long products the base takes
# steps in a minority of its replies. These are right about twice as often
# as the others, and kept many times as often: most answers that were
# multiplied at once are near the truth and have a wrong digit, so the
# contrast is this sharp only for a filter that looks at digits.
#
# What did the base know before? The corpus takes steps where a product is
# long, in about half of such documents, and hardly anywhere else. So the
# base has seen *where* steps can be taken. It has not seen that they pay,
# since the corpus writes the true result either way. That is in the shares
# of what is kept, and a model that is trained on what is kept can learn
# it. For short products steps are rare and seldom right.
#
# ## Number of samples and temperature
#
# Sixty questions are too few to choose settings by. The results of larger
# runs, on the 400 validation questions, come with the package too. First
# the *success rate*: how many of the questions have a completion to learn
# from among their first N?

# %%
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
# The bands are 95 % intervals. A line can only climb: what was found among
# the first three is found among the first four. What matters is how fast,
# and where it flattens. Every further sample finds less, since the
# questions that are left are the hard ones.

# %%
from itertools import pairwise

for name, curve in curves.items():
    values = [value for value, _ in curve]
    gains = [b - a for a, b in pairwise(values)]
    assert min(gains) >= 0
    print(f"{name}: second +{gains[0]:.3f}, tenth +{gains[-1]:.3f}")
    assert gains[0] >= gains[-1]

# %% [markdown]
# Temperature pulls two ways. Cold samples repeat the greedy reply, whether
# it is right or not. Warm ones differ more, and more of them are wrong:

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
# What counts here is the first of these two lines, as a question needs few
# replies but needs one. The best of the three is the default, T = 0.8. Was
# it lucky? All were asked the same questions, so the test
# is paired. It counts the questions with one kept reply at one of the two
# temperatures only:

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
# The order at one sample need not be the order at ten: choose the
# temperature for the number of samples that you can pay for.
#
# ### SmolLM2 is seldom right
#
# Most questions have a reply to keep, because the course model was made for
# such questions. [Chapter 11](11_smollm2.ipynb) asks SmolLM2, a general
# model fifty times as large, with four worked examples, and asks it again
# after SFT on reasoning for 400 questions. Their questions are from
# `train`:

# %%
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
# SmolLM2 has one reply to keep for 2 % of the questions with one sample,
# and for 10 % with ten. So nine in ten questions have nothing to learn
# from, and the few that have one are those which it could do anyway. A
# little SFT on written reasoning comes first: then the curve starts at .15
# and climbs to .28 with four samples. Whether RFT helps from there is
# another question. In chapter 11 it did not.
#
# ### Success by family of units
#
# The recorded run on all training questions, ten samples at temperature
# 0.8, by family of units:

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
# A family can fail in three ways: by long products, by units far apart
# that need a step through a third one, or because the model has read two
# conventions. A gallon in the corpus is American in one document and
# British in another ([the appendix](90_pretraining.ipynb) counts them),
# and the question does not say which it means. Most replies that mean the
# British one say so: `UK` gallon, `short` ton, `binary` kB. Let us count
# these in the record:

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
# A UK gallon is a fifth larger. A reply that means it is true in every
# line and still no answer to the question, which means the American one.
# The grade refuses it where the number comes out wrong. The audit refuses
# nearly all of them, as a fact about UK gallons does not lead to an answer
# about gallons. Nothing in the prompt says which gallon is meant; the
# choice of replies does, and so training can teach it.
#
# ### True statements that lead nowhere
#
# An audit could ask only whether all statements are true, and not where
# they lead. What would it keep that ours refuses? Those replies of the
# record whose answer is within 1 %, that state something, and nothing
# false:

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
# "1 UK gallon = 8 UK pint. 9 x 8 = 72" is what a model must not learn,
# though 9 American gallons are 72 American pints: if it learns to say `UK`
# here, it may say it in the next question, gallons to liters. The others
# are slips: a digit of the quantity is left out, the result gets another
# unit, or the name of a unit is garbled. A strict audit refuses a few
# nearly harmless replies too. That costs little, as most questions have
# others.
#
# ## Removing duplicate reasoning
#
# Easy questions have ten completions to keep and hard ones few. If all
# were learned from, the easy would be learned ten times over. So we take
# at most a few for each question, and all of them different. Two
# completions are different if their *equations* are. Neither the words
# around them count nor how the equations are spelled.

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
# The first three are one path. Spellings of units, signs and numbers are
# folded into one, and the order of the factors and of a fact's two sides
# makes no difference. To divide by 0.001 instead is another path. So is
# another factor, or another result of the same product, even if the two
# differ only in rounding. An `oz` that may mean a weight or a volume is not
# folded into either. The distinct paths of our question with the most:

# %%


def kept_paths(record):
    return list(dict.fromkeys(path_key(r.text) for r in record.kept))


varied = max(records, key=lambda record: len(kept_paths(record)))
print(varied.question)
for path in kept_paths(varied):
    print("  " + "; ".join(path))

# %% [markdown]
# How many does a question have? The figure counts those of the recorded
# run, on all training questions:

# %% tags=["hide-input"]
figures.path_counts(
    [len(kept_paths(record)) for record in replayed]
).captioned("Questions by their number of distinct kept paths.")

# %% [markdown]
# Most questions have one path, however often it was sampled: to a short
# product there is one way. The questions at 0 have nothing to teach:
# whatever is selected, they are left out. `select_examples` makes the
# training file. It takes the first `max_paths` distinct ones of each
# question, in the order they were sampled. From our sixty questions, and
# from all of the record:

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
# models gain more than strong ones. The course takes at most two. That was
# not tuned, and with this record it hardly could be: more paths would add
# few triples.
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
# Two thousand questions times ten take the course model some minutes, and a
# larger model hours. Such a run gets killed: by Colab, by a full disk, by
# you. So records are written as they come, and a last line cut in half is
# to be expected. We make one. The file of a small run is cut in the middle
# of a line, as a `kill -9` may leave it:

# %%
few = load_split("train")[100:180]
small = RolloutSettings(num_return_sequences=2, max_new_tokens=64)
whole, killed = work / "whole.jsonl", work / "killed.jsonl"

sample_rollouts(llm, few, small, whole)
lines = whole.read_bytes().splitlines(keepends=True)
killed.write_bytes(b"".join(lines[:71]) + lines[71][:50])
print(f"{len(lines) - 1} records, of which 70 and a piece are left")

# %% [markdown]
# The trap is to count the lines and go on with `open(path, "a")`. The next
# record would be glued to the piece. Even now the file cannot be read:

# %%
from unitconv.training.rollouts import RolloutError

try:
    read_rollouts(killed)
except RolloutError as error:
    print(str(error).replace(str(work), "..."))
else:
    raise AssertionError("half a line was read as a record")

# %% [markdown]
# The library's answer is to call the same function again. It cuts off the
# piece, goes back to the last whole chunk of questions, and goes on from
# there. `progress` reports what it found and what it did:

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
# going back to a whole chunk makes the batches the same, so that even the
# rounding agrees ([chapter 4](04_batched.ipynb)).
#
# A line ends in a checksum of itself (`crc32`), so that damage on a disk is
# noticed. A lock beside the file keeps a second run out, which would write
# between the lines of the first.
#
# And if something was changed in between? A file at two temperatures would
# be worse than none. Its first line says what it was made with:

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
# `unitconv rollouts --output rft.json` does all of the above: it writes
# the rollouts to `rft.jsonl` and the selected triples to `rft.json`. With
# several GPUs, or to use the cores of a large machine, `accelerate launch`
# starts several processes, which share the questions here and the batches
# of a training:
#
# ```bash
# accelerate launch --num_processes 2 -m unitconv.cli \
#     rollouts --samples 10 --temperature 0.8 --output rft.json
# ```
#
# In Python it is one line. Each triple is a question, its true answer and
# a completion that was kept:

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
# A training example is the bare question and then the reasoning; only the
# reasoning is learned. There is no worked example in it: what the prompt
# had to show before is now to come from the weights.

# %%
from unitconv.training.examples import rft_examples

[example] = rft_examples(triples[:1], llm.tokenizer)
prompt_tokens = len(llm.encode(llm.format_prompt(triples[0].question)))
print(f"{len(example.input_ids)} tokens, {example.n_supervised} learned")
print(f"the base's prompt, with its example: {prompt_tokens}")
assert 2 * len(example.input_ids) < prompt_tokens + example.n_supervised

# %% [markdown]
# A full training takes some minutes. This one is cut short: one epoch on
# every third triple, and forty questions of `valid` beside it. It will not
# be the best adapter; the full runs come below.

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
# The adapter gets the bare question, the base its worked example. Both
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
# something to check, *in steps* the share that `uses_steps` recognises. A
# wrong answer is hardly ever valid, so *valid* cannot be much above the
# accuracy.
#
# Both answered the same questions, so the comparison is paired: it looks
# at the questions on which they differ. The verdict comes from the test,
# not from us. It is *better* or *worse* if p is below 5 % and the interval,
# clustered by pair of units, leaves out zero ([chapter
# 10](10_evaluation.ipynb) explains both):

# %%
found = compare(*reports.values())
low, high = found.clustered_ci95
print(
    f"difference {found.difference:+.3f} [{low:+.3f}, {high:+.3f}], "
    f"McNemar p = {found.p_value:.2g}"
)
print("RFT, live, against one-shot CoT:", found.verdict())

# %% [markdown]
# *Not shown* would not mean equal, only that 200 questions do not show a
# difference. The comparison is also between two prompts: the base is shown
# a worked example with every question, and the adapter reads the question
# alone.
#
# ### The full runs
#
# The recorded runs train on the selection from all 2000 training questions
# and are measured on all test questions, with three seeds. `cot` is the
# base with its example, `sft` chapter 7's adapter, `rft-1` one round of
# RFT, `rft-2` two. Means over the seeds:

# %%
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
# *sd* is the standard deviation of the accuracy over the seeds. The base
# does not change with a seed, so its own is zero. `sft` states nothing that
# could be checked: it was taught to answer at once.
#
# Is a difference more than luck? The paired tests of the record, a
# difference and a verdict for each seed. It is the stage's accuracy minus
# that of the stage it is compared *against*; p is adjusted for the number
# of tests on a split (Holm), and the largest of the seeds is shown:

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
# and furthest on the hard questions: it cannot do a long product in one
# step.
# Trained on its own selected reasoning, it is better than the base on both
# sets, by more points on the hard one. All the replies that it learned from
# are replies it could write before.
# Every interval is on [the results page](../book/results.md).
#
# The test of one seed says whether two *adapters* differ beyond the choice
# of questions. Whether two *recipes* differ is a question about seeds: with
# three seeds, a difference smaller than the spread between them may be luck
# in training. Nor are "3 of 3" three independent votes: all seeds answer
# the same questions, and `cot` is one and the same model in all of them.
#
# ## Length of the replies
#
# Where does the gain come from? The training measured the validation
# questions after each epoch. Accuracy and length of the replies, by the
# length of the product, in the first round of seed 0:

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

# %%
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
# On hard questions the base fails at long products, and there the trained
# model does something else: it takes steps in most replies, where the base
# takes them in about a third. These replies grow by about half, and most of
# them are right. Short products were mostly right before, and their
# replies grow far less; a few are now done in steps without need. So the
# replies grow longer where this pays. No teacher and no reward for length
# asked for it. The only signal was which replies a strict filter kept.
#
# On `test` most products are short, and much of the gain has another cause.
# Between distant units the base often stops half-way, at the unit between,
# and the trained model more often states the direct factor ([chapter
# 10](10_evaluation.ipynb) counts both).
#
# ## Controls: what is the gain due to?
#
# Any training on replies of this form teaches the form. So how much is due
# to *selection*? A control answers that. It takes the same questions and
# as many completions for each, all different too, but chooses at random
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
# The record has more controls, each trained with the settings of RFT and
# three seeds, and each the answer to one doubt:
#
# - `random`: would *any* replies of the model do? As above.
# - `rft-right`: is the audit needed? Replies with a right answer, whatever
#   they state.
# - `sft-matched`: is it the *reasoning*, or the number of rows? Answers
#   alone, as many rows of the same questions.
# - `sft-reasoning`: does a teacher do better? Reasoning written by code
#   from pint, in steps where a product is long, always right.
# - `cot-gallon`, `cot-us`: is training needed at all? The base with a
#   worked example about American gallons, and with "US units" in the
#   instruction. That an example in steps does not bring steps, is shown
#   in [chapter 6](06_prompting.ipynb).
#
# The third rule has no training of its own. Without it the audit selects
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
# - Training on *any* of its replies does not help: `random` is worse than
#   `rft-1` everywhere, and on hard questions worse than the base that wrote
#   the replies. Its long products are taken at once, as most of the base's
#   were.
# - A right answer alone is not enough. `rft-right` gains on `test`, where
#   most products are short, and nothing to speak of on `test_hard`. The
#   grader accepts a product that is a few percent off, most replies take
#   long products at once, and so this is what it learns. `rft-1` takes its
#   rows from the same file of rollouts, selected by the audit alone, as the
#   third rule changed nothing. Whether that rule without the audit would do
#   was not tried.
# - Answers without reasoning, as many rows of them, do not teach to
#   multiply: `sft-matched` is hardly better than chapter 7's `sft`.
# - A teacher who writes every reply in code, steps included
#   (`sft-reasoning`), does as well as one round or a little better; against
#   two rounds no difference is shown. Where you can write the reasoning
#   down, do so. RFT is for tasks where you can only check.
# - A better prompt is worth a try and is no rival here: an example with
#   American gallons, or "US units", gains two answers in a hundred at most.
#
# Without such controls a gain is easily credited to the wrong cause. Look
# for them in the papers you read.
#
# ### Family by family
#
# A total hides where a gain lies. The same paired tests for each family of
# units, `rft-2` against `cot`, with Holm over the six families; how many
# of the seeds have which verdict:

# %%
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
# The gain is spread over the families. The data family has so few pairs of
# units that even its large difference on `test` is *not shown* ([chapter
# 10](10_evaluation.ipynb)).
#
# And how much of the gain is the choice of a gallon? A few percent. The
# record counts the questions that RFT gained where the base had the right
# answer for another unit of the same name:

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
# Samples of the base often hold a right reply where the greedy one is
# wrong. Did training add a skill, or does it only bring out more often what
# was there? *pass@k* is the probability that at least one of k samples is
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
# meet at about eight samples. So we see no skill that the base lacked:
# what it did in some of its samples has become the rule. For online RL on
# larger models [Yue et al. (2025)](https://arxiv.org/abs/2504.13837) found
# the same, and that the base even overtakes at large k; here it only
# catches up. If you ask only once, that does not matter: the first sample
# is what counts.
#
# The columns on the right use all 64 samples. A *majority* vote over the
# base's answers is about as good as one sampled reply of the adapter, for
# 64 times the price. *best of n* takes the first sample that passes the
# audit. It has no need of the answer, and gets nearly all of what is
# there, so nearly every question has a valid reply among its 64. `sft`
# states nothing that an audit could read, and gains nothing from it.
#
# ## A second round
#
# The trained model is another author than the base: it has been taught
# which replies count. So let it write too. Sample the same questions
# again, this time from the adapter, and join what it finds with what the
# base had found. Yuan et al. (2023) join the paths of several models in
# this way, as different models find different paths; here the second model
# was made from the first.
#
# ```bash
# unitconv rft --rounds 2 --output my_rft
# ```
#
# A small piece of it, live: sixteen questions, sampled from our adapter,
# joined with the triples of the base, at most four paths each.

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
# In the recorded runs, ten samples of the same questions in each round:

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
# The adapter has been trained on these very questions. So the figure says
# what the second round has to choose from, not how good the model is.
#
# The second training begins from the *base* again, not from the first
# adapter. Otherwise the first round's triples would be learned twice as
# often as the new ones. What the first adapter picked up by mistake would
# stay in the weights, with no row to account for it. And the rounds would
# differ in data *and* in the length of training, and no comparison could
# separate the two. STaR ([Zelikman et al.
# 2022](https://arxiv.org/abs/2203.14465)) and
# ReST-EM ([Singh et al. 2023](https://arxiv.org/abs/2312.06585)) begin from
# the base in every round too.
#
# Did the second round help? The first one samples steps for long products
# more often than the base does, so the second finds right replies to
# questions that had none. Positive numbers are for round two:

# %%
tests(("rft-1", "rft-2"))

# %% [markdown]
# The rollouts became much better, and the model hardly: its gain of one or
# two points is shown for one seed of three on `test`, and for none on
# `test_hard`. Most training questions had a reply to learn from after
# the first round, and those that the second adds are a tenth of all. Let
# such a test decide when to stop, and not the share of replies kept: it
# was still growing.
#
# ## RFT on a task of your own
#
# 1. *Sample before you train.* Draw ten replies to a hundred training
#    questions. Compare one greedy reply with the best of ten: the gap is
#    the room that RFT has. If there is no gap, or if nothing is ever right,
#    stop: RFT cannot teach what is never sampled.
# 2. *Write the grader*: a function from question and reply to a reason,
#    or to none. Unit tests, a schema, an executed query and an exact match
#    are graders. Be stricter here than in the evaluation.
# 3. *Without an audit*, tighten the tolerance, and read fifty of the
#    replies that were kept. Count those that are right by luck.
# 4. *Choose the temperature* by how many questions get at least one kept
#    reply from the samples that you can pay for.
# 5. *Keep a few distinct replies* of each question, and look at which
#    questions have none: they give no rows. What is learned from others
#    solves some of them, so sample them again.
# 6. *Train three adapters*: on the selection, on a random choice of the
#    same size, and on right answers alone. Choose epochs on `valid`.
# 7. *Compare on test questions, by group*, and on questions harder than
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
# finds, at ten times the price.

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
# instead: of *all* ways to choose k of the n completions that were drawn,
# which share holds at least one of the c that were kept? Write that share.
# The check lists every choice for
# small n.
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
# It is easier to count the choices that hold none: all k come from the
# $n - c$ others. So the share is
# $1 - \binom{n-c}{k} / \binom{n}{k}$.

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
# At k = n there is one choice and both agree. Before that the average
# uses every completion and is the steadier number. Papers call it pass@k.

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
# the rollouts that agree with it, without a look at `record.answer`. How
# often is the guess right, and what would a model learn from what you keep?
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
# The vote can be right only where some completion is. The questions in
# between are those where a wrong answer is the usual one. Kept by vote, the
# model would be taught to be surer of it.

# %% tags=["solution", "nbval-check-output"]
attempt(check_kept_by_vote, kept_by_vote)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Fool the filter
# :label: ex-rft-fool
#
# A filter could ask only whether the answer is right and all that is stated
# is true. Write a completion for "How many gram are there per 6 kg?" that
# such a filter keeps, although its reasoning does not lead from kilograms
# to 6000 grams. Which reason does `rejection_reason` give for it?
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
# Everything stated is true, and the answer is right. But a text that is
# true need not be an argument: the audit also follows how the numbers are
# worked out, and no 6 kg and no 1000 g/kg lead to this 6000.

# %% tags=["solution", "nbval-check-output"]
attempt(check_fooling, fooling)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: the core of the audit
# :label: ex-rft-strict
#
# Write the core of what the audit does yourself. `leads_there(text,
# quantity)` is true where the last equation arrives at the answer, within
# 1 %, and calculates with the quantity asked and with a number out of an
# earlier equation of two different units. `chains(text)` gives the
# equations: lists of pairs of sides, each side `None` or with `.value`,
# `.unit` and `.expression`, and the `.operands` of an expression, with a
# `.value` each, are what is multiplied or divided. Then compare your rule
# with the audit on the right answers of our sample.
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
# The rule keeps products that are taken at once, and throws out those in
# steps: there the last equation is a sum, and the quantity occurs in parts
# only. And it lets through what it does not look at: a false product, or a
# UK ounce. The audit checks each claim. It follows sums back to the
# quantity asked, and the units that every number means.
#
# Read what falls before you make a rule stricter: some of it may be fine.
# What a rule leaves open, selection does not throw out, and a model that
# is trained on it round after round can drift there.

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
# Training on such replies was measured: it gained nothing on the hard
# questions.
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
# - A right answer does not make a reply true, and true statements do not
#   make it an argument. Here a completion must have a right answer and
#   reasoning that is true and leads to it. Without the second condition
#   the model learns to guess long products.
# - The base multiplies in steps for some long products. The model that is
#   trained on what a strict filter keeps does so for nearly all. Its
#   replies grow longer there, and far less elsewhere.
# - More samples cover more questions with falling returns. Temperature
#   buys variety and pays in wrong replies.
# - A few distinct paths a question, so that easy ones do not drown the
#   hard; another spelling is not another path.
# - A long run writes as it goes. Called again it ends with the same bytes;
#   with other settings it refuses.
# - Controls show what the gain is due to. At 64 samples the base can do
#   what the adapter does at one: the skill was there before.
# - The second round samples from the trained model and trains from the
#   base. Whether it helped is for a paired test to say, on every set of
#   questions that matters to you.
#
# **Next:** [sampling and learning in one loop](09_online_rl.ipynb); or
# straight to [what a difference between two models is
# worth](10_evaluation.ipynb).
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
