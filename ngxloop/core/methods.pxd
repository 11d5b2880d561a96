"""Methods of compiled base classes, given to the class that inherits them."""

cdef bint is_same_method(method, original) noexcept
