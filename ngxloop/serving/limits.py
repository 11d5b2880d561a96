"""Limits of what the master keeps and does for its workers."""

# Binding for programs, see sharing.py -------------------------------------------------------------

# Bytes of one request. The longest address is a Unix path of 107 bytes (sun_path in unix(7), less
# its final zero), of which JSON writes each as up to 6 characters.
BIND_REQUEST_BYTES = 1024
# Addresses of one worker process, of one generation, and of all generations: during a reload there
# are two. Programs that need many have some hundred: FTP servers with a port for each transfer,
# proxies with a port for each customer.
WORKER_SOCKETS = 1024
GENERATION_SOCKETS = 2 * WORKER_SOCKETS
SHARED_SOCKETS = 2 * GENERATION_SOCKETS
# And at most this part of the descriptors that the master may open: the others are for its workers'
# channels, its logs and its clients.
SHARED_DESCRIPTOR_PART = 1 / 4
# Binds with the rights of another user that one worker process may ask for in a row, and how many
# more each second. Each is a fork: 1 to 3 ms of the master's time.
WORKER_BINDS = WORKER_SOCKETS
WORKER_BINDS_PER_SECOND = 32.0
# Addresses of one worker process that are logged; those after them would flood the log.
LOGGED_ADDRESSES = 100
# Seconds for one such bind, or for the removal of files. It takes milliseconds, but for a file
# system that does not answer: the master waits, so this is the longest that one can hold it up.
BIND_SECONDS = 2.0
