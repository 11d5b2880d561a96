"""What operators of other process managers complain about, and what this one has to do instead.

Each row is the subject of at least one test, marked `pytest.mark.complaint(number)`, which fails if
the answer is taken away; test_complaints.py looks for rows without one.
"""

COMPLAINTS = {
    1: "connections are spread evenly over the workers, long-lived ones in a burst too",
    2: "one shared socket gives balance and loses nothing on a reload",
    3: "exclusive wake-ups do not starve workers: who has accepted goes to the end of the queue",
    4: "one connection does not wake all workers; missed wake-ups are counted",
    5: "a worker that is busy takes no connection that another could serve at once",
    6: "a reload loses no request",
    7: "a stop can go on accepting for a while that readiness is already withdrawn",
    8: "a worker that is replaced for its age leaves after its replacement is ready, few at a time",
    9: "broken code on a reload changes nothing; a worker that dies young backs off",
    10: "a stop ends in bounded time whatever the connections do; a second signal forces it",
    11: "the loop itself writes the heartbeat; a master that was late forgives",
    12: "a hung worker shows its stacks before it is killed, and the log says why it ended",
    13: "the master has one thread, and its descriptors stay as many over reloads",
    14: "signals during a fork are not lost, and workers ignore what is the master's to answer",
    15: "workers whose master was killed free the port within the graceful time-out",
    16: "as process 1 the master reaps orphans silently and answers its signals",
    17: "workers share the memory of a preloaded application, and a reload sees new code",
    18: "as many workers as CPUs may be used, by affinity and cgroup quota, and it is said why",
    19: "the figures of every worker come from one place",
    20: "one worker is the leader, another one if it goes; work is done once, not per worker",
    21: "sockets from systemd by number and by name, many addresses of every kind",
    22: "logs are reopened, and each line says which worker wrote it",
    23: "the accept queue's length and limit are known, and a clipped limit is said",
    24: "cancelled timers leave nothing behind",
    25: "running out of descriptors neither spins nor floods the log",
}
