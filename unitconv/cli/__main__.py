"""`python -m unitconv.cli`: `accelerate launch` takes a module."""

from . import app

app()
