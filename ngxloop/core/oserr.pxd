"""System errors as Python's OSError, with errno and the name of the call."""

cdef object os_error(int error, str what)
cdef int raise_os_error(int error, str what) except -1
cdef int replace_fd(int source, int target) except -1
