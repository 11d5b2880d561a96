"""Mistakes in the machine, each of which the simulation has to find."""

import contextlib
import importlib
import importlib.util
import sys
from pathlib import Path

import ngxloop.serving.fleet

PACKAGE = "ngxloop.serving.fleet"
FOLDER = Path(ngxloop.serving.fleet.__file__).parent

_OTHER_PROCESS = """
        live = decision.fleet.live
        worker = next((live[one] for one in live if one.slot == event.worker.slot), None)
        if worker is not None:
"""

# Name: file, what stands there, what stands there instead.
MUTANTS = {
    "half of the workers are replaced at once": (
        "recycling",
        "limit = max(1, fleet.count // 4)",
        "limit = max(1, fleet.count // 2)",
    ),
    "who drains for a replacement is not counted": (
        "recycling",
        "fleet.replaced = (*fleet.replaced, old)",
        "pass",
    ),
    "the old worker drains before its replacement is ready": (
        "recycling",
        "    workers.spawn(decision, replacement)\n",
        "    workers.spawn(decision, replacement)\n    drain(decision, worker)\n",
    ),
    "a starting worker that is sent away has no deadline": (
        "workers",
        "worker.deadline = worker.drain_began_at + min(_drain_limit(worker), STOP_SECONDS)",
        "worker.deadline = None",
    ),
    "a worker that has to write its stacks has no deadline": (
        "workers",
        "worker.deadline = decision.now + STACK_SECONDS",
        "worker.deadline = None",
    ),
    "a killed worker is not killed again": (
        "workers",
        "worker.deadline = decision.now + KILL_AGAIN_SECONDS",
        "worker.deadline = None",
    ),
    "a slot is not taken back": ("workers", "fleet.free_slots |= {worker.id.slot}", "pass"),
    "a slot is not freed": ("workers", "decision.act(Release(worker.id))", "pass"),
    "two processes have one name": ("workers", "fleet.incarnation += 1", "pass"),
    "back-off has no limit": (
        "spawning",
        "float(min(BACKOFF_SECONDS * 2 ** min(early_exits - 2, 30), BACKOFF_LIMIT_SECONDS))",
        "float(BACKOFF_SECONDS * 2 ** min(early_exits - 2, 30))",
    ),
    "sockets are closed while workers accept": (
        "socketdecisions",
        "and not _is_used(fleet, one)]",
        "]",
    ),
    "sockets of a reload that is prepared too late stay open": (
        "generations",
        "        decision.act(CloseListeners(number))\n        return",
        "        return",
    ),
    "old sockets stay open at the end": (
        "socketdecisions",
        "{fleet.listening, *(batch.number for batch in fleet.closing)}",
        "{fleet.listening}",
    ),
    "sockets of a failed generation stay open": (
        "generations",
        "decision.act(CloseListeners(coming.number, frozenset({fleet.listening})))",
        "pass",
    ),
    "left over sockets of reuseport stay open": (
        "socketdecisions",
        "fleet.closing = (*fleet.closing, Batch(fleet.batch, surplus))",
        "pass",
    ),
    "a generation serves when one worker is ready": (
        "generations",
        "coming.stage is Stage.STARTING and coming.is_ready",
        "coming.stage is Stage.STARTING and any(w.ready_at for w in coming.workers)",
    ),
    "the old generation stays": (
        "generations",
        "        drain_all(decision, old)\n    if",
        "    if",
    ),
    "a second reload begins in the first": (
        "generations",
        "if not fleet.is_reload_wanted or fleet.coming is not None or fleet.is_leaving:",
        "if not fleet.is_reload_wanted or fleet.is_leaving:",
    ),
    "a failed generation leaves its number of workers": (
        "generations",
        "fleet.count = len(fleet.serving.workers)",
        "pass",
    ),
    "surplus workers keep their places": (
        "generations",
        "generation.workers = generation.workers[:count]",
        "pass",
    ),
    "a worker that is gone still leaves": (
        "workerevents",
        "fleet.leaving = tuple(one for one in fleet.leaving if one is not worker)",
        "pass",
    ),
    "a worker that drains by itself is not replaced": (
        "workerevents",
        "generation.put(replacement or generation.replacement(worker))",
        "pass",
    ),
    "a ready worker keeps its deadline": (
        "workerevents",
        "    worker.deadline = None\n    worker.ready_at",
        "    worker.ready_at",
    ),
    "an event of an earlier process in the slot counts": (
        "machine",
        "worker = decision.fleet.live.get(event.worker)\n        if worker is not None:\n",
        _OTHER_PROCESS,
    ),
    "a failed reload is not tried again while nothing serves": (
        "liveness",
        "        generations.want_reload(decision)\n    for worker",
        "        fleet.retry_at = None\n    for worker",
    ),
    "an order that was lost is not given again": (
        "liveness",
        "            workers.reopen(decision, worker)",
        "            pass",
    ),
    "the master ends before the last worker": (
        "machine",
        "if not fleet.live:",
        "if len(fleet.live) <= 1:",
    ),
    "at the end replacements are forgotten": (
        "shutdown",
        "for worker in fleet.workers:\n        workers.drain",
        "for worker in fleet.serving.workers if fleet.serving else ():\n        workers.drain",
    ),
    "a reload is answered twice": (
        "pendingorders",
        "begun_reloads, problem)\n    decision.fleet.begun_reloads = ()",
        "begun_reloads, problem)",
    ),
    "orders are forgotten at the end": ("shutdown", "    pendingorders.answer_all(decision)\n", ""),
}


class _Loader:
    """Loads the modules of the machine, one of them changed."""

    def __init__(self, name, old, new):
        self._name, self._old, self._new = name, old, new

    def find_spec(self, name, path, target=None):
        if name.rpartition(".")[0] == PACKAGE:
            return importlib.util.spec_from_loader(name, self)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__.rpartition(".")[2]
        text = (FOLDER / f"{name}.py").read_text()
        if name == self._name:
            assert text.count(self._old) == 1, f"{name}.py has changed: {self._old}"
            text = text.replace(self._old, self._new)
        exec(compile(text, f"{name}.py", "exec"), vars(module))


def _modules():
    """Return the modules of the machine and of its tests that are imported now."""
    packages = (PACKAGE, "tests.serving.fleet")
    return {name: module for name, module in sys.modules.items() if name.startswith(packages)}


def _forget(names):
    for name in names:
        del sys.modules[name]
        parent, _, last = name.rpartition(".")
        vars(sys.modules.get(parent, sys)).pop(last, None)


@contextlib.contextmanager
def mutated_machine(name):
    """Import the machine with a mistake in it, and what tests it beside it; give simulate()."""
    hidden = _modules()
    _forget(hidden)
    loader = _Loader(*MUTANTS[name])
    sys.meta_path.insert(0, loader)
    try:
        yield importlib.import_module("tests.serving.fleet.simulation")
    finally:
        sys.meta_path.remove(loader)
        _forget(_modules())
        sys.modules.update(hidden)
        for one, module in hidden.items():
            parent, _, last = one.rpartition(".")
            setattr(sys.modules[parent], last, module)
