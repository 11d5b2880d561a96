"""What feeds an asyncio.StreamReader without a Python frame."""

cdef bint may_feed_reader(protocol) except -1
cdef bint reader_feed(protocol, const char* data, Py_ssize_t size) except -1
cdef object reader_with_room(protocol, Py_ssize_t room)
cdef ssize_t reader_receive(reader, int fd, Py_ssize_t room, char* spare) except? -1
cdef int reader_wake(reader) except -1
