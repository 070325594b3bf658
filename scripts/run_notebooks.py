"""Execute notebooks so that a second run leaves no difference behind.

    python -m scripts.run_notebooks notebooks/01_task.py ...

reads the source of each .py, runs it, and writes the .ipynb beside it with
its outputs, but without what changes from run to run or from machine to
machine: times, random cell ids, the version of Python. With `--tidy` first
it runs nothing and only cleans the .ipynb.
"""

import hashlib
import os
import sys
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from scripts.move_repository import address

METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def normalize(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with stable ids and no metadata but tags."""
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = NotebookNode({"tags": tags} if tags else {})
        # An id made from the source survives a change of other cells, and
        # one without the address survives `make repo`.
        source = cell.source.replace(address(), "")
        digest = hashlib.sha256(source.encode()).hexdigest()[:8]
        cell.id = f"{digest}-{seen[digest]}"
        seen[digest] += 1
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(script: Path) -> Path:
    """Run a py:percent script as a notebook; return the .ipynb written."""
    notebook = normalize(jupytext.read(script))
    NotebookClient(
        notebook,
        timeout=600,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(script.parent)}},
    ).execute()
    path = script.with_suffix(".ipynb")
    nbformat.write(normalize(notebook), path)
    return path


def tidy(script: Path) -> Path:
    """Drop from the .ipynb what jupytext notes there; keep its outputs."""
    path = script.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    nbformat.write(normalize(notebook), path)
    return path


if __name__ == "__main__":
    os.environ["SOURCE_DATE_EPOCH"] = "0"  # matplotlib dates its SVGs by it
    names = sys.argv[1:]
    work = tidy if names[:1] == ["--tidy"] else execute
    for name in names[work is tidy :]:
        print(work(Path(name)))
