"""The page's runtime against the library, on more than the tests try.

The scripts of a page are those that a build of the book writes, run by
Node as in `tests/live`.
"""

import sys

from scripts.move_repository import ROOT

# Where the extensions are that write the scripts.
sys.path.insert(0, str(ROOT / "book" / "_ext"))
