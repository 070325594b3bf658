"""The widget with the advantages of a group, on a page of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import live_rl
import live_rollouts
import pytest
import torch
from axe_playwright_python.base import AXE_SCRIPT

from tests.book.test_site import build
from tests.browser import PHONE, Watched, open_browser, wait_until
from tests.live.widget_page import make_folder
from unitconv.training.rl.config import LOSSES
from unitconv.training.rl.loss import advantages

QUESTION = "How many bits are there in 91 B?"
SOURCE = f".. live-rl:: {QUESTION}\n\n   What to look at.\n"
TEXTS = "texts => texts.map(text => text.textContent)"
ASK_AXE = """() => axe.run(".live-figure", {preload: false})
  .then(report => report.violations.map(rule => rule.id))"""
# Read out, and nothing runs any more.
READ_OUT = """document.querySelector('.live-status').textContent !== ''
  && document.querySelector('.live-cancel').disabled"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("rl")
    build(folder, SOURCE, extensions=["live_rl"])
    make_folder(folder / "out" / "_static" / "live")
    with open_browser() as browser:
        opened = Watched(browser, offline=True, viewport=PHONE)
        opened.page.goto((folder / "out" / "index.html").as_uri())
        yield opened
        assert opened.external() == opened.errors == []


def read(page: Any, part: str) -> list[str]:
    found: list[str] = page.locator(f".live-{part}").evaluate_all(TEXTS)
    return [" ".join(text.split()) for text in found]


def gains(page: Any) -> list[float]:
    """Read the advantages off the page."""
    said = [words.split()[1].strip(",:") for words in read(page, "words")]
    return [float(number) for number in said]


def recorded() -> list[dict[str, Any]]:
    _, rows = live_rollouts.recorded()
    replies: list[dict[str, Any]] = rows[QUESTION]["rollouts"]
    return replies[: live_rl.SHOWN]


@pytest.mark.parametrize("loss", LOSSES)
def test_reward_changed_by_hand_changes_the_advantages(
    watched: Watched, loss: str
) -> None:
    page = watched.page
    page.get_by_label("Loss").select_option(loss)
    rewards = [float(reply["reason"] is None) for reply in recorded()]
    for flip in (0, 0, 2):
        box = page.get_by_label("Right: reward 1").nth(flip)
        box.focus()
        page.keyboard.press("Space")
        rewards[flip] = 1 - rewards[flip]
        expected = advantages(torch.tensor([rewards]), loss)[0]
        torch.testing.assert_close(
            torch.tensor(gains(page)), expected, atol=5e-4, rtol=5e-3
        )
    box.click()


def test_group_of_equal_rewards_teaches_nothing(watched: Watched) -> None:
    page = watched.page
    page.get_by_label("Loss").select_option("dr_grpo")
    boxes = page.get_by_label("Right: reward 1")
    ticked = [boxes.nth(i) for i in range(4) if boxes.nth(i).is_checked()]
    for box in ticked:
        box.uncheck()
    [note] = read(page, "note")
    assert note == "Mean reward 0; of 4 replies nothing is learned."
    for box in ticked:
        box.check()


def test_recorded_group_is_sampled_again(watched: Watched) -> None:
    page = watched.page
    before = gains(page)
    page.get_by_role("button", name="Sample a group").click()
    wait_until(page, READ_OUT, seconds=300)
    texts = [" ".join(reply["text"].split()) for reply in recorded()]
    assert read(page, "text") == texts
    assert gains(page) == before
    assert all(
        "most of all token" in words for words in read(page, "words")
    )
    page.evaluate(AXE_SCRIPT)
    assert page.evaluate(ASK_AXE) == []
    figure = page.locator(".live-figure")
    beyond = "figure => figure.scrollWidth - figure.clientWidth"
    assert figure.evaluate(beyond) <= 0
