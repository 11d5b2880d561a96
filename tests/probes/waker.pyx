"""A waker whose state can be set as the loop does around its wait."""

from ngxloop.core.waker cimport Waker


cdef class WakerProbe:
    """The waker and its fds."""

    cdef readonly Waker waker

    def __cinit__(self):
        self.waker = Waker()

    def fall_asleep(self):
        """Do what the loop does right before it waits."""
        self.waker.woken = False
        self.waker.sleeping = True

    def rise(self):
        """Do what the loop does right after it has waited."""
        self.waker.sleeping = False

    def wake(self):
        self.waker.wake()

    def drain_wakes(self):
        return self.waker.drain_wakes()

    def open_signal_pipe(self):
        self.waker.open_signal_pipe()

    def drain_signals(self):
        return self.waker.drain_signals()

    def close(self):
        self.waker.close()
