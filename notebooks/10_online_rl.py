# %% [markdown]
# # Online reinforcement learning: the model that samples learns
#
# In [chapter 9](09_rft.ipynb) the base model answered every training
# question ten times, a filter kept the replies that were right, and a model
# was trained on them. All replies came from one model, as it was before the
# training. A second round sampled again, from the trained model, and could
# find replies that the base had hardly ever given.
#
# Why stop at two rounds? *Online reinforcement learning* makes the rounds
# as short as possible. A step samples replies to a few questions, changes
# the weights a little so that the better replies become likelier, and
# forgets the replies. The next step samples from the changed model. The
# grader and the audit of the chapters before say which reply is better; in
# reinforcement learning their verdict is called the *reward*.
#
# **The question of this chapter:** chapter 9 sampled once and learned
# afterwards. What changes if the model that samples is the model that
# learns?
#
# :::{admonition} What you will learn
# :class: tip
# - how a reward becomes a gradient, by hand on four replies and then for
#   the tokens of a model;
# - why a reply is compared with the other replies to its question;
# - how a run fails without any error, and which four curves show it;
# - how five losses, from REINFORCE to DAPO, differ by two lines of code;
# - what the names in other libraries mean.
#
# **Before you start:** [chapter 9](09_rft.ipynb) for rollouts and the
# audit, [chapter 8](08_sft.ipynb) for LoRA. **Time:** 40 minutes to read,
# without the exercises, and about five minutes to run. **Hardware:** with
# the course model any laptop; 2 GB of memory.
# :::
#
# In a shell, a run is one command (40 steps take about eight minutes on one
# core):
#
# ```bash
# unitconv rl --output my_rl
# ```

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
import tempfile
import textwrap
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch

from unitconv import LLM, evaluate, figures, load_split

MODEL = "course"  # or "smollm2", which needs hours

scratch = tempfile.TemporaryDirectory()  # what we write goes in here
work = Path(scratch.name)
questions = load_split("train") + load_split("train_hard")
len(questions)

# %% [markdown]
# ## Four replies, by hand
#
# Forget the language model for a moment. A *policy* chooses one of four
# replies with the probabilities below: the softmax of four numbers. Two of
# the replies are right and get a reward of 1, the others get 0. We want to
# raise the *expected reward*, which is the sum of probability times reward.

# %%
rewards = torch.tensor([1.0, 0.0, 0.0, 1.0])
logits = torch.tensor([0.0, 1.0, 0.5, -1.0])


def expected_reward(logits):
    return (logits.softmax(-1) * rewards).sum()


print("probabilities:", logits.softmax(-1).numpy().round(3))
print(f"expected reward: {expected_reward(logits):.3f}")

# %% [markdown]
# In this toy the expected reward can be written down, so its gradient can
# be computed by finite differences: change one logit a little, and see how
# much the expected reward changes. With a language model this is out of
# reach, because no one can sum over all the replies that it could give. It
# can only be sampled.
#
# The *policy gradient* ([Williams
# 1992](https://doi.org/10.1007/BF00992696)) needs samples alone. It is the
# average, over sampled replies, of the reward times the gradient of the
# reply's log-probability. A reply that was rewarded becomes likelier, in
# proportion to its reward. Here we average over all four replies with
# their exact probabilities, so both gradients must agree:


# %%
def policy_gradient(logits, gains):
    """Average of gain times the gradient of a reply's log-probability."""
    logits = logits.clone().requires_grad_()
    probabilities = logits.softmax(-1).detach()
    (probabilities * gains * logits.log_softmax(-1)).sum().backward()
    return logits.grad


nudges = 1e-2 * torch.eye(4)
differences = torch.stack(
    [
        (expected_reward(logits + n) - expected_reward(logits - n)) / 2e-2
        for n in nudges
    ]
)
mean = expected_reward(logits)
gradients = pd.DataFrame(
    {
        "finite differences": differences,
        "reward": policy_gradient(logits, rewards),
        "reward - mean": policy_gradient(logits, rewards - mean),
    },
    index=[f"reply {i}" for i in range(1, 5)],
)
errors = gradients.sub(gradients["finite differences"], axis=0).abs()
assert errors.to_numpy().max() < 1e-4
gradients.round(4)

# %% [markdown]
# All three columns are equal. The logits of the two right replies rise,
# those of the others fall. The last column shows something useful: one may
# subtract a constant from every reward, here the mean reward, and the
# gradient stays the same. The constant is called a *baseline*, and
# the difference is the *advantage* of a reply.
#
# If the gradient is the same, why subtract? Because we will not average
# over all replies. We draw a few, and the average of a few is noisy.
# Below, 2000 gradients are estimated, each from eight drawn replies:

# %%
torch.manual_seed(0)
drawn = torch.multinomial(logits.softmax(-1), 2000 * 8, replacement=True)
scores = torch.eye(4)[drawn] - logits.softmax(-1)  # gradients of log p
drawn_rewards = rewards[drawn].view(2000, 8)
centered = drawn_rewards - drawn_rewards.mean(1, keepdim=True)
for name, gains in (("reward", drawn_rewards), ("advantage", centered)):
    estimates = (gains[..., None] * scores.view(2000, 8, 4)).mean(1)
    spread = estimates.std(0).mean()
    print(f"{name:9}: mean {estimates.mean(0).numpy().round(3)}, ", end="")
    print(f"standard deviation {spread:.3f}")

# %% [markdown]
# The estimates from advantages scatter less. Their mean is a little too
# small: the mean of a group contains the reply itself, so a share of one in
# eight of every reward is taken away. That scales the whole gradient by
# 7/8 and does not change its direction (an exercise below removes it).
#
# The group mean has a second effect. If all eight replies are right, or all
# are wrong, every advantage is zero. Such a group teaches nothing, and it
# need not even be passed through the model again.
#
# ## From replies to tokens
#
# A language model chooses a reply token by token, so the log-probability
# of the reply is the sum over its tokens. Nothing else changes. Here is a
# group of eight real replies to one question, sampled at temperature 1 by
# the base with one worked example in its prompt:

# %%
from unitconv.training.lora import add_lora
from unitconv.training.pipelines import pick_base
from unitconv.training.rl.config import RL_DEFAULTS, RLSettings
from unitconv.training.rl.rollout import sample_groups

base = pick_base(MODEL, "cpu")  # in float32, to compare many digits
settings = RLSettings(**asdict(base.settings(RL_DEFAULTS)))


def fresh_llm(style="cot"):
    """The base with a new adapter, which does not change it yet."""
    model, tokenizer = base.load()
    model.set_attn_implementation("eager")
    return LLM(add_lora(model, settings), tokenizer, style)


llm = fresh_llm()
groups = sample_groups(llm, questions[:16], settings, step=0)
group = next(group for group in groups if group.mixed)
print(group.question)
for reply in group.replies:
    text = " ".join(reply.text.split())
    print(f"\n{reply.reward:.0f}  {reply.reason or 'right'}")
    print(textwrap.fill(text, 72))

# %% [markdown]
# The reward is 1 where chapter 9 would have kept the reply: the answer is
# right, and so is the reasoning. Otherwise it is 0. The advantages are one
# line, and the loss of a group is a few more. `group.examples` holds the
# token ids of each reply after those of the prompt, and labels for the
# reply's tokens only ([chapter 8](08_sft.ipynb)):

# %%
from unitconv.training.examples import IGNORE_INDEX, collate


def group_advantages(rewards):
    return rewards - rewards.mean()


def reply_log_probs(model, batch, temperature):
    """Log-probability of each reply, summed over its tokens."""
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    logits = model(**inputs).logits[:, :-1] / temperature
    labels = batch["labels"][:, 1:]
    learned = labels != IGNORE_INDEX
    picked = labels.where(learned, 0)[..., None]
    log_probs = logits.log_softmax(-1).gather(-1, picked)[..., 0]
    return (log_probs * learned).sum(1)


def group_loss(model, group, settings):
    rewards = torch.tensor([reply.reward for reply in group.replies])
    batch = collate(group.examples, llm.pad_token_id)
    log_probs = reply_log_probs(model, batch, settings.temperature)
    n = settings.questions * settings.samples * settings.max_new_tokens
    return -(group_advantages(rewards) * log_probs).sum() / n


print(f"loss of the group: {group_loss(llm.model, group, settings):.2e}")

# %% [markdown]
# The loss is divided by a constant, the most tokens that a batch could
# have. So it is close to zero, and its size says nothing. *This loss need
# not fall.* It is only written so that its gradient is the policy gradient.
# What should rise is the reward.
#
# Three details decide whether this is right, and each is a known bug in
# some published trainer:
#
# - the log-probabilities are those of the tokens that were *sampled*. Text
#   that is decoded and tokenized again can become other tokens;
# - the logits are divided by the *temperature of sampling*, since the model
#   sampled from that distribution;
# - prompt and padding do not count, but the end token does: to stop is a
#   choice of the model.
#
# The second can be checked. The engine that samples has a KV cache and
# batches of its own, and the training has a plain forward pass. If both
# are right, they agree on the probability of every sampled token. Here the
# engine's choice of tokens is wrapped, so that it writes down the
# log-probability of each:

# %%
from unitconv.inference import engine
from unitconv.inference.generate import generate
from unitconv.inference.reference import Decoding
from unitconv.training.examples import TrainingExample

choose_token = engine.choose
noted = []


def choose_and_note(logits, decoding, keys, position):
    tokens = choose_token(logits, decoding, keys, position)
    log_probs = (logits.float() / decoding.temperature).log_softmax(-1)
    noted.append(log_probs.gather(-1, tokens).item())
    return tokens


warm = Decoding(temperature=0.7, seed=5)
engine.choose = choose_and_note
try:
    [[sampled]] = generate(llm.model, [group.prompt_ids], llm.stop, warm, 1)
finally:
    engine.choose = choose_token

ignored = [IGNORE_INDEX] * len(group.prompt_ids)
row = TrainingExample(
    group.prompt_ids + sampled.token_ids, ignored + sampled.token_ids
)
batch = collate([row], llm.pad_token_id)
with torch.no_grad():
    ours = {
        t: reply_log_probs(llm.model, batch, t).item() for t in (0.7, 1.0)
    }
print(f"engine, sampling at 0.7:    {sum(noted):.5f}")
print(f"training, temperature 0.7:  {ours[0.7]:.5f}")
print(f"training, temperature 1.0:  {ours[1.0]:.5f}")
assert abs(ours[0.7] - sum(noted)) < 1e-3

# %% [markdown]
# Engine and training agree, if the training divides by the temperature as
# well. If it forgets, it computes the last line: another number, no error,
# and a gradient for a model that did not sample.
#
# The library computes the same loss with all groups together, in batches
# of replies of similar length, and leaves out the groups without a
# difference. Its gradient must be ours:

# %%
from unitconv.training.rl.loop import add_gradient, make_minibatches


def gradient(model):
    """All gradients of the adapter as one vector; clears them."""
    learned = [p for p in model.parameters() if p.requires_grad]
    parts = [p.grad.flatten() for p in learned]
    model.zero_grad()
    return torch.cat(parts)


for each in groups:
    if each.mixed:
        group_loss(llm.model, each, settings).backward()
by_hand = gradient(llm.model)
for minibatch in make_minibatches(groups, settings, llm.pad_token_id):
    add_gradient(llm.model, minibatch, None, settings)
of_library = gradient(llm.model)

error = (by_hand - of_library).norm() / of_library.norm()
print(f"{sum(g.mixed for g in groups)} of {len(groups)} groups are mixed")
print(f"relative difference of the gradients: {error:.0e}")
assert error < 1e-3

# %% [markdown]
# From here on we use the library's.
#
# ## The trap: no reward, no error
#
# The prompts above hold a worked example. But the goal is a model that
# answers the bare question, as the adapters of chapters 8 and 9 do. So why
# not ask the bare question from the first step on?

# %%
from unitconv.training.rl.loop import make_optimizer, train


def steps_of(llm, n, settings):
    """Take n steps; return what was measured in each."""
    short = replace(settings, steps=n)
    optimizer = make_optimizer(llm.model, short)
    return [
        asdict(metrics) | metrics.update.__dict__
        for _, metrics in train(llm, questions, short, optimizer)
    ]


bare = steps_of(fresh_llm("raw"), 3, settings)
shown = ["step", "reward", "mixed", "n_tokens", "n_replies", "grad_norm"]
pd.DataFrame(bare)[shown].round(3).set_index("step")

# %%
assert all(step["n_replies"] == 0 for step in bare)

# %% [markdown]
# Three steps, 384 replies, and not one reward. Every group has eight equal
# rewards, so every advantage is zero, no reply is learned from, and there
# is no gradient (`n_replies` and `grad_norm`). The run would go on like
# this to its end, without an error. The library prints a warning after ten
# such steps.
#
# Reinforcement learning makes a behavior likelier that already occurs. It
# has nothing to work on where the reward is always the same. There are two
# ways out: a prompt with which some replies are right, or a short training
# on examples first (a *warm start*). We take the prompt:

# %%
with_example = steps_of(fresh_llm("cot"), 3, settings)
pd.DataFrame(with_example)[shown].round(3).set_index("step")

# %%
assert all(step["mixed"] > 0.2 for step in with_example)

# %% [markdown]
# `mixed` is the share of questions whose eight replies differ in reward. It
# is the first number to look at, as only those questions teach.
#
# ## Twenty steps
#
# Now a longer run, with the function behind `unitconv rl`: sixteen
# questions a step, eight replies each, at temperature 1. Every ten steps it
# answers 80 validation questions greedily; the adapter with most of them
# right is kept.

# %%
from unitconv.training.config import TrainingRun
from unitconv.training.rl.pipeline import RLData, train_rl

valid = load_split("valid")[:40] + load_split("valid_hard")[:40]
progress = train_rl(
    base,
    RLData(questions, valid),
    replace(settings, steps=20),
    TrainingRun(work / "rl"),
)
for step, score in progress.valid_scores:
    print(f"step {step:2}: {score:.3f} right on valid")

# %% tags=["hide-input"]
history = pd.DataFrame(
    [asdict(m) | asdict(m.update) for m in progress.history]
)
history["grad_norm"] *= 1000
figures.run_curves(
    history["step"].tolist(),
    {
        title: {"": history[key].tolist()}
        for title, key in {
            "reward": "reward",
            "mixed groups": "mixed",
            "entropy (nats a token)": "entropy",
            "tokens a reply": "n_tokens",
            "gradient norm, thousandths": "grad_norm",
        }.items()
    },
    xlabel="step",
).captioned("Twenty steps of online RL.")

# %% tags=["hide-input"]
by_fives = history.groupby((history["step"] - 1) // 5)[
    ["reward", "mixed", "entropy", "n_tokens", "grad_norm"]
].mean()
by_fives.index = ["1 to 5", "6 to 10", "11 to 15", "16 to 20"]
by_fives.index.name = "mean of steps"
by_fives.round(3)

# %% [markdown]
# The model learned: .775 of the validation questions were right before the
# first step, .863 after ten and .887 after twenty. The reward alone would
# not have said so as clearly. Its mean is .42 in the first five steps, .54
# in the third five and .48 in the last, because every step asks sixteen
# other questions, and some are harder. The curves are read together:
#
# - **Mixed groups**: about three quarters of the questions teach. A share
#   that falls towards zero means that the questions have become too easy,
#   or that they are too hard.
# - **Entropy** says how undecided the model is at a token of the replies it
#   learns from. It falls slowly, from .116 to .105 nats. Near zero, all
#   replies to a question would be the same, and nothing would be left to
#   learn from.
# - **Tokens a reply**: 57 at first and 61 at the end, and no reward asked
#   for length.
# - **Gradient norm**: between two and four thousandths. A sudden peak is
#   often the first sign of a learning rate that is too high.
#
# ## Did it help?
#
# Validation chose the step, so we ask 200 questions that chose nothing: the
# first hundred of `test` and of `test_hard`. Both models get the worked
# example.

# %%
from unitconv import compare

asked = load_split("test")[:100] + load_split("test_hard")[:100]
reports = {
    "base": evaluate(LLM.from_pretrained(MODEL), asked),
    "20 steps": evaluate(LLM.from_pretrained(MODEL, work / "rl"), asked),
}
pd.DataFrame(
    {
        name: {
            "right": report.accuracy.value,
            "low": report.accuracy.ci95[0],
            "high": report.accuracy.ci95[1],
            "valid": report.reasoning_validity.value,
            "tokens": report.n_tokens / len(asked),
        }
        for name, report in reports.items()
    }
).T.round(3)

# %%
found = compare(*reports.values())
low, high = found.clustered_ci95
print(f"{found.only_b} questions gained, {found.only_a} lost")
print(f"difference {found.difference:+.3f} [{low:+.3f}, {high:+.3f}]")
print("20 steps, against the base:", found.verdict())

# %% [markdown]
# Of the 200 questions, 22 are right after the training and were wrong
# before; 3 went the other way. The verdict is *better*. The reasoning
# improved as well: .57 of the base's replies were valid, and .71 are now.
# The replies have grown by a quarter, from 50 to 63 tokens on average.
#
# The run took 2560 samples, a sixteenth of what two rounds of RFT take. Do
# not conclude from it that online RL is better than RFT: this is one seed
# and 200 questions. The next section compares the two.
#
# ## Three seeds, and RFT
#
# The recorded runs have 40 steps, so 5120 samples. Three seeds use the loss
# above, `dr_grpo`, and three use `raft`, which learns from the rewarded
# replies alone (the section on losses explains it). First the learning
# rate, as it should be for every method that is compared: short runs of 20
# steps, and the share of right answers on 400 validation questions.

# %%
import json

import unitconv

RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
record = json.loads((RESULTS / "online_rl.json").read_text())
runs = record["runs"]


def valid_curve(name):
    return {f"step {n}": score for n, score in runs[name]["valid"]}


sweep = {
    name: {
        "loss": run["settings"]["loss"],
        "learning rate": run["settings"]["learning_rate"],
        **valid_curve(name),
    }
    for name, run in runs.items()
    if name.startswith("short-")
}
pd.DataFrame(sweep.values()).set_index(["loss", "learning rate"]).round(3)

# %% [markdown]
# The base has .768. The rates 0.001 and 0.003 are close, and 0.01 destroys
# the model (more on that below). We took 0.001 for both losses. These are
# single runs on 400 questions, so differences of three points may be
# chance.
#
# Now the long runs, on all questions of both test sets. `rft-1` and `rft-2`
# are those of chapter 9, with three seeds. They are asked the bare question
# and online RL with the worked example, as each was trained. To be fair,
# the table has three more runs of RFT. `rft-few` is one round on three
# samples of each of the 2000 questions, about as many samples as the loop
# has drawn. `rft-few-cot` learns from the same samples, but its rows have
# the worked example in the prompt, and so it is asked with it too.
# `rft-cot` is the same with the 20,000 samples of chapter 9.

# %%
stages = json.loads((RESULTS / "stages.json").read_text())
chosen = record["chosen"]


def rates_of(split, name):
    if name in ("cot", "rft-1", "rft-2"):
        seeds = stages["seeds"].values()
        return [seed["rates"][split][name] for seed in seeds]
    rates = record["rates"][split]
    if name in rates:
        return [rates[name]]
    ids = [f"{name}-{chosen[name]}-{seed}" for seed in range(3)]
    return [rates[i] for i in ids if i in rates]


def over_seeds(rates, key):
    values = [rate[key] for rate in rates]
    if min(values) == max(values):
        return f"{values[0]:.3f}"
    mean = sum(values) / len(values)
    return f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})"


SAMPLES = {
    "cot": 0,
    "dr_grpo": 40 * 16 * 8,
    "raft": 40 * 16 * 8,
    "rft-few": 3 * 2000,
    "rft-few-cot": 3 * 2000,
    "rft-1": 10 * 2000,
    "rft-cot": 10 * 2000,
    "rft-2": 2 * 10 * 2000,
}
pd.DataFrame(
    {
        name: {
            "samples": f"{samples:,}",
            "test": over_seeds(rates_of("test", name), "accuracy"),
            "test, valid": over_seeds(
                rates_of("test", name), "reasoning_validity"
            ),
            "hard": over_seeds(rates_of("test_hard", name), "accuracy"),
            "hard, valid": over_seeds(
                rates_of("test_hard", name), "reasoning_validity"
            ),
        }
        for name, samples in SAMPLES.items()
    }
).T

# %%
from unitconv.evaluation.stats import PairedComparison, holm

names = {
    f"{loss}-{rate}-{s}": f"{loss}, seed {s}"
    for loss, rate in chosen.items()
    for s in range(3)
}
RIVALS = ("rft-few", "rft-few-cot", "rft-2")
tests = {
    (split, rival, names[run]): PairedComparison.from_json(found)
    for split, pairs in record["compared"].items()
    for rival, run, found in ((*k.split(" "), v) for k, v in pairs.items())
    if run in names and rival in RIVALS
}
adjusted = holm([paired.p_value for paired in tests.values()])
cells = {
    key: f"{paired.difference:+.3f} {paired.verdict(p)}"
    for (key, paired), p in zip(tests.items(), adjusted, strict=True)
}
pd.Series(cells).unstack(level=1)[[*RIVALS]].fillna("not compared")

# %% [markdown]
# In 5120 samples online RL (`dr_grpo`) takes the base from .849 to .911 on
# `test` and from .646 to .777 on `test_hard`, on average over three seeds.
# The second table compares each run with three runs of RFT, question by
# question; the verdicts are corrected for the number of tests. Two rounds
# of RFT are better on `test` in five of six cases, but they had eight times
# the samples.
#
# At equal samples, `rft-few`, no difference is shown. But that comparison
# favors the loop, which is asked with a worked example, in training and in
# the test. With the example for both, `rft-few-cot`, RFT has .954 and .822,
# and on `test` the loop is worse in every run that can be compared; on hard
# questions no difference is shown. So the loop gained nothing here that one
# round of sampling and learning does not gain, and on `test` it gained
# less.
#
# What could explain that? RFT has seen each of the 2000 questions; the loop
# has drawn 640 questions with eight samples each. RFT goes over its rows
# for five epochs and keeps the best; the loop uses each reply once. We have
# not separated the two. The loop was not clearly faster either:

# %%
took = record["took"]
runs_of = {
    "rft-few": ["few.json", "rft-few"],
    "rft-few-cot": ["few.json", "rft-few-cot"],
    "dr_grpo, seed 0": ["dr_grpo-1e-3-0"],
    "dr_grpo, seed 2": ["dr_grpo-1e-3-2"],
    "raft, seed 1": ["raft-1e-3-1"],
}
for name, steps in runs_of.items():
    minutes = sum(took[step]["cpu_seconds"] for step in steps) / 60
    print(f"{name:16} {minutes:4.1f} minutes of CPU time")

# %% [markdown]
# The example is worth more than a second round: `rft-cot`, one round on
# chapter 9's 20,000 samples, has .969 and .884, the best rates in the
# table. It is one run. Against two rounds without the example it is better
# on hard questions, and on `test` nothing is shown:

# %%
for split, pairs in record["compared"].items():
    found = PairedComparison.from_json(pairs["rft-2 rft-cot"])
    low, high = found.clustered_ci95
    print(
        f"{split:9} {found.difference:+.3f} [{low:+.3f}, {high:+.3f}], "
        f"{found.verdict()}"
    )

# %% [markdown]
# Did the wrong replies help? `raft` never learns from them. Over three
# seeds it has .914 and .797, where `dr_grpo` has .911 and .777. We see no
# sign that they helped.
#
# ### Online RL after RFT
#
# Large models are mostly trained on given texts first and by RL afterwards.
# Two runs do this here. `rft` begins with the two rounds of chapter 9 and
# asks the bare question; `after-rft-cot` begins with `rft-cot` and asks
# with the example:

# %%
starts = {"rft": "rft-2", "after-rft-cot": "rft-cot"}
for run, start in starts.items():
    scores = ", ".join(f"{score:.3f}" for _, score in runs[run]["valid"])
    mixed = [step["mixed"] for step in runs[run]["steps"]]
    print(f"{run}: on validation {scores}")
    print(f"    {sum(mixed) / len(mixed):.2f} of the groups are mixed")
    for split, pairs in record["compared"].items():
        found = PairedComparison.from_json(pairs[f"{start} {run}"])
        rates = [
            record["rates"][split][r]["accuracy"] for r in (start, run)
        ]
        print(f"    {split:9} {rates[0]:.3f} to {rates[1]:.3f}", end=", ")
        print(f"p = {found.p_value:.2f}, {found.verdict()}")

# %% [markdown]
# After `rft-cot` validation rises from .915 to .948. But validation also
# chose the step to keep. The test sets chose nothing, and on them no
# difference is shown, in either run. It is not that nothing is left to
# learn from: more than half of the groups are still mixed (.56 and .64,
# against .72 in a run from the base). What remains is hard to learn in 640
# questions. Longer runs might show more; we have not made them.
#
# ### Without the worked example
#
# All prompts of the training had a worked example. What if the trained
# model is asked the bare question?

# %%
for split, rates in record["rates"].items():
    for name in ("dr_grpo-1e-3-0-raw", "warm", "bare-warm"):
        print(
            f"{split:9} {name:18} right {rates[name]['accuracy']:.3f}, "
            f"tokens a reply {rates[name]['tokens_per_answer']:.0f}"
        )

# %% [markdown]
# Not one answer of `dr_grpo` is right, and nearly all replies run to the
# limit of 192 tokens. The reward was only ever paid with the example in the
# prompt, and nothing was learned about prompts without it.
#
# A *warm start* is the usual remedy. `warm` was trained on 200 rows of
# reasoning by SFT, and then answers the bare question. From there online RL
# can ask the bare question too, and is paid from the first step
# (`bare-warm`, 40 steps). It gains on hard questions, .700 to .746, and
# nothing on `test`, where .882 becomes .869:

# %%
for split, pairs in record["compared"].items():
    found = PairedComparison.from_json(pairs["warm bare-warm"])
    low, high = found.clustered_ci95
    print(
        f"{split:9} {found.difference:+.3f} [{low:+.3f}, {high:+.3f}], "
        f"{found.verdict()}"
    )

# %% [markdown]
# ## What the reward looks at
#
# We paid for right answers with right reasoning. What would a reward for
# the answer alone have paid for? Every reply of the run is in its folder,
# so we can count:

# %%
from unitconv.training.rl.rollout import read_groups

replies = [
    reply
    for each in read_groups(work / "rl" / "rollouts.jsonl")
    for reply in each.replies
]
pd.Series(
    [reply.reason or "rewarded" for reply in replies], name="replies"
).value_counts().to_frame()

# %% [markdown]
# Of 2560 replies, 1228 were rewarded. Three other classes have a right
# answer too: 186 are off by more than 1 % and less than 5 % (a near miss),
# 92 state something false, and 39 do not lead to the answer that they give.
# A reward for the answer alone (`--reward answer`) would have paid for
# these 317 as well. So every fifth payment would have gone to a reply that
# chapter 9 refuses to learn from, with good reason: there, a training on
# right answers without the audit gained nothing on the hard questions.
#
# What does a run with that reward learn? Here is one of 40 steps, beside
# the run with the audit, both with seed 0:

# %%
pd.DataFrame(
    {
        (split, paid): {
            "right": rates["accuracy"],
            "valid": rates["reasoning_validity"],
        }
        for split, found in record["rates"].items()
        for paid, rates in (
            ("right and audited", found["dr_grpo-1e-3-0"]),
            ("right", found["answer"]),
        )
    }
).T.round(3)

# %% [markdown]
# The two runs are much alike. The shares of right answers, .927 and .914 on
# `test` and .802 and .814 on hard questions, show no difference in pairs,
# and valid reasoning is 1.7 and 1.6 points lower without the audit. In this
# task a false calculation seldom gives the right number, so a reward for
# the answer pays mostly for the same replies. We found no trick that the
# model had learned.
#
# A model can learn to collect payments that were not meant for it, which is
# known as *hacking* the reward. An exercise below has a reward that is easy
# to hack.
#
# ### A control: paid by a coin
#
# Is it the reward that teaches, or would any training on its own replies
# help this model? In a control run of 20 steps a coin decides: every second
# text is paid, by its hash, whatever it says. The command is `unitconv rl
# --reward experiments.online_rl.rewards:chance`, and all else is as in the
# short run with the same rate.

# %%
COIN = {"right and audited": "short-dr_grpo-1e-3", "coin": "chance"}
pd.DataFrame(
    {
        paid: {
            **valid_curve(name),
            **{
                f"{key}, step {n}": runs[name]["steps"][n - 1][key]
                for key in ("mixed", "entropy", "grad_norm")
                for n in (1, 20)
            },
        }
        for paid, name in COIN.items()
    }
).T.round(3)

# %% [markdown]
# Paid by a coin, the model gets a little worse on validation (.768 to
# .745), where the real reward takes it to .868. So the gain comes from what
# the reward says. Look at the instruments too: nearly every group is mixed,
# the gradient is as large, and no number but the accuracy says that nothing
# is being learned. Only the entropy moves the other way. It rises from .12
# to .16, because a coin prefers no reply to another.
#
# ## Five losses, two differences
#
# Papers have given many names to losses that differ in two places: what
# the advantage of a reply is, and how much one of its tokens weighs. Here
# they are on one group. Two of four replies are right, and the right ones
# are long:

# %%
from unitconv.training.rl.config import LOSSES
from unitconv.training.rl.loss import advantages, token_weights

rewards = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
lengths = torch.tensor([90, 60, 30, 20])
pd.DataFrame(
    {
        loss: {
            f"{n} tokens, reward {r:.0f}": f"{a:+.2f} x {1000 * w:.1f}"
            for n, r, a, w in zip(
                lengths.tolist(),
                rewards[0].tolist(),
                advantages(rewards, loss)[0].tolist(),
                token_weights(lengths, loss, 4, 192).tolist(),
                strict=True,
            )
        }
        for loss in LOSSES
    }
)

# %% [markdown]
# Each cell is the advantage times the weight of one token (in thousandths).
#
# - **`dr_grpo`** ([Liu et al. 2025](https://arxiv.org/abs/2503.20783)) is
#   the loss that we wrote by hand: reward minus group mean, the same weight
#   for every token.
# - **`grpo`** ([Shao et al. 2024](https://arxiv.org/abs/2402.03300))
#   divides the advantage by the group's standard deviation, and each reply
#   by its own length. So in a long reply a token counts less: a long wrong
#   reply is punished less for each of its tokens than a short one.
# - **`dapo`** ([Yu et al. 2025](https://arxiv.org/abs/2503.14476)) keeps
#   the advantage of `grpo` and gives every token of the batch one weight.
# - **`raft`** ([Xiong et al. 2025](https://arxiv.org/abs/2504.11343))
#   learns from the right replies alone, in groups that are mixed. That is
#   chapter 9's training, with fresh samples in each step.
# - **`reinforce`** ([Williams
#   1992](https://doi.org/10.1007/BF00992696)) has no baseline. Here that
#   makes it look like `raft`; but it also learns from groups in which every
#   reply is right, and its gradient is noisier, as the toy above showed.
#
# `unitconv rl --loss raft` trains with another. The recorded runs above
# used two of the five; the section on knobs has a short run of the others.
#
# On the book's page you can change the rewards and the loss yourself:
#
# ```{live-rl} pints in 461 gallon?
# Replies to one training question as a group, with rewards, advantages and
# the tokens that become more or less likely. Change a reward and see what
# becomes of the other advantages. Give all replies the same reward, and
# look at each loss.
# ```
#
# ### More than one update with a batch
#
# Sampling is expensive, so one may want to update several times with the
# same replies (`--updates`). From the second update on, the model is no
# longer the one that sampled. The loss then uses, for each token, the ratio
# of its probability now to that when it was sampled, and *clips* it
# ([Schulman et al. 2017](https://arxiv.org/abs/1707.06347)): a token whose
# probability has already moved by 20 % in the wanted direction gets no
# further push.

# %%
from unitconv.training.rl.loss import policy_loss

one = torch.ones(1)
for gain in (1.0, -1.0):
    for ratio in (0.7, 1.0, 1.3):
        now = torch.tensor([ratio]).log().requires_grad_()
        policy_loss(now, 0 * one, gain * one, one, (0.8, 1.2)).backward()
        print(
            f"advantage {gain:+.0f}, ratio {ratio}: the log-probability "
            f"is pushed by {0.0 - now.grad.item():+.1f}"
        )

# %% [markdown]
# With an advantage of +1 there is no push at a ratio of 1.3, and with -1
# none at 0.7: both are beyond the 20 %. With one update a step, our
# default, the ratio is 1 and the clipping never acts.
#
# Another knob is the *KL divergence* from the base (`--kl`), a penalty that
# holds the model near its start. It was made for rewards that are learned
# from human preferences and can be fooled. Our reward is a program, and so
# the penalty is off by default.
#
# ### A rate that is too high, and other knobs
#
# What does a run look like that goes wrong? Here are the short runs with
# `dr_grpo` again, one without a baseline (`reinforce`), and one with four
# updates a step. The curves are means of five steps:

# %% tags=["hide-input"]
KNOBS = {
    "rate 0.001": "short-dr_grpo-1e-3",
    "rate 0.003": "short-dr_grpo-3e-3",
    "rate 0.01": "short-dr_grpo-1e-2",
    "no baseline": "reinforce",
    "four updates": "four-updates",
}
CURVES = {
    "reward": "reward",
    "entropy (nats a token)": "entropy",
    "tokens a reply": "n_tokens",
    "gradient norm": "grad_norm",
}


def by_fives(name, key):
    values = [step[key] or 0.0 for step in runs[name]["steps"]]
    return [sum(values[i : i + 5]) / 5 for i in range(0, len(values), 5)]


figures.run_curves(
    [3, 8, 13, 18],
    {
        title: {knob: by_fives(name, key) for knob, name in KNOBS.items()}
        for title, key in CURVES.items()
    },
    xlabel="step",
).captioned("Five short runs that differ in one knob.")

# %%
MORE = {"grpo": "grpo", "dapo": "dapo", "KL of 0.05": "kl"}
pd.DataFrame(
    {knob: valid_curve(name) for knob, name in (KNOBS | MORE).items()}
).T.round(3)

# %% [markdown]
# With a rate of 0.01 the reward is gone within ten steps, and with it the
# mixed groups: in three of the twenty steps no group is mixed, so nothing
# can be learned that would bring the model back. On validation it falls to
# .078, and has .130 at the end. The first sign is the gradient norm, which
# is 0.012 in step 3, four times as large as in the other runs. A run like
# this should be stopped there. The best step of the validation is kept, and
# here that is step 0, the base itself.
#
# Without a baseline nothing breaks within twenty steps. The gradient is no
# larger, because a step averages over 128 replies, and validation ends at
# .878, where `dr_grpo` has .868. That is no difference that single runs on
# 400 questions can show. Neither do four updates a step pay: they end at
# .872, with the same samples and four times the updates. The last three
# rows are `grpo` at .820, `dapo` at .855, and `dr_grpo` held near the base
# by a KL penalty at .862. Do not read them as a ranking: the rate was tuned
# for `dr_grpo`, and each is a single run.
#
# ## Learned, or sharpened?
#
# Chapter 9 asked whether RFT teaches a new skill or brings out what some
# samples of the base did. The same test for online RL, with 64 samples of
# each of 100 questions:

# %% tags=["hide-input"]
chapter_8 = json.loads((RESULTS / "pass_at_k.json").read_text())["splits"]
sampled = {
    split: {
        "base": chapter_8[split]["cot"],
        "RFT, two rounds": chapter_8[split]["rft-2"],
        "online RL": found["dr_grpo"],
    }
    for split, found in record["samples"]["splits"].items()
}
sizes = [1, 2, 4, 8, 16, 32, 64]


def estimates(found):
    curve = [found["pass_at_k"][str(k)] for k in sizes]
    return [(point["rate"], point["ci95"]) for point in curve]


figures.pass_at_k(
    sizes,
    {
        split: {name: estimates(f) for name, f in by_name.items()}
        for split, by_name in sampled.items()
    },
).captioned("pass@k of the base, of RFT and of online RL.")

# %%
pd.DataFrame(
    {
        (split, name): {
            f"{curve.replace('_', ' ')}, {k}": found[curve][str(k)]["rate"]
            for curve, k in (
                ("pass_at_k", 1),
                ("pass_at_k", 64),
                ("majority", 8),
                ("best_of_n", 8),
            )
        }
        for split, by_name in sampled.items()
        for name, found in by_name.items()
    }
).T.round(3)

# %% [markdown]
# With one sample, online RL is ahead of the base, .81 against .73 on `test`
# and .73 against .58 on `test_hard`. With 64 samples all three find a right
# reply to 98 or more of the 100 questions, the base included. So online RL,
# too, makes frequent what some samples did before. We see no new skill.
#
# The last two columns are what one can do without any training. Eight
# samples of the base, and the first of them that passes the audit (*best of
# n*), are right in .94 and .82, which is more than one sample of online RL.
# But that takes eight replies to every question, for ever, and it needs the
# audit at test time.
#
# ## The same in TRL
#
# [TRL](https://huggingface.co/docs/trl) is the library that most people
# train with. [From here to your
# stack](../book/your-stack.md) has a script for its `GRPOTrainer` with the
# reward of this chapter. We ran it for 20 steps: it has .850 on the
# validation questions, where the short run of `unitconv rl` has .868 (one
# run of each). The names:
#
# | here | in `GRPOConfig` |
# |---|---|
# | `--loss dr_grpo` | `loss_type="dr_grpo"`, `scale_rewards="none"` |
# | `--loss grpo` | `loss_type="grpo"`, `scale_rewards="group"` |
# | `--loss dapo` | `loss_type="dapo"`, `epsilon_high=0.28` |
# | `--samples` | `num_generations` |
# | `--questions` x `--samples` | the size of a generation batch |
# | `--updates` | `num_iterations` |
# | `--temperature` | `temperature` |
# | `--kl` | `beta` |
# | 20 % | `epsilon=0.2` |
#
# ## On SmolLM2
#
# The base SmolLM2 would fall into the trap above: of the rollouts in
# [chapter 12](12_smollm2.ipynb) hardly any is right. After SFT on
# reasoning, 1898 of 4000 samples would earn a reward, so that adapter is a
# warm start:
#
# ```bash
# unitconv rl --model smollm2-q4_1 --adapter smollm2-sft --preset ampere \
#     --valid valid.json --steps 20 --questions 8 --samples 8 \
#     --learning-rate 3e-4 --output smollm2-rl
# ```
#
# We ran this, and a second run with a third of the learning rate and twice
# as many questions a step. The file has 100 validation questions, half of
# them hard:

# %%
smollm2 = json.loads((RESULTS / "smollm2.json").read_text())["online"]
for run in smollm2.values():
    mixed = [step["mixed"] for step in run["steps"]]
    print(
        f"rate {run['settings']['learning_rate']}: {len(mixed)} steps, "
        f"{sum(mixed) / len(mixed):.2f} of the groups mixed"
    )
    for number, score in run["valid"]:
        print(f"    step {number:2}: {score:.2f} right")

# %% [markdown]
# Neither run helped. With the higher rate the share of right answers falls
# from .74 to .64, with the lower one it ends where it began, and the
# library keeps step 0, the warm start. A third of the groups are mixed,
# where the course model has seven of ten: after SFT on reasoning, SmolLM2's
# eight replies to a question are mostly all right or all wrong. So a step
# with eight questions learns from two or three of them, and one with
# sixteen from six. More questions a step would be the next thing to try, on
# a GPU: the second run took twelve minutes of CPU time.
#
# ## Exercises
#
# ```{exercise} Warm-up: which groups teach?
# :label: ex-rl-mixed
#
# Of 16 questions the model is right, in each reply, with a probability of
# .5 for eight of them, .9 for four and .05 for four. A group has G replies.
# Write the expected share of mixed groups for a list of probabilities and a
# G. The check compares it with simulated groups.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.common.exercises import attempt


def share_mixed(probabilities, n_replies):
    """The expected share of groups with two different rewards."""
    raise NotImplementedError


def check_share_mixed(share_mixed):
    chances = torch.tensor([0.5] * 8 + [0.9] * 4 + [0.05] * 4)
    generator = torch.Generator().manual_seed(0)
    for n_replies in (2, 8, 32):
        draws = torch.rand(4000, 16, n_replies, generator=generator)
        right = (draws < chances[:, None]).sum(-1)
        simulated = ((right > 0) & (right < n_replies)).float().mean()
        found = share_mixed(chances.tolist(), n_replies)
        assert abs(found - simulated) < 0.01, (
            f"with {n_replies} replies {found:.3f} is not what the "
            "simulation finds"
        )


attempt(check_share_mixed, share_mixed)


# %% [markdown]
# ```{solution-start} ex-rl-mixed
# :class: dropdown
# ```


# %%
def share_mixed(probabilities, n_replies):
    mixed = [1 - p**n_replies - (1 - p) ** n_replies for p in probabilities]
    return sum(mixed) / len(mixed)


chances = [0.5] * 8 + [0.9] * 4 + [0.05] * 4
for n_replies in (2, 8, 32):
    print(f"{n_replies:2} replies: {share_mixed(chances, n_replies):.2f}")

# %% tags=["solution", "nbval-check-output"]
attempt(check_share_mixed, share_mixed)

# %% [markdown]
# More replies make more groups useful, above all the rare right ones. The
# price grows in proportion. DAPO goes another way and samples further
# questions until enough groups are mixed.
#
# ```{solution-end}
# ```
#
# ```{exercise} Leave one out
# :label: ex-rl-rloo
#
# RLOO ([Ahmadian et al. 2024](https://arxiv.org/abs/2402.14740)) compares
# each reply with the mean of the *others* in its group. Write these
# advantages for rewards of shape [questions, samples]. By which factor do
# they differ from `dr_grpo`?
# ```

# %% tags=["exercise", "nbval-check-output"]


def leave_one_out(rewards):
    """Reward minus the mean of the other replies to the question."""
    raise NotImplementedError


def check_leave_one_out(leave_one_out):
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        rewards = torch.rand(2, 4, generator=generator)
        found = leave_one_out(rewards)
        for q in range(2):
            for i in range(4):
                others = [rewards[q, j] for j in range(4) if j != i]
                expected = rewards[q, i] - sum(others) / 3
                assert abs(found[q, i] - expected) < 1e-5, (
                    f"reply {i} of question {q} has another advantage"
                )


attempt(check_leave_one_out, leave_one_out)


# %% [markdown]
# ```{solution-start} ex-rl-rloo
# :class: dropdown
# ```


# %%
def leave_one_out(rewards):
    n = rewards.shape[1]
    others = (rewards.sum(1, keepdim=True) - rewards) / (n - 1)
    return rewards - others


rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
print(leave_one_out(rewards) / advantages(rewards, "dr_grpo"))

# %% tags=["solution", "nbval-check-output"]
attempt(check_leave_one_out, leave_one_out)

# %% [markdown]
# The factor is $G/(G-1)$ for every reply, here 4/3. It undoes the shrinking
# that the toy example showed. Only the size of the step changes, and a
# learning rate can do the same.
#
# ```{solution-end}
# ```
#
# ```{exercise} Three planted bugs
# :label: ex-rl-bugs
#
# The function below computes the loss of a group, and has three mistakes.
# None raises an error. Find and mend them; the check compares it with
# `group_loss`.
# ```

# %% tags=["exercise", "nbval-check-output"]


def suspect_loss(group, settings):
    rewards = torch.tensor([reply.reward for reply in group.replies])
    batch = collate(group.examples, llm.pad_token_id)
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    log_probs = llm.model(**inputs).logits[:, :-1].log_softmax(-1)
    tokens = batch["input_ids"][:, 1:]
    learned = tokens != llm.pad_token_id
    picked = log_probs.gather(-1, tokens[..., None])[..., 0]
    by_reply = (picked * learned).sum(1)
    advantage = rewards - rewards.mean()
    return -(advantage * by_reply).sum() / batch["input_ids"].numel()


def check_mended(loss):
    for temperature in (1.0, 0.7):
        at = replace(settings, temperature=temperature)
        with torch.no_grad():
            expected = group_loss(llm.model, group, at)
            found = loss(group, at)
        assert torch.isclose(found, expected, rtol=1e-3), (
            f"at temperature {temperature} the loss is {found:.3e} and "
            f"should be {expected:.3e}"
        )


attempt(check_mended, suspect_loss)


# %% [markdown]
# ```{solution-start} ex-rl-bugs
# :class: dropdown
# ```


# %%
def suspect_loss(group, settings):
    rewards = torch.tensor([reply.reward for reply in group.replies])
    batch = collate(group.examples, llm.pad_token_id)
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    logits = llm.model(**inputs).logits[:, :-1] / settings.temperature  # 1
    labels = batch["labels"][:, 1:]
    learned = labels != IGNORE_INDEX  # 2
    tokens = labels.where(learned, 0)[..., None]
    picked = logits.log_softmax(-1).gather(-1, tokens)[..., 0]
    by_reply = (picked * learned).sum(1)
    advantage = rewards - rewards.mean()
    n = settings.questions * settings.samples * settings.max_new_tokens
    return -(advantage * by_reply).sum() / n  # 3


# %% tags=["solution", "nbval-check-output"]
attempt(check_mended, suspect_loss)

# %% [markdown]
# 1. The temperature of sampling was forgotten.
# 2. The mask was made from token values. So the prompt was learned, and the
#    end token was not, if it is also the padding token.
# 3. The denominator was the size of this batch, padding included. It
#    differs from batch to batch, so a reply weighs less beside a long one.
#
# ```{solution-end}
# ```
#
# ```{exercise} A reward that can be hacked
# :label: ex-rl-hack
#
# Somebody wants replies that show their work, and pays for equations: the
# reward is the number of `=` in the reply. Write a reply to "How many gram
# are there per 6 kg?" of at most 60 characters that earns more than 20 and
# has no answer. Then mend the reward so that your reply earns nothing,
# while an honest one with reasoning earns more than one without.
# ```

# %% tags=["exercise", "nbval-check-output"]
from unitconv.evaluation.grade import grade
from unitconv.inference.llm import Generation

asked_for = load_split("train")[0]


def graded(text):
    """The grade of a reply that nobody sampled."""
    return grade(asked_for, Generation(text, n_tokens=0, finished=True))


def pays_for_equations(graded):
    return float(graded.text.count("="))


hack = ""  # a reply that earns more than 20


def better_reward(graded):
    """A reward that the hack cannot get."""
    return pays_for_equations(graded)


def check_reward(hack, better_reward):
    earned = pays_for_equations(graded(hack))
    assert len(hack) <= 60, "the reply is too long"
    assert earned > 20, f"the reply earns only {earned:.0f}"
    assert better_reward(graded(hack)) <= 0, "it still earns"
    value = f"{asked_for.answer:.6g}"
    reasoned, bare = (
        better_reward(graded(text))
        for text in (
            f"{value} * 1 = {value}. <answer>{value}</answer>",
            f"<answer>{value}</answer>",
        )
    )
    assert reasoned > bare, "reasoning earns no more than a bare answer"
    wrong = better_reward(graded("1 = 1. <answer>-7</answer>"))
    assert wrong <= 0, "a wrong answer earns"


attempt(check_reward, hack, better_reward)

# %% [markdown]
# ```{solution-start} ex-rl-hack
# :class: dropdown
# ```

# %%
hack = "=" * 60


def better_reward(graded):
    if not graded.correct:
        return 0.0
    return 1.0 + min(pays_for_equations(graded), 1.0)


# %% tags=["solution", "nbval-check-output"]
attempt(check_reward, hack, better_reward)

# %% [markdown]
# Paying for a sign of reasoning invites the sign without the reasoning. The
# mended reward pays only where the answer is right, and at most once for an
# equation. It can still be had with a useless `1 = 1`, which is why the
# reward of this chapter reads the reasoning with the audit.
#
# ```{solution-end}
# ```
#
# ```{exercise} Stretch: ask what can be learned
# :label: ex-rl-curriculum
#
# Questions that are always right or always wrong cost samples and teach
# nothing. Write a function that takes the groups of earlier steps and a
# list of questions, and returns the questions in a new order: first those
# whose last group was mixed, then those that were never asked, then the
# rest. Within each part the order stays.
# ```

# %% tags=["exercise", "nbval-check-output"]
from types import SimpleNamespace


def reorder(groups, texts):
    """Questions that taught last time, then new ones, then the rest."""
    raise NotImplementedError


def check_reorder(reorder):
    def group(question, mixed):
        return SimpleNamespace(question=question, mixed=mixed)

    seen = [group("a", True), group("b", False), group("d", True)]
    assert reorder(seen, list("abcd")) == list("adcb"), "the order differs"
    later = [*seen, group("a", False), group("b", True)]
    assert reorder(later, list("abcd")) == list("bdca"), (
        "only the last group of a question counts"
    )
    assert reorder([], list("abc")) == list("abc"), "new ones moved"


attempt(check_reorder, reorder)


# %% [markdown]
# ```{solution-start} ex-rl-curriculum
# :class: dropdown
# ```


# %%
def reorder(groups, texts):
    taught = {group.question: group.mixed for group in groups}
    rank = {True: 0, None: 1, False: 2}
    return sorted(texts, key=lambda text: rank[taught.get(text)])


# %% tags=["solution", "nbval-check-output"]
attempt(check_reorder, reorder)

# %% [markdown]
# `sorted` keeps the order of equal elements. A warning: a question that was
# always wrong comes last for ever, though the model may be able to answer
# it by now. Give it another try from time to time.
#
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
# All eight replies to a question are wrong. What does the group teach?
#
# - Nothing: all advantages are zero.
# - The model avoids these replies.
# - The loss is large, so it teaches much.
#
# A reply is compared with the mean of its group.
# ```
#
# ```{quiz}
# :right: 3
#
# The loss does not fall, and the reward rises. What is wrong?
#
# - The learning rate.
# - The baseline.
# - Nothing.
#
# The loss is only written so that its gradient is the policy gradient.
# ```
#
# ```{quiz}
# :right: 2
#
# Sampling was at temperature 0.7. At which temperature are the
# log-probabilities computed?
#
# - At 1, as in pretraining.
# - At 0.7.
# - It does not matter.
#
# The model that learns must be the one that sampled.
# ```
#
# ## Recap
#
# - The policy gradient raises the log-probability of a sampled reply in
#   proportion to its advantage: its reward minus the mean of its group.
# - Log-probabilities are those of the sampled tokens at the temperature of
#   sampling. Engine and training must agree on them.
# - Where all rewards are equal nothing is learned, and no error says so.
#   Look at the share of mixed groups first.
# - The loss need not fall. Reward, mixed groups, entropy and length are the
#   instruments.
# - Most named losses differ in the advantage and in the weight of a token.
# - At equal samples and with the same prompt, one round of RFT was better
#   here. The reward is what teaches: paid by a coin, the model learned
#   nothing.
#
# **Next:** [how to compare two models honestly](11_evaluation.ipynb).
#
# ## References
#
# ```{bibliography}
# :list: bullet
#
# williams1992
# schulman2017
# shao2024
# liu2025
# yu2025
# xiong2025
# ahmadian2024
# ```
