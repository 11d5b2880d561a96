"""set_write_coalescing(): fewer system calls for output that leaves later."""

from typing import Any


class WriteCoalescing:
    """The loop's choice between sending each write at once and joining those of a turn."""

    def set_write_coalescing(self: Any, enabled: bool) -> None:
        """Join what is written to a transport in one turn of the loop, and send it in one call.

        False, the default, sends every write() and sendto() in the call, as asyncio does. With
        True, output of streams, TLS connections and datagram endpoints leaves when the read handler
        returns, else at the end of the turn, or at once above 64 KiB or the high-water mark. The
        first datagram of a turn and the output of pipes leave at once.

        Args:
            enabled: True joins, False sends what has been joined and joins no more.

        Notes:
            What it saves: a system call for each further write of a turn. What it costs: a callback
            that writes and then blocks, or ends the process with os._exit(), holds its output back
            or loses it. Nothing waits while the loop sleeps or does not run; abort(), close(),
            write_eof(), get_extra_info("socket") and os.fork() send first.
        """
        self._set_write_coalescing(enabled)
