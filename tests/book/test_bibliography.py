"""The bibliography holds what the chapters cite, each work once."""

import re
from pathlib import Path

from bibliography import as_markdown, chapter_scripts, collect

from scripts.book import pages

ROOT = Path(__file__).resolve().parents[2]

FIRST = """\
# %% [markdown]
# The end.
#
# ## References
#
# - Z. Last et al. (2023). A long title,
#   over two lines.
#   [arXiv:1](https://example.org/1)
# - G.-I. Early, B. Other (2022). On order. A journal.

# %%
print("- no reference")
"""
SECOND = """\
# %% [markdown]
# ## References
#
# - L. Ben Middle (2020). Questions? [Here](
#   https://example.org/2).
# - G.-I. Early, B. Other (2022). On order. [A journal](
#   https://example.org/3).
# - Z. Last et al. (2023). A Long Title, over two lines. Extended.
#   [arXiv:1](https://example.org/1)
"""


def test_works_are_merged_and_sorted_by_family_name() -> None:
    found = collect([("01_a", FIRST), ("02_b", SECOND)])
    assert [(e.text, e.chapters) for e in found] == [
        (
            "L. Ben Middle (2020). Questions? [Here](https://example.org/2).",
            ["02_b"],
        ),
        (
            "G.-I. Early, B. Other (2022). On order. "
            "[A journal](https://example.org/3).",
            ["01_a", "02_b"],
        ),
        (
            "Z. Last et al. (2023). A Long Title, over two lines. "
            "Extended. [arXiv:1](https://example.org/1)",
            ["01_a", "02_b"],
        ),
    ]


def test_a_chapter_without_references_is_none() -> None:
    assert collect([("01_a", "# %% [markdown]\n# No more.\n")]) == []


def test_every_link_of_the_references_is_there_once() -> None:
    scripts = chapter_scripts(ROOT, pages())
    assert len(scripts) > 5
    cited = set()
    for script in scripts:
        end = script.read_text("utf-8").partition("# ## References")[2]
        cited |= set(re.findall(r"https://[^\s)]+", end))
    page = as_markdown(collect((p.stem, p.read_text()) for p in scripts))
    links = re.findall(r"\]\((https://[^)]+)\)", page)
    assert sorted(links) == sorted(cited)


def test_every_entry_names_its_chapters() -> None:
    entries = collect([("01_a", FIRST), ("02_b", SECOND)])
    assert as_markdown(entries[1:2]).splitlines()[2] == (
        "  Cited in [](/notebooks/01_a.ipynb), [](/notebooks/02_b.ipynb)."
    )
