"""What happens to event loops when their process is forked.

A child that continues with its parent's loop, after daemonizing for example, has a working one: the
loop gets wake-up fds and an epoll instance of its own, so that it cannot disturb the parent's.
Output that waits to be joined is sent before the fork, because the child would send its copy, too.
"""

import os
import weakref

from ngxloop.core.reactor import Reactor

_loops: weakref.WeakSet[Reactor] = weakref.WeakSet()


def remember_loop(loop: Reactor) -> None:
    """Prepare a loop, as long as it exists, for each fork of its process."""
    _loops.add(loop)


def _before_fork() -> None:
    for loop in list(_loops):
        loop._before_fork()


def _after_fork_in_child() -> None:
    for loop in list(_loops):
        loop._forked()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
