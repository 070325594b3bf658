"""Print every page of the built book into _build/pdf.

    python -m scripts.print_pdf [NAME ...]

A PDF looks as the page does on paper: light, without navigation, and with
its solutions open, for paper cannot be clicked.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from scripts.book import HTML, pages
from scripts.move_repository import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The last four keep it from asking its maker for anything.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PDF = ROOT / "_build" / "pdf"
FOOTER = """
<div style="width: 100%; padding: 0 16mm; font: 8px sans-serif;
  color: #555; display: flex; justify-content: space-between">
  <span class="title"></span><span class="pageNumber"></span>
</div>
"""
# The fonts are there, and MathJax has drawn what it has to draw.
READY = """async () => {
  await document.fonts.ready;
  if (window.MathJax?.startup) await MathJax.startup.promise;
}"""


def find_browser() -> str | None:
    """Return the path of a Chromium or Chrome, if there is one."""
    paths = (shutil.which(name) for name in BROWSERS)
    return next((path for path in paths if path), None)


def print_page(chromium: Any, name: str, folder: Path = PDF) -> Path:
    """Print one page of the book; return the PDF written."""
    source = HTML / f"{name}.html"
    if not source.exists():
        raise FileNotFoundError(f"{source} is not built: run `make book`")
    page = chromium.new_page(color_scheme="light")
    page.goto(source.as_uri(), wait_until="networkidle")
    page.evaluate(READY)
    path = folder / f"{Path(name).name}.pdf"
    page.pdf(
        path=path,
        format="A4",
        scale=0.85,  # 76 columns of code fit on a line
        margin=dict.fromkeys(("left", "right"), "16mm")
        | dict.fromkeys(("top", "bottom"), "18mm"),
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER,
        tagged=True,  # headings and descriptions, for screen readers
        outline=True,
    )
    page.close()
    return path


def main(names: list[str]) -> int:
    from playwright.sync_api import sync_playwright

    executable = find_browser()
    if executable is None:
        print("No Chromium or Chrome on the PATH.", file=sys.stderr)
        return 1
    PDF.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable, args=FLAGS
        )
        for name in names or pages():
            print(print_page(chromium, name).relative_to(ROOT))
        chromium.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
