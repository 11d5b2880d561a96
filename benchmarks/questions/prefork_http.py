"""How many HTTP requests per second do 1, 2 and 4 workers answer, and what does one cost?

The same ASGI application on every server: 13 bytes, no access log. Each server has the fastest
event loop and HTTP parser that it finds; "uvicorn asyncio" is the loop of the standard library.
ngxloop-serve drives uvicorn's protocol. CPU time is that of master and workers together.
Unit: requests per second; microseconds of CPU per request.
Leaves out: connecting, large bodies, an application that works. The load has a core of its own
only if there are more than two; more workers than cores are no faster.
"""

from benchmarks.harness.prefork_http import HttpQuestion
from benchmarks.harness.question import Case

QUESTION = HttpQuestion(
    [Case(f"workers-{count}", {"workers": count, "connections": 64}) for count in (1, 2, 4)]
)
