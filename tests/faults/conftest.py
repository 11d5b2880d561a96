"""Fault tests need the library; one skip says what is missing."""

import pytest

from tests.faults.injection import NoCompilerError, build_library, new_board


@pytest.fixture(scope="session", autouse=True)
def library():
    """Build the library once; skip all fault tests on a machine without a C compiler."""
    try:
        return build_library()
    except NoCompilerError as error:
        pytest.skip(str(error))


@pytest.fixture
def board(monkeypatch):
    """Let every process that the test starts from now on be disturbed, once a rule is armed."""
    with new_board() as board:
        for name, value in board.environment.items():
            monkeypatch.setenv(name, value)
        yield board
