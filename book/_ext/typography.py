"""Sphinx extension: no line ends between a number and its per cent sign."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

PERCENT = re.compile(r"(?<=\d) (?=%)")
AS_WRITTEN = (nodes.literal, nodes.literal_block, nodes.raw, nodes.math)
NO_BREAK_SPACE = "\u00a0"


class KeepPercent(SphinxPostTransform):
    """Join numbers and per cent signs in prose, not in code."""

    default_priority = 500
    formats = ("html",)

    def run(self, **options: Any) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, AS_WRITTEN):
                kept = PERCENT.sub(NO_BREAK_SPACE, text)
                if kept != text:
                    text.parent.replace(text, nodes.Text(kept))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(KeepPercent)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
