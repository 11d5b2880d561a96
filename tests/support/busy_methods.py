"""The methods of a loop that are called most: EventLoop adopts them, stats() reports them."""

BUSY_METHODS = (
    "add_reader",
    "add_writer",
    "call_at",
    "call_later",
    "call_soon",
    "call_soon_threadsafe",
    "create_future",
    "create_task",
    "get_debug",
    "is_closed",
    "is_running",
    "remove_reader",
    "remove_writer",
    "sock_recv",
    "sock_recv_into",
    "sock_sendall",
    "time",
)
