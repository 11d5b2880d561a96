"""Polling: epoll goes on reporting a closed file, and no fd is free for a new epoll instance.

The limit holds for the whole process, and a forked child holds the file: programs of their own.
"""

from tests.support.programs import run_program

# What a forked child holds is closed here, at the limit, and becomes readable.
PROGRAM = """
    import asyncio, os, resource, socket, time
    import ngxloop

    LIMIT = {limit}
    reports = []
    loop = ngxloop.EventLoop()
    loop.set_exception_handler(lambda _, context: reports.append(context))

    async def main():
        other, other_peer = socket.socketpair()
        read_end, write_end = os.pipe()
        ours, peer = socket.socketpair()
        for sock in (other, other_peer, ours, peer):
            sock.setblocking(False)
        loop.add_reader(ours, print)
        await asyncio.sleep(0)
        child = os.fork()
        if not child:
            os.close(write_end)
            os.read(read_end, 1)  # until the parent ends it
            os._exit(0)
        os.close(read_end)
        fd = ours.fileno()
        ours.close()
        loop.remove_reader(fd)
        peer.send(b"for the file that only the child has")
        taken = [os.dup(0)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT or taken[-1] + 1, hard))
        try:
            while not LIMIT:
                taken.append(os.dup(0))
        except OSError:
            pass

        turns, cpu = loop.turn_count, time.process_time()
        await asyncio.sleep(0.5)
        assert loop.turn_count - turns < 250, loop.turn_count - turns
        for size in range(1, 20):  # what else comes is served
            other_peer.send(bytes(size))
            assert len(await asyncio.wait_for(loop.sock_recv(other, 100), 10)) == size
        assert len(reports) == 1, reports
        assert isinstance(reports[0]["exception"], OSError), reports
        assert "cannot be renewed" in reports[0]["message"], reports

        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in taken:
            os.close(one)
        await asyncio.sleep(0.05)
        turns = loop.turn_count
        await asyncio.sleep(0.3)
        assert loop.turn_count - turns < 10, loop.turn_count - turns  # it is got rid of
        other_peer.send(b"x")
        assert await asyncio.wait_for(loop.sock_recv(other, 100), 10) == b"x"
        assert len(reports) == 1, reports
        os.close(write_end)
        os.waitpid(child, 0)
        for sock in (other, other_peer, peer):
            sock.close()

    loop.run_until_complete(main())
    loop.close()
    print("went on")
"""


def test_loop_goes_on_at_the_limit_of_fds_and_recovers():
    assert run_program(PROGRAM.format(limit=0)) == "went on\n"


def test_loop_goes_on_above_the_limit_of_fds_and_recovers():
    assert run_program(PROGRAM.format(limit=3)) == "went on\n"
