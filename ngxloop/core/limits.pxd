"""Every constant of the compiled code: its meaning, its unit, the source of the number."""

cdef enum:
    # Kernel events taken by one wait; doubled when a wait fills them. nginx: epoll_events 512.
    POLL_EVENT_COUNT = 512
    POLL_EVENT_COUNT_MAX = 8192

    # Slots of the connection pool are allocated this many at a time, 64 x 136 B, so that a small
    # process stays small. Must be a power of two.
    POOL_CHUNK_SHIFT = 6
    POOL_CHUNK_SIZE = 64

    # Bytes a stream may receive at once, and the loop's shared buffer. asyncio: max_size, 256 KiB.
    RECEIVE_BYTES = 262144
    # After a receive of at least this many bytes, a connection receives straight into a new bytes
    # object. Below, a copy out of the shared buffer touches only memory that is in the cache.
    DIRECT_RECEIVE_BYTES = 16384
    # The same for a StreamReader, into its own buffer. That must be enlarged and cut again:
    # measured over TCP, 20 KB cost 3 % more, 64 KiB the same, 100 KiB 9 % less, 200 KB 12 %.
    DIRECT_READER_BYTES = 65536

    # Collected output above this many bytes leaves at once instead of at the end of the turn.
    # asyncio: the default high-water mark, 64 KiB.
    FLUSH_BYTES = 65536
    # asyncio: _FlowControlMixin, 64 KiB; the low mark is a quarter of the high one.
    HIGH_WATER_BYTES = 65536
    LOW_WATER_BYTES = 16384
    # Buffers that one sendmsg takes from the list: on the stack, 16 B each.
    # nginx: NGX_IOVS_PREALLOCATE, 64; the kernel's limit, IOV_MAX, is 1024.
    SEND_VECTOR_COUNT = 64
    # Several chunks of no more bytes than this together are copied and leave with one send: on the
    # stack. Measured against sendmsg of two buffers, over TCP: 150 ns less for 150 bytes, 130 for
    # 4 KiB, 20 to 80 for 8 KiB.
    SEND_JOINED_BYTES = 4096

    # Datagrams that one event of an endpoint may receive, and how large one may be: 65,535 bytes of
    # IP and its headers. Each has its place in memory that the loop's endpoints share; only the
    # pages that are touched cost. libuv: 32 for each event, too.
    RECEIVE_DATAGRAM_COUNT = 32
    DATAGRAM_BYTES = 65536
    # The same memory for families whose datagrams may be larger: what the send buffer holds,
    # 208 KiB by default. asyncio: max_size, 256 KiB.
    RECEIVE_LARGE_DATAGRAM_COUNT = 8
    LARGE_DATAGRAM_BYTES = 262144
    # Datagrams that one sendmmsg takes from the queue: headers and addresses on the stack, 208 B
    # each.
    SEND_DATAGRAM_COUNT = 32
    # What a waiting datagram counts for in addition to its data. asyncio: since 3.13.
    DATAGRAM_HEADER_BYTES = 8
    # When to try again if the queue of a Unix receiver is full and the sender is not connected to
    # it: the kernel reports only to a connected sender that there is room.
    UNIX_RETRY_MS = 1

    # What a worker that is ordered to end takes from a socket's queue, at most: the longest queue
    # of the kernel by default. net.core.somaxconn, 4096.
    ACCEPT_WAITING_COUNT = 4096
    # All listeners pause this long after EMFILE and the like. asyncio: ACCEPT_RETRY_DELAY, 1 s.
    ACCEPT_RETRY_MS = 1000
    # Writes to a lost connection before each is logged. asyncio: LOG_THRESHOLD_FOR_CONNLOST_WRITES.
    LOST_WRITES_LOGGED = 5

    # The memory of this many handles is kept, 24 MiB: what a burst of as many needs.
    KEPT_HANDLE_COUNT_MAX = 262144
    # The memory of this many timers is kept. Few: they are freed in another order than they were
    # allocated, and the next ones would be scattered over the memory; 100,000 of them took 1,046 ns
    # each instead of 768. CPython's free lists: 255 contexts.
    KEPT_TIMER_COUNT_MAX = 256
    # How long memory is not needed before it is given back, and how many blocks go at a time: some
    # 100 us.
    TRIM_SECONDS = 1
    TRIM_COUNT = 8192

    # How long a loop sleeps, without polling, while epoll keeps reporting a closed file and there
    # is no fd for a new epoll instance: such an event then costs 1 % of a core.
    STALE_REST_MS = 5

    # A wait never lasts longer than a day. asyncio: MAXIMUM_SELECT_TIMEOUT.
    WAIT_SECONDS_MAX = 86400

    # A loop that busy-polls checks for signals this often.
    BUSY_POLL_SLICE_MS = 1

    # Bytes read from the signal pipe at once: one byte per signal.
    SIGNAL_BYTES = 512

    # Workers that can exist at a time: twice as many as run in practice, for those that drain.
    # nginx: NGX_MAX_PROCESSES 1024.
    SLOT_COUNT_MAX = 4096
    # Connections one event of a shared listener may take. nginx: multi_accept off.
    SHARED_ACCEPT_COUNT = 1
    # Idle connections are closed for new ones while less than this part of all is free.
    # nginx: ngx_drain_connections, 1/16.
    ROOM_DIVISOR = 16
    # At a time this part of the idle ones is closed, and this many at most.
    # nginx: ngx_drain_connections, 8 and 32.
    REUSE_DIVISOR = 8
    REUSE_COUNT_MAX = 32
    # Accepts after which an exclusive listener goes to the end of the kernel's queue of waiters.
    # nginx: ngx_reorder_accept_events, 16.
    ACCEPTS_PER_REQUEUE = 16
    # How long a worker that did not get the accept mutex waits at least: that long may connections
    # wait while its holder is busy.
    MUTEX_DELAY_MS = 10
    # The longest wait of a worker that does not listen, once nothing has happened for as long: two
    # wake-ups a second. nginx: accept_mutex_delay, 500 ms.
    QUIET_DELAY_MS = 500
    # A worker with a turn that has lasted this long is stuck in a callback: the mean ignores it.
    # Four workers on two busy cores were seen off the CPU for 60 ms.
    BLOCKED_MS = 100
    # What a worker may have above the mean before it leaves: one connection and a 32nd of the mean.
    # Measured with 200 connections over 4 workers, burst and 1 ms apart: max/mean 1.02 to 1.06, and
    # a full queue drains in 1.25 of the time of mode plain. Less slack wakes more often, more slack
    # drains no faster.
    SLACK_COUNT = 1
    SLACK_DIVISOR = 32
    # A worker that left checks this often whether the others accept, unless they are all idle.
    LEFT_CHECK_MS = 10
    # For how long a worker that was urged takes more than its share. A master urges twice a second.
    URGED_MS = 1000
    # Descriptors that a process needs for other things than connections: listeners, logs, pipes.
    SPARE_FD_COUNT = 64

    # Bytes that go into OpenSSL's memory, in either direction, before they are taken out again: it
    # never shrinks, so this is about what a TLS connection keeps when it is idle. One record, which
    # is still in the processor's cache when it is taken out.
    TLS_SLICE_BYTES = 16384
    # Ciphertext that is collected before it is sent: a message of 100 KiB leaves in one call of the
    # kernel, while the peer of a longer one begins to decrypt before the end is encrypted.
    TLS_SEND_BYTES = 131072
    # Smaller chunks of plaintext are joined up to this many bytes: one record. RFC 8446 5.1: 2^14.
    TLS_JOIN_BYTES = 16384
    # A record's longest body. RFC 5246 6.2.3: 2^14 + 2048; RFC 8446 5.2 has less.
    TLS_RECORD_BYTES_MAX = 18432
    # Plaintext that a slice brings: no more than its ciphertext and that of a record begun before.
    TLS_PLAIN_BYTES = 34816
    # asyncio: FLOW_CONTROL_HIGH_WATER_SSL_WRITE, 512 KiB, and ..._SSL_READ, 256 KiB.
    TLS_WRITE_HIGH_BYTES = 524288
    TLS_READ_HIGH_BYTES = 262144
