"""Completing a future that may be done already: its task was cancelled, for example."""


cdef int complete(future, result) except -1:
    """Set the result of a future, unless it is None or done."""
    if future is not None and not future.done():
        future.set_result(result)
    return 0


cdef int complete_failed(future, exc) except -1:
    """Set the exception of a future, unless it is None or done."""
    if future is not None and not future.done():
        future.set_exception(exc)
    return 0


def complete_future(future) -> None:
    """Set the result of a future to None, unless it is None or done."""
    complete(future, None)
