# cython: nonecheck=True
"""Link: a connection as its requests see it: addresses, output, and what they want done.

Requests know this and not the connection, which knows requests. The transport is a stream of ours,
or TLS of ours over one: no other has the methods that are called here.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Copy

from ngxloop.core.linux cimport MSG_DONTWAIT, MSG_PEEK, iovec, recv
from ngxloop.http.engine cimport Engine
from ngxloop.http.expiry cimport Expiring
from ngxloop.http.tlsextension import describe_tls
from ngxloop.transports.stream cimport StreamTransport
from ngxloop.transports.tls cimport TlsTransport

cdef type STREAM = StreamTransport
cdef type TLS = TlsTransport

cdef str CONNECTION_ONLY = "HttpConnection does this"
cdef str SUCCESSOR_ONLY = "what follows on an HttpConnection does this"


cdef class Link(Expiring):
    """The base of HttpConnection; see the file header."""

    def connection_made(self, transport):
        """Take the transport.

        Raises:
            TypeError: it is not one of ngxloop's.
        """
        if type(transport) is STREAM:
            self.stream = transport
        elif type(transport) is TLS and (<TlsTransport>transport).layer.stream is not None:
            self.tls = transport
            self.stream = self.tls.layer.stream
        else:
            raise TypeError(f"ngxloop.http needs a connection of ngxloop's loop, not {transport!r}")
        self.stream.context = self.engine.shared_context(self.stream.context)

    cdef object transport(self):
        """Return what the application's bytes are written to."""
        return self.stream if self.tls is None else self.tls

    cdef int use_addresses(self) except -1:
        """Find out both ends' addresses, as a scope has them; once.

        Our end's objects are shared by all connections that have the same address.
        """
        cdef Engine engine = self.engine
        cdef object local = self.stream.sock_address()
        self.has_addresses = True
        self.client = host_and_port(self.stream.peer_address())
        if local == engine.local:
            self.stream.local = engine.local
        else:
            engine.use_local(local, server_of(local))
        self.server = engine.server
        return 0

    cdef dict tls_extension(self):
        """Return what a scope says of TLS; the caller may change it."""
        if self.tls_facts is None:
            self.tls_facts = describe_tls(self.tls.layer.engine.ssl_object)
        return PyDict_Copy(self.tls_facts)

    cdef bint has_unread(self) noexcept:
        """Return whether the kernel has something for us; a system call."""
        cdef char first
        return self.stream is not None and recv(
            self.stream.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT
        ) > 0

    cdef int write(self, const char* data, Py_ssize_t size) except -1:
        """Send memory."""
        if self.tls is None:
            return self.stream.write_memory(data, size)
        return self.tls.layer.write(data[:size])

    cdef int write_last(self, const char* data, Py_ssize_t size) except -1:
        """Send memory with which an answer ends."""
        if self.gathers and self.tls is None:
            return self.stream.postpone_memory(data, size)
        return self.write(data, size)

    cdef int write_around(self, iovec* parts, bytes data) except -1:
        """Send data, which is kept until sent, together with memory before and after it."""
        if self.tls is None:
            return self.stream.write_around(parts, data)
        pieces = [bytes_of(&parts[0]), data, bytes_of(&parts[2])]
        return self.tls.layer.write_several([piece for piece in pieces if piece])

    cdef bint may_persist(self) except -1:
        """Return whether the connection may stay open behind the answer that begins now."""
        raise NotImplementedError(CONNECTION_ONLY)

    cdef int answer_held(self) except -1:
        """The application has begun an answer, of which nothing is sent yet."""
        raise NotImplementedError(CONNECTION_ONLY)

    cdef int answer_ended(self, bint whole) except -1:
        """The answer is complete; or not, then the client must see that."""
        raise NotImplementedError(CONNECTION_ONLY)

    cdef int body_taken(self) except -1:
        """The application has taken what was received of the body."""
        raise NotImplementedError(CONNECTION_ONLY)

    cdef int continue_body(self) except -1:
        """The application reads the body, with which the client waits for our consent."""
        raise NotImplementedError(CONNECTION_ONLY)

    cdef int upgrade(self, Link successor) except -1:
        """The transport, and what is not parsed, belong to a successor from now on."""
        raise NotImplementedError(CONNECTION_ONLY)

    cdef int upgraded(self, const char* data, Py_ssize_t size) except -1:
        """Go on with the transport, which is ours now, and with what was received.

        Data is valid as that of receive() is; size may be 0.
        """
        raise NotImplementedError(SUCCESSOR_ONLY)


cdef bytes bytes_of(const iovec* part):
    return PyBytes_FromStringAndSize(<const char*>part.iov_base, part.iov_len)


cdef tuple host_and_port(address):
    """Return (host, port) of an internet address, without flow and scope; else None."""
    if not isinstance(address, tuple):
        return None
    if len(address) == 2:
        return address
    return (address[0].partition("%")[0], address[1])


cdef tuple server_of(address):
    """Return what a scope says of our end: (host, port), or (path, None) of a Unix socket."""
    if isinstance(address, str) and address:
        return (address, None)
    return host_and_port(address)
