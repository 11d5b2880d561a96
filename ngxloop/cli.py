"""The command ngxloop-serve: what its command line asks for, done."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from ngxloop.prefork import Master
from ngxloop.serving.admin.ctl import control
from ngxloop.serving.base.errors import ConfigError, ExitCode, StartError
from ngxloop.serving.config.command_line import UsageError
from ngxloop.serving.config.config import Config
from ngxloop.serving.config.keypasswords import asking, take_passwords
from ngxloop.serving.config.loading import ConfigReader, Loaded, print_config
from ngxloop.serving.logs.logs import complain, leave_standard_error, release_terminal
from ngxloop.serving.logs.output import write
from ngxloop.serving.options.application import is_script
from ngxloop.serving.process.children import note_starts
from ngxloop.serving.process.daemon import become_daemon
from ngxloop.serving.process.systemd import ALL
from ngxloop.serving.sockets.inherited import (
    PASSWORDS,
    find_descriptor,
    is_inherited,
    is_strict_upgrade,
    is_upgrade,
)
from ngxloop.serving.worker.check import check


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with one of errors.ExitCode."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = COMMANDS.get(words[0]) if words else None
    sys.exit(_serve(words) if command is None else command(words[1:]))


def parse_arguments(arguments: Sequence[str]) -> Config:
    """Return the configuration that the arguments describe, with environment and file.

    Raises:
        ConfigError: An option has a value that cannot be used.
        UsageError: The arguments cannot be understood.
    """
    return ConfigReader(arguments).load_config()


def _serve(arguments: Sequence[str]) -> int:
    note_starts()  # before the module of the hooks is run
    with _signals_held():
        passwords = find_descriptor(os.environ, PASSWORDS)
        if passwords is not None:
            take_passwords(passwords)
        reader = ConfigReader(
            arguments,
            is_strict=is_strict_upgrade(os.environ),
            inherits_systemd=is_inherited(os.environ, ALL),
        )
        loaded = _load(reader)
        for line in loaded.warnings:
            complain(line)
        config = loaded.config
        is_daemon = config.daemon and not is_upgrade(os.environ)  # who is one starts one
        on_serving = _become_daemon() if is_daemon else None
        return Master(config, reader.load_config, on_serving).run(is_process_ending=True)


def _become_daemon() -> Callable[[], None]:
    """Return in the background process; what is returned lets the one in the foreground exit."""
    let_parent_go = become_daemon()
    leave_standard_error()

    def serving() -> None:
        release_terminal()
        let_parent_go()

    return serving


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait until the master has handlers for them, and drop what comes after it.

    A Ctrl-C in between would show a traceback, a TERM would end us without a word.
    """
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    try:
        yield
    finally:
        while signal.sigtimedwait(_HELD_SIGNALS, 0) is not None:
            continue
        signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)


def _check(arguments: Sequence[str]) -> int:
    """Say whether serving would begin: ngxloop-serve check APP [options]."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    loaded = _load(ConfigReader(arguments))
    config = loaded.config
    for line in loaded.warnings:
        complain(line)
    try:
        kind = check(config)
    except StartError as error:
        complain(error.line, error.traceback)
        return error.code
    left = "it was not run" if is_script(config.app) else "its start-up was not run"
    return write(f"ok: {config.app} is served as {kind}; {left}\n")


def _load(reader: ConfigReader) -> Loaded:
    """Return the configuration; ends the program if there is none, or if it is to be printed."""
    try:
        with asking():
            loaded = reader.load()
    except (ConfigError, UsageError) as error:
        complain(f"{error} (see ngxloop-serve --help)")
        sys.exit(ExitCode.USAGE)
    except StartError as error:  # of a hook
        complain(error.line, error.traceback)
        sys.exit(error.code)
    if loaded.is_print_wanted:
        sys.exit(write("\n".join([*print_config(loaded), ""])))
    return loaded


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "check": _check,
    "ctl": control,
}
_HELD_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


if __name__ == "__main__":
    main()
