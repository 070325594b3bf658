"""Export of a model with its adapter merged: GGUF, or safetensors."""
