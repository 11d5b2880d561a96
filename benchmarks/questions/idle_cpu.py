"""What does a process cost that has nothing to do, with 9,000 connections and 9,000 timers?

Unit: CPU microseconds per second of idleness, and how often the process was woken per second (its
voluntary context switches). Deadlines are an hour away.
Leaves out: memory (see idle_memory).
"""

from benchmarks.harness.idle import IdleQuestion
from benchmarks.harness.question import Case

QUESTION = IdleQuestion([Case("9k-connections-9k-timers", {"connections": 9000, "timers": 9000})])
