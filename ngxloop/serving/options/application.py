"""Options: what is served."""

import dataclasses
import re
from collections.abc import Sequence
from typing import ClassVar

from ngxloop.serving.options.table import Option, option
from ngxloop.serving.options.values import AUTO, FLAG, FOLDER, ValueKind, anything, choice, several

INTERFACES = (AUTO, "asgi", "asgi-uvicorn", "aiohttp", "protocol", "streams", "main")
HTTP_INTERFACES = ("asgi", "asgi-uvicorn", "aiohttp")
PROGRAM_INTERFACES = ("main", "script")  # these bind by themselves


MODULE_FLAG = "-m "  # before the name of a module that is run


def is_script(app: str) -> bool:
    """Say whether APP is a program that is run, as opposed to an object that is imported."""
    return is_module(app) or app.endswith(".py") or ":" not in app


def is_module(app: str) -> bool:
    """Say whether APP is a module that is run, as with python -m."""
    return app.startswith(MODULE_FLAG)


def possible_interfaces(app: str, interface: str) -> Sequence[str]:
    """Return what a worker can find APP to be, of which --interface names one or leaves all."""
    if is_script(app):
        return ("script",)
    return INTERFACES[1:] if interface == AUTO else (interface,)


def start_advice(app: str, interface: str, ready_on: str) -> str:
    """Return what to do if a worker is not ready in time."""
    advice = "see where it waits, or raise --start-timeout"
    is_program = set(PROGRAM_INTERFACES) & set(possible_interfaces(app, interface))
    if ready_on == "listen" and is_program:
        advice += "; a program that does not listen, or not detectably, needs --ready-on start"
    return advice


def _check_app(value: object) -> None:
    if isinstance(value, str) and is_script(value):
        is_named = bool(value.removeprefix(MODULE_FLAG).strip()) and "\0" not in value
    else:
        names = re.split("[.:]", value) if isinstance(value, str) and value.count(":") == 1 else []
        is_named = bool(names) and all(name.isidentifier() for name in names)
    if not is_named:
        raise ValueError(f"{value!r} does not name an application; give {_meant(value)}")


def _meant(value: object) -> str:
    """Return what the user probably wanted to write."""
    found = _NEARLY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return "MODULE:NAME or a script"
    module = found["path"].removesuffix(".py").strip("./").replace("/", ".")
    factory = " --factory" if found["call"] else ""
    return f"{module}:{found['name']}{factory}"


# A path in the place of the module, or a call in that of the name.
_NEARLY = re.compile(r"(?P<path>[\w./]*\w):(?P<name>[^\W\d][\w.]*)(?P<call>\(\))?")
_APP = Option(
    ValueKind("APP", _check_app),
    "what to serve: MODULE:NAME, or a program: a script, a folder with __main__.py, -m MODULE, or "
    "an installed command",
    is_positional=True,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApplicationOptions:
    """What to serve, and where it is found."""

    title: ClassVar[str] = "application"

    app: str = dataclasses.field(metadata={"option": _APP})
    interface: str = option(
        AUTO,
        choice("KIND", INTERFACES),
        f"what APP is: {', '.join(INTERFACES)}; auto: detect. asgi is ngxloop's own HTTP "
        "server, asgi-uvicorn that of uvicorn",
    )
    factory: bool = option(
        False,
        FLAG,
        "APP is a function, sync or async, that returns the application; called in each worker",
    )
    ready_on: str = option(
        "listen",
        choice("WHEN", ("listen", "start")),
        "when a script or a main function counts as ready: once it listens, or once it is started",
    )
    app_dir: str = option(".", FOLDER, "folder searched for MODULE first")
    arguments: Sequence[str] = option(
        (),
        several(anything("ARGUMENT"), "arguments", is_empty_allowed=True),
        "the program's own sys.argv; on the command line, everything after its name",
        is_positional=True,
    )
