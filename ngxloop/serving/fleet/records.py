"""What the machine knows: workers, generations, and all of them together."""

import dataclasses

from ngxloop.serving.base.errors import StartError
from ngxloop.serving.base.states import State, WorkerTransition, next_state
from ngxloop.serving.fleet.journal import Record
from ngxloop.serving.fleet.names import ProcessId, WorkerId, WorkerName
from ngxloop.serving.fleet.phases import (
    ENDING,
    LEAVING,
    PHASES,
    STAGES,
    Change,
    Move,
    Phase,
    Stage,
)
from ngxloop.serving.fleet.settings import Settings

# Processes for each worker: one serves, one comes, one still drains, and one in reserve that no
# reload uses up, for workers that drain by themselves.
SLOTS_PER_WORKER = 4
# For each worker: one to fill and the one in reserve.
SLOTS_FOR_A_RELOAD = 2


@dataclasses.dataclass(eq=False)
class History(Record):
    """What is known of the earlier processes of a worker; its replacement goes on with it."""

    spawn_count: int = 0
    early_exits: int = 0  # of processes in a row that ended soon after they were ready, or before
    young_max_requests: int = 0  # of those in a row that had served --max-requests by then
    last_exit: str = ""  # how and why the last process ended


@dataclasses.dataclass(eq=False)
class Worker(Record):
    """One of the N workers of a generation: its state, and its process while there is one."""

    number: int
    generation: "Generation"
    history: History
    state: State = State.DEAD
    id: WorkerId | None = None  # while there is a process
    deadline: float | None = None  # what happens then depends on the state
    started_at: float = 0.0
    ready_at: float | None = None
    old_at: float | None = None  # when it has served for as long as it may
    failure: StartError | None = None  # why it could not start
    is_accepting: bool = False  # False once it says that it drains
    is_leaving: bool = False  # it is not replaced any more
    is_killed: bool = False
    reopen_at: float | None = None  # when it is told again to open its log files
    is_shown: bool = False  # it was told to write its stacks, because it is to be killed
    drain_began_at: float = 0.0  # since when it may drain
    drain_seconds: float | None = None  # how long it may drain; None: see its settings
    exit_cause: str = ""  # why the master ends it, if it does
    is_end_counted: bool = False
    # Replacement of one that still serves
    reason: str = ""  # why it is to be replaced
    replace_at: float | None = None  # when that is begun
    predecessor: "Worker | None" = None  # it starts to take the place of this one
    # Hang
    dumped_turns: int | None = None  # the turns of its loop when it was told to write its stacks
    judged_at: float = 0.0  # it has to turn its loop again until then
    silent_seconds: float = 0.0  # how long it had not turned it

    @property
    def name(self) -> WorkerName:
        """What log lines call it."""
        return WorkerName(self.generation.number, self.number, self.id)

    @property
    def process(self) -> ProcessId:
        """Its process id, in a log line."""
        assert self.id is not None
        return ProcessId(self.id)

    @property
    def is_live(self) -> bool:
        """Say whether there is a process."""
        return self.id is not None

    def advance(self, event: WorkerTransition) -> bool:
        """Follow the state table; False if the event changes nothing."""
        old = self.state
        fresh = next_state(old, event)
        if fresh is old:
            return False
        self.state = fresh
        return True


@dataclasses.dataclass(eq=False)
class Generation(Record):
    """The workers that were started together, by the start or by one reload."""

    number: int
    settings: Settings
    stage: Stage = Stage.PREPARING
    workers: tuple[Worker, ...] = ()

    def move(self, move: Move) -> None:
        """Follow the table of stages."""
        self.stage = STAGES.get((self.stage, move), self.stage)

    @property
    def is_ready(self) -> bool:
        """Say whether every worker is."""
        return all(worker.state is State.READY for worker in self.workers)

    def add(self) -> Worker:
        """Add a worker behind the others, and return it; it has no process."""
        worker = Worker(self.journal, len(self.workers), self, History(self.journal))
        self.workers = (*self.workers, worker)
        return worker

    def put(self, worker: Worker) -> None:
        """Put a worker where the one with its number is."""
        before, after = self.workers[: worker.number], self.workers[worker.number + 1 :]
        self.workers = (*before, worker, *after)

    def replacement(self, worker: Worker) -> Worker:
        """Return another worker with the same number and history, without a process."""
        return Worker(self.journal, worker.number, self, worker.history)


@dataclasses.dataclass(frozen=True)
class Batch:
    """Sockets that are closed when nobody accepts on them any more."""

    number: int  # of the generation; below 0 for those that a SpreadReuseport has left over
    workers: tuple[Worker, ...] | None = None  # who may; None for all of the generation


@dataclasses.dataclass(frozen=True)
class Request:
    """Somebody who waits for a reload or for a number of workers."""

    number: int
    count: int = 0


@dataclasses.dataclass(eq=False)
class Fleet(Record):
    """Everything that the machine knows."""

    most: int  # workers that there can be
    free_slots: frozenset[int]
    has_old_master: bool = False
    settings: Settings = dataclasses.field(default_factory=Settings)  # as it is now
    phase: Phase = Phase.STARTING
    count: int = 0  # of the workers that are wanted
    number: int = 0  # of the newest generation
    incarnation: int = 0  # of the newest process
    serving: Generation | None = None
    coming: Generation | None = None  # not all of it is ready yet
    live: dict[WorkerId, Worker] = dataclasses.field(default_factory=dict)  # never changed: copied
    leaving: tuple[Worker, ...] = ()  # they drain or stop, and are not replaced
    replacements: tuple[Worker, ...] = ()  # they start, to take the place of one that serves
    wanted: tuple[Worker, ...] = ()  # to be replaced, in this order
    replaced: tuple[Worker, ...] = ()  # they drain, their replacements serve
    replacement_failures: int = 0  # in a row
    has_served: bool = False
    listening: int = 1  # the newest generation that has served, or the first; its sockets stay open
    closing: tuple[Batch, ...] = ()
    batch: int = 0  # the number of the last SpreadReuseport
    # Reloads
    is_reload_wanted: bool = False
    retry_at: float | None = None  # when a failed one is tried again, as nothing serves
    retry_count: int = 0  # in a row
    is_delay_logged: bool = False  # the log says that the reload waits
    reloads_ok: int = 0
    reloads_failed: int = 0
    reload_error: str = ""  # of the last one that failed
    # Requests that wait for an outcome
    asked_reloads: tuple[int, ...] = ()  # for the reload that is wanted
    begun_reloads: tuple[int, ...] = ()  # for the one that goes on
    asked_scales: tuple[Request, ...] = ()
    asked_upgrades: tuple[int, ...] = ()
    # Health
    relisten_at: float = 0.0  # no reload for a listener before this
    # The end
    told_at: float = 0.0  # when the first order to end came
    drain_at: float | None = None  # when the drain delay is over
    is_new_master_starting: bool = False  # a new master is on its way, and has no process id yet
    new_master: int = 0  # its process id
    is_new_master_ready: bool = False  # it has said so; it can say it again

    @property
    def is_ending(self) -> bool:
        """Say whether the master was told to end."""
        return self.phase in ENDING

    @property
    def is_leaving(self) -> bool:
        """Say whether no worker is to accept any more."""
        return self.phase in LEAVING

    @property
    def is_shared(self) -> bool:
        """Say whether another master uses the sockets, too."""
        return bool(self.new_master) or self.has_old_master

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All workers, with a process or without."""
        coming = self.coming.workers if self.coming is not None else ()
        serving = self.serving.workers if self.serving is not None else ()
        return (*coming, *serving, *self.replacements, *self.leaving)

    @property
    def room(self) -> int:
        """How many more processes there may be."""
        # A reload with fewer workers still needs room beside those that serve.
        serving = len(self.serving.workers) if self.serving is not None else 0
        most = SLOTS_PER_WORKER * max(self.count, serving)
        return min(most - len(self.live), len(self.free_slots))

    def change(self, change: Change) -> bool:
        """Follow the table of phases; False if nothing changes."""
        fresh = PHASES.get((self.phase, change), self.phase)
        if fresh is self.phase:
            return False
        self.phase = fresh
        return True
