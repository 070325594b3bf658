r"""Wording: rewrite Markdown, LaTeX and prose as plain equations.

"**A kg** is about $1\,000$ g" becomes `1 kg = 1000 g`, so that the parser
has one sign for everything that models write. Every pattern is linear in
the length of the text.
"""

from __future__ import annotations

import re

from unitconv.grading.abbreviations import ABBREVIATIONS
from unitconv.task.units import unit_pattern

UNIT = unit_pattern(alternatives=True)
_NUMBER = r"(?<![\d.,])\d[\d.,]*(?<=\d)(?:[eE][-+]?\d+)?"
_COUNTED = rf"({_NUMBER})\s?({UNIT})"

_SIGNS = str.maketrans(
    dict.fromkeys("\u00d7\u22c5\u2217\u00b7\u2715\u2716\u2a2f\u2022", "*")
    | dict.fromkeys("\u00f7\u2215\u2044", "/")
    | dict.fromkeys("\u2212\u2012\u2013\uff0d", "-")
    | dict.fromkeys(
        "=\uff1d\u2248\u2243\u2245\u223c\u2261\u2250\u2254", "="
    )
    | dict.fromkeys("\u2192\u21d2\u27f9\u27f6\u21a6\u21d4", "\u2192")
    | {"\uff0b": "+", "\u00b2": "^2", "\u00b3": "^3", "\u2019": "'"}
)
_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven"),
    *("eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = (
    *("twenty", "thirty", "forty", "fifty"),
    *("sixty", "seventy", "eighty", "ninety"),
)
_WORTH = {word: n for n, word in enumerate(_SMALL)}
_WORTH |= {word: 10 * n for n, word in enumerate(_TENS, start=2)}
_MULTIPLES = {"dozen": 12, "hundred": 100, "thousand": 1000}
_MULTIPLES |= {"million": 10**6, "billion": 10**9}
_WORD = "|".join(sorted([*_WORTH, *_MULTIPLES], key=len, reverse=True))
_NUMBER_WORDS = (
    rf"\b(?:an? (?=(?:{'|'.join(_MULTIPLES)})\b))?(?:{_WORD})"
    rf"(?:(?:[ -]|(?<=hundred) and |(?<=thousand) and )(?:{_WORD}))"
    r"{0,9}\b"
)


def _to_digits(match: re.Match[str]) -> str:
    """Write "two hundred and fifty" in digits; leave "two three"."""
    total = part = 0
    before = ""
    for word in re.findall(_WORD, match[0].lower()):
        if word in _WORTH:
            if before in _SMALL or (before in _TENS and word in _TENS):
                return match[0]
            part += _WORTH[word]
        elif _MULTIPLES[word] < 1000:
            part = (part or 1) * _MULTIPLES[word]
        else:
            total += (part or 1) * _MULTIPLES[word]
            part = 0
        before = word
    return str(total + part)


_GAP = r"[ \u00a0\u2009\u202f]"
_GROUPS = rf"(?<![\d.,])[1-9]\d{{0,2}}(?:{_GAP}\d{{3}})+(?!\d)"
_MARKUP: tuple[tuple[str, str], ...] = (
    # LaTeX; "~" is a space in it
    (r"(?<=\{)~|~(?=\\)", " "),
    ("~", "="),
    (r"\{,\}", ","),
    (r"\^\{(-?\d{1,3})\}", r"^\1"),
    (r"\\(?:text|textbf|mathrm|mathbf|boxed)\s?\{([^{}]*)\}", r" \1 "),
    (r"\\(?:boxed|cancel)\{([^{}]*)\}", r" \1 "),
    (r"(?<=m) {1,3}\^ ?3", "^3"),
    (
        r"\\[dt]?frac\s?\{\s?([A-Za-z]+(?:\^3)?)\s?\}"
        r"\s?\{\s?([A-Za-z]+(?:\^3)?)\s?\}",
        r" \1/\2 ",
    ),
    (r"\\[dt]?frac\s?\{([^{}]*)\}\s?\{([^{}]*)\}", r"((\1)/(\2))"),
    (r"\\boxed\{([^{}]*)\}", r" \1 "),
    (r"\\(?:times|cdot|ast)\b", "*"),
    (r"\\div\b", "/"),
    (r"\\neq?\b", "≠"),
    (r"\\(?:approx|simeq|cong|sim|equiv|doteq)\b", "="),
    (r"\\(?:to|implies|(?:[Ll]ong)?[Rr]ightarrow)\b", "→"),
    (r"\\(?:left|right|quad|qquad|(?:begin|end)\{\w+\*?\})", " "),
    (r"\\\\", "\n"),
    (r"\\[,;:! ]|\\?\$|\\[()\[\]]|&(?=\s?=)", " "),
    # Markdown; "10**3" and "m**3" are powers, "6 *5" is a product.
    (r"(?<![^\s:(|=*/+→-])\*{2,3}(?=\S)", ""),
    (
        r"(?<=[a-zA-Z:.,;!?])\*{2,3}(?!\d)|(?<=[\d)])\*{2,3}(?!\s?[\d(]|[-{])",
        "",
    ),
    (r"(?m)(^|[.:;(|] ?)\*(?=\w)", r"\1"),
    (r"(?<=\s)\*([A-Za-z]{2,20})\*(?=\s)", r"\1"),
    (r"`|(?<!\w)__?(?=\w)|(?<=\w)__?(?!\w)", ""),
    # Signs
    (r"!=|=/=|<>|≉|≢", "≠"),
    (r"(?<=[\w)])(?<!answer) ?[<>≤≥]=? ?(?=\d)", " ⊘ = "),
    (r"[-=]{1,3}>", " → "),
    (r"(?<=[\w.])/(?=\d)", " / "),
    (r"\n\s{0,9}(?=[=≠])|(?<=[=≠])\n|(?<=\w)\. ?(?=[=≠])", " "),
    (r"\( ?(?=[=≠])", " "),
    # A colon or a table's bar between two numbers: "6 * 1000: 6000"
    (r"(?<=[\w)]) ?[:|] (?=[-(]?\d)", " → "),
)
_VERBS = (
    "is|are|was|were|(?:will|would|must|should) be|equals?|makes?|gives?"
    "|yields?|contains?|has|have|holds?|corresponds? to|comes? (?:out )?to"
    "|results? in|amounts? to|converts? to|becomes?|works? out (?:to|as|at)"
    "|totals?|represents?|weighs?|measures?|lasts?|means?|comprises?"
    "|includes?|consists? of|translates? to|turns? into"
)
_HEDGES = (
    "(?:exactly|about|approximately|roughly|around|nearly|almost|just|us"
    "|simply|also|now|then|thus|therefore|equal to|equals?|to|you|me"
    "|the same as|(?:the )?equivalent (?:to|of)|identical to|worth"
    "|a total of)\\b|approx\\b\\.?|ca\\."
)
_GETS = (
    "(?:and |so |then )*(?:to|we|you|I|and)(?: then| thus| will)?"
    " (?:get|give|obtain|have|find)"
    "|getting|giving|resulting in|yielding|making|equaling"
)
_NOUNS = "answer|result|total|sum|product|conversion"
_START = (
    r"(?m)(^|[,.;:(|→] ?"
    r"|\b(?:and|with|since|that|know|so|because|as|there =) )"
)
_OPERAND = rf"{_NUMBER}(?: ?{UNIT})?"
_WORDS: tuple[tuple[str, str], ...] = (
    (r"\b(?:step|part|line) \d+\b", " "),
    (r"\b(that|it|which|there|here|what)'s\b", r"\1 is"),
    *ABBREVIATIONS,
    (r"\b(?:US|U\.S\.|American) (?=gal|quart|pint|fluid|fl)", ""),
    (r"\b(?:imperial|British) (?=gal|quart|pint|fluid|fl)", "UK "),
    # Numbers
    (r"(?<=\d) and a half\b", ".5"),
    (rf"\bhalf (?:of )?an? (?={UNIT})", "0.5 "),
    (rf"\bhalf (?:of )?(?={_NUMBER})", "0.5 * "),
    (rf"\b(?:twice|double) (?={_NUMBER})", "2 * "),
    (rf", or (?={_NUMBER} ?{UNIT})", " = "),
    # What is denied: "it is false that", "which is wrong".
    (
        r"\b(?:not (?:true|correct|the case)|untrue|false|wrong|incorrect"
        r"|a (?:lie|mistake))\b ?[:,]?",
        " ⊘ ",
    ),
    (
        r"\b(?:is|are|was|were|does|do|did|can|will|would|could)"
        r"(?: not|n't|not)\b(?: (?:be|equal|make|give|contain|have)\b)?"
        r"|\bis never\b|\bnever (?:is|equals?|makes?|gives?)\b"
        r"|\bnot equal(?: to)?\b",
        "≠",
    ),
    (r"\b(?:times|multiplied by)\b", "*"),
    (r"\bdivided by\b", "/"),
    (r"\bplus\b", "+"),
    (r"\bminus\b", "-"),
    (rf"({_OPERAND}) less than ({_OPERAND})", r"\2 - \1"),
    (rf"({_OPERAND}) more than ({_OPERAND})", r"\2 + \1"),
    (rf"({_OPERAND}) less (?={_NUMBER})", r"\1 - "),
    # What is equal
    (rf"\b(?:{_VERBS})\b", "="),
    (r"= (?:[a-z]+ )?not\b", "≠"),
    (rf"\b({_NOUNS})(?: =)? ?[:→]", r"\1 ="),
    (
        rf"\b(?:so|hence|thus|therefore|finally),? "
        rf"(?={_NUMBER}(?: ?{UNIT})? ?(?:[.!\n]|$))",
        "= ",
    ),
    # "so we get 6 * 1000 = ...": not the result, but how it is found
    (
        rf"\b(?:{_GETS})\b(?= {{1,3}}(?:(?:{_HEDGES}) )*[(]?{_OPERAND}"
        r" ?[*/+x-])",
        ",",
    ),
    (rf",? ?\b(?:{_GETS})\b(?= (?:(?:{_HEDGES}) )*[=(-]? ?[\d.])", " ="),
    (r",? (?:which|that|this|and (?:that|this)) (?==)", " "),
    (rf"([=≠])(?: ?(?:=|{_HEDGES}))+", r"\1"),
    (r"([*/+(]) ?=", r"\1"),
    (rf"\b(?:an?|each|every) (?={UNIT})", "1 "),
    # Operations
    (
        rf"\bmultipl(?:y|ying) ({_OPERAND}) (?:by|with|and) (?={_NUMBER})",
        r"\1 * ",
    ),
    (rf"\bdivid(?:e|ing) ({_OPERAND}) by (?={_NUMBER})", r"\1 / "),
    (rf"\badd(?:ing)? ({_OPERAND}) (?:and|to) (?={_NUMBER})", r"\1 + "),
    (rf"\bproduct of ({_OPERAND}) and (?={_NUMBER})", r"\1 * "),
    (rf"\bsum of ({_OPERAND}) and (?={_NUMBER})", r"\1 + "),
    # Facts: "there are 12 inches in 1 foot", "60 seconds per minute"
    (
        rf"{_START}({_NUMBER}) ?({UNIT}) (?:in|per|to|for|make) (?:the )?"
        rf"({_NUMBER} ?{UNIT})",
        r"\1\4 = \2 \3",
    ),
    (
        # The whole unit: "miles per hour" are not miles in an hour.
        rf"{_START}({_NUMBER}) ?(?=({UNIT}))\3 (?:per|in the) ({UNIT})",
        r"\g<1>1 \4 = \2 \3",
    ),
    (
        rf"\bfactor (?:from|between) ({UNIT}) (?:to|and) ({UNIT}) ="
        rf" ?({_NUMBER})",
        r"1 \1 = \3 \2",
    ),
    (
        rf"\bnumber of ({UNIT}) (?:in|per) ({_NUMBER} ?{UNIT}) ="
        rf" ?({_NUMBER})(?! ?[*/+-])",
        r"\2 = \3 \1",
    ),
    # "6 kg in grams is 6000"
    (r"(?:when )?\b(?:converted|expressed) (?:in)?(?:to)? ?", "in "),
    (
        rf"({_NUMBER} ?{UNIT}),? in(?:to)? ({UNIT}),? = ?({_NUMBER})"
        rf"(?!\w| ?(?:[*/+x-]|{UNIT}))",
        r"\1 = \3 \2",
    ),
    (rf"({_NUMBER} ?{UNIT}),? in(?:to)? {UNIT},? ?(?==)", r"\1 "),
)
_COMPILED = (
    [(re.compile(pattern), form) for pattern, form in _MARKUP],
    [
        (re.compile(pattern, re.IGNORECASE), form)
        for pattern, form in _WORDS
    ],
)


def to_equations(text: str) -> str:
    r"""Rewrite a text so that its equations are written as such.

    >>> to_equations("**A kg** is about 1 000 g, six \\times 5 gives 30")
    '1 kg = 1000 g, 6 * 5 = 30'
    """
    markup, words = _COMPILED
    text = text.translate(_SIGNS)
    for pattern, form in markup:
        text = pattern.sub(form, text)
    text = re.sub(_GROUPS, lambda m: re.sub(_GAP, "", m[0]), text)
    text = re.sub(_NUMBER_WORDS, _to_digits, text, flags=re.IGNORECASE)
    for pattern, form in words:
        text = pattern.sub(form, text)
    return text
