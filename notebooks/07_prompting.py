# %% [markdown]
# # Prompting: what a worked example is worth
#
# We have not trained anything so far: all we can change is the text that
# the base model reads. An instruction and one worked example take it from
# no readable answer to 181 right answers of 200.
#
# **The question of this chapter:** what does a model copy from an example:
# its facts, its form, or its way of working?
#
# :::{admonition} What you will learn
# :class: tip
# - why answering and being right are two skills, and how to see which one
#   a prompt lacks;
# - how to find out what in an example matters: change one thing at a time;
# - how an example teaches things that were not intended;
# - what reasoning before the answer is worth, what it costs in tokens, and
#   where it goes wrong;
# - whether more examples help, and how to test it;
# - self-consistency: what a vote among several replies can correct.
#
# **Before you start:** [chapter 1](01_task.ipynb) for the grader, [chapter
# 4](04_sequential.ipynb) for prompts and temperature. **Time:** 35 minutes
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

MODEL = "course"  # or "smollm2"

llm = LLM.from_pretrained(MODEL, prompt="cot", dtype="float32")
asked = load_split("valid")
print(f"{len(asked)} questions, the same for every prompt")

# %% [markdown]
# A prompt is a setting, so we choose it on `valid`. No choice in this
# chapter uses the test set.
#
# ## Five ways to ask
#
# We compare four styles of `unitconv.task.prompts`: the bare question
# (`raw`), an instruction without an example (`chat`), two examples that
# answer at once (`direct`), and one worked example (`cot`, for *chain of
# thought*; Wei et al. 2022). These are the examples of the last two:

# %%
from unitconv.task.prompts import CHAT_STYLES

for name in ("cot", "direct"):
    examples, instruction = CHAT_STYLES[name]
    for example in examples:
        print(f"{name:7} {example.question}\n        {example.reply}")

# %% [markdown]
# Later we need our own examples and instructions. `LLM` builds every prompt
# with `format_prompt`, so we override that method.

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
examples, instruction = CHAT_STYLES["cot"]
cot = Shown(examples, instruction)
assert cot.format_prompt(question) == llm.format_prompt(question)
print(cot.format_prompt(question))

# %% [markdown]
# The fifth way has no example either. It adds one sentence to the
# instruction, "Let us think step by step." The idea is from [Kojima et al.
# (2022)](https://arxiv.org/abs/2205.11916), whose models were many thousand
# times as large as ours.

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
).T.round(3)

# %% tags=["hide-input"]
figures.form_and_content(
    {
        name: tuple(
            (rate.value, rate.ci95)
            for rate in (report.answer_rate, report.accuracy)
        )
        for name, report in reports.items()
    }
).captioned("Answered against right, for five ways to ask.")

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
# The two rates do not move together. With the bare question, no reply ends
# in a form that the grader can read. With the instruction alone about two
# thirds do, and with examples all. How many are right depends on *which*
# examples: with the two of `direct` the model always answers, but is right
# less than half as often as without any. The sentence that helps large
# models costs this one 23 points. The classes of chapter 1 show the errors:

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
).captioned("What became of the replies, for the same five prompts.")

# %% [markdown]
# Three quarters of the replies to `direct` are *other*: wrong in none of
# the ways that the grader recognizes.
#
# The command `unitconv measure report.json` makes a longer version of this
# table. The package has its result for the shipped model on the 1000
# questions of the test set, shown here for comparison:

# %%
import json

from unitconv.inference.load.model import COURSE_MODEL

recorded = json.loads((COURSE_MODEL / "results.json").read_text())["test"]
for style in ("raw", "chat", "direct", "cot"):
    low, high = recorded[style]["accuracy_ci95"]
    print(
        f"{style:7} {recorded[style]['accuracy']:.3f} "
        f"[{low:.3f}, {high:.3f}]  n = {recorded[style]['n']}"
    )

# %% [markdown]
# ## Knowledge without the form of an answer
#
# Without an example, does the model lack the answer, or only the form?
# Look at its replies:

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
# Of the 200 replies to the bare question, 189 begin with a fact or a
# calculation, and 103 of these state nothing false. The audit accepts
# none, because valid reasoning must lead to an answer in the tag. The reply
# to `raw` above marks its answer with `RESULT(...)` and goes on to another
# question; the reply to `chat` lacks only the tag. The grader reads nothing
# but that tag, so both count as wrong. Much of what is missing is form, not
# knowledge.
#
# ## One worked example
#
# The instruction also names the tag `<answer>`. Does the example add
# anything? We take the tag out of both: the instruction names no form, and
# the example marks its answer in another way.

# %%
from dataclasses import replace

from unitconv.evaluation.prompt_probe import (
    FORMLESS,
    WRAPPERS,
    imitation_rate,
)

[hours], _ = CHAT_STYLES["cot"]
print("instruction:", FORMLESS, "\n")
for wrapper in WRAPPERS:
    reply = hours.reply.replace(
        "<answer>900</answer>", wrapper.format(v=900)
    )
    shown = Shown([replace(hours, reply=reply)], FORMLESS)
    told = shown.complete([shown.format_prompt(question)])[0][0].text
    print(f"shown {reply}\nreply {told}\n")

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
).captioned(
    "Share of replies that use the wrapper of the example, with 95 % "
    "intervals."
)

# %% [markdown]
# The weights are the same, and all 100 replies follow each new form. This
# is *in-context learning* ([Brown et al.
# 2020](https://arxiv.org/abs/2005.14165)): the prompt shows the model what
# to do, and the next prompt starts afresh. Our model was pretrained for it:
# each chat in its corpus kept one form, drawn at random, from its first
# reply to its last ([the appendix](90_pretraining.ipynb)). Double brackets
# were among the forms; `kuvo` is a made-up word. The instruction of `chat`,
# which names the tag, set the form for only about two thirds of the
# questions, and this share differs much between pretraining seeds.
#
# ## What the model copies from the example
#
# The example has a fact, a product and an answer. Do they need to be
# *true*? [Min et al. (2022)](https://arxiv.org/abs/2202.12837) gave models
# examples with random answers, and on most tasks accuracy hardly fell. We
# try two variants. In the first, the fact, the product and the answer are
# false. In the second all is true, but the answer comes before the
# reasoning.

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
).captioned(
    "Right (bar) and answered (line), for three versions of the example."
)

# %%
right = {name: r.accuracy.value for name, r in contents.items()}
if MODEL == "course":
    assert abs(right["all numbers false"] - right["true"]) < 0.08
    assert right["answer first"] < right["true"] - 0.08

# %% [markdown]
# The verdicts are those of a paired test ([chapter
# 11](11_evaluation.ipynb)). *Not shown* does not mean equal: by the
# interval, the false numbers may still cost 1.7 points. The model takes its
# facts from its weights. From the example it takes *the order of a reply*:
# state a fact, calculate, close with a tag. When the example answers first,
# so do all replies, and accuracy falls by 66 points, although nothing in
# the example is false. A reply is written from left to right, so reasons
# after the answer cannot help it (here they are not even written, since
# generation stops at the tag). [Wei et al.
# (2022)](https://arxiv.org/abs/2201.11903) also found that reasons after
# the answer do not help, in models tens of thousands of times as large.
# Part of our drop may have another cause, the round 900 of the example: see
# the next section.
#
# So a false number in an example is easy to overlook: the score may not
# show it. Check your examples anyway. Another model may copy facts that it
# does not know, and larger models follow false answers in examples more
# often than small ones ([Wei et al.
# 2023](https://arxiv.org/abs/2303.03846)).
#
# On the book's page you can write your own example, and the base answers
# twenty questions of `valid` with it:
#
# ```{live-prompting} 20
# Answered and right, with the example of the prompt and with yours: a tick
# is a right answer, a cross a wrong one, a dash no answer in the tag.
# Change the form, the facts, or the order of answer and reasons, and look
# at which of the two numbers moves. Among twenty questions, one or two more
# or less are chance.
# ```
#
# ## The trap: round examples teach rounding
#
# The two examples of `direct` have the answers 900 and 6000. These are
# wrong answers of the model:

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
# Both examples have *round* answers, and all answers of the model are
# round. Its pretraining suggests why: 52 % of the chats that answer at once
# round in this way (according to the model's card), and the first reply of
# a chat shows which kind it is. So the low accuracy of `direct` may come
# from our examples, and not only from the lack of reasoning. To find out,
# we need an example whose answer is not round. Here is one, written without
# much care:

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
print("the sentence is in a split:", careless.question in sentences)
print("its conversion is in:", ", ".join(leaks(careless)))
assert "test" in leaks(careless)

# %% [markdown]
# A search for the sentence finds nothing, but the test set asks the same
# conversion in other words. When all questions share one prompt, one such
# example is a small leak. It is a large leak when each question gets the
# most similar example of a pool ([Liu et al.
# 2021](https://arxiv.org/abs/2101.06804)), because the search then picks
# exactly the examples that are also test questions.
#
# The library has two examples with precise answers, and the check finds
# their conversions in no split. We also write a version of each with
# reasoning, for later:

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
# The model, the instruction and the number of examples are the same. Most
# of the round answers are gone, and accuracy is about halfway to `cot`. Our
# first comparison was between a good example of one kind and a poor pair of
# the other. When a baseline is weak, check whether it was made with the
# same care.
#
# ## What chain of thought gains
#
# A fairer comparison uses one example each, with the same question and the
# same answer. `cot` has reasoning between them and an instruction that asks
# for it; we measure the effect of both together.

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
# Written reasoning spreads the calculation over many tokens, and each can
# use those before it. An answer at once needs its first digit from a single
# forward pass. The gain of 33 points costs more than three times the
# tokens, and it is half of what the first table suggested. Which errors
# disappear?

# %% tags=["hide-input"]
figures.outcome_bars(
    {
        "at once, round": outcomes(direct["two, 900 and 6000"]),
        "at once, precise": outcomes(direct["one, 192"]),
        "cot": outcomes(thinking),
    },
    BARS,
).captioned(
    "What became of the replies: answers at once, and with reasoning."
)

# %% [markdown]
# A precise example reduces errors of the class *other* from 0.74 to 0.41,
# and reasoning leaves 0.01. Most of the remaining errors are false
# statements, which only a reply with reasoning can make, and answers that
# are right in another unit.
#
# ### Long products
#
# Most quantities of `valid` are whole numbers from 1 to 12. Those of
# `valid_hard` have two or three digits, or decimals. A product is *long* if
# both of its factors have more than one digit, not counting zeros at their
# ends. Does reasoning help more with long products? The table combines the
# two sets:

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
# Reasoning gains 31 points on short products and 35 on long ones; a
# difference between the two gains is not shown. With reasoning, 93 % of the
# short products are right, but only 55 % of the long ones. How do the
# replies calculate long products? Some use *steps*: they split the product
# into partial products, or convert through a third unit.

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
# Most replies write a long product as one equation. Of those with a right
# answer, 54 of 67 fail the audit: the grader allows the answer an error of
# 5 %, the audit allows a product 0.1 % or its rounding. Of the 42 replies
# in steps, 33 are right, 27 of them with valid reasoning. The model chose
# where to use steps, perhaps on easier questions, so this does not show
# that steps help. Can an example ask for steps? This one multiplies in
# parts:

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
# The example in parts does not help: steps remain about as rare as before,
# and no gain is shown. The replies copy the form of the example, but not
# its way of multiplying. [Chapter 9](09_rft.ipynb) makes steps frequent by
# training.
#
# ## Number and order of examples
#
# Do more examples help, and does their order matter? In [Lu et al.
# (2021)](https://arxiv.org/abs/2104.08786) the order alone could make the
# difference between nearly the best result and guessing.

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
).captioned(
    "Accuracy with other examples minus that with one, with 95 % intervals."
)

# %%
adjusted = holm([pair.p_value for pair in pairs.values()])
for (name, pair), p in zip(pairs.items(), adjusted, strict=True):
    print(f"{name:23} {pair.difference:+.3f} {pair.verdict(p)}")
if MODEL == "course":
    assert max(abs(pair.difference) for pair in pairs.values()) < 0.08

# %% [markdown]
# All five score slightly below `hours` alone, but no difference is shown
# (Holm's adjustment is for five tests). So there is no reason to pay for
# more tokens. The orders were not tested against each other.
#
# It is tempting to try twenty prompts on a hundred questions and keep the
# best. Here are the scores of our six on each half of the questions:

# %%
for name, half in [("first", slice(0, 100)), ("second", slice(100, 200))]:
    scores = {
        prompt: sum(row.correct for row in report.rows[half])
        for prompt, report in many.items()
    }
    order = sorted(scores, key=scores.get, reverse=True)
    print(f"{name} half:", *(f"{p} {scores[p]}" for p in order), sep="\n  ")

# %% [markdown]
# The prompt `days, feet, hours` shares the first place in one half and is
# last in the other. The last exercise measures by how much the best score
# overstates a prompt, and [chapter 11](11_evaluation.ipynb) has the full
# statistics.
#
# ### SmolLM2 needs more examples
#
# One example is enough for the course model, which was pretrained on texts
# that keep a form. SmolLM2-135M-Instruct has fifty times as many parameters
# but was not pretrained in this way. These are recorded runs on all of
# `valid`, with one to eight examples in the prompt (the styles `cot` and
# `cot-2` to `cot-8`); SmolLM2's weights were rounded to 4 bits:

# %% tags=["hide-input"]
from pathlib import Path

import unitconv

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
curve = json.loads((RESULTS / "smollm2.json").read_text())["curve"]
bases = {"SmolLM2-135M": "smollm2", "course model": "course"}
numbers = [int(number) for number in curve["smollm2"]]
figures.examples_in_prompt(
    numbers,
    {
        title: {
            name: [(r[key], r[f"{key}_ci95"]) for r in curve[base].values()]
            for name, base in bases.items()
        }
        for title, key in {
            "answered": "answer_rate",
            "right": "accuracy",
        }.items()
    },
).captioned("Answered and right with one to eight worked examples.")

# %% [markdown]
# With one example SmolLM2 answers 6.5 % of the questions, with four to
# eight between 84 % and 94 %. Its accuracy stays at 10 % or below: examples
# supply the form, but not the facts and the arithmetic. The course model
# gains nothing from a second example; with five it has 9 fewer of 200 right
# (p = .02, not adjusted for the number of comparisons). Its curves end
# there, because its context has no room for more examples and a reply.
# [Chapter 12](12_smollm2.ipynb) has the numbers.
#
# ## Self-consistency: ask fifteen times and count
#
# So far every reply was the greedy one. Replies sampled at temperature 0.8
# differ. Their errors often differ too, while right replies all reach the
# same answer. So we let them vote: ignore the reasoning and keep the most
# frequent answer. [Wang et al. (2022)](https://arxiv.org/abs/2203.11171)
# call this self-consistency.
#
# Which answers count as the same? Requiring equal numbers is too strict:
# 3.281 * 6 and 3.28 * 6 are the same reasoning, rounded differently. The
# grader's 5 % is too loose: a UK fluid ounce is 4 % smaller than a US one,
# and the two would count as the same. The audit allows a fact an error of
# 1 %, and so does the vote.
#
# Then 100 and 100.9 agree, and so do 100.9 and 101.8, but 100 and 101.8 do
# not. So answers cannot be sorted into groups. Instead, each answer is
# supported by all that agree with it, and the one with the most support
# wins:

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
# We take sixty questions each of `valid` and `valid_hard`, and sample
# fifteen replies to each question. A smaller vote uses some of these.

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
# A small vote depends on which of the fifteen it gets, so we average over
# twenty random choices. The interval treats the sixty questions as the
# sample.

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
).captioned(
    "Accuracy of a vote of 1 to 15 replies. Gray: at least one of "
    "them is right."
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
# Read the blue line from the left. A single sample scores below the greedy
# reply (the orange line): 0.79 against 0.95 on `valid`, 0.51 against 0.60
# on the hard questions. Only the part above the orange line is
# a gain of the vote, and with sixty questions no gain
# is shown in either set. The gray line is the share of questions with a
# right reply among the samples: with fifteen, 0.98 and 0.95. A vote misses
# that reply when another answer is more frequent. A grader finds it, and
# that is the idea of [chapter 9](09_rft.ipynb).
#
# What about the tolerance? Long products often differ in their last digits,
# so it may matter on hard questions:

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
# Do not choose the tolerance by this count: the grader's 5 %, which scores
# best on the hard questions, counts different answers as the same.
#
# Which errors does the vote not correct? We list the questions of `valid`
# on which at least ten replies agree on a wrong answer:

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
# There is one such question. A vote corrects errors that differ from reply
# to reply. It cannot correct an error that most replies share.
#
# ## Cost in tokens
#
# Here are accuracy and tokens written for each answer, on the same sixty
# questions of `valid`:

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
figures.price_of_accuracy(
    bills, xlabel="tokens written for an answer"
).captioned("Accuracy against tokens written for an answer.")

# %% [markdown]
# The first steps gain much for few tokens. The votes cost 5 and 16 times
# the tokens of `cot`, and neither is more accurate here: try a greedy reply
# before you pay for a vote. Reading is not free either: every prompt
# repeats the instruction and the example. [The next chapter](08_sft.ipynb)
# moves them into the weights.
#
# ## Exercises
#
# ```{exercise} Warm-up: write a worked example
# :label: ex-prompt-example
#
# Write a worked example with valid reasoning. Its conversion must not be in
# any split, and its answer must have at least three significant digits,
# unlike the library's 900.
# ```
#
# On the book's page you can write it into a form. The check there does not
# look into the splits. It asks the base twenty questions with your example.
#
# ```{live-exercise-example} 20 18
# Write an example of your own. Its reply is graded as one of the model's,
# and then the model has to close its replies as yours does.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv import attempt, parse_answer, reasoning_is_valid

[mine], _ = CHAT_STYLES["cot"]  # put your own here


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
# With reasoning, the round 900 of `hours` is not shown to do harm (57 of
# these 60 are right with it): the answer repeats the product that the model
# has written. A precise answer is safer, and costs nothing.
#
# ```{solution-end}
# ```
#
# ```{exercise} The median instead
# :label: ex-prompt-median
#
# Answers are numbers, so we could take their median instead of a vote.
# Write it. Ignore replies without an answer; of an even number take the
# lower of the two in the middle; without any answer return NaN. When is the
# median right and the majority wrong, and when is it the other way around?
# ```


# %% tags=["exercise", "nbval-check-output"]
def middle(answers):
    """The lower median of the answers that are numbers."""
    raise NotImplementedError


def check_median(middle):
    assert middle([3.0, 1.0, 2.0]) == 2, "the order should not matter"
    assert middle([1.0, 2.0, 3.0, 4.0]) == 2, "take the lower middle"
    assert middle([5.0, 9.0, nothing, nothing]) == 5, "NaN is no vote"
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
# Neither is shown to be better here. A median needs errors on both sides of
# the truth. Errors in the last digits are on both sides, and then the
# median can be right even if no two replies agree. If most replies
# are wrong in one direction, the median is wrong too, even when the right
# answer is the most frequent.
#
# ```{solution-end}
# ```
#
# ```{exercise} Answer only if the votes agree
# :label: ex-prompt-sure
#
# A vote also has an agreement: the share of its voters that support the
# winner. Suppose we answer only the questions whose agreement is at least
# `least`. How many do we answer, and how many of these answers are right?
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
    answered = {0.0: (3, 2), 0.6: (3, 2), 0.7: (2, 1), 1.0: (1, 1)}
    for least, wanted in answered.items():
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
# In both sets, all answers with at least 80 % agreement were right (32 and
# 10), and agreement can be measured without the true answers. It proves
# nothing, though: above, 11 of 15 replies agreed on a wrong answer.
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
    assert abs(best - expected) < 0.012, (
        f"the best of 20 on 100 questions is not {best:.3f} too high"
    )
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
# The winner's score is its quality plus the luck that made it win. On new
# questions the luck is gone. So choose on `valid`, and report the score of
# the chosen prompt on `test`.
#
# ```{solution-end}
# ```
#
# ## Three questions
#
# ```{quiz}
# :right: 1
#
# A prompt gets .38 answered and .36 right. What does the model lack?
#
# - The form of an answer.
# - Knowledge of units.
# - Arithmetic.
#
# Nearly all replies that have an answer are right.
# ```
#
# ```{quiz}
# :right: 2
#
# The examples of `direct` have round answers. What happens?
#
# - Nothing, the model ignores their numbers.
# - The model rounds its own answers.
# - The model copies their answers.
#
# With precise examples the share of right answers more than doubles.
# ```
#
# ```{quiz}
# :right: 3
#
# Two prompts are compared on the same 200 questions. Which numbers count?
#
# - The two intervals.
# - The two accuracies.
# - The questions that only one of them has right.
#
# The intervals of two rates say little about a paired difference.
# ```
#
# ## Recap
#
# - Answering and being right are two skills. Plot both to see which of them
#   a prompt lacks.
# - One example sets the form of the reply, even a form that no instruction
#   names.
# - Form and order are copied, facts are not: no harm from false numbers in
#   the example was shown, but with the answer first, far fewer replies were
#   right. An example in steps did not bring more steps.
# - Examples also teach by accident: round answers teach rounding. A
#   weak baseline may be a badly chosen one.
# - Reasoning gained about 33 points for more than three times the tokens.
# - A right answer may rest on a false product, and nearly half of the long
#   products were wrong even with reasoning.
# - More examples were not shown to help. Check examples for leaks by the
#   conversion they ask, and test their gain with a paired test.
# - A vote corrects errors that differ, not those that most replies share.
#   Over one greedy reply, no gain was shown.
#
# **Next:** [the example moves into the weights](08_sft.ipynb), and the
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
# wei2023
# ```
