"""What does a loop gain that looks for events for 100 us before it sleeps?

Unit: requests per second, one request at a time on each connection; server CPU microseconds
per request. `looking` is ngxloop after set_busy_poll(100e-6), compared with all loops as they are.
Leaves out: a server that shares its core with others, where looking takes what they need.
"""

from benchmarks.harness.busy_polling import LOOKING
from benchmarks.harness.echo import echo_case
from benchmarks.harness.echo_protocol import start_protocol_server
from benchmarks.harness.variants import VariantQuestion

QUESTION = VariantQuestion(LOOKING, start_protocol_server, [echo_case(64, 1), echo_case(64, 32)])
