"""Environment variables for the workers: --env NAME=VALUE, and files of such lines.

A file is what docker's --env-file and most .env files are: NAME=VALUE, one a line. Blank lines and
lines that begin with # are left out, and so are the word export in front and quotes around a whole
value. Nothing is expanded.
"""

from collections.abc import Iterator, Sequence

from ngxloop.serving.errors import ConfigError
from ngxloop.serving.trust import read_text, refusal


def plan_variables(
    assignments: Sequence[str], files: Sequence[str], *, is_strict: bool = False
) -> dict[str, str]:
    """Return the variables that a worker sets; a later file goes before an earlier one.

    Args:
        assignments: Of --env.
        files: Of --env-file.
        is_strict: We are root and the workers are not.

    Raises:
        ConfigError: A file cannot be read, has a line that sets no variable, or is not root's.
    """
    variables: dict[str, str] = {}
    for file in files:
        variables.update(_read_file(file, is_strict=is_strict))
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        variables[name] = value
    return variables


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
    name, value = name.strip(), value.strip()
    if not name or not equals or "\0" in line or " " in name:
        raise ConfigError("env-file", f"{where} sets no variable; write NAME=VALUE")
    if len(value) >= len("''") and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return name, value
