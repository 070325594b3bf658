"""llama.cpp: its server, in this process, through xllamacpp."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import xllamacpp

from experiments.benchmarks.gguf_export import export
from experiments.benchmarks.peers.serve import Replies, Task, serve_decoder
from experiments.benchmarks.workloads import Workload


def load(task: Task) -> Callable[[], Replies]:
    """As many slots as the workload has; all requests wait in line."""
    path = task.work / f"{Path(task.model).name}-{task.dtype}.gguf"
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        export(task.model, unfinished, task.dtype)
        unfinished.replace(path)
    job = task.workload
    server = xllamacpp.Server(_parameters(path, task))
    requests = [
        _request(job, prompt, n)
        for prompt, lengths in zip(job.prompts, job.lengths, strict=True)
        for n in lengths
    ]
    pool = ThreadPoolExecutor(job.slots)

    def ask(request: dict[str, Any]) -> list[int]:
        text = server.handle_completions(request)["choices"][0]["text"]
        # Of this interface ids come as text; our export numbered them.
        return [int(number) for number in text.split("t")[1:]]

    def decode() -> Replies:
        flat = list(pool.map(ask, requests))
        n = job.samples
        return [flat[i : i + n] for i in range(0, len(flat), n)]

    return decode


def _parameters(path: Path, task: Task) -> Any:
    job = task.workload
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_parallel = job.slots
    # llama.cpp shares the context out between its slots.
    parameters.n_ctx = job.slots * (job.context + 8)
    parameters.cpuparams.n_threads = task.threads
    parameters.cpuparams_batch.n_threads = task.threads
    parameters.cont_batching = True
    # Each slot keeps its prompt; the cache of old ones would only copy.
    parameters.cache_ram_mib = 0
    parameters.n_ctx_checkpoints = 0
    parameters.fit_params = False
    parameters.verbosity = 0
    # Its default: with a cache in float32 it took three times as long.
    parameters.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F16
    parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F16
    return parameters


def _request(
    job: Workload, prompt: list[int], length: int
) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "n_predict": length,
        "ignore_eos": True,
        "temperature": job.temperature,
        "samplers": ["temperature"],
        # A slot keeps what its next prompt has in common with its last.
        "cache_prompt": job.n_shared > 0,
        "stream": False,
    }


if __name__ == "__main__":
    serve_decoder(load)
