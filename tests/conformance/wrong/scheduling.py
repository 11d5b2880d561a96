"""Wrong uses of what schedules and runs: callbacks, timers, tasks, executors, signals."""

import asyncio
import signal

from tests.conformance.wrong.things import coroutine_function

NAN = float("nan")
INFINITY = float("inf")

WRONG_DELAYS = {
    "None": None,
    "a string": "1",
    "bytes": b"1",
    "an object": object(),
    "an integer that no float holds": 10**400,
    "a negative number": -5,
    "minus infinity": -INFINITY,
    "infinity": INFINITY,
    "the largest float": 1.7e308,
    "nan": NAN,
    "a list": [],
    "True": True,
}

WRONG_CALLBACKS = {
    "None": None,
    "a number": 3,
    "a string": "print",
    "a coroutine function": coroutine_function,
}

CALLBACKS = {
    f"{method} of {name}": lambda loop, _, method=method, callback=callback: getattr(loop, method)(
        *([3600] if method in ("call_later", "call_at") else []), callback
    )
    for method in ("call_soon", "call_soon_threadsafe", "call_later", "call_at")
    for name, callback in WRONG_CALLBACKS.items()
}

DELAYS = {
    f"{method} with {name}": lambda loop, _, method=method, delay=delay: getattr(loop, method)(
        delay, int
    )
    for method in ("call_later", "call_at")
    for name, delay in WRONG_DELAYS.items()
}

SIGNALS = {
    f"{what} with {name}": lambda loop, _, what=what, number=number: getattr(loop, what)(
        number, *([int] if what.startswith("add") else [])
    )
    for what in ("add_signal_handler", "remove_signal_handler")
    for name, number in {
        "None": None,
        "a string": "SIGINT",
        "a float": 2.0,
        "zero": 0,
        "a negative number": -1,
        "a number too large": 10**6,
        "a huge number": 10**30,
        "SIGKILL": signal.SIGKILL,
        "SIGSTOP": signal.SIGSTOP,
        "a signal nobody handles": signal.SIGUSR2,
    }.items()
}

SCHEDULING = {
    **CALLBACKS,
    **DELAYS,
    **SIGNALS,
    "call_soon without a callback": lambda loop, _: loop.call_soon(),
    "call_soon with a wrong context": lambda loop, _: loop.call_soon(int, context=3),
    "call_later with a wrong context": lambda loop, _: loop.call_later(3600, int, context="x"),
    "call_soon with an unknown keyword": lambda loop, _: loop.call_soon(int, name="x"),
    "call_later without a callback": lambda loop, _: loop.call_later(1),
    "add_signal_handler with a coroutine": lambda loop, _: loop.add_signal_handler(
        signal.SIGUSR2, coroutine_function
    ),
    "add_signal_handler with None": lambda loop, _: loop.add_signal_handler(signal.SIGUSR2, None),
    "create_task of None": lambda loop, _: loop.create_task(None),
    "create_task of a coroutine function": lambda loop, _: loop.create_task(coroutine_function),
    "create_task of a future": lambda loop, _: loop.create_task(loop.create_future()),
    "run_until_complete of None": lambda loop, _: loop.run_until_complete(None),
    "run_until_complete of a function": lambda loop, _: loop.run_until_complete(print),
    "run_until_complete of a foreign future": lambda loop, things: loop.run_until_complete(
        things.foreign_future
    ),
    "run_forever": lambda loop, _: loop.run_forever() if loop.is_running() else None,
    "close": lambda loop, _: loop.close(),
    "wrap_future of a string": lambda loop, _: asyncio.wrap_future("x", loop=loop),
    "await of a foreign future": lambda loop, things: _await(things.foreign_future),
    "run_in_executor with a wrong executor": lambda loop, _: loop.run_in_executor(3, int),
    "run_in_executor with no function": lambda loop, _: loop.run_in_executor(None, None),
    "run_in_executor without a function": lambda loop, _: loop.run_in_executor(None),
    "run_in_executor of a coroutine function": lambda loop, _: loop.run_in_executor(
        None, coroutine_function
    ),
    "set_default_executor with None": lambda loop, _: loop.set_default_executor(None),
    "set_default_executor with a string": lambda loop, _: loop.set_default_executor("x"),
    "set_task_factory with a number": lambda loop, _: loop.set_task_factory(3),
    "set_exception_handler with a number": lambda loop, _: loop.set_exception_handler(3),
    "call_exception_handler with None": lambda loop, _: loop.call_exception_handler(None),
    "call_exception_handler without arguments": lambda loop, _: loop.call_exception_handler(),
    "default_exception_handler with None": lambda loop, _: loop.default_exception_handler(None),
    "shutdown_default_executor with a string": lambda loop, _: loop.shutdown_default_executor("x"),
    "shutdown_asyncgens": lambda loop, _: loop.shutdown_asyncgens(),
    "getaddrinfo with numbers": lambda loop, _: loop.getaddrinfo(3, 3),
    "getaddrinfo with a wrong family": lambda loop, _: loop.getaddrinfo("::1", 80, family="x"),
    "getaddrinfo with a family that does not exist": lambda loop, _: loop.getaddrinfo(
        "127.0.0.1", 80, family=250
    ),
    "getaddrinfo with a wrong port": lambda loop, _: loop.getaddrinfo("127.0.0.1", object()),
    "getaddrinfo with a port too large": lambda loop, _: loop.getaddrinfo("127.0.0.1", 10**30),
    "getaddrinfo with a zero in the name": lambda loop, _: loop.getaddrinfo("a\0b", 80),
    "getnameinfo with a string": lambda loop, _: loop.getnameinfo("127.0.0.1"),
    "getnameinfo with None": lambda loop, _: loop.getnameinfo(None),
    "subprocess_exec of None": lambda loop, _: loop.subprocess_exec(
        asyncio.SubprocessProtocol, None
    ),
    "subprocess_exec of a number": lambda loop, _: loop.subprocess_exec(
        asyncio.SubprocessProtocol, 3
    ),
    "subprocess_exec of nothing": lambda loop, _: loop.subprocess_exec(asyncio.SubprocessProtocol),
    "subprocess_exec without a program": lambda loop, _: loop.subprocess_exec(
        asyncio.SubprocessProtocol, "/nonexistent"
    ),
    "subprocess_exec in text": lambda loop, _: loop.subprocess_exec(
        asyncio.SubprocessProtocol, "true", text=True
    ),
    "subprocess_exec with a shell": lambda loop, _: loop.subprocess_exec(
        asyncio.SubprocessProtocol, "true", shell=True
    ),
    "subprocess_shell of a list": lambda loop, _: loop.subprocess_shell(
        asyncio.SubprocessProtocol, ["true"]
    ),
    "subprocess_shell without a shell": lambda loop, _: loop.subprocess_shell(
        asyncio.SubprocessProtocol, "true", shell=False
    ),
}


async def _await(future: asyncio.Future[object]) -> object:
    return await future
