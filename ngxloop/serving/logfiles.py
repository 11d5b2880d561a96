"""Log files: opened for appending by the master, inherited by workers, opened again by path.

How a file is exchanged. The new one is opened, then dup2() puts it under the number of the old one:
no line is lost in between, and whoever writes knows only the number. nginx: ngx_reopen_files.
The master opens first and gives the file to the user of the workers, who may not create it. A
worker that cannot open it goes on writing to the old file.
"""

import os
import stat

from ngxloop.serving.errors import ConfigError, ExitCode, StartError

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_MODE = 0o644
_OWNER_MAY = stat.S_IRUSR | stat.S_IWUSR


class LogFile:
    """An open log file.

    Args:
        path: Where it is; taken from the folder of now.
        fd: The number under which it is to be open; -1 for any.

    Raises:
        StartError: It cannot be opened.
    """

    def __init__(self, path: str, fd: int = -1) -> None:
        self.path: str = os.path.abspath(path)
        self.fd: int = fd
        try:
            self.reopen()
        except OSError as error:
            line = f"cannot open the log file {self.path}: {error.strerror}; create its folder"
            raise StartError(ExitCode.START_FAILED, line) from error

    def reopen(self) -> None:
        """Open what has the path now, which may be another file, or none yet.

        Raises:
            OSError: It cannot be opened; the old one stays.
        """
        new_fd = os.open(self.path, _FLAGS, _MODE)
        if self.fd < 0:
            self.fd = new_fd
            return
        try:
            os.dup2(new_fd, self.fd, inheritable=os.get_inheritable(self.fd))
        finally:
            os.close(new_fd)

    def give_to(self, uid: int) -> None:
        """Let the user write to it.

        Raises:
            OSError: We may not.
        """
        found = os.fstat(self.fd)
        if found.st_uid != uid:
            os.fchown(self.fd, uid, -1)
        if found.st_mode & _OWNER_MAY != _OWNER_MAY:
            os.fchmod(self.fd, stat.S_IMODE(found.st_mode) | _OWNER_MAY)

    def write(self, text: str) -> None:
        """Append a line; what cannot be written is lost, and ends nobody.

        One write() to a file that is open for appending: lines of several workers do not mix.
        """
        data = text.encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(self.fd, data) :]
        except OSError:  # the disk is full, say
            return

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)
        self.fd = -1


def check_log_file(option: str, path: str | None) -> None:
    """Try to open a file that an option names.

    Raises:
        ConfigError: It cannot be opened.
    """
    if path is None:
        return
    try:
        os.close(os.open(path, _FLAGS, _MODE))
    except OSError as error:
        advice = "give a file in a folder where we may write"
        raise ConfigError(option, f"cannot open {path!r}: {error.strerror}; {advice}") from None
