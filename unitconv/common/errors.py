"""Base class of the errors that a user can mend."""


class UnitconvError(ValueError):
    """Bad input, a bad file or bad settings; the message says what to do.

    The command line prints its message as one line and exits with 2. Every
    other exception, `OSError` aside, is a bug and shows its traceback.
    """
