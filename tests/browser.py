"""A browser for the tests, and pages of it that are watched."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import sync_playwright

from scripts import print_pdf as pdf
from scripts.book import HTML
from tests.built import missing

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@contextmanager
def open_browser() -> Iterator[Any]:
    """Open Chromium or Chrome; skip the test where there is neither."""
    path = pdf.find_browser()
    if path is None:
        missing("no Chromium or Chrome on the PATH")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path, args=pdf.FLAGS
        )
        yield opened
        opened.close()


def wait_until(
    page: Any, condition: str, argument: Any = None, seconds: float = 120
) -> None:
    """Wait until JavaScript is true in a page.

    Playwright's own ``wait_for_function`` evaluates a string in the page,
    which the pages' content security policy refuses.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(condition, argument):
        assert time.monotonic() < end, f"still not true: {condition}"
        page.wait_for_timeout(50)


class Watched:
    """A page that records its requests and its errors."""

    def __init__(self, browser: Any, **options: Any) -> None:
        options = {
            "viewport": DESKTOP,
            "reduced_motion": "reduce",
        } | options
        self.page = browser.new_page(**options)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.on("requestfailed", lambda r: self.errors.append(r.url))
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("console", self.note)

    def note(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open(self, name: str, query: str = "") -> Any:
        """Open a page of the built book."""
        uri = (HTML / f"{name}.html").as_uri()
        self.page.goto(uri + query, wait_until="load")
        return self.page

    def external(self) -> list[str]:
        local = ("file:", "data:", "blob:")
        return [url for url in self.requests if not url.startswith(local)]
