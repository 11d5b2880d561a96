"""What feeds an asyncio.StreamReader without a Python frame.

Rules. StreamReaderProtocol.data_received() passes bytes to StreamReader.feed_data(), which appends
them to a bytearray, wakes the waiter, and pauses the transport above twice the limit: four Python
frames and a bytes object for each receive. reader_feed() does the same straight from the loop's
buffer, but only where no program can observe a difference. Each of the four functions must be the
one that asyncio had when this module was imported, looked up each time through the objects in use:
so subclasses, patched classes and patched instances are called as usual. And it must use exactly
the names listed below; otherwise it is another version's, or was patched earlier. Anything else
that is unusual is left to Python before any change: data after the end of the stream, no reader, no
bytearray.

Where much is expected, it is received into the reader's bytearray itself, which is made longer
before and cut after: that saves a copy of all the data.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.object cimport PyObject
from libc cimport errno
from libc.string cimport memcpy, memset

from asyncio import streams

from ngxloop.core.limits cimport RECEIVE_BYTES
from ngxloop.core.linux cimport iovec, msghdr, recvmsg

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030E0000
    /* What the interpreter itself looks methods up with: it makes no bound method. 3.13 declares it
       in an internal header. */
    PyAPI_FUNC(int) _PyObject_GetMethod(PyObject *owner, PyObject *name, PyObject **method);
    static int ngxloop_calls(PyObject *owner, PyObject *name, PyObject *function) {
        PyObject *method = NULL;
        int calls = _PyObject_GetMethod(owner, name, &method) && method == function;
    #else
    static int ngxloop_calls(PyObject *owner, PyObject *name, PyObject *function) {
        PyObject *method = PyObject_GetAttr(owner, name);
        int calls = method != NULL && PyMethod_Check(method)
                    && PyMethod_GET_FUNCTION(method) == function
                    && PyMethod_GET_SELF(method) == owner;
    #endif
        if (method == NULL) PyErr_Clear();
        Py_XDECREF(method);
        return calls;
    }
    static PyObject *ngxloop_class_attribute(PyObject *owner, PyObject *name) {
        return _PyType_Lookup(Py_TYPE(owner), name);
    }
    """
    # True if owner.name() calls this function; False after an error: Python meets it again
    bint calls "ngxloop_calls"(object owner, object name, object function) noexcept
    # BORROWED: what the class or a base of it has under this name; NULL if nothing
    PyObject* class_attribute "ngxloop_class_attribute"(object owner, object name) noexcept

cdef type PROTOCOL = streams.StreamReaderProtocol
cdef type READER = streams.StreamReader
cdef object DATA_RECEIVED = vars(PROTOCOL).get("data_received")
cdef object STREAM_READER = vars(PROTOCOL).get("_stream_reader")
cdef object FEED_DATA = vars(READER).get("feed_data")
cdef object WAKEUP_WAITER = vars(READER).get("_wakeup_waiter")

cdef bint KNOWN = (
    uses(DATA_RECEIVED, ["_stream_reader", "feed_data"])
    and uses(getattr(STREAM_READER, "fget", None), ["_stream_reader_wr"])
    and uses(FEED_DATA, [
        "_buffer", "extend", "_wakeup_waiter", "_transport", "_paused", "len", "_limit",
        "pause_reading", "NotImplementedError",
    ])
    and uses(WAKEUP_WAITER, ["_waiter", "cancelled", "set_result"])
)


cdef bint uses(function, list names) except -1:
    """Return whether a function uses these names, in this order; _eof, of assertions, may miss."""
    code = getattr(function, "__code__", None)
    return code is not None and [name for name in code.co_names if name != "_eof"] == names


def feeds_readers() -> bool:
    """Return whether a StreamReader of asyncio's own classes is fed without a Python frame."""
    return (
        KNOWN
        and vars(PROTOCOL).get("data_received") is DATA_RECEIVED
        and vars(PROTOCOL).get("_stream_reader") is STREAM_READER
        and vars(READER).get("feed_data") is FEED_DATA
        and vars(READER).get("_wakeup_waiter") is WAKEUP_WAITER
    )


cdef bint may_feed_reader(protocol) except -1:
    """Return whether it is worth calling reader_feed() for this protocol."""
    return KNOWN and isinstance(protocol, PROTOCOL)


cdef bint reader_feed(protocol, const char* data, Py_ssize_t size) except -1:
    """Do what protocol.data_received() would do; or do nothing and return False: call it then.

    Args:
        protocol: one for which may_feed_reader() is true.
        size: never 0.
    """
    cdef object reader = reader_found(protocol)
    if reader is None:
        return False
    extend(reader._buffer, data, size)
    reader_wake(reader)
    return True


cdef object reader_with_room(protocol, Py_ssize_t room):
    """Return a reader that reader_receive() may be called for, at once; None if none can be had.

    Its buffer is larger by room until then, so no Python code may run in between.
    """
    cdef object reader = reader_found(protocol)
    if reader is None:
        return None
    try:
        PyByteArray_Resize(reader._buffer, PyByteArray_GET_SIZE(reader._buffer) + room)
    except (BufferError, MemoryError):  # there is a view of it: that matters only if there is data
        return None
    return reader


cdef ssize_t reader_receive(reader, int fd, Py_ssize_t room, char* spare) except? -1:
    """Receive once into the room at the end of a reader's buffer, which becomes as long as it is.

    Args:
        room: what reader_with_room() was asked for, at most RECEIVE_BYTES.
        spare: RECEIVE_BYTES of memory, which take what has no room.

    Returns:
        What recvmsg() returned; errno is that of the failure.
    """
    cdef object buffer = reader._buffer
    cdef Py_ssize_t filled = PyByteArray_GET_SIZE(buffer) - room
    cdef iovec vector[2]
    cdef ssize_t count
    cdef int error
    vector[0].iov_base = PyByteArray_AS_STRING(buffer) + filled
    vector[0].iov_len = room
    vector[1].iov_base = spare
    vector[1].iov_len = RECEIVE_BYTES - room
    count = receive_vector(fd, vector)
    error = errno.errno  # giving memory back may change it
    try:
        PyByteArray_Resize(buffer, filled + max(0, min(count, room)))
        if count > room:
            extend(buffer, spare, count - room)
    except MemoryError:  # a stream with a gap is worse than none
        count, error = -1, errno.ENOMEM
    errno.errno = error
    return count


cdef int reader_wake(reader) except -1:
    """Wake the waiter for data; pause the transport if there is too much of it."""
    cdef object waiter = reader._waiter
    if waiter is not None:
        reader._waiter = None
        if not waiter.cancelled():
            waiter.set_result(None)
    if PyByteArray_GET_SIZE(reader._buffer) > 2 * reader._limit:
        pause_transport(reader)
    return 0


cdef object reader_found(protocol):
    """Return the reader that can be fed here; None if data_received() must be called."""
    cdef object reader = reader_of(protocol)
    if type(reader) is not READER or reader._eof:
        return None
    if not calls(reader, "feed_data", FEED_DATA):
        return None
    if not calls(reader, "_wakeup_waiter", WAKEUP_WAITER):
        return None
    return reader if type(reader._buffer) is bytearray else None


cdef object reader_of(protocol):
    """Return the reader that data_received() would feed; None if that is not asyncio's own."""
    cdef object reference
    if not calls(protocol, "data_received", DATA_RECEIVED):
        return None
    if class_attribute(protocol, "_stream_reader") != <PyObject*>STREAM_READER:
        return None
    reference = protocol._stream_reader_wr
    return None if reference is None else reference()


cdef ssize_t receive_vector(int fd, iovec* vector) noexcept:
    """Receive once into two pieces of memory."""
    cdef msghdr message
    memset(&message, 0, sizeof(message))
    message.msg_iov = vector
    message.msg_iovlen = 2
    return recvmsg(fd, &message, 0)


cdef int extend(buffer, const char* data, Py_ssize_t size) except -1:
    """Append to a bytearray; raise BufferError if there is a view of it."""
    cdef Py_ssize_t filled = PyByteArray_GET_SIZE(buffer)
    PyByteArray_Resize(buffer, filled + size)
    memcpy(PyByteArray_AS_STRING(buffer) + filled, data, size)
    return 0


cdef int pause_transport(reader) except -1:
    """The reader has more than it wants: pause its transport, if that is possible."""
    cdef object transport = reader._transport
    if transport is None or reader._paused:
        return 0
    try:
        transport.pause_reading()
    except NotImplementedError:
        reader._transport = None  # so that this is not tried again
    else:
        reader._paused = True
    return 0
