"""Entry point of the command line: `unitconv`, `python -m unitconv`."""

from __future__ import annotations

import sys

INTERRUPTED = 130  #: exit code, as a shell reports it


def main() -> None:
    """Run a command; Ctrl-C ends it in one line, also while it loads."""
    code: object = INTERRUPTED
    try:
        from unitconv.cli import app

        app()
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        code = end.code
    if code == INTERRUPTED:
        sys.stderr.write("unitconv: interrupted\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
