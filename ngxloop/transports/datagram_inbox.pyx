"""DatagramInbox: the memory that the datagrams of one event are received into.

How it works. One recvmmsg() takes all that has come, up to the inbox's capacity. Every datagram has
a place that holds the largest its family may send, so none is ever cut short; memory that was never
touched costs nothing. A loop has one inbox for IP and one for other families, with larger
datagrams, and all its endpoints share them: a datagram's data is copied into a bytes object of the
right size before another endpoint receives.

The places are not 64 KiB apart but two cache lines more: all of them would begin in the same set of
the processor's cache, which has 8 to 16 ways.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc
from libc.errno cimport ENOSYS, EPERM, errno

from ngxloop.core.address_cache cimport address_of_name
from ngxloop.core.limits cimport (
    DATAGRAM_BYTES,
    LARGE_DATAGRAM_BYTES,
    RECEIVE_DATAGRAM_COUNT,
    RECEIVE_LARGE_DATAGRAM_COUNT,
)
from ngxloop.core.linux cimport (
    AF_INET,
    AF_INET6,
    MSG_DONTWAIT,
    iovec,
    mmsghdr,
    recvmmsg,
    recvmsg,
    sockaddr,
    sockaddr_storage,
)
from ngxloop.core.reactor cimport Reactor

cdef enum:
    GAP_BYTES = 128

cdef bint HAS_RECVMMSG = True  # until the kernel or a sandbox refuses it


def receives_many() -> bool:
    """Return whether one call of the kernel receives several datagrams, as far as is known."""
    return HAS_RECVMMSG


@cython.final
cdef class DatagramInbox:
    """Places for the datagrams of one event; see the file header."""

    def __cinit__(self, bint is_ip):
        cdef unsigned int capacity = (
            RECEIVE_DATAGRAM_COUNT if is_ip else RECEIVE_LARGE_DATAGRAM_COUNT
        )
        cdef size_t datagram_bytes = DATAGRAM_BYTES if is_ip else LARGE_DATAGRAM_BYTES
        cdef size_t distance = datagram_bytes + GAP_BYTES
        cdef unsigned int i
        self.capacity = capacity
        self.memory = <char*>PyMem_RawMalloc(capacity * distance)
        self.headers = <mmsghdr*>PyMem_RawCalloc(capacity, sizeof(mmsghdr))
        self.vectors = <iovec*>PyMem_RawCalloc(capacity, sizeof(iovec))
        self.names = <sockaddr_storage*>PyMem_RawCalloc(capacity, sizeof(sockaddr_storage))
        if not (self.memory and self.headers and self.vectors and self.names):
            raise MemoryError(f"no memory for {capacity} datagrams of {datagram_bytes} bytes")
        for i in range(capacity):
            self.vectors[i].iov_base = self.memory + i * distance
            self.vectors[i].iov_len = datagram_bytes
            self.headers[i].msg_hdr.msg_iov = &self.vectors[i]
            self.headers[i].msg_hdr.msg_iovlen = 1
            self.headers[i].msg_hdr.msg_name = &self.names[i]

    def __dealloc__(self):
        PyMem_RawFree(self.memory)
        PyMem_RawFree(self.headers)
        PyMem_RawFree(self.vectors)
        PyMem_RawFree(self.names)

    cdef int receive(self, int fd, unsigned int count) noexcept:
        """Receive up to count datagrams without blocking; return how many, -1 sets errno."""
        global HAS_RECVMMSG
        cdef ssize_t size
        cdef int received
        cdef unsigned int i
        count = min(count, self.capacity)
        for i in range(count):  # the kernel has put the last sender's size there
            self.headers[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage)
        received = recvmmsg(fd, self.headers, count, MSG_DONTWAIT, NULL)
        if received < 0 and (errno == ENOSYS or errno == EPERM):  # a sandbox without the call
            self.capacity = 1
            HAS_RECVMMSG = False
            size = recvmsg(fd, &self.headers[0].msg_hdr, MSG_DONTWAIT)
            self.headers[0].msg_len = <unsigned int>size
            received = 1 if size >= 0 else -1
        return received

    cdef bytes data(self, unsigned int i):
        return PyBytes_FromStringAndSize(
            <char*>self.vectors[i].iov_base, self.headers[i].msg_len
        )

    cdef object address(self, unsigned int i):
        """Return a datagram's sender, None if it has no name."""
        return address_of_name(
            <sockaddr*>&self.names[i], self.headers[i].msg_hdr.msg_namelen
        )


cdef DatagramInbox inbox_get(Reactor reactor, int family):
    """Return the inbox that the loop's endpoints of a family share; a new one if it is lent."""
    cdef DatagramInbox inbox
    cdef bint is_ip = family == AF_INET or family == AF_INET6
    if reactor.inboxes is None:
        reactor.inboxes = [None, None]
    inbox = reactor.inboxes[is_ip]
    if inbox is None:
        inbox = reactor.inboxes[is_ip] = DatagramInbox.__new__(DatagramInbox, is_ip)
    elif inbox.lent:  # a callback runs the loop by hand
        inbox = DatagramInbox.__new__(DatagramInbox, is_ip)
    return inbox
