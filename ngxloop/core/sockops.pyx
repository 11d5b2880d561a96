"""SockOperation: a sock_* call that is awaited.

Rules. The call is tried first and only waits if it would block, so it often returns without
yielding. The task itself receives, once it has been woken: a task that is cancelled, however late,
has taken no data. Only sending continues in the background.

An operation is a coroutine to asyncio (send, throw, close, __await__), so that create_task() takes
it; nothing happens until it is awaited. Compiled, because a call of a coroutine function and of
those it awaits costs more than the system call.

How it waits. The watcher of the fd calls the operation, which completes a future of the loop's. The
interest stays in epoll when the wait is over (see FdWatching.wait_fd), so that a server that
answers requests asks epoll once for each connection and not for each request.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetObject
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.errno cimport EAGAIN, EINTR, errno

import socket
import warnings

cdef extern from "Python.h":
    ctypedef PyObject* (*iternextfunc)(PyObject* iterator) except NULL
    ctypedef struct PyTypeObject:
        iternextfunc tp_iternext

from ngxloop.core.completion cimport complete, complete_failed
from ngxloop.core.handle cimport Handle
from ngxloop.core.limits cimport RECEIVE_BYTES
from ngxloop.core.linux cimport MSG_DONTWAIT, MSG_NOSIGNAL, recv, send
from ngxloop.core.oserr cimport raise_os_error

cdef object PLAIN_SOCKET = socket.socket
# The result of an attempt that would have to wait.
cdef object BLOCKED = object()


cdef class SockOperation(Waiter):
    """A call of a socket's method that waits until it does not block; see the file header."""

    def __init__(self):
        raise TypeError("operations are made by sock_recv() and similar methods")

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Continue, as a coroutine does; value is ignored."""
        waiter = self.step()
        if waiter is None:
            raise StopIteration(self.take_result())
        return waiter

    def throw(self, kind, value=None, traceback=None):
        """End with an exception; a wait ends."""
        if self.state == OPERATION_WAITING:
            self.end_wait()
        self.state = OPERATION_DONE
        if value is None:
            value = kind if isinstance(kind, BaseException) else kind()
        raise value if traceback is None else value.with_traceback(traceback)

    def close(self):
        """End without a result; harmless when ended."""
        if self.state == OPERATION_WAITING:
            self.end_wait()
        self.state = OPERATION_DONE

    def __call__(self):
        """The socket is ready: called by its watcher."""
        self.ready()

    def __del__(self):
        if self.state == OPERATION_NEW and self.loop is not None:
            warnings.warn(f"coroutine {self.__qualname__!r} was never awaited", RuntimeWarning)

    @property
    def __name__(self):
        return f"sock_{self.method}"

    @property
    def __qualname__(self):
        return f"{type(self.loop).__qualname__}.sock_{self.method}"

    def __repr__(self):
        return f"<ngxloop.SockOperation {self.__name__} on {self.sock!r}>"

    cdef object step(self):
        """Return the future to wait for; or None if `result` is set."""
        if self.loop is None:
            raise RuntimeError("this operation is not bound to a loop")
        if self.state == OPERATION_DONE:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if self.state == OPERATION_NEW:
            self.state = OPERATION_DONE  # until it waits
            if self.loop.debugging or type(self.sock) is not PLAIN_SOCKET:
                self.loop._check_sock(self.sock)
        elif not self.waiter.done():
            raise RuntimeError("await wasn't used with future")
        else:
            self.end_wait()
            self.state = OPERATION_DONE
        self.result = self.attempt()
        return self.wait() if self.result is BLOCKED else None

    cdef object take_result(self):
        result, self.result = self.result, None
        return result

    cdef object attempt(self):
        """Return what the socket's method returns; BLOCKED if it would have to wait."""
        try:
            return getattr(self.sock, self.method)(*self.args)
        except (BlockingIOError, InterruptedError):
            return BLOCKED

    cdef int ready(self) except -1:
        """Let the task try again."""
        return complete(self.waiter, None)  # a task may have been cancelled, or is woken already

    cdef int fail_wait(self, exc) except -1:
        """Make the task fail: nothing would wake it."""
        return complete_failed(self.waiter, exc)

    cdef object wait(self):
        """Return a future that is done when the fd is ready."""
        self.fd = self.loop.waitable_fd(self.sock)
        self.handle = self.loop.wait_fd(self.fd, self.sock, self.writing, self)
        self.state = OPERATION_WAITING
        self.waiter = self.loop.create_future()
        self.waiter._asyncio_future_blocking = True
        return self.waiter

    cdef int end_wait(self) except -1:
        """Stop watching, unless another operation has replaced this one."""
        cdef Handle handle = self.handle
        self.handle = None
        return self.loop.end_wait_fd(self.fd, self.writing, handle)


@cython.final
cdef class SockReceive(SockOperation):
    """recv: a direct system call for a plain socket and a moderate size."""

    cdef object attempt(self):
        cdef char* buf
        cdef ssize_t count
        cdef int fd
        if self.room < 0:
            return SockOperation.attempt(self)
        buf = self.loop.shared_buffer()
        fd = self.sock.fileno()
        count = recv(fd, buf, self.room, MSG_DONTWAIT)
        if count >= 0:
            return PyBytes_FromStringAndSize(buf, count)
        if errno == EAGAIN or errno == EINTR:
            return BLOCKED
        raise_os_error(errno, None)


@cython.final
cdef class SockSendAll(SockOperation):
    """send, until everything is sent."""

    cdef object attempt(self):
        cdef Py_buffer view
        if self.failure is not None:
            raise self.failure
        PyObject_GetBuffer(self.args[0], &view, PyBUF_SIMPLE)
        try:
            if self.sent < view.len or view.len == 0:
                self.send_some(&view)
            return None if self.sent == view.len else BLOCKED
        finally:
            PyBuffer_Release(&view)

    cdef int send_some(self, Py_buffer* view) except -1:
        """Pass to the kernel as much as it takes."""
        cdef ssize_t count
        if type(self.sock) is not PLAIN_SOCKET:
            return self.send_by_method()
        count = send(
            self.sock.fileno(),
            <char*>view.buf + self.sent,
            view.len - self.sent,
            MSG_DONTWAIT | MSG_NOSIGNAL,
        )
        if count >= 0:
            self.sent += count
        elif errno != EAGAIN and errno != EINTR:
            raise_os_error(errno, None)
        return 0

    cdef int send_by_method(self) except -1:
        data = self.args[0]
        if self.sent:
            data = memoryview(data).cast("B")[self.sent:]
        try:
            self.sent += self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            pass
        return 0

    cdef int ready(self) except -1:
        """Continue sending; the task is woken when nothing is left."""
        if self.waiter.done():
            return 0
        try:
            if self.attempt() is BLOCKED:
                return 0
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.failure = exc
        self.waiter.set_result(None)
        return 0


@cython.final
cdef class SockConnecting(SockOperation):
    """Waits for the end of a connect() in the background; the result is its errno."""

    cdef object attempt(self):
        if not self.waited:
            self.waited = True
            return BLOCKED
        return SockOperation.attempt(self)


cdef class SockCalls(FdWatching):
    """The sock_* methods that need no name resolution; see the file header."""

    def sock_recv(self, sock, nbytes):
        """Receive up to nbytes; b'' is the peer's end."""
        cdef SockReceive operation = SockReceive.__new__(SockReceive)
        operation_fill(operation, self, sock, "recv", (nbytes,), False)
        operation.room = -1
        if type(sock) is PLAIN_SOCKET and type(nbytes) is int and 0 <= nbytes <= RECEIVE_BYTES:
            operation.room = nbytes
        return operation

    def sock_recv_into(self, sock, buf):
        """Receive into a writable buffer; return the number of bytes."""
        return operation_new(self, sock, "recv_into", (buf,), False)

    def sock_recvfrom(self, sock, bufsize):
        """Receive a datagram; return it and its sender's address."""
        return operation_new(self, sock, "recvfrom", (bufsize,), False)

    def sock_recvfrom_into(self, sock, buf, nbytes=0):
        """Receive a datagram into a writable buffer; return its size and its sender's address."""
        return operation_new(self, sock, "recvfrom_into", (buf, nbytes or len(buf)), False)

    def sock_sendall(self, sock, data):
        """Send all of data, a bytes-like object that must not change until this returns."""
        cdef SockSendAll operation = SockSendAll.__new__(SockSendAll)
        operation_fill(operation, self, sock, "sendall", (data,), True)
        return operation

    def sock_sendto(self, sock, data, address):
        """Send a datagram to address; return how many bytes went."""
        return operation_new(self, sock, "sendto", (data, address), True)

    def _sock_accept(self, sock):
        return operation_new(self, sock, "accept", (), False)

    def _sock_connect_result(self, sock):
        """Wait until a connection is made or has failed; return its errno."""
        cdef SockConnecting operation = SockConnecting.__new__(SockConnecting)
        operation_fill(
            operation, self, sock, "getsockopt", (socket.SOL_SOCKET, socket.SO_ERROR), True
        )
        return operation


cdef SockOperation operation_new(SockCalls loop, sock, method, args, bint writing):
    cdef SockOperation operation = SockOperation.__new__(SockOperation)
    operation_fill(operation, loop, sock, method, args, writing)
    return operation


cdef int operation_fill(
    SockOperation operation, SockCalls loop, sock, method, args, bint writing
) except -1:
    operation.loop = loop
    operation.sock = sock
    operation.method = method
    operation.args = args
    operation.writing = writing
    return 0


cdef PyObject* operation_next(PyObject* iterator) except NULL:
    """Be tp_iternext. Cython's own would make a traceback for every result: half of the costs."""
    cdef SockOperation operation = <SockOperation>iterator
    cdef object waiter = operation.step()
    if waiter is not None:
        Py_INCREF(waiter)
        return <PyObject*>waiter
    result = operation.take_result()
    if type(result) is tuple:  # would be taken for the arguments of StopIteration
        result = StopIteration(result)
    PyErr_SetObject(StopIteration, result)
    return NULL


for kind in (SockOperation, SockReceive, SockSendAll, SockConnecting):
    (<PyTypeObject*>kind).tp_iternext = <iternextfunc>operation_next
del kind
