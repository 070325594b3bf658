"""What of a chapter is shown on slides.

A section shows the first sentences of its text, what its paragraphs that
begin in bold are about, one formula, one cell of code, its figures and one
table. Two tags change the choice where it is wrong: `slide` shows a cell,
`no-slide` hides one.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from nbformat import NotebookNode

from scripts.slides.outputs import is_upright, printed, shown
from scripts.slides.sections import Section

WORDS = 50  # of the first sentences of a section
FEW = 45  # of those that leave room for a figure
LIST = 95  # words of a list
LABEL = 6  # words of a sentence that only names its subject
LINES = 19  # of a cell and what it prints
_APART = ("Exercises", "Three questions", "References")
# The end of a sentence: not that of "et al." or of an initial.
_END = re.compile(r"(?<!\bal)(?<!\be\.g)(?<!\b[A-Z])[.!?](?=\s+[^a-z\s])")
_BOLD = re.compile(r"\*\*[^*]+\*\*")
_ITEM = re.compile(r"(?:-|\d+\.) +")
_DEFINES = re.compile(r"^(?:def|class) ", re.M)
_LISTING = re.compile(r"```python\n(?P<code>.*?)\n?```", re.S)
# A work in brackets: "([Su et al. 2021](https://...))".
_CITED = re.compile(r"\s+\(\[[^\]]*\]\([^)]*\)\)")


@dataclass(frozen=True)
class Code:
    """A cell without its imports, and the text that it prints."""

    source: str
    printed: str

    @property
    def lines(self) -> list[str]:
        return f"{self.source}\n{self.printed}".splitlines()


@dataclass
class Slide:
    """A slide: a heading, Markdown, code, and HTML of a figure or table."""

    title: str
    text: list[str] = field(default_factory=list)
    code: Code | None = None
    html: str = ""
    notes: str = ""  #: Markdown, seen by the speaker alone


@dataclass(frozen=True)
class Deck:
    """Stacks of slides: one for each section, one for the exercises."""

    title: str
    stacks: list[list[Slide]]


def choose_slides(sections: list[Section]) -> Deck:
    """Return the slides of a chapter."""
    first, *others = sections
    stacks = [opening(first)]
    for place, section in enumerate(others):
        if section.title == "Exercises":
            stacks.append([*exercises(section)])
        elif section.title == "Three questions":
            stacks.append([*questions(section)])
        elif section.title == "Recap":
            parts = cut_list(section.paragraphs[0])
            stacks.append([Slide("Recap", [part]) for part in parts])
        elif section.title not in _APART:
            slides = section_slides(section)
            if section.level > 2:
                stacks[-1].extend(slides)
                continue
            after = others[place + 1 :]
            below = takewhile(lambda one: one.level > 2, after)
            listed = "\n".join(f"- {part.title}" for part in below)
            stacks.append(slides or [Slide(section.title, [listed])])
    return Deck(first.title, [stack for stack in stacks if stack])


def opening(section: Section) -> list[Slide]:
    """Show the title with the chapter's question; then the objectives."""
    question = [
        paragraph
        for paragraph in section.paragraphs
        if paragraph.startswith("**The question of this chapter:**")
    ]
    [box] = [
        box
        for box in section.directives
        if box.argument == "What you will learn"
    ]
    learned = "\n".join(box.body).split("\n\n")[0]
    return [
        Slide(section.title, question, notes=_notes(section)),
        Slide(box.argument, [learned]),
    ]


def section_slides(section: Section) -> list[Slide]:
    """Show the text of a section first, then code, figures and a table.

    Code or a figure is beside the text where there is room for both.
    """
    title, text = section.title, key_text(section)
    parts = cut_list(text[-1]) if text and _ITEM.match(text[-1]) else []
    if len(parts) > 1:
        text[-1] = parts[0]
    slides = [Slide(title, text, notes=_notes(section))]
    slides += [Slide(title, [part]) for part in parts[1:]]
    heights = [45 if "$$" in one else len(one.split()) for one in text]
    words = sum(heights)  # a formula is as high as 45 words
    has_room = len(text) == 1 and words <= FEW
    code, pictures = key_code(section.cells), [*shown(section.cells)]
    if code and len(text) <= 2 and words // 11 + len(code.lines) <= 13:
        slides[0].code = code
    elif code:
        slides.append(Slide(title, code=code))
    elif pictures and has_room and not is_upright(pictures[0]):
        slides[0].html = pictures.pop(0)
    slides += [Slide(title, html=html) for html in pictures]
    return [one for one in slides if one.text or one.code or one.html]


def key_text(section: Section) -> list[str]:
    """Return the first sentences, points in bold, and one formula."""
    texts = [t for t in section.paragraphs if not t.startswith("$$")]
    formulas = [t for t in section.paragraphs if t.startswith("$$")]
    points = [t for t in texts if _BOLD.match(t)]
    chosen = []
    if texts and texts[0] not in points:
        chosen.append(first_sentences(texts[0], WORDS))
    chosen += [formula.strip() for formula in formulas[:1]]
    if points:
        items = [first_point(point) for point in points[:5]]
        chosen.append("\n".join(f"- {item}" for item in items))
    return chosen


def items(text: str) -> list[str]:
    """Split a list into its items, each with its mark."""
    return re.split(r"\n(?=- |\d+\. )", text)


def cut_list(text: str) -> list[str]:
    """Cut a list into parts of about one length, short enough to show."""
    lengths = [len(item.split()) for item in items(text)]
    parts = [""] * -(-sum(lengths) // LIST)
    before = 0
    for item, length in zip(items(text), lengths, strict=True):
        part = (before + length // 2) * len(parts) // sum(lengths)
        parts[part] += f"{item}\n"
        before += length
    return parts


def sentences(text: str) -> list[str]:
    """Split prose into sentences, which keep their end."""
    starts = [0, *(match.end() for match in _END.finditer(text))]
    ends = [*starts[1:], len(text)]
    parts = [text[a:b].strip() for a, b in zip(starts, ends, strict=True)]
    return [" ".join(part.split()) for part in parts if part]


def first_sentences(text: str, words: int) -> str:
    """Return whole sentences, as many as fit; of a list, the firsts."""
    if _ITEM.match(text):
        marked = [_ITEM.match(item) for item in items(text)]
        return "\n".join(
            mark[0] + sentences(mark.string[mark.end() :])[0]
            for mark in marked
            if mark
        )
    kept: list[str] = []
    for sentence in sentences(text):
        if kept and len(" ".join([*kept, sentence]).split()) > words:
            break
        kept.append(sentence)
    return " ".join(kept)


def first_point(text: str) -> str:
    """Return what is in bold and what is said first about it."""
    first, *others = sentences(_CITED.sub("", text))
    is_label = len(first.split()) <= LABEL
    return " ".join([first, *others[:1]]) if is_label else first


def key_code(cells: list[NotebookNode]) -> Code | None:
    """Return the cell to show: one tagged `slide`, or a short one.

    Of the short ones it is the first that defines a function, or else the
    first that prints something.
    """
    short = []
    for cell in cells:
        code, tags = read_code(cell), cell.metadata.get("tags", [])
        if "slide" in tags:
            return code
        hidden = "hide-input" in tags or not code.source
        if not hidden and len(code.lines) <= LINES:
            short.append(code)
    defining = (one for one in short if _DEFINES.search(one.source))
    printing = (one for one in short if one.printed)
    return next(defining, None) or next(printing, None)


def read_code(cell: NotebookNode) -> Code:
    """Return a cell's code, or the code of the library that it shows."""
    for output in cell.outputs:
        markdown = output.get("data", {}).get("text/markdown", "")
        if source := _LISTING.fullmatch(markdown.strip()):
            return Code(source["code"], "")
    return Code(without_imports(cell.source), printed(cell))


def without_imports(source: str) -> str:
    """Return code without the imports that it begins with."""
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            before = source.splitlines()[: node.lineno - 1]
            lines = source.splitlines()[node.lineno - 1 :]
            while before and before[-1].startswith(("#", "@")):
                lines.insert(0, before.pop())
            return "\n".join(lines)
    return ""


def exercises(section: Section) -> Iterator[Slide]:
    """Show the text of each exercise."""
    for one in section.directives:
        if one.name == "exercise":
            title = f"Exercise. {one.argument}"
            yield Slide(title, ["\n".join(one.body)])


def questions(section: Section) -> Iterator[Slide]:
    """Show each question with its options, without the answer."""
    for one in section.directives:
        if one.name == "quiz":
            blocks = "\n".join(one.body).split("\n\n")
            options = next(b for b in blocks if b.startswith("- "))
            asked = blocks[: blocks.index(options)]
            yield Slide("A question", [*asked, options])


def _notes(section: Section) -> str:
    return "\n\n".join(section.paragraphs)
