"""Sphinx extension: terms of the glossary, linked where they come first.

In the prose of each page the first occurrence of a term leads to the
glossary, whose first sentence is its tooltip. A term that is also an
ordinary word is linked where it is in italics, as a page has it where it
introduces a term.
"""

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

GLOSSARY = "book/glossary"
PROSE = ("notebooks/", "book/")
# The library's reference has code on every line, and its own words.
OTHERS = ("book/glossary", "book/reference", "book/bibliography")
ORDINARY = {"at once", "page", "power"}  # a page of the book, and so on
SENTENCE = re.compile(r"\.\s")
LONGEST = 240  # characters of a tooltip
# No links in links, in code, in headings or in what is folded.
PLAIN = (nodes.emphasis, nodes.strong, nodes.paragraph)
APART = (
    *(nodes.title, nodes.reference, nodes.literal, nodes.Admonition),
    *(nodes.table, nodes.container, nodes.caption, addnodes.pending_xref),
)
Terms = dict[str, tuple[str, str]]


def read_terms(env: BuildEnvironment) -> Terms:
    """Read the glossary: each term with its anchor and first sentence."""
    terms: Terms = {}
    for item in env.get_doctree(GLOSSARY).findall(
        nodes.definition_list_item
    ):
        meaning = item[-1].astext().replace("\n", " ")
        sentence = SENTENCE.split(meaning, maxsplit=1)[0].rstrip(".") + "."
        for term in item.findall(nodes.term):
            if term["ids"]:
                words = term.astext().strip()
                terms[words.lower()] = term["ids"][0], sentence[:LONGEST]
    return terms


def pattern(terms: Terms) -> re.Pattern[str]:
    """Match any of the terms, the longest first, also in the plural."""
    words = sorted(map(re.escape, terms), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])({'|'.join(words)})s?(?![\w-])", re.I)


def prose(document: nodes.document) -> list[nodes.Text]:
    """Find the texts of a page in which a term may be linked."""

    def is_prose(text: nodes.Text) -> bool:
        node = text.parent
        if not isinstance(node, PLAIN):
            return False
        while node is not None and not isinstance(node, APART):
            node = node.parent
        return node is None

    return [text for text in document.findall(nodes.Text) if is_prose(text)]


def link(words: str, uri: str, tooltip: str) -> nodes.reference:
    node = nodes.reference("", "", internal=True, refuri=uri)
    node["classes"] = ["term"]
    node["reftitle"] = tooltip
    node += nodes.Text(words)
    return node


def link_terms(document: nodes.document, terms: Terms, page: str) -> None:
    """Link the first occurrence of each term in a document."""
    left = dict(terms)
    for text in prose(document):
        if not left:
            return
        parts: list[nodes.Node] = []
        rest, done = str(text), 0
        emphasized = isinstance(text.parent, nodes.emphasis)
        for match in pattern(left).finditer(rest):
            word = match[1].lower()
            if word in ORDINARY and not emphasized:
                continue
            known = left.pop(word, None)
            if known is None:  # a second time in the same paragraph
                continue
            parts.append(nodes.Text(rest[done : match.start()]))
            parts.append(link(match[0], f"{page}#{known[0]}", known[1]))
            done = match.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(rest[done:])])


def finish(app: Sphinx, document: nodes.document, name: str) -> None:
    linked = name.startswith(PROSE) and not name.startswith(OTHERS)
    if not linked or app.builder.format != "html":
        return
    page = app.builder.get_relative_uri(name, GLOSSARY)
    link_terms(document, read_terms(app.env), page)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
