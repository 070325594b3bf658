"""Reasoning: what a reply states, and what follows from it."""
