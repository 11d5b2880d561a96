"""Ctrl-C at whatever moment: the run ends with KeyboardInterrupt, and the loop can be closed."""

from tests.support.processes import Program

# The signal comes from a thread of the program, after a random time: in a callback, in the wait, or
# between the two. It comes once more if nothing happens: the interpreter throws the exception away
# where it is raised in a destructor, and asyncio's loop misses a signal just before its wait. What
# is said of that, and of what the interrupted run left open, is not what this is about.
PROGRAM = """
import asyncio, logging, os, random, signal, threading, time, warnings
from tests.support.loops import LOOPS

warnings.simplefilter("ignore")
logging.disable()
random.seed(7)

async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)

async def talk(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(b"x")
        await reader.readexactly(1)

async def main():
    loop = asyncio.get_running_loop()

    def tick():
        loop.call_later(0.0001, tick)

    tick()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started.set()
    await asyncio.gather(*(talk(port) for _ in range(3)))

def interrupt():
    started.wait()
    time.sleep(random.random() * 0.005)
    os.kill(os.getpid(), signal.SIGINT)
    while not ended.wait(1):
        os.kill(os.getpid(), signal.SIGINT)

for _ in range(40):
    loop = LOOPS[{name!r}]()
    started, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        loop.run_until_complete(main())
    except KeyboardInterrupt:
        ended.set()
        print("interrupted", flush=True)
    thread.join()
    assert not loop.is_running()
    loop.close()
    assert loop.is_closed()
os._exit(0)
"""


def test_ctrl_c_at_any_moment_ends_the_run_and_the_loop_can_be_closed(loop_factory):
    with Program("-c", PROGRAM.format(name=loop_factory.name)) as program:
        code = program.end()

    assert code == 0, program.output
    assert program.output.count("interrupted\n") == 40, program.output
