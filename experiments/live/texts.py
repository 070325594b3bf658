"""Texts to compare on: strings of all of Unicode, and changed replies."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from experiments.robustness.inputs import WORDS
from experiments.timing import RESULTS
from unitconv.training.rollouts import read_rollouts

#: A question, its answer, a reply.
Asked = tuple[str, float, str]

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
NEAR_SPECIAL = [
    *["<|im_start|", "|im_end|>", "<|IM_END|>", "< |pad|>", "<|pad|>>"],
    *["<|im_<|pad|>start|>", "<|im_start|>user\n", "{question}"],
]
# Where the splitting of words has its exceptions.
ODD = ["½", " 's", "'LL", "\u00a0", "\u0085", "\ufeff", "\u2028", "  \n "]


def strings(count: int) -> list[str]:
    """Draw different strings of all characters that UTF-8 can write."""
    character = st.characters(exclude_categories=["Cs"])
    pieces = st.lists(
        st.text(character, max_size=12)
        | st.sampled_from([*SPECIAL, *NEAR_SPECIAL, *ODD]),
        max_size=6,
    )
    found: dict[str, None] = {}

    @settings(
        max_examples=500,
        database=None,
        derandomize=False,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(pieces)
    def draw(drawn: list[str]) -> None:
        text = "".join(drawn)
        if text.strip():  # an empty question is refused
            found[text] = None

    for number in range(count):
        seed(number)(draw)()
        if len(found) >= count:
            break
    return list(found)[:count]


def recorded_replies() -> list[Asked]:
    """Read the different replies of the shipped rollouts."""
    found = {
        (record.question, record.answer, rollout.text): None
        for record in read_rollouts(RESULTS / "rollouts.jsonl.gz")
        for rollout in record.rollouts
    }
    return list(found)


def all_replies() -> Iterator[Asked]:
    """Return the recorded replies, and then changed ones without end.

    A reply is changed at random, in one to four places.
    """
    rng = random.Random(0)
    replies = recorded_replies()
    yield from replies
    seen = {text for _, _, text in replies}
    while True:
        question, answer, text = rng.choice(replies)
        _, _, other = rng.choice(replies)
        for _ in range(rng.randint(1, 4)):
            text = change(text, other, rng)
        if text not in seen:
            seen.add(text)
            yield question, answer, text


def change(text: str, other: str, rng: random.Random) -> str:
    """Change a text in one place."""
    start = rng.randint(0, len(text))
    end = min(len(text), start + rng.randint(0, 8))
    begin = rng.randint(0, len(other))
    new = rng.choice(
        [
            "",
            rng.choice(WORDS),
            str(rng.randint(0, 9999)),
            2 * text[start:end],
            other[begin : begin + rng.randint(1, 30)],
        ]
    )
    return text[:start] + new + text[end:]
