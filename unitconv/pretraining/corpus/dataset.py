"""The corpus as documents and as training rows, addressed by number.

A document depends only on the seed, its number and the settings. Nothing
is stored: a run that resumes at step 500 generates the rows of step 500.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from unitconv.pretraining.config import CorpusConfig, PretrainConfig
from unitconv.pretraining.corpus.arithmetic import arithmetic_document
from unitconv.pretraining.corpus.documents import (
    chat_document,
    facts_document,
    plain_document,
    table_document,
)

DOCUMENT_END = "<|endoftext|>"


def make_document(config: CorpusConfig, rng: random.Random) -> str:
    """Generate one document of a random kind, by the shares of `config`."""
    kinds: dict[Callable[[random.Random, CorpusConfig], str], float] = {
        chat_document: config.chat_share,
        plain_document: config.plain_share,
        facts_document: config.facts_share,
        table_document: config.table_share,
        arithmetic_document: config.arithmetic_share,
    }
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    return kind(rng, config)


def documents(config: CorpusConfig, seed: int, count: int) -> Iterator[str]:
    """Generate the first `count` documents of a seed's corpus."""
    for index in range(count):
        yield make_document(
            config, random.Random(f"{seed} document {index}")
        )


class TokenBlocks(Dataset[torch.Tensor]):
    """Training rows: int64 token ids, [row_length] each.

    A row begins with a document, is filled with more of them and cuts the
    last: no row begins in the middle of a text.
    """

    def __init__(
        self, config: PretrainConfig, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        self.config = config
        self.tokenizer = tokenizer

    def __len__(self) -> int:
        """Rows of the whole run."""
        return self.config.steps * self.config.batch_size

    def __getitem__(self, index: int) -> torch.Tensor:
        """Generate and encode the documents of one row."""
        config = self.config
        rng = random.Random(f"{config.seed} row {index}")
        input_ids: list[int] = []
        while len(input_ids) < config.row_length:
            text = make_document(config.corpus, rng) + DOCUMENT_END
            input_ids += self.tokenizer.encode(text, verbose=False)
        return torch.tensor(input_ids[: config.row_length])
