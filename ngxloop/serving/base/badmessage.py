"""The error for a message that a correct worker never sends; its sender is replaced."""


class BadMessageError(Exception):
    """A message of a worker is invalid; the text says why.

    A handler that raises it has closed the descriptors of the message, and has changed nothing.
    """
