"""HTML of a deck: Markdown, code, figures and tables on slides."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from scripts.slides.choose import Deck, Slide
from scripts.slides.outputs import is_upright

HERE = Path(__file__).parent
# The book's own colours of code, readable on both grounds.
_STYLES = {
    "light": "a11y-high-contrast-light",
    "dark": "a11y-high-contrast-dark",
}
_LONG = 75  # words that need smaller letters
_TALL = 14  # lines of code that do


def _math(content: str, options: dict[str, Any]) -> str:
    if options.get("display_mode"):
        return rf'<span class="math">\[{escape(content)}\]</span>'
    return rf'<span class="math">\({escape(content)}\)</span>'


def _nothing(*_: object) -> str:
    return ""


def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.use(dollarmath_plugin, renderer=_math)
    # Links lead out of a talk: their text is enough.
    parser.add_render_rule("link_open", _nothing)
    parser.add_render_rule("link_close", _nothing)
    return parser


_MARKDOWN = _markdown()


def to_html(markdown: str) -> str:
    return str(_MARKDOWN.render(markdown))


def inline(markdown: str) -> str:
    return str(_MARKDOWN.renderInline(markdown))


def color(source: str) -> str:
    """Return Python code as HTML with classes for its colours."""
    formatter = HtmlFormatter(nowrap=True)
    return str(highlight(source, PythonLexer(), formatter))


def code_styles() -> dict[str, str]:
    """Return the rules that colour code, for light and dark slides."""
    return {
        scheme: HtmlFormatter(style=style).get_style_defs("pre.code")
        for scheme, style in _STYLES.items()
    }


def classes(slide: Slide) -> str:
    """Return CSS classes that say how much a slide has to hold."""
    names = []
    if len(" ".join(slide.text).split()) > _LONG:
        names.append("long")
    if slide.code and len(slide.code.lines) > _TALL:
        names.append("tall")
    if not slide.text and not slide.code and is_upright(slide.html):
        names.append("upright")
    return " ".join(names)


def render_deck(deck: Deck, number: int, source: str) -> str:
    """Return the page of a deck.

    Args:
        number: of the chapter; appendices have 90 and more.
        source: of the notebook, to be named on the page.
    """
    return _render(
        "deck.html.jinja",
        deck=deck,
        label="Appendix" if number >= 90 else f"Chapter {number}",
        source=source,
        has_math=bool(re.search(r"\$[^$]+\$", repr(deck))),
        code_styles=code_styles(),
    )


def render_index(decks: Sequence[tuple[str, str]]) -> str:
    """Return the page that lists decks: file names and titles."""
    return _render("index.html.jinja", decks=decks)


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True
    )
    environment.filters |= {
        "markdown": to_html,
        "inline": inline,
        "color": color,
        "classes": classes,
    }
    return environment.get_template(template).render(**values)
