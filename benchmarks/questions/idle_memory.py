"""How much memory does an idle connection cost, with a Protocol object of its own?

Unit: bytes per connection of the server process (PSS of /proc/self/smaps_rollup after a garbage
collection): what 9,000 connections add to 100 that are there before, so what a loop allocates
once is not counted. Cases: connections that never sent anything, and such that were echoed one
byte.
Leaves out: the kernel's sockets and buffers, which are the same for every loop.
"""

from benchmarks.harness.memory import MemoryQuestion, memory_case

QUESTION = MemoryQuestion([memory_case("silent", 9000), memory_case("echo", 9000)])
