"""What a worker does before its loop: become the process that the options describe.

Two halves. plan() runs in the master before any worker is touched: it looks everything up and
refuses, in one line, what cannot be. apply() runs in the fresh worker, in nginx's order
(ngx_worker_process_init): STEPS is that order. Limits are set and the priority is raised while we
are still root; folder and mask come after the user, so that permissions are the user's.
"""

import dataclasses
import os
import resource
from collections.abc import Callable, Iterable
from pathlib import Path

from ngxloop.serving.base.errors import ConfigError, ExitCode, StartError
from ngxloop.serving.base.guard import remove_guard
from ngxloop.serving.logs.logfiles import check_log_file
from ngxloop.serving.options.logging import STANDARD_OUTPUT, LogOptions
from ngxloop.serving.options.process import ProcessOptions
from ngxloop.serving.process.affinity import Affinity, affinity_warning, cpus_of, plan_affinity
from ngxloop.serving.process.cpus import cgroup_quota
from ngxloop.serving.process.privileges import (
    Identity,
    find_identity,
    is_less_privileged,
    refuse_new_privileges,
)
from ngxloop.serving.process.rlimits import plan_limits, set_limits
from ngxloop.serving.process.variables import Variables, plan_variables


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that the steps need, looked up."""

    options: ProcessOptions
    variables: Variables
    limits: dict[int, int]
    identity: Identity | None
    affinity: tuple[Affinity, bool] | None
    warnings: tuple[str, ...]
    uid: int | None  # the user that workers become, None for that of the master

    def apply(self, number: int) -> None:
        """Take all steps; for the worker of that number, from 0.

        Raises:
            StartError: The kernel refuses one, which it did not when we asked in the master.
        """
        self._take(STEPS, number)

    def apply_shared(self) -> None:
        """Take the steps that are the same for all workers; see apply()."""
        self._take([name for name in STEPS if name not in OWN_STEPS], 0)

    def apply_own(self, number: int) -> None:
        """Take the other steps, in a fork of a process that has taken the shared ones."""
        self._take(OWN_STEPS, number)

    def apply_to_keeper(self) -> None:
        """Take the steps that decide about rights; see apply()."""
        self._take(("user", "umask"), 0, "the keeper of the sockets")

    def _take(self, names: Iterable[str], number: int, who: str = "a worker") -> None:
        for name in names:
            step = STEPS[name]
            try:
                step(self, number)
            except OSError as error:
                line = f"{who} cannot set its {name}: {error}; check --{name}"
                raise StartError(ExitCode.START_FAILED, line) from error


def plan(options: ProcessOptions, logs: LogOptions) -> Plan:
    """Look everything up.

    Raises:
        ConfigError: An option names what does not exist, or what we may not do.
    """
    identity = find_identity(options.user, options.group)
    uid = _other_uid(identity)
    variables = plan_variables(
        options.env, options.env_file, is_strict=is_less_privileged(identity)
    )
    check_log_file("error-log", logs.error_log, uid)
    if logs.access_log != STANDARD_OUTPUT:
        check_log_file("access-log", logs.access_log, uid)
    _check_nice(options.nice)
    _check_folder(options.chdir)
    affinity = None if options.cpu_affinity is None else plan_affinity(options.cpu_affinity)
    warning = ""
    if affinity is not None:
        warning = affinity_warning(cgroup_quota(), len(os.sched_getaffinity(0)))
    return Plan(
        options=options,
        variables=variables,
        limits=plan_limits(options.rlimit_nofile, options.rlimit_core),
        identity=identity,
        affinity=affinity,
        warnings=(warning,) if warning else (),
        uid=uid,
    )


def _other_uid(identity: Identity | None) -> int | None:
    return None if identity is None or identity.uid == os.geteuid() else identity.uid


def _check_nice(nice: int | None) -> None:
    """Refuse a priority that we may not have: RLIMIT_NICE holds 20 minus the best one."""
    if nice is None or nice >= os.getpriority(os.PRIO_PROCESS, 0) or os.geteuid() == 0:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_NICE)
    if limit != resource.RLIM_INFINITY and nice < 20 - limit:
        advice = "give a higher number, or start as root"
        raise ConfigError("nice", f"only root may raise a priority to {nice}; {advice}")


def _check_folder(folder: str | None) -> None:
    if folder is not None and not Path(folder).is_dir():
        raise ConfigError("chdir", f"there is no folder {folder!r}; create it, or give another")


# The steps -----------------------------------------------------------------------------------


def _set_variables(plan: Plan, number: int) -> None:
    login = {} if plan.identity is None else plan.identity.variables(os.environ)
    plan.variables.apply(os.environ, login)


def _set_priority(plan: Plan, number: int) -> None:
    if plan.options.nice is not None:
        os.setpriority(os.PRIO_PROCESS, 0, plan.options.nice)


def _set_limits(plan: Plan, number: int) -> None:
    set_limits(plan.limits)


def _drop_privileges(plan: Plan, number: int) -> None:
    if plan.identity is not None:
        plan.identity.drop_privileges()
        if is_less_privileged(plan.identity):
            remove_guard()  # what is imported from now on runs as that user
            if not plan.options.allow_new_privileges:
                refuse_new_privileges()


def _pin(plan: Plan, number: int) -> None:
    if plan.affinity is not None:
        os.sched_setaffinity(0, cpus_of(*plan.affinity, number))


def _set_umask(plan: Plan, number: int) -> None:
    if plan.options.umask is not None:
        os.umask(plan.options.umask)


def _change_folder(plan: Plan, number: int) -> None:
    if plan.options.chdir is not None:
        os.chdir(plan.options.chdir)


STEPS: dict[str, Callable[[Plan, int], None]] = {
    "env": _set_variables,
    "nice": _set_priority,
    "rlimit-nofile": _set_limits,
    "user": _drop_privileges,
    "cpu-affinity": _pin,
    "umask": _set_umask,
    "chdir": _change_folder,
}
OWN_STEPS = ("cpu-affinity",)
