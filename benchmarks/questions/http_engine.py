"""What does a request cost a server of one process, over connections that stay open?

The same ASGI application on every server, without an access log; nginx, if it is installed, answers
by itself. Each server has the fastest event loop and HTTP parser that it finds. Cases: 13 bytes; 10
KiB; 1 KiB that is sent and comes back; 100 header fields; 16 requests that are sent at once.
Unit: requests per second; microseconds of CPU per request, that of all threads of the server.
Leaves out: connecting, TLS, streams, an application that works.
"""

from benchmarks.harness.http_engine import EngineQuestion
from benchmarks.harness.question import Case

QUESTION = EngineQuestion(
    [
        Case("hello", {"kind": "get"}),
        Case("large", {"kind": "large"}),
        Case("post", {"kind": "post"}),
        Case("fields", {"kind": "fields"}),
        Case("pipelined", {"kind": "get", "depth": 16}),
    ]
)
