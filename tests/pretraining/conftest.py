"""Documents and a tokenizer that the tests of pretraining share."""

from __future__ import annotations

import os

import pytest
from transformers import PreTrainedTokenizerFast

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.dataset import documents
from unitconv.pretraining.tokenizer import train_tokenizer

# The tokenizer's threads cost more than they bring on texts this short.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return list(documents(CorpusConfig(), seed=0, count=2000))


@pytest.fixture(scope="session")
def tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    return train_tokenizer(texts[:1000], vocab_size=512, max_length=512)
