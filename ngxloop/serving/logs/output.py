"""Standard output of the commands, which a pager or `head` may close early."""

import os
import sys

from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.logs.logs import complain


def write(text: str) -> int:
    """Write a text, and return the exit code of the command; a reader that has left is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())  # or the interpreter would try again at its end
        os.close(nothing)
        if isinstance(error, BrokenPipeError):
            return ExitCode.OK
        complain(f"cannot write to standard output: {error.strerror}")
        return ExitCode.NO_RESOURCES
    return ExitCode.OK
