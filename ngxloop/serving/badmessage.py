"""The error for a message that no worker of ours sends: the worker that sent it is replaced."""


class BadMessageError(Exception):
    """A message of a worker makes no sense; the text says why.

    A handler that raises it has closed the descriptors of the message, and has changed nothing.
    """
