"""Measure the page's runtime in Chromium on one core."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.browser import Watched, open_browser
from tests.live.pages import make_page
from tests.live.widget_page import build_page

TURNS = 7
ASKED = "How many gallons are in 6 quarts?"

# Seconds until the model is there, in a page that has nothing yet.
LOAD = """async () => {
  const begin = performance.now();
  await unitconv.load("rft");
  return (performance.now() - begin) / 1000;
}"""
# Tokens read, and the seconds of a reply. Twice before: a browser compiles
# what is often used.
REPLY = """async ([question, simd]) => {
  const llm = await unitconv.load("rft", { simd });
  if (llm.model.kernel.simd !== simd) throw new Error("no SIMD here");
  const prompt = llm.encode(question).length;
  for (let i = 0; i < 2; i++) await llm.generate(question);
  const begin = performance.now();
  const { ids } = await llm.generate(question);
  const seconds = (performance.now() - begin) / 1000;
  return [prompt + ids.length - 1, seconds];
}"""


def use_one_core() -> None:
    """Keep this process, and the browsers it starts, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def best(turns: int, run: Callable[[], float]) -> float:
    """Return the shortest of several turns: others may use the core."""
    return min(run() for _ in range(turns))


def measure(turns: int = TURNS) -> dict[str, Any]:
    """Measure loading, replies with SIMD and without, and the bytes."""
    use_one_core()
    with TemporaryDirectory() as folder, open_browser() as browser:
        file = make_page(Path(folder) / "page")
        found = {
            "load_s": round(best(turns, lambda: load(browser, file)), 3),
            "simd": reply(browser, file, turns, simd=True),
            "plain": reply(browser, file, turns, simd=False),
            "first_load_bytes": first_load(browser, Path(folder)),
        }
    busy = round(os.getloadavg()[0], 1)
    return found | {
        "turns": turns,
        "load_average": busy,
        "cores": os.cpu_count(),
    }


def load(browser: Any, file: Path) -> float:
    opened = Watched(browser, offline=True)
    opened.page.goto(file.as_uri())
    seconds: float = opened.page.evaluate(LOAD)
    opened.page.close()
    return seconds


def reply(
    browser: Any, file: Path, turns: int, simd: bool
) -> dict[str, float]:
    """Time a reply; tokens of the prompt count, which are read as well."""
    opened = Watched(browser, offline=True)
    opened.page.goto(file.as_uri())
    tokens = 0

    def run() -> float:
        nonlocal tokens
        tokens, seconds = opened.page.evaluate(REPLY, [ASKED, simd])
        return float(seconds)

    seconds = best(turns, run)
    opened.page.close()
    return {
        "tokens": tokens,
        "reply_ms": round(1000 * seconds),
        "tokens_per_s": round(tokens / seconds),
    }


def first_load(browser: Any, folder: Path) -> int:
    """Count what the widget that asks adds to a page, before a click."""
    site = folder / "site"
    site.mkdir()
    opened = Watched(browser, offline=True)
    opened.page.goto(build_page(site, {"ask-model": ASKED}).as_uri())
    files = {
        Path(url.split("?")[0].removeprefix("file://"))
        for url in opened.requests
        if "/_static/live/" in url
    }
    markup = len(opened.page.locator(".ask-model").inner_html().encode())
    opened.page.close()
    return markup + sum(file.stat().st_size for file in files)
