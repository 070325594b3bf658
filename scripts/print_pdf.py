"""Print every page of the built book into _build/pdf.

    python -m scripts.print_pdf [NAME ...]

A PDF is light, without navigation, and with its solutions open.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from scripts.book import HTML, pages
from scripts.move_repository import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The last three disable background requests.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PDF = ROOT / "_build" / "pdf"
FOOTER = """
<div style="width: 100%; padding: 0 17mm; font: 8px sans-serif;
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
    return next(filter(None, map(shutil.which, BROWSERS)), None)


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
        margin=dict.fromkeys(("left", "right", "top", "bottom"), "17mm"),
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER,
        tagged=True,  # headings and descriptions, for screen readers
        outline=True,
    )
    page.close()
    return path


def main(names: list[str]) -> None:
    executable = find_browser()
    if executable is None:
        raise SystemExit("No Chromium or Chrome on the PATH.")
    PDF.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable, args=FLAGS
        )
        for name in names or pages():
            print(print_page(chromium, name).relative_to(ROOT))
        chromium.close()


if __name__ == "__main__":
    main(sys.argv[1:])
