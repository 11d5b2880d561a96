"""Socket addresses as the kernel lays them out."""

from libc.string cimport memcpy, memset

from ngxloop.core.linux cimport sockaddr, sockaddr_storage
from ngxloop.core.sockaddr cimport address_fill, address_object, local_address, peer_address


def parse(bytes raw):
    """Return the Python form of an address; what stands behind it in memory is not zero."""
    cdef sockaddr_storage storage
    assert len(raw) <= <Py_ssize_t>sizeof(storage)
    memset(&storage, 0xEE, sizeof(storage))
    memcpy(&storage, <char*>raw, len(raw))
    return address_object(<sockaddr*>&storage, len(raw))


def local(int fd):
    return local_address(fd)


def peer(int fd):
    return peer_address(fd)


def fill(int family, address):
    """Return an address as the kernel wants it; b"" if only the socket module can tell."""
    cdef sockaddr_storage storage
    memset(&storage, 0, sizeof(storage))
    return (<char*>&storage)[:address_fill(family, address, &storage)]
