"""`python -m unitconv.pretraining`: the same commands, on their own."""

from .command import app

app()
