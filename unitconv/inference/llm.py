"""Language model with its tokenizer and prompt style: text in, text out.

>>> llm = LLM.from_pretrained("course")  # doctest: +SKIP
>>> llm.answer("How many gram are there per 6 kg?")  # doctest: +SKIP
[6000.0]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import torch

from unitconv.common.errors import UnitconvError
from unitconv.grading.tasks.protocol import Task
from unitconv.grading.tasks.unit_conversion import UNIT_CONVERSION
from unitconv.inference.engine import EngineOptions
from unitconv.inference.generate import generate
from unitconv.inference.load.adapter import (
    load_adapter,
    trained_prompt,
)
from unitconv.inference.load.device import pick_device, pick_dtype
from unitconv.inference.load.model import PRETRAINED_BY, load_model
from unitconv.inference.reference import (
    BATCH_SIZE,
    GREEDY,
    Completion,
    ContextError,
    Decoding,
    token_limit,
)
from unitconv.inference.stop import stop_rule
from unitconv.task.prompts import (
    SEVERAL_EXAMPLES,
    Prompt,
    check_style,
    encode_prompt,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def default_prompt(
    model: PreTrainedModel, task: Task = UNIT_CONVERSION
) -> str:
    """Return the prompt style that a model without an adapter needs.

    A model pretrained for this course imitates one worked example. Others
    need several: see chapter 7.
    """
    if hasattr(model.config, PRETRAINED_BY):
        return "cot"
    return (
        SEVERAL_EXAMPLES if SEVERAL_EXAMPLES in task.chat_styles else "cot"
    )


@dataclass(frozen=True)
class Generation:
    """Text of a completion; not `finished` if cut off at its limit."""

    text: str
    n_tokens: int
    finished: bool


class LLM:
    """Model, tokenizer, prompt style, decoder and task."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        style: str,
        name: str = "model",
        adapter: str | None = None,
        task: Task = UNIT_CONVERSION,
    ) -> None:
        check_style(style, task.chat_styles)
        self.model = model
        self.tokenizer = tokenizer
        self.style = style
        self.name = name
        self.adapter = adapter
        self.task = task
        self.stop = stop_rule(model, tokenizer)
        pad, eos = tokenizer.pad_token_id, tokenizer.eos_token_id
        #: Padding is masked: any token would do.
        self.pad_token_id: int = next(
            i for i in (pad, eos, 0) if i is not None
        )

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = "course",
        adapter: str | Path | None = None,
        prompt: str | None = None,
        device: str | None = None,
        dtype: str | torch.dtype | None = None,
        *,
        task: Task = UNIT_CONVERSION,
    ) -> LLM:
        """Load a model: `"course"`, `"smollm2"`, a hub id or a folder.

        Args:
            adapter: a folder with a LoRA adapter trained for this model;
                or the name of a shipped one: `"sft"` or `"rft"`, of the
                course model, or one of `shipped_adapters`.
            prompt: one of `prompts.STYLES` or `prompts.VARIANTS`; by
                default that of the adapter's training, or without one
                `default_prompt`.
            device: `"cpu"`, `"cuda"`, ...; by default the fastest.
            dtype: by default as `load.device.pick_dtype` chooses.
            task: writes the prompts and grades the replies.

        Raises:
            ModelError: nothing to load there, or it does not fit.
            WeightsError: weights of SmolLM2 that cannot be fetched.
            PromptError: an unknown prompt style.
        """
        if prompt:  # before the weights are read
            check_style(prompt, task.chat_styles)
        where = pick_device(device)
        model, tokenizer = load_model(
            name_or_path, where, pick_dtype(where, dtype)
        )
        style = prompt or default_prompt(model, task)
        if adapter is not None:
            model = load_adapter(model, adapter)
            style = prompt or trained_prompt(adapter)
        return cls(
            model,
            tokenizer,
            style,
            str(model.weights_name),
            None if adapter is None else str(adapter),
            task,
        )

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return torch.device(self.model.device)

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights."""
        return next(iter(self.model.parameters())).dtype

    def __repr__(self) -> str:
        millions = self.model.num_parameters() / 1e6
        dtype = str(self.dtype).removeprefix("torch.")
        adapter = f"adapter={self.adapter!r}, " if self.adapter else ""
        task = "".join(
            f", task={name!r}" for name in self.task.entry.values()
        )
        return (
            f"LLM({self.name!r}, {adapter}{millions:.1f} M parameters, "
            f"{dtype} on {self.device}, prompt={self.style!r}{task})"
        )

    def format_prompt(self, question: str) -> str:
        """Write the prompt for a question, in this model's style."""
        return self.task.format_prompt(question, self.style, self.tokenizer)

    def parse_answer(self, text: str) -> float:
        """Parse the number between the answer tags, or return NaN."""
        return self.task.parse(text)

    def encode(self, prompt: str) -> list[int]:
        """Tokenize a prompt; no special tokens are added to its own.

        A prompt of `format_prompt` has only those of the chat template. In
        a string put together by hand every special token counts, unless
        the style is `raw`: never put a stranger's text into one.
        """
        if self.style != "raw" and not isinstance(prompt, Prompt):
            prompt = Prompt(prompt)
        return encode_prompt(prompt, self.tokenizer)

    def generate(self, prompt: str, settings: Decoding = GREEDY) -> str:
        """Generate the text that follows one prompt.

        Raises:
            ContextError: the prompt is empty or longer than the context.
        """
        [[completion]] = generate(
            self.model, [self.encode(prompt)], self.stop, settings
        )
        return self.decode(completion).text

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
        """Generate one text for each prompt.

        With `num_return_sequences`: a list of so many texts for each.
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
        """Generate completions with all settings and their lengths.

        Args:
            batch_size: rows decoded together; changes only the speed.
            progress: called with the number of prompts just finished.

        Raises:
            ContextError: a prompt is empty or longer than the context;
                names it before any is decoded.
        """
        if min(num_return_sequences, batch_size) < 1:
            raise UnitconvError(
                "num_return_sequences and batch_size must be at least 1"
            )
        done = generate(
            model=self.model,
            prompts=self.encode_all(prompts),
            stop=self.stop,
            settings=settings,
            num_return_sequences=num_return_sequences,
            options=EngineOptions(slots=batch_size, progress=progress),
        )
        return [[self.decode(c) for c in row] for row in done]

    def encode_all(
        self, prompts: Sequence[str], first: int = 1
    ) -> list[list[int]]:
        """Tokenize prompts that must fit into the model's context.

        Args:
            first: number of the first prompt, for the error.

        Raises:
            ContextError: one is empty or too long; names it.
        """
        encoded = [self.encode(prompt) for prompt in prompts]
        for number, token_ids in enumerate(encoded, start=first):
            try:
                token_limit(self.model, token_ids, limit=1)
            except ContextError as error:
                raise ContextError(f"prompt {number}: {error}") from error
        return encoded

    def answer(self, *questions: str) -> list[float]:
        """Answer questions; NaN where a reply has no answer."""
        prompts = [self.format_prompt(question) for question in questions]
        return [
            self.parse_answer(text)
            for text in self.batched_generate(prompts)
        ]

    def decode(self, completion: Completion) -> Generation:
        """Return the text of a completion, without special tokens."""
        ids = completion.token_ids
        text = str(self.tokenizer.decode(ids, skip_special_tokens=True))
        return Generation(text, len(ids), completion.finished)
