"""Fixtures that many tests share: small models and tokenizers."""

from __future__ import annotations

import os

# Read when the hub's client is imported: no test may ask the network.
os.environ["HF_HUB_OFFLINE"] = "1"

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import settings
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
)
from torch import Tensor
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from unitconv.inference.llm import LLM
from unitconv.inference.weights.catalog import Q4
from unitconv.profiling.memory_estimate import SMOLLM2

# The same examples in every run: a red test is red for everybody.
settings.register_profile("unitconv", derandomize=True, deadline=None)
settings.load_profile("unitconv")

ROOT = Path(__file__).parents[1]
# Of the tests, not of the person who runs them: `make weights` fills it.
os.environ["UNITCONV_CACHE"] = str(ROOT / "_build" / "cache")
# Reduced to the tokens and merges that the texts of the tests and of the
# question sets can use. Ids are those of the full vocabulary.
SMOLLM2_TOKENIZER = ROOT / "tests" / "fixtures" / "smollm2_tokenizer"

CHAT_TEMPLATE = (
    "{% for turn in messages %}<|im_start|>{{ turn.role }}\n"
    "{{ turn.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def smollm2_weights() -> str:
    """Name of SmolLM2's weights, where they could be fetched."""
    if Q4.cached() is None:
        pytest.skip(f"no weights {Q4.name}: `make weights` fetches them")
    return Q4.name


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny matrices gain nothing from threads, and lose much to them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def byte_tokenizer() -> Any:
    """One token per byte and three special ones; padding is EOS."""
    special = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {s: i for i, s in enumerate([*special, *characters])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    # Like many a tokenizer, it begins a text by itself unless told not to.
    backend.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        chat_template=CHAT_TEMPLATE,
    )


def random_llama(seed: int = 0, **changes: Any) -> Any:
    """A llama with random weights whose greedy text varies."""
    options: dict[str, Any] = {
        "vocab_size": 259,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 96,
        "tie_word_embeddings": True,
        "initializer_range": 0.3,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    torch.manual_seed(seed)
    config = LlamaConfig(**(options | changes))
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Any]:
    return random_llama


@pytest.fixture(scope="session")
def tiny_model() -> Any:
    return random_llama()


@pytest.fixture(scope="session")
def smollm2_shape() -> Any:
    """SmolLM2-135M with 2 of its 30 layers and few of its tokens."""
    shape = LlamaConfig(**SMOLLM2["135M"]).to_dict()
    kept = (
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_key_value_heads",
        "rms_norm_eps",
        "rope_parameters",
        "max_position_embeddings",
    )
    # Wider weights than the real model starts from: its text should vary.
    return random_llama(
        **{key: shape[key] for key in kept},
        vocab_size=2048,
        initializer_range=0.12,
    )


@pytest.fixture(scope="session")
def course() -> LLM:
    """The model this package ships: without it these tests fail."""
    return LLM.from_pretrained("course", device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def model_folder(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Any,
    byte_tokenizer: Any,
) -> Path:
    """What a person's own model looks like on disk."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model.save_pretrained(folder)
    byte_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def smollm2_tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(str(SMOLLM2_TOKENIZER))


class ReplayCache:
    """The reply of each row, and how many of its tokens were recited."""

    def __init__(self, replies: list[list[int]]) -> None:
        self.replies = replies
        self.step = 0

    def batch_repeat_interleave(self, repeats: int) -> None:
        self.replies = [r for r in self.replies for _ in range(repeats)]


class ReplayModel:
    """Recites the reply written down for a prompt, token by token."""

    device = torch.device("cpu")
    config = SimpleNamespace(max_position_embeddings=2048)
    generation_config = SimpleNamespace(eos_token_id=[1, 2])

    def __init__(self, replies: dict[str, str], tokenizer: Any) -> None:
        self.replies = replies
        self.tokenizer = tokenizer

    def reply(self, ids: Tensor) -> list[int]:
        text = self.replies[self.tokenizer.decode(ids)]
        encoded = self.tokenizer(text, add_special_tokens=False)
        return list(encoded["input_ids"])

    def __call__(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: ReplayCache | None = None,
        **_: Any,
    ) -> Any:
        cache = past_key_values
        if cache is None:
            mask = torch.ones_like(input_ids)
            mask = mask if attention_mask is None else attention_mask
            rows = zip(input_ids, mask.bool(), strict=True)
            cache = ReplayCache([self.reply(ids[m]) for ids, m in rows])
        logits = torch.zeros(len(cache.replies), 1, len(self.tokenizer))
        for row, reply in enumerate(cache.replies):
            logits[row, 0, reply[cache.step % len(reply)]] = 9.0
        cache.step += 1
        return SimpleNamespace(logits=logits, past_key_values=cache)


@pytest.fixture(scope="session")
def replay(byte_tokenizer: Any) -> Callable[[dict[str, str]], LLM]:
    """An LLM that gives to each raw prompt the reply written for it."""
    return lambda replies: LLM(
        ReplayModel(replies, byte_tokenizer), byte_tokenizer, "raw"
    )


@pytest.fixture(scope="module")
def book_browser() -> Iterator[Any]:
    """Open a browser for pages of the built book."""
    from tests.browser import open_browser
    from tests.built import need_book

    need_book()
    with open_browser() as opened:
        yield opened
