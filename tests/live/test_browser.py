"""The browser's runtime in Chromium, opened from disk and offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Watched, open_browser
from tests.live.pages import PAGE, Request, make_page
from tests.live.replies import MODELS, Case, cases, questions
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
    with open_browser() as opened:
        yield opened


class OpenPage(Watched):
    """A page with the scripts, opened from disk."""

    def __init__(self, browser: Any, file: Path) -> None:
        super().__init__(browser, offline=True)
        self.page.goto(file.as_uri())

    def ask(self, *requests: Request) -> list[Any]:
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
    assert opened.external() == []
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
