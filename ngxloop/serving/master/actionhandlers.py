"""What the machine wants of the master itself: configuration, listeners, logs, hooks, notices."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ngxloop.serving.admin.admin import Admin
from ngxloop.serving.admin.servicelog import log_service, warn_of_unserved
from ngxloop.serving.base.errors import StartError
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.timing import UNSERVED_SECONDS
from ngxloop.serving.config.config import Config
from ngxloop.serving.config.keypasswords import left_passwords
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.executor import Do, Executor
from ngxloop.serving.fleet.observer import Observer
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.fleet.service import GenerationService, GenerationServices, settings_of
from ngxloop.serving.handover.handover import Handover
from ngxloop.serving.logs.logs import log, reopen, set_up_logs
from ngxloop.serving.master.reconfiguration import Reconfiguration
from ngxloop.serving.process.poller import Handler, Poller, do_nothing
from ngxloop.serving.sockets.inherited import PASSWORDS, InheritedFd, WorkerCount
from ngxloop.serving.sockets.listeners import Listeners
from ngxloop.serving.sockets.reuseport import spread_listeners
from ngxloop.serving.worker.libraries import share_libraries


class ActionHandlers:
    """Does it.

    Args:
        config: Returns the one that is in force.
        executor: Takes events, and knows the machine.
        poller: Guards steps that follow each other.
        processes: The workers.
        services: What the generations serve.
        handover: The masters before and after this one.
        admin: Speaks with the outside.
        reconfiguration: Prepares reloads.
        on_serving: Called once, when the first generation serves.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        executor: Executor,
        poller: Poller,
        processes: Processes,
        services: GenerationServices,
        handover: Handover,
        admin: Admin,
        reconfiguration: Reconfiguration,
        on_serving: Callable[[], object],
    ) -> None:
        self._config = config
        self._executor = executor
        self._poller = poller
        self._processes = processes
        self._services = services
        self._handover = handover
        self._admin = admin
        self._reconfiguration = reconfiguration
        self._on_serving = on_serving
        self.observer: Observer = Observer(
            executor.tell, poller, processes, executor.machine, self._listening
        )

    @property
    def table(self) -> Mapping[type[actions.Action], Do]:
        """What is done for which action."""
        found: dict[type[actions.Action], Callable[[Any], object]] = {
            actions.PrepareConfig: self._prepare,
            actions.CloseListeners: self._close_listeners,
            actions.PrepareWorkers: self._prepare_workers,
            actions.SpreadReuseport: self._spread,
            actions.Serve: self._serve,
            actions.ReopenLogs: lambda action: self._reopen_logs(),
            actions.StartNewMaster: lambda action: self._start_new_master(),
            actions.RestoreNames: lambda action: self._handover.restore_names(),
            actions.SetReadiness: lambda action: self._handover.set_answering(action.is_answering),
            actions.Notify: lambda action: self._admin.notify(action.notice),
            actions.CallHook: self._call_hook,
        }
        return found

    def _listening(self) -> Listeners:
        service = self._services.find(self._executor.machine.fleet.listening)
        return service.listeners if service is not None else Listeners()

    # Configuration and sockets -----------------------------------------------------------------

    def _prepare(self, action: actions.PrepareConfig) -> None:
        """Read the configuration again and open the sockets that are new in it."""
        self._prune()
        number, current = action.generation, self._listening()
        try:
            if action.is_kept:  # who goes back wants workers as they were
                found = self._config(), action.count, Listeners(current.opened)
            else:
                found = self._reconfiguration.prepare(self._config(), action.count, current)
        except StartError as error:
            self._executor.tell(events.ReloadRefused(number, error))
            return
        config, count, listeners = found
        try:
            self._services.add(GenerationService(number, config, listeners))
        except BaseException:
            listeners.close(keep=current, leave_files=True)
            raise
        self._executor.tell(events.ReloadPrepared(number, settings_of(config), count))

    def _prune(self) -> None:
        """Forget what no generation and no worker needs any more."""
        fleet = self._executor.machine.fleet
        needed = {fleet.listening, *(process.service.number for process in self._processes.all)}
        needed |= {batch.number for batch in fleet.closing}
        needed |= {one.number for one in (fleet.serving, fleet.coming) if one is not None}
        self._services.prune(needed, leave_files=self._handover.is_shared)

    def _close_listeners(self, action: actions.CloseListeners) -> None:
        self._services.close(action.batch, action.kept, leave_files=self._handover.is_shared)

    def _prepare_workers(self, action: actions.PrepareWorkers) -> None:
        self._processes.prepare(self._services[action.generation].config, action.count)

    def _spread(self, action: actions.SpreadReuseport) -> None:
        service = self._services[action.generation]
        before = service.listeners.opened[:]
        try:
            spread_listeners(service.listeners, action.count, service.config.backlog)
        except StartError as error:
            log.error("%s: new workers share the sockets that there are", error.line)
        kept = service.listeners.sockets
        gone = [opened for opened in before if opened.sock not in kept]
        self._services.leave_over(action.batch, gone)

    # Serving -----------------------------------------------------------------------------------

    def _serve(self, action: actions.Serve) -> None:
        """Do what is to be done when a generation serves."""
        service = self._services[action.generation]
        config = service.config
        count = self._executor.machine.fleet.count
        steps: list[Callable[[], object]] = [lambda: self.observer.configure(config)]
        if action.is_first:
            steps += [
                lambda: log_service(service, count, self._processes.keepers),
                self._admin.tell_first_serving,
                self._handover.tell_ready,
                self._on_serving,
            ]
        else:
            steps.insert(0, self._set_up_logs_again)
            steps.append(lambda: self._admin.configure(config))
            steps.append(lambda: self._admin.notify(actions.Notice.SERVING))
        steps.append(lambda: share_libraries(service.interface))  # last: it takes a while
        for step in steps:
            self._poller.call(Handler(HandlerName.SERVING_STEP, step))
        look = functools.partial(self._look_for_unserved, service)
        handler = Handler(HandlerName.UNSERVED_CHECK, look, do_nothing)
        self._poller.call_later(UNSERVED_SECONDS, handler)

    def _look_for_unserved(self, service: GenerationService) -> None:
        fleet = self._executor.machine.fleet
        is_serving = fleet.serving is not None and fleet.serving.number == service.number
        if is_serving and not fleet.is_ending:
            warn_of_unserved(service)

    def _set_up_logs_again(self) -> None:
        config = self._config()
        try:
            set_up_logs(config, owner_uid=config.start_plan.uid)
        except StartError as error:  # the file that is open already goes on
            log.error("%s", error.line)
        self._admin.reopen_logs()

    def _reopen_logs(self) -> None:
        reopen()
        self._admin.reopen_logs()
        self._processes.zygotes.reopen_logs()
        self._processes.keepers.reopen_logs()

    def _call_hook(self, action: actions.CallHook) -> None:
        service = self._services[action.generation]
        service.config.hook_functions.call(action.name, *action.arguments)

    def _start_new_master(self) -> None:
        with left_passwords() as fd:
            passwords = [InheritedFd(PASSWORDS, "", fd)] if fd is not None else []
            others = [*self._admin.hand_over(), *passwords]
            workers = WorkerCount(self._config().workers, self._executor.machine.fleet.count)
            self._handover.start(self._listening(), others, workers)
