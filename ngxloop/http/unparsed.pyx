# cython: nonecheck=True
"""Unparsed: what a connection has received and not parsed.

How it works. What receive() brings is parsed where it is. Only what is left of it is copied: an
incomplete head, with the state of its parser, or requests behind the one that is handled. So an
idle connection owns no buffer, and a request that comes in one piece is copied nowhere.

Rules. The memory of receive() is gone when code of the application runs, as that may turn the
loop: input_keep() comes first.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.string cimport memcpy, memmove

from ngxloop.http.engine cimport Engine
from ngxloop.http.head cimport Field, Head
from ngxloop.http.headparser cimport head_init
from ngxloop.http.link cimport Link


cdef class Unparsed(Link):
    """The input of an HttpConnection; see the file header."""

    def __dealloc__(self):
        PyMem_Free(self.kept)
        PyMem_Free(self.unfinished)

    cdef int input_add(self, const char* data, Py_ssize_t size) except -1:
        """Take what was received: where it is, unless other input comes first."""
        if self.input_size == 0:
            self.input = data
            self.input_size = size
            return 0
        self.input_keep()
        self.input_reserve(self.input_size + size)
        memcpy(self.kept + self.input_size, data, size)
        self.input_size += size
        return 0

    cdef int input_keep(self) except -1:
        """Own what is not parsed: it is at the beginning of `kept` then."""
        cdef const char* source = self.input
        if self.input_size == 0:
            self.input_drop()
        elif self.kept == NULL:
            self.input_reserve(self.input_size)
            memcpy(self.kept, source, self.input_size)
        elif self.input != self.kept:
            memmove(self.kept, self.input, self.input_size)
        self.input = self.kept
        return 0

    cdef int input_reserve(self, Py_ssize_t size) except -1:
        """Make `kept` at least so large; input that is in there stays."""
        cdef char* memory
        if size <= self.kept_capacity:
            return 0
        memory = <char*>PyMem_Realloc(self.kept, size)
        if memory == NULL:
            raise MemoryError(f"no memory for {size} bytes of a request")
        self.input = self.kept = memory
        self.kept_capacity = size
        return 0

    cdef void input_drop(self) noexcept:
        """Forget what is not parsed."""
        PyMem_Free(self.kept)
        PyMem_Free(self.unfinished)
        self.input = self.kept = NULL
        self.unfinished = NULL
        self.input_size = self.kept_capacity = 0

    cdef void input_consume(self, Py_ssize_t size) noexcept:
        """The first bytes are parsed."""
        self.input += size
        self.input_size -= size

    cdef int head_begin(self) except -1:
        """Let the engine's parser begin with the input, or go on where it was."""
        cdef Engine engine = self.engine
        cdef Unfinished* unfinished = self.unfinished
        if unfinished == NULL:
            head_init(&engine.head, engine.fields, &engine.limits)
            return 0
        engine.head = unfinished.head
        engine.head.fields = engine.fields
        memcpy(engine.fields, unfinished.fields, unfinished.head.field_count * sizeof(Field))
        self.unfinished = NULL
        PyMem_Free(unfinished)
        return 0

    cdef int head_keep(self) except -1:
        """Keep the state of the engine's parser until more of the head comes."""
        cdef Head* head = &self.engine.head
        cdef Unfinished* unfinished = <Unfinished*>PyMem_Malloc(
            sizeof(Unfinished) + head.field_count * sizeof(Field)
        )
        if unfinished == NULL:
            raise MemoryError("no memory for the head of a request")
        unfinished.head = head[0]
        memcpy(unfinished.fields, head.fields, head.field_count * sizeof(Field))
        self.unfinished = unfinished
        return 0
