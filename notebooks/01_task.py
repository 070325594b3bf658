# %% [markdown]
# # The task, and how answers are graded
#
# *How many quarts are in 3 gallons?* Anyone can check the answer, and that
# is why this course is about unit conversion. To teach a model something
# you must be able to decide, thousands of times and without looking,
# whether it has learned it. So the grader comes before the model, and
# before you trust a model's score you have to trust the grader.
#
# **The question of this chapter:** when a text says 12 and the truth is
# 12, what could still be wrong?
#
# :::{admonition} What you will learn
# :class: tip
# - where the truth comes from, and what to do with units that mean two
#   things;
# - how a test set leaks into a training set although no question is in
#   both;
# - why a lenient parser ends up measuring itself instead of the model;
# - how to find right answers that were reached for wrong reasons;
# - how far to trust an accuracy measured on 100 questions.
#
# **Before you start:** Python. **Time:** 25 minutes to read, without the
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

# %% [markdown]
# ## The truth
#
# The numbers come from [pint](https://pint.readthedocs.io), a library that
# knows units. Ours, `unitconv.task.units`, adds the spellings people type.
# Tests compare its factors with the tables of NIST ([Thompson and Taylor
# 2008](https://doi.org/10.6028/NIST.SP.811e2008)).

# %% tags=["nbval-check-output"]
from unitconv.task.units import convert

print(convert(6, "kg", "gram"))
print(convert(3, "gallons", "quarts"))
print(convert(90, "km/h", "m/s"))

# %% [markdown]
# Most units have one meaning. A few have several, and a grader must choose
# one for all questions and write it down. Ours reads *ton* as the metric
# ton, takes gallons and pints as US ones, counts 1000 bytes to a kilobyte,
# reads a lone *M* or *G* as MB or GB, and takes a year as 365.25 days.
# Whether an *ounce* is a weight or a volume depends on the other unit:

# %% tags=["nbval-check-output"]
print(f"{convert(16, 'ounces', 'pound'):.3f} pound")
print(f"{convert(16, 'ounces', 'pint'):.3f} pint")

# %% [markdown]
# The first ounce is a weight, the second a volume. The full list of
# decisions is at the top of `unitconv/task/units.py`, and each has a test.
# A conversion that makes no sense is refused:

# %% tags=["nbval-check-output"]
from unitconv.task.units import UnitError

try:
    convert(6, "kg", "hours")
except UnitError as error:
    print(error)

# %% [markdown]
# ## The questions
#
# The package has six question sets, called *splits*. Each question is a
# quantity, two units and one of many phrasings, as people would type them.

# %% tags=["nbval-check-output"]
from unitconv.task.dataset import SPLITS, load_split

splits = {name: load_split(name) for name in SPLITS}
for name, questions in splits.items():
    print(f"{name:10} {len(questions):5}   e.g. {questions[7].text}")

# %% [markdown]
# `train` is for training, `valid` for every choice we make on the way, and
# `test` for the numbers we report. Their quantities are the whole numbers
# up to 12, and 0.5, 1.5 and 2.5. The three `hard` sets are used in the
# same way and ask for more: other quantities up to a thousand, and finer
# decimals such as 7.75. Most of their products are *long*: the quantity and
# the factor both have two digits or more (1000 counts as one digit). Some
# questions are easier to answer through a third unit, as from feet per
# second to miles per hour through feet per hour. The phrasings of
# `test_hard` occur in no other set.
#
# Some phrasings are ungrammatical, since people type like that. The units
# belong to six families:

# %%
from collections import Counter

import pandas as pd

from unitconv import parse_question

families = {
    name: Counter(parse_question(q.text).family for q in questions)
    for name, questions in splits.items()
}
pd.DataFrame(families)

# %% [markdown]
# `parse_question` reads back which conversion a sentence asks for. We need
# it again in the next section.
#
# ## Data leakage that a search for duplicates misses
#
# Suppose we pool the questions of `train` and `test`, shuffle, and cut
# again, as one might at first. Is any question in both halves?

# %% tags=["nbval-check-output"]
import random

pool = splits["train"] + splits["test"]
random.Random(0).shuffle(pool)
train, test = pool[:1000], pool[1000:]

seen = {question.text for question in train}
print(sum(question.text in seen for question in test), "shared sentences")

# %% [markdown]
# None, so the two halves look separate. Now ask the same about the
# *conversions*. "How many gram are in 5 kg?" and "5 kilograms in g" are two
# sentences and one fact: a model that memorized the first answer has the
# second for free.

# %% tags=["nbval-check-output"]
known = {parse_question(question.text) for question in train}
leaked = [q for q in test if parse_question(q.text) in known]
print(f"{len(leaked)} of {len(test)} test questions are leaked")

sentence = leaked[0].text
conversion = parse_question(sentence)
twin = next(q for q in train if parse_question(q.text) == conversion)
print(f"test:  {sentence}\ntrain: {twin.text}")

# %% [markdown]
# The sets of this course are therefore cut between conversions, before any
# sentence is written. The figure shows two conversions of the sets that we
# just cut, whose sentences are on both sides, and two of the course's:

# %% tags=["hide-input"]
from collections import defaultdict

from unitconv import figures


def by_conversion(train, test):
    """Conversion -> its sentences, each with the name of its set."""
    found = defaultdict(list)
    for name, questions in [("train", train), ("test", test)]:
        for question in questions:
            found[parse_question(question.text)].append(
                (question.text, name)
            )
    return found


def drawn(found, *conversions):
    return {
        f"{c.quantity:g} {c.source} in {c.target}": found[c][:2]
        for c in conversions
    }


new = by_conversion(train, test)
ours = by_conversion(splits["train"], splits["test"])
twice = {
    name: next(
        c for c, asked in ours.items() if asked[1:] and asked[1][1] == name
    )
    for name in ("train", "test")
}
figures.sets_by_conversion(
    {
        "cut between sentences": drawn(
            new, *(parse_question(q.text) for q in leaked[1:3])
        ),
        "cut between conversions": drawn(ours, *twice.values()),
    }
).captioned(
    "Conversions, two sentences of each, and their sets. A conversion "
    "with sentences in both sets (orange) is a leak."
)

# %% [markdown]
# A unit test makes sure that no conversion is in two sets, and so does the
# following cell:

# %%
from itertools import combinations

conversions = {
    name: {parse_question(question.text) for question in questions}
    for name, questions in splits.items()
}
for a, b in combinations(SPLITS, 2):
    assert not conversions[a] & conversions[b], (a, b)

# %% [markdown]
# ## Parsing the answer
#
# A model replies with text. We ask it to close with the number between
# `<answer>` and `</answer>`, and read that tag and nothing else.
#
# It is tempting to help. If the tag is missing, why not take the last
# number in the text? Here is such a parser, and what it reads in five
# replies to "How many gram are there per 6 kg?".

# %% tags=["nbval-check-output"]
import re

from unitconv import parse_answer


def helpful_parser(text):
    numbers = re.findall(r"[\d.]+\d|\d", text.replace(",", ""))
    return float(numbers[-1]) if numbers else float("nan")


replies = [
    "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6,000 g</answer>",
    "I cannot do that. Sorry for kg, it is not 6000.",
    "6000? No, that is wrong: it is 6 g.",
    "<answer>6000</answer> That was question 12.",
    "<answer>somewhere near 6000</answer>",
]
for reply in replies:
    print(f"{helpful_parser(reply):6g} {parse_answer(reply):6g}  {reply}")

# %% [markdown]
# The helpful parser (left) gives the second reply credit for a refusal,
# misses the right answer of the fourth, and takes a number from the fifth
# that the model did not commit to. The third is wrong either way. On the
# first they agree. A score from the left column would measure the parser.
# Ours (right) says NaN, *not a number*, when the reply holds no answer, and
# the share of replies that hold one is reported beside the accuracy: format
# and content are two skills.
#
# Within the tag our parser reads what people write for a number:

# %% tags=["nbval-check-output"]
for inside in ["6000", " 6,000 g ", "-1.5e3", "9.461 * 10^15", "6,00"]:
    print(f"{inside!r:18} {parse_answer(f'<answer>{inside}</answer>')}")

# %% [markdown]
# `6,00` could be six hundred, mistyped, or six as Europeans write it. Where
# a grader would have to guess, it should refuse.
#
# ## Right or wrong, within a tolerance
#
# Few people know that a mile has 1609.344 meters. We accept 5 %:
# an answer $a$ is right for the truth $t$ if
#
# $$|\operatorname{round}(a, 3) - \operatorname{round}(t, 3)|
#   < 0.05 \cdot |\operatorname{round}(t, 3)| .$$
#
# So differences below a thousandth are ignored. For a truth that rounds to
# zero the right side is zero and no answer could pass, so there an answer
# is right if it rounds to zero as well.

# %% tags=["nbval-check-output"]
from unitconv import is_correct

for answer, truth in [(1600, 1609.344), (1500, 1609.344), (0, 0.0001)]:
    print(answer, "for", truth, "->", is_correct(answer, truth))

# %% [markdown]
# ## Auditing the reasoning: right for the wrong reasons
#
# Five percent is generous, so it lets errors through:

# %% tags=["nbval-check-output"]
reply = "1 GB = 1024 MB. 4 * 1024 = 4196. <answer>4196</answer>"
truth = convert(4, "GB", "MB")
print("right?", is_correct(parse_answer(reply), truth))

# %% [markdown]
# It passes: 4196 is within 5 % of 4000. Yet by our convention the fact is
# wrong, and 4 times 1024 is 4096. If we later train a model on its own
# right answers, which is what [rejection-sampling
# fine-tuning](https://arxiv.org/abs/2308.01825) does, this reply would
# teach it two errors. So we audit what a text *states*: a fact must agree
# with pint within 1 %, and the result of a calculation must be right to
# the digits that are written, or within 0.1 %.

# %% tags=["nbval-check-output"]
from unitconv import audit_reasoning

audit = audit_reasoning(reply, "How many MB are in 4 GB?")
for claim in audit.claims:
    print(f"{claim.kind:11} {claim.text:16} {claim.verdict}")
print("fault:", audit.fault)

# %% [markdown]
# A verdict is True, False, or None where nothing can be checked, say for
# "1 parsec = 3.26 ly": neither unit is one of ours.
#
# Truth is not enough, though. Below, the audit finds no claim false, every
# number in a tag is 6000, and only the first reply shows why there are 6000
# gram in 6 kg:

# %% tags=["nbval-check-output"]
for reply in [
    "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>",
    "1 * 1 = 1. <answer>6000</answer>",
    "1 kg = 1000 g. 7 * 1000 = 7000. <answer>6000</answer>",
    "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000 kg</answer>",
]:
    audit = audit_reasoning(reply, "How many gram are there per 6 kg?")
    assert all(claim.verdict for claim in audit.claims)
    print(f"{reply}\n    fault: {audit.fault}")

# %% [markdown]
# Reasoning is *valid* if all of it is true and it leads to the answer. The
# answer has to follow from the quantity that was asked and from true
# factors between units, it has to be the last value stated before the tag,
# and a unit beside it has to be the one asked for. A fact about a UK gallon
# is true, but no answer about a US gallon follows from it. If reasoning is
# not valid, the audit names its worst fault. With the last one, 6000 kg,
# the answer is not counted as right either.
#
# ## Confidence intervals: how sure are we?
#
# You test a model on 100 questions and it answers 60. Is it a 60 % model?
# Had you drawn another 100 questions it might have answered 53, or 67. A
# 95 % interval says which true rates fit with what you saw. If you repeated
# the whole test many times and computed an interval each time, about 95 in
# 100 of them would hold the true rate.
#
# The formula most people remember, $p \pm z\sqrt{p(1-p)/n}$ with $z =
# 1.96$, has zero width at 20 right of 20: it claims to be certain that the
# model is always right. It uses the measured rate $p$ to estimate how far
# $p$ may be off. [Wilson's interval](https://doi.org/10.2307/2276774) asks
# instead which true rates $q$ would make the measured $p$ plausible, that
# is, for which $|p - q| \le z\sqrt{q(1-q)/n}$. Squared, this is a quadratic
# equation in $q$, and its two solutions are the ends of the interval:

# %% tags=["nbval-check-output"]
import math

from unitconv.evaluation.stats import wilson_interval


def wilson(right, n, z=1.96):
    p = right / n
    center = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (center - half) / (1 + z**2 / n), (center + half) / (
        1 + z**2 / n
    )


for right, n in [(60, 100), (600, 1000), (20, 20)]:
    low, high = wilson(right, n)
    assert math.dist((low, high), wilson_interval(right, n)) < 1e-4
    print(f"{right:3} of {n:4}: {low:.3f} to {high:.3f}")

# %% [markdown]
# On paper, for 60 of 100: $z^2/2n$ is 0.0192, so the center is 0.6192.
# $z^2/4n^2$ is 0.0001, so the half width is $1.96 \sqrt{0.0024 + 0.0001}$,
# or 0.098. Both are divided by $1 + z^2/n$, which is 1.038. That gives
# 0.502 to 0.691, as in the first line.

# %% tags=["hide-input"]
sizes = [20, 50, 100, 200, 500, 1000]
figures.intervals(
    [f"n = {n}" for n in sizes],
    [0.6] * len(sizes),
    [wilson_interval(round(0.6 * n), n) for n in sizes],
    xlabel="accuracy, with its 95 % interval",
    alt="95 % intervals around an accuracy of 0.6 for 20 to 1000 "
    "questions: the interval narrows from about 0.4 wide to 0.06 wide.",
).captioned("An accuracy of 0.6 with its interval, by number of questions.")

# %% [markdown]
# True rates of 0.51 and of 0.69, eighteen points apart, both fit with 60
# right of 100. That is why the test set has 1000 questions, and why this
# book gives intervals with its accuracies.
#
# ## A first grade
#
# Here is the model that ships with the package, a very small one that this
# project trained from scratch, on the first 100 questions of the validation
# set. How it turns a question into text is the subject of the next two
# chapters.

# %%
from unitconv import LLM, evaluate

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL)
report = evaluate(llm, splits["valid"][:100])
report.table().round(3)

# %% [markdown]
# Read the table from top to bottom: how often the answer is right, how
# often there is one, how often the reasoning is valid (and how often all
# its facts and all its arithmetic are true), how often the reply came to an
# end before its length limit. Are right answers the ones with valid
# reasoning?

# %%
pd.crosstab(
    pd.Series([row.correct for row in report.rows], name="right"),
    pd.Series([row.reasoning_ok for row in report.rows], name="valid"),
)

# %% [markdown]
# No wrong answer has valid reasoning. That is as it should be: true facts
# about the units and true steps lead from the quantity to a right answer.
# The audit exists for cases such as the 7 replies that have a right answer
# and invalid reasoning:

# %%
for row in report.rows:
    if row.correct and row.reasoning_ok is False:
        print(f"{row.question}\n    {row.text.strip()}")

# %% [markdown]
# In all seven the fact is true and the product has wrong digits. The errors
# are below 5 %, so the answers pass all the same. Training on right answers
# alone would keep such products; chapter 9 measures what difference that
# makes.
#
# Each wrong answer is counted in the first class that fits. The classes
# describe symptoms, not causes. Three of them look only at the number: we
# compute what each mistake would have produced and check whether the answer
# is within 1 % of it. A *wrong direction* is the number you get by dividing
# where you should multiply. A *namesake* is right for another unit of the
# same name, such as the UK pint. *Another unit* is right for some other
# unit of the family, as when minutes were wanted and the number counts
# hours; or the reply names another unit, as 6000 kg does. *Wrong fact* and
# *wrong arithmetic* mean that the audit found a false one. *Other* is the
# rest.

# %%
pd.Series(report.failures, name="wrong answers").to_frame()

# %% [markdown]
# Four of the ten are products with wrong digits. The other six count as
# another unit. Here is one reply of each class, and in the second the
# number is right in kilobytes, but the question asks for bytes:

# %%
for failure, n in report.failures.items():
    if n:
        row = next(r for r in report.rows if r.failure == failure)
        print(f"[{failure}] {row.question} (truth {row.truth:g})")
        print(f"    {row.text.strip()}\n")

# %% [markdown]
# ## Exercises
#
# Each exercise comes with a cell to write in and a check of your answer.
# Until the check passes, the cell says what is missing.
#
# ```{exercise} Warm-up: an ounce of doubt
# :label: ex-ounce
#
# Which of these requests raises an error, and what do the others return?
# Predict the results (to within 1 %) before you run the cell. A pound is
# 0.4536 kg and a US pint 473.2 cc (cubic centimeters); what 16 ounces are
# you have seen above.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv import attempt

requests = [(8, "oz", "cc"), (8, "oz", "kg"), (1, "M", "m")]
predicted = []  # for each request a number, or "error"


def outcome(request):
    try:
        return convert(*request)
    except UnitError:
        return "error"


def check_ounce(predicted):
    assert len(predicted) == 3, "three requests, so three predictions"
    for request, said in zip(requests, predicted, strict=True):
        found = outcome(request)
        if "error" in (said, found):
            assert said == found, f"{request}: is it refused or not"
        else:
            close = math.isclose(said, found, rel_tol=0.01)
            assert close, f"{request}: another number"


attempt(check_ounce, predicted)

# %% [markdown]
# ```{solution-start} ex-ounce
# :class: dropdown
# ```
#
# Beside a cubic centimeter (cc) the ounce is a fluid one, of 29.6 cc;
# beside a kilogram it is a weight, of 28.3 g. A lone M is a megabyte and m
# a meter, so the third makes no sense. Eight ounces of water by weight
# would be 227 cc, by the way: the grader's 5 % would let that pass.

# %%
predicted = [237, 0.227, "error"]
for request in requests:
    print(request, "->", outcome(request))

# %% tags=["solution", "nbval-check-output"]
attempt(check_ounce, predicted)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} Fool the grader
# :label: ex-fool
#
# Write a reply to "How many gram are there per 6 kg?" that is graded right
# although it makes two or more statements and all are false. The check also
# asks whether the audit finds them all.
# ```

# %% tags=["exercise", "nbval-check-output"]
fooled = ""  # your reply


def check_fool(reply):
    assert is_correct(parse_answer(reply), 6000), (
        "the grader does not take the answer for right"
    )
    claims = audit_reasoning(
        reply, "How many gram are there per 6 kg?"
    ).claims
    verdicts = [claim.verdict for claim in claims]
    assert len(verdicts) >= 2, "the audit reads fewer than two statements"
    assert set(verdicts) == {False}, (
        "the audit does not find every statement false"
    )


attempt(check_fool, fooled)

# %% [markdown]
# ```{solution-start} ex-fool
# :class: dropdown
# ```
#
# A factor that is 2 % too small and a product that is 4 % too large are
# both false to the audit. Together they end within 5 % of the truth:

# %%
fooled = "1 kg = 980 g. 6 * 980 = 6100. <answer>6100</answer>"
for claim in audit_reasoning(fooled, "6 kg in gram").claims:
    print(f"{claim.kind:11} {claim.text:14} {claim.verdict}")

# %% tags=["solution", "nbval-check-output"]
attempt(check_fool, fooled)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise} How many questions?
# :label: ex-how-many
#
# You expect an accuracy near 0.9 and want an interval at most 0.02 wide.
# How many questions do you have to ask? Write a function that finds the
# least multiple of 100 for any rate and any width.
# ```


# %% tags=["exercise", "nbval-check-output"]
def questions_needed(rate, width):
    """The least multiple of 100 whose interval is at most so wide."""
    raise NotImplementedError


def width_of(rate, n):
    low, high = wilson_interval(round(rate * n), n)
    return high - low


def check_how_many(questions_needed):
    for rate, width in [(0.9, 0.02), (0.5, 0.1), (0.6, 0.2)]:
        case = f"a rate of {rate} to a width of {width}"
        n = questions_needed(rate, width)
        whole = n in range(100, 1_000_000, 100)
        assert whole, f"{case}: no multiple of 100"
        assert width_of(rate, n) <= width, f"{case}: still too wide"
        fewer = n > 100 and width_of(rate, n - 100) <= width
        assert not fewer, f"{case}: fewer questions would do"


attempt(check_how_many, questions_needed)


# %% [markdown]
# ```{solution-start} ex-how-many
# :class: dropdown
# ```


# %%
def questions_needed(rate, width):
    n = 100
    while width_of(rate, n) > width:
        n += 100
    return n


for width in (0.08, 0.04, 0.02):
    print(f"{width:.2f} wide: {questions_needed(0.9, width)} questions")

# %% tags=["solution", "nbval-check-output"]
attempt(check_how_many, questions_needed)

# %% [markdown]
# Half the width costs roughly four times the questions: the width falls
# with the square root of their number. The first two counts fit less well,
# since they are rounded up to hundreds.
#
# ```{solution-end}
# ```
#
# ```{exercise} What the splits still share
# :label: ex-leak
#
# Cutting between conversions keeps "5 kg in g" out of two sets. What does
# a model still learn from the training set that helps it on the test?
# Count the test questions whose *unit pair*, from the same unit to the
# same unit and whatever the quantity, occurs in training. What
# `parse_question` returns has the two units as `.source` and `.target`,
# whatever their spelling. What does your count mean for a score?
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv import Question


def shared_pairs(train, test):
    """How many questions of `test` have a unit pair of `train`."""
    raise NotImplementedError


def asking(*texts):
    return [Question(text, 0.0) for text in texts]


def check_leak(shared_pairs):
    train = asking("How many gram are in 5 kg?", "2 h in min")
    for expected, test, hint in [
        (1, asking("7 kilograms in g"), "the spelling does not matter"),
        (0, asking("7 g in kilograms"), "the direction does matter"),
        (2, asking("3 h in min", "4 h in min"), "count questions"),
        (0, asking("3 h in days"), "both units have to be the same"),
    ]:
        assert shared_pairs(train, test) == expected, hint


attempt(check_leak, shared_pairs)


# %% [markdown]
# ```{solution-start} ex-leak
# :class: dropdown
# ```


# %%
def unit_pair(question):
    conversion = parse_question(question.text)
    return conversion.source, conversion.target


def shared_pairs(train, test):
    trained = set(map(unit_pair, train))
    return sum(unit_pair(question) in trained for question in test)


shared = shared_pairs(splits["train"], splits["test"])
print(f"{shared} of {len(splits['test'])} questions")
assert shared > 0.9 * len(splits["test"])

# %% tags=["solution", "nbval-check-output"]
attempt(check_leak, shared_pairs)

# %% [markdown]
# Nearly all pairs are shared, by design: the model has to know a factor, or
# build it from others. The score measures whether it recalls the factor and
# multiplies it by another quantity than in training. It says nothing about
# units that the model has never met.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: split by pair of units
# :label: ex-cut
#
# If the pairs are shared, cut between the pairs. Divide questions into a
# training and a test part so that no pair of units is in both, in either
# direction, and the test part holds between a tenth and a third of the
# questions. Which facts of the test could a model still work out from the
# training part?
# ```


# %% tags=["exercise", "nbval-check-output"]
def cut_by_pair(questions):
    """The questions in two lists, the one to train on first."""
    raise NotImplementedError


def either_way(questions):
    asked = [parse_question(question.text) for question in questions]
    return {frozenset((c.source, c.target)) for c in asked}


def check_cut(cut_by_pair):
    pool = splits["train"] + splits["test"]
    train, test = cut_by_pair(pool)
    assert Counter([*train, *test]) == Counter(pool), (
        "a question is lost, new, or there twice"
    )
    assert len(pool) / 10 <= len(test) <= len(pool) / 3, (
        "the test part should hold a tenth to a third of the questions"
    )
    assert either_way(train).isdisjoint(either_way(test)), (
        "there is a pair of units in both parts"
    )


attempt(check_cut, cut_by_pair)


# %% [markdown]
# ```{solution-start} ex-cut
# :class: dropdown
# ```


# %%
def cut_by_pair(questions):
    pairs = sorted(either_way(questions), key=sorted)
    held_out = set(random.Random(0).sample(pairs, len(pairs) // 5))
    parts = [], []
    for question in questions:
        [pair] = either_way([question])
        parts[pair in held_out].append(question)
    return parts


train, test = cut_by_pair(splits["train"] + splits["test"])
known, unknown = either_way(train), either_way(test)
units = frozenset().union(*known)
bridged = [
    (a, b)
    for a, b in map(sorted, unknown)
    if any({frozenset((a, u)), frozenset((u, b))} <= known for u in units)
]
print(f"{len(test)} questions to test, {len(unknown)} pairs of units")
print(f"{len(bridged)} of them are two known facts away")

# %% tags=["solution", "nbval-check-output"]
attempt(check_cut, cut_by_pair)

# %% [markdown]
# Most facts of the test can be worked out in two steps: from 3 feet to a
# yard and 12 inches to a foot follow the inches of a yard. So a score on
# such a cut would measure whether a model *combines* facts, which is
# another question. There are also twins: a milliliter and a cubic
# centimeter have the same size, and `cut_by_pair` treats them as two units.
#
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 1
#
# A parser takes the last number of a reply if the answer tag is missing.
# What does its score measure?
#
# - Partly the parser: it answers for the model.
# - The accuracy of the model, with fewer missing answers.
# - How often the model follows the format.
#
# It gives credit for refusals, and it misses right answers that other
# numbers follow.
# ```
#
# ```{quiz}
# :right: 3
#
# Two question sets share no sentence. Can one leak into the other?
#
# - No, the sets are disjoint.
# - Only if the model has seen both.
# - Yes: two sentences can ask for one conversion.
#
# The sets of this course are cut between conversions, before any sentence
# is written.
# ```
#
# ```{quiz}
# :right: 2
#
# 60 of 100 answers are right. Which true rates fit, with a 95 % interval?
#
# - From .59 to .61.
# - From about .50 to .69.
# - Only .60.
#
# Wilson's interval for 60 of 100 is .502 to .691.
# ```
#
# ## Recap
#
# - The truth comes from pint. Ambiguous units are decided once, and the
#   decisions are written down.
# - Splits are cut between conversions, not sentences.
# - The parser reads the answer tag and never guesses; the answer rate is
#   reported beside the accuracy.
# - An answer may be right while its reasoning is false, or while it is true
#   and does not lead there: the audit checks every equation it can read,
#   and whether they lead from the question to the answer.
# - Every rate carries its interval; after 60 right of 100 questions it is
#   nearly twenty points wide.
#
# **Next:** [tokens](02_tokens.ipynb): what a model reads in place of the
# characters of a question.
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# wilson1927
# thompson2008
# yuan2023
# ```
