"""A worker that tries everything that a process of its user can try against its master.

It serves as a protocol (Protocol), a stream handler (handle), an async function (main) or a script.
Each connection sends a line: `look` answers at once, `attack` tries everything and answers with
what it has got, a list of texts that is empty if all is well, `bind` requests what only root may
bind, `talk` sends all kinds of messages, and `fuzz SEED` does things at random. No module is
imported later than at the start: the user of the worker may not be able to read the standard
library.
"""

import array
import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import random
import resource
import signal
import socket
import stat

from intruder_fuzz import fuzz

_libc = ctypes.CDLL(None, use_errno=True)
_PTRACE_ATTACH, _PTRACE_SEIZE = 16, 0x4206  # linux/ptrace.h
_PIDFD_GETFD = 438  # a system call; linux/unistd.h
_F_SETSIG = 10  # linux/fcntl.h


def main_answer(line):
    """Return the answer to a line."""
    if line.strip() == b"attack":
        return json.dumps(attack()).encode() + b"\n"
    if line.strip() == b"bind":
        return json.dumps(list(bind_for_root())).encode() + b"\n"
    if line.strip() == b"talk":
        send_all_messages()
    if line.startswith(b"fuzz "):
        fuzz(int(line.split()[1]))
    return b"%d\n" % os.getpid()


class Protocol(asyncio.Protocol):
    """Answer each line."""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._transport.write(main_answer(data))
        self._transport.close()


async def handle(reader, writer):
    """Answer a line."""
    writer.write(main_answer(await reader.readline()))
    writer.close()


async def main():
    """Serve at a free port."""
    sock = socket.socket()
    sock.bind((b"127.0.0.1", 0))  # bytes need no codec
    server = await asyncio.get_running_loop().create_server(Protocol, sock=sock)
    await server.serve_forever()


# The attack ------------------------------------------------------------------------------------


def attack():
    """Try everything; return what was got."""
    got = []
    for attempt in (
        become_root,
        use_descriptors,
        signal_others,
        trace_others,
        read_others,
        change_limits_of_others,
        write_files,
        execute_setuid_program,
        send_signals_by_descriptors,
    ):
        try:
            got += [f"{attempt.__name__}: {one}" for one in attempt()]
        except Exception as error:
            got.append(f"{attempt.__name__} could not be tried: {error!r}")
    return got


def others():
    """Return the master, and its other children but the workers of our user: the keeper."""
    return [os.getppid()]


def tries(*calls):
    """Yield the names of the calls that are allowed; each is a name and a function."""
    for name, call in calls:
        with contextlib.suppress(OSError):
            call()
            yield name


def become_root():
    yield from tries(
        ("setuid", lambda: os.setuid(0)),
        ("setgid", lambda: os.setgid(0)),
        ("setgroups", lambda: os.setgroups([0])),
        ("chroot", lambda: os.chroot("/")),
        ("chown", lambda: os.chown("/proc/self/fd", 0, 0)),
    )
    if os.environ.get("HOME") == "/root":
        yield "the HOME of root"


def use_descriptors():
    """Look for a descriptor of something that this user could not have opened."""
    for fd in range(3, 1024):  # the streams are whatever the operator has given us
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{fd}")
            kind = os.fstat(fd).st_mode
            is_for_writing = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
            is_roots = stat.S_ISREG(kind) and os.fstat(fd).st_uid == 0 and "/memfd:" not in target
            if is_roots and is_for_writing:
                yield f"fd {fd} writes to {target}"
            if stat.S_ISDIR(kind):
                yield f"fd {fd} is the folder {target}"
            if "pidfile" in target or "control" in target:
                yield f"fd {fd} is {target}"


def signal_others():
    for pid in others():
        for number in (0, signal.SIGTERM, signal.SIGHUP, signal.SIGSTOP, signal.SIGKILL):
            yield from tries((f"kill({int(number)})", lambda p=pid, n=number: os.kill(p, n)))
        fd = os.pidfd_open(pid)
        yield from tries(("pidfd", lambda f=fd: signal.pidfd_send_signal(f, signal.SIGUSR2)))
        os.close(fd)


def trace_others():
    for pid in (*others(), *keepers()):
        for request in (_PTRACE_ATTACH, _PTRACE_SEIZE):
            if _libc.ptrace(request, pid, None, None) == 0:
                yield f"ptrace({request}, {pid})"
        fd = os.pidfd_open(pid)
        for number in range(10):
            if _libc.syscall(_PIDFD_GETFD, fd, number, 0) >= 0:
                yield f"pidfd_getfd of {pid}"
        os.close(fd)


def keepers():
    """Return the processes of our user that our master has forked and that are no workers."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            if int(fields[1]) == os.getppid() and not os.access(f"/proc/{name}/maps", os.R_OK):
                found.append(int(name))
    return found


def read_others():
    for pid in (*others(), *keepers()):
        for name in ("mem", "maps", "environ", "auxv", "syscall"):

            def read(path=f"/proc/{pid}/{name}"):
                with open(path, "rb") as file:
                    file.read(1)

            yield from tries((f"/proc/{pid}/{name}", read))
        yield from tries(
            (f"the list of /proc/{pid}/fd", lambda p=pid: os.listdir(f"/proc/{p}/fd")),
            (f"/proc/{pid}/fd/0", lambda p=pid: os.close(os.open(f"/proc/{p}/fd/0", os.O_RDONLY))),
            (f"/proc/{pid}/cwd", lambda p=pid: os.readlink(f"/proc/{p}/cwd")),
        )


def change_limits_of_others():
    for pid in others():
        yield from tries(
            ("prlimit", lambda p=pid: resource.prlimit(p, resource.RLIMIT_NOFILE, (3, 3))),
            ("setpriority", lambda p=pid: os.setpriority(os.PRIO_PROCESS, p, 19)),
            ("affinity", lambda p=pid: os.sched_setaffinity(p, {0})),
            ("oom_score_adj", lambda p=pid: open(f"/proc/{p}/oom_score_adj", "w").close()),
        )


def write_files():
    """Open what the test names, and what belongs to root on every machine."""
    for path in (*json.loads(os.environ["INTRUDER_FILES"]), "/etc/passwd", "/etc/shadow"):
        yield from tries((path, lambda p=path: os.close(os.open(p, os.O_WRONLY))))
        if not path.startswith("/etc/"):
            yield from tries((f"removed {path}", lambda p=path: os.unlink(p)))
            with socket.socket(socket.AF_UNIX) as sock:
                yield from tries((f"connected to {path}", lambda s=sock, p=path: s.connect(p)))


def execute_setuid_program():
    """Read root's file with a program that has the setuid bit."""
    program, file = json.loads(os.environ["INTRUDER_SETUID"])
    reader, writer = os.pipe()
    pid = os.posix_spawn(
        program, [program, file], {}, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)]
    )
    os.close(writer)
    text = os.read(reader, 100)
    os.close(reader)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    if text:
        yield f"{program} has read {file}"


def send_signals_by_descriptors():
    """Let the kernel signal the master whenever something happens at a descriptor that we share."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            fd = int(name)
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                fcntl.fcntl(fd, fcntl.F_SETOWN, os.getppid())
                fcntl.fcntl(fd, _F_SETSIG, signal.SIGKILL)
                flags = fcntl.fcntl(fd, fcntl.F_GETFL)
                fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_ASYNC)
    return ()


def packet_sockets():
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                sock = socket.socket(fileno=os.dup(int(name)))
                if (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
                    found.append(sock)
                else:
                    sock.close()
    return found


WANTED = [
    ([2, 1, ["127.0.0.1", 1], None], (socket.AF_INET, socket.SOCK_STREAM, 0)),
    ([16, 3, [0, 1], None], (socket.AF_NETLINK, socket.SOCK_RAW, 9)),
    ([2, 1, ["127.0.0.1", 0], 0], (socket.AF_NETLINK, socket.SOCK_RAW, 9)),
    ([1, 1, "/etc/intruder.sock", None], (socket.AF_UNIX, socket.SOCK_STREAM, 0)),
]


def bind_for_root():
    """Request what only root may bind, over every line that we have."""
    for payload, kind in WANTED:
        for line in packet_sockets():
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with line, ours, contextlib.suppress(OSError):
                with theirs, socket.socket(*kind) as sock:
                    packet = bytes([5]) + json.dumps(payload).encode()
                    socket.send_fds(line, [packet], [theirs.fileno(), sock.fileno()])
                ours.settimeout(20)
                if ours.recv(64)[:1] in (b"b", b"s"):
                    yield f"bound {payload}"


def send_all_messages():
    """Send every kind of message, and random bytes, with and without descriptors."""
    source = random.Random(1)
    for line in packet_sockets():
        with line:
            line.setblocking(False)
            for kind in [*range(256), *range(256)]:
                payload = source.choice([b"", b"[]", b"1", b"[" * 500, source.randbytes(20)])
                with contextlib.suppress(OSError):
                    line.send(bytes([kind]) + payload)
                with contextlib.suppress(OSError):
                    rights = array.array("i", [0] * source.choice([1, 2, 3, 200]))
                    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
                    line.sendmsg([bytes([kind]) + payload], control)


if __name__ == "__main__":
    asyncio.run(main())
