from typing_extensions import disjoint_base

from ngxloop.core.reactor import Reactor

@disjoint_base
class Timed: ...

def timer_ran(timed: Timed, loop: Reactor) -> None: ...
