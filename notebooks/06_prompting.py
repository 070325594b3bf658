# %% [markdown]
# # Prompting: what a worked example is worth
#
# Nothing has been trained yet, at least not by us. Between a question and
# the base model there is only text, and we choose it. An instruction and
# one example take this model from no answer at all to mostly right ones.
# That looks like teaching, and it costs no gradient. But what was taught?
#
# **The question of this chapter:** what does a model take over from an
# example: its facts, its form, or its way of working?
#
# :::{admonition} What you will learn
# :class: tip
# - why answering and being right are two skills, and how to see which one
#   a prompt lacks;
# - how to find out what in an example matters: change one thing at a time;
# - how an example teaches what nobody meant to teach;
# - what thinking before the answer is worth, what it costs in tokens, and
#   where it goes wrong;
# - whether more examples help, and in which order;
# - self-consistency: what a vote among several replies can mend.
#
# **Before you start:** [chapter 1](01_task.ipynb) for the grader, [chapter
# 3](03_sequential.ipynb) for prompts and temperature. **Time:** 30 minutes
# to read, without the exercises, and about three minutes to run.
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
import pandas as pd

from unitconv import LLM, figures, load_split

MODEL = "course"  # or "HuggingFaceTB/SmolLM2-360M-Instruct"

llm = LLM.from_pretrained(MODEL, dtype="float32")
asked = load_split("valid")
print(f"{len(asked)} questions, the same for every prompt")

# %% [markdown]
# Choosing a prompt is choosing a setting, so it is done on `valid`. The
# test set stays shut until the choice has been made.
#
# ## Five ways to ask
#
# `unitconv.task.prompts` has four styles: the bare question (`raw`), an
# instruction without an example (`chat`), two examples that answer at once
# (`direct`), and one worked example (`cot`, for *chain of thought*; Wei et
# al. 2022). This is what `cot` shows before the question:

# %%
from unitconv.task.prompts import DIRECT_EXAMPLES, WORKED_EXAMPLES

for name, examples in [
    ("cot", WORKED_EXAMPLES),
    ("direct", DIRECT_EXAMPLES),
]:
    for example in examples:
        print(f"{name:7} {example.question}\n        {example.reply}")

# %% [markdown]
# We shall want examples and instructions of our own. A model asks every
# question through its `format_prompt`; a subclass that overrides it is all
# we need, and `evaluate` does the rest.

# %%
from unitconv import compare, evaluate
from unitconv.task.prompts import INSTRUCTION, chat_messages, render_chat


class Shown(LLM):
    """The same model, with examples and an instruction of our own."""

    def __init__(self, examples, instruction=INSTRUCTION):
        super().__init__(llm.model, llm.tokenizer, "cot", llm.name)
        self.examples, self.instruction = examples, instruction

    def format_prompt(self, question):
        turns = chat_messages(question, self.examples, self.instruction)
        return render_chat(turns, self.tokenizer)


question = "How many gram are there per 6 kg?"
cot = Shown(WORKED_EXAMPLES)
assert cot.format_prompt(question) == llm.format_prompt(question)
print(cot.format_prompt(question))

# %% [markdown]
# The fifth way is the shortest ever published: no example, but the words
# "Let us think step by step" ([Kojima et al.
# 2022](https://arxiv.org/abs/2205.11916)). It was found on models
# many thousand times as large as ours.

# %%
ways = {
    "raw": LLM(llm.model, llm.tokenizer, "raw"),
    "chat": LLM(llm.model, llm.tokenizer, "chat"),
    "step by step": Shown([], INSTRUCTION + " Let us think step by step."),
    "direct": LLM(llm.model, llm.tokenizer, "direct"),
    "cot": cot,
}
reports = {name: evaluate(way, asked) for name, way in ways.items()}


def tokens_read(way):
    """Of a prompt, on average."""
    sizes = [len(way.encode(way.format_prompt(q.text))) for q in asked]
    return sum(sizes) / len(sizes)


pd.DataFrame(
    {
        name: {
            "answered": report.answer_rate.value,
            "right": report.accuracy.value,
            "low": report.accuracy.ci95[0],
            "high": report.accuracy.ci95[1],
            "tokens read": tokens_read(ways[name]),
            "tokens written": report.n_tokens / len(asked),
        }
        for name, report in reports.items()
    }
).T.round(2)

# %% tags=["hide-input"]
figures.form_and_content(
    {
        name: tuple(
            (rate.value, rate.ci95)
            for rate in (report.answer_rate, report.accuracy)
        )
        for name, report in reports.items()
    }
)

# %%
from unitconv.evaluation.stats import holm

pairs = {
    name: compare(reports["chat"], reports[name])
    for name in ("step by step", "direct", "cot")
}
adjusted = holm([pair.p_value for pair in pairs.values()])
for (name, pair), p in zip(pairs.items(), adjusted, strict=True):
    print(f"{name:12} {pair.difference:+.2f} to chat: {pair.verdict(p)}")
if MODEL == "course":
    rates = {name: r.accuracy.value for name, r in reports.items()}
    assert rates["raw"] < 0.05
    assert reports["direct"].answer_rate.value > 0.9
    assert rates["direct"] + 0.1 < rates["chat"] < rates["cot"] - 0.1

# %% [markdown]
# Two rates, and they do not move together. To the bare question no reply
# ends in a form that can be read. With the instruction alone many do, and
# with an example nearly all. But how many are right depends on *which*
# example. The two of `direct` make the model answer always, and it is
# right less often than without any. The words that help large models make
# this one worse. A single number, the accuracy, would have mixed the two
# rates. The classes of chapter 1 show the errors:

# %% tags=["hide-input"]
from collections import Counter

MERGED = {
    "wrong fact": "false statement",
    "wrong arithmetic": "false statement",
    "wrong direction": "other",
}
BARS = (
    *("right", "no answer", "false statement"),
    *("namesake", "another unit", "other"),
)


def outcomes(report):
    kinds = [row.failure or "right" for row in report.rows]
    return Counter(MERGED.get(kind, kind) for kind in kinds)


figures.outcome_bars(
    {name: outcomes(report) for name, report in reports.items()}, BARS
)

# %% [markdown]
# Remember the bar of `direct`: it is mostly *other*, wrong for no reason
# that the grader knows. We come back to it.
#
# A longer version of this table is one command, `unitconv measure
# report.json`. What it found for the shipped model, on all 1000 questions
# of the test set, comes with the package:

# %%
import json

from unitconv.inference.load import COURSE_MODEL

recorded = json.loads((COURSE_MODEL / "results.json").read_text())["test"]
for style in ("raw", "chat", "direct", "cot"):
    low, high = recorded[style]["accuracy_ci95"]
    print(
        f"{style:7} {recorded[style]['accuracy']:.3f} "
        f"[{low:.3f}, {high:.3f}]  n = {recorded[style]['n']}"
    )

# %% [markdown]
# ## The answer is there, the form is not
#
# Does the model without an example not know, or does it not say? Look at
# its replies:

# %%
for name in ("raw", "chat", "cot"):
    row = reports[name].rows[0]
    print(f"[{name}] {row.question}\n    {row.text.strip()[:150]!r}")

# %%
from unitconv import audit_reasoning

raw = reports["raw"]
faults = []
for row in raw.rows:
    own, *_ = row.text.strip().split("\n\n")  # then it asks itself more
    faults.append(audit_reasoning(own, row.question).fault)
stated = [fault for fault in faults if fault != "no reasoning"]
true = [fault for fault in stated if fault != "false statement"]
print(f"raw: {len(stated)} of {len(asked)} replies begin with something")
print(f"that can be checked, and {len(true)} of these with nothing false")
print(f"valid reasoning: {faults.count(None)}")
print(f"right answers: {raw.accuracy.successes}")

# %% [markdown]
# The bare question is nearly always worked out, and about half of the time
# without a false statement. None of that is valid to the audit, because
# reasoning must lead to an answer in the tag. Even a right one closes in
# whatever form comes to the model's mind, and then goes on: it multiplies
# once more, or asks itself another question. With the instruction the reply
# above is worked out as well, and lacks nothing but the tag. A grader that
# reads one tag and does not guess gives all of this nothing. What is
# missing is not knowledge, or not only.
#
# ## Form, from a single example
#
# The tag `<answer>` stands in the instruction too. So perhaps the example
# does little, and the words do the work? Let us take the tag out of both.
# The instruction no longer names any form, and the example marks its
# answer in a way that the instruction has never heard of.

# %%
from dataclasses import replace

from unitconv.evaluation.prompt_probe import (
    FORMLESS,
    WRAPPERS,
    imitation_rate,
)

[hours] = WORKED_EXAMPLES
print("instruction:", FORMLESS, "\n")
for wrapper in WRAPPERS:
    reply = hours.reply.replace(
        "<answer>900</answer>", wrapper.format(v=900)
    )
    shown = Shown([replace(hours, reply=reply)], FORMLESS)
    told = shown.complete([shown.format_prompt(question)])[0][0].text
    print(f"shown {reply}\ntold  {told}\n")

# %%
kept = {
    wrapper.format(v="6000"): imitation_rate(cot, asked[:100], wrapper)
    for wrapper in WRAPPERS
}
for wrapper, rate in kept.items():
    low, high = rate.ci95
    print(f"{wrapper:18} {rate.value:.2f} [{low:.2f}, {high:.2f}]")
if MODEL == "course":
    assert min(rate.value for rate in kept.values()) > 0.6

# %% tags=["hide-input"]
figures.intervals(
    list(kept),
    [rate.value for rate in kept.values()],
    [rate.ci95 for rate in kept.values()],
    xlabel="replies that mark their answer like the example",
    alt="Shares of replies that imitate a wrapper: "
    + "; ".join(f"{w} {rate.value:.2f}" for w, rate in kept.items()),
)

# %% [markdown]
# No weight has changed, and the model does in this prompt what it did not
# do in the last. This is *in-context learning* ([Brown et al.
# 2020](https://arxiv.org/abs/2005.14165)): what
# to do is read off the text, anew each time, and forgotten after it. Where
# does a model learn to learn so? Each chat of this one's pretraining kept
# one form, drawn at random, from its first reply to its last ([the
# appendix](90_pretraining.ipynb)). Double brackets were among the forms;
# `kuvo` is four letters that stand for nothing. And compare the rates with
# the answer rate of `chat`: one example says more than the sentence.
#
# ## What else does it take from the example?
#
# The example holds a fact, a product and an answer. Does the model need
# them to be *true*? [Min et al. (2022)](https://arxiv.org/abs/2202.12837)
# gave models examples with random
# labels, and most tasks hardly suffered. We can do the same, and one thing
# more. In the first variant every number is false. In the second all is
# true, but the answer comes first and the reasoning after it.

# %%
variants = {
    "true": hours,
    "all numbers false": replace(
        hours, reply="1 hour = 7 minutes. 15 * 7 = 48. <answer>3</answer>"
    ),
    "answer first": replace(
        hours,
        reply="<answer>900</answer> 1 hour = 60 minutes. 15 * 60 = 900.",
    ),
}
contents = {"true": reports["cot"]} | {
    name: evaluate(Shown([example]), asked)
    for name, example in variants.items()
    if name != "true"
}
for name in ("all numbers false", "answer first"):
    pair = compare(contents["true"], contents[name])
    low, high = pair.clustered_ci95
    reasoned = sum(" * " in row.text for row in contents[name].rows)
    print(
        f"{name}: {pair.difference:+.3f} [{low:+.3f}, {high:+.3f}] "
        f"against the true example: {pair.verdict()};\n   {reasoned} of "
        f"{len(asked)} replies work something out before they answer"
    )

# %% tags=["hide-input"]
figures.stage_rates(
    list(contents),
    [report.accuracy.value for report in contents.values()],
    [report.accuracy.ci95 for report in contents.values()],
    [report.answer_rate.value for report in contents.values()],
)

# %%
right = {name: r.accuracy.value for name, r in contents.items()}
if MODEL == "course":
    assert abs(right["all numbers false"] - right["true"]) < 0.08
    assert right["answer first"] < right["true"] - 0.08

# %% [markdown]
# The verdicts are those of a paired test ([chapter
# 9](09_evaluation.ipynb)), and *not shown* does not mean equal: the
# interval says how much harm an hour of seven minutes may still do. The
# model takes its facts from its weights, and it takes from the example *how
# a reply goes*: state a fact, work something out, close with a tag. Where
# the example answers first, so do the replies, and now answers are lost,
# although nothing false was shown. A reply is written from left to right:
# reasons that come after the answer cannot help it.
# [Wei et al. (2022)](https://arxiv.org/abs/2201.11903)
# found the same in models tens of thousands of times as large.
#
# So a false number in an example is easy to overlook: the score does not
# move. It is a mistake all the same. The next model may well copy facts
# that it does not know, and whoever reads your prompt certainly will.
#
# ## The trap: what the examples did not mean to say
#
# If form is what an example teaches, look again at the two of `direct`.
# Their answers are 900 and 6000. And these are replies of the model:

# %%
wrong = [row for row in reports["direct"].rows if not row.correct]
for row in wrong[:6]:
    print(f"{row.answer:8.7g} for {row.truth:8.7g}   {row.question}")

# %%
from decimal import Decimal


def digits(value):
    """Significant digits: 1 for 6000, 4 for 2268."""
    return len(Decimal(f"{value:.6g}").normalize().as_tuple().digits)


def one_digit(values):
    return sum(digits(value) == 1 for value in values) / len(values)


answers = [row.answer for row in reports["direct"].rows if row.answered]
print(f"answers with one digit: {one_digit(answers):.0%} of the model's,")
print(f"{one_digit([q.answer for q in asked]):.0%} of the true ones")

# %% [markdown]
# One digit and zeros. We showed two round answers, and the model has
# concluded that answers are to be *round*. It had reason to: in its
# pretraining some chats answer roughly and others to the digit, and in
# each the first reply tells which it is (the model's card has the shares).
# We would have put the low accuracy down to missing thought, and it is in
# part our choice of examples.
#
# The remedy is an example whose answer has digits to lose. Here is one,
# typed without much thought:

# %%
from unitconv import parse_question
from unitconv.task.dataset import SPLITS
from unitconv.task.make_splits import leak_key
from unitconv.task.prompts import (
    DIRECT_INSTRUCTION,
    PRECISE_EXAMPLES,
    WorkedExample,
)

splits = {name: load_split(name) for name in SPLITS}


def leaks(example):
    """The splits that ask the same conversion, in whatever words."""
    shown = leak_key(parse_question(example.question))
    return [
        name
        for name, questions in splits.items()
        if any(leak_key(parse_question(q.text)) == shown for q in questions)
    ]


careless = WorkedExample("Turn 9 days into hours", "<answer>216</answer>")
sentences = [q.text for questions in splits.values() for q in questions]
print("the sentence stands in a split:", careless.question in sentences)
print("its conversion stands in:", ", ".join(leaks(careless)))
assert "test" in leaks(careless)

# %% [markdown]
# A search for the sentence finds nothing, and yet its answer is graded, to
# a question in other words. An example from the test set is a small leak
# when one prompt serves for all questions. It is a large one when each
# question gets the most similar example of a pool ([Liu et al.
# 2021](https://arxiv.org/abs/2101.06804)), for
# then the search hunts down exactly the questions that are in both.
# The library has two examples whose answers are precise. Their quantities
# are beyond 12, which only the `hard` splits ask, and the check says that
# none of these asks the same. We give them reasoning as well, to be used
# further below:

# %%
steps = [
    "1 foot = 12 inches. 16 * 12 = 192.",
    "1 day = 24 hours. 14 * 24 = 336.",
]
feet, days = (
    replace(example, reply=f"{reasoning} {example.reply}")
    for example, reasoning in zip(PRECISE_EXAMPLES, steps, strict=True)
)
for example in (hours, feet, days):
    assert not leaks(example), f"choose another: {example.question}"
    print(f"{example.question}\n    {example.reply}")

precise_one = PRECISE_EXAMPLES[:1]
precise = {
    "one, 192": precise_one,
    "two, 192 and 336": PRECISE_EXAMPLES,
}
direct = {"two, 900 and 6000": reports["direct"]} | {
    name: evaluate(Shown(examples, DIRECT_INSTRUCTION), asked)
    for name, examples in precise.items()
}
for name, report in direct.items():
    low, high = report.accuracy.ci95
    values = [row.answer for row in report.rows if row.answered]
    print(
        f"{name:18} {report.accuracy.value:.2f} [{low:.2f}, {high:.2f}], "
        f"one digit in {one_digit(values):.0%}"
    )

# %%
round_two, precise_two = (
    direct[name].accuracy.value
    for name in ("two, 900 and 6000", "two, 192 and 336")
)
pair = compare(direct["two, 900 and 6000"], direct["two, 192 and 336"])
print(f"precise against round: {pair.verdict()}, p = {pair.p_value:.1g}")
if MODEL == "course":
    assert precise_two > round_two + 0.05

# %% [markdown]
# The same model, the same instruction, the same number of examples, and
# about half of the distance to `cot` is gone, and with it most of the
# round answers. Nobody had lied; we had compared a good example of one
# kind with an unlucky pair of the other. Whenever a baseline is weak, ask
# whether somebody has tried to make it strong.
#
# ## What thinking is worth
#
# Now a comparison that is fair: one example each, the same question in it,
# the same answer at its end. The only difference is the reasoning between
# them.

# %%
thinking = evaluate(Shown([feet]), asked)
pair = compare(direct["one, 192"], thinking)
low, high = pair.clustered_ci95
for name, report in [("at once", direct["one, 192"]), ("cot", thinking)]:
    print(
        f"{name:8} {report.accuracy.value:.2f} right, "
        f"{report.n_tokens / len(asked):.1f} tokens an answer"
    )
print(
    f"difference {pair.difference:+.2f} [{low:+.2f}, {high:+.2f}]: "
    f"cot is {pair.verdict()}"
)
if MODEL == "course":
    assert pair.verdict() == "better"
    assert thinking.n_tokens > 2 * direct["one, 192"].n_tokens

# %% [markdown]
# Written out, the work is spread over many tokens, and each of them may
# look back at the ones before. At once, the first digit has to come out of
# a single pass. The gain costs several times the tokens, and it is smaller
# than the first table suggested. Where does it arise?

# %% tags=["hide-input"]
figures.outcome_bars(
    {
        "at once, round": outcomes(direct["two, 900 and 6000"]),
        "at once, precise": outcomes(direct["one, 192"]),
        "cot": outcomes(thinking),
    },
    BARS,
)

# %% [markdown]
# Precise examples shrink *other*, the wrong numbers without a pattern;
# thinking shrinks it once more. What thinking leaves over are mostly false
# statements, which only a reply with reasons can make, and answers that are
# right in another unit.
#
# ### Where the products are long
#
# Most quantities of `valid` are whole numbers from 1 to 12. Those of
# `valid_hard` have two or three digits, or decimals. A product is *long* if
# both of its factors have more than one digit, not counting zeros at their
# ends. Does thinking help more where there is more to work out?

# %%
from statistics import mean, variance

from unitconv.evaluation.breakdown import by_product
from unitconv.evaluation.stats import Z95

hard = load_split("valid_hard")
hard_at_once = evaluate(Shown(precise_one, DIRECT_INSTRUCTION), hard)
hard_thinking = evaluate(Shown([feet]), hard)
pair = compare(hard_at_once, hard_thinking)
print(f"valid_hard: {pair.difference:+.2f}, cot is {pair.verdict()}")
replies = {
    "at once": [*direct["one, 192"].rows, *hard_at_once.rows],
    "cot": [*thinking.rows, *hard_thinking.rows],
}
before, after = map(by_product, replies.values())
pd.DataFrame(
    {
        kind: {
            "questions": after[kind].accuracy.n,
            "right at once": before[kind].accuracy.value,
            "right with cot": after[kind].accuracy.value,
            "tokens with cot": after[kind].tokens,
        }
        for kind in after
    }
).T.round(2)


# %%
def is_long(row):
    return parse_question(row.question).product == "long product"


gains = {True: [], False: []}
for first, second in zip(*replies.values(), strict=True):
    gains[is_long(first)].append(second.correct - first.correct)
difference = mean(gains[True]) - mean(gains[False])
error = sum(variance(each) / len(each) for each in gains.values()) ** 0.5
low, high = difference - Z95 * error, difference + Z95 * error
for name, long in [("short", False), ("long", True)]:
    print(f"gain, {name} products: {mean(gains[long]):+.2f}")
print(f"difference: {difference:+.2f} [{low:+.2f}, {high:+.2f}]")
if MODEL == "course":
    assert min(map(mean, gains.values())) > 0.15
    assert after["long product"].accuracy.value < 0.75
    assert after["short product"].accuracy.value > 0.85

# %% [markdown]
# Thinking gains about a third of the questions of both kinds. That it gains
# more of the long products is not shown. But at once few of these were
# right, and with reasons many more; nearly all short ones are right then,
# and of the long ones about half are still wrong. What does the audit find
# in those replies? Some of them work in *steps*: they split the product
# into partial products, or go through a third unit.

# %%
from unitconv.evaluation.reasoning_path import uses_steps

longs = [row for row in replies["cot"] if is_long(row)]
groups = {
    name: [row for row in longs if uses_steps(row.text) == steps]
    for name, steps in [("in one product", False), ("in steps", True)]
}
for name, rows in groups.items():
    right = [row for row in rows if row.correct]
    valid = sum(row.reasoning_ok is True for row in right)
    print(f"{name}: {len(rows)} replies, {len(right)} right, ", end="")
    print(f"{valid} of these with valid reasoning")

one_product, in_steps = groups.values()
shaky = next(r for r in one_product if r.correct and not r.reasoning_ok)
sound = next(r for r in in_steps if r.correct and r.reasoning_ok)
for row in (shaky, sound):
    print(f"{row.question}\n    {row.text.strip()}")
if MODEL == "course":
    assert len(in_steps) < len(one_product) / 2

# %% [markdown]
# Most long products are written down as one equation. Even where the answer
# is right, that equation is mostly false: the grader allows 5 %, and the
# audit wants the digits that are written to be true. Replies in steps are
# few, and most of them are right, with valid reasoning. The model chose
# them itself, for questions that may be easier, so this is no comparison
# yet. Can an example ask for steps? Let it multiply in parts:

# %%
parts = "10 * 12 = 120. 6 * 12 = 72. 120 + 72 = 192."
whole = "16 * 12 = 192."
in_parts = replace(feet, reply=feet.reply.replace(whole, parts))
print(in_parts.reply)
hard_in_parts = evaluate(Shown([in_parts]), hard)
for name, report in [("whole", hard_thinking), ("parts", hard_in_parts)]:
    used = by_product(report.rows)["long product"].steps
    print(
        f"shown {name}: {report.accuracy.value:.2f} right, steps in "
        f"{used.value:.0%} of the long products"
    )
pair = compare(hard_thinking, hard_in_parts)
print(f"parts against whole: {pair.difference:+.2f}, {pair.verdict()}")

# %% [markdown]
# This one cannot: steps are about as rare as before, and a gain is not
# shown. The form of a reply is taken from the example, and the way to
# multiply stays the model's own. [Chapter 8](08_rft.ipynb) makes steps
# frequent by training, where they are needed.
#
# ## How many, in what order?
#
# Do more examples help, and does their order matter?
# [Lu et al. (2021)](https://arxiv.org/abs/2104.08786)
# found prompts whose order alone made the difference between nearly the
# best result and guessing.

# %%
examples = {"hours": hours, "feet": feet, "days": days}
orders = [
    *(["hours", "feet"], ["feet", "hours"]),
    *(["hours", "feet", "days"], ["days", "feet", "hours"]),
]
shown = {
    ", ".join(order): Shown([examples[name] for name in order])
    for order in orders
}

many = {"hours": reports["cot"], "feet": thinking} | {
    name: evaluate(way, asked) for name, way in shown.items()
}
ways_to_show = {"hours": cot, "feet": Shown([feet])} | shown
for name, report in many.items():
    print(
        f"{name:23} {report.accuracy.value:.3f} right, "
        f"{report.answer_rate.value:.3f} answered, "
        f"{tokens_read(ways_to_show[name]):.0f} tokens read"
    )

# %% tags=["hide-input"]
pairs = {
    name: compare(many["hours"], report)
    for name, report in many.items()
    if name != "hours"
}
figures.differences(
    list(pairs),
    [pair.difference for pair in pairs.values()],
    [pair.clustered_ci95 for pair in pairs.values()],
    xlabel="accuracy minus that of hours alone, paired",
)

# %%
adjusted = holm([pair.p_value for pair in pairs.values()])
for (name, pair), p in zip(pairs.items(), adjusted, strict=True):
    print(f"{name:23} {pair.difference:+.3f} {pair.verdict(p)}")
if MODEL == "course":
    assert max(abs(pair.difference) for pair in pairs.values()) < 0.08

# %% [markdown]
# The verdicts are against `hours` alone, with the p-values adjusted for
# their number (Holm). An example that is not shown to be better has not
# earned its tokens: the form was clear after the first. The orders were
# compared with `hours` and not with each other.
#
# It is tempting to try twenty prompts on a hundred questions and keep the
# best. Here is what becomes of ours if the questions are halved:

# %%
for name, half in [("first", slice(0, 100)), ("second", slice(100, 200))]:
    scores = {
        prompt: sum(row.correct for row in report.rows[half])
        for prompt, report in many.items()
    }
    order = sorted(scores, key=scores.get, reverse=True)
    print(f"{name} half:", *(f"{p} {scores[p]}" for p in order), sep="\n  ")

# %% [markdown]
# Compare the two lists before you trust either. The last exercise
# measures how much is fooled by such a choice, and [chapter
# 9](09_evaluation.ipynb) does the statistics in full.
#
# ## Self-consistency: ask fifteen times and count
#
# So far every reply was the greedy one. Draw several, at temperature 0.8,
# and they will differ. Different chains of thought go wrong in different
# ways, but those that go right all arrive at the same place. So let them
# vote: throw the reasoning away and keep the answer that most of them
# reach. [Wang et al. (2022)](https://arxiv.org/abs/2203.11171) call it
# self-consistency.
#
# What counts as the same answer has to be decided. Equal numbers only is
# too strict: 3.281 * 6 and 3.28 * 6 are the same reasoning, rounded
# differently. The grader's 5 % is too lax: a UK fluid ounce is 4 % smaller
# than a US one, and a reply that means one does not mean the other. The
# audit of reasoning uses 1 % for numbers that say the same, and the vote
# uses that too.
#
# This agreement is no equivalence: 100 and 100.9 agree, and so do 100.9 and
# 101.8, but 100 and 101.8 do not. So answers are not sorted into groups.
# Each answer is supported by all that agree with it, and the one with the
# most support wins:

# %%
import inspect

from IPython.display import Markdown

from unitconv import majority

Markdown(f"```python\n{inspect.getsource(majority)}```")

# %% tags=["nbval-check-output"]
nothing = float("nan")
print(majority([1.571, 9.0, nothing, 1.572, 9.0, 1.571]))
print(majority([29.57, 28.41, 28.41]))
print(majority([nothing, nothing]))

# %% [markdown]
# Two kinds of questions vote: sixty of `valid` and sixty of `valid_hard`.
# Fifteen replies are sampled once; a vote of fewer takes some of them.

# %%
from unitconv import Decoding
from unitconv.evaluation.evaluate import evaluate_samples

sets = {"valid": asked[:60], "hard": hard[:60]}
warm = Decoding(temperature=0.8)
greedy = {name: evaluate(cot, qs) for name, qs in sets.items()}
drawn = {
    name: evaluate_samples(cot, qs, 15, warm) for name, qs in sets.items()
}
for name, samples in drawn.items():
    total = sum(g.n_tokens for row in samples.rows for g in row)
    print(
        f"{name}: {total / greedy[name].n_tokens:.1f} times the tokens of "
        f"greedy, {samples.seconds / greedy[name].seconds:.1f} times the "
        "seconds"
    )

# %% [markdown]
# Which of the fifteen a small vote gets is a matter of luck, so we average
# over twenty choices. The interval is over questions, since these are the
# sample that the model was asked.

# %%
import random
from statistics import stdev

from unitconv import is_correct
from unitconv.evaluation.stats import PairedComparison, Proportion

SIZES = (1, 3, 5, 7, 9, 11, 13, 15)


def subsets(row, size, times=20):
    rng = random.Random(f"{row[0].question} {size}")
    return [rng.sample(row, size) for _ in range(times)]


def vote_is_right(replies, **settings):
    vote = majority([g.answer for g in replies], **settings)
    return is_correct(vote.answer, replies[0].truth)


def one_is_right(replies):
    return any(g.correct for g in replies)


def share(rows, size, verdict):
    """Mean over questions of a verdict on `size` replies, with interval."""
    each = [mean(map(verdict, subsets(row, size))) for row in rows]
    reach = Z95 * stdev(each) / len(each) ** 0.5
    middle = mean(each)
    return middle, (max(0.0, middle - reach), min(1.0, middle + reach))


votes = {
    name: [share(samples.rows, size, vote_is_right) for size in SIZES]
    for name, samples in drawn.items()
}
any_right = {
    name: [share(samples.rows, n, one_is_right)[0] for n in SIZES]
    for name, samples in drawn.items()
}

# %% tags=["hide-input"]
figures.vote_curves(
    SIZES,
    votes,
    any_right,
    {name: report.accuracy.value for name, report in greedy.items()},
)


# %%
def paired(first, second):
    """The paired comparison of two lists of verdicts."""
    both = list(zip(first, second, strict=True))
    return PairedComparison(
        n=len(both),
        only_a=both.count((True, False)),
        only_b=both.count((False, True)),
    )


for name, samples in drawn.items():
    pair = paired(
        [graded.correct for graded in greedy[name].rows],
        [vote_is_right(row) for row in samples.rows],
    )
    low, high = pair.ci95
    print(
        f"{name}: vote of 15 minus greedy {pair.difference:+.2f} "
        f"[{low:+.2f}, {high:+.2f}]: {pair.verdict()}"
    )
    single, most = votes[name][0][0], votes[name][-1][0]
    assert most <= any_right[name][-1]
    if MODEL == "course":
        assert most > single, "a vote should beat a single sample"

# %% [markdown]
# Read the blue line from the left. One warm sample is worse than the
# greedy reply, and the first votes only buy back what the temperature has
# cost. What is gained beyond the orange line is the worth of the vote, for
# the price of fifteen replies. Where the verdict is *not shown*, sixty
# questions are too few to see it. The grey line lies
# far above: most questions have a right reply among their fifteen. A vote
# cannot find it where it is not the most frequent one. A grader can, and
# that is the idea of [chapter 8](08_rft.ipynb).
#
# What about the tolerance? Products of long numbers end in slightly
# different digits, so on hard questions it may matter:

# %%
for name, samples in drawn.items():
    scores = {
        tolerance: sum(
            vote_is_right(row, tolerance=tolerance) for row in samples.rows
        )
        for tolerance in (0.0, 0.01, 0.05)
    }
    told = ", ".join(f"{t:.0%}: {n}" for t, n in scores.items())
    print(f"{name}: right votes of {len(samples.rows)} at {told}")

# %% [markdown]
# The library's 1 % was not chosen by this count, and should not be: a
# tolerance as wide as the grader's would vote for what passes rather than
# for what is meant.
#
# And what does the vote not mend? The questions of `valid` on which most
# replies agree and are wrong:

# %%
for row in drawn["valid"].rows:
    vote = majority([g.answer for g in row])
    if vote.support >= 10 and not is_correct(vote.answer, row[0].truth):
        kind = next(g.failure for g in row if g.answer == vote.answer)
        print(
            f"{vote.support} of 15 say {vote.answer:g}, true "
            f"{row[0].truth:.6g} ({kind})\n    {row[0].question}"
        )

# %% [markdown]
# Independent slips scatter and are outvoted. A belief that the replies
# share gathers votes, right or wrong. Wisdom of the crowd needs a crowd
# whose errors differ, and fifteen copies of one model are not that.
#
# ## The bill
#
# All of it on one page: sixty questions, and the tokens that were written
# for an answer.

# %%
first = slice(0, 60)


def bill(report):
    rows = report.rows[first]
    right = Proportion(sum(row.correct for row in rows), len(rows))
    written = mean(row.n_tokens for row in rows)
    return written, (right.value, right.ci95)


each = mean(g.n_tokens for row in drawn["valid"].rows for g in row)
bills = {
    "at once, round": bill(direct["two, 900 and 6000"]),
    "at once, precise": bill(direct["one, 192"]),
    "cot": bill(reports["cot"]),
    "vote of 5": (5 * each, votes["valid"][SIZES.index(5)]),
    "vote of 15": (15 * each, votes["valid"][SIZES.index(15)]),
}
for name, (written, (value, _)) in bills.items():
    print(f"{name:17} {written:6.1f} tokens, {value:.2f} right")

# %% tags=["hide-input"]
figures.price_of_accuracy(bills, xlabel="tokens written for an answer")

# %% [markdown]
# The first steps are cheap and steep. The last are dear, and whether they
# rise above `cot` at all is what the verdict above is about: try a greedy
# reply before you pay for a vote.
# And reading is not free: before each of these answers the model has
# read the same instruction and the same example again. [The next
# chapter](07_sft.ipynb) moves them into the weights.
#
# ## Exercises
#
# ```{exercise} Warm-up: an example fit to be shown
# :label: ex-prompt-example
#
# Write a worked example that is better than the library's: nothing in it
# is false, no split asks its conversion, and its answer has at least three
# significant digits, so that it teaches nobody to be rough.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv import attempt, parse_answer, reasoning_is_valid

mine = WORKED_EXAMPLES[0]  # put your own here


def check_example(mine):
    conversion = parse_question(mine.question)
    assert conversion is not None, "the question asks for no conversion"
    answer = parse_answer(mine.reply)
    assert is_correct(answer, conversion.answer, 0.01), "the answer is off"
    assert reasoning_is_valid(mine.reply, mine.question), (
        "the reasoning is false, or does not lead to the answer"
    )
    found = leaks(mine)
    assert not found, f"the conversion is asked in {', '.join(found)}"
    assert digits(answer) >= 3, "its answer is round"


attempt(check_example, mine)

# %% [markdown]
# ```{solution-start} ex-prompt-example
# :class: dropdown
# ```

# %%
mine = WorkedExample(
    "How many gram are in 13 lb?",
    "1 lb = 453.6 g. 13 * 453.6 = 5896.8. <answer>5896.8</answer>",
)
written = evaluate(Shown([mine]), asked[:60])
print(f"{written.accuracy.successes} of 60 right, shown {mine.reply}")

# %% tags=["solution", "nbval-check-output"]
attempt(check_example, mine)

# %% [markdown]
# With reasoning a round answer does less harm, since the product is there
# to be copied to the last digit. It costs nothing to be careful.
#
# ```{solution-end}
# ```
#
# ```{exercise} The median instead
# :label: ex-prompt-median
#
# Answers are numbers, so one could take their median rather than a vote.
# Write it: replies without an answer do not count, of an even number the
# lower middle is taken, and where nobody answers it is NaN. Which wrong
# replies does a median outvote that a majority does not, and the other way
# round?
# ```


# %% tags=["exercise", "nbval-check-output"]
def middle(answers):
    """The lower median of the answers that are numbers."""
    raise NotImplementedError


def check_median(middle):
    assert middle([3.0, 1.0, 2.0]) == 2, "the order should not matter"
    assert middle([nothing, 5.0, 5.0, 9.0]) == 5, "NaN is no vote"
    assert middle([1.0, 2.0, 3.0, 4.0]) == 2, "take the lower middle"
    assert middle([nothing]) != middle([nothing]), "nobody voted: NaN"


attempt(check_median, middle)


# %% [markdown]
# ```{solution-start} ex-prompt-median
# :class: dropdown
# ```


# %%
import math
from statistics import median_low


def middle(answers):
    known = [a for a in answers if not math.isnan(a)]
    return median_low(known) if known else math.nan


pairs = {}
for name, samples in drawn.items():
    medians = [
        is_correct(middle([g.answer for g in row]), row[0].truth)
        for row in samples.rows
    ]
    voted = [vote_is_right(row) for row in samples.rows]
    pairs[name] = paired(voted, medians)
    print(f"{name}: median {sum(medians)}, majority {sum(voted)}")

adjusted = holm([pair.p_value for pair in pairs.values()])
for (name, pair), p in zip(pairs.items(), adjusted, strict=True):
    print(
        f"{name}: median against majority, p = {p:.2g}: {pair.verdict(p)}"
    )

# %% tags=["solution", "nbval-check-output"]
attempt(check_median, middle)

# %% [markdown]
# A median needs errors on both sides of the truth. Slips in the last
# digits lie on both sides, and then it may win without any agreement. A
# wrong power of ten lies on one side, and if most replies are wrong in one
# direction the median is wrong too, even where the right answer is the
# most frequent.
#
# ```{solution-end}
# ```
#
# ```{exercise} Knowing when one does not know
# :label: ex-prompt-sure
#
# A vote also says how sure it is: the share of its voters that agree.
# Suppose the model answers only where the agreement is at least `least`,
# and is silent elsewhere. Which share of the questions does it answer, and
# how many of those rightly?
# ```


# %% tags=["exercise", "nbval-check-output"]
from types import SimpleNamespace


def selective(rows, least):
    """(questions answered, right ones among these), for rows of replies."""
    raise NotImplementedError


def check_selective(selective):
    replies = {
        10.0: [10.0, 10.0, 10.0, 10.0],  # all agree, and they are right
        20.0: [20.0, 7.0, 20.0, nothing],  # two voters of three
        30.0: [5.0, 5.0, 5.0, 30.0],  # three of four, and wrong
        40.0: [nothing, nothing, nothing, nothing],
    }
    rows = [
        [SimpleNamespace(answer=answer, truth=truth) for answer in answers]
        for truth, answers in replies.items()
    ]
    for least, wanted in [(0.0, (3, 2)), (0.7, (2, 1)), (1.0, (1, 1))]:
        found = selective(rows, least)
        assert found == wanted, f"at {least} it should not be {found}"


attempt(check_selective, selective)


# %% [markdown]
# ```{solution-start} ex-prompt-sure
# :class: dropdown
# ```


# %%
def selective(rows, least):
    votes = [majority([g.answer for g in row]) for row in rows]
    sure = [
        is_correct(vote.answer, row[0].truth)
        for vote, row in zip(votes, rows, strict=True)
        if vote.voters and vote.agreement >= least
    ]
    return len(sure), sum(sure)


for name, samples in drawn.items():
    for least in (0.0, 0.4, 0.6, 0.8, 1.0):
        n, right = selective(samples.rows, least)
        print(f"{name}, at least {least:.0%} agree: {right} of {n} right")

# %% tags=["solution", "nbval-check-output"]
attempt(check_selective, selective)

# %% [markdown]
# Agreement is a usable measure of confidence, and no truth is needed for
# it. It is not proof. What all replies believe together they are sure of,
# right or wrong.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: the best of many prompts
# :label: ex-prompt-winner
#
# Twenty prompts are equally good: each is right on any question with
# probability 0.85, independently. You measure all on the same number of
# questions and keep the one with the best score. By how much is that score
# too high, on average? Simulate it. How does it depend on the number of
# questions?
# ```


# %% tags=["exercise", "nbval-check-output"]
def excess(prompts, questions, times=1000):
    """Mean of the best score minus the true 0.85, over many choices."""
    raise NotImplementedError


def check_winner(excess):
    alone = excess(1, 100)
    assert abs(alone) < 0.005, "with one prompt there is nothing to choose"
    best = excess(20, 100)
    # The mean of the largest of twenty normal numbers is 1.867.
    expected = 1.867 * (0.85 * 0.15 / 100) ** 0.5
    assert abs(best - expected) < 0.012, f"not {best:.3f} for 20 on 100"
    ratio = best / excess(20, 1600)
    assert 3 < ratio < 5, "sixteen times the questions: a fourth of it"


attempt(check_winner, excess)


# %% [markdown]
# ```{solution-start} ex-prompt-winner
# :class: dropdown
# ```


# %%
import numpy as np


def excess(prompts, questions, times=1000):
    rng = np.random.default_rng(0)
    scores = rng.binomial(questions, 0.85, size=(times, prompts))
    return float(scores.max(axis=1).mean() / questions - 0.85)


for questions in (100, 200, 1000):
    print(
        f"20 prompts, {questions:4} questions: +{excess(20, questions):.3f}"
    )

# %% tags=["solution", "nbval-check-output"]
attempt(check_winner, excess)

# %% [markdown]
# The winner's score is its quality plus the luck that made it win. On
# fresh questions the luck is gone. That is what the test set is kept shut
# for: choose on `valid`, and report what `test` says of the chosen one.
#
# ```{solution-end}
# ```
#
# ## Recap
#
# - Answering and being right are two skills. Plot both, and you see which
#   of them a prompt lacks.
# - In-context learning is real: one example sets the form of the reply,
#   even one that no instruction names.
# - What is taken over is form and procedure. False numbers in the example
#   do little harm here; an answer that comes before its reasons does.
# - An example teaches also what it did not mean to: round answers teach
#   rounding. A weak baseline may be a badly chosen one.
# - Thinking is worth many points and several times the tokens, counted
#   between prompts that differ in nothing else.
# - Reasons can be checked. A right answer may rest on a false product, and
#   long products are where this model still fails.
# - More examples are more text to read. Check them for leaks by what they
#   ask, and their gain with a paired interval.
# - A vote outvotes slips, not shared beliefs.
#
# **Next:** [the example moves into the weights](07_sft.ipynb), and the
# prompt becomes the bare question.
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# wei2022
# brown2020
# kojima2022
# min2022
# liu2021
# lu2021
# wang2022
# ```
