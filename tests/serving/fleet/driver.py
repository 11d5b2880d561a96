"""A machine that is told events at times of a test's choice, and what it has wanted."""

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.states import State
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.machine import Machine
from ngxloop.serving.fleet.settings import Settings

ERROR = StartError(ExitCode.IMPORT_FAILED, "it raised")


class Fleet:
    """A machine, and the actions that it has wanted."""

    def __init__(self, count=1, most=8, has_old_master=False, **settings):
        self.machine = Machine(most, has_old_master)
        self.now = 100.0
        self.done = []
        self.tell(events.Start(Settings(**settings), count))

    @property
    def fleet(self):
        return self.machine.fleet

    def tell(self, event, after=0.0):
        """Return what follows; forks and configurations succeed at once."""
        self.now += after
        done = self.machine.handle(event, self.now)
        for action in done[:]:
            if isinstance(action, actions.Spawn):
                done += self.tell(events.Spawned(action.worker))
            elif isinstance(action, actions.PrepareConfig):
                prepared = events.ReloadPrepared(
                    action.generation, self.fleet.settings, action.count
                )
                done += self.tell(prepared)
        self.done += done
        return done

    def ready(self):
        """Let all workers that start be ready."""
        for name, worker in list(self.fleet.live.items()):
            if worker.state is State.STARTING:
                self.tell(events.Ready(name))
        return self

    def exit(self, name, code=0):
        return self.tell(events.Exited(name, code, f"exited with code {code}"))

    @property
    def serving(self):
        return [worker.id for worker in self.fleet.serving.workers]

    @property
    def first(self):
        return self.serving[0]

    @property
    def old(self):
        """The only worker of the generation that has rested."""
        (name,) = (one.id for one in self.fleet.leaving if one.generation.number == 1)
        return name

    def state(self, name):
        worker = self.fleet.live.get(name)
        return State.DEAD if worker is None else worker.state


def kinds(done):
    return [type(action) for action in done if not isinstance(action, actions.Log)]


def found(done, kind):
    return [action for action in done if isinstance(action, kind)]


def orders(done):
    return [(action.worker, action.order) for action in found(done, actions.Send)]


def texts(done):
    return [
        action.text % action.arguments if action.arguments else action.text
        for action in found(done, actions.Log)
        if "process %d" not in action.text
    ]
