"""Slides of a chapter: what is shown, and how it becomes a deck."""
