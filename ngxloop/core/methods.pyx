"""Methods of compiled base classes, given to the class that inherits them.

Why. The interpreter calls a compiled method directly only if the object is of the very class that
the method's descriptor names; for a subclass it goes the general way, which walks the
method resolution order for each call. So the class that programs use gets descriptors of its own
for the same functions: a turn went from 2,122 instructions to 1,947 (CPython 3.13), call_later with
cancel from 2,016 to 1,841. Subclasses inherit these, and lose nothing.
"""

from cpython.object cimport PyTypeObject
from types import MethodDescriptorType

cdef extern from "Python.h":
    ctypedef struct PyMethodDef:
        pass

    ctypedef struct PyMethodDescrObject:
        PyMethodDef* d_method

    object PyDescr_NewMethod(PyTypeObject* owner, PyMethodDef* method)


def adopt_methods(owner: type, names) -> None:
    """Make compiled methods that a class inherits its own.

    Raises:
        TypeError: a name is not the name of a compiled method.
    """
    for name in names:
        method = getattr(owner, name)
        if type(method) is not MethodDescriptorType:
            raise TypeError(f"{owner.__name__}.{name} is not a compiled method: {method!r}")
        # The definition is part of the compiled module and lives as long as the process.
        definition = (<PyMethodDescrObject*>method).d_method
        setattr(owner, name, PyDescr_NewMethod(<PyTypeObject*>owner, definition))


cdef bint is_same_method(method, original) noexcept:
    """Return whether method is a compiled method, or the one that a class has adopted from it."""
    if type(method) is not MethodDescriptorType or type(original) is not MethodDescriptorType:
        return False
    return (
        (<PyMethodDescrObject*>method).d_method == (<PyMethodDescrObject*>original).d_method
    )
