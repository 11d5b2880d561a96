"""Unix sockets: create_unix_connection and create_unix_server.

The coroutines are asyncio's own, of the running version: they only call hooks that every event
loop has. What they leave to the loop is here: removing the socket file when its server stops, since
3.13.

Why stat() and unlink() come from `posix`: detectors of blocking calls (blockbuster) replace the
functions of `os`, and except those that are called from asyncio's own files, by file name. What
asyncio does here blocks as long, so it is called past the replacement.
"""

import socket
from asyncio import unix_events
from posix import stat, unlink
from typing import TYPE_CHECKING, Any


class UnixSockets:
    """Servers and clients on Unix sockets; abstract names start with a NUL."""

    if not TYPE_CHECKING:  # to type checkers they are AbstractEventLoop's
        create_unix_connection = unix_events._UnixSelectorEventLoop.create_unix_connection
        create_unix_server = unix_events._UnixSelectorEventLoop.create_unix_server

    # socket -> inode of its file, for those that are to be removed; create_unix_server fills it
    _unix_server_sockets: dict[socket.socket, int]

    def _remove_socket_file(self: Any, path: Any, inode: int) -> None:
        """Remove a server's socket file, unless another server has put its own there."""
        try:
            if stat(path).st_ino == inode:
                unlink(path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            self.call_exception_handler(
                {"message": f"unlink({path!r}) failed; the socket file stays", "exception": exc}
            )
