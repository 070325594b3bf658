"""`python -m unitconv.cli`: `accelerate launch` takes a module."""

from unitconv.cli import app

app()
