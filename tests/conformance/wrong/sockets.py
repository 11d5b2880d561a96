"""Wrong uses of what takes a file, a socket, a pipe or an address."""

import asyncio
import socket

from tests.conformance.wrong.things import Quiet, coroutine_function

# What stands in the place of a file: a name, and how it is taken from things.
WRONG_FILES = {
    "None": lambda _: None,
    "a float": lambda _: 3.5,
    "a string": lambda _: "file",
    "an object": lambda _: object(),
    "minus one": lambda _: -1,
    "a number too large": lambda _: 10**6,
    "a huge number": lambda _: 10**30,
    "a closed socket": lambda things: things.closed,
    "a number nothing has": lambda things: things.closed_fd,
    "a regular file": lambda things: things.file,
    "a fileno() of a string": lambda things: things.bad_fileno,
}

WATCHING = {
    f"{method} of {name}": lambda loop, things, method=method, take=take: getattr(loop, method)(
        take(things), *([int] if method.startswith("add") else [])
    )
    for method in ("add_reader", "add_writer", "remove_reader", "remove_writer")
    for name, take in WRONG_FILES.items()
} | {
    "add_reader without a callback": lambda loop, things: loop.add_reader(things.sock),
    "add_reader with None for a callback": lambda loop, things: (
        loop.add_reader(things.sock, None),
        loop.remove_reader(things.sock),
    ),
    "add_writer of a coroutine function": lambda loop, things: (
        loop.add_writer(things.sock, coroutine_function),
        loop.remove_writer(things.sock),
    ),
}

ARGUMENTS = {
    "sock_recv": [10],
    "sock_recv_into": [bytearray(1)],
    "sock_recvfrom": [10],
    "sock_recvfrom_into": [bytearray(1)],
    "sock_sendall": [b"x"],
    "sock_sendto": [b"x", ("127.0.0.1", 9)],
    "sock_connect": [("127.0.0.1", 9)],
    "sock_accept": [],
}

SOCKETS = (
    {
        f"{method} of {name}": lambda loop, things, method=method, take=take: getattr(loop, method)(
            take(things), *ARGUMENTS[method]
        )
        for method in ARGUMENTS
        for name, take in {
            "None": lambda _: None,
            "a number": lambda things: things.sock.fileno(),
            "a closed socket": lambda things: things.closed,
            "a file": lambda things: things.file,
        }.items()
    }
    | {
        f"{method} with {name}": lambda loop, things, method=method, args=args: getattr(
            loop, method
        )(things.sock, *args)
        for method, name, args in [
            ("sock_recv", "None", [None]),
            ("sock_recv", "a negative number", [-1]),
            ("sock_recv", "a string", ["10"]),
            ("sock_recv", "a float", [1.5]),
            ("sock_recv", "a huge number", [10**30]),
            ("sock_recv_into", "bytes", [b"fixed"]),
            ("sock_recv_into", "None", [None]),
            ("sock_recv_into", "a string", ["x"]),
            ("sock_recvfrom", "a negative number", [-1]),
            ("sock_recvfrom", "None", [None]),
            ("sock_recvfrom_into", "bytes", [b"fixed"]),
            ("sock_recvfrom_into", "more than the buffer", [bytearray(1), 5]),
            ("sock_recvfrom_into", "a negative number", [bytearray(1), -5]),
            ("sock_sendall", "a string", ["text"]),
            ("sock_sendall", "None", [None]),
            ("sock_sendall", "a number", [3]),
            ("sock_sendall", "a list", [[b"x"]]),
            ("sock_sendto", "a string", ["text", ("127.0.0.1", 9)]),
            ("sock_connect", "None", [None]),
            ("sock_connect", "a number", [3]),
        ]
    }
    | {
        "sock_accept of a socket that does not listen": lambda loop, things: loop.sock_accept(
            things.sock
        ),
        "sock_connect of an address without a port": lambda loop, things: loop.sock_connect(
            things.udp, ("127.0.0.1",)
        ),
        "sock_connect of an address that is a string": lambda loop, things: loop.sock_connect(
            things.udp, "127.0.0.1"
        ),
        "sock_connect of a port too large": lambda loop, things: loop.sock_connect(
            things.udp, ("127.0.0.1", 70000)
        ),
        "sock_connect of a negative port": lambda loop, things: loop.sock_connect(
            things.udp, ("127.0.0.1", -1)
        ),
        "sock_connect of a port that is a string": lambda loop, things: loop.sock_connect(
            things.udp, ("127.0.0.1", "x")
        ),
        "sock_sendto of a wrong address": lambda loop, things: loop.sock_sendto(
            things.udp, b"x", 3
        ),
        "sock_sendto without an address": lambda loop, things: loop.sock_sendto(
            things.udp, b"x", None
        ),
        "sock_recv of a blocking socket": lambda loop, things: (
            loop.sock_recv(things.blocking, 10) if loop.get_debug() else None
        ),
        "sock_sendfile of a text file": lambda loop, things: loop.sock_sendfile(
            things.sock, things.text_file
        ),
        "sock_sendfile of None": lambda loop, things: loop.sock_sendfile(things.sock, None),
        "sock_sendfile of no bytes": lambda loop, things: loop.sock_sendfile(
            things.sock, things.file, 0, 0
        ),
        "sock_sendfile of less than nothing": lambda loop, things: loop.sock_sendfile(
            things.sock, things.file, 0, -1
        ),
        "sock_sendfile of a string of bytes": lambda loop, things: loop.sock_sendfile(
            things.sock, things.file, 0, "1"
        ),
        "sock_sendfile from a negative offset": lambda loop, things: loop.sock_sendfile(
            things.sock, things.file, -1
        ),
        "sock_sendfile from an offset that is a string": lambda loop, things: loop.sock_sendfile(
            things.sock, things.file, "0"
        ),
        "sock_sendfile to a datagram socket": lambda loop, things: loop.sock_sendfile(
            things.udp, things.file
        ),
    }
)

CONNECTIONS = {
    f"{method}({', '.join(f'{key}={value}' for key, value in options.items())})": (
        lambda loop, _, method=method, options=options: getattr(loop, method)(Quiet, **options)
    )
    for method, options in [
        ("create_connection", {}),
        ("create_connection", {"host": "127.0.0.1"}),
        ("create_connection", {"host": 3, "port": 3}),
        ("create_connection", {"host": "127.0.0.1", "port": "x"}),
        ("create_connection", {"host": "127.0.0.1", "port": -1}),
        ("create_connection", {"host": "127.0.0.1", "port": 70000}),
        ("create_connection", {"host": "127.0.0.1", "port": 9, "ssl": 3}),
        ("create_connection", {"host": "127.0.0.1", "port": 9, "server_hostname": "x"}),
        ("create_connection", {"host": "127.0.0.1", "port": 9, "ssl_handshake_timeout": 1}),
        ("create_connection", {"host": "127.0.0.1", "port": 9, "ssl_shutdown_timeout": 1}),
        ("create_connection", {"host": "127.0.0.1", "port": 9, "local_addr": 3}),
        ("create_connection", {"host": "127.0.0.1", "port": 9, "family": "x"}),
        ("create_connection", {"host": "127.0.0.1", "port": 9, "unknown": 1}),
        ("create_connection", {"sock": 3}),
        ("create_unix_connection", {}),
        ("create_unix_connection", {"path": 3}),
        ("create_unix_connection", {"path": "/nonexistent/socket"}),
        ("create_unix_connection", {"path": "x" * 200}),
        ("create_unix_connection", {"path": "a\0b"}),
        ("create_unix_connection", {"path": "x", "server_hostname": "x"}),
        ("create_unix_connection", {"path": "x", "ssl": True}),
        ("create_unix_connection", {"path": "x", "ssl_handshake_timeout": 1}),
        ("create_server", {}),
        ("create_server", {"host": "127.0.0.1", "port": "x"}),
        ("create_server", {"host": "127.0.0.1", "port": -1}),
        ("create_server", {"host": "127.0.0.1", "port": 70000}),
        ("create_server", {"host": "127.0.0.1", "port": 0, "ssl": True}),
        ("create_server", {"host": "127.0.0.1", "port": 0, "ssl": 3}),
        ("create_server", {"host": "127.0.0.1", "port": 0, "ssl_handshake_timeout": 1}),
        ("create_server", {"host": "127.0.0.1", "port": 0, "ssl_shutdown_timeout": 1}),
        ("create_server", {"host": "127.0.0.1", "port": 0, "backlog": "x"}),
        ("create_server", {"host": "127.0.0.1", "port": 0, "backlog": None}),
        ("create_server", {"host": "203.0.113.1", "port": 0}),
        ("create_server", {"host": ["127.0.0.1", 3], "port": 0}),
        ("create_unix_server", {}),
        ("create_unix_server", {"path": 3}),
        ("create_unix_server", {"path": "/nonexistent/socket"}),
        ("create_unix_server", {"path": "x" * 200}),
        ("create_unix_server", {"path": "/"}),
        ("create_unix_server", {"path": "x", "ssl": True}),
        ("create_unix_server", {"path": "x", "ssl_handshake_timeout": 1}),
        ("create_datagram_endpoint", {}),
        ("create_datagram_endpoint", {"local_addr": 3}),
        ("create_datagram_endpoint", {"local_addr": ("127.0.0.1",)}),
        ("create_datagram_endpoint", {"local_addr": ("127.0.0.1", "x")}),
        ("create_datagram_endpoint", {"local_addr": ("127.0.0.1", 70000)}),
        ("create_datagram_endpoint", {"remote_addr": ("127.0.0.1", 9), "family": socket.AF_INET6}),
        ("create_datagram_endpoint", {"local_addr": 3, "family": socket.AF_UNIX}),
        ("create_datagram_endpoint", {"local_addr": ("::1", 0), "remote_addr": ("127.0.0.1", 9)}),
        ("create_datagram_endpoint", {"reuse_address": True}),
        ("create_datagram_endpoint", {"sock": 3}),
    ]
}

TAKING_OVER = {
    f"{method} of {name}": lambda loop, things, method=method, take=take: getattr(loop, method)(
        Quiet, take(things)
    )
    for method in ("connect_accepted_socket", "connect_read_pipe", "connect_write_pipe")
    for name, take in {
        "None": lambda _: None,
        "a string": lambda _: "x",
        "a closed socket": lambda things: things.closed,
        "a regular file": lambda things: things.file,
    }.items()
} | {
    "create_connection over a datagram socket": lambda loop, things: loop.create_connection(
        Quiet, sock=things.udp
    ),
    "create_connection over a closed socket": lambda loop, things: loop.create_connection(
        Quiet, sock=things.closed
    ),
    "create_connection over an unconnected socket and a host": (
        lambda loop, things: loop.create_connection(Quiet, "127.0.0.1", 9, sock=things.sock)
    ),
    "create_connection with TLS and no name": lambda loop, things: loop.create_connection(
        Quiet, sock=things.sock, ssl=things.tls
    ),
    "create_connection with a factory that is none": lambda loop, things: loop.create_connection(
        None, *things.address
    ),
    "create_unix_connection over a datagram socket": (
        lambda loop, things: loop.create_unix_connection(Quiet, sock=things.udp)
    ),
    "create_unix_connection with a path and a socket": (
        lambda loop, things: loop.create_unix_connection(Quiet, "x", sock=things.sock)
    ),
    "create_server over a datagram socket": lambda loop, things: loop.create_server(
        Quiet, sock=things.udp
    ),
    "create_server over a closed socket": lambda loop, things: loop.create_server(
        Quiet, sock=things.closed
    ),
    "create_server with a host and a socket": lambda loop, things: loop.create_server(
        Quiet, "127.0.0.1", 0, sock=things.listener
    ),
    "create_unix_server over a listener of TCP": lambda loop, things: loop.create_unix_server(
        Quiet, sock=things.listener
    ),
    "create_datagram_endpoint over a stream socket": (
        lambda loop, things: loop.create_datagram_endpoint(Quiet, sock=things.sock)
    ),
    "create_datagram_endpoint with an address and a socket": (
        lambda loop, things: loop.create_datagram_endpoint(
            Quiet, local_addr=("127.0.0.1", 0), sock=things.udp
        )
    ),
    "connect_accepted_socket of a datagram socket": (
        lambda loop, things: loop.connect_accepted_socket(Quiet, things.udp)
    ),
    "connect_accepted_socket with a wrong context": (
        lambda loop, things: loop.connect_accepted_socket(Quiet, things.sock, ssl=3)
    ),
    "sendfile over None": lambda loop, things: loop.sendfile(None, things.file),
    "sendfile over a string": lambda loop, things: loop.sendfile("x", things.file),
    "start_tls over None": lambda loop, things: loop.start_tls(None, Quiet(), things.tls),
    "start_tls with a wrong context": lambda loop, things: loop.start_tls(None, Quiet(), 3),
    "start_tls over a transport of somebody else": lambda loop, things: loop.start_tls(
        asyncio.Transport(), Quiet(), things.tls
    ),
}
