"""FlowControl: when pause_writing() and resume_writing() of a protocol are called.

Rules. pause_writing() when the buffer holds more than the high-water mark, resume_writing() when it
holds no more than the low one; a protocol that raises there is reported and stays connected. Texts
and rules are those of asyncio.transports._FlowControlMixin.
"""

from ngxloop.core.handle cimport call_within
from ngxloop.core.limits cimport HIGH_WATER_BYTES


cdef class FlowControl:
    """The base of every transport that writes."""

    def __cinit__(self, *args, **kwargs):
        self.high_bytes = HIGH_WATER_BYTES
        self.low_bytes = HIGH_WATER_BYTES // 4

    def get_write_buffer_limits(self):
        """Return (low, high), in bytes."""
        return (self.low_bytes, self.high_bytes)

    def set_write_buffer_limits(self, high=None, low=None):
        """Set the marks between which the protocol is paused, in bytes.

        Args:
            high: above this pause_writing() is called; by default 4 * low, or 64 KiB without low.
            low: at or below this resume_writing() is called; by default high // 4.

        Raises:
            ValueError: not high >= low >= 0.
        """
        self.high_bytes, self.low_bytes = buffer_limits(high, low, HIGH_WATER_BYTES)
        self.limits_changed()

    @property
    def _loop(self):
        return self.loop

    @property
    def _protocol(self):
        return self.protocol

    @property
    def _protocol_paused(self):
        return self.protocol_paused

    cdef Py_ssize_t buffered_bytes(self) noexcept:
        """Return how much waits to be sent."""
        return 0

    cdef int limits_changed(self) except -1:
        """Pause the protocol if it is over the new mark."""
        if self.buffered_bytes() > self.high_bytes:
            self.pause_protocol()
        return 0

    cdef int pause_protocol(self) except -1:
        if self.protocol_paused:
            return 0
        self.protocol_paused = True
        try:
            call_within(self.context, self.protocol.pause_writing)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            report(self, exc, "protocol.pause_writing() failed")
        return 0

    cdef int resume_protocol(self) except -1:
        """Call resume_writing() if the protocol is paused and enough has been sent."""
        if not self.protocol_paused or self.buffered_bytes() > self.low_bytes:
            return 0
        self.protocol_paused = False
        try:
            call_within(self.context, self.protocol.resume_writing)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            report(self, exc, "protocol.resume_writing() failed")
        return 0


cdef tuple buffer_limits(high, low, Py_ssize_t default_high):
    """Return (high, low), in bytes; a limit that is None is derived as in asyncio.

    Raises:
        ValueError: not high >= low >= 0.
    """
    if high is None:
        high = default_high if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
    return high, low


cdef int report(FlowControl transport, exc, str message) except -1:
    transport.loop.call_exception_handler({
        "message": message,
        "exception": exc,
        "transport": transport,
        "protocol": transport.protocol,
    })
    return 0
