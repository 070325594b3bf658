"""Run the command line as `python -m unitconv.cli`."""

from unitconv.cli import app

if __name__ == "__main__":
    app()
