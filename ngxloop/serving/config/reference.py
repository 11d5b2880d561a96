"""docs/configuration.md, written from the tables: options, hooks, exit codes.

python -m ngxloop.serving.config.reference > docs/configuration.md
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from ngxloop.serving.base.errors import EXIT_MEANINGS
from ngxloop.serving.config.command_line import default_text
from ngxloop.serving.config.config import GROUPS, OPTIONS
from ngxloop.serving.config.hooks import HOOKS
from ngxloop.serving.options.table import Option

_HEAD = """\
# Configuration of ngxloop-serve

Every option can stand in four places. The first of them that has it decides:

1. the command line: `--graceful-timeout 5`
2. the environment: `NGXLOOP_GRACEFUL_TIMEOUT=5`
3. a file: `graceful-timeout = 5` in `ngxloop.toml`, or in the table `[tool.ngxloop]` of
   `pyproject.toml`
4. the default

The file is the one that `--config FILE` or `NGXLOOP_CONFIG` names, else `ngxloop.toml`, else
`pyproject.toml` in the working folder. It may have up to 1 MiB, and is read again at every
reload; command line and environment are those of the start. `ngxloop-serve APP --print-config`
prints all options as such a file, with where each value comes from, but no secrets;
`ngxloop-serve check APP` says whether serving would begin, and serves nothing.

A list on the command line is given by repeating the option, in the environment with commas, in
the file as an array; a list of one place replaces the whole list of another. A yes-or-no option
is turned off by `--no-...` on the command line, by 0, no, off or false in the environment. A
name that is no option ends the command with one line; in the environment it is a warning, and
only if it is nearly one: Kubernetes sets variables like `NGXLOOP_PORT` for a service called
ngxloop.

`NGXLOOP_RUNTIME_DIR` names the folder of default control sockets, for master and `ctl`, in place of
`/run/ngxloop` (root), `$XDG_RUNTIME_DIR/ngxloop` (others) and, if neither can be used,
`/tmp/ngxloop-UID`. It must belong to the user of the master and be closed to others.

```toml
# ngxloop.toml
app = "shop.web:app"
bind = ["0.0.0.0:8000", "unix:/run/shop.sock"]
workers = "auto"
user = "shop"
error-log = "/var/log/shop/error.log"
env = { DATABASE = "/var/lib/shop" }
```
"""
_PROCESS = """\
## What a worker does first

In this order, as nginx: environment, priority, limits, group and user, CPUs, file mode mask,
folder; then it loads APP. Everything is looked up in the master before any worker is touched,
at the start and at every reload: an unknown user, a limit that is too high, a folder that is
missing are one line each.

`--preload` loads APP in a process of its own for each generation, which has become `--user` by
then, and forks the workers: they share the memory of what was loaded. It does not see an event
loop, threads that the import starts exist in no worker, and connections that it opens are
shared by all of them: the log names both. What belongs to one process belongs into the start-up
of APP (ASGI's lifespan, aiohttp's `on_startup`).

## Once, not in every worker

`ngxloop.leader.is_leader()` is true in one worker of a master at any time; when that one drains
or dies, another one that asks is the leader. `await ngxloop.leader.wait_until_leader()` waits
for that. What is to be done once before there are workers (migrations, say) is a matter for the
hook `on_bind`, which may refuse.
"""
_HOOKS = """\
Functions of the module that `--hooks` names. `slot` is the number of the worker, from 0; its
replacement has the same. A hook that raises is logged, and one that may refuse ends the start,
or the reload, with its error. The master has one thread: its hooks have to be short. The module is
run anew at every reload. It is looked for in `--app-dir`, then on Python's path, and can import the
modules beside it; with `--user` and as root, only from folders that root alone can write, see
[security.md](security.md)."""


def page() -> str:
    """Return the whole page."""
    parts = (_HEAD, _options(), _PROCESS, _hooks(), _exit_codes())
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _options() -> str:
    return "\n".join(itertools.chain.from_iterable(_group(group) for group in GROUPS))


def _group(group: type) -> Iterator[str]:
    title: str = group.title  # type: ignore[attr-defined]
    options = [option for option in OPTIONS if option.group == title]
    yield f"## {title[:1].upper() + title[1:]}\n"
    yield f"{(group.__doc__ or '').strip()}\n"
    yield from _table(("option", "environment", "default", "meaning"), map(_row, options))
    yield ""


def _row(option: Option) -> tuple[str, ...]:
    if option.is_positional:
        name = f"`{option.kind.metavar}`, in a file `{option.key}`"
    else:
        value = f"[={option.kind.metavar}]" if option.bare else f" {option.kind.metavar}".rstrip()
        short = f"`{option.short}`, " if option.short else ""
        name = f"{short}`{option.flag}{value}`"
    variables = ", ".join(f"`{name}`" for name in (option.variable, *option.variables))
    default = default_text(option)
    return name, variables, f"`{default}`" if default else "", option.meaning


def _hooks() -> str:
    rows = (
        (f"`{name}({', '.join(arguments)})`", *meaning.split(": ", 1))
        for name, (arguments, meaning) in HOOKS.items()
    )
    lines = [
        "## Hooks\n",
        f"{_HOOKS}\n",
        *_table(("hook", "in", "when"), rows),
        "",
    ]
    return "\n".join(lines)


def _exit_codes() -> str:
    rows = ((str(code.value), meaning) for code, meaning in EXIT_MEANINGS.items())
    return "\n".join(("## Exit codes\n", *_table(("code", "meaning"), rows), ""))


def _table(head: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        cells = (cell.replace("|", "\\|") for cell in row)
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(page(), end="")
