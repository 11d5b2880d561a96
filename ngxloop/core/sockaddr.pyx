"""Socket addresses: from the kernel's structures to those of the socket module, and back.

AF_INET is (host, port), AF_INET6 (host, port, flowinfo, scope_id), AF_UNIX a str, or bytes for a
name in the abstract namespace; an unnamed Unix socket is ''. Other families give None.

The way back is for addresses that need no look-up: numeric hosts, names of Unix sockets. Anything
else, a host name or a wrong type, is left to Python's socket object, which resolves it or raises
the right error.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_GET_SIZE
from libc.stdint cimport uint32_t
from libc.string cimport memchr, memcpy

from os import fsdecode, fsencode

from ngxloop.core.linux cimport (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    getpeername,
    getsockname,
    htonl,
    htons,
    inet_ntop,
    inet_pton,
    ntohl,
    ntohs,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    sockaddr_un,
    socklen_t,
)

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    bint PyUnicode_IS_ASCII(object text)
    long PyLong_AsLongAndOverflow(object number, int* overflow) except? -1


cdef object address_object(const sockaddr* address, size_t size):
    """Return the Python form of the first size bytes at address."""
    cdef char text[64]
    cdef const sockaddr_in* inet
    cdef const sockaddr_in6* inet6
    if size < sizeof(address.sa_family):
        return None
    if address.sa_family == AF_INET:
        inet = <const sockaddr_in*>address
        inet_ntop(AF_INET, &inet.sin_addr, text, sizeof(text))
        return (text.decode("ascii"), ntohs(inet.sin_port))
    if address.sa_family == AF_INET6:
        inet6 = <const sockaddr_in6*>address
        inet_ntop(AF_INET6, &inet6.sin6_addr, text, sizeof(text))
        return (
            text.decode("ascii"),
            ntohs(inet6.sin6_port),
            ntohl(inet6.sin6_flowinfo),
            inet6.sin6_scope_id,
        )
    if address.sa_family == AF_UNIX:
        return unix_name(<const sockaddr_un*>address, size)
    return None


cdef object unix_name(const sockaddr_un* address, size_t size):
    cdef bytes name = (<const char*>address)[sizeof(address.sun_family):size]
    if name.startswith(b"\0"):
        return name
    return fsdecode(name.split(b"\0", 1)[0])


cdef socklen_t address_fill(int family, object address, sockaddr_storage* storage) except? 0:
    """Write an address to storage and return its size; 0 if only the socket module can do so."""
    if family == AF_INET:
        return inet_fill(address, <sockaddr_in*>storage)
    if family == AF_INET6:
        return inet6_fill(address, <sockaddr_in6*>storage)
    if family == AF_UNIX:
        return unix_fill(address, <sockaddr_un*>storage)
    return 0


cdef socklen_t inet_fill(object address, sockaddr_in* inet) except? 0:
    cdef long port
    if type(address) is not tuple or PyTuple_GET_SIZE(address) != 2:
        return 0
    port = number_or_minus_one((<tuple>address)[1], 0xFFFF)
    if port < 0 or not host_fill(AF_INET, (<tuple>address)[0], &inet.sin_addr):
        return 0
    inet.sin_family = AF_INET
    inet.sin_port = htons(<unsigned short>port)
    return sizeof(sockaddr_in)


cdef socklen_t inet6_fill(object address, sockaddr_in6* inet6) except? 0:
    cdef Py_ssize_t size
    cdef long port, flow_info = 0, scope_id = 0
    if type(address) is not tuple:
        return 0
    size = PyTuple_GET_SIZE(address)
    if not 2 <= size <= 4:
        return 0
    port = number_or_minus_one((<tuple>address)[1], 0xFFFF)
    if size > 2:
        flow_info = number_or_minus_one((<tuple>address)[2], 0xFFFFF)
    if size > 3:
        scope_id = number_or_minus_one((<tuple>address)[3], 0xFFFFFFFF)
    if port < 0 or flow_info < 0 or scope_id < 0:
        return 0
    if not host_fill(AF_INET6, (<tuple>address)[0], &inet6.sin6_addr):
        return 0
    inet6.sin6_family = AF_INET6
    inet6.sin6_port = htons(<unsigned short>port)
    inet6.sin6_flowinfo = htonl(<uint32_t>flow_info)
    inet6.sin6_scope_id = <uint32_t>scope_id
    return sizeof(sockaddr_in6)


cdef bint host_fill(int family, object host, void* target) except? False:
    """Write a numeric host to target; return False if it is not numeric."""
    cdef Py_ssize_t size
    cdef const char* text
    if type(host) is not str or not PyUnicode_IS_ASCII(host):
        return False
    text = PyUnicode_AsUTF8AndSize(host, &size)
    return memchr(text, 0, size) == NULL and inet_pton(family, text, target) == 1


cdef long number_or_minus_one(object number, long largest) except? -1:
    """Return an int from 0 to largest, -1 for anything else."""
    cdef long value
    cdef int overflow = 0
    if type(number) is not int:
        return -1
    value = PyLong_AsLongAndOverflow(number, &overflow)
    return value if 0 <= value <= largest and not overflow else -1


cdef socklen_t unix_fill(object address, sockaddr_un* unix) except? 0:
    """Write a path, which ends with a NUL, or an abstract name, which does not."""
    cdef bytes name
    cdef Py_ssize_t size
    if type(address) is str:
        name = fsencode(address)
    elif type(address) is bytes:
        name = address
    else:
        return 0
    size = PyBytes_GET_SIZE(name)
    if size == 0 or size >= <Py_ssize_t>sizeof(unix.sun_path):
        return 0
    unix.sun_family = AF_UNIX
    memcpy(unix.sun_path, PyBytes_AS_STRING(name), size + 1)
    return sizeof(unix.sun_family) + size + (unix.sun_path[0] != 0)


cdef object local_address(int fd):
    """Return the address a socket is bound to, None if the socket is gone."""
    cdef sockaddr_storage storage
    cdef socklen_t size = sizeof(storage)
    if getsockname(fd, <sockaddr*>&storage, &size) < 0:
        return None
    return address_object(<sockaddr*>&storage, size)


cdef object peer_address(int fd):
    """Return the address a socket is connected to, None if it is not (any more)."""
    cdef sockaddr_storage storage
    cdef socklen_t size = sizeof(storage)
    if getpeername(fd, <sockaddr*>&storage, &size) < 0:
        return None
    return address_object(<sockaddr*>&storage, size)
