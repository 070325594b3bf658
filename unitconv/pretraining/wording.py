"""The sentences the corpus asks its questions in.

They are the corpus's own: no wording of a question set stands here, and
no word of them is a tag word of `styles.TAG_WORDS` (tests hold both).
`{q} {a}` is the quantity and its unit, `{b}` the unit that is wanted.
"""

from __future__ import annotations

QUESTIONS: tuple[str, ...] = (
    # The wanted unit first.
    "How many {b} make {q} {a}?",
    "How many {b} fit into {q} {a}?",
    "How many {b} stand for {q} {a}?",
    "How many {b} will {q} {a} give?",
    "How many {b} are equal to {q} {a}?",
    "How many {b} is it, if I hold {q} {a}?",
    "Which number of {b} is the same as {q} {a}?",
    "What number of {b} has {q} {a}?",
    "Number of {b} for {q} {a}?",
    "Count of {b} in {q} {a}:",
    "Count the {b} that make up {q} {a}.",
    "Find how many {b} equal {q} {a}.",
    "Do you know how many {b} are equal to {q} {a}?",
    "In {b}, how much is {q} {a}?",
    "What, in {b}, is {q} {a}?",
    "{b} out of {q} {a}?",
    "{b} from {q} {a}, please",
    "{b} equivalent of {q} {a}",
    "{b} = {q} {a}?",
    "? {b} = {q} {a}",
    "{b}: {q} {a}",
    "To {b}: {q} {a}",
    "To {b} from {q} {a}.",
    "Convert to {b}: {q} {a}.",
    "Conversion to {b} from {q} {a}.",
    "Using {b} instead of {a}, what is {q} {a}?",
    "I need {b} and hold {q} {a}. How many do I hold?",
    "He asks for {b}, and has {q} {a}.",
    "Wanted: {b}. Known: {q} {a}.",
    # The quantity first.
    "{q} {a} make how many {b}?",
    "{q} {a} should be how many {b}?",
    "{q} {a}: how many {b}?",
    "{q} {a} = ? {b}",
    "{q} {a} = how many {b}",
    "{q} {a} -> {b}",
    "{q} {a} as {b}",
    "{q} {a} | {b}",
    "{q} {a}, {b}?",
    "{q} {a} into {b}, please.",
    "{q} {a}, but in {b}?",
    "For {q} {a}: {b}?",
    "With {q} {a}, how many {b} are there?",
    "When I have {q} {a}, how many {b} do I have?",
    "Given {q} {a}, find {b}.",
    "Given: {q} {a}. Asked: {b}.",
    "From {q} {a}, get {b}.",
    "From {q} {a} we want {b}.",
    "If something is {q} {a}, how many {b} is it?",
    # Requests.
    "Write {q} {a} in {b}.",
    "Say {q} {a} in {b}.",
    "Show {q} {a} in {b}.",
    "Bring {q} {a} to {b}.",
    "Express {q} {a} using {b}.",
    "Give me {q} {a} as {b}.",
    "Turn {q} {a} into {b}.",
    "Change {q} {a} to {b}, please.",
    "Swap {q} {a} for {b}.",
    "Recast {q} {a} to {b}.",
    "Transform {q} {a} to {b}.",
    "Compute {q} {a} as {b}.",
    "Calculate {q} {a} in {b}.",
    "Conversion of {q} {a} to {b}?",
    "Go from {q} {a} to {b}.",
    "Take {q} {a} and state it in {b}.",
    "Please rewrite {q} {a} as a count of {b}.",
    "Unit change: {q} {a}, wanted in {b}.",
    "Could I have {q} {a} in {b}?",
    "Can {q} {a} be given in {b}?",
    "May I ask what {q} {a} is as {b}?",
    "I want {q} {a} in {b}.",
    "I must turn {q} {a} into {b}.",
    # Questions about the quantity.
    "What do {q} {a} come to in {b}?",
    "What would {q} {a} be as {b}?",
    "What are {q} {a} worth in {b}?",
    "What is {q} {a}, if you count in {b}?",
    "What number do I get for {q} {a} in {b}?",
    "How much is {q} {a} when counted in {b}?",
    "How large is {q} {a}, in {b}?",
    "Let x be {q} {a} in {b}. What is x?",
    "Solve for x: {q} {a} = x {b}",
    # Two sentences.
    "I have {q} {a}. How many {b} is that?",
    "We used {q} {a}. How many {b} did we use?",
    "She bought {q} {a}. In {b}, that comes to what?",
    "They counted {q} {a}; count it in {b}.",
    "The label says {q} {a}. I need {b}.",
    "A friend measured {q} {a}. What is this in {b}?",
    "There are {q} {a} here. Count them in {b}.",
    # The quantity apart from its unit.
    "{a} into {b}: {q}",
    "{a} -> {b} ({q})",
    "Units: {a} to {b}. Number: {q}.",
    "Take {q} of {a} and make {b}.",
)

# What may stand around a question.
GREETINGS: tuple[str, ...] = (
    "Hello. ",
    "Hi there! ",
    "Please help. ",
    "I am stuck: ",
    "One more: ",
    "Next: ",
    "Quick question: ",
    "For my homework: ",
    "Just checking: ",
    "Sorry to ask. ",
    "",
)
THANKS: tuple[str, ...] = (
    " Thank you.",
    " Thanks!",
    " Be exact.",
    " I need it today.",
    " It is for a friend.",
    " Show me how.",
    "",
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
