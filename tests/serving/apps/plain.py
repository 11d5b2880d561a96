"""Applications without HTTP: each answers a connection with its process id, then echoes lines."""

import asyncio
import ctypes
import os
import socket
import struct
import subprocess
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"%d\n" % os.getpid())

    def data_received(self, data):
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = bytearray(4096)
        transport.write(b"%d\n" % os.getpid())

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.transport.write(bytes(self.buffer[:nbytes]))


class NeedsArgument(asyncio.Protocol):
    def __init__(self, greeting):
        self.greeting = greeting

    def connection_made(self, transport):
        transport.write(self.greeting)


def make_protocol_class():
    class Greeter(NeedsArgument):
        def __init__(self):
            super().__init__(b"%d\n" % os.getpid())

    return Greeter


async def echo(reader, writer):
    writer.write(b"%d\n" % os.getpid())
    async for line in reader:
        if line == b"raise\n":
            raise RuntimeError("asked to")
        if line == b"exit\n":
            sys.exit(3)  # as a careless library might
        writer.write(line)
        await writer.drain()
    writer.close()


def make_echo_without_death_signal():
    """Switch the kernel's signal at the parent's death off, as setuid() would."""
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
    return echo


async def orphan(reader, writer):
    """Leave a process whose parent has ended: it becomes the child of process 1."""
    subprocess.run(["sh", "-c", "true & exit 0"], check=True)
    writer.write(b"left\n")
    writer.close()


async def hang(reader, writer):
    writer.write(b"%d\n" % os.getpid())
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("handler cancelled", file=sys.stderr, flush=True)
        raise


def wsgi(environ, start_response):
    return []


def needs_one_argument(settings):
    return echo


async def many(*streams):
    await echo(*streams)


number = 42


async def segments(reader, writer):
    """Answer each line, in two writes, with how many segments were sent before, each counted once.

    A busy machine is late with an acknowledgement, and the kernel sends a segment again.
    """
    async for _ in reader:
        tcp_info = writer.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, 256
        )
        (sent,) = struct.unpack_from("I", tcp_info, 156)  # tcpi_data_segs_out
        (again,) = struct.unpack_from("I", tcp_info, 100)  # tcpi_total_retrans
        writer.write(b"%d" % (sent - again))
        writer.write(b"\n")


async def sleeps(reader, writer):
    """Answer each line with how often the loop has gone to sleep."""
    async for _ in reader:
        writer.write(b"%d\n" % asyncio.get_running_loop().stats().sleep_count)
    writer.close()
