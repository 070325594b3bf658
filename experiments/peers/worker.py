"""Decoder in a process of its own, timed there."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any, Self

import torch

from experiments.peers.decoders import LOADERS
from experiments.peers.workload import Replies, Workload
from experiments.timing import Seconds, timed

Run = tuple[Replies, Seconds]


def serve(
    name: str, workload: Workload, slots: int, pipe: Connection
) -> None:
    """Load a decoder, run it once, then again for each message."""
    torch.set_num_threads(1)
    decode = LOADERS[name](workload, slots)
    decode()  # not measured: caches fill, pages are touched
    pipe.send("ready")
    while pipe.recv():
        replies, seconds = timed(decode)
        pipe.send((workload.by_prompt(replies), seconds))


class Worker:
    """Process that is warmed up when its block is entered."""

    def __init__(self, name: str, workload: Workload, slots: int) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(name, workload, slots, theirs), daemon=True
        )
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        self._receive()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # a server's threads may outlive its work
        self._process.join()

    def run(self) -> Run:
        """Do the job once more.

        Raises:
            RuntimeError: the process has died.
        """
        self._pipe.send(True)
        run: Run = self._receive()
        return run

    def _receive(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError:
            raise RuntimeError(
                f"the process of {self.name} has died: its message is above"
            ) from None
