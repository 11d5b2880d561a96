"""Which errors each call may give, by its man page and by what the kernel is known to answer.

Left out is what the kernel never does, and what an edge-triggered loop relies on: a receive from
a stream that has more returns as much as fits, never EAGAIN (epoll(7), question 9); short sends
make receives short, too. After EAGAIN of a send the kernel reports OUT. For an injected EAGAIN it
does so only once per connection, when OUT joins what is watched; so only CALL:EAGAIN:1 is tried.
"""

# Of one connection: it is lost, and nothing else is.
LOST = ("ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH")
# Of the whole machine or process: they may pass.
MEMORY = ("ENOMEM", "ENOBUFS")
FILES = ("EMFILE", "ENFILE")

ERRORS: dict[str, tuple[str, ...]] = {
    "epoll_create1": (*FILES, "ENOMEM"),
    "epoll_ctl_add": ("ENOMEM", "ENOSPC"),
    # Not of today's kernel, but the call may turn into an ADD, and a filter may forbid it.
    "epoll_ctl_mod": ("ENOMEM",),
    "epoll_ctl_del": ("ENOMEM",),
    "epoll_wait": ("EINTR",),
    "epoll_pwait2": ("EINTR", "ENOSYS", "EPERM"),
    "eventfd": (*FILES, "ENOMEM"),
    "socket": (*FILES, *MEMORY, "EACCES"),
    "socketpair": (*FILES, *MEMORY),
    "bind": ("EADDRINUSE", "EACCES", "ENOMEM"),
    "listen": ("EADDRINUSE",),
    "accept4": ("EMFILE", "ECONNABORTED", "EINTR", "EAGAIN", "EPERM", "ENFILE", *MEMORY),
    "connect": ("ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "ETIMEDOUT", "EINTR", "EPERM"),
    "getsockopt": ("ENOBUFS",),
    "setsockopt": ("ENOPROTOOPT", "EINVAL", "ENOMEM"),
    "shutdown": ("ENOTCONN",),
    "getsockname": ("ENOBUFS",),
    "getpeername": ("ENOTCONN", "ENOBUFS"),
    "recv": (*LOST, "ENOMEM", "EINTR"),
    "recvfrom": ("ENOMEM", "EINTR", "ECONNREFUSED"),
    "recvmsg": ("ENOMEM", "EINTR", "ECONNRESET"),
    "recvmmsg": ("ENOMEM", "EINTR", "ECONNREFUSED"),
    "send": ("EPIPE", "ECONNRESET", *MEMORY, "EINTR", "short"),
    "sendmsg": ("EPIPE", "ECONNRESET", *MEMORY, "EINTR", "short"),
    "sendmmsg": (*MEMORY, "EPERM", "EINTR", "EAGAIN", "ECONNREFUSED", "short"),
    "sendto": (*MEMORY, "EPERM", "EINTR", "EAGAIN", "ECONNREFUSED"),
    "sendfile": ("EPIPE", "ECONNRESET", "EAGAIN", "EINVAL", "ENOSYS", "EIO", "short"),
    "read": ("EIO", "EINTR"),
    "write": ("EPIPE", "EINTR", "short"),
    "writev": ("EPIPE", "EINTR", "short"),
    "open": (*FILES, "EACCES"),
    "fcntl": ("EMFILE", "EINVAL"),
    "pipe2": FILES,
    "dup": ("EMFILE",),
    "close": ("EINTR", "EIO"),
    "mprotect": ("ENOMEM", "EACCES"),
    "fork": ("EAGAIN", "ENOMEM"),
    "waitid": ("EINTR", "ECHILD"),
    "pidfd_open": ("ENOSYS", "EPERM", "EMFILE", "ENOMEM"),
}

# Of these a program sees nothing but the time they take: the call is made again, or another one.
# At "*": whatever the call.
TRANSPARENT: dict[str, tuple[str, ...]] = {
    "*": ("EINTR", "EAGAIN", "short"),
    "accept4": ERRORS["accept4"],
    "epoll_pwait2": ERRORS["epoll_pwait2"],
    "epoll_ctl_del": ERRORS["epoll_ctl_del"],
    "pidfd_open": ERRORS["pidfd_open"],
    "recvmmsg": ("ENOSYS", "EPERM"),
    "sendmmsg": ("ENOSYS", "EPERM"),
}

# Calls of these scenarios whose errors are for the program to handle, whatever TRANSPARENT holds.
TOLD = ("sock_calls-accept4",)
