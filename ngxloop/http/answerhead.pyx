"""The head of an answer: an application's fields, checked and written into memory.

Rules. Everything is checked before a byte is sent, so that a wrong head becomes an answer with
status 500: names are tokens, values have no controls, else a value could end its line and begin
another field, or another answer (RFC 9110 5.5). Blanks around a value are cut. What frames the
answer is ours to say: Transfer-Encoding and Connection are not passed on, `close` is obeyed, and a
Content-Length is one number.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.list cimport PyList_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.sequence cimport PySequence_Fast_GET_SIZE
from cpython.tuple cimport PyTuple_CheckExact
from libc.stdint cimport INT64_MAX, int64_t, uint8_t
from libc.string cimport memcpy

from ngxloop.http.characters cimport CLASSES, LOWER_CASE, TOKEN_BYTE, VALUE_BYTE
from ngxloop.http.lines cimport status_line

cdef extern from "Python.h":
    PyObject* PySequence_Fast_GET_ITEM(object sequence, Py_ssize_t i)    # borrowed

cdef enum:
    HEAD_BYTES = 512         # what is reserved at first
    NUMBER_BYTES = 20        # the digits of an int64, in either base

cdef const char* DIGITS = b"0123456789abcdef"


cdef int head_write(HeadText* head, HeadFacts* facts, int status, headers) except -1:
    """Write the status line and the application's fields; what we add follows them.

    Raises:
        TypeError, ValueError: headers is no iterable of pairs of bytes.
        RuntimeError: a name, a value or the Content-Length is invalid.
    """
    cdef bytes line = status_line(status)
    cdef object pairs = fast_pairs(headers)
    cdef object pair
    cdef bytes name
    cdef bytes value
    cdef Py_ssize_t i
    head.size = 0
    facts.content_length = -1
    facts.closes = facts.has_server = facts.has_date = False
    head_add(head, PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))
    for i in range(PySequence_Fast_GET_SIZE(pairs)):
        pair = <object>PySequence_Fast_GET_ITEM(pairs, i)
        name = <bytes>PySequence_Fast_GET_ITEM(pair, 0)
        value = <bytes>PySequence_Fast_GET_ITEM(pair, 1)
        if not is_ours(facts, name, value):
            write_field(head, name, value)
    return 0


cdef int head_write_fields(HeadText* head, headers) except -1:
    """Append fields that say nothing of the framing: trailers."""
    for name, value in fast_pairs(headers):
        write_field(head, name, value)
    return 0


cdef object fast_pairs(headers):
    """Return headers as a list or tuple of lists or tuples of two bytes objects.

    What an application usually gives is returned as it is; all its own code runs in here.
    """
    cdef Py_ssize_t i
    if PyList_CheckExact(headers) or PyTuple_CheckExact(headers):
        for i in range(PySequence_Fast_GET_SIZE(headers)):
            if not is_pair(<object>PySequence_Fast_GET_ITEM(headers, i)):
                break
        else:
            return headers
    return [(as_bytes(name), as_bytes(value)) for name, value in headers]


cdef bint is_pair(pair) noexcept:
    if not PyTuple_CheckExact(pair) and not PyList_CheckExact(pair):
        return False
    return (
        PySequence_Fast_GET_SIZE(pair) == 2
        and PyBytes_CheckExact(<object>PySequence_Fast_GET_ITEM(pair, 0))
        and PyBytes_CheckExact(<object>PySequence_Fast_GET_ITEM(pair, 1))
    )


cdef bytes as_bytes(text):
    if not isinstance(text, (bytes, bytearray, memoryview)):
        raise TypeError(f"names and values of headers must be bytes, not {type(text).__name__}")
    return bytes(text)


cdef bint is_ours(HeadFacts* facts, bytes name, bytes value) except -1:
    """Take note of a field that the engine looks at; return whether it is not passed on."""
    cdef const uint8_t* text = <const uint8_t*>PyBytes_AS_STRING(name)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(name)
    if size == 4 and is_named(text, b"date", 4):
        facts.has_date = True
    elif size == 6 and is_named(text, b"server", 6):
        facts.has_server = True
    elif size == 10 and is_named(text, b"connection", 10):
        if b"close" in [option.strip(b" \t") for option in value.lower().split(b",")]:
            facts.closes = True
        return True
    elif size == 14 and is_named(text, b"content-length", 14):
        if facts.content_length >= 0:
            raise RuntimeError("Invalid headers: more than one content-length")
        facts.content_length = length_of(value)
        return True
    elif size == 17 and is_named(text, b"transfer-encoding", 17):
        return True
    return False


cdef bint is_named(const uint8_t* text, const char* lower, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        if LOWER_CASE[text[i]] != <uint8_t>lower[i]:
            return False
    return True


cdef int64_t length_of(bytes value) except -1:
    """Return the number that a Content-Length names."""
    cdef const uint8_t* text = <const uint8_t*>PyBytes_AS_STRING(value)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    cdef int64_t length = 0
    cdef Py_ssize_t i
    cut_blanks(&text, &size)
    for i in range(size):
        if not c"0" <= text[i] <= c"9" or length > (INT64_MAX - 9) // 10:
            size = 0
            break
        length = 10 * length + (text[i] - c"0")
    if size == 0:
        raise RuntimeError(f"Invalid content-length: {value!r}")
    return length


cdef int write_field(HeadText* head, bytes name, bytes value) except -1:
    """Check one field and append its line."""
    cdef const uint8_t* text = <const uint8_t*>PyBytes_AS_STRING(value)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    cdef Py_ssize_t name_size = PyBytes_GET_SIZE(name)
    cdef char* place
    cut_blanks(&text, &size)
    if name_size == 0 or not is_made_of(
        <const uint8_t*>PyBytes_AS_STRING(name), name_size, TOKEN_BYTE
    ):
        raise RuntimeError(f"Invalid header name: {name!r}")
    if not is_made_of(text, size, VALUE_BYTE):
        raise RuntimeError(f"Invalid value of header {name!r}: {value!r}")
    head_reserve(head, name_size + size + 4)
    place = head.memory + head.size
    memcpy(place, PyBytes_AS_STRING(name), name_size)
    memcpy(place + name_size, b": ", 2)
    memcpy(place + name_size + 2, text, size)
    memcpy(place + name_size + 2 + size, b"\r\n", 2)
    head.size += name_size + size + 4
    return 0


cdef bint is_made_of(const uint8_t* text, Py_ssize_t size, uint8_t byte_class) noexcept nogil:
    cdef uint8_t common = byte_class
    cdef Py_ssize_t i
    for i in range(size):
        common &= CLASSES[text[i]]
    return common != 0


cdef void cut_blanks(const uint8_t** text, Py_ssize_t* size) noexcept nogil:
    """Leave out spaces and tabs at both ends, and nothing else."""
    while size[0] and text[0][0] in (c" ", c"\t"):
        text[0] += 1
        size[0] -= 1
    while size[0] and text[0][size[0] - 1] in (c" ", c"\t"):
        size[0] -= 1


cdef int head_add(HeadText* head, const char* text, Py_ssize_t size) except -1:
    head_reserve(head, size)
    memcpy(head.memory + head.size, text, size)
    head.size += size
    return 0


cdef int head_add_length(HeadText* head, int64_t length) except -1:
    """Append a Content-Length."""
    head_add(head, b"content-length: ", 16)
    return head_add_number(head, length, 10)


cdef int head_add_chunk_size(HeadText* head, int64_t size) except -1:
    """Append the line in front of a chunk."""
    return head_add_number(head, size, 16)


cdef int head_add_number(HeadText* head, int64_t number, int base) except -1:
    """Append digits and the line's end; snprintf() takes ten times as long."""
    cdef char[NUMBER_BYTES + 2] text
    cdef Py_ssize_t start = NUMBER_BYTES
    text[NUMBER_BYTES] = c"\r"
    text[NUMBER_BYTES + 1] = c"\n"
    while True:
        start -= 1
        text[start] = DIGITS[number % base]
        number //= base
        if number == 0:
            return head_add(head, text + start, NUMBER_BYTES + 2 - start)


cdef int head_reserve(HeadText* head, Py_ssize_t size) except -1:
    """Make room for so many more bytes."""
    cdef Py_ssize_t capacity = max(head.capacity, <Py_ssize_t>HEAD_BYTES)
    cdef char* memory
    if head.size + size <= head.capacity:
        return 0
    while capacity < head.size + size:
        capacity *= 2
    memory = <char*>PyMem_Realloc(head.memory, capacity)
    if memory == NULL:
        raise MemoryError("no memory for the head of an answer")
    head.memory = memory
    head.capacity = capacity
    return 0


cdef void head_free(HeadText* head) noexcept:
    PyMem_Free(head.memory)
    head.memory = NULL
    head.size = head.capacity = 0
