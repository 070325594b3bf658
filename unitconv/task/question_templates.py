"""Templates of questions, and the unit pairs they ask about.

Data only; `unitconv.task.make_splits` draws from it. The grammar is left as
people type it: "1 kg are how many g" is in, and so is a missing question
mark.
"""

from __future__ import annotations

# The pairs of units a person would ask about: source, then the targets.
# Nobody counts a century in seconds or a disk in bits.
_TARGETS: dict[str, str] = {
    # time
    "second": "minute",
    "minute": "second|hour",
    "hour": "second|minute|day",
    "day": "second|minute|hour|week|month",
    "week": "minute|hour|day|month|year",
    "month": "hour|day|week|year",
    "year": "hour|day|week|month|decade|century",
    "decade": "day|month|year|century",
    "century": "day|year|decade",
    # mass
    "gram": "kilogram|pound|ounce",
    "kilogram": "gram|ton|pound|ounce",
    "ton": "gram|kilogram|pound",
    "pound": "gram|kilogram|ounce",
    "ounce": "gram|kilogram|pound",
    # length
    "millimeter": "centimeter|meter|inch",
    "centimeter": "millimeter|meter|inch|foot",
    "meter": "millimeter|centimeter|kilometer|inch|foot|yard",
    "kilometer": "centimeter|meter|foot|yard|mile",
    "inch": "millimeter|centimeter|meter|foot",
    "foot": "centimeter|meter|inch|yard",
    "yard": "centimeter|meter|inch|foot",
    "mile": "meter|kilometer|foot|yard",
    # speed
    "meter per second": (
        "foot per second|inch per second|mile per hour|kilometer per hour"
    ),
    "foot per second": (
        "meter per second|inch per second|mile per hour|kilometer per hour"
    ),
    "inch per second": (
        "meter per second|foot per second|mile per hour|kilometer per hour"
    ),
    "mile per hour": (
        "meter per second|foot per second|inch per second"
        "|kilometer per hour"
    ),
    "kilometer per hour": (
        "meter per second|foot per second|inch per second|mile per hour"
    ),
    # volume
    "liter": (
        "milliliter|cubic centimeter|cubic millimeter|cubic meter|gallon"
        "|quart|pint|fluid ounce"
    ),
    "milliliter": (
        "liter|cubic centimeter|cubic millimeter|pint|fluid ounce"
    ),
    "cubic centimeter": "liter|milliliter|cubic millimeter|fluid ounce",
    "cubic meter": "liter|cubic centimeter|gallon|quart",
    "cubic millimeter": "milliliter|cubic centimeter",
    "gallon": "liter|milliliter|cubic meter|quart|pint|fluid ounce",
    "quart": "liter|milliliter|gallon|pint|fluid ounce",
    "pint": "liter|milliliter|cubic centimeter|gallon|quart|fluid ounce",
    "fluid ounce": ("liter|milliliter|cubic centimeter|gallon|quart|pint"),
    # data
    "bit": "byte",
    "byte": "bit|kilobyte",
    "kilobyte": "bit|byte|megabyte",
    "megabyte": "byte|kilobyte|gigabyte",
    "gigabyte": "kilobyte|megabyte",
}
PAIRS: tuple[tuple[str, str], ...] = tuple(
    (source, target)
    for source, targets in _TARGETS.items()
    for target in targets.split("|")
)

# Conversions that the prompts and the book show as examples are in no
# split, or a model would be graded on what it was shown.
RESERVED: frozenset[tuple[float, str, str]] = frozenset(
    {
        (6.0, "kilogram", "gram"),
        (6.0, "kilometer", "meter"),
        (15.0, "hour", "minute"),
    }
)

# Shared by train, valid and test.
TEMPLATES: tuple[str, ...] = (
    "How many {target} are in {quantity} {source}?",
    "How many {target} are there in {quantity} {source}?",
    "How many {target} are there per {quantity} {source}?",
    "How many {target} is {quantity} {source}?",
    "How many {target} can I get out of {quantity} {source}?",
    "How many {target} go into {quantity} {source}?",
    "How many {target} does {quantity} {source} make?",
    "How many {target} would {quantity} {source} be?",
    "How many {target} do you get from {quantity} {source}?",
    "how many {target} in {quantity} {source}",
    "how many {target} to {quantity} {source}",
    "how many {target} equals {quantity} {source}",
    "How much is {quantity} {source} in {target}?",
    "how much {target} is {quantity} {source}",
    "How much in {target} is {quantity} {source}?",
    "What is {quantity} {source} in {target}?",
    "What's {quantity} {source} in {target}?",
    "whats {quantity} {source} in {target}",
    "what is {quantity} {source} equal to in {target}",
    "What does {quantity} {source} equal in {target}?",
    "What does {quantity} {source} equal in {target} terms?",
    "What would {quantity} {source} be in {target}?",
    "What is {quantity} {source} converted to {target}?",
    "In {target}, what is {quantity} {source}?",
    "{quantity} {source} is how many {target}?",
    "{quantity} {source} are how many {target}?",
    "{quantity} {source} equals how many {target}?",
    "{quantity} {source} is what in {target}?",
    "{quantity} {source} how much {target}",
    "{target} in {quantity} {source}?",
    "{quantity} {source} to {target}",
    "{quantity} {source} to {target}, how much?",
    "{quantity} {source} in {target}",
    "{quantity} {source} => {target}",
    "{quantity} {source} to {target} please",
    "Convert {quantity} {source} to {target}.",
    "Convert {quantity} {source} into {target}.",
    "can you convert {quantity} {source} to {target}",
    "Convert {quantity} from {source} to {target}.",
    "Convert from {source} to {target} for {quantity} units.",
    "From {source} to {target} for {quantity} units?",
    "Going from {source} to {target}, what do {quantity} units become?",
    "Express {quantity} {source} in {target}.",
    "Change {quantity} {source} to {target}.",
    "Make {quantity} {source} into {target}.",
    "Write {quantity} {source} as {target}.",
    "Give me {quantity} {source} in {target}.",
    "Work out {quantity} {source} in {target}.",
    "Tell me how many {target} there are in {quantity} {source}.",
    "Could you convert {quantity} {source} to {target}, please?",
    "Please convert {quantity} {source} into {target}.",
    "Please help me convert {quantity} {source} to {target}.",
    "Can you tell me how many {target} are in {quantity} {source}?",
    "Would you mind telling me what {quantity} {source} is in {target}?",
    "I'd like to know how many {target} {quantity} {source} is.",
    "I need to know what {quantity} {source} is in {target}.",
    "If it is {quantity} {source}, how many {target} is that?",
    "It says {quantity} {source}. How many {target} is that?",
    "Something is {quantity} {source}, what is that in {target}?",
    "hi, how many {target} is {quantity} {source}? thanks",
)

# Seen in test_hard alone.
HARD_TEMPLATES: tuple[str, ...] = (
    "What do you get when {quantity} {source} is turned into {target}?",
    "How would you write {quantity} {source} using {target}?",
    "My notes say {quantity} {source}, but I need {target}.",
    "Rewrite {quantity} {source} in {target}.",
    "{quantity} {source} comes to how many {target}?",
    "How many {target} would {quantity} {source} come to?",
    "Beginning with {quantity} {source}, how many {target} do we get?",
    "Find the equivalent of {quantity} {source} in {target}.",
    "To how many {target} does {quantity} {source} correspond?",
    "{source} to {target}, {quantity}?",
    "Switch {quantity} {source} over to {target}.",
    "measured in {target}, {quantity} {source} is what?",
    "{quantity} {source} expressed in {target}?",
    "Put {quantity} {source} in {target} for me.",
    "Any idea how many {target} fit in {quantity} {source}?",
    "quick one: {quantity} {source}, how many {target}?",
    "The manual gives {quantity} {source}; how much is it in {target}?",
    "need {quantity} {source} as {target} pls",
    "Report {quantity} {source} in units of {target}.",
    "If a label showed {target} instead of {quantity} {source}, what "
    "would it say?",
    "Please restate {quantity} {source} in terms of {target}.",
    "Take {quantity} {source}. Now say it in {target}.",
    "I was told {quantity} {source}. Exactly how many {target}?",
    "how do i get from {quantity} {source} to {target}",
    "Is there a way to say {quantity} {source} in {target}?",
    "{quantity} {source}?? in {target} i mean",
    "Do this conversion for me: {quantity} {source} to {target}.",
    "I only think in {target}, so what is {quantity} {source}?",
)

# A noun whose plural is not the noun with an "s".
PLURALS: dict[str, str] = {
    "inch": "inches",
    "foot": "feet",
    "century": "centuries",
}
# Short forms that go with any number: "6 lb" as well as "6 lbs".
ABBREVIATIONS: frozenset[str] = frozenset({"sec", "min", "hr", "lb"})
