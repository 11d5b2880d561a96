"""Files with certificates and keys: read once, checked, and passed to OpenSSL from memory.

OpenSSL opens files by name. Between the check and that open a file could be replaced, and
OpenSSL's errors do not name the file.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import BinaryIO

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.base.trust import read_content, refusal

_FDS = "/proc/self/fd"
_ADVICE = {
    errno.ENOENT: "check the path",
    errno.EACCES: "start as root, or let this user read it",
    errno.EFBIG: "give a file that contains only certificates or keys",
    errno.EMFILE: "raise the open file limit (ulimit -n)",
    errno.ENFILE: "raise fs.file-max",
    errno.ENOMEM: "free memory, or raise the limit of the container",
}


def read_pem(option: str, path: str, *, is_strict: bool) -> bytes:
    """Return the content of a file.

    Args:
        option: The option that names it.
        path: Of the file.
        is_strict: Refuse a file that others than root could have written.

    Raises:
        ConfigError: It cannot be read, or is refused.
    """
    try:
        content = read_content(path, is_regular=True)
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "give a file in PEM")
        raise ConfigError(option, f"cannot read {path}: {error.strerror}; {advice}") from None
    if is_strict and content.fault:
        remedy = f"chown {path} and the folders above it to root"
        raise ConfigError(option, refusal(content.fault, remedy))
    return content.data


@contextlib.contextmanager
def named(data: bytes) -> Iterator[str]:
    """Provide a path under which data can be read, for functions that only take a path."""
    with _memory_file() as file:
        file.write(data)
        file.flush()
        yield f"{_FDS}/{file.fileno()}"


def _memory_file() -> BinaryIO:
    """Return an empty file without a name.

    Raises:
        ConfigError: The system does not allow it.
    """
    try:
        fd = os.memfd_create("pem")  # closed on exec
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "allow it in the sandbox")
        line = f"memfd_create() failed: {error.strerror}; {advice}"
        raise ConfigError("ssl-certfile", line) from None
    if not os.path.exists(f"{_FDS}/{fd}"):
        os.close(fd)
        raise ConfigError("ssl-certfile", "OpenSSL cannot read the files without /proc; mount it")
    return open(fd, "wb")
