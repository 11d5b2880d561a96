"""`python -m benchmarks`: measure questions and print their tables."""

import sys

from benchmarks.harness.cli import main

sys.exit(main(sys.argv[1:]))
