"""nest_asyncio and nest_asyncio2: runs inside runs. Each program patches a process of its own."""

import sys
import textwrap

import pytest

from tests.packages.peers import need
from tests.support.programs import run_program

need("nest_asyncio")
need("nest_asyncio2")

PRELUDE = """
    import asyncio, signal, threading, warnings
    import ngxloop
    import {package} as nest

    warnings.simplefilter("ignore", DeprecationWarning)  # of policies, which the packages patch
    loop = ngxloop.new_event_loop()
    asyncio.set_event_loop(loop)

    async def answer(number=42, delay=0.001):
        await asyncio.sleep(delay)
        return number
"""

BEFORE_THE_LOOP_RUNS = """
    nest.apply(loop)

    async def main():
        return loop.run_until_complete(answer())

    assert loop.run_until_complete(main()) == 42
"""

WHILE_THE_LOOP_RUNS = """
    async def main():
        nest.apply(loop)
        assert loop.run_until_complete(answer()) == 42
        return await answer()

    assert loop.run_until_complete(main()) == 42
"""

WITHOUT_AN_ARGUMENT = """
    async def main():
        nest.apply()
        return asyncio.run(answer())

    assert loop.run_until_complete(main()) == 42
"""

LOOPS_MADE_LATER = """
    nest.apply(loop)
    other = ngxloop.new_event_loop()

    async def main():
        return other.run_until_complete(answer())

    assert other.run_until_complete(main()) == 42
    other.close()
"""

A_LOOP_OF_ANOTHER_THREAD_GOES_ON = """
    other = ngxloop.new_event_loop()
    thread = threading.Thread(target=other.run_forever)
    thread.start()
    nest.apply(loop)

    async def main():
        future = asyncio.run_coroutine_threadsafe(answer(), other)
        return loop.run_until_complete(asyncio.wrap_future(future))

    assert loop.run_until_complete(main()) == 42
    other.call_soon_threadsafe(other.stop)
    thread.join()
    other.close()
"""

THREE_DEEP = """
    nest.apply(loop)

    async def nested(depth):
        await asyncio.sleep(0)
        if not depth:
            return 42
        task = asyncio.current_task()
        number = asyncio.run(nested(depth - 1))
        assert asyncio.current_task() is task
        await asyncio.sleep(0)
        return number

    assert asyncio.run(nested(3)) == 42
"""

IN_A_CALLBACK = """
    nest.apply(loop)
    done = loop.create_future()
    loop.call_soon(lambda: done.set_result(loop.run_until_complete(answer())))
    rest = loop.create_future()
    loop.call_soon(rest.set_result, "rest")
    assert loop.run_until_complete(done) == 42
    assert loop.run_until_complete(rest) == "rest"
"""

IN_A_SIGNAL_HANDLER = """
    nest.apply(loop)
    done = loop.create_future()
    loop.add_signal_handler(
        signal.SIGUSR1, lambda: done.set_result(loop.run_until_complete(answer()))
    )
    loop.call_later(0.01, signal.raise_signal, signal.SIGUSR1)
    assert loop.run_until_complete(done) == 42
    loop.remove_signal_handler(signal.SIGUSR1)
"""

GATHER = """
    nest.apply(loop)

    async def nested():
        return loop.run_until_complete(asyncio.gather(*(answer(n, 0.001 * n) for n in range(5))))

    async def main():
        ticking = asyncio.create_task(tick())
        numbers = await asyncio.gather(nested(), nested(), answer())
        ticking.cancel()
        return numbers

    async def tick():
        while True:
            await asyncio.sleep(0.0001)

    assert asyncio.run(main()) == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], 42]
"""

TIMEOUTS_AND_EXCEPTIONS = """
    nest.apply(loop)

    async def main():
        try:
            asyncio.run(asyncio.wait_for(answer(delay=30), 0.001))
        except asyncio.TimeoutError:
            pass
        else:
            raise AssertionError("no time-out")
        try:
            asyncio.run(fail())
        except ZeroDivisionError:
            return await answer()

    async def fail():
        await asyncio.sleep(0)
        1 / 0

    assert asyncio.run(main()) == 42
"""

STOP_INSIDE = """
    nest.apply(loop)

    async def main():
        loop.call_soon(loop.stop)
        try:
            loop.run_until_complete(loop.create_future())
        except RuntimeError as exc:
            return str(exc)

    task = loop.create_task(main())
    loop.run_forever()
    assert loop.run_until_complete(task) == "Event loop stopped before Future completed."
"""

STREAMS = """
    from tests.support.tls import client_context, server_context

    nest.apply(loop)
    secure = {secure}

    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(asyncio.run(answer(line.upper())))  # a run in the middle of the reading
        writer.close()
        await writer.wait_closed()

    async def ask(address, number):
        reader, writer = await asyncio.open_connection(
            *address,
            ssl=client_context() if secure else None,
            server_hostname="localhost" if secure else None,
        )
        for turn in range(3):
            writer.write(b"word %d\\n" % turn)
            assert asyncio.run(reader.readline()) == b"WORD %d\\n" % turn
        writer.write(b"x" * 300_000 + b"\\n")
        size = 0
        while size < 300_001:
            size += len(await reader.read(100_000))
        writer.close()
        await writer.wait_closed()
        return number

    async def main():
        server = await asyncio.start_server(
            serve, "127.0.0.1", 0, limit=1 << 20, ssl=server_context() if secure else None
        )
        address = server.sockets[0].getsockname()
        numbers = await asyncio.gather(*(ask(address, number) for number in range(3)))
        server.close()
        await server.wait_closed()
        return numbers

    assert asyncio.run(main()) == [0, 1, 2]
"""

PROCESSES_AND_THREADS = """
    nest.apply(loop)

    async def main():
        process = asyncio.run(
            asyncio.create_subprocess_exec("echo", "word", stdout=asyncio.subprocess.PIPE)
        )
        output, _ = loop.run_until_complete(process.communicate())
        assert output == b"word\\n", output
        return asyncio.run(asyncio.to_thread(lambda: 42))

    assert asyncio.run(main()) == 42
"""

PROGRAMS = {
    "before_the_loop_runs": BEFORE_THE_LOOP_RUNS,
    "while_the_loop_runs": WHILE_THE_LOOP_RUNS,
    "without_an_argument": WITHOUT_AN_ARGUMENT,
    "loops_made_later": LOOPS_MADE_LATER,
    "a_loop_of_another_thread_goes_on": A_LOOP_OF_ANOTHER_THREAD_GOES_ON,
    "three_deep": THREE_DEEP,
    "in_a_callback": IN_A_CALLBACK,
    "in_a_signal_handler": IN_A_SIGNAL_HANDLER,
    "gather": GATHER,
    "timeouts_and_exceptions": TIMEOUTS_AND_EXCEPTIONS,
    "stop_inside": STOP_INSIDE,
    "streams": STREAMS.replace("{secure}", "False"),
    "streams_with_tls": STREAMS.replace("{secure}", "True"),
    "processes_and_threads": PROCESSES_AND_THREADS,
}

PACKAGES = ["nest_asyncio2"]
if sys.version_info < (3, 14):  # nest_asyncio is not made for what follows
    PACKAGES.append("nest_asyncio")


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_run_inside_a_run(program, package):
    prelude = textwrap.dedent(PRELUDE).replace("{package}", package)
    end = "\nloop.run_until_complete(loop.shutdown_default_executor())\nloop.close()\n"
    run_program(prelude + textwrap.dedent(program) + end)
