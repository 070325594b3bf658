"""Files that are no notebook, or one that nobody could write by hand."""

import gzip

from experiments.hostile.chapter import SOLVED
from experiments.hostile.submission import Submission, code, notebook

_WHOLE = notebook(SOLVED)
_NO_NOTEBOOK = "no notebook can be read"
_FILES = {
    "empty": (b"", "the file is empty"),
    "a login page": (b"<!doctype html><p>Log in", "a web page"),
    "cut off": (_WHOLE[: len(_WHOLE) // 2], _NO_NOTEBOOK),
    "random bytes": (bytes(range(256)) * 64, _NO_NOTEBOOK),
    "compressed": (gzip.compress(_WHOLE, mtime=0), _NO_NOTEBOOK),
    "UTF-16": (_WHOLE.decode().encode("utf-16"), _NO_NOTEBOOK),
    "a list": (b"[1, 2, 3]", _NO_NOTEBOOK),
    "100,000 brackets": (b"[" * 100_000, _NO_NOTEBOOK),
    "a script": ("\n".join(SOLVED).encode(), _NO_NOTEBOOK),
    "another chapter": (
        notebook(["attempt(check_other, 1)"]),
        "the wrong chapter",
    ),
    "a megabyte of code": (
        notebook(["attempt(check_word, 1)", "1\n" * 2**19]),
        "more than",
    ),
}
# Read, run and graded; the strange cell earns nothing.
_CELLS = {
    "half of a surrogate pair": "x = '\ud800'\nraise OSError('\ud800')",
    "a null byte": "x = 1\0",
    "100,000 minus signs": "-" * 100_000 + "1",
    "50,000 dots": "x" + ".a" * 50_000,
    "200,000 brackets": "(" * 200_000,
}
FILES = [
    Submission("file", what, content, reason=reason)
    for what, (content, reason) in _FILES.items()
] + [
    Submission(
        "file", what, notebook([*SOLVED, code(source)]), points=5, hidden=2
    )
    for what, source in _CELLS.items()
]
