"""The HTTP parsers, fed as an engine feeds them: what is not parsed yet is kept in memory.

All memory that the parsers see is as large as what is in it, and a new block for each call: a
sanitizer reports a byte that is read behind its end, or one that is read after it was given back.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from ngxloop.http.body cimport Body, body_init, body_parse
from ngxloop.http.head cimport (
    HEAD_START,
    PARSE_AGAIN,
    PARSE_DATA,
    PARSE_DONE,
    PARSE_REFUSED,
    Field,
    Head,
    HeadLimits,
    ParseResult,
    Span,
)
from ngxloop.http.headparser cimport head_init, head_limits_init, head_parse
from ngxloop.http.names cimport name_find
from ngxloop.http.targets cimport host_is_valid

METHODS = (None, "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
FORMS = ("origin", "absolute", "asterisk", "authority")


cdef class Memory:
    """A block of exactly the size of its content."""

    def __cinit__(self, size_t size):
        self.bytes = <uint8_t*>PyMem_Malloc(size)
        if self.bytes == NULL:
            raise MemoryError(f"no memory for {size} bytes")
        self.size = size

    def __dealloc__(self):
        PyMem_Free(self.bytes)


cdef Memory copied(const void* content, size_t size):
    memory = Memory(size)
    memcpy(memory.bytes, content, size)
    return memory


cdef class HttpParser:
    """The requests of one connection, as a list of events.

    ("head", dict), ("data", bytes), ("end",) for each request; ("refused", code) at the end.
    What follows a request after which the connection does not persist is left unparsed.
    """

    cdef HeadLimits limits
    cdef Head head
    cdef Body body
    cdef Memory fields
    cdef bytes kept          # what is received of a head that is not complete
    cdef bint in_body
    cdef readonly list events
    cdef readonly bint closed

    def __cinit__(
        self,
        *,
        target_bytes_max=None,
        field_line_bytes_max=None,
        fields_bytes_max=None,
        field_count_max=None,
        body_bytes_max=None,
        drops_underscores=False,
    ):
        head_limits_init(&self.limits)
        if target_bytes_max is not None:
            self.limits.target_bytes_max = target_bytes_max
        if field_line_bytes_max is not None:
            self.limits.field_line_bytes_max = field_line_bytes_max
        if fields_bytes_max is not None:
            self.limits.fields_bytes_max = fields_bytes_max
        if field_count_max is not None:
            self.limits.field_count_max = field_count_max
        if body_bytes_max is not None:
            self.limits.body_bytes_max = body_bytes_max
        self.limits.drops_underscores = drops_underscores
        self.events = []
        self.begin_request()

    cdef int begin_request(self) except -1:
        self.fields = Memory(self.limits.field_count_max * sizeof(Field))
        head_init(&self.head, <Field*>self.fields.bytes, &self.limits)
        self.kept = b""
        self.in_body = False
        return 0

    @property
    def is_idle(self):
        """Whether no byte of a request has come."""
        return not self.in_body and self.head.state == HEAD_START

    def feed(self, bytes data):
        """Parse the next bytes; return those that are left when the connection is closed."""
        while not self.closed:
            rest = self.feed_body(data) if self.in_body else self.feed_head(data)
            if rest is None:
                return b""
            data = rest
        return data

    cdef object feed_head(self, bytes data):
        """Return the bytes behind the head, None if it is not complete."""
        cdef ParseResult result
        cdef bytes received = self.kept + data
        memory = copied(PyBytes_AS_STRING(received), PyBytes_GET_SIZE(received))
        # The table moves, too: the engine has another one for heads that are not complete.
        self.fields = copied(self.fields.bytes, self.fields.size)
        self.head.fields = <Field*>self.fields.bytes
        result = head_parse(&self.head, memory.bytes, memory.size)
        assert result in (PARSE_REFUSED, PARSE_AGAIN, PARSE_DONE)
        assert self.head.position <= memory.size
        if result == PARSE_REFUSED:
            return self.refuse(self.head.refusal, received[self.head.position:])
        if result == PARSE_AGAIN:
            self.kept = received
            return None
        self.events.append(("head", head_content(&self.head, received)))
        body_init(&self.body, &self.head)
        self.in_body = True
        return received[self.head.size:]

    cdef object feed_body(self, bytes data):
        """Return the bytes behind the body, None if it is not complete."""
        cdef ParseResult result
        cdef bytes rest = data
        while True:
            memory = copied(PyBytes_AS_STRING(rest), PyBytes_GET_SIZE(rest))
            result = body_parse(&self.body, memory.bytes, memory.size)
            assert self.body.consumed <= memory.size
            if result == PARSE_DATA:
                assert self.body.piece_size > 0
                assert self.body.piece_offset + self.body.piece_size == self.body.consumed
                self.events.append(("data", rest[self.body.piece_offset:self.body.consumed]))
            rest = rest[self.body.consumed:]
            if result == PARSE_REFUSED:
                return self.refuse(self.body.refusal, rest)
            if result == PARSE_AGAIN:
                assert not rest
                return None
            if result == PARSE_DONE:
                self.events.append(("end",))
                self.closed = not self.head.keeps_alive
                self.begin_request()
                return rest

    cdef object refuse(self, int code, object rest):
        assert code
        self.events.append(("refused", code))
        self.closed = True
        return rest


cdef bytes span(Span* place, bytes received):
    return received[place.offset:place.offset + place.size]


cdef dict head_content(Head* head, bytes received):
    """Return all that the engine may take from a head."""
    fields = []
    for i in range(head.field_count):
        field = head.fields[i]
        name = received[field.name_offset:field.name_offset + field.name_size]
        value = received[field.value_offset:field.value_offset + field.value_size]
        fields.append((name, value))
        assert field.name == name_find(<const uint8_t*>PyBytes_AS_STRING(name), len(name))
    return {
        "method": span(&head.method, received),
        "known_method": METHODS[head.method_id],
        "target": span(&head.target, received),
        "form": FORMS[head.target_form],
        "authority": span(&head.authority, received),
        "path": span(&head.path, received),
        "path_has_percent": bool(head.path_has_percent),
        "query": span(&head.query, received) if head.has_query else None,
        "version": f"1.{head.minor_version}",
        "fields": fields,
        "content_length": head.content_length if head.content_length >= 0 else None,
        "is_chunked": bool(head.is_chunked),
        "keeps_alive": bool(head.keeps_alive),
        "expects_continue": bool(head.expects_continue),
        "wants_upgrade": bool(head.wants_upgrade),
        "wants_websocket": bool(head.wants_websocket),
        "takes_trailers": bool(head.takes_trailers),
    }


def find_name(bytes name):
    """Return the number of a known field name, 0 for any other."""
    memory = copied(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    return name_find(memory.bytes, memory.size)


def is_host(bytes text):
    memory = copied(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return host_is_valid(memory.bytes, memory.size)


def repeat_head(bytes data, int count, **limits):
    """Parse the same head again and again, for an instruction counter; return its size."""
    cdef HttpParser parser = HttpParser(**limits)
    cdef const uint8_t* start = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef size_t size = PyBytes_GET_SIZE(data)
    for _ in range(count):
        head_init(&parser.head, <Field*>parser.fields.bytes, &parser.limits)
        assert head_parse(&parser.head, start, size) == PARSE_DONE
    return parser.head.size


def repeat_body(bytes head, bytes data, int count):
    """Parse the same body again and again; return the size of what is in it."""
    cdef HttpParser parser = HttpParser()
    cdef const uint8_t* start = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef size_t size = PyBytes_GET_SIZE(data), offset, content = 0
    cdef ParseResult result
    cdef Body begun
    parser.feed(head)
    begun = parser.body
    for _ in range(count):
        parser.body = begun
        offset = 0
        content = 0
        result = PARSE_DATA
        while result == PARSE_DATA:
            result = body_parse(&parser.body, start + offset, size - offset)
            offset += parser.body.consumed
            content += parser.body.piece_size
        assert result == PARSE_DONE
    return content
