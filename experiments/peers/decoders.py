"""Four decoders that are compared, each loaded for one workload.

A loader takes a workload and how many replies are decoded at a time, and
returns a function that gives all replies, in the order of the workload's
rows. CTranslate2 and llama.cpp are imported where they are used: the first
is no dependency of the course, the second one of its tests alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
)

from experiments.peers.workload import Workload
from unitconv.inference.engine import EngineOptions, shared_prefix_length
from unitconv.inference.export.export import export_model
from unitconv.inference.generate import generate
from unitconv.inference.load.model import COURSE_MODEL, load_model
from unitconv.inference.reference import (
    Completion,
    Decoding,
    StopRule,
    left_pad,
)

#: Folder of the converted models.
WORK = Path(__file__).resolve().parents[2] / "_build" / "peers"

Decode = Callable[[], list[list[int]]]
Load = Callable[[Workload, int], Decode]


def never(_: list[int]) -> bool:
    """Stop rule of replies whose lengths are given."""
    return False


def load_model_and_options(
    workload: Workload, slots: int
) -> tuple[PreTrainedModel, Decoding, EngineOptions]:
    """Load the course model, and set what this library is told."""
    model, _ = load_model("course", torch.device("cpu"), torch.float32)
    settings = Decoding(max(workload.lengths), workload.temperature)
    options = EngineOptions(slots=slots, limits=workload.lengths)
    return model, settings, options


def load_unitconv(
    workload: Workload,
    slots: int,
    function: Callable[..., list[list[Completion]]] = generate,
    stop: StopRule = never,
) -> Decode:
    """Load this library's engine, or a `function` like `generate`."""
    model, settings, options = load_model_and_options(workload, slots)
    prompts, samples = workload.prompts, workload.samples

    def decode() -> list[list[int]]:
        done = function(model, prompts, stop, settings, samples, options)
        return [c.token_ids for row in done for c in row]

    return decode


class StopAtLengths:
    """Stopping criterion: row `i` ends after `lengths[i]` new tokens."""

    def __init__(self, width: int, lengths: Sequence[int]) -> None:
        self.width = width
        self.lengths = torch.tensor(lengths)

    def __call__(self, input_ids: Tensor, _: Any, **__: Any) -> Tensor:
        """Return for each row whether it is done."""
        return input_ids.shape[1] - self.width >= self.lengths


def load_transformers(workload: Workload, slots: int) -> Decode:
    """Load `transformers.generate` on batches in the given order."""
    model, _ = load_model("course", torch.device("cpu"), torch.float32)
    model.config.eos_token_id = None  # lengths are given
    options: dict[str, Any] = {"do_sample": False}
    if temperature := workload.temperature:
        options = {"do_sample": True, "top_k": 0, "top_p": 1.0}
        options["temperature"] = temperature
    model.generation_config = GenerationConfig(pad_token_id=0, **options)
    own_generate: Any = model.generate  # no part of PreTrainedModel's type
    n = workload.samples
    at_once = max(1, slots // n)

    def decode() -> list[list[int]]:
        replies: list[list[int]] = []
        for start in range(0, len(workload.prompts), at_once):
            part = slice(start, start + at_once)
            input_ids, mask = left_pad(workload.prompts[part], 0)
            width = input_ids.shape[1]
            lengths = [m for m in workload.lengths[part] for _ in range(n)]
            output = own_generate(
                input_ids,
                attention_mask=mask,
                max_new_tokens=max(lengths),
                num_return_sequences=n,
                stopping_criteria=[StopAtLengths(width, lengths)],
            )
            # Past its length a row has padding, until the last one ends.
            for row, length in zip(output.tolist(), lengths, strict=True):
                replies.append(row[width : width + length])
        return replies

    return decode


def load_ctranslate2(workload: Workload, slots: int) -> Decode:
    """Load CTranslate2, with the shared prefix as a static prompt."""
    from ctranslate2 import Generator
    from ctranslate2.converters import TransformersConverter

    folder = WORK / "ctranslate2"
    if not folder.exists():
        converter = TransformersConverter(str(COURSE_MODEL))
        converter.convert(str(folder), quantization="float32")
    generator = Generator(
        str(folder),
        compute_type="float32",
        inter_threads=1,
        intra_threads=1,
    )
    tokenizer: Any = AutoTokenizer.from_pretrained(COURSE_MODEL)
    words = tokenizer.convert_ids_to_tokens
    shared = shared_prefix_length(workload.prompts)
    suffixes = [words(prompt[shared:]) for prompt, _ in workload.rows()]
    lengths = [length for _, length in workload.rows()]
    left = list(lengths)

    def done(step: Any) -> bool:
        # Counted here: `step.step` runs ahead where a row's prompt is
        # longer than its batch's shortest and was read token by token.
        left[step.batch_id] -= 1
        return left[step.batch_id] == 0

    def decode() -> list[list[int]]:
        left[:] = lengths
        results = generator.generate_batch(
            suffixes,
            max_batch_size=slots,
            static_prompt=words(workload.prompts[0][:shared]) or None,
            include_prompt_in_result=False,
            max_length=max(lengths),
            end_token=[],
            callback=done,
            sampling_topk=0 if workload.temperature else 1,
            sampling_temperature=workload.temperature or 1.0,
        )
        return [result.sequences_ids[0] for result in results]

    return decode


def load_llamacpp(workload: Workload, slots: int) -> Decode:
    """Load llama.cpp's server; a slot keeps its last prompt's prefix."""
    import xllamacpp

    path = WORK / "course-f32.gguf"
    if not path.exists():
        export_model("course", path, number_type="f32")
    context = max(len(prompt) + n for prompt, n in workload.rows()) + 8
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_parallel = slots
    parameters.n_ctx = slots * context  # divided among the slots
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.cont_batching = True
    # Each slot keeps its prompt; a cache of old ones would only copy.
    parameters.cache_ram_mib = 0
    parameters.n_ctx_checkpoints = 0
    parameters.fit_params = False
    parameters.verbosity = 0
    # Its default: with a cache in float32 it took three times as long.
    parameters.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F16
    parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F16
    server = xllamacpp.Server(parameters)
    pool = ThreadPoolExecutor(slots)

    def ask(row: tuple[list[int], int]) -> list[int]:
        prompt, length = row
        request = {
            "prompt": prompt,
            "n_predict": length,
            "ignore_eos": True,
            "temperature": workload.temperature,
            "samplers": ["temperature"],
            "cache_prompt": True,
            "stream": False,
            "n_probs": 1,  # or it would return text without its token ids
        }
        [choice] = server.handle_completions(request)["choices"]
        return [token["id"] for token in choice["logprobs"]["content"]]

    return lambda: list(pool.map(ask, workload.rows()))


LOADERS: dict[str, Load] = {
    "unitconv": load_unitconv,
    "transformers": load_transformers,
    "ctranslate2": load_ctranslate2,
    "llama.cpp": load_llamacpp,
}
