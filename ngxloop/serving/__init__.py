"""The master and its workers, in rooms: each imports only the rooms below it.

    master     puts the parts together, and turns
    admin      what operators see and say
    handover   the upgrade of the master's own code
    fleet      decides about all workers, and carries it out
    worker     one worker
    sockets    listening sockets
    config     the configuration
    process    processes, signals, channels, the poller
    logs       what is written
    options    the table of options
    base       errors, states, names, times, trust

Each room's first file says where to begin.
"""
