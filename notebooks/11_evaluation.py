# %% [markdown]
# # Evaluation: is it really better?
#
# A model answers 60 of 100 questions. You change something, train for an
# hour, and now it answers 66. Before you report an improvement of six
# points, ask what would have happened if you had changed nothing.
#
# All models measured here come from one base, pretrained so that
# fine-tuning has something to improve. We chose the base on generated
# development questions, but the last two candidates had been measured on
# the test sets as well ([the appendix](90_pretraining.ipynb)).
#
# **The question of this chapter:** which of the differences that we have
# seen in this book are real, and what exactly got better?
#
# :::{admonition} What you will learn
# :class: tip
# - how often chance alone turns 60 into 66;
# - why two models are compared question by question;
# - what clustered errors do to an interval;
# - how many questions a comparison needs;
# - what to report with an accuracy, and what a second seed is for;
# - how to find out which skill has changed, from errors and from harder
#   questions;
# - four ways to get a better score without a better model.
#
# **Before you start:** [chapter 1](01_task.ipynb) for the grader,
# [8](08_sft.ipynb) and [9](09_rft.ipynb) for what is compared. **Time:** 40
# minutes to read, without the exercises, and two to three minutes to run.
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

# %% [markdown]
# ## Chance: how far apart are two equal models?
#
# We start with the intervals of chapter 1:

# %% tags=["nbval-check-output"]
from unitconv.evaluation.stats import PairedComparison, Proportion

for rate in (Proportion(60, 100), Proportion(66, 100)):
    low, high = rate.ci95
    print(f"{rate.value:.2f} [{low:.3f}, {high:.3f}]  n = {rate.n}")

# %% [markdown]
# They overlap widely. That alone decides nothing, as an exercise below
# shows, so we simulate it. Suppose both runs have the same true rate, 63 %,
# and each is asked 100 questions of its own. How often do they end at least
# six apart?

# %%
import numpy as np

from unitconv import figures

rng = np.random.default_rng(0)
right = rng.binomial(100, 0.63, size=(10_000, 2))
gaps = right[:, 1] - right[:, 0]
share = np.mean(np.abs(gaps) >= 6)
print(f"{share:.0%} of the pairs are six or more apart")
assert share > 0.3

# %% tags=["hide-input"]
figures.chance(
    gaps.tolist(),
    mark=6,
    xlabel="right answers of the second run minus the first",
    label="six or more apart",
    both_sides=True,
).captioned("Differences between two equal runs in 10,000 simulations.")

# %% [markdown]
# Two equal models differ that much in 42 % of the cases. So these totals
# alone are no evidence of a gain.
#
# ## Paired comparison
#
# But both runs were asked the *same* questions. Where both models are right
# or both are wrong, they do not differ. Only the *flips* matter, the
# questions that one of them has right. Here are three ways to get from 60
# to 66:

# %% tags=["nbval-check-output"]
for lost, gained in [(20, 26), (4, 10), (0, 6)]:
    pair = PairedComparison(n=100, only_a=lost, only_b=gained)
    low, high = pair.ci95
    print(
        f"{lost:2} lost, {gained:2} gained: {pair.difference:+.2f} "
        f"[{low:+.3f}, {high:+.3f}], p = {pair.p_value:.3f}"
    )

# %% [markdown]
# `p_value` is McNemar's exact test (1947). If neither model were better,
# each flip would be lost or gained like the toss of a fair coin. The
# p-value is the probability that the coins fall at least as unevenly as the
# flips did. Six of six is rare; 26 of 46 is not. The interval of the
# difference is that of [Agresti and Min
# (2005)](https://doi.org/10.1002/sim.1781).
#
# A p-value is not the probability that the models are equal, and a large
# one does not show that they are. It says how often *luck alone* would give
# a difference like this or larger. So this book calls the result of a
# paired test *better*, *worse* or *not shown*, never "equal".
#
# How much does pairing help? We simulate 1000 questions. Most are easy for
# both models or hard for both, and a fifth is open. The second model is
# better on the open ones, or not at all:

# %%
from statistics import NormalDist


def two_runs(gain, n=1000):
    """Right or wrong, on n questions of which a fifth is open."""
    is_open = rng.random(n) < 0.2
    easy = rng.random(n) < 0.75
    first = np.where(is_open, rng.random(n) < 0.5, easy)
    second = np.where(is_open, rng.random(n) < 0.5 + gain, easy)
    return first, second


def unpaired_p(first, second):
    """The test for two totals, as if the questions were different."""
    pooled = (first.mean() + second.mean()) / 2
    noise = np.sqrt(2 * pooled * (1 - pooled) / len(first))
    z = (second.mean() - first.mean()) / noise
    return 2 * NormalDist().cdf(-abs(z))


def paired_p(first, second):
    lost, gained = first & ~second, second & ~first
    pair = PairedComparison(len(first), int(lost.sum()), int(gained.sum()))
    return pair.p_value


# %%
alarms = {}
for gain in (0.0, 0.15):
    runs = [two_runs(gain) for _ in range(1000)]
    for p_of in (unpaired_p, paired_p):
        small = [p_of(*pair) < 0.05 for pair in runs]
        alarms[gain, p_of] = np.mean(small)
        print(
            f"truly {0.2 * gain:+.2f}, {p_of.__name__:10} "
            f"p < 0.05 in {np.mean(small):.1%}"
        )
assert alarms[0.0, paired_p] < 0.07
assert alarms[0.15, paired_p] > 2 * alarms[0.15, unpaired_p]

# %% [markdown]
# With no true difference, the paired test gives a false alarm in 3.8 % of
# the cases, within the 5 % allowed. A true difference of three points is
# detected in 85 % of the cases, and by the unpaired test in 18 %. Whether
# these 1000 questions happen to be easy or hard affects both models in the
# same way and cancels. [Miller (2024)](https://arxiv.org/abs/2411.00640)
# makes the same case for language models in general.
#
# So ask the same questions, in the same order, and keep every row.
#
# ## All stages side by side
#
# We compare four stages on all 1000 questions of the test set: the base on
# the bare question (`raw`), the base with one worked example (`cot`), and
# the two adapters that come with the package. Decoding is greedy, so for a
# given model only the choice of questions is left to chance.

# %%
from unitconv import LLM, Report, compare, evaluate, load_split

MODEL = "course"  # or your own, with your own adapters below

STAGES = {
    "raw": {"prompt": "raw"},
    "cot": {"prompt": "cot"},
    "sft": {"adapter": "sft"},
    "rft": {"adapter": "rft"},
}
test = load_split("test")
reports: dict[str, Report] = {}
for name, how in STAGES.items():
    llm = LLM.from_pretrained(MODEL, **how)
    reports[name] = evaluate(llm, test)
    print(f"{name}: {reports[name].seconds:.0f} s")

# %% [markdown]
# The same from a shell, one stage at a time, with all rows:
#
# ```bash
# unitconv evaluate --adapter rft --json report.json
# ```
#
# Two more stages come from the *record* of the trainings: the first round
# of RFT, and the control that learned from replies chosen at random, right
# or wrong. The `rft` in the package is the second round, called `rft-2` in
# the record. `python -m experiments.train_adapters` trains it again.

# %%
import pandas as pd

from unitconv.evaluation.leaderboard.stages import (
    p_text,
    read_stages,
    stage_comparisons,
)

record = read_stages()
stored = record["seeds"]["seed-0"]["rates"]["test"]

shown = {name: report.to_json() for name, report in reports.items()}
shown |= {
    "rft-1, recorded": stored["rft-1"],
    "random, recorded": stored["random"],
}
columns = {
    "n": "n",
    "accuracy": "accuracy",
    "answered": "answer_rate",
    "valid": "reasoning_validity",
    "valid: of": "reasoning_validity_n",
    "tokens": "tokens_per_answer",
}
table = pd.DataFrame(
    {
        name: {column: report[key] for column, key in columns.items()}
        for name, report in shown.items()
    }
).T.astype(float)
for end, column in enumerate(("low", "high")):
    table.insert(
        2 + end, column, [r["accuracy_ci95"][end] for r in shown.values()]
    )
table.astype({"n": int, "valid: of": int}).round(3)

# %% tags=["hide-input"]
figures.stage_rates(
    list(shown),
    [report["accuracy"] for report in shown.values()],
    [report["accuracy_ci95"] for report in shown.values()],
    [report["answer_rate"] for report in shown.values()],
).captioned("Right (bar) and answered (line) for each stage on test.")

# %%
assert table.accuracy["raw"] < min(table.accuracy[["cot", "sft", "rft"]])
assert table.tokens["sft"] == table.tokens.min()
assert table["valid: of"]["sft"] < 50

# %% [markdown]
# The columns say:
#
# - **accuracy**: the share of *all* questions answered correctly, with the
#   low and high end of its interval.
# - **answered**: the share with an answer that can be read.
# - **valid**: of the replies that state something checkable, the share that
#   states nothing false and leads from the question to the answer. *valid:
#   of* is their number. SFT states nothing, so it has no *validity*. The
#   base on the bare question calculates, but marks no answer.
# - **tokens**: what an answer costs. SFT answers at once and is the
#   cheapest; say so if you compare it with a stage that reasons.
#
# The record has three of our four rows as well, with the same accuracies:

# %%
for name, same in (("cot", "cot"), ("sft", "sft"), ("rft", "rft-2")):
    here, there = reports[name].accuracy.value, stored[same]["accuracy"]
    print(f"{name}: here {here:.3f}, recorded {there:.3f}")
    if MODEL == "course":
        assert abs(here - there) < 0.02

# %% [markdown]
# ### Accuracy over all questions, or over the answered ones?
#
# A common ratio mixes up accuracy and answer rate: it divides by the
# questions that were *answered*. We take `cot` and remove its answers for
# its worst family of units:

# %%
from dataclasses import replace

base = reports["cot"]
worst = min(base.by_family, key=lambda f: base.by_family[f].value)
silent = {"answer": float("nan"), "correct": False}
shy = replace(
    base,
    rows=[
        replace(row, **silent) if row.family == worst else row
        for row in base.rows
    ],
)

for name, report in (("cot", base), (f"cot, no {worst}", shy)):
    of_answered = report.accuracy.successes / report.answer_rate.successes
    print(
        f"{name:16} right of all {report.accuracy.value:.3f}, "
        f"right of answered {of_answered:.3f}, "
        f"answered {report.answer_rate.value:.3f}"
    )
assert shy.accuracy.value < base.accuracy.value
assert of_answered > base.accuracy.value

# %% [markdown]
# It answers fewer questions right and scores higher, .885 instead of .850.
# Report accuracy over all questions, together with the answer rate.
#
# ## Paired tests of all stages
#
# We make three comparisons, each on the same 1000 questions:

# %%
PAIRS = [("cot", "sft"), ("cot", "rft"), ("sft", "rft")]
live = {f"{a} to {b}": compare(reports[a], reports[b]) for a, b in PAIRS}
for name, pair in live.items():
    low, high = pair.ci95
    print(
        f"{name}: {pair.only_a:3} lost, {pair.only_b:3} gained, "
        f"{pair.difference:+.3f} [{low:+.3f}, {high:+.3f}], "
        f"p = {pair.p_value:.1e}"
    )


# %% [markdown]
# Look at *lost* before you look at *p*. `rft` gains 126 questions over
# `cot`, but it also loses 19 that `cot` had right. The totals hide this.
#
# ### Many tests: Holm's correction
#
# The record has many more comparisons, of several stages and seeds. Where
# there is no difference, one test in twenty still gives p < 5 %, so with
# many tests false alarms are likely. Holm's method (1979) keeps the chance
# of *any* false alarm at 5 %: the smallest p-value is multiplied by the
# number of tests, the next by one less, and so on, and none may end up
# below the one before it.

# %% tags=["nbval-check-output"]
from unitconv.evaluation.stats import holm

print(holm([0.01, 0.04, 0.03]))

# %%
compared = [c for c in stage_comparisons(record) if c.split == "test"]
m = len(compared)
print(f"{m} tests; if nothing differed and they were independent,")
print(f"chance would give a p < 0.05 among them in {1 - 0.95**m:.0%}")

SHOWN = ("cot sft", "cot rft-2", "random rft-1", "rft-right rft-1")
SHOWN += ("sft-reasoning rft-1", "rft-1 rft-2")
some = [c for c in compared if f"{c.first} {c.second}" in SHOWN]
round_2 = next(c for c in some if (c.first, c.seed) == ("rft-1", "seed-0"))
assert round_2.paired.p_value < 0.05 < round_2.adjusted_p
pd.DataFrame(
    {
        f"{c.first} to {c.second}, {c.seed}": {
            "difference": f"{c.paired.difference:+.3f}",
            "p": p_text(c.paired.p_value, digits=2),
            "Holm": p_text(c.adjusted_p, digits=2),
            "verdict": c.verdict,
        }
        for c in some
    }
).T

# %% tags=["hide-input"]
figures.differences(
    [f"{c.first} to {c.second}, {c.seed}" for c in some],
    [c.paired.difference for c in some],
    [c.paired.ci95 for c in some],
    xlabel="difference in accuracy, paired, with 95 % interval",
).captioned(
    "Paired differences with 95 % intervals; below zero the second "
    "stage is worse."
)

# %% [markdown]
# `rft-right` learned from right answers without the audit, and
# `sft-reasoning` from reasoning written by code ([chapter
# 9](09_rft.ipynb)). Holm's p counts all 57 comparisons on `test`, not only
# those shown. Four of the six pairs have the same verdict for all three
# seeds. But `rft-1` is worse than `sft-reasoning` for two seeds only, and
# the second round is a gain for one. For seed 0 it has a p of .038, enough
# for a single test, but not for one of 57.
#
# Blue intervals exclude zero, but are not adjusted for the number of tests,
# so go by the *verdict*. A tiny p-value says only that there *is* a
# difference; its size and interval say whether it matters. [The results
# page](../book/results.md) has all comparisons, on the harder questions
# too.
#
# ### Clustered standard errors
#
# The intervals so far treat the questions as independent. They are not:

# %%
from unitconv.evaluation.report import unit_pair

pairs_asked = pd.Series([unit_pair(q.text) for q in test])
wrong = np.array([not row.correct for row in base.rows])
by_pair = pd.Series(wrong).groupby(pairs_asked).sum()
worst_ten = by_pair.nlargest(10).sum() / wrong.sum()
print(f"{len(test)} questions about {len(by_pair)} pairs of units")
print(
    f"the ten pairs with most errors hold {worst_ten:.0%} of cot's errors"
)

# %% [markdown]
# Questions about the same two units need the same fact, and a model that
# gets it wrong fails on most of them. Ten such errors are less evidence
# than ten errors on ten pairs. So [Miller
# (2024)](https://arxiv.org/abs/2411.00640) asks for *clustered* standard
# errors. An accuracy is the mean of a 1 for each right question and a 0 for
# each wrong one; a difference is the mean of 1 (gained), −1 (lost) and 0
# (neither). Let $d_i$ be the deviation of question $i$ from that mean. The
# standard error is, for independent questions and for clusters $c$:
#
# $$
# \mathrm{SE} = \frac{1}{n}\sqrt{\sum_i d_i^2}
# \qquad
# \mathrm{SE}_\mathrm{clustered} =
# \frac{1}{n}\sqrt{\sum_c \Big(\sum_{i \in c} d_i\Big)^2}
# $$
#
# If the questions of a pair err together, their sum is large before it is
# squared. If not, deviations cancel and both formulas give about the same.
# `clustered_interval` computes mean ± 1.96 SE, with SE² times $G/(G-1)$ for
# $G$ clusters, as usual for the standard error of a mean:


# %%
def widths(value, simple, clustered):
    ratio = (clustered[1] - clustered[0]) / (simple[1] - simple[0])
    ends = [
        f"{low:+.3f} to {high:+.3f}" for low, high in (simple, clustered)
    ]
    return [f"{value:+.3f}", ends[0], ends[1], f"{ratio:.2f}"]


both_ways = {
    name: widths(
        reports[name].accuracy.value,
        reports[name].accuracy.ci95,
        reports[name].accuracy_clustered_ci95,
    )
    for name in ("cot", "sft", "rft")
} | {
    name: widths(pair.difference, pair.ci95, pair.clustered_ci95)
    for name, pair in live.items()
}
pd.DataFrame(
    both_ways, index=["value", "simple", "clustered", "times as wide"]
).T

# %% [markdown]
# The clustered intervals are 1.7 to 2.1 times as wide, except for the
# accuracy of `rft`, whose errors are hardly clustered. Quote the clustered
# ones. McNemar's test treats the flips as independent too. So a verdict in
# this book asks for two things: Holm's p below 5 % and, if the rows are
# available, a clustered interval that excludes zero. With fewer than about
# 30 clusters even this interval is too narrow.

# %%
live_p = holm([pair.p_value for pair in live.values()])
for (name, pair), p in zip(live.items(), live_p, strict=True):
    a, b = name.split(" to ")
    print(f"{b} against {a}: {pair.verdict(p)} (Holm p = {p:.1e})")

# %% [markdown]
# ### Sample size
#
# Before an experiment, ask whether it could show what you hope for. Suppose
# the true difference is $d$ and a share $f$ of the questions flips in
# either direction. One question contributes 1, −1 or 0, with variance
# $f-d^2$, hardly less than $f$, so the mean of $n$ questions has the
# standard error $\sqrt{f / n}$. To be significant, the measured difference
# must be 1.96 standard errors from zero. For this to happen in 80 % of all
# experiments (the *power* of the test), the true difference must be 0.84
# standard errors larger:
#
# $$
# d = (1.96 + 0.84) \sqrt{f / n}
# \quad\Rightarrow\quad
# n = \frac{7.85\, f}{d^2}
# $$


# %%
def questions_needed(difference, flips, power=0.8):
    normal = NormalDist()
    z = normal.inv_cdf(0.975) + normal.inv_cdf(power)
    return z**2 * flips / difference**2


flip_shares = {f"{f:.0%} flip": f for f in (0.05, 0.1, 0.2)}
changed = live["cot to rft"]
flip_shares["as cot to rft"] = (changed.only_a + changed.only_b) / changed.n
pd.DataFrame(
    {
        f"{d:.0%} difference": {
            name: f"{questions_needed(d, f):,.0f}"
            for name, f in flip_shares.items()
        }
        for d in (0.01, 0.02, 0.05)
    }
)

# %%
n = round(questions_needed(0.02, 0.1))
flipped = rng.multinomial(n, [0.04, 0.06, 0.9], size=1000)
seen = [
    PairedComparison(n, lost, gained).p_value < 0.05
    for lost, gained, _ in flipped.tolist()
]
print(f"{n} questions, 4 % lost, 6 % gained: seen in {np.mean(seen):.0%}")
assert 0.7 < np.mean(seen) < 0.87

# %% [markdown]
# Half the difference needs four times the questions. Fewer flips need
# fewer: two versions of one model are easier to compare than two models
# that fail on different questions. The simulation gives 78 %, close to the
# planned 80 %. For clustered errors, multiply by the square of *times as
# wide* above.
#
# ## Training seeds
#
# Every interval so far asks what would happen with *other questions*, and
# takes the trained model as given. But another training seed changes the
# order of the rows, the start of the adapter and the rollouts, and so gives
# another model.

# %%
spread = {
    name: rates["accuracy"]
    for name, rates in record["spread"]["test"].items()
}
rows = {}
for name, found in spread.items():
    n = record["seeds"]["seed-0"]["rates"]["test"][name]["n"]
    mean = found["mean"]
    rows[name] = {
        "seeds": len(found["values"]),
        "mean": mean,
        "lowest": min(found["values"]),
        "highest": max(found["values"]),
        "sd over seeds": found["sd"],
        "sd over questions": (mean * (1 - mean) / n) ** 0.5,
    }
pd.DataFrame(rows).T.astype({"seeds": int}).round(4)

# %% tags=["hide-input"]
figures.grouped_intervals(
    {
        seed: {
            stage: (rate["accuracy"], rate["accuracy_ci95"])
            for stage, rate in run["rates"]["test"].items()
        }
        for seed, run in record["seeds"].items()
    },
    xlabel="accuracy on the test set, one dot per seed",
).captioned("Accuracy of each stage; a dot is a seed.")

# %% [markdown]
# There are two kinds of noise:
#
# - *sd over questions* is what the intervals show. More questions make it
#   smaller; more seeds do not, because all of them answer the same ones.
# - *sd over seeds* is how much one training differs from the next. More
#   trainings average it out; more questions do not. `cot` is not trained
#   and has none.
#
# To say "this adapter is better than that one", the paired test is enough.
# "RFT is better than SFT" is a statement about two *recipes*: you need
# several seeds of each, and all results of one should be above those of the
# other, as for `rft-2` and `sft`. With three seeds each, chance alone does
# this once in ten times: two of the twenty ways to divide six results into
# three and three. [Bouthillier et al.
# (2021)](https://arxiv.org/abs/2103.03098) measure how much seeds and
# splits move common benchmarks.
#
# How well do three seeds measure their spread? We draw three numbers with a
# true sd of 1, many times:

# %%
draws = rng.normal(size=(10_000, 3)).std(axis=1, ddof=1)
low, high = np.quantile(draws, [0.025, 0.975])
print(f"the sd of three: from {low:.2f} to {high:.2f} in 95 %")
assert low < 0.25
assert high > 1.8

# %% [markdown]
# So the sd of three seeds is only a hint. Report the three values.
#
# ## Error classes before and after
#
# The grader sorts each wrong answer into the first class that fits. *Wrong
# fact* and *wrong arithmetic* are false statements that the audit found in
# the text. The next three go by the answer alone: it results from dividing
# instead of multiplying (*wrong direction*), or is right for another unit
# of the same name (*namesake*) or of the same family (*another unit*).

# %%
failures = {name: reports[name].failures for name in STAGES}
pd.DataFrame(failures)

# %% tags=["hide-input"]
classes = list(failures["cot"])
figures.before_after(
    classes,
    {
        name: [failures[name][c] / len(test) for c in classes]
        for name in ("cot", "sft", "rft")
    },
    xlabel="share of all questions",
).captioned("Errors by class, before and after training.")

# %% [markdown]
# In this table SFT has no wrong facts and no wrong arithmetic. But it no
# longer *states* any: a reply that is only a number has nothing to check.
# Most of its mistakes, 368, end up in "other".

# %%
of_sft = failures["sft"]
explained = of_sft["wrong fact"] + of_sft["wrong arithmetic"]
print(explained, "of", sum(of_sft.values()), "errors of SFT are stated")
assert explained <= 0.1 * sum(of_sft.values())

# %% [markdown]
# Here are the same errors by family of units. Each bar is the share of
# wrong answers, with its 95 % interval:

# %% tags=["hide-input"]
from collections import Counter


def errors_in(name, family):
    """Shares of a family's questions by what went wrong, and of all."""
    rows = [row for row in reports[name].rows if row.family == family]
    counts = Counter(row.failure for row in rows)
    wrong = Proportion(len(rows) - counts[None], len(rows))
    return {c: counts[c] / len(rows) for c in classes}, wrong.ci95


families = list(reports["cot"].by_family)
found = {
    name: {family: errors_in(name, family) for family in families}
    for name in ("cot", "sft", "rft")
}
figures.errors_by_group(
    {
        name: {family: shares for family, (shares, _) in by.items()}
        for name, by in found.items()
    },
    {
        name: {family: ends for family, (_, ends) in by.items()}
        for name, by in found.items()
    },
    xlabel="Share of the family's questions that went wrong",
).captioned("Errors by family of units and class, with 95 % intervals.")

# %% [markdown]
# `cot` is worst on speeds. Two classes hold 126 of its 151 errors, and they
# occur on different questions. A conversion is *two-hop* if its units are
# far apart, such as days and seconds. Of the other questions, a product is
# *long* if the quantity and the factor both have two digits or more:

# %%
from unitconv import parse_question


def kind(row):
    """What makes a question hard, if anything."""
    asked = parse_question(row.question)
    return "two-hop" if asked.difficulty == "two-hop" else asked.product


MENDED = ("another unit", "wrong arithmetic")
where = {"questions": Counter(map(kind, base.rows))}
for failure in MENDED:
    for name in ("cot", "rft"):
        wrong = [r for r in reports[name].rows if r.failure == failure]
        where[f"{failure}, {name}"] = Counter(map(kind, wrong))
where = pd.DataFrame(where).fillna(0).astype(int)
assert where["another unit, cot"].idxmax() == "two-hop"
assert where["wrong arithmetic, cot"].idxmax() == "long product"
where

# %% [markdown]
# Between distant units `cot` often stops halfway: asked for feet per
# second, it converts miles per hour into kilometers per hour and answers
# that. Such errors fall from 61 to 9 of 148, and wrong arithmetic on long
# products from 40 to 12 of 143.
#
# ### Errors of SmolLM2
#
# [Chapter 12](12_smollm2.ipynb) measures SmolLM2 in the same way, on a
# thousand questions. With examples alone, 538 replies have wrong facts.
# After SFT on reasoning these are 14, and most of the 223 errors are wrong
# arithmetic (131). SmolLM2 first lacked facts, and then calculation.
#
# ### How much of the gain is the choice of a gallon?
#
# The base has read about UK gallons and binary kilobytes, and cannot know
# which ones *we* mean. A model that learns this from our answers gains
# without converting any better. The record counts such *namesakes*, the
# questions whose answer was right for the other unit and is now right for
# ours, minus those that changed the other way:

# %%
for seed, run in record["seeds"].items():
    for split, compared_there in run["compared"].items():
        pair = compared_there["cot rft-2"]
        net = pair["only_second"] - pair["only_first"]
        units = pair["alternative_unit"]
        convention = units["gained"] - units["lost"]
        print(f"{seed}, {split}: {convention} of {net} net questions")
        assert convention < net / 3

# %% [markdown]
# For all three seeds, namesakes explain at most 3 % of the gain.
#
# ### Reading the replies
#
# Before you believe a story about classes, read replies. Here are four
# questions that RFT gained over the base, two of each class above, and four
# that it lost:

# %%
from textwrap import fill


def flips(a, b):
    """Pairs of rows: wrong in `a` and right in `b`."""
    pairs = zip(reports[a].rows, reports[b].rows, strict=True)
    return [(x, y) for x, y in pairs if y.correct and not x.correct]


def show(pairs, first, second):
    for before, after in pairs:
        print(f"{before.question}  (truth {before.truth:g})")
        for name, row in ((first, before), (second, after)):
            text = f"   {name}: {row.text.strip()}"
            print(fill(text, 72, subsequent_indent="        "))


gained, lost = flips("cot", "rft"), flips("rft", "cot")
print(len(gained), "gained, of which four:\n")
for failure in MENDED:
    show([p for p in gained if p[0].failure == failure][:2], "cot", "rft")

# %%
print(len(lost), "lost, of which four:\n")
show(lost[:4], "rft", "cot")

# %% [markdown]
# Reading shows some patterns that we can count:
#
# - **left half-way**: the reply converts to a third unit and stops. Its
#   statements are true, but do not lead to the answer. The grader's class
#   *another unit* is mostly this;
# - **another question**: it converts a unit that was not given;
# - **a namesake**: "1 UK gallon = 4.546 l" is true of another gallon. The
#   grader's class of this name needs a right product too;
# - **a false product** or **a false sum**: the first false line counts;
# - **steps that do not add up**: a sum of true partial products leaves one
#   out or takes one twice;
# - **another number**: the quantity is not that of the question.

# %%
import re
from contextlib import suppress
from itertools import chain

from unitconv.evaluation.reasoning_path import uses_steps
from unitconv.grading.audit import audit_reasoning
from unitconv.grading.expression_parser import chains
from unitconv.task.units import ALTERNATIVE_UNITS, UnitError, resolve

NAMESAKE = re.compile(
    r"\b(?:" + "|".join({r.split()[0] for r in ALTERNATIVE_UNITS}) + r")\b"
)
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def stated_units(text):
    """The units that the equations of a text convert, by name."""
    names = set()
    for left, right in chain.from_iterable(chains(text)):
        if left and right and left.unit and right.unit:
            with suppress(UnitError):
                names |= {u.name for u in resolve(left.unit, right.unit)}
    return names


def pattern(row):
    """What a wrong answer looks like to a reader, the first that fits."""
    reasoning = row.text.partition("<answer>")[0]
    numbers = [float(n) for n in NUMBER.findall(reasoning)]
    asked, units = parse_question(row.question), stated_units(reasoning)
    claims = audit_reasoning(row.text, row.question).claims
    false = [claim.text for claim in claims if claim.verdict is False]
    fits = {
        "no answer": not row.answered,
        "no reasoning": not numbers,
        "namesake": NAMESAKE.search(reasoning),
        "another question": asked.source not in units,
        "left half-way": asked.target not in units,
        "false fact": row.facts_ok is False,
        "false sum": false and "+" in false[0],
        "false product": false,
        "steps that do not add up": uses_steps(row.text),
        "another number": asked.quantity not in numbers,
        "rest": True,
    }
    return next(name for name, found in fits.items() if found)


def count_patterns(reports):
    found = {
        name: Counter(pattern(r) for r in report.rows if not r.correct)
        for name, report in reports.items()
    }
    return pd.DataFrame(found).fillna(0).astype(int).sort_index()


count_patterns({name: reports[name] for name in ("cot", "sft", "rft")})

# %% [markdown]
# A reply with two mistakes is counted for the first pattern that the code
# tests. Most errors of `cot` are left half-way or false products. We found
# the patterns on these very rows, so the counts describe only this test
# set.
#
# ## Harder questions
#
# The questions of `test` are worded like those of the training, and those
# of `test_hard` are not. They also have larger quantities and finer
# fractions. `train_hard` has such quantities too, but the conversions and
# wordings of `test_hard` are in no training set. For seed 0, by difficulty:

# %%
NAMES = {"cot": "cot", "sft": "sft", "rft": "rft-2"}
rates = record["seeds"]["seed-0"]["rates"]


def by_difficulty(stage, value):
    return {
        f"{split}: {kind}": found[value]
        for split in rates
        for kind, found in rates[split][stage]["by_difficulty"].items()
    }


pd.DataFrame(
    {"n": by_difficulty("cot", "n")}
    | {name: by_difficulty(NAMES[name], "accuracy") for name in NAMES}
).round(3)

# %%
for name, key in NAMES.items():
    easy, hard = (of_split[key]["accuracy"] for of_split in rates.values())
    print(f"{name}: test {easy:.3f}, hard {hard:.3f}")
    assert hard < easy

# %% [markdown]
# Every stage scores 12 to 25 points lower here. Do the differences between
# the stages remain? Again we compare in pairs, with clustered intervals:

# %%
hard = {
    name: evaluate(
        LLM.from_pretrained(MODEL, **STAGES[name]), load_split("test_hard")
    )
    for name in ("cot", "sft", "rft")
}
on_hard = {(a, b): compare(hard[a], hard[b]) for a, b in PAIRS}
hard_p = holm([pair.p_value for pair in on_hard.values()])
for ((a, b), pair), p in zip(on_hard.items(), hard_p, strict=True):
    low, high = pair.clustered_ci95
    print(
        f"{b} against {a}: {pair.only_a} lost, {pair.only_b} gained, "
        f"{pair.difference:+.3f} [{low:+.3f}, {high:+.3f}],\n"
        f"    Holm p = {p:.1e}: {pair.verdict(p)}"
    )

# %% [markdown]
# The verdicts are those on `test`. The other two seeds have the same
# verdicts against `cot` ([the results page](../book/results.md)).
#
# Which part of the skill fails? For replies with reasoning the audit can
# answer, because it checks facts and products separately:

# %%
PARTS = {
    "facts true": "fact_validity",
    "products true": "arithmetic_validity",
}
parts = pd.DataFrame(
    {
        f"{name}, {split}": {
            part: asked[name].rates()[rate].value
            for part, rate in PARTS.items()
        }
        for name in ("cot", "rft")
        for split, asked in (("test", reports), ("test_hard", hard))
    }
).T
for name in ("cot", "rft"):
    fall = parts.loc[f"{name}, test"] - parts.loc[f"{name}, test_hard"]
    assert fall["products true"] > fall["facts true"]
    assert parts.loc[f"{name}, test_hard", "facts true"] > 0.8
parts.round(3)

# %% [markdown]
# Nearly all facts stay true, since a factor does not depend on the
# quantity. The share of true products falls, from .89 to .49 for `cot` and
# from .96 to .81 for `rft`. How do the two models work out the long
# products?

# %%
ways = Counter()
for before, after in zip(hard["cot"].rows, hard["rft"].rows, strict=True):
    if parse_question(before.question).product == "long product":
        taken = [
            "in steps" if uses_steps(row.text) else "at once"
            for row in (before, after)
        ]
        way = "cot {}, rft {}".format(*taken)
        ways[way, "questions"] += 1
        ways[way, "gained"] += after.correct and not before.correct
        ways[way, "lost"] += before.correct and not after.correct
ways = pd.Series(ways).unstack()[["questions", "gained", "lost"]]
net = ways["gained"] - ways["lost"]
assert net["cot at once, rft in steps"] > on_hard["cot", "rft"].n * 0.1
ways

# %% [markdown]
# Most of the gain, 85 of 96 questions net, is in the second line: the base
# works the product out at once and the adapter in steps. Where both go the
# same way, gains and losses nearly balance. So `rft` gains mostly by taking
# steps.
#
# What goes wrong on these questions?

# %%
count_patterns({name: hard[name] for name in ("cot", "rft")})

# %% [markdown]
# More steps mean more sums to get wrong: `rft` has 19 false sums and `cot`
# 8, and it has more steps that do not add up. It also converts a unit that
# was not given (*another question*) more often. Reading those replies
# points to one wording:

# %%
both = zip(hard["cot"].rows, hard["rft"].rows, strict=True)
odd = [pair for pair in both if pair[0].question.endswith("i mean")]
for name, rows in zip(("cot", "rft"), zip(*odd, strict=True), strict=True):
    print(f"{name}: {sum(r.correct for r in rows)} of {len(rows)} right")
show(odd[:2], "cot", "rft")

# %% [markdown]
# ### Quantity or wording: one change at a time
#
# We found this by looking, on 18 questions, and `test_hard` changes both
# quantity *and* wording. So we test each alone, on conversions of `test`:

# %%
import random

from unitconv import Question
from unitconv.evaluation.stats import clustered_interval
from unitconv.task.question_templates import HARD_TEMPLATES, TEMPLATES

dice = random.Random(0)
asked = [parse_question(q.text) for q in dice.sample(test, 120)]
small = [c for c in asked if c.quantity.is_integer()]
large = [replace(c, quantity=float(dice.randrange(13, 100))) for c in small]
seen = [dice.choice(TEMPLATES) for _ in small]
ODD = next(text for text in HARD_TEMPLATES if text.endswith("i mean"))


def written(conversions, phrasings):
    return [
        Question(
            phrasing.format(
                quantity=f"{c.quantity:g}", source=c.source, target=c.target
            ),
            c.answer,
        )
        for c, phrasing in zip(conversions, phrasings, strict=True)
    ]


questions = {
    "as trained": written(small, seen),
    "larger quantity": written(large, seen),
    "odd wording": written(small, [ODD] * len(small)),
}
for version in questions.values():
    print(version[0].text)

# %%
effects = {}
for name in ("cot", "rft"):
    llm = LLM.from_pretrained(MODEL, **STAGES[name])
    right = {
        version: [row.correct for row in evaluate(llm, some_questions).rows]
        for version, some_questions in questions.items()
    }
    for version in list(questions)[1:]:
        pairs = list(zip(right["as trained"], right[version], strict=True))
        lost, gained = map(pairs.count, [(True, False), (False, True)])
        effects[name, version] = PairedComparison(
            len(pairs),
            lost,
            gained,
            clustered_interval(
                [float(after - before) for before, after in pairs],
                [f"{c.source} {c.target}" for c in small],
            ),
        )
effect_p = holm([effect.p_value for effect in effects.values()])
for (change, effect), p in zip(effects.items(), effect_p, strict=True):
    low, high = effect.clustered_ci95
    print(
        f"{', '.join(change)}: {effect.difference:+.2f} "
        f"[{low:+.2f}, {high:+.2f}], Holm p = {p:.1e}: {effect.verdict(p)}"
    )
assert effects["cot", "larger quantity"].clustered_ci95[1] < 0
assert effects["rft", "odd wording"].clustered_ci95[1] < -0.3

# %% [markdown]
# A larger quantity costs `cot` 25 points; for `rft` no drop is shown. The
# odd wording costs `cot` 14 points and `rft` 85. The totals do not show
# that. (The prompts differ as well: `rft` gets no example.) So test your
# users' wordings.
#
# ## Right for the wrong reasons
#
# Some right answers have reasoning that is not valid:

# %%
for name in ("cot", "rft"):
    rows = reports[name].rows
    right = pd.Series([row.correct for row in rows], name="right")
    valid = pd.Series([str(row.reasoning_ok) for row in rows], name="valid")
    print(name, pd.crosstab(right, valid), sep="\n", end="\n\n")

# %%
for name in ("cot", "rft"):
    rows = [row for row in reports[name].rows if row.correct]
    lucky = [row for row in rows if row.reasoning_ok is False]
    for fault, count in Counter(row.fault for row in lucky).items():
        print(f"{name}: right, but {fault}: {count}, for example")
        for row in [row for row in lucky if row.fault == fault][:3]:
            print(f"   {row.question}  (truth {row.truth:g})")
            text = "      " + row.text.strip()
            print(fill(text, 72, subsequent_indent="      "))


# %% [markdown]
# Of these 72 replies, 70 state something false. The examples shown are
# products with wrong digits, close enough for the grader. RFT learned only
# from audited replies and still writes 21 such replies.
#
# The tolerance of 5 % allows rounded factors, but also a wrong digit in the
# middle of a product. How much of the accuracy depends on it?


# %%
def accuracy_within(report, tolerance):
    close = sum(
        abs(row.answer - row.truth) <= tolerance * abs(row.truth)
        for row in report.rows
    )
    return close / len(report.rows)


def audited(report):
    """Right, with valid reasoning."""
    passed = [row.correct and row.reasoning_ok for row in report.rows]
    return sum(map(bool, passed)) / len(passed)


strict = pd.DataFrame(
    {
        name: {
            f"within {t:.1%}": accuracy_within(reports[name], t)
            for t in (0.05, 0.01, 0.001)
        }
        | {"right and valid": audited(reports[name])}
        for name in ("cot", "sft", "rft")
    }
)
assert all(strict.loc["within 0.1%"] < strict.loc["within 5.0%"])
strict.round(3)

# %% [markdown]
# The first line is the grade, except that the grader rounds to three
# decimals first. A strict tolerance counts honest rounding as a mistake; a
# generous one accepts wrong digits. The audit finds these: its rate nearly
# equals that of the strictest tolerance. The last line does not apply to
# `sft`, which does not reason. And stated reasoning need not be how the
# answer was found ([Turpin et al. 2023](https://arxiv.org/abs/2305.04388)).
#
# ## Four traps
#
# ### A parser that guesses
#
# "The model knew it, it only forgot the tag." So an evaluator may take the
# last number in the reply, or accept the truth anywhere in it:

# %%
from unitconv import is_correct, parse_answer


def numbers_in(text):
    return [float(n) for n in NUMBER.findall(text.replace(",", ""))]


def by_parser(texts):
    """Share right of the test questions, read in three ways."""
    tag = last = anywhere = 0
    for question, text in zip(test, texts, strict=True):
        right = [is_correct(x, question.answer) for x in numbers_in(text)]
        tag += is_correct(parse_answer(text), question.answer)
        last += right[-1:] == [True]
        anywhere += any(right)
    counts = {"the tag": tag, "last number": last, "any number": anywhere}
    return {name: count / len(test) for name, count in counts.items()}


parsers = pd.DataFrame(
    {
        name: by_parser([row.text for row in report.rows])
        for name, report in reports.items()
    }
)
help_given = parsers.loc["any number"] - parsers.loc["the tag"]
assert help_given["raw"] == help_given.max() > 0
parsers.round(3)

# %% [markdown]
# The base on the bare question rises from 0 to .782. Here is one of its
# credits:

# %%
credit = next(
    row
    for row in reports["raw"].rows
    if not row.correct
    and any(is_correct(x, row.truth) for x in numbers_in(row.text))
)
print(f"{credit.question}  (truth {credit.truth:g})\n---")
print(re.sub(r"\n+", "\n", credit.text).strip())

# %% [markdown]
# This reply gives its answer in another tag. In other replies the number
# may just be one of many. The generous parser accepts both, so it favors
# long replies. The next model replies to every question with the same list,
# the powers of 1.1:

# %%
powers = " ".join(f"{1.1**k:.4f}" for k in range(-50, 171))
listed = by_parser([powers] * len(test))
print(powers[:66], "...")
print({name: round(share, 3) for name, share in listed.items()})
assert listed["any number"] > 0.9


# %% [markdown]
# With a tolerance of 5 %, one of them is nearly always close enough.
#
# ### A leak between training and test
#
# In chapter 1 we pooled the questions, shuffled them, split them again, and
# found conversions on both sides. How much does such a leak add to a score?
# This model is a table that looks up the conversions it was trained on, and
# otherwise gives no answer:


# %% tags=["nbval-check-output"]
def lookup_accuracy(train, test):
    table = {parse_question(q.text): q.answer for q in train}
    known = [table.get(parse_question(q.text)) for q in test]
    pairs = zip(known, test, strict=True)
    found = sum(a is not None and is_correct(a, q.answer) for a, q in pairs)
    return found / len(test)


train = load_split("train")
pool = train + test
random.Random(0).shuffle(pool)
half = len(train)
print(f"cut between conversions: {lookup_accuracy(train, test):.3f}")
shuffled = lookup_accuracy(pool[:half], pool[half:])
print(f"cut between sentences:   {shuffled:.3f}")
assert lookup_accuracy(train, test) == 0
assert shuffled > 0.05

# %% [markdown]
# A table that cannot convert anything answers a tenth of the questions. A
# model can gain from the leak too, and no interval or paired test would
# notice.
#
# ### Choosing on the test set
#
# You train twenty variants, evaluate them all on the test set and report
# the best. Suppose they are all *equally* good, exactly 80 %:

# %%
TRUE, VARIANTS = 0.8, 20
scores = rng.binomial(1000, TRUE, size=(10_000, VARIANTS)) / 1000
best = scores.max(axis=1)
print(f"the best of {VARIANTS} scores {best.mean():.3f} on average")
print(f"it is above {TRUE} in {np.mean(best > TRUE):.1%} of the cases")
assert best.mean() > TRUE + 0.02

# %% tags=["hide-input"]
figures.chance(
    (100 * best).tolist(),
    mark=82,
    xlabel="best score of 20 equal models, in percent; the truth is 80",
    label="82 or more",
    width=0.1,
).captioned("The best of twenty equal models, in simulations.")

# %% [markdown]
# With 100 questions the excess would be three times as large. The remedy
# costs little: choose on one set, here `valid`, and report on another:

# %%
chosen = scores.argmax(axis=1)  # on "valid"
fresh = rng.binomial(1000, TRUE, size=scores.shape) / 1000  # on "test"
reported = fresh[np.arange(len(fresh)), chosen]
print(f"the same choice, on a fresh test set: {reported.mean():.3f}")
assert abs(reported.mean() - TRUE) < 0.002

# %% [markdown]
# It also happens slowly: each time you look at the test set, change
# something and look again, you choose on it a little (Dwork et al. 2015).
#
# ### Comparing different questions or settings
#
# Two reports can be compared only if the questions, the prompt, the
# decoding and the parser are the same, except for the one thing that is
# tested. So a report records what ran, the versions and all rows. `compare`
# refuses different questions:

# %% tags=["nbval-check-output"]
fewer = replace(reports["rft"], rows=reports["rft"].rows[:500])
try:
    compare(reports["cot"], fewer)
except ValueError as error:
    print(error)

# %% [markdown]
# `Report.from_json` reads what `--json` wrote, so a comparison needs no
# second run:

# %%
import json

written_down = json.dumps(reports["rft"].to_json(rows=True))
again = Report.from_json(json.loads(written_down))
assert compare(again, reports["rft"]).difference == 0
run = {k: v for k, v in again.run.items() if k in ("adapter", "prompt")}
print(run | {"temperature": again.run["decoding"]["temperature"]})

# %% [markdown]
# ## Checklist for a report
#
# A report about a model should say:
#
# 1. which model, prompt, decoding and parser; which questions, and what
#    keeps them out of the training;
# 2. accuracy over *all* questions, n and interval; the answer rate;
# 3. the difference from the baseline on the same questions, with clustered
#    interval, paired p-value and the number of tests made;
# 4. how many seeds, and the value of each;
# 5. what an answer costs;
# 6. what kinds of errors are left, and on which questions.
#
# ## Exercises
#
# ```{exercise} Warm-up: a p-value by coins
# :label: ex-coins
#
# A new model loses some questions and gains others. Toss as many fair coins
# as there are flips, very often, and return how often they fall at least as
# unevenly. You may also count; the check allows for the noise of 100,000
# tosses.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv import attempt


def by_coins(lost, gained):
    """How often fair coins fall at least as lopsided, to either side."""
    raise NotImplementedError


def check_by_coins(by_coins):
    for lost, gained in [(3, 12), (12, 3), (20, 26), (0, 6), (5, 5)]:
        pair = PairedComparison(n=1000, only_a=lost, only_b=gained)
        share = by_coins(lost, gained)
        assert 0 <= share <= 1, "a share lies between 0 and 1"
        assert abs(share - pair.p_value) < 0.01, (
            f"{lost} lost, {gained} gained: McNemar's p-value is another"
        )


attempt(check_by_coins, by_coins)

# %% [markdown]
# ```{solution-start} ex-coins
# :class: dropdown
# ```


# %%
def by_coins(lost, gained):
    flips = lost + gained
    heads = rng.binomial(flips, 0.5, size=100_000)
    return np.mean(np.abs(2 * heads - flips) >= abs(gained - lost))


print(f"3 lost, 12 gained: {by_coins(3, 12):.3f}")

# %% [markdown]
# Questions on which the models agree do not matter here: they say only that
# the difference is small.

# %% tags=["solution", "nbval-check-output"]
attempt(check_by_coins, by_coins)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Overlap is not a test
# :label: ex-overlap
#
# Find two results on the same 1000 questions whose Wilson intervals
# overlap although the paired test gives p < 0.001.
# ```

# %% tags=["exercise", "nbval-check-output"]
both, only_old, only_new = 0, 0, 0  # right with both, with one alone


def check_overlap(both, only_old, only_new):
    assert both + only_old + only_new <= 1000, "there are 1000 questions"
    pair = PairedComparison(n=1000, only_a=only_old, only_b=only_new)
    assert pair.p_value < 0.001, "the paired test is not below 0.001"
    old, new = (
        Proportion(both + only_old, 1000),
        Proportion(both + only_new, 1000),
    )
    assert min(old.ci95[1], new.ci95[1]) > max(old.ci95[0], new.ci95[0]), (
        "the intervals do not overlap"
    )


attempt(check_overlap, both, only_old, only_new)

# %% [markdown]
# ```{solution-start} ex-overlap
# :class: dropdown
# ```

# %%
both, only_old, only_new = 795, 5, 30
old, new = (
    Proportion(both + only_old, 1000),
    Proportion(both + only_new, 1000),
)
pair = PairedComparison(n=1000, only_a=only_old, only_b=only_new)
print(f"{old.ci95[1]:.3f} > {new.ci95[0]:.3f}, p = {pair.p_value:.1e}")

# %% [markdown]
# There are few flips, nearly all in one direction. Both intervals include
# the luck of the draw; in the paired difference it cancels.

# %% tags=["solution", "nbval-check-output"]
attempt(check_overlap, both, only_old, only_new)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Six families, one Holm
# :label: ex-families
#
# Compare `cot` with `rft` in each family, from the rows of `reports`. How
# many of the six p-values are below 0.05 before Holm's method, and how many
# after?
# ```

# %% tags=["exercise", "nbval-check-output"]
by_unit = {}  # family: its `PairedComparison`
below = ()  # how many before Holm, how many after


def check_by_unit(by_unit, below):
    before, after = reports["cot"].by_family, reports["rft"].by_family
    assert set(by_unit) == set(before), "not each family has a comparison"
    for family, pair in by_unit.items():
        assert pair.n == before[family].n, f"{family}: n is another"
        gain = after[family].value - before[family].value
        assert abs(pair.difference - gain) < 1e-9, (
            f"{family}: the accuracies differ by another number"
        )
    whole = compare(reports["cot"], reports["rft"])
    assert sum(pair.only_a for pair in by_unit.values()) == whole.only_a, (
        "the questions lost do not add up to those of the whole test set"
    )
    plain = [pair.p_value for pair in by_unit.values()]
    counts = [
        sum(p < 0.05 for p in values) for values in (plain, holm(plain))
    ]
    assert list(below) == counts, "another number of them is below 0.05"


attempt(check_by_unit, by_unit, below)

# %% [markdown]
# ```{solution-start} ex-families
# :class: dropdown
# ```


# %%
def only(report, family):
    rows = [row for row in report.rows if row.family == family]
    return replace(report, rows=rows)


by_unit = {
    family: compare(
        only(reports["cot"], family), only(reports["rft"], family)
    )
    for family in families
}
plain = [pair.p_value for pair in by_unit.values()]
careful = holm(plain)
below = sum(p < 0.05 for p in plain), sum(p < 0.05 for p in careful)
families_asked = pd.Series([row.family for row in base.rows])
print(f"{below[0]} below 0.05 before Holm, {below[1]} after")
pd.DataFrame(
    {
        family: {
            "n": str(pair.n),
            "pairs": str(pairs_asked[families_asked == family].nunique()),
            "difference": f"{pair.difference:+.3f}",
            "p": f"{pair.p_value:.1e}",
            "Holm": f"{p:.1e}",
            "verdict": pair.verdict(p),
        }
        for (family, pair), p in zip(by_unit.items(), careful, strict=True)
    }
).T

# %% [markdown]
# All six p-values stay below 0.05, but only five families are *better*. The
# 100 questions about data cover only 7 pairs of units, so their clustered
# interval is wide and includes zero. No family has thirty pairs, so even
# these intervals are a little too narrow.

# %% tags=["solution", "nbval-check-output"]
attempt(check_by_unit, by_unit, below)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} More seeds or more questions?
# :label: ex-two-noises
#
# The models of a recipe are right in 80 % of the cases on average, with an
# sd of 2 points over seeds. You train several, and all answer the same n
# questions; assume that the noise of the questions is the same for all of
# them. What is the sd of your measured mean around the mean of the recipe?
# Simulate it or derive it. Then choose: 3 trainings on 1000 questions, 12
# on 1000, or 3 on 10,000?
# ```

# %% tags=["exercise", "nbval-check-output"]


def noise_of_mean(trainings, n):
    """The sd of the measured mean, as a share of 1."""
    raise NotImplementedError


def check_noise_of_mean(noise_of_mean):
    for trainings, n, expected, hint in [
        (4, 10**9, 0.01, "where questions abound, seeds are what is left"),
        (1, 400, 0.02828, "two noises of the same size add up otherwise"),
        (400, 1600, 0.01005, "seeds do not average the questions out"),
    ]:
        found = noise_of_mean(trainings, n)
        assert abs(found - expected) < 0.03 * expected, (
            f"{trainings} trainings, {n} questions: {hint}"
        )


attempt(check_noise_of_mean, noise_of_mean)

# %% [markdown]
# ```{solution-start} ex-two-noises
# :class: dropdown
# ```
#
# The two are independent, so their variances add: $0.02^2$ divided by the
# number of trainings, and $0.8 \cdot 0.2$ divided by the number of
# questions.


# %%
def noise_of_mean(trainings, n):
    return (0.02**2 / trainings + 0.8 * 0.2 / n) ** 0.5


for trainings, n in [(3, 1000), (12, 1000), (3, 10_000)]:
    noise = noise_of_mean(trainings, n)
    print(f"{trainings:2} trainings, {n:6,} questions: {noise:.4f}")

# %% [markdown]
# Here 3 trainings on 10,000 questions are the least noisy. More trainings
# do not reduce the noise of the questions, nor the other way round.

# %% tags=["solution", "nbval-check-output"]
attempt(check_noise_of_mean, noise_of_mean)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: peeking
# :label: ex-peeking
#
# You compare two models and look after every 50 questions. As soon as
# `paired_p` gives p < 0.05 you stop and report a difference. Write a
# function that says whether you ever do. How often does this happen for two
# *equal* models within 1000 questions?
# ```

# %% tags=["exercise", "nbval-check-output"]


def reports_a_difference(first, second):
    """Of two runs of 1000, arrays of right or wrong: ever p < 0.05?"""
    raise NotImplementedError


def two_arrays(stretches):
    """Two runs from stretches of (questions, who is right)."""
    right = {"both": (1, 1), "first": (1, 0), "second": (0, 1)}
    pairs = [right[who] for count, who in stretches for _ in range(count)]
    return np.array(pairs, dtype=bool).T


def check_peeking(reports_a_difference):
    for stretches, expected, wrong in [
        ([(1000, "both")], False, "equal runs are said to differ"),
        (
            [(960, "both"), (40, "second")],
            True,
            "what is clear in the end is not reported",
        ),
        (
            [(2, "second"), (48, "both")] * 20,
            True,
            "a lead that grows slowly is not reported",
        ),
        (
            [(60, "second"), (60, "first"), (880, "both")],
            True,
            "what looks clear after 50 questions is not reported",
        ),
        (
            [(20, "second"), (20, "first"), (960, "both")],
            False,
            "a lead that is gone by question 50 is reported",
        ),
    ]:
        found = reports_a_difference(*two_arrays(stretches))
        assert bool(found) == expected, wrong


attempt(check_peeking, reports_a_difference)

# %% [markdown]
# ```{solution-start} ex-peeking
# :class: dropdown
# ```


# %%
def reports_a_difference(first, second):
    return any(
        paired_p(first[:n], second[:n]) < 0.05 for n in range(50, 1001, 50)
    )


equal = [two_runs(gain=0.0) for _ in range(500)]
peeked = np.mean([reports_a_difference(*pair) for pair in equal])
once = np.mean([paired_p(*pair) < 0.05 for pair in equal])
print(f"looking once {once:.1%}, looking twenty times {peeked:.1%}")
assert peeked > 1.5 * once

# %% [markdown]
# Each look is a test: twenty looks raise the false alarms from 4 % to 17 %.
# Decide in advance how many questions you will ask.

# %% tags=["solution", "nbval-check-output"]
attempt(check_peeking, reports_a_difference)

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 2
#
# Two models have .60 and .66 on 100 questions each, different ones for each
# model. Is the second better?
#
# - Yes, by six points.
# - That is not shown: equal models differ as much in many cases.
# - No.
#
# In the simulation two equal models differ by six or more in 42 % of the
# cases.
# ```
#
# ```{quiz}
# :right: 1
#
# What does a paired test look at?
#
# - Questions that exactly one of the models has right.
# - The overlap of the two intervals.
# - The two accuracies.
#
# Questions that both have right, or both wrong, do not show which is
# better.
# ```
#
# ```{quiz}
# :right: 3
#
# Twenty variants are compared on the test set, and the best is reported.
# What about its score?
#
# - It is right, as the test set is large.
# - It is too low.
# - It is too high.
#
# The best of twenty was also lucky. Choose on `valid`, and report on `test`
# once.
# ```
#
# ## Recap
#
# - Two equal models, each asked 100 questions of its own, often differ by
#   six or more. Ask what chance does before you explain a difference.
# - Compare on the same questions and count the flips: the luck of the draw
#   cancels. Report how many tests you made.
# - Questions about the same units fail together. Cluster the standard
#   errors by them.
# - Before you measure, compute how many questions the difference needs.
# - Report accuracy over all questions, with answer rate, validity and
#   tokens.
# - Questions and seeds are two samples. The interval covers only the first.
# - Errors and harder questions show what was learned and what was not.
# - Parsers that guess, leaks and choosing on the test set raise scores, and
#   no test notices.
#
# **Next:** [the same code on a general model](12_smollm2.ipynb).
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# wilson1927
# mcnemar1947
# agresti2005
# holm1979
# bouthillier2021
# dwork2015
# turpin2023
# miller2024
# ```
