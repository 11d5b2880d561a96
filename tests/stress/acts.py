"""The acts, by their names: what a round chooses from, and how often."""

from collections.abc import Awaitable, Callable

from tests.stress import (
    complaints,
    datagrams,
    files,
    forks,
    pipes,
    processes,
    readers,
    signals,
    socks,
    streams,
    threads,
    timers,
    watching,
)
from tests.stress.world import Act

# A name as often as the act is to be chosen.
ACTS: dict[str, tuple[int, Callable[[Act], Awaitable[None]]]] = {
    "streams": (12, streams.exchange),
    "readers": (5, readers.ask_an_echo),
    "socks": (4, socks.carry),
    "sock_datagrams": (2, socks.datagrams),
    "refused": (1, socks.refused),
    "watching": (3, watching.watch),
    "numbers": (2, watching.reuse_numbers),
    "eventfd": (1, watching.count_in_an_eventfd),
    "datagrams": (4, datagrams.exchange),
    "pipes": (4, pipes.carry),
    "pipe_thread": (1, pipes.feed_from_a_thread),
    "cat": (1, processes.communicate),
    "exit_codes": (1, processes.exit_codes),
    "killed": (1, processes.killed),
    "left_running": (1, processes.left_running),
    "does_not_start": (1, processes.does_not_start),
    "sendfile": (2, files.over_a_transport),
    "sock_sendfile": (1, files.over_a_socket),
    "thread_calls": (2, threads.calls),
    "thread_coroutines": (1, threads.coroutines),
    "executor": (1, threads.executor),
    "names": (1, threads.names),
    "timers": (2, timers.timers),
    "tasks": (2, timers.tasks),
    "generators": (1, timers.generators),
    "signals": (2, signals.handlers),
    "complaints": (2, complaints.complain),
    "factories": (1, complaints.factories),
    "interrupt": (1, complaints.interrupt),
    "stop": (1, complaints.stop),
    "fork": (1, forks.new_loop),
}
