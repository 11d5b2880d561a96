"""What feeds an asyncio.StreamReader without a Python frame."""

cdef bint may_feed_reader(protocol) except -1
cdef bint reader_feed(protocol, const char* data, Py_ssize_t size) except -1
