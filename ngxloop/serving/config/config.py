"""Everything that can be configured, checked when it is made, and the constants of the launcher.

The options themselves stand in serving/options/, one file a group.
"""

import copy
import dataclasses
import functools
import os
import shutil
from collections.abc import Sequence

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.base.guard import import_fault, set_guard
from ngxloop.serving.base.trust import find_fault, refusal
from ngxloop.serving.config.hooks import Hooks, load_hooks
from ngxloop.serving.config.tls import Tls, check_tls, load_tls
from ngxloop.serving.options.application import (
    PROGRAM_INTERFACES,
    ApplicationOptions,
    is_module,
    is_script,
)
from ngxloop.serving.options.binds import Bind, UnixBind, complete_binds, parse_bind
from ngxloop.serving.options.http import HttpOptions
from ngxloop.serving.options.listening import ListeningOptions
from ngxloop.serving.options.logging import LogOptions
from ngxloop.serving.options.master import NO_SOCKET, MasterOptions
from ngxloop.serving.options.process import ProcessOptions
from ngxloop.serving.options.running import RunOptions
from ngxloop.serving.options.table import options_of
from ngxloop.serving.options.tls import TlsOptions
from ngxloop.serving.options.values import AUTO
from ngxloop.serving.options.websocket import WebSocketOptions
from ngxloop.serving.options.workers import WorkerOptions
from ngxloop.serving.process.cpus import usable_cpus
from ngxloop.serving.process.filewatch import check_watched_folders
from ngxloop.serving.process.initialisation import Plan, plan
from ngxloop.serving.process.privileges import find_identity, find_socket_owner, is_less_privileged


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(
    ApplicationOptions,
    ListeningOptions,
    HttpOptions,
    WebSocketOptions,
    TlsOptions,
    WorkerOptions,
    MasterOptions,
    ProcessOptions,
    LogOptions,
    RunOptions,
):
    """What to serve and how. Every field has the name of its option, - written as _.

    Raises:
        ConfigError: (a ValueError) a value cannot be used.
    """

    def __post_init__(self) -> None:
        for option in OPTIONS:
            value = getattr(self, option.name)
            try:
                option.check(value)
            except ValueError as error:
                raise ConfigError(option.key, str(error)) from None
            if option.kind.item is not None and value is not None:  # which nobody changes
                object.__setattr__(self, option.name, tuple(value))
        self._check_together()

    def _check_together(self) -> None:
        """Refuse values that contradict each other."""
        if self.preload and is_script(self.app):
            raise ConfigError("preload", f"a script cannot be preloaded: {self.app}")
        if self.arguments and not is_script(self.app):
            raise ConfigError(
                "arguments", f"only a script takes arguments, and {self.app} is not a script"
            )
        check_tls(self, [parse_bind(text) for text in self.bind or ()])
        if is_script(self.app):
            self.check_interface("script")
        elif self.interface != AUTO:
            self.check_interface(self.interface)

    def check_interface(self, interface: str) -> None:
        """Refuse options that an interface does not have, unless they have their default.

        Raises:
            ConfigError: There is one.
        """
        for option in OPTIONS:
            is_there = not option.interfaces or interface in option.interfaces
            if is_there or getattr(self, option.name) == option.default:
                continue
            whose = "a program" if interface in PROGRAM_INTERFACES else f"the interface {interface}"
            remedy = f"--interface {option.interfaces[0]} has it"
            raise ConfigError(option.key, f"{whose} does not have this option; {remedy}")

    @functools.cached_property
    def hook_functions(self) -> Hooks:
        """The operator's functions; loaded once for each configuration, see prepare()."""
        return load_hooks(self.hooks, self.app_folder)

    @functools.cached_property
    def start_plan(self) -> Plan:
        """What a worker does first; see prepare()."""
        return plan(self, self)

    @functools.cached_property
    def tls(self) -> Tls | None:
        """The certificates, read once for each configuration, see prepare(); None without any."""
        return (
            load_tls(self, is_strict=self.has_less_privileged_workers)
            if self.ssl_certfile
            else None
        )

    def with_new_certificates(self) -> "Config":
        """Return the same configuration with the certificates as they are in the files now.

        Raises:
            ConfigError: They cannot be used.
        """
        if self.tls is None:
            return self
        fresh = copy.copy(self)
        vars(fresh)["tls"] = load_tls(self, is_strict=self.has_less_privileged_workers)
        return fresh

    def speaks_tls(self, key: str) -> bool:
        """Say whether connections of an address speak TLS, given the address as the sockets do."""
        default = bool(self.ssl_certfile)
        named = {str(bind): bind.is_tls for bind in map(parse_bind, self.bind or ())}
        is_tls = named.get(key)
        return default if is_tls is None else is_tls

    def prepare(self) -> Sequence[str]:
        """Look everything up, in the master before it binds or forks; return warnings.

        Raises:
            ConfigError: A user, folder, limit, CPU, file or package is not there, or not ours.
            StartError: The hook on_config refuses the configuration.
        """
        return self._prepared

    @functools.cached_property
    def _prepared(self) -> Sequence[str]:
        if self.has_less_privileged_workers:
            self._refuse_what_others_can_write()
        self._refuse_bare_name()
        if self.reload:
            check_watched_folders(self.watched)
        _ = self.binds  # which looks up their owner
        warnings = self.start_plan.warnings
        tls_warnings = self.tls.warnings if self.tls is not None else ()
        self.hook_functions.require("on_config", self)
        return [*warnings, *tls_warnings]

    def _refuse_bare_name(self) -> None:
        """Refuse a word that is no program: who forgets :NAME is told so at once."""
        app = self.app
        if not is_script(app) or is_module(app) or app.endswith(".py") or os.sep in app:
            return
        if not os.path.exists(os.path.join(self.chdir or ".", app)) and shutil.which(app) is None:
            problem = f"{app!r} names neither an application nor a program; give MODULE:NAME"
            raise ConfigError("app", f"{problem}, for example {app.replace('-', '_')}:app")

    @property
    def has_less_privileged_workers(self) -> bool:
        """Say whether we are root and the workers are not: then root obeys root only."""
        return is_less_privileged(find_identity(self.user, self.group))

    def _refuse_what_others_can_write(self) -> None:
        """Refuse folders in which others than root could replace what we import, or our own files.

        What is imported later is examined then, see guard.py.
        """
        if fault := import_fault():
            remedy = "chown it to root, or remove it from Python's path (PYTHONPATH, python -P)"
            raise ConfigError("user", refusal(f"{fault}, and Python runs what is there", remedy))
        socket = None if self.control_socket == NO_SOCKET else self.control_socket
        for option, path in (("pidfile", self.pidfile), ("control-socket", socket)):
            folder = os.path.dirname(os.path.abspath(path)) if path is not None else "/"
            if fault := find_fault(folder):
                remedy = f"choose a folder that only root can write for {path}, for example /run"
                raise ConfigError(option, refusal(fault, remedy))
        set_guard()

    @property
    def watched(self) -> Sequence[str]:
        """Return the folders in which a change is a reason to reload."""
        return self.reload_dir or (self.app_folder,)

    @property
    def app_folder(self) -> str:
        """Return --app-dir as seen from the master, who stays where it is."""
        return os.path.join(self.chdir or ".", self.app_dir)

    @property
    def binds(self) -> list[Bind]:
        """Return the parsed addresses, each once; Unix sockets with their owner."""
        return complete_binds(self._own(parse_bind(text)) for text in self.bind or ())

    def _own(self, bind: Bind) -> Bind:
        if not isinstance(bind, UnixBind):
            return bind
        uid, gid = self._socket_owner
        return dataclasses.replace(bind, uid=uid, gid=gid)

    @functools.cached_property
    def _socket_owner(self) -> tuple[int, int]:
        return find_socket_owner(self.socket_user, self.socket_group)

    def count_copies(self, workers: int) -> int:
        """Return how many sockets a TCP address has."""
        return workers if self.accept == "reuseport" else 1

    def count_workers(self) -> tuple[int, str]:
        """Return how many workers to run, and why that many if the number was not given."""
        return usable_cpus() if isinstance(self.workers, str) else (self.workers, "")


GROUPS = Config.__bases__
OPTIONS = options_of(GROUPS)
