"""Programs that start themselves again: reloaders, and frameworks with workers of their own.

A script finds in sys.orig_argv what it would find without ngxloop-serve. A program that gets the
command line of ngxloop-serve from elsewhere would start a master in each worker, and these in each
of theirs: such a master ends with an error. A master for something else is a program like others.
"""

import os
from collections.abc import Iterator, Sequence

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.options.application import is_module, is_script

VARIABLE = "_NGXLOOP_SERVED"  # in workers: what the masters around them serve, one a line

_OPTIONS_WITH_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})


def mark_worker(config: Config) -> None:
    """Let everything that this worker starts know what is served here."""
    os.environ[VARIABLE] = "\n".join([*_served(), _name(config)])


def refuse_nesting(config: Config) -> None:
    """Make sure that no master around us serves the same.

    Raises:
        StartError: One does.
    """
    if _name(config) in _served():
        advice = "turn its reloader and its own workers off, and use --reload and --workers"
        raise StartError(
            ExitCode.USAGE,
            f"a worker that serves {config.app} has started ngxloop-serve for {config.app} again; "
            f"{advice}",
        )


def plain_command(ours: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs a script with its arguments, without a master.

    Args:
        ours: That of this process: python, its options, and what it runs.
        arguments: The script and what follows it.
    """
    return [ours[0], *_options(iter(ours[1:])), *arguments]


def _options(words: Iterator[str]) -> Iterator[str]:
    """Yield the options of the interpreter, as they were typed."""
    for word in words:
        if word == "-" or not word.startswith("-"):
            return
        if word in _OPTIONS_WITH_VALUE:
            yield word
            yield next(words, "")
        elif word.startswith(("--", "-W", "-X")):
            yield word
        else:  # several letters; -m and -c name what to run
            letters = word[1:].partition("m")[0].partition("c")[0]
            if letters:
                yield f"-{letters}"
            if letters != word[1:]:
                return


def _served() -> list[str]:
    return os.environ.get(VARIABLE, "").splitlines()


def _name(config: Config) -> str:
    """Return what is served, by an absolute name; for a process in the folder of its start."""
    if is_script(config.app) and not is_module(config.app):
        return repr(os.path.realpath(os.path.join(config.chdir or ".", config.app)))
    return repr((config.app, os.path.realpath(config.app_folder)))
