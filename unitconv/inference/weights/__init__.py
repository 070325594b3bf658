"""Weights of SmolLM2: from the model hub, or from the package index."""
