"""Connections come and go, a thousand a second: nothing is lost, and the counts are the clients'.

NGXLOOP_CHURN_SECONDS says for how long; 60 is what the project promises, 2 is for every day.
"""

import os
import select
import time
from collections import Counter

import pytest

from tests.core.gate_crew import Clients, running_crew, until

SECONDS = float(os.environ.get("NGXLOOP_CHURN_SECONDS", "2"))
PER_SECOND = 1000
WORKERS = 8
BATCH = 10  # connections that begin together, so that the pace does not hang on the clock's ticks


@pytest.mark.timeout(60 + 3 * SECONDS)
@pytest.mark.parametrize("mode", ["fair", "mutex"])
def test_churn_loses_nothing_and_is_counted(mode):
    with running_crew(mode, workers=WORKERS) as (crew, clients):
        served = churn(clients, crew.address)
        assert served.total() == int(SECONDS * PER_SECOND)
        assert crew.values("accepted") == [served[slot] for slot in range(WORKERS)]
        assert crew.values("pauses") == [0] * WORKERS
        until(lambda: crew.values("active") == [0] * WORKERS, "all connections seen closed")


def churn(clients: Clients, address) -> Counter:
    """Open, be greeted, close, at a steady pace; return who served."""
    served: Counter = Counter()
    begin = time.monotonic()
    for number in range(int(SECONDS * PER_SECOND / BATCH)):
        pause = begin + number * BATCH / PER_SECOND - time.monotonic()
        select.select([], [], [], max(0.0, pause))
        served.update(clients.burst(address, count=BATCH))
        clients.close()
    return served
