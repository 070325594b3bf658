"""Sphinx extension: the work that a KV cache saves, token by token.

    ```{live-kv-cache} 127 24
    The caption.
    ```

counts the multiply-adds of the course model for each of 24 tokens after a
prompt of 127, without the cache and with it. In the browser the reader sets
both lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from live_figure import LiveFigureDirective, set_up
from sphinx.application import Sphinx
from transformers import AutoConfig

from unitconv.inference.load.model import COURSE_MODEL

FIGURE = """<form hidden>
<label><span class="ask-label">Tokens of the prompt
<span class="live-value" aria-hidden="true">{prompt}</span></span>
<input name="prompt" type="range" value="{prompt}" min="1" max="384">
</label>
<label><span class="ask-label">Tokens of the reply
<span class="live-value" aria-hidden="true">{reply}</span></span>
<input name="reply" type="range" value="{reply}" min="1" max="128"></label>
</form>
<div class="kv-charts" data-weights="{weights}" data-pairs="{pairs}"
 data-logits="{logits}" aria-hidden="true">
<p>Without the cache</p><div class="kv-bars">{without}</div>
<p>With the cache</p><div class="kv-bars">{cached}</div>
<p class="kv-axis">the reply, token by token</p>
</div>
<table class="live-numbers">
<thead><tr><th scope="col">Million multiply-adds</th>
<th scope="col">Without</th><th scope="col">With</th></tr>
</thead>
<tbody>{rows}</tbody>
</table>
<p class="live-note">{note}</p>
"""
BAR = '<i style="--share:{:.4f}"></i>'
ROW = '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>'


@dataclass(frozen=True)
class Work:
    """Multiply-adds of a model, by what causes them."""

    #: For each token read, the matrices of all layers.
    weights: int
    #: For each token looked at, a score and a share of its value.
    pairs: int
    #: For each token written, the head.
    logits: int

    @classmethod
    def of(cls, config: Any) -> Work:
        """Count them from the sizes of a Llama."""
        hidden, layers = config.hidden_size, config.num_hidden_layers
        queries = config.num_attention_heads * config.head_dim
        keys = config.num_key_value_heads * config.head_dim
        inner = config.intermediate_size
        layer = hidden * (2 * queries + 2 * keys + 3 * inner)
        return cls(
            weights=layers * layer,
            pairs=layers * 2 * queries,
            logits=hidden * config.vocab_size,
        )

    def read(self, tokens: int, cached: int = 0) -> int:
        """Count a pass that reads up to `tokens`, after those cached."""
        looks = tokens * (tokens + 1) // 2 - cached * (cached + 1) // 2
        new = tokens - cached
        return self.weights * new + self.pairs * looks + self.logits

    def without_cache(self, prompt: int, reply: int) -> list[int]:
        """Count for each token of a reply, if all is read each time."""
        return [self.read(prompt + i) for i in range(reply)]

    def with_cache(self, prompt: int, reply: int) -> list[int]:
        """Count for each token of a reply: after the first, one is read."""
        later = range(prompt + 1, prompt + reply)
        return [self.read(prompt), *(self.read(n, n - 1) for n in later)]


def millions(count: int) -> str:
    return f"{count / 1e6:,.1f}"


def bars(counts: list[int], most: int) -> str:
    return "".join(BAR.format(count / most) for count in counts)


def table_rows(without: list[int], cached: list[int]) -> str:
    rows = {
        "first token": (without[0], cached[0]),
        "last token": (without[-1], cached[-1]),
        "whole reply": (sum(without), sum(cached)),
    }
    return "".join(
        ROW.format(name, *map(millions, counts))
        for name, counts in rows.items()
    )


class KvCacheDirective(LiveFigureDirective):
    """`{live-kv-cache} PROMPT REPLY`: the work for so many tokens."""

    figure = "kv-cache"
    loaders = ()
    scripts = ("kv_work", "kv_cache")
    styles = ("table", "kv_cache")

    def draw(self, argument: str) -> str:
        prompt, reply = map(int, argument.split())
        work = Work.of(AutoConfig.from_pretrained(COURSE_MODEL))
        without = work.without_cache(prompt, reply)
        cached = work.with_cache(prompt, reply)
        times = sum(without) / sum(cached)
        return FIGURE.format(
            prompt=prompt,
            reply=reply,
            weights=work.weights,
            pairs=work.pairs,
            logits=work.logits,
            without=bars(without, max(without)),
            cached=bars(cached, max(without)),
            rows=table_rows(without, cached),
            note=f"Without the cache it is {times:.1f} times the work.",
        )


def setup(app: Sphinx) -> Any:
    return set_up(app, KvCacheDirective)
