# cython: nonecheck=True
"""scope_new: what an application learns of a request, as ASGI's HTTP specification wants it.

Rules. A scope belongs to its request alone: what an application changes in it, or in its lists and
dicts, no other request sees. So only immutable objects are shared. Advertised is spec_version 2.3,
although send() raises an OSError once the client has left: from 2.4 on frameworks rely on that
alone, and do not listen to receive() while an answer streams; a generator that sleeps would then
never hear that its client has gone.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Copy
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport uint32_t

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject* owner)
    Py_ssize_t PyDict_GET_SIZE(PyObject* items)
    bint PyDict_Next(PyObject* items, Py_ssize_t* position, PyObject** key, PyObject** value)

from urllib.parse import unquote_to_bytes

from ngxloop.http.engine cimport SHARED_COUNT, Engine, Item
from ngxloop.http.fieldtable cimport FieldTable
from ngxloop.http.head cimport METHOD_GET, Field, Head, Span
from ngxloop.http.link cimport Link
from ngxloop.http.names cimport NAME_HOST
from ngxloop.http.names import KNOWN_NAMES

cdef int FORWARDED_FOR = KNOWN_NAMES.index(b"x-forwarded-for")
cdef int FORWARDED_PROTO = KNOWN_NAMES.index(b"x-forwarded-proto")

# In the order of enum Method; the first stands for all others.
cdef tuple METHODS = (
    None, "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
)
cdef dict ASGI = {"version": "3.0", "spec_version": "2.3"}


cdef dict scope_new(Link link, const Head* head, const char* data):
    """Return the scope of a request whose head begins at data."""
    cdef Engine engine = link.engine
    cdef bytes raw_path = path_bytes(head, data)
    cdef dict scope
    if not link.has_addresses:
        link.use_addresses()
    scope = PyDict_Copy(template_of(engine))
    scope["client"] = link.client
    if link.server is not engine.server:
        scope["server"] = link.server
    if link.tls is not None:
        scope["scheme"] = "https"
    if head.method_id != METHOD_GET:
        scope["method"] = method_of(head, data)
    scope["path"] = decoded_path(engine.root_path, raw_path, head.path_has_percent)
    scope["raw_path"] = raw_path
    if head.query.size:
        scope["query_string"] = bytes_of(&head.query, data)
    scope["headers"] = headers_of(engine.field_table, head, data)
    if head.minor_version == 0:
        scope["http_version"] = "1.0"
    if head.minor_version == 0 or head.takes_trailers or link.tls is not None:
        scope["extensions"] = extensions_of(link, head)
    if engine.state is not None:
        scope["state"] = engine.state.copy()
    if engine.proxies is not None and is_forwarded(head):
        engine.proxies.apply(scope)
    return scope


cdef dict template_of(Engine engine):
    """Return what the scope of the next request is a copy of.

    Its dicts are those of the last request if nothing else refers to them, and they are as they
    were: so it is after nearly every request. To make them anew takes 1,300 instructions.
    """
    if not is_untouched(<PyObject*>engine.asgi, engine.asgi_content):
        engine.asgi = engine.scope["asgi"] = PyDict_Copy(ASGI)
        note_content(engine.asgi_content, ASGI)
    if not are_untouched(<PyObject*>engine.extensions, engine.extension_content):
        engine.extensions = engine.scope["extensions"] = extensions_new(True, False)
        engine.extension_items = PyDict_Copy(engine.extensions)
        note_content(engine.extension_content, engine.extension_items)
    return engine.scope


cdef int note_content(Item* content, dict items) except -1:
    """Write down the keys and values of a dict, which keeps them alive."""
    cdef Py_ssize_t position = 0
    cdef int i
    assert len(items) == SHARED_COUNT
    for i in range(SHARED_COUNT):
        PyDict_Next(<PyObject*>items, &position, &content[i].key, &content[i].value)
    return 0


cdef bint is_untouched(PyObject* shared, Item* content) noexcept:
    """Return whether only the engine and its template have a dict, and this is in it."""
    cdef Py_ssize_t position = 0
    cdef PyObject* key = NULL
    cdef PyObject* value = NULL
    cdef int i
    if Py_REFCNT(shared) != 2 or PyDict_GET_SIZE(shared) != SHARED_COUNT:
        return False
    for i in range(SHARED_COUNT):
        PyDict_Next(shared, &position, &key, &value)
        if key != content[i].key or value != content[i].value:
            return False
    return True


cdef bint are_untouched(PyObject* shared, Item* content) noexcept:
    """Return the same for a dict of empty dicts: those, too, are in no other hands."""
    cdef int i
    if not is_untouched(shared, content):
        return False
    for i in range(SHARED_COUNT):
        # in the dict, and in that which keeps them alive
        if Py_REFCNT(content[i].value) != 2 or PyDict_GET_SIZE(content[i].value):
            return False
    return True


cdef bint is_forwarded(const Head* head) noexcept:
    """Return whether a proxy says whose request this is."""
    cdef uint32_t i
    for i in range(head.field_count):
        if head.fields[i].name == FORWARDED_FOR or head.fields[i].name == FORWARDED_PROTO:
            return True
    return False


cdef inline bytes bytes_of(const Span* span, const char* data):
    return PyBytes_FromStringAndSize(data + span.offset, span.size)


cdef str method_of(const Head* head, const char* data):
    cdef object method = METHODS[head.method_id]
    if method is None:
        return PyUnicode_DecodeASCII(data + head.method.offset, head.method.size, NULL)
    return method


cdef bytes path_bytes(const Head* head, const char* data):
    """Return the path as received; an absolute-form without one means the root."""
    return bytes_of(&head.path, data) if head.path.size else b"/"


cdef str decoded_path(str root_path, bytes raw_path, bint has_percent):
    """Return the path with the bytes decoded that are percent-encoded, behind the root path.

    A proxy may have left the root path in front, or cut it off.
    """
    cdef str path
    if has_percent:
        path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
    else:
        path = raw_path.decode("ascii")
    if root_path and path != root_path and not path.startswith(root_path + "/"):
        path = root_path + path
    return path


cdef list headers_of(FieldTable table, const Head* head, const char* data):
    """Return all fields as (name in lower case, value) in their order.

    The authority of an absolute-form replaces Host (RFC 9112 3.2.2).
    """
    cdef list headers = PyList_New(head.field_count)
    cdef const Field* field
    cdef object pair
    cdef bint has_host = False
    cdef uint32_t i
    for i in range(head.field_count):
        field = &head.fields[i]
        if field.name == NAME_HOST and head.authority.size:
            pair = (b"host", bytes_of(&head.authority, data))
            has_host = True
        else:
            pair = table.pair(field, data)
        Py_INCREF(pair)  # the list takes over a reference
        PyList_SET_ITEM(headers, i, pair)
    if head.authority.size and not has_host:
        headers.insert(0, (b"host", bytes_of(&head.authority, data)))
    return headers


cdef dict extensions_of(Link link, const Head* head):
    """Return what this request allows, where the template does not say it."""
    cdef bint is_old = head.minor_version == 0
    cdef dict extensions = extensions_new(not is_old, head.takes_trailers and not is_old)
    if link.tls is not None:
        extensions["tls"] = link.tls_extension()
    return extensions


cdef dict extensions_new(bint has_hints, bint has_trailers):
    """Return what a request allows beyond plain answers."""
    cdef dict extensions = {"http.response.pathsend": {}}
    if has_hints:
        extensions["http.response.early_hint"] = {}
    if has_trailers:
        extensions["http.response.trailers"] = {}
    return extensions
