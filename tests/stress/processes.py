"""Subprocesses: exchanges by pipes, signals, ends, and those that are never waited for."""

import asyncio
import contextlib
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process

from tests.stress.pattern import is_piece, piece
from tests.stress.world import Act


async def communicate(act: Act) -> None:
    """Send the pattern through cat."""
    process = await start(act, "cat", stdin=PIPE, stdout=PIPE)
    size = act.choose(0, 1, 1_000, 300_000)
    output, _ = await process.communicate(piece(0, size))
    act.check(len(output) == size and is_piece(output, 0), f"cat gave {len(output)} of {size}")
    act.check(process.returncode == 0, f"cat ended with {process.returncode}")


async def exit_codes(act: Act) -> None:
    """Several who wait get the status that the process ended with."""
    code = act.randomness.randrange(256)
    process = await start(act, "sh", "-c", f"exit {code}", stdout=act.choose(None, PIPE, DEVNULL))
    codes = await asyncio.gather(*(process.wait() for _ in range(3)))
    act.check(codes == [code] * 3, f"exit code {codes} instead of {code}")


async def killed(act: Act) -> None:
    """A process that would run on is ended by a signal."""
    process = await start(act, "sleep", "1000", stdin=act.choose(None, PIPE))
    number = act.choose(signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
    await act.breathe()
    process.send_signal(number)
    code = await process.wait()
    act.check(code == -number, f"{number!r} ended it with {code}")


async def left_running(act: Act) -> None:
    """Nobody waits: the act's end kills it."""
    await start(act, "sleep", "1000", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    await act.breathe()


async def does_not_start(act: Act) -> None:
    """The program does not exist."""
    with contextlib.suppress(FileNotFoundError):
        await start(act, str(act.path("nothing")), stdin=PIPE, stdout=PIPE)
        act.fail("a program that does not exist was started")


async def start(act: Act, *command: str, **options: int | None) -> Process:
    """Start a process that is ended at the end of the act."""
    process = await asyncio.create_subprocess_exec(*command, **options)
    act.world.processes.add(process.pid)
    act.note(f"process {process.pid}: {command}")

    async def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        act.world.processes.discard(process.pid)
        process._transport.close()  # what communicate() did not come to
        for _ in range(5):
            await asyncio.sleep(0)

    act.defer(end)
    return process
