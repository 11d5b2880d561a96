"""Transport: what every transport on a file descriptor has."""

from ngxloop.core.event cimport Connection, Event
from ngxloop.core.flag cimport flag
from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.flow cimport FlowControl

cdef class Transport(FlowControl):
    cdef dict __dict__               # test suites replace methods; not allocated until then
    cdef object __weakref__
    cdef Connection* connection      # BORROWED: our slot; NULL once released or the loop is closed
    cdef int fd                      # -1 once closed
    cdef object extra                # further answers of get_extra_info, None or a dict
    cdef object exception            # why the connection is lost
    cdef flag started                # connection_made() was called
    cdef flag closing                # close() or abort() was called, or the peer is gone
    cdef flag paused                 # pause_reading() was called
    cdef int lost_count              # > 0: connection_lost is scheduled; counts writes since then

    cdef int take_slot(self, Reactor reactor, int fd, protocol, context) except -1
    cdef int use_slot(self, Reactor reactor, Connection* connection, protocol, context) except -1
    cdef int start(self) except -1
    cdef bint begin(self) except -1
    cdef int reading_paused(self) except -1
    cdef int reading_resumed(self) except -1
    cdef int fatal_error(self, exc, str message) except -1
    cdef bint is_expected(self, exc) except -1
    cdef int schedule_lost(self, exc) except -1
    cdef int lose(self) except -1
    cdef int release(self) except -1
    cdef bint has_duplicates(self) except -1
    cdef int released(self, Reactor reactor) except -1
    cdef int close_fd(self) except -1
    cdef int close_owner(self, owner) except -1
    cdef int close_sent(self) except -1
    cdef int send_output(self) except -1
    cdef int drop_output(self) except -1
    cdef int send_failed(self, int error) except -1
    cdef int lost_write(self, str text) except -1
    cdef int call_reported(self, str method, tuple args) except -1

cdef int transport_start(Event* ev) except -1
