"""Other interpreters of the process: the first that imports the package may use it, no other."""

import sys

import pytest

from tests.support.processes import Program

# The ways to another interpreter have no public name before Python 3.14.
NEW_INTERPRETER = """
import sys

PATH = f"import sys; sys.path[:] = {sys.path}\\n"  # before Python 3.12 it is not inherited

if sys.version_info >= (3, 13):
    import _interpreters

    def run(kind, code):
        number = _interpreters.create(kind)
        try:
            assert _interpreters.exec(number, PATH + code) is None
        finally:
            _interpreters.destroy(number)
else:
    import _xxsubinterpreters as _interpreters

    def run(kind, code):
        number = _interpreters.create(isolated=kind == "isolated")
        try:
            _interpreters.run_string(number, PATH + code)
        finally:
            _interpreters.destroy(number)
"""

EXCHANGE = '''
CODE = """
import asyncio
try:
    import ngxloop
except ImportError as exc:
    print("ImportError:", exc)
else:
    async def echo(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    async def main():
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\\\\n")
            print(await reader.readline())
            writer.close()

    ngxloop.run(main())
"""
'''

IMPORTED = """
import asyncio, ngxloop
ngxloop.run(asyncio.sleep(0))
"""


def output_of(*parts):
    with Program("-c", "".join((NEW_INTERPRETER, EXCHANGE, *parts))) as program:
        code = program.end()
    assert code == 0, program.output
    return program.output.splitlines()


def test_the_only_interpreter_that_imports_the_package_works():
    assert output_of("run('legacy', CODE)") == ["b'hello\\n'"]


def test_a_second_interpreter_gets_one_clear_error_and_the_first_goes_on():
    (line,) = output_of(IMPORTED, "run('legacy', CODE)", IMPORTED)

    assert line.startswith("ImportError: ")
    assert "can only be loaded into one interpreter per process" in line


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no interpreter has a GIL of its own")
def test_an_isolated_interpreter_gets_one_clear_error_and_the_first_goes_on():
    (line,) = output_of(IMPORTED, "run('isolated', CODE)", IMPORTED)

    assert line.startswith("ImportError: module ngxloop.")
    assert line.endswith("does not support loading in subinterpreters")
