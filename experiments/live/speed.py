"""Measure the page's runtime in Chromium on one core.

A machine is seldom quiet, so there are two clocks: the shortest of several
turns on the wall, and the time that the page's process spent on the CPU.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.browser import Watched, open_browser
from tests.live.pages import make_page
from tests.live.widget_page import build_page

TURNS = 20
MODEL = "rft"
ASKED = "How many gallons are in 6 quarts?"

# Seconds until the model is there, in a page that has nothing yet.
LOAD = """async (model) => {
  const begin = performance.now();
  await unitconv.load(model);
  return (performance.now() - begin) / 1000;
}"""
# The tokens that a reply reads, and the seconds of each turn.
REPLY = """async ([model, question, simd, turns]) => {
  const llm = await unitconv.load(model, { simd });
  if (llm.model.kernel.simd !== simd) throw new Error("no SIMD here");
  const seconds = [];
  let tokens = llm.encode(question).length - 1;
  for (let turn = 0; turn < turns; turn++) {
    const begin = performance.now();
    const { ids } = await llm.generate(question);
    seconds.push((performance.now() - begin) / 1000);
    if (turn === 0) tokens += ids.length;
  }
  return { tokens, seconds };
}"""


def measure(turns: int = TURNS) -> dict[str, Any]:
    """Measure loading, replies with SIMD and without, and the bytes."""
    if hasattr(os, "sched_setaffinity"):  # the browser's processes too
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    busy = os.getloadavg()[0]
    with TemporaryDirectory() as folder, open_browser() as browser:
        file = make_page(Path(folder) / "page")
        return {
            "turns": turns,
            "load": measure_load(browser, file, turns),
            "simd": measure_reply(browser, file, turns, simd=True),
            "plain": measure_reply(browser, file, turns, simd=False),
            "first_load_bytes": first_load(browser, Path(folder)),
            "load_average": round(busy, 1),
            "cores": os.cpu_count(),
        }


def open_page(browser: Any, file: Path) -> Any:
    page = Watched(browser, offline=True).page
    page.goto(file.as_uri())
    return page


def cpu_seconds() -> float:
    """Time that the processes of all pages have spent on the CPU."""
    children = psutil.Process().children(recursive=True)
    pages = [p for p in children if "--type=renderer" in p.cmdline()]
    times = [page.cpu_times() for page in pages]
    return sum(time.user + time.system for time in times)


def measure_load(browser: Any, file: Path, turns: int) -> dict[str, Any]:
    """Time the loading of a model, each time in a new page."""
    wall, cpu = [], []
    for _ in range(turns):
        page = open_page(browser, file)
        before = cpu_seconds()
        wall.append(page.evaluate(LOAD, MODEL))
        cpu.append(cpu_seconds() - before)
        page.close()
    return {"best_s": round(min(wall), 3), "cpu_s": round(min(cpu), 3)}


def measure_reply(
    browser: Any, file: Path, turns: int, simd: bool
) -> dict[str, Any]:
    """Time a reply; tokens of the prompt count, which are read as well."""
    page = open_page(browser, file)
    page.evaluate(REPLY, [MODEL, ASKED, simd, 3])  # compile what is used
    before = cpu_seconds()
    found = page.evaluate(REPLY, [MODEL, ASKED, simd, turns])
    cpu = (cpu_seconds() - before) / turns
    page.close()
    return {
        "tokens": found["tokens"],
        "best_ms": round(1000 * min(found["seconds"])),
        "cpu_ms": round(1000 * cpu),
        "tokens_per_cpu_s": round(found["tokens"] / cpu),
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
