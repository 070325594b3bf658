"""Command `export`: a model with its adapter merged, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from unitconv.cli import options
from unitconv.cli.console import write_field


def export(
    output: Annotated[
        Path,
        Option(
            "-o",
            "--output",
            help="A new file that ends with .gguf, for llama.cpp and "
            "Ollama; or a new folder, for Transformers and vLLM.",
        ),
    ],
    model: options.Model = "course",
    adapter: options.Adapter = None,
    number_type: Annotated[
        str,
        Option(
            "--type",
            help="f32, f16 or q8_0 (8 bits, in a GGUF file alone).",
        ),
    ] = "f16",
) -> None:
    """Write a model, with its adapter merged, for other programs."""
    from transformers.utils.logging import disable_progress_bar

    from unitconv.inference.export.export import export_model

    disable_progress_bar()
    merged = export_model(model, output, adapter, number_type)
    write_field("from", merged.origin)
    write_field("output", str(output))
