"""Model card of an exported folder."""

from __future__ import annotations

from unitconv.common.run_metadata import versions
from unitconv.inference.export.merged import MergedModel

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
tags: [unitconv]
---

# {title}

{origin}
Stored as {number_type} by {versions}.

## Prompt

{prompt}

## Limits and licence

Those of the weights and of the adapter that it was made from.
"""
_QUESTION_ALONE = """\
The question and nothing else, without the chat template: so the adapter
was trained. The reply ends with an end token.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # where this card lies
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
question = tokenizer("How many gram are there per 6 kg?",
                     return_tensors="pt", add_special_tokens=False)
reply = model.generate(**question, do_sample=False, max_new_tokens=200)
print(tokenizer.decode(reply[0], skip_special_tokens=True))
```"""
_CHAT = """\
The chat template of the tokenizer, in the prompt style `{style}` of
unitconv. `unitconv ask --show-prompt --prompt {style}` prints a prompt with
its instruction and examples."""


def model_card(merged: MergedModel, number_type: str) -> str:
    """Write the card: what the model was made from, and its prompt."""
    return _CARD.format(
        title=merged.title,
        origin=merged.origin,
        number_type=number_type,
        versions=", ".join(f"{k} {v}" for k, v in versions().items()),
        prompt=_QUESTION_ALONE
        if merged.prompt == "raw"
        else _CHAT.format(style=merged.prompt),
    )
