"""Time constants of the master and its workers, in seconds."""

# This long after the graceful time-out a draining worker is told to write its stacks, and killed
# STACK_SECONDS later. Above CANCEL_SECONDS; together less than a second: with the default time-out
# a master ends within the 30 s that Kubernetes allows.
KILL_SECONDS = 0.7
# How long a worker that is about to be killed has for writing its stacks.
STACK_SECONDS = 0.2
# An idle worker turns its loop this often in each hang time-out: one turn may be late.
HEARTBEATS = 3
# A worker that was told to stop at once is killed after this long. nginx: the sum of its delays
# 50, 100, 200, 400, 800 ms in ngx_master_process_cycle.
STOP_SECONDS = 1.55
# A killed process that still has not ended gets the signal again after this long.
KILL_AGAIN_SECONDS = 1.0
# A worker that ends, drains by itself or asks to be replaced within this time of becoming ready is
# young: the next one in a row waits.
YOUNG_SECONDS = 5.0
# Delay after the second young end in a row, then doubled each time, up to the limit.
BACKOFF_SECONDS = 0.1
BACKOFF_LIMIT_SECONDS = 30.0
# The same signal that ends us may come twice for one stop: to us, and to our process group, as
# timeout(1) and some service managers send it. Within this time it is taken for one.
REPEAT_SECONDS = 0.5
# kill(2) sends a signal to the processes of a group one after the other: when a worker says that it
# drains, or the preloading process ends, the master waits this long for a signal of its own.
GROUP_SIGNAL_SECONDS = 0.02
# A hung worker that was told to write its stacks has this long to come back before it is killed.
DUMP_SECONDS = 2.0
# The time between two reloads for listeners that a worker has shut down.
RELISTEN_SECONDS = 10.0
# A worker that does not read its channel, which is full, is told after this long again to open its
# log files.
REOPEN_SECONDS = 1.0
# How long a master without workers waits before it tries a failed reload again, doubled each time
# up to BACKOFF_LIMIT_SECONDS.
RETRY_RELOAD_SECONDS = 1.0
# Workers live up to this part longer than --max-lifetime says, so that not all leave together.
LIFETIME_SPREAD = 0.1
# After the graceful time-out a worker cancels its tasks; it has this long for their clean-up.
CANCEL_SECONDS = 0.5
# How often a draining worker looks whether its connections are gone.
DRAIN_POLL_SECONDS = 0.02
# A program that listens is ready when it still runs after this time: one that raises right after
# has not started.
SETTLE_SECONDS = 0.05
# A program that binds several addresses has this long, once it is ready, until those that were
# given with --bind and not bound by it are named in a warning.
UNSERVED_SECONDS = 1.0
# The master's longest single wait, a day. epoll_wait(2) takes at most 2^31 ms, 24 days.
MAX_WAIT_SECONDS = 86_400.0
