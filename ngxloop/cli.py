"""The command ngxloop-serve: what its command line asks for, done."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from ngxloop.prefork import Master
from ngxloop.serving.command_line import UsageError
from ngxloop.serving.config import Config
from ngxloop.serving.errors import ConfigError, ExitCode
from ngxloop.serving.loading import Loaded, Loader, print_config
from ngxloop.serving.logs import complain


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with one of errors.ExitCode."""
    loader = Loader(sys.argv[1:] if arguments is None else arguments)
    loaded = _load(loader)
    if loaded.is_print_wanted:
        print("\n".join(print_config(loaded)))
        sys.exit(ExitCode.OK)
    for line in loaded.warnings:
        complain(line)
    sys.exit(Master(loaded.config).run())


def parse_arguments(arguments: Sequence[str]) -> Config:
    """Return the configuration that the arguments describe, with environment and file.

    Raises:
        ConfigError: An option has a value that cannot be used.
        UsageError: The arguments cannot be understood.
    """
    return Loader(arguments).load_config()


def _load(loader: Loader) -> Loaded:
    try:
        return loader.load()
    except (ConfigError, UsageError) as error:
        complain(f"{error} (see ngxloop-serve --help)")
        sys.exit(ExitCode.USAGE)


if __name__ == "__main__":
    main()
