"""Values cross between a check and a submission, and nothing else does."""

import json
from collections.abc import Iterator
from multiprocessing import Pipe
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from transformers import LlamaConfig

from scripts.grading.messages import AnswerError, Peer
from unitconv.task.dataset import Question


@pytest.fixture
def peers() -> Iterator[tuple[Peer, Peer]]:
    """A peer, and another one that answers it in a thread."""
    ours, theirs = Pipe()
    other = Peer(theirs)

    def serve() -> None:
        with theirs:
            while "stop" not in (message := other.receive()):
                other.answer_call(message)

    thread = Thread(target=serve)
    thread.start()
    peer = Peer(ours)
    yield peer, other
    peer.send(stop=True)
    thread.join()
    ours.close()


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        10**30,
        float("inf"),
        "ż'\n",
        [1, (2, [3]), {4}, frozenset({5})],
        {("random", "zero"): "A", 1: {}},
        SimpleNamespace(answer=1.5, truth=None),
        Question("6 kg in g", 6000.0),
    ],
    ids=repr,
)
def test_value_comes_back(value: object) -> None:
    peer = Peer(Pipe()[0])
    sent = json.loads(json.dumps(peer.encode(value)))
    back = peer.decode(sent)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor([[1.5, 2], [3, 4]], dtype=torch.bfloat16),
        torch.arange(6).reshape(2, 3).T,
        torch.tensor(7, requires_grad=False),
        np.array([[True, False]]),
        np.arange(6.0).reshape(2, 3)[:, 1],
        np.arange(6.0).reshape(2, 3).T,
        np.arange(6)[::-1],
    ],
)
def test_array_comes_back(value: Any) -> None:
    peer = Peer(Pipe()[0])
    back = peer.decode(json.loads(json.dumps(peer.encode(value))))
    assert back.dtype == value.dtype
    assert back.shape == value.shape
    assert (back == value).all()


def test_like_values_become_plain_ones() -> None:
    class Fooled(int):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

    peer = Peer(Pipe()[0])
    assert peer.decode(peer.encode(Fooled(3))) != 4
    assert peer.decode(peer.encode(np.float32(0.5))) == 0.5
    assert peer.decode(peer.encode(iter("ab"))) == ["a", "b"]
    config = LlamaConfig(num_hidden_layers=3)
    assert peer.decode(peer.encode(config)).num_hidden_layers == 3


class AlwaysEqual:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@pytest.mark.parametrize(
    "value", [AlwaysEqual(), [AlwaysEqual()], np.array([AlwaysEqual()])]
)
def test_object_is_not_sent(value: object) -> None:
    with pytest.raises((TypeError, SafetensorError)):
        Peer(Pipe()[0]).encode(value)


@pytest.mark.parametrize(
    "data",
    [
        {"object": ["os", "environ"], "fields": {"dict": []}},
        {"object": ["unitconv.__main__", "x"], "fields": {"dict": []}},
        {"object": ["unitconv.common.io", "write_text"], "fields": {}},
        {
            "object": ["unitconv.task.dataset", "Question"],
            "fields": {"dict": [["text", "a"], ["__class__", 1]]},
        },
        {"system": ["ls"]},
        {"array": "AAAA", "package": "os"},
        {"tuple": 3},
        {},
    ],
    ids=repr,
)
def test_forged_data_is_refused(data: object) -> None:
    kinds = (AnswerError, KeyError, TypeError, ValueError)
    with pytest.raises(kinds):
        Peer(Pipe()[0]).decode(data)


def test_functions_are_called_where_they_are(
    peers: tuple[Peer, Peer],
) -> None:
    peer, other = peers

    def largest(cost: Any, *, budget: int) -> int:
        return max(n for n in range(10) if cost(n) <= budget)

    function = peer.decode(other.encode(largest))
    costs = []

    def cost(n: int) -> int:
        costs.append(n)
        return 3 * n

    assert function(cost, budget=13) == 4
    assert costs == [*range(10)]
    with pytest.raises(AnswerError, match="ValueError: max"):
        function(cost, budget=-1)
