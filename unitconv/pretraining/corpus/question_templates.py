"""Question templates, system messages and formats of the corpus.

The data are in `data/*.json`. No template of a question set is among them,
and no question or message contains one of `TAG_WORDS` (both are tested).
"""

from __future__ import annotations

import json
from importlib.resources import files

_DATA = files("unitconv.pretraining.corpus") / "data"
_LISTS: dict[str, list[str]] = json.loads(
    (_DATA / "questions.json").read_text(encoding="utf-8")
)
#: Parts of solutions, tables and equations: template -> weight. Weights
#: favour what people write most. {a}, {b}: units; {f}: how many b make one
#: a; {g}: how many a make one b; {q}: quantity; {r}: result; {x}: sign of
#: multiplication; {e}: expression; {v}: final value.
FORMATS: dict[str, dict[str, int]] = json.loads(
    (_DATA / "formats.json").read_text(encoding="utf-8")
)

# `{q} {a}` is the quantity and its unit, `{b}` the target unit. Templates
# of the development set occur neither in the corpus nor in any question
# set, so that settings are chosen on unseen wordings.
QUESTIONS = _LISTS["questions"]
DEV_QUESTIONS = _LISTS["dev_questions"]
# Added before or after some questions.
GREETINGS = _LISTS["greetings"]
CLOSINGS = _LISTS["closings"]
# A system turn consists of one opening and up to three requests.
SYSTEM_OPENINGS = _LISTS["system_openings"]
SYSTEM_REQUESTS = _LISTS["system_requests"]
# A system turn may request a format, `{w}`, that its chat does not use.
# So a model has to infer the format from the worked example: the
# instruction alone is no help, as in much real text.
IGNORED_FORMATS = _LISTS["ignored_formats"]
PLACEHOLDERS = _LISTS["placeholders"]
# {u}: a question, {s}: its solution; {n}: number of a line, {f}: a fact.
PLAIN_FORMATS = _LISTS["plain_formats"]
FACT_LISTS = _LISTS["fact_lists"]
# Whole words, and long ones: "ans" also occurs in "translate".
TAG_WORDS = _LISTS["tag_words"]
