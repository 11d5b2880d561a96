"""DatagramOutbox: the datagrams an endpoint has yet to send.

How it works. sendmmsg() for two or more, sendto() for one. The kernel stops at the first datagram
that it does not take and reports only that it stopped: the next call, which begins with this one,
returns the reason, and the others are sent without it. Addresses are kept as the program gave them
and get the kernel's form when they are sent, side by side on the stack, so a datagram that waits
costs two references. An address that only the socket module can resolve is left to the endpoint.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from cpython.object cimport PyObject
from libc.errno cimport EAGAIN, EINTR, ENOSYS, EPERM, errno
from libc.string cimport memset

import sys

from ngxloop.core.address_cache cimport CachedAddress, name_of_address
from ngxloop.core.limits cimport DATAGRAM_HEADER_BYTES, SEND_DATAGRAM_COUNT
from ngxloop.core.linux cimport (
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    iovec,
    mmsghdr,
    sendmmsg,
    sendmsg,
    sockaddr_storage,
    socklen_t,
)
from ngxloop.core.sockaddr cimport address_fill

cdef enum:
    FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL

cdef bint HAS_SENDMMSG = True  # until the kernel or a sandbox refuses it

cdef Py_ssize_t HEADER_BYTES = DATAGRAM_HEADER_BYTES if sys.version_info >= (3, 13) else 0


def sends_many() -> bool:
    """Return whether one call of the kernel sends several datagrams, as far as is known."""
    return HAS_SENDMMSG


@cython.final
cdef class DatagramOutbox:
    """The output of one endpoint; see the file header."""

    cdef int append(self, bytes data, object address) except -1:
        if self.data is None:
            self.data = []
            self.addresses = []
        self.data.append(data)
        self.addresses.append(address)
        self.count += 1
        self.size += PyBytes_GET_SIZE(data) + HEADER_BYTES
        return 0

    cdef OutboxState send(self, int fd, int family, bint connected) except? OUTBOX_EMPTY:
        """Pass to the kernel as many as it takes, without blocking.

        Args:
            connected: None as an address means the peer; without it, the socket module's error.
        """
        global HAS_SENDMMSG
        cdef mmsghdr headers[SEND_DATAGRAM_COUNT]
        cdef iovec vectors[SEND_DATAGRAM_COUNT]
        cdef sockaddr_storage names[SEND_DATAGRAM_COUNT]
        cdef int count, sent, i
        self.sent_bytes = 0
        while self.count:
            count = self.fill(headers, vectors, names, family, connected)
            if count == 0:
                return OUTBOX_UNRESOLVED
            if count == 1:
                sent = 1 if sendmsg(fd, &headers[0].msg_hdr, FLAGS) >= 0 else -1
            else:
                sent = sendmmsg(fd, headers, count, FLAGS)
                if sent < 0 and (errno == ENOSYS or errno == EPERM):
                    # a sandbox without the call, or the first datagram is what is forbidden
                    sent = 1 if sendmsg(fd, &headers[0].msg_hdr, FLAGS) >= 0 else -1
                    HAS_SENDMMSG = HAS_SENDMMSG and sent < 0
            if sent > 0:
                for i in range(sent):
                    self.sent_bytes += vectors[i].iov_len
                self.drop(sent)
            elif errno == EAGAIN:
                return OUTBOX_BLOCKED
            elif errno != EINTR:
                self.error = errno
                self.drop(1)
                return OUTBOX_REFUSED
        return OUTBOX_EMPTY

    cdef int fill(
        self,
        mmsghdr* headers,
        iovec* vectors,
        sockaddr_storage* names,
        int family,
        bint connected,
    ) except -1:
        """Describe the first datagrams, up to an address that cannot be; return how many."""
        cdef int count = min(self.count, SEND_DATAGRAM_COUNT)
        cdef PyObject* data
        cdef PyObject* address
        cdef PyObject* last_address = NULL
        cdef CachedAddress* cached
        cdef socklen_t size
        cdef int i
        for i in range(count):
            data = PyList_GET_ITEM(self.data, self.first + i)
            address = PyList_GET_ITEM(self.addresses, self.first + i)
            vectors[i].iov_base = PyBytes_AS_STRING(<object>data)
            vectors[i].iov_len = PyBytes_GET_SIZE(<object>data)
            memset(&headers[i], 0, sizeof(mmsghdr))
            headers[i].msg_hdr.msg_iov = &vectors[i]
            headers[i].msg_hdr.msg_iovlen = 1
            if <object>address is None and connected:
                pass
            elif address == last_address:  # many go to one place
                headers[i].msg_hdr.msg_name = headers[i - 1].msg_hdr.msg_name
                headers[i].msg_hdr.msg_namelen = headers[i - 1].msg_hdr.msg_namelen
            else:
                cached = name_of_address(<object>address)
                if cached != NULL and cached.name.sin6_family == family:
                    headers[i].msg_hdr.msg_name = &cached.name
                    headers[i].msg_hdr.msg_namelen = cached.size
                    last_address = address
                    continue
                size = address_fill(family, <object>address, &names[i])
                if size == 0:
                    return i
                headers[i].msg_hdr.msg_name = &names[i]
                headers[i].msg_hdr.msg_namelen = size
            last_address = address
        return count

    cdef tuple take(self):
        """Remove the first datagram and return its data and address."""
        cdef tuple datagram = (self.data[self.first], self.addresses[self.first])
        self.drop(1)
        return datagram

    cdef int put_back(self, bytes data, object address) except -1:
        """Make what take() has returned the first again."""
        if self.count == 0:
            return self.append(data, address)
        self.data.insert(self.first, data)
        self.addresses.insert(self.first, address)
        self.count += 1
        self.size += PyBytes_GET_SIZE(data) + HEADER_BYTES
        return 0

    cdef int drop(self, Py_ssize_t count) except -1:
        """Forget the first count datagrams."""
        cdef Py_ssize_t i
        for i in range(self.first, self.first + count):
            self.size -= PyBytes_GET_SIZE(<object>PyList_GET_ITEM(self.data, i)) + HEADER_BYTES
        self.count -= count
        self.first += count
        if self.count == 0:
            self.clear()
        elif self.first >= SEND_DATAGRAM_COUNT:
            del self.data[:self.first]
            del self.addresses[:self.first]
            self.first = 0
        return 0

    cdef int clear(self) except -1:
        """Forget everything."""
        self.data = self.addresses = None
        self.first = self.count = self.size = 0
        return 0
