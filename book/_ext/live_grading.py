"""Sphinx extension: export the grader's tables to the page.

The scripts in `_static/live/grading` grade a reply as `unitconv.grading`
does. What they know of units (spellings, and exact sizes by pint) and of
language (the patterns) is written from the library while the book is built,
as `tables.js`: a page that is opened from disk can load a script, but no
JSON.
"""

import json
import re
from pathlib import Path
from typing import Any

from regex_to_js import classes, to_js
from sphinx.application import Sphinx

from unitconv.grading import answer, expression_parser, lexer, wording
from unitconv.task import question_parser
from unitconv.task.units import (
    ALTERNATIVE_UNITS,
    UNITS,
    Unit,
    exact_factor,
)

FILE = "live/grading/tables.js"
Substitution = tuple[re.Pattern[str], str]


def describe_unit(unit: Unit) -> dict[str, Any]:
    """Describe a unit; its size is in the first unit of its family."""
    first = next(u for u in UNITS if u.family == unit.family)
    return {
        "name": unit.name,
        "family": unit.family,
        "definition": unit.definition,
        "spellings": unit.spellings,
        "size": str(exact_factor(unit, first)),
    }


def split_form(form: str) -> list[str | int]:
    r"""Split the replacement `\1 = \2` into texts and group numbers."""
    parts = re.split(r"\\(?:g<)?(\d)>?", form)
    return [int(p) if n % 2 else p for n, p in enumerate(parts)]


def substitutions(rows: list[Substitution]) -> list[list[Any]]:
    return [[to_js(pattern), split_form(form)] for pattern, form in rows]


def wording_tables() -> dict[str, Any]:
    markup, words = wording._COMPILED
    return {
        "signs": {chr(a): b for a, b in wording._SIGNS.items()},
        "markup": substitutions(markup),
        "words": substitutions(words),
        "groups": to_js(wording._GROUPS),
        "gap": to_js(wording._GAP),
        "numberWords": to_js(
            re.compile(wording._NUMBER_WORDS, re.IGNORECASE)
        ),
        "numberWord": to_js(wording._WORD),
        "worth": wording._WORTH,
        "multiples": wording._MULTIPLES,
    }


def question_tables() -> dict[str, Any]:
    module = question_parser
    return {
        "counts": module._COUNTS,
        "unit": to_js(module._UNIT),
        "number": to_js(module._NUMBER),
        "plainNumber": to_js(module._PLAIN_NUMBER),
        "count": to_js(module._COUNT),
        "moreNumbers": to_js(module._MORE_NUMBERS),
        "otherUnit": to_js(module._OTHER_UNIT),
        "apartBefore": to_js(module._APART_BEFORE),
        "apartAfter": to_js(module._APART_AFTER),
        "to": to_js(module._TO),
    }


def make_tables() -> str:
    """Write the tables as a script."""
    tables = {
        "units": [describe_unit(unit) for unit in UNITS],
        "alternativeUnits": [
            describe_unit(unit) for unit in ALTERNATIVE_UNITS.values()
        ],
        "answer": to_js(answer._ANSWER),
        "token": to_js(lexer._TOKEN),
        "noUnits": to_js(expression_parser._NO_UNITS),
        "wording": wording_tables(),
        "question": question_tables(),
    }
    text = json.dumps(tables, ensure_ascii=True)
    # Long pieces that many patterns share are written once.
    names = classes()
    for name, unit in {
        "unit": to_js(wording.UNIT),
        "anyCaseUnit": to_js(re.compile(wording.UNIT, re.IGNORECASE)),
    }.items():
        names[name] = unit
        text = text.replace(json.dumps(unit)[1:-1], f"@{{{name}}}")
    return (
        "window.unitconv = window.unitconv || {};\n"
        f"unitconv.tables = {text};\n"
        f"unitconv.tables.names = {json.dumps(names)};\n"
    )


def write_tables(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    file = Path(app.outdir) / "_static" / FILE
    file.write_text(make_tables(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", write_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
