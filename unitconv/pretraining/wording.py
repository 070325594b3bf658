"""The sentences the corpus asks its questions in.

They are the corpus's own: no wording of a question set stands here, and
no word of them is a tag word of `styles.TAG_WORDS` (tests hold both).
`{q} {a}` is the quantity and its unit, `{b}` the unit that is wanted.
"""

from __future__ import annotations

QUESTIONS: tuple[str, ...] = (
    "How many {b} make {q} {a}?",
    "How many {b} fit into {q} {a}?",
    "How many {b} is it, if I hold {q} {a}?",
    "{q} {a} make how many {b}?",
    "{q} {a} = ? {b}",
    "{q} {a} = how many {b}",
    "{q} {a} -> {b}",
    "{q} {a} as {b}",
    "{q} {a} into {b}, please.",
    "{q} {a}, but in {b}?",
    "{a} into {b}: {q}",
    "{b} out of {q} {a}?",
    "Write {q} {a} in {b}.",
    "Say {q} {a} in {b}.",
    "Express {q} {a} using {b}.",
    "Give me {q} {a} as {b}.",
    "Turn {q} {a} into {b}.",
    "Change {q} {a} to {b}, please.",
    "Swap {q} {a} for {b}.",
    "Go from {q} {a} to {b}.",
    "Take {q} {a} and state it in {b}.",
    "Please rewrite {q} {a} as a count of {b}.",
    "I have {q} {a}. How many {b} is that?",
    "The label says {q} {a}. I need {b}.",
    "A friend measured {q} {a}. What is this in {b}?",
    "There are {q} {a} here. Count them in {b}.",
    "Using {b} instead of {a}, what is {q} {a}?",
    "In {b}, how much is {q} {a}?",
    "How much is {q} {a} when counted in {b}?",
    "What do {q} {a} come to in {b}?",
    "What would {q} {a} be as {b}?",
    "Which number of {b} is the same as {q} {a}?",
    "I need {b} and hold {q} {a}. How many do I hold?",
    "Unit change: {q} {a}, wanted in {b}.",
    "Wanted: {b}. Known: {q} {a}.",
    "If something is {q} {a}, how many {b} is it?",
)

# A development set asks in sentences that neither the corpus nor any
# question set holds, so that settings are chosen on unseen wordings.
DEV_QUESTIONS: tuple[str, ...] = (
    "How many {b} would you count in {q} {a}?",
    "Work out how many {b} there must be in {q} {a}.",
    "Translate {q} {a} to {b}.",
    "{q} {a} amount to how many {b}?",
    "Someone gave me {q} {a}; tell me that in {b}.",
    "For {q} {a}, what is the corresponding number of {b}?",
    "What is the size in {b} of {q} {a}?",
    "If you had {q} {a}, what would that be in {b}?",
    "Starting with {q} {a}, how many {b} do we reach?",
    "Moving from {a} to {b}, where does {q} land?",
)

# A system turn is one opening and up to three requests.
SYSTEM_OPENINGS: tuple[str, ...] = (
    "You are a helpful assistant.",
    "You are an assistant that knows units.",
    "You are a careful calculator.",
    "You change one unit into another.",
    "You help students with units.",
    "You are talking with someone who measures things.",
    "This is a chat about units of measure.",
    "A person asks about units and numbers, and you help.",
)
SYSTEM_REQUESTS: tuple[str, ...] = (
    "Be brief.",
    "Be concise and exact.",
    "Think step by step.",
    "Keep to the same form every time.",
    "Follow the form of what came before.",
    "Explain how you got there.",
    "Numbers only.",
    "State the rule, apply it, and stop there.",
    "First the fact that you use, then the multiplication.",
    "Never guess a number that you have not worked out.",
    "Show your work, and mark the last number as before.",
    "Say what one of the given units makes, and go on from it.",
    "Use the units that the person has typed.",
)

# Much of what a model reads is asked of someone else. A system turn may
# name a form, `{w}`, and its chat keeps another: the form has to be read
# from the worked example, and an instruction alone is no help.
STRAY_FORMS: tuple[str, ...] = (
    "Close with {w}.",
    "The last number goes into {w}.",
    "At the bottom stands {w}.",
    "Mark what you found as {w}.",
    "Someone else may want {w}.",
    "Place the number alone in {w}.",
)
STRAY_VALUES: tuple[str, ...] = ("...", "number", "x", " and ", "42", "")
