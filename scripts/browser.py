"""The Chromium that reads the built book, for its tests and its PDFs."""

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The last four keep it from asking its maker for anything.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str | None:
    """Return the path of a Chromium or Chrome, if there is one."""
    paths = (shutil.which(name) for name in NAMES)
    return next((path for path in paths if path), None)
