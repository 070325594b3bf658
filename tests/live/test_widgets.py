"""What the widgets of the chapters compute is what the library computes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import live_padding
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unitconv
from tests.live.replies import load
from tests.live.widget_page import NODE, WidgetPage
from unitconv.evaluation.reasoning_path import path_key
from unitconv.inference import reference
from unitconv.inference.engine import EngineOptions, ForwardPass
from unitconv.inference.generate import generate, generate_in_batches
from unitconv.inference.reference import Decoding
from unitconv.task.prompts import (
    WORKED_EXAMPLES,
    WorkedExample,
    chat_messages,
    render_chat,
)
from unitconv.training.examples import (
    IGNORE_INDEX,
    TrainingExample,
    collate,
)
from unitconv.training.rejection_sampling import select_examples
from unitconv.training.rl.config import LOSSES
from unitconv.training.rl.loss import (
    advantages,
    token_log_probs,
    token_weights,
)
from unitconv.training.rollouts import read_rollouts

pytestmark = pytest.mark.skipif(NODE is None, reason="no Node on the PATH")
RESULTS = Path(unitconv.__file__).parent / "evaluation" / "results"
TEXTS = ["How many cm are in 3 m?", "2 h in min", "What is 5 kg in g?"]
BASE = {"llm": "base"}
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|pad|>"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetPage]:
    folder = tmp_path_factory.mktemp("widgets") / "page"
    with WidgetPage(folder) as opened:
        yield opened


# ------------------------------------------------------------ rollouts


def test_replies_are_selected_as_in_the_library(page: WidgetPage) -> None:
    records = read_rollouts(RESULTS / "rollouts.jsonl.gz")[::40]
    kept = chosen = 0
    for record in records:
        texts = [rollout.text for rollout in record.rollouts]
        asked = {"text": record.question, "answer": record.answer}
        found = page.call("selectReplies", asked, texts)
        reasons = [rollout.reason for rollout in record.rollouts]
        assert [each["reason"] for each in found] == reasons
        expected = [e.reasoning for e in select_examples([record])]
        assert expected == [
            text.strip()
            for text, each in zip(texts, found, strict=True)
            if each["chosen"]
        ]
        kept += len(record.kept)
        chosen += len(expected)
    assert chosen < kept, "no path occurred twice"


def test_reply_with_a_known_path_names_the_first(page: WidgetPage) -> None:
    texts = [
        "1 kg = 1000 g. 6 * 1000 = 6000. <answer>6000</answer>",
        "1 g = 0.001 kg. 6 / 0.001 = 6000. <answer>6000</answer>",
        "1000 g = 1 kg. 1000 x 6 = 6,000. <answer>6000</answer>",
        "1 kg = 1000 g. 6000 = 3 * 2 * 1000. <answer>6000</answer>",
    ]
    asked = {"text": "How many gram are there per 6 kg?", "answer": 6000}
    found = page.call("selectReplies", asked, texts)
    assert [each["like"] for each in found] == [None, None, 0, None]
    assert [each["chosen"] for each in found] == [True, True, False, False]


@settings(max_examples=100)
@given(
    st.lists(
        st.floats(allow_nan=False).map("{:.15g}".format)
        | st.sampled_from([*"+-*/=().xg≈", "kg", "oz", "-5", "2.50"]),
        max_size=14,
    ).map(" ".join)
)
def test_any_text_has_the_library_s_path(
    page: WidgetPage, text: str
) -> None:
    assert tuple(page.call("pathKey", text)) == path_key(text)


# ------------------------------------------------------------ advantages


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "rewards", [[1, 0, 0, 1], [1, 1, 1], [0, 0], [0.5, 2, -1, 0, 0]]
)
def test_advantages_are_the_library_s(
    page: WidgetPage, loss: str, rewards: list[float]
) -> None:
    found = page.call("advantages", rewards, loss)
    as_tensor = torch.tensor([rewards], dtype=torch.float32)
    expected = advantages(as_tensor, loss)[0]
    torch.testing.assert_close(torch.tensor(found).float(), expected)
    learned = expected != 0
    if not learned.any():
        return
    lengths = torch.tensor([33, 81, 5, 1, 192][: len(rewards)])
    weights = page.call("tokenWeights", lengths.tolist(), found, loss)
    of_library = token_weights(
        lengths[learned], loss, len(rewards), Decoding.max_new_tokens
    )
    torch.testing.assert_close(torch.tensor(weights)[learned], of_library)


def test_chances_are_those_that_training_computes(
    page: WidgetPage,
) -> None:
    llm = load("base")
    options = {"temperature": 0.7, "seed": 5}
    found = page.call("sampleWithChances", BASE, TEXTS[0], options)
    prompt = llm.encode(llm.format_prompt(TEXTS[0]))
    ignored = [IGNORE_INDEX] * len(prompt)
    row = TrainingExample(prompt + found["ids"], ignored + found["ids"])
    batch = collate([row], llm.pad_token_id)
    with torch.inference_mode():
        expected, _ = token_log_probs(llm.model, batch, 0.7)
    torch.testing.assert_close(
        torch.tensor(found["chances"]), expected.exp(), atol=1e-3, rtol=0
    )


# ------------------------------------------------------------ padding


def right_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "left_pad", live_padding.right_pad)


@pytest.mark.parametrize("side", live_padding.SIDES)
def test_batch_is_written_as_by_the_library(
    page: WidgetPage, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    llm = load("base")
    request = {"side": side, "limit": 24, "padding": "<|pad|>"}
    found = page.call("writeBatch", TEXTS, request)
    prompts = [llm.encode(text) for text in TEXTS]
    write = partial(
        reference.generate_batched,
        llm.model,
        stop=llm.stop,
        settings=Decoding(max_new_tokens=24),
        pad_token_id=llm.pad_token_id,
    )
    alone = [write(prompts=[prompt])[0][0] for prompt in prompts]
    if side == "right":
        right_padded(monkeypatch)
    batch = [row[0] for row in write(prompts=prompts)]
    for name, expected in (("alone", alone), ("batch", batch)):
        texts = [llm.decode(completion).text for completion in expected]
        assert found[name] == texts
    assert (found["alone"] == found["batch"]) is (side == "left")
    ids, mask = reference.left_pad(prompts, llm.pad_token_id)
    rows = found["rows"]
    assert [row["ids"] for row in rows] == ids.tolist()
    assert [row["mask"] for row in rows] == mask.tolist()
    places = reference.positions(mask).tolist()
    assert [row["positions"] for row in rows] == places


@torch.inference_mode()
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("side", live_padding.SIDES)
def test_first_token_of_every_mistake_is_the_library_s(
    page: WidgetPage, side: str, masked: bool, placed: bool
) -> None:
    llm = load("base")
    prompts = [llm.encode(text) for text in TEXTS]
    pad = {"left": reference.left_pad, "right": live_padding.right_pad}
    ids, mask = pad[side](prompts, llm.pad_token_id)
    logits = llm.model(
        ids,
        attention_mask=mask if masked else None,
        position_ids=reference.positions(mask) if placed else None,
    ).logits[:, -1]
    request = {"side": side, "limit": 1, "padding": "<|pad|>"}
    request |= {"masked": masked, "placed": placed}
    found = page.call("writeBatch", TEXTS, request)["batch"]
    tokens = logits.argmax(-1).tolist()
    assert found == [llm.tokenizer.decode([token]) for token in tokens]


# ------------------------------------------------------------ slots


def random_replies(model: Any, slots: int) -> tuple[list[int], Any, int]:
    """Sample 100 replies; lengths, decoding passes, and batched steps."""
    prompts = [[i % 250, i // 250, 7] for i in range(3, 103)]
    warm = Decoding(max_new_tokens=40, temperature=2.0)
    passes: list[ForwardPass] = []

    def stop(ids: list[int]) -> bool:
        return ids[-1] % 16 == 0

    options = EngineOptions(slots=slots, observe=passes.append)
    done = generate(model, prompts, stop, warm, options=options)
    shapes = []
    hook = model.base_model.register_forward_pre_hook(
        lambda _, args, given: shapes.append(given["input_ids"].shape),
        with_kwargs=True,
    )
    options = EngineOptions(slots=slots)
    batches = generate_in_batches(model, prompts, stop, warm, 1, options)
    hook.remove()
    assert batches == done
    decoded = sum(width == 1 for _, width in shapes)
    return [len(row[0].token_ids) for row in done], passes, decoded


@pytest.mark.parametrize("slots", [5, 48])
def test_schedule_is_the_engine_s(
    page: WidgetPage, tiny_model: Any, slots: int
) -> None:
    lengths, passes, batched = random_replies(tiny_model, slots)
    assert min(lengths) == 1
    assert max(lengths) > 20
    refilled = page.call("schedule", lengths, slots, True)
    assert [[cell["reply"] for cell in step] for step in refilled] == [
        each.prompts for each in passes if each.kind == "decode"
    ]
    waiting = page.call("schedule", lengths, slots, False)
    assert len(waiting) == batched
    useful = sum(lengths) - len(lengths)
    for steps in (refilled, waiting):
        counts = page.call("countSteps", steps, slots)
        assert counts["steps"] == len(steps)
        assert counts["useful"] == useful
        assert counts["idle"] == len(steps) * slots - useful


# ------------------------------------------------------------ prompting

TYPED = st.lists(
    st.sampled_from([*SPECIAL, "{question}", " ", "\n", "6 kg", "½ g"]),
    min_size=1,
    max_size=5,
).map(lambda parts: "x".join(["", *parts, ""]))


@settings(max_examples=40)
@given(st.builds(WorkedExample, TYPED, TYPED), TYPED)
def test_any_example_has_the_library_s_tokens(
    page: WidgetPage, example: WorkedExample, question: str
) -> None:
    llm = load("base")
    messages = chat_messages(question, [example])
    expected = llm.encode(render_chat(messages, llm.tokenizer))
    shown, own = vars(WORKED_EXAMPLES[0]), vars(example)
    found = page.call("encodeWithExample", BASE, shown, own, question)
    assert found == expected
