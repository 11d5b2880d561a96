"""SockOperation: a sock_* call that is awaited."""

from ngxloop.core.handle cimport Handle
from ngxloop.core.watch cimport FdWatching, Waiter

cdef enum OperationState:
    OPERATION_NEW = 0
    OPERATION_WAITING
    OPERATION_DONE

cdef class SockOperation(Waiter):
    cdef FdWatching loop
    cdef object sock
    cdef object method               # the method of the socket to call; named by repr()
    cdef tuple args
    cdef object result               # what the call has returned, until it is taken
    cdef object waiter               # the future that the task waits for
    cdef Handle handle               # what is in the watcher's slot meanwhile
    cdef int fd                      # the socket's number when the wait began
    cdef OperationState state
    cdef bint writing

    cdef object step(self)
    cdef object take_result(self)
    cdef object attempt(self)
    cdef int ready(self) except -1
    cdef object wait(self)
    cdef int end_wait(self) except -1

cdef class SockReceive(SockOperation):
    cdef Py_ssize_t room             # how many bytes are wanted at most

cdef class SockSendAll(SockOperation):
    cdef Py_ssize_t sent             # bytes the kernel has taken
    cdef object failure              # what a send in the background has raised

    cdef int send_some(self, Py_buffer* view) except -1
    cdef int send_by_method(self) except -1

cdef class SockConnecting(SockOperation):
    cdef bint waited

cdef class SockCalls(FdWatching):
    pass
