"""Options from environment variables: NGXLOOP_WORKERS for --workers, and WEB_CONCURRENCY.

A variable with the prefix that is no option is not refused: Kubernetes sets NGXLOOP_PORT and its
like for every service that is called ngxloop. One that looks like a slip is reported.
"""

from collections.abc import Iterator, Mapping, Sequence

from ngxloop.serving.base.optionvalue import OptionValue
from ngxloop.serving.options.table import VARIABLE_PREFIX, Option, similar

CONFIG_VARIABLE = f"{VARIABLE_PREFIX}CONFIG"
RUNTIME_VARIABLE = f"{VARIABLE_PREFIX}RUNTIME_DIR"  # see defaultsocket.py


def read_environment(
    options: Sequence[Option], environment: Mapping[str, str]
) -> dict[str, OptionValue]:
    """Return what the environment sets, by the name of the option."""
    found = {}
    for option in options:
        for variable in (option.variable, *option.variables):
            # Of another tool's variables an empty one is none; compose files set such.
            if environment.get(variable) or (variable == option.variable in environment):
                value = option.kind.from_text(environment[variable])
                found[option.name] = OptionValue(value, variable)
                break
    return found


def environment_typos(options: Sequence[Option], environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for every variable that is no option, but nearly one."""
    known = {option.variable for option in options} | {CONFIG_VARIABLE, RUNTIME_VARIABLE}
    for name in environment:
        is_ours = name.startswith(VARIABLE_PREFIX) and name not in known
        if is_ours and (advice := similar(name, known)):
            yield f"{name} in the environment is not an option{advice}"
