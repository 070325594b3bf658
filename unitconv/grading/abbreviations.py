"""Abbreviations: spellings of units that only replies use."""

from __future__ import annotations

# Each spelling of the course, and patterns for others that mean the same.
_ALIASES = {
    "m/s": "m(?:et(?:er|re)s?)?/(?:s|sec|second)|mps",
    "ft/s": "(?:ft|feet|foot)/(?:s|sec|second)|fps",
    "in/s": "in(?:ch(?:es)?)?/(?:s|sec|second)",
    "mi/h": "mi(?:les?)?/(?:h|hr|hour)",
    "km/h": "(?:km|kilomet(?:er|re)s?)/(?:h|hr|hour)|kmph|kph",
    "days": r"(?<=\d )(?-i:d)",
    "weeks": "wks?",
    "months": "mos?|mths?",
    "years": "yrs?",
    "grams": "gms?|grammes?",
    "kilograms": "kgs|kilos?|kilogrammes?",
    "tons": r"(?<=\d )(?-i:t)",
    "ounces": "ozs",
    "yards": "yds",
    "fluid ounces": r"fl\.? ?ozs?",
    "pints": "pts?",
    "quarts": "qts?",
    "gallons": "gals?",
    "liters": "ltrs?",
    "mm^3": r"(?:cu\.?|cubic) ?mm|mm3",
    "cm^3": r"(?:cu\.?|cubic) ?(?:cm|centimetres?)|cm3",
    "m^3": r"(?:cu\.?|cubic) ?(?:m|metres?)|m3",
    # "Mb" may be a megabit.
    "bits": r"(?<=\d )(?-i:b)",
    "kilobytes": "kbytes?|(?-i:kb)",
    "megabytes": "mbytes?|(?-i:mb)",
    "gigabytes": "gbytes?|(?-i:gb)",
}
_DOTTED = "yr|mo|wk|hr|min|sec|lb|oz|ft|in|yd|mi|gal|qt|pt|cm|mm|km|kg|ml"

#: Patterns for abbreviations, and how to write them.
ABBREVIATIONS: tuple[tuple[str, str], ...] = (
    # A dot that ends no sentence: "1 hr. is 60 min., so"
    (rf"(\d ?(?:{_DOTTED})s?)\.(?=,| ?(?:(?-i:[a-z])|[*/+=)]))", r"\1"),
    (r"(?<=[a-z3]) ?/ ?(?=[a-z])(?!x\b)", "/"),
    *(
        (rf"(?<![^\W\d])(?:{pattern})(?![\w^])", spelling)
        for spelling, pattern in _ALIASES.items()
    ),
)
