"""The browser's runtime in Chromium, opened from disk and offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from scripts.print_pdf import FLAGS, find_browser
from tests.built import missing
from tests.live.library import MODELS, Case, cases, questions
from tests.live.pages import PAGE, make_page
from unitconv.inference.reference import Decoding

# As a host may forbid WebAssembly.
POLICY = "<meta http-equiv='Content-Security-Policy' content='{}'>".format(
    "script-src file:"
)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_page(tmp_path_factory.mktemp("live") / "page")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = find_browser()
    if path is None:
        missing("no Chromium or Chrome on the PATH")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path, args=FLAGS
        )
        yield opened
        opened.close()


class OpenPage:
    """A page opened from disk; notes errors and requests."""

    def __init__(self, browser: Any, file: Path) -> None:
        self.page = browser.new_page(offline=True)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(file.as_uri())

    def ask(self, *requests: dict[str, Any]) -> list[Any]:
        replies: list[Any] = self.page.evaluate(
            "requests => answerRequests(requests)", requests
        )
        return replies

    def check(self, expected: list[Case]) -> None:
        replies = self.ask(*(case.request for case in expected))
        for case, reply in zip(expected, replies, strict=True):
            assert case.matches(reply), (case, reply)


def test_page_from_disk_replies_as_the_library(
    browser: Any, page_file: Path
) -> None:
    opened = OpenPage(browser, page_file)
    names = [url.rsplit("/")[-1] for url in opened.requests]
    assert "load.js" in names
    assert "base.js" not in names  # six megabytes, on the first use
    for model in MODELS:
        opened.check(cases(model, questions(per_split=1)))
    sampling = Decoding(temperature=1.5, top_p=0.9, seed=3)
    opened.check(cases("rft", questions(per_split=1), sampling))
    assert opened.ask({"does": "usesSimd", "model": "rft"}) == [True]
    assert all(url.startswith("file:") for url in opened.requests)
    assert opened.errors == []
    opened.page.close()


def test_host_that_forbids_webassembly(
    browser: Any, page_file: Path
) -> None:
    strict = page_file.with_name("strict.html")
    strict.write_text(POLICY + PAGE, encoding="utf-8")
    opened = OpenPage(browser, strict)
    opened.check(cases("rft", questions(per_split=1)))
    assert opened.ask({"does": "usesSimd", "model": "rft"}) == [False]
    opened.page.close()
