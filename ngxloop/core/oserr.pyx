"""System errors as Python's OSError, with errno and the name of the call.

Rules. `what` names the call and what was done about it: "epoll_ctl(ADD, fd=7)". It is left out
(None) where asyncio shows the bare text of the error and users may match it, as in
connection_lost(exc).
"""

from libc.errno cimport errno

from os import strerror

from ngxloop.core.linux cimport O_CLOEXEC, dup3


cdef object os_error(int error, str what):
    """Return the OSError subclass that belongs to an errno, such as ConnectionResetError."""
    if what is None:
        return OSError(error, strerror(error))
    return OSError(error, f"{what} failed: {strerror(error)}")


cdef int raise_os_error(int error, str what) except -1:
    raise os_error(error, what)


cdef int replace_fd(int source, int target) except -1:
    """Make target another number for source; what target was is closed."""
    if dup3(source, target, O_CLOEXEC) < 0:
        raise_os_error(errno, f"dup3({source}, {target})")
    return 0
