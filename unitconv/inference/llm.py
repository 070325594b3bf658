"""A language model as one object: text in, text and numbers out.

>>> llm = LLM.from_pretrained("course")          # doctest: +SKIP
>>> llm.answer("How many gram are there per 6 kg?")  # doctest: +SKIP
[6000.0]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import torch

from unitconv.common.errors import UnitconvError
from unitconv.grading import answer as answers
from unitconv.inference.engine import EngineOptions
from unitconv.inference.generate import generate
from unitconv.inference.load import (
    load_adapter,
    load_model,
    pick_device,
    pick_dtype,
)
from unitconv.inference.reference import (
    BATCH_SIZE,
    GREEDY,
    Completion,
    ContextError,
    Decoding,
    StopRule,
    token_limit,
)
from unitconv.task.prompts import check_style, format_prompt

#: A reply that has written this is done.
STOP_TEXT = "</answer>"
# A tokenizer may cut the stop text anywhere, but never finer than bytes.
_STOP_WINDOW = len(STOP_TEXT.encode()) + 4


@dataclass(frozen=True)
class Generation:
    """One completion: its text, its length, whether it came to its end."""

    text: str
    n_tokens: int
    finished: bool


class LLM:
    """Model, tokenizer, prompt style, decoder and parser."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        style: str,
        name: str = "model",
        adapter: str | None = None,
    ) -> None:
        check_style(style)
        self.model = model
        self.tokenizer = tokenizer
        self.style = style
        self.name = name
        self.adapter = adapter
        self.stop: StopRule = _stop_rule(model, tokenizer)
        pad, eos = tokenizer.pad_token_id, tokenizer.eos_token_id
        # Padding is masked out, so which token it is makes no difference.
        self.pad_token_id: int = next(
            (i for i in (pad, eos) if i is not None), 0
        )

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = "course",
        adapter: str | Path | None = None,
        prompt: str | None = None,
        device: str | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> LLM:
        """Load a model: `"course"`, a hub id or a folder.

        Args:
            adapter: a folder with a LoRA adapter, trained for this model;
                or `"sft"` or `"rft"`, shipped for the course model.
            prompt: one of `prompts.STYLES`. By default a bare model gets a
                worked example (`cot`) and an adapter, which has learned
                the format, the bare question (`raw`).
            device: `"cpu"`, `"cuda"`, ...; by default the fastest here.
            dtype: by default bfloat16 on a GPU that computes in it,
                float16 on an older one, float32 elsewhere.

        Raises:
            ModelError: nothing to load there, or it does not fit.
            PromptError: an unknown prompt style.
        """
        style = prompt or ("cot" if adapter is None else "raw")
        check_style(style)  # before the weights are read
        where = pick_device(device)
        model, tokenizer = load_model(
            name_or_path, where, pick_dtype(where, dtype)
        )
        if adapter is not None:
            model = load_adapter(model, adapter)
        return cls(
            model,
            tokenizer,
            style,
            name_or_path,
            None if adapter is None else str(adapter),
        )

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return torch.device(self.model.device)

    @property
    def dtype(self) -> torch.dtype:
        """What its weights are stored in."""
        return next(iter(self.model.parameters())).dtype

    def __repr__(self) -> str:
        millions = self.model.num_parameters() / 1e6
        dtype = str(self.dtype).removeprefix("torch.")
        adapter = f"adapter={self.adapter!r}, " if self.adapter else ""
        return (
            f"LLM({self.name!r}, {adapter}{millions:.1f} M parameters, "
            f"{dtype} on {self.device}, prompt={self.style!r})"
        )

    def format_prompt(self, question: str) -> str:
        """The text this model reads for a question."""
        return format_prompt(question, self.style, self.tokenizer)

    def parse_answer(self, text: str) -> float:
        """The number between the answer tags, or NaN."""
        return answers.parse_answer(text)

    def encode(self, prompt: str) -> list[int]:
        """Token ids of a prompt, exactly as written.

        The chat template has put the special tokens in already: asking
        the tokenizer for more would double them. A prompt that is too long
        is refused by the decoder, so the tokenizer need not warn.
        """
        encoded = self.tokenizer(
            prompt, add_special_tokens=False, verbose=False
        )
        return list(encoded["input_ids"])

    def generate(self, prompt: str, settings: Decoding = GREEDY) -> str:
        """Continue one prompt; the text it adds.

        Raises:
            ContextError: the prompt is empty or longer than the context.
        """
        [[completion]] = generate(
            self.model, [self.encode(prompt)], self.stop, settings
        )
        return self._decode(completion).text

    @overload
    def batched_generate(
        self,
        prompts: Sequence[str],
        num_return_sequences: None = None,
        temperature: float = 0.0,
    ) -> list[str]: ...

    @overload
    def batched_generate(
        self,
        prompts: Sequence[str],
        num_return_sequences: int,
        temperature: float = 0.0,
    ) -> list[list[str]]: ...

    def batched_generate(
        self,
        prompts: Sequence[str],
        num_return_sequences: int | None = None,
        temperature: float = 0.0,
    ) -> list[str] | list[list[str]]:
        """Continue many prompts together.

        Returns:
            one text per prompt, or, when `num_return_sequences` is given,
            a list of that many texts per prompt.
        """
        samples = self.complete(
            prompts,
            1 if num_return_sequences is None else num_return_sequences,
            Decoding(temperature=temperature),
        )
        if num_return_sequences is None:
            return [row[0].text for row in samples]
        return [[g.text for g in row] for row in samples]

    def complete(
        self,
        prompts: Sequence[str],
        num_return_sequences: int = 1,
        settings: Decoding = GREEDY,
        batch_size: int = BATCH_SIZE,
        progress: Callable[[int], None] | None = None,
    ) -> list[list[Generation]]:
        """`batched_generate` with all its settings, and what it knows.

        Args:
            batch_size: rows decoded together. Which ones changes the
                speed, not the texts, and the result is in the order of
                `prompts`.
            progress: called with the number of prompts just finished.

        Raises:
            ContextError: a prompt is empty or longer than the context;
                says which, before any is decoded.
        """
        if min(num_return_sequences, batch_size) < 1:
            raise UnitconvError(
                "num_return_sequences and batch_size must be at least 1"
            )
        done = generate(
            model=self.model,
            prompts=self._encode_all(prompts),
            stop=self.stop,
            settings=settings,
            num_return_sequences=num_return_sequences,
            options=EngineOptions(slots=batch_size, progress=progress),
        )
        return [[self._decode(c) for c in row] for row in done]

    def _encode_all(self, prompts: Sequence[str]) -> list[list[int]]:
        encoded = [self.encode(prompt) for prompt in prompts]
        for number, token_ids in enumerate(encoded, start=1):
            try:
                token_limit(self.model, token_ids, limit=1)
            except ContextError as error:
                raise ContextError(f"prompt {number}: {error}") from error
        return encoded

    def answer(self, *questions: str) -> list[float]:
        """The model's answer to each question; NaN where it gives none."""
        prompts = [self.format_prompt(question) for question in questions]
        return [
            self.parse_answer(text)
            for text in self.batched_generate(prompts)
        ]

    def _decode(self, completion: Completion) -> Generation:
        text = self.tokenizer.decode(
            completion.token_ids, skip_special_tokens=True
        )
        return Generation(
            text, len(completion.token_ids), completion.finished
        )


def _stop_rule(model: Any, tokenizer: Any) -> StopRule:
    """A row is done at an end-of-sequence token or after `</answer>`."""
    ends = {tokenizer.eos_token_id}
    configured = model.generation_config.eos_token_id
    ends |= set(
        configured if isinstance(configured, list) else [configured]
    )

    # Only a token that holds its last character can complete the text:
    # of the others none has to be turned into text, row by row.
    vocabulary = tokenizer.get_vocab().items()
    closing = {i for token, i in vocabulary if STOP_TEXT[-1] in token}

    def stop(token_ids: list[int]) -> bool:
        if token_ids[-1] in ends:
            return True
        if token_ids[-1] not in closing:
            return False
        tail = tokenizer.decode(token_ids[-_STOP_WINDOW:])
        return STOP_TEXT in tail

    return stop
