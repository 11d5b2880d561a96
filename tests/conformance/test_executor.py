"""run_in_executor, the default executor and its shutdown, name resolution in it."""

import asyncio
import concurrent.futures
import socket
import sys
import threading

import pytest

from tests.support.waiting import DEADLINE


def test_run_in_executor_returns_the_result(loop):
    assert loop.run_until_complete(loop.run_in_executor(None, divmod, 7, 2)) == (3, 1)


def test_run_in_executor_raises_what_the_function_raises(loop):
    def fail():
        raise LookupError("from the thread")

    with pytest.raises(LookupError, match="from the thread"):
        loop.run_until_complete(loop.run_in_executor(None, fail))


def test_threads_of_the_default_executor_are_named_asyncio(loop):
    name = loop.run_until_complete(
        loop.run_in_executor(None, lambda: threading.current_thread().name)
    )

    assert name.startswith("asyncio_")


def test_run_in_executor_uses_the_executor_it_is_given(loop):
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
        name = loop.run_until_complete(
            loop.run_in_executor(executor, lambda: threading.current_thread().name)
        )

    assert name == "mine_0"


def test_set_default_executor_changes_where_functions_run(loop):
    executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine")
    loop.set_default_executor(executor)

    name = loop.run_until_complete(
        loop.run_in_executor(None, lambda: threading.current_thread().name)
    )

    assert name == "mine_0"
    loop.run_until_complete(loop.shutdown_default_executor())


def test_set_default_executor_refuses_what_is_no_thread_pool(loop):
    with pytest.raises(TypeError, match=r"^executor must be ThreadPoolExecutor instance$"):
        loop.set_default_executor(concurrent.futures.Executor())


def test_functions_in_the_executor_do_not_block_the_loop(loop):
    started, release = threading.Event(), threading.Event()

    def block():
        started.set()
        assert release.wait(DEADLINE)
        return "released"

    async def main():
        future = loop.run_in_executor(None, block)
        while not started.is_set():
            await asyncio.sleep(0.001)
        assert not future.done()
        release.set()
        return await future

    assert loop.run_until_complete(main()) == "released"


def test_shutdown_default_executor_waits_for_its_functions(loop):
    release = threading.Event()
    finished = []

    def block():
        assert release.wait(DEADLINE)
        finished.append(1)

    async def main():
        future = loop.run_in_executor(None, block)
        loop.call_soon(release.set)
        await loop.shutdown_default_executor()
        assert finished == [1]
        await future

    loop.run_until_complete(main())


def test_shutdown_default_executor_can_be_called_without_an_executor(loop):
    loop.run_until_complete(loop.shutdown_default_executor())


def test_run_in_executor_is_refused_after_shutdown(loop):
    loop.run_until_complete(loop.shutdown_default_executor())

    with pytest.raises(RuntimeError, match=r"^Executor shutdown has been called$"):
        loop.run_in_executor(None, print)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.11 has no time-out, 3.12's blocks")
def test_shutdown_default_executor_gives_up_after_its_timeout_and_warns(loop):
    release = threading.Event()

    async def main():
        future = loop.run_in_executor(None, release.wait)
        message = r"The executor did not finishing joining its threads within 0\.01 seconds\."
        with pytest.warns(RuntimeWarning, match=message):
            await loop.shutdown_default_executor(timeout=0.01)
        release.set()
        await future

    loop.run_until_complete(main())


def test_close_does_not_wait_for_functions_in_the_executor(loop_factory):
    loop = loop_factory()
    started, release, ended = threading.Event(), threading.Event(), threading.Event()

    def block():
        started.set()
        release.wait(DEADLINE)
        ended.set()

    loop.run_in_executor(None, block)
    assert started.wait(DEADLINE)
    loop.close()
    assert not ended.is_set()

    release.set()
    assert ended.wait(DEADLINE)


async def test_getaddrinfo_returns_what_the_socket_module_returns():
    loop = asyncio.get_running_loop()
    for host, port, options in [
        ("127.0.0.1", 80, {"type": socket.SOCK_STREAM}),
        ("127.0.0.1", 80, {}),
        ("localhost", 443, {"type": socket.SOCK_STREAM, "family": socket.AF_INET}),
        (None, 8080, {"type": socket.SOCK_STREAM, "flags": socket.AI_PASSIVE}),
        ("::1", 80, {"type": socket.SOCK_STREAM}),
        ("127.1", 80, {"type": socket.SOCK_STREAM}),
    ]:
        assert await loop.getaddrinfo(host, port, **options) == socket.getaddrinfo(
            host, port, **options
        )


async def test_getaddrinfo_keeps_the_zone_of_an_address():
    (info,) = await asyncio.get_running_loop().getaddrinfo(
        "fe80::1%lo", 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )

    assert info[0] is socket.AF_INET6
    assert info[1] is socket.SOCK_STREAM
    assert info[4][3] == socket.if_nametoindex("lo")


async def test_getaddrinfo_raises_gaierror_for_an_unusable_name():
    with pytest.raises(socket.gaierror):
        await asyncio.get_running_loop().getaddrinfo("256.256.256.256", 80, flags=4)


async def test_getnameinfo_returns_what_the_socket_module_returns():
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    address = ("127.0.0.1", 80)

    result = await asyncio.get_running_loop().getnameinfo(address, flags)

    assert result == socket.getnameinfo(address, flags)


async def test_to_thread_runs_a_function_in_the_default_executor():
    assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
