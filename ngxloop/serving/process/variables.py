"""Environment variables for the workers: --env NAME=VALUE, and files of such lines.

A file has a line NAME=VALUE for each variable, as most .env files have. Blank lines and comments
are left out, and so are the word export in front and quotes around a whole value. A comment begins
with a # at the start of a line, or after a space behind the value. Nothing is expanded.

Precedence is that of the options: --env, then the environment of the master, then the files.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.base.trust import read_text, refusal

_QUOTED = re.compile(r"""(?P<quote>['"])(?P<text>.*)(?P=quote)""")
_QUOTED_WITH_COMMENT = re.compile(r"""(?P<quote>['"])(?P<text>.*?)(?P=quote)\s+#.*""")
_COMMENT = re.compile(r"\s#.*")


@dataclasses.dataclass(frozen=True)
class Variables:
    """What workers set that the master does not have."""

    assigned: Mapping[str, str]  # by --env
    filed: Mapping[str, str]  # by --env-file

    @property
    def names(self) -> set[str]:
        """Return the names of all."""
        return {*self.assigned, *self.filed}

    def apply(self, environment: MutableMapping[str, str], login: Mapping[str, str]) -> None:
        """Set them.

        Args:
            environment: What a worker has inherited.
            login: HOME and the like of its user, where the environment has those of another.
        """
        inherited = environment.keys() - login.keys()
        filed = {name: value for name, value in self.filed.items() if name not in inherited}
        environment.update({**login, **filed, **self.assigned})


def plan_variables(
    assignments: Sequence[str], files: Sequence[str], *, is_strict: bool = False
) -> Variables:
    """Return the variables that a worker sets; the last file that has one decides.

    Args:
        assignments: Of --env.
        files: Of --env-file.
        is_strict: We are root and the workers are not.

    Raises:
        ConfigError: A file cannot be read, has a line that sets no variable, or is not root's.
    """
    filed: dict[str, str] = {}
    for file in files:
        filed.update(_read_file(file, is_strict=is_strict))
    assigned: dict[str, str] = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        assigned[name] = value
    return Variables(assigned, filed)


def _read_file(file: str, *, is_strict: bool) -> Iterator[tuple[str, str]]:
    try:
        text, fault = read_text(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError("env-file", f"cannot read {file}: {reason}") from None
    if is_strict and fault:
        remedy = f"chown {file} and the folders above it to root, or give another file"
        raise ConfigError("env-file", refusal(fault, remedy))
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield _assignment(stripped, f"{file}, line {number}")


def _assignment(line: str, where: str) -> tuple[str, str]:
    """Split a line; its text is not shown, it may hold a secret."""
    name, equals, value = line.removeprefix("export ").partition("=")
    name = name.strip()
    if not name or not equals or "\0" in line or " " in name:
        raise ConfigError("env-file", f"{where} sets no variable; write NAME=VALUE")
    return name, _plain(value)


def _plain(value: str) -> str:
    """Return a value without a comment and without quotes around it."""
    stripped = value.strip()
    quoted = _QUOTED_WITH_COMMENT.fullmatch(stripped) or _QUOTED.fullmatch(stripped)
    return quoted["text"] if quoted else _COMMENT.sub("", value).strip()
