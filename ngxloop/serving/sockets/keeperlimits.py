"""Limits of what the keeper does for the programs of the workers (keeper.py, sharedsockets.py)."""

# Bytes of one request. The longest address is a Unix path of 107 bytes (sun_path in unix(7), less
# its final zero), of which JSON writes each as up to 6 characters.
BIND_REQUEST_BYTES = 1024
# Addresses of one worker process, of one generation, and of all generations: during a reload there
# are two. Programs that need many have some hundred: FTP servers with a port for each transfer,
# proxies with a port for each customer.
WORKER_SOCKETS = 1024
GENERATION_SOCKETS = 2 * WORKER_SOCKETS
SHARED_SOCKETS = 2 * GENERATION_SOCKETS
# And at most this part of the descriptors that the keeper may open: the others are for its lines to
# the workers, and for the two sockets of a request.
SHARED_DESCRIPTOR_PART = 1 / 2
# Addresses of one worker process that are logged; those after them would flood the log.
LOGGED_ADDRESSES = 100
# Messages of one worker in one turn of the keeper: others are served in between.
MESSAGES_PER_TURN = 8
# Orders to a keeper that it may not have read yet. A message takes 768 bytes of the send buffer, of
# which a kernel with net.core.wmem_default as small as 64 KiB has room for 85.
PORTION = 64

# Time, in seconds --------------------------------------------------------------------------------

# How long a program waits for its bind(). It takes milliseconds, but for a file system that does
# not answer, or a keeper that was stopped.
ANSWER_SECONDS = 10.0
# How long a bind() waits for a line to another keeper when its own has died. The master forks that
# within milliseconds, unless keepers die again and again.
RENEWAL_SECONDS = 2.0
# Between two reports of a keeper to the master. One that has not answered by the time of the second
# report is killed: a keeper that hangs is replaced within ANSWER_SECONDS.
REPORT_SECONDS = 5.0
# How long after a message of a worker the keeper checks which of its sockets listen.
SYNC_SECONDS = 0.5
# How long a new keeper waits for the sockets of the one before, after an upgrade.
HANDOVER_SECONDS = 5.0
# How long a master that ends waits until its keeper has removed the socket files.
KEEPER_END_SECONDS = 1.0

assert BIND_REQUEST_BYTES >= 6 * 107 + 100
assert HANDOVER_SECONDS < ANSWER_SECONDS
assert 2 * REPORT_SECONDS <= ANSWER_SECONDS
