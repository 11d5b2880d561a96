"""Methods of compiled base classes, given to the class that inherits them.

Why. The interpreter calls a compiled method directly only if the object is of the very class that
the method's descriptor names; for a subclass it goes the general way, which walks the
method resolution order for each call. So the class that programs use gets descriptors of its own
for the same functions: a turn went from 2,122 instructions to 1,947 (CPython 3.13), call_later with
cancel from 2,016 to 1,841. Subclasses inherit these, and lose nothing.

Cython's code that takes the arguments of a method apart is general: it looks for keywords by name,
and makes a dictionary for those that it does not know. A method that is called all the time can
have a fast path before that: a function that sees the arguments as the interpreter passes them, and
leaves all but the usual ones to the general code.

Both can be lost unseen, with another release of Python or Cython: stats() of a loop names the
methods that have them.
"""

from cpython.object cimport PyTypeObject
from types import MethodDescriptorType

cdef extern from "Python.h":
    int METH_FASTCALL
    int METH_KEYWORDS

    ctypedef struct PyMethodDescrObject:
        PyMethodDef* d_method

    object PyDescr_NewMethod(PyTypeObject* owner, PyMethodDef* method)


cdef set OWNERS = set()  # the classes that have adopted methods


def adopt_methods(owner: type, names) -> None:
    """Make compiled methods that a class inherits its own.

    Raises:
        TypeError: a name is not the name of a compiled method.
    """
    for name in names:
        setattr(owner, name, PyDescr_NewMethod(<PyTypeObject*>owner, definition_of(owner, name)))
    OWNERS.add(owner)


def adopted_methods(owner: type, names) -> set[str]:
    """Return which of these are methods that a class, or one of its bases, has adopted."""
    methods = {name: getattr(owner, name) for name in names}
    return {
        name for name, method in methods.items()
        if type(method) is MethodDescriptorType and method.__objclass__ in OWNERS
    }


cdef Method method_add_fast_path(type owner, str name, Method fast_path) except NULL:
    """Let a method of a compiled class begin with fast_path(); return its general code.

    The method stays as it is if the interpreter calls it in another way.
    """
    cdef PyMethodDef* definition = definition_of(owner, name)
    cdef Method general_path = <Method>definition.ml_meth
    assert general_path != fast_path, "has a fast path already"
    if definition.ml_flags == METH_FASTCALL | METH_KEYWORDS:
        definition.ml_meth = <PyCFunction>fast_path
    return general_path


cdef bint method_has_fast_path(type owner, str name, Method fast_path) except -1:
    """Return whether a class has a compiled method that begins with fast_path()."""
    method = getattr(owner, name)
    if type(method) is not MethodDescriptorType:
        return False
    return <Method>(<PyMethodDescrObject*>method).d_method.ml_meth == fast_path


cdef PyMethodDef* definition_of(type owner, str name) except NULL:
    """Return what a compiled module says of a method; it lives as long as the process."""
    method = getattr(owner, name)
    if type(method) is not MethodDescriptorType:
        raise TypeError(f"{owner.__name__}.{name} is not a compiled method: {method!r}")
    return (<PyMethodDescrObject*>method).d_method


cdef bint is_same_method(method, original) noexcept:
    """Return whether method is a compiled method, or the one that a class has adopted from it."""
    if type(method) is not MethodDescriptorType or type(original) is not MethodDescriptorType:
        return False
    return (
        (<PyMethodDescrObject*>method).d_method == (<PyMethodDescrObject*>original).d_method
    )
