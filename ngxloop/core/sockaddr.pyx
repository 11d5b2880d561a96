"""Socket addresses: from the kernel's structures to Python's, in the form of the socket module.

AF_INET is (host, port), AF_INET6 (host, port, flowinfo, scope_id), AF_UNIX a str, or bytes for a
name in the abstract namespace; an unnamed Unix socket is ''. Other families give None.
"""

from os import fsdecode

from ngxloop.core.linux cimport (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    getpeername,
    getsockname,
    inet_ntop,
    ntohl,
    ntohs,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    sockaddr_un,
    socklen_t,
)

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


cdef object local_address(int fd):
    """Return the address a socket is bound to, None if it has none any more."""
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
