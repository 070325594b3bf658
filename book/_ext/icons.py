"""Sphinx extension: load the icons that the book shows, and no others.

The theme loads Font Awesome twice, as fonts and as a script that draws the
same icons once more: 820 kB for some thirty icons. A style sheet of a few
kB replaces both; the fonts in it are cut down to the icons in use.
"""

import base64
import io
import re
import shutil
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from fontTools import subset, ttLib  # matplotlib draws letters with it
from sphinx.application import Sphinx

FOUND = files("pydata_sphinx_theme") / "theme" / "pydata_sphinx_theme"
STATIC = Path(str(FOUND)) / "static"
VENDOR = "vendor/fontawesome"
SHEET = "icons.css"

LINK = re.compile(rf'{VENDOR}/[^"]*/css/all\.min\.css[^"]*')
SCRIPT = re.compile(rf'<script src="[^"]*{VENDOR}/[^"]*"></script>\s*')
SHOWN = re.compile(r'class="[^"]*\b(?:fas?|fab|fa-solid|fa-brands) [^"]*"')
NAME = re.compile(r"\bfa-[\w-]+")
RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\(\w+)"')
# Icons that rules of the theme show: written out, or as an escape.
PRIVATE = re.compile(r"[\ue000-\uf8ff]|\\(f[0-9a-f]{3})\b")

FACES = {
    "fa-solid-900": ("Font Awesome 6 Free", 900),
    "fa-brands-400": ("Font Awesome 6 Brands", 400),
}
RULES = """:root {
  --fa-font-solid: normal 900 1em/1 "Font Awesome 6 Free";
  --fa-font-brands: normal 400 1em/1 "Font Awesome 6 Brands";
}
.fas, .fa-solid, .fab, .fa-brands {
  display: inline-block;
  font: var(--fa-font-solid);
  font-size: inherit;
  -webkit-font-smoothing: antialiased;
}
.fab, .fa-brands { font-family: "Font Awesome 6 Brands"; font-weight: 400 }
"""


def codes_by_name(sheet: str) -> dict[str, int]:
    """Read the character of each icon from Font Awesome's style sheet."""
    return {
        name: int(code, 16)
        for names, code in RULE.findall(sheet)
        for name in NAME.findall(names)
    }


def used_names(pages: Iterable[str]) -> set[str]:
    """Find the names of the icons in pages."""
    shown = (match[0] for page in pages for match in SHOWN.finditer(page))
    return {name for classes in shown for name in NAME.findall(classes)}


def used_codes(sheets: list[str]) -> set[int]:
    """Find the icons that style sheets show by themselves."""
    found = (match for sheet in sheets for match in PRIVATE.finditer(sheet))
    return {int(m[1], 16) if m[1] else ord(m[0]) for m in found}


def cut_font(path: Path, codes: set[int]) -> bytes:
    """Return a font with those of the characters that it has, as WOFF."""
    cutter = subset.Subsetter(subset.Options(hinting=False))
    cutter.populate(unicodes=codes)
    buffer = io.BytesIO()
    with ttLib.TTFont(path) as font:
        cutter.subset(font)
        font.flavor = "woff"
        font.save(buffer)
    return buffer.getvalue()


def face(path: Path, codes: set[int]) -> str:
    """Write the rule for a font, with the font in it."""
    family, weight = FACES[path.stem]
    data = base64.b64encode(cut_font(path, codes)).decode("ascii")
    return (
        f'@font-face {{ font-family: "{family}"; font-weight: {weight};\n'
        f"  src: url(data:font/woff;base64,{data}) }}\n"
    )


def style_sheet(names: set[str], codes: set[int]) -> str:
    """Write the style sheet for these icons."""
    [vendor] = (STATIC / VENDOR).iterdir()
    sheet = (vendor / "css" / "all.min.css").read_text(encoding="utf-8")
    known = codes_by_name(sheet)
    named = {name: known[name] for name in sorted(names & known.keys())}
    wanted = codes | set(named.values())
    fonts = [vendor / "webfonts" / f"{stem}.ttf" for stem in FACES]
    parts = [RULES, *(face(font, wanted) for font in fonts)]
    parts += [
        f'.{name}::before {{ content: "\\{code:x}" }}\n'
        for name, code in named.items()
    ]
    return "".join(parts)


def replace_font_awesome(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    texts = {p: p.read_text(encoding="utf-8") for p in out.rglob("*.html")}
    sheets = list(out.glob("_static/styles/*.css"))
    names = used_names(texts.values())
    codes = used_codes([p.read_text("utf-8") for p in sheets])
    sheet = style_sheet(names, codes)
    (out / "_static" / SHEET).write_text(sheet, encoding="utf-8")
    for path, html in texts.items():
        path.write_text(SCRIPT.sub("", LINK.sub(SHEET, html)), "utf-8")
    shutil.rmtree(out / "_static" / VENDOR, ignore_errors=True)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", replace_font_awesome)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
