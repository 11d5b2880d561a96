"""What can go wrong before a worker serves: exit codes, and the error that carries one."""

import contextlib
import enum
import errno
import json
from collections.abc import Iterator

from ngxloop.serving.base.plaintext import many_lines, one_line


class ExitCode(enum.IntEnum):
    """How ngxloop-serve ends. The numbers are part of its interface; --help lists them."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    NO_MODULE = 3
    NO_ATTRIBUTE = 4
    NOT_AN_APPLICATION = 5
    IMPORT_FAILED = 6
    START_FAILED = 7
    START_TIMEOUT = 8
    ADDRESS_IN_USE = 9
    NO_PERMISSION = 10
    BAD_ADDRESS = 11
    MISSING_PACKAGE = 12
    NOT_DONE = 13
    WATCHER_GONE = 14
    NO_RESOURCES = 15


EXIT_MEANINGS = {
    ExitCode.OK: "shut down on request",
    ExitCode.INTERNAL: "a defect in ngxloop; the traceback says where",
    ExitCode.USAGE: "an invalid option or value",
    ExitCode.NO_MODULE: "the module does not exist",
    ExitCode.NO_ATTRIBUTE: "the module does not have this attribute",
    ExitCode.NOT_AN_APPLICATION: "the object is not a supported application",
    ExitCode.IMPORT_FAILED: "importing the application failed",
    ExitCode.START_FAILED: "the start-up of the application failed",
    ExitCode.START_TIMEOUT: "a worker exited, or was not ready, within the start timeout",
    ExitCode.ADDRESS_IN_USE: "the address is in use",
    ExitCode.NO_PERMISSION: "no permission to bind the address",
    ExitCode.BAD_ADDRESS: "the address cannot be bound for another reason",
    ExitCode.MISSING_PACKAGE: "a package that serves this kind of application is not installed",
    ExitCode.NOT_DONE: "`ctl`: the command failed, or the master is not running",
    ExitCode.WATCHER_GONE: "--reload: the process that watches files cannot run, or has exited",
    ExitCode.NO_RESOURCES: "the system has too little memory, disk space, descriptors or processes",
}


class ConfigError(ValueError):
    """An option has a value that cannot be used, or is none.

    Args:
        option: Its name, without dashes in front.
        problem: What is wrong, and what to do.
        where: What the operator has written it in: --workers, NGXLOOP_WORKERS, a file and its key.
    """

    def __init__(self, option: str, problem: str, where: str = "") -> None:
        super().__init__(f"{where or option}: {problem}")
        self.option = option
        self.problem = problem


class StartError(Exception):
    """Serving cannot begin: a line for the operator, an exit code, the user's traceback if any."""

    def __init__(self, code: ExitCode, line: str, traceback: str = "") -> None:
        super().__init__(line)
        self.code = code
        self.line = line
        self.traceback = traceback

    def pack(self, max_bytes: int) -> bytes:
        """Return the error as a channel payload; the head of a long traceback is cut off."""
        fields = {"code": int(self.code), "line": self.line[:1000], "traceback": self.traceback}
        while len(packed := json.dumps(fields).encode()) > max_bytes:
            shorter = str(fields["traceback"])
            fields["traceback"] = "[...]" + shorter[len(shorter) // 2 :]
        return packed

    @classmethod
    def unpack(cls, payload: bytes) -> "StartError":
        """Return the error that pack() wrote, its texts printable.

        Raises:
            ValueError: The payload is something else.
        """
        fields = json.loads(payload.decode())
        if not (isinstance(fields, dict) and fields.keys() == {"code", "line", "traceback"}):
            raise ValueError("not a packed error")
        code, line, traceback = fields["code"], fields["line"], fields["traceback"]
        if not (type(code) is int and type(line) is type(traceback) is str):
            raise ValueError("not a packed error")
        return cls(ExitCode(code), one_line(line), many_lines(traceback, len(traceback)))


_REMEDIES = {
    errno.EMFILE: "raise the open file limit (ulimit -n)",
    errno.ENFILE: "raise fs.file-max",
    errno.ENOMEM: "free memory, or raise the limit of the container",
    errno.ENOBUFS: "free memory, or raise the limit of the container",
    errno.ENOSPC: "free disk space, or raise fs.epoll.max_user_watches",
    errno.EAGAIN: "raise the limit of processes (ulimit -u)",
}


@contextlib.contextmanager
def shortages_explained() -> Iterator[None]:
    """Turn an OSError of the master, at its start or at a reload, into a StartError."""
    try:
        yield
    except OSError as error:
        advice = _REMEDIES.get(error.errno or 0, "check the limits and filters of this system")
        line = f"a system call of the master failed: {error.strerror or error}; {advice}"
        raise StartError(ExitCode.NO_RESOURCES, line) from error
