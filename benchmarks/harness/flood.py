"""Questions about an endpoint that is sent more than it can receive: a C program floods it.

The receiving process counts what its protocol was given, from the first datagram on, until the
seconds are over. It measures itself, because only it knows when it began. What the kernel dropped
in between was nobody's work; the rate is what the endpoint can do as long as it is busy all the
time and a part of the flood is lost, so both are shown.
"""

import asyncio

from benchmarks.harness import messages
from benchmarks.harness.child import start_child
from benchmarks.harness.contenders import Contender, LoopFactory
from benchmarks.harness.cores import load_core
from benchmarks.harness.echo import HOST, settle_heap
from benchmarks.harness.load import load_program
from benchmarks.harness.process import MeasuredProcess
from benchmarks.harness.question import Case, Effort, Metric, Question, Sample
from benchmarks.harness.usage import InstructionCounter, own_usage

# The flood ends when the receiver has gone, at the latest this long after it should have.
EXTRA_SECONDS = 5.0

METRICS = (
    Metric("rate", "datagrams/s", "higher", digits=0, compared=True),
    Metric("cpu_us", "cpu us", "lower", digits=2, compared=True),
    Metric("user_us", "user us", "lower", digits=2, compared=True),
    Metric("system_us", "sys us", "lower", digits=2),
    Metric("busy", "busy", "higher", digits=2),
    Metric("sent_rate", "sent/s", "higher", digits=0),
    Metric("lost", "lost", "lower", digits=2),
    Metric("instructions", "instr/op", "lower", digits=0),
)


class CountingProtocol(asyncio.DatagramProtocol):
    """Count datagrams; `begun` is done with the first."""

    def __init__(self, begun: asyncio.Future[None]) -> None:
        self.count = 0
        self._begun = begun

    def datagram_received(self, data: bytes, addr: object) -> None:  # type: ignore[override]
        self.count += 1
        if self.count == 1:
            self._begun.set_result(None)


class FloodQuestion(Question):
    """How much of a flood of datagrams is received."""

    metrics = METRICS

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        with start_child(self, contender, case, effort) as receiver:
            port = receiver.receive()["port"]
            numbers = (port, case.number("size"), effort.seconds + EXTRA_SECONDS)
            command = [load_program("flood"), HOST, *map(str, numbers)]
            with (
                receiver.blamed(),
                MeasuredProcess(command, load_core(), effort.limit_seconds) as flood,
            ):
                sample: Sample = dict(receiver.receive())
                sent = flood.receive()
        sample["sent_rate"] = sent["sent"] / sent["seconds"]
        sample["lost"] = max(0.0, 1 - sample["rate"] / sample["sent_rate"])
        return sample

    def run_child(self, factory: LoopFactory, case: Case, seconds: float) -> None:
        settle_heap()
        loop = factory()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(_receive(loop, seconds))
        loop.close()


async def _receive(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    begun = loop.create_future()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: CountingProtocol(begun), local_addr=(HOST, 0)
    )
    messages.send({"port": transport.get_extra_info("sockname")[1]})
    await begun
    counter = InstructionCounter()
    usage, start, count = own_usage(), loop.time(), protocol.count
    instructions = counter.read()
    await asyncio.sleep(seconds)
    received, passed = protocol.count - count, loop.time() - start
    used = own_usage() - usage
    sample: Sample = {
        "rate": received / passed,
        **used.per(received),
        "busy": (used.user + used.system) / passed,
    }
    instructions_now = counter.read()
    if instructions is not None and instructions_now is not None:
        sample["instructions"] = (instructions_now - instructions) / received
    transport.close()
    messages.send(dict(sample))
