"""Free lists: the memory of objects that are gone is kept for the next ones.

Why. As soon as a burst of callbacks has run, the interpreter gives the memory of their handles back
to the kernel, and the next burst takes it page by page: a batch of 50,000 spent a third of its time
in page faults, and 200,000 as well.

How it works. Blocks of one size form a list, linked through their first words. Objects of a type
that was given to memory_keep() take their memory from the list of their size. `least` is the length
of the shortest list since the last trim: that many blocks were not needed by the bursts of that
time. They go back to the interpreter, some at a time, when the loop is about to sleep. So the
memory of a burst stays while bursts continue, and is given back when they have ended.

Rules. Only for types that the collector does not track: it keeps data of its own in front of the
memory of tracked objects. The GIL is always held.
"""

from cpython.object cimport PyObject, PyObject_Free, PyObject_Malloc, PyTypeObject
from libc.stdint cimport int64_t
from libc.string cimport memset

from ngxloop.core.clock cimport NS_PER_SECOND
from ngxloop.core.limits cimport TRIM_COUNT, TRIM_SECONDS

ctypedef PyObject* (*AllocFunction)(PyTypeObject*, Py_ssize_t) noexcept
ctypedef void (*FreeFunction)(void*) noexcept

cdef extern from "Python.h":
    ctypedef struct MemorySlots "PyTypeObject":
        Py_ssize_t tp_basicsize
        AllocFunction tp_alloc
        FreeFunction tp_free

    PyObject* PyObject_Init(PyObject* block, PyTypeObject* type)
    PyObject* PyErr_NoMemory()

cdef enum:
    SIZE_SHIFT = 4           # sizes are multiples of 16 bytes, as the interpreter's are
    SIZE_COUNT = 17          # up to 256 bytes

# The first bytes of unused memory: the link of the list.
cdef struct Block:
    Block* next

cdef struct FreeList:
    Block* first             # OWNS: all of them
    Py_ssize_t count
    Py_ssize_t count_max     # 0 for sizes that no type uses
    Py_ssize_t least         # the smallest count since the last trim

cdef FreeList[SIZE_COUNT] LISTS
cdef int64_t TRIMMED_NS = 0


cdef int memory_keep(PyTypeObject* type, Py_ssize_t count_max) except -1:
    """Keep the memory of up to count_max objects of a type; call it before the first is made.

    Objects of the type have at most 256 bytes, and the collector does not track them.
    """
    assert list_number(type) < SIZE_COUNT, "too large for a free list"
    (<MemorySlots*>type).tp_alloc = block_get
    (<MemorySlots*>type).tp_free = block_free
    LISTS[list_number(type)].count_max = count_max
    return 0


cdef void memory_trim(int64_t now_ns) noexcept:
    """Give back what was not needed lately; called often, and usually does nothing."""
    global TRIMMED_NS
    cdef int i
    if 0 <= now_ns - TRIMMED_NS < TRIM_SECONDS * <int64_t>NS_PER_SECOND:
        return
    TRIMMED_NS = now_ns
    for i in range(SIZE_COUNT):
        list_trim(&LISTS[i])


cdef void list_trim(FreeList* blocks) noexcept:
    cdef Block* block
    for _ in range(min(blocks.least, <Py_ssize_t>TRIM_COUNT)):
        block = blocks.first
        blocks.first = block.next
        blocks.count -= 1
        PyObject_Free(block)
    blocks.least = blocks.count


cdef inline Py_ssize_t list_number(PyTypeObject* type) noexcept:
    return ((<MemorySlots*>type).tp_basicsize + (1 << SIZE_SHIFT) - 1) >> SIZE_SHIFT


cdef PyObject* block_get(PyTypeObject* type, Py_ssize_t item_count) noexcept:
    """Return a new object, all zero (the type's tp_alloc)."""
    cdef Py_ssize_t number = list_number(type)
    cdef FreeList* blocks = &LISTS[number]
    cdef Block* block = blocks.first
    if block != NULL:
        blocks.first = block.next
        blocks.count -= 1
        if blocks.count < blocks.least:
            blocks.least = blocks.count
    else:
        block = <Block*>PyObject_Malloc(number << SIZE_SHIFT)
        if block == NULL:
            return PyErr_NoMemory()
    memset(block, 0, (<MemorySlots*>type).tp_basicsize)
    return PyObject_Init(<PyObject*>block, type)


cdef void block_free(void* memory) noexcept:
    """Keep an object's memory for the next one (the type's tp_free)."""
    cdef Block* block = <Block*>memory
    cdef FreeList* blocks = &LISTS[list_number((<PyObject*>memory).ob_type)]
    if blocks.count >= blocks.count_max:
        PyObject_Free(memory)
        return
    block.next = blocks.first
    blocks.first = block
    blocks.count += 1
