"""Random choices that can be repeated: the seed is printed, and pytest shows it on failure."""

import os
import random

# A seed to run with again, as a failed test has printed it.
SEED = os.environ.get("NGXLOOP_TEST_SEED")


def printed_random() -> random.Random:
    """Return a generator with a new seed, which a failing test shows among its output."""
    seed = int(SEED) if SEED else random.randrange(2**32)
    print(f"repeat with NGXLOOP_TEST_SEED={seed}")
    return random.Random(seed)
