"""Files with certificates and keys: read once, judged, and given to OpenSSL from memory.

OpenSSL opens files itself, by name. Then another file could be used than the one that was judged,
and its errors do not say which file they are about.
"""

import contextlib
import errno
import os
from collections.abc import Iterator

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.base.trust import read_content, refusal

_ADVICE = {
    errno.ENOENT: "check the path",
    errno.EACCES: "start as root, or let this user read it",
    errno.EFBIG: "give a file with certificates or keys only",
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
    """Give data a path, for functions that take nothing else."""
    with open(os.memfd_create("pem"), "wb") as file:  # closed on exec
        file.write(data)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
