"""unitconv: a course on making a small language model reason.

The modules, in the order the data flows: `units` (ground truth),
`questions`, `prompts`, `model` and `llm` (a prompt becomes tokens),
`sampling` and `decoding` (tokens become text), `answers` (text becomes a
grade), `evaluation` (grades become a report).
"""

from importlib.metadata import version

__version__ = version("unitconv")
