"""The addresses used last, in the kernel's form and in Python's, found by either.

How it works. A protocol gets an address with each datagram, and usually answers to the same tuple.
Converting an address costs more than everything else that the loop does for a datagram: formatting
or parsing a host, two objects and a tuple. So the last tuples are kept in a table with one place
for each hash of an IP address, and a second table leads from a tuple's identity, not its value, to
its place. A place is reused for the next address with the same hash.

The tables belong to the process, not to a loop: the GIL is held between look-up and use. A
CachedAddress is valid until the next call of address_of_name().
"""

from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uintptr_t
from libc.string cimport memcmp, memcpy

from ngxloop.core.linux cimport AF_INET, AF_INET6, sockaddr, sockaddr_in, sockaddr_in6, socklen_t
from ngxloop.core.sockaddr cimport address_object

cdef enum:
    PLACE_COUNT = 256  # a power of two; 12 KiB

cdef CachedAddress places[PLACE_COUNT]
cdef unsigned char place_of[PLACE_COUNT]  # by the tuple's identity


cdef object address_of_name(const sockaddr* name, size_t size):
    """Return the Python form of an address; the same tuple as last time if it is still known."""
    cdef CachedAddress* place
    if size > sizeof(places[0].name):
        return address_object(name, size)
    if not (
        size == sizeof(sockaddr_in) and name.sa_family == AF_INET
        or size == sizeof(sockaddr_in6) and name.sa_family == AF_INET6
    ):
        return address_object(name, size)
    place = &places[hash_of_name(name)]
    if place.size != size or memcmp(&place.name, name, size) != 0:
        fill(place, name, size)
    return <object>place.address


cdef CachedAddress* name_of_address(object address) noexcept:
    """Return the entry of a tuple that address_of_name() returned, NULL if it is gone."""
    cdef CachedAddress* place = &places[place_of[hash_of_object(<void*>address)]]
    return place if place.address == <void*>address else NULL


cdef int fill(CachedAddress* place, const sockaddr* name, size_t size) except -1:
    cdef object address = address_object(name, size)
    cdef void* former = place.address
    memcpy(&place.name, name, size)
    place.size = <socklen_t>size
    place.address = <void*>address
    Py_INCREF(address)
    place_of[hash_of_object(place.address)] = <unsigned char>(place - places)
    if former != NULL:
        Py_DECREF(<object>former)
    return 0


cdef inline uint32_t hash_of_name(const sockaddr* name) noexcept:
    """Mix the port and the last four bytes of the host."""
    cdef uint32_t mixed
    if name.sa_family == AF_INET:
        mixed = (<const sockaddr_in*>name).sin_addr.s_addr + (<const sockaddr_in*>name).sin_port
    else:
        memcpy(&mixed, &(<const sockaddr_in6*>name).sin6_addr.s6_addr[12], sizeof(mixed))
        mixed += (<const sockaddr_in6*>name).sin6_port
    return (mixed ^ mixed >> 8 ^ mixed >> 16 ^ mixed >> 24) % PLACE_COUNT


cdef inline uint32_t hash_of_object(void* pointer) noexcept:
    """Objects are 16 bytes apart at least."""
    return <uint32_t>(<uintptr_t>pointer >> 4 ^ <uintptr_t>pointer >> 12) % PLACE_COUNT
