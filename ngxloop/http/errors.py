"""What the engine raises in an application."""


class ClientDisconnected(OSError):  # noqa: N818 - as uvicorn has called it
    """send() was called after the client had gone: nobody receives the answer.

    An application need not handle it: one that leaves it alone ends with it, and nothing is logged.
    """
