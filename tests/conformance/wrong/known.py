"""Wrong uses that end otherwise than on asyncio, each for a reason."""

# Patterns (fnmatch) of uses of which only the type of the exception is compared, and how much
# is reported. The text is the interpreter's, or names the failed system call, or where something
# was made.
OWN_WORDS = (
    "* without a callback",
    "* with an unknown keyword",
    "call_soon with a wrong context",
    "call_later of *",  # in debug mode asyncio speaks of call_at(), which does the work
    "create_task of a future",
    "await of a foreign future",
    "add_* of a number too large",
    "add_* of a number nothing has",
    "add_* of a regular file",
    "sock_accept of None",
    "sock_accept of a number",
)

# What ngxloop raises where asyncio does otherwise, in any state of the loop.
ON_PURPOSE = {
    # Refused at once, and not when the loop comes to it, or breaks over it.
    "call_at with a string": "TypeError",
    "call_at with bytes": "TypeError",
    "call_at with an object": "TypeError",
    "call_at with a list": "TypeError",
    "call_at with an integer that no float holds": "OverflowError",
    "call_soon of None": "TypeError",
    "call_soon_threadsafe of None": "TypeError",
    "call_at of None": "TypeError",
    "call_later of None": "TypeError",
    "add_reader with None for a callback": "TypeError",
    "add_signal_handler with None": "TypeError",
    # No file can have this number.
    "add_reader of a huge number": "OverflowError",
    "add_writer of a huge number": "OverflowError",
    "remove_reader of a huge number": "OverflowError",
    "remove_writer of a huge number": "OverflowError",
    # The closed loop is seen before the file is.
    "connect_read_pipe of a closed socket": "RuntimeError",
    "connect_read_pipe of a regular file": "RuntimeError",
    "connect_write_pipe of a closed socket": "RuntimeError",
    "connect_write_pipe of a regular file": "RuntimeError",
}
