"""Every chapter has its parts: opening, exercises, recap, links."""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from scripts.book import directives

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
STEMS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))

STARTER = ["exercise", "nbval-check-output"]
SOLUTION = ["solution", "nbval-check-output"]

every_chapter = pytest.mark.parametrize("stem", STEMS)


def cells(stem: str) -> list[Any]:
    return nbformat.read(FOLDER / f"{stem}.ipynb", as_version=4).cells


def prose(stem: str) -> str:
    """All Markdown of a chapter, as one text."""
    return "\n\n".join(
        cell.source for cell in cells(stem) if cell.cell_type == "markdown"
    )


def tree(text: str) -> SyntaxTreeNode:
    return SyntaxTreeNode(MarkdownIt().parse(text))


def words(node: SyntaxTreeNode) -> str:
    leaves = [n.content for n in node.walk() if n.type == "text"]
    return " ".join(leaves).strip()


@every_chapter
def test_opening_says_what_is_learned_and_what_it_takes(stem: str) -> None:
    first = cells(stem)[0]
    assert first.source.startswith("# ")
    [box] = [
        box
        for box in directives(first.source)
        if box.argument == "What you will learn"
    ]
    objectives, needs = tree("\n".join(box.body)).children
    assert objectives.type == "bullet_list"
    assert len(objectives.children) >= 3
    assert needs.type == "paragraph"
    [line] = needs.children
    labels = [words(n) for n in line.children if n.type == "strong"]
    assert labels == ["Before you start:", "Time:", "Hardware:"]
    _, *texts = re.split("|".join(labels), words(needs))
    assert all(re.search(r"\w{4}", text) for text in texts)
    assert re.search(r"\d+ minutes to read", texts[1])


def reading_minutes(stem: str) -> float:
    """Minutes at 200 words or 30 shown lines of code, 2 figures a minute.

    Exercises and references are left out.
    """
    minutes, counts = 0.0, True
    for cell in cells(stem):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            for part in re.split(r"^(?=## )", cell.source, flags=re.M):
                if part.startswith("## "):
                    heading = part.partition("\n")[0]
                    counts = heading not in (
                        "## Exercises",
                        "## References",
                    )
                minutes += counts * len(part.split()) / 200
        elif counts and "remove-cell" not in tags:
            minutes += 0.5 * ("captioned(" in cell.source)
            if "hide-input" not in tags:
                lines = filter(str.strip, cell.source.splitlines())
                minutes += len([*lines]) / 30
    return minutes


@every_chapter
def test_reading_time_is_enough_and_below_45_minutes(stem: str) -> None:
    opening = " ".join(cells(stem)[0].source.split())
    [minutes] = re.findall(r"(\d+) minutes to read", opening)
    assert round(reading_minutes(stem)) <= int(minutes) <= 45


@dataclass
class Exercise:
    """What belongs to one label, in the order of the notebook."""

    starters: list[Any] = field(default_factory=list)
    solutions: list[list[Any]] = field(default_factory=list)


def exercises(stem: str) -> dict[str, Exercise]:
    """Every exercise of a chapter, with the code that follows its text.

    A starter is a code cell between an exercise's text and whatever
    directive comes next; a solution's code stands between start and end.
    """
    found: dict[str, Exercise] = {}
    where: list[Any] = []
    for cell in cells(stem):
        if cell.cell_type == "code":
            where.append(cell)
            continue
        for directive in directives(cell.source):
            if directive.name.startswith("live-"):
                continue  # the page checks the exercise above as well
            where = []
            if directive.name == "exercise":
                label = directive.options["label"]
                assert label not in found, f"{label} stands twice"
                found[label] = Exercise()
                where = found[label].starters
            elif directive.name == "solution-start":
                assert directive.options["class"] == "dropdown"
                found[directive.argument].solutions.append(where)
    return found


def attempted(source: str) -> list[str]:
    """Return what a cell's last line gives to `attempt`, check first."""
    last = ast.parse(source).body[-1]
    assert isinstance(last, ast.Expr)
    call = last.value
    assert isinstance(call, ast.Call)
    assert ast.unparse(call.func) == "attempt"
    return [ast.unparse(argument) for argument in call.args]


@every_chapter
def test_three_to_five_exercises_from_easy_to_hard(stem: str) -> None:
    titles = [
        found.argument
        for found in directives(prose(stem))
        if found.name == "exercise"
    ]
    assert 3 <= len(titles) <= 5
    assert titles[0].startswith("Warm-up: ")
    assert titles[-1].startswith("Stretch: ")


@every_chapter
def test_starter_is_not_solved_and_explains_what_is_wrong(
    stem: str,
) -> None:
    for label, exercise in exercises(stem).items():
        [starter] = exercise.starters
        assert starter.metadata.get("tags") == STARTER, label
        [output] = starter.outputs
        assert output.text.startswith("Not yet: "), label
        check, *answer = attempted(starter.source)
        assert answer, f"{label}: nothing is checked"
        [function] = [
            node
            for node in ast.parse(starter.source).body
            if isinstance(node, ast.FunctionDef) and node.name == check
        ]
        asserts = [n for n in ast.walk(function) if type(n) is ast.Assert]
        assert asserts, f"{label}: {check} asserts nothing"
        assert all(node.msg for node in asserts), label


@every_chapter
def test_solution_passes_the_same_check(stem: str) -> None:
    for label, exercise in exercises(stem).items():
        [starter], [solution] = exercise.starters, exercise.solutions
        last = solution[-1]
        assert last.metadata.get("tags") == SOLUTION, label
        assert len(ast.parse(last.source).body) == 1, label
        assert attempted(last.source) == attempted(starter.source), label
        [output] = last.outputs
        assert output.text == "Solved.\n", label


@every_chapter
def test_one_switch_chooses_the_model(stem: str) -> None:
    sources = [c.source for c in cells(stem) if c.cell_type == "code"]
    code = "\n".join(sources)
    loads = re.findall(
        r"(?:LLM\.from_pretrained|pick_base)\(\s*([^,)]+)", code
    )
    switches = re.findall(r"^MODEL = ", code, re.M)
    # A comparison with the course model, or a copy of the model in a
    # folder, may stand beside what the switch chose; a hub name may not.
    assert not any("/" in load for load in loads), loads
    assert not loads or "MODEL" in loads
    assert len(switches) == (1 if loads else 0)


@every_chapter
def test_recap_is_a_list(stem: str) -> None:
    blocks = tree(prose(stem)).children
    [recap] = [
        number
        for number, block in enumerate(blocks)
        if block.tag == "h2" and words(block) == "Recap"
    ]
    assert blocks[recap + 1].type == "bullet_list"
    assert len(blocks[recap + 1].children) >= 3


@every_chapter
def test_references_are_works_of_the_bibliography(stem: str) -> None:
    [found] = [
        directive
        for directive in directives(prose(stem))
        if directive.name == "bibliography"
    ]
    text = (FOLDER.parent / "book" / "references.bib").read_text("utf-8")
    assert len(found.body) >= 3
    assert set(found.body) <= set(re.findall(r"^@\w+\{(\w+),", text, re.M))
