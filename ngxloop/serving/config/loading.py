"""The configuration from all its sources: command line > environment > file > default.

A list (--bind) of a source that goes before another replaces the whole list of the other.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.base.optionvalue import OptionValue
from ngxloop.serving.base.trust import find_fault, refusal
from ngxloop.serving.config.command_line import CommandLine, UsageError, parse_command_line
from ngxloop.serving.config.config import OPTIONS, Config
from ngxloop.serving.config.config_file import FILE_NAME, FileOptions, find_file, read_file
from ngxloop.serving.config.environment import CONFIG_VARIABLE, environment_typos, read_environment
from ngxloop.serving.process.systemd import ALL, has_passed_fds

DEFAULT = "default"


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A configuration, and how it came about."""

    config: Config
    origins: Mapping[str, str]  # by the name of the option: where its value was written
    warnings: Sequence[str]
    is_print_wanted: bool


class ConfigReader:
    """Makes the Config of one command line, now and at every reload.

    The command line, the environment and the folder are those of the start; the file is read anew,
    unless it is a pipe: that speaks once, and to read it again would be to wait for ever.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
        *,
        is_strict: bool = False,
        inherits_systemd: bool = False,
    ) -> None:
        """Remember the sources.

        Args:
            arguments: The command line.
            environment: Without, that of this process.
            folder: Without, the working folder.
            is_strict: We follow a master that is root, and the workers of which are not.
            inherits_systemd: We follow a master that leaves us sockets of systemd.
        """
        self._arguments = list(arguments)
        self._environment = dict(os.environ if environment is None else environment)
        self._folder = Path(folder or os.getcwd())
        self._line: CommandLine | None = None  # what the arguments say, which do not change
        self._piped: FileOptions | None = None  # what a pipe has said
        self._has_systemd = inherits_systemd or has_passed_fds(self._environment)
        self._is_strict = is_strict  # workers have had less rights than we have

    def load(self) -> Loaded:
        """Read all sources.

        Raises:
            ConfigError: An option has a value that cannot be used, or there is no such option.
            UsageError: The command line cannot be understood.
        """
        if self._line is None:
            self._line = parse_command_line(OPTIONS, self._arguments)
        line = self._line
        file = self._read_file(line)
        given = {
            **file.given,
            **read_environment(OPTIONS, self._environment),
            **line.given,
        }
        given = self._passed(given) | given
        origins = {option.name: DEFAULT for option in OPTIONS}
        origins.update((name, one.where) for name, one in given.items())
        config = _make_config(given, self._check_file, file)
        self._is_strict = self._is_strict or config.has_less_privileged_workers
        typos = environment_typos(OPTIONS, self._environment)
        warnings = [*typos, *config.prepare()]
        return Loaded(config, origins, warnings, line.is_print_wanted)

    def _passed(self, given: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
        """Return the option for sockets that systemd has passed: somebody wants them to be used.

        They are not for the process that a daemon becomes.
        """
        is_daemon = "daemon" in given and given["daemon"].value is True
        return (
            {"bind": OptionValue((ALL,), "LISTEN_FDS")}
            if self._has_systemd and not is_daemon
            else {}
        )

    def load_config(self) -> Config:
        """Read all sources again, for a reload.

        Raises:
            ConfigError: See load(); also if APP, which the file named, is gone.
        """
        try:
            return self.load().config
        except UsageError as error:
            raise ConfigError("app", str(error)) from error

    def _check_file(self, config: Config, file: FileOptions) -> None:
        """Refuse options that others than root could have written, once --user is or was set.

        A file that sets nothing is harmless, unless what is missing now is --user.
        """
        is_harmless = not file.given and config.has_less_privileged_workers
        if (
            file.fault
            and not is_harmless
            and (config.has_less_privileged_workers or self._is_strict)
        ):
            remedy = f"chown {file.path} and the folders above it to root, or give another --config"
            raise ConfigError("config", refusal(file.fault, remedy))

    def _read_file(self, line: CommandLine) -> FileOptions:
        if line.config_file is not None:
            return self._read_named(self._folder / line.config_file, "--config")
        if named := self._environment.get(CONFIG_VARIABLE):
            return self._read_named(self._folder / named, CONFIG_VARIABLE)
        found = find_file(self._folder)
        if found is not None:
            return read_file(found, str(found), OPTIONS, is_regular=True)
        return FileOptions({}, self._folder / FILE_NAME, find_fault(self._folder / FILE_NAME))

    def _read_named(self, path: Path, where: str) -> FileOptions:
        if path.is_file():
            return read_file(path, where, OPTIONS, is_regular=True)
        if self._piped is None:
            self._piped = read_file(path, where, OPTIONS)
        return self._piped


def _make_config(
    given: Mapping[str, OptionValue],
    check: Callable[[Config, FileOptions], None],
    file: FileOptions,
) -> Config:
    """Return the Config; an error names the place where the value was written."""
    if "app" not in given:
        raise UsageError("required: APP, the application to serve, as MODULE:NAME")
    try:
        config = Config(**{name: one.value for name, one in given.items()})
        check(config, file)
        config.prepare()
        return config
    except ConfigError as error:
        source = given.get(error.option.replace("-", "_"))
        where = source.where if source is not None else f"--{error.option}"
        raise ConfigError(error.option, error.problem, where) from None


def print_config(loaded: Loaded) -> Iterator[str]:
    """Yield the lines of a TOML file that gives the same configuration, with where each is from."""
    group = ""
    for option in OPTIONS:
        if option.group != group:
            group = option.group
            yield f"# {group}"
        value, where = getattr(loaded.config, option.name), loaded.origins[option.name]
        if value is None:
            yield f"# {option.key} is not set"
        elif option.is_secret and value:
            yield f"# {option.key} is not shown; {where}"
        else:
            yield f"{f'{option.key} = {option.kind.show(value)}':<40} # {where}"
