"""The addresses used last, in the kernel's form and in Python's, found by either."""

from ngxloop.core.linux cimport sockaddr, socklen_t
from ngxloop.core.sockaddr cimport TcpAddress

cdef struct CachedAddress:
    TcpAddress name
    socklen_t size           # of name; 0 if the place is free
    void* address            # OWNS: the tuple

cdef object address_of_name(const sockaddr* name, size_t size)
cdef CachedAddress* name_of_address(object address) noexcept
