"""Run the command line as `python -m unitconv.cli`."""

from unitconv.__main__ import main

if __name__ == "__main__":
    main()
