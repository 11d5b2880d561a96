"""Socket addresses: from the kernel's structures to Python's, in the form of the socket module."""

from ngxloop.core.linux cimport sockaddr, sockaddr_in6, sockaddr_storage, socklen_t

# What a TCP address needs, IPv6 being the larger: a transport keeps its peer's in this form.
ctypedef sockaddr_in6 TcpAddress

cdef object address_object(const sockaddr* address, size_t size)
cdef object local_address(int fd)
cdef object peer_address(int fd)
cdef socklen_t address_fill(int family, object address, sockaddr_storage* storage) except? 0
