"""Execute notebooks so that a second run leaves no difference behind.

    python -m scripts.run_notebooks                   # what is out of date
    python -m scripts.run_notebooks notebooks/01_task.py ...       # these

runs each .py and writes the .ipynb beside it, with a digest of what its
outputs depend on (`scripts.notebook_digest`), but without times, random
cell ids and versions. `--tidy` only removes those from the .ipynb.
"""

import argparse
import asyncio
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from scripts.move_repository import ROOT, without_address
from scripts.notebook_digest import KEY, REPORT, digest, find_changes

METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
# The kernel imports this checkout; matplotlib dates its SVGs by the epoch.
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "0"}


def normalize(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with stable ids; of metadata, tags and digest."""
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = NotebookNode({"tags": tags} if tags else {})
        # An id made from the source survives a change of other cells, and
        # one without the address survives `make repo`.
        source = without_address(cell.source)
        name = hashlib.sha256(source.encode()).hexdigest()[:8]
        cell.id = f"{name}-{seen[name]}"
        seen[name] += 1
    kept = {k: v for k, v in notebook.metadata.items() if k == KEY}
    notebook.metadata = nbformat.from_dict(METADATA | kept)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


async def execute(script: Path) -> Path:
    """Run a py:percent script as a notebook; return the .ipynb written.

    Raises:
        CellExecutionError: a cell fails. The .ipynb stays as it was.
    """
    notebook = normalize(jupytext.read(script))
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT))
    client = NotebookClient(
        notebook,
        timeout=600,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(script.parent)}},
    )
    await client.async_execute(env=os.environ | ENVIRONMENT)
    report = notebook.cells.pop().outputs[0].text
    notebook.metadata[KEY] = digest(notebook, report)
    path = script.with_suffix(".ipynb")
    nbformat.write(normalize(notebook), path)
    return path


async def execute_all(scripts: Sequence[Path], jobs: int) -> bool:
    """Execute notebooks, `jobs` at a time; return whether all worked."""
    free = asyncio.Semaphore(jobs)

    async def run(script: Path) -> bool:
        async with free:
            try:
                print(await execute(script), flush=True)
                return True
            except CellExecutionError as error:
                print(f"{script} failed:\n{error}", file=sys.stderr)
                return False

    return all(await asyncio.gather(*map(run, scripts)))


def changes(script: Path) -> list[str]:
    """Return what changed since a notebook was executed."""
    path = script.with_suffix(".ipynb")
    if not path.exists():
        return ["there is no .ipynb"]
    stored = nbformat.read(path, as_version=4)
    now, then = (
        [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        for notebook in (jupytext.read(script), stored)
    )
    return ["its .py"] if now != then else find_changes(stored)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments ask; return 1 if a notebook failed."""
    parser = argparse.ArgumentParser(prog="python -m scripts.run_notebooks")
    parser.add_argument("scripts", nargs="*", type=Path)
    parser.add_argument("--tidy", action="store_true", help="only clean")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    scripts = options.scripts
    if options.tidy:
        for path in (script.with_suffix(".ipynb") for script in scripts):
            nbformat.write(normalize(nbformat.read(path, 4)), path)
        return 0
    if not scripts:
        every = sorted((ROOT / "notebooks").glob("*.py"))
        scripts = [script for script in every if changes(script)]
        for script in scripts:
            print(f"{script.stem} changed: {', '.join(changes(script))}")
    return not asyncio.run(execute_all(scripts, options.jobs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
