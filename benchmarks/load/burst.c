/* Opens connections at fixed times, whatever the server does meanwhile, and holds them.
 *
 *     burst HOST PORT CONNECTIONS GAP_US
 *
 * The server greets: it sends something to whoever connects. The time from connect() to the first
 * byte is the latency; from the first connect() to the last first byte, the time of the burst. With
 * a gap of 0 all connect at once. Prints one JSON line when all have been greeted; at the end of
 * stdin the connections are closed with a RST, so that the next run finds the ports free.
 */

#define _GNU_SOURCE
#include "common.h"
#include "histogram.h"

#include <poll.h>

#define PATIENCE_NS (20 * NS_PER_SECOND)

struct connection {
    int fd;
    bool greeted;
    uint64_t start_ns;
};

struct burst {
    struct sockaddr_in address;
    size_t count;
    uint64_t gap_ns;

    int epoll;
    struct connection *connections;
    size_t open_count;
    size_t greeted_count;
    uint64_t begin_ns;
    struct histogram latencies;
};

static void open_connection(struct burst *burst)
{
    struct connection *connection = &burst->connections[burst->open_count++];

    connection->start_ns = now_ns();
    connection->fd = connect_tcp(&burst->address);
    control_epoll(burst->epoll, EPOLL_CTL_ADD, connection->fd, EPOLLIN | EPOLLET, connection);
}

static void receive_greeting(struct burst *burst, struct connection *connection)
{
    char greeting[64];
    ssize_t received = recv(connection->fd, greeting, sizeof greeting, 0);

    if (received < 0 && errno == EAGAIN)
        return;
    if (received < 0)
        die_of_errno("recv");
    if (received == 0)
        die("the server closed a connection");
    if (connection->greeted)
        return;
    connection->greeted = true;
    burst->greeted_count++;
    histogram_record(&burst->latencies, now_ns() - connection->start_ns);
}

/* Waits for events until a point of time, to the nanosecond: epoll_wait knows milliseconds only. */
static void wait_until(int epoll, uint64_t wanted_ns)
{
    uint64_t now = now_ns();
    uint64_t left = wanted_ns > now ? wanted_ns - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(left / NS_PER_SECOND),
                               .tv_nsec = (long)(left % NS_PER_SECOND)};
    struct pollfd waited = {.fd = epoll, .events = POLLIN};

    if (ppoll(&waited, 1, &timeout, NULL) < 0 && errno != EINTR)
        die_of_errno("ppoll");
}

static void handle_events(struct burst *burst, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int count, i;

    wait_until(burst->epoll, until_ns);
    count = wait_epoll(burst->epoll, events, 0);
    for (i = 0; i < count; i++)
        receive_greeting(burst, events[i].data.ptr);
}

/* Returns how many nanoseconds it took until the last was greeted. */
static uint64_t run(struct burst *burst)
{
    burst->begin_ns = now_ns();
    while (burst->greeted_count < burst->count) {
        uint64_t due_ns = burst->begin_ns + burst->open_count * burst->gap_ns;
        uint64_t limit_ns = burst->begin_ns + burst->count * burst->gap_ns + PATIENCE_NS;

        if (burst->open_count < burst->count && now_ns() >= due_ns)
            open_connection(burst);
        else
            handle_events(burst, burst->open_count < burst->count ? due_ns : limit_ns);
        if (now_ns() > limit_ns)
            die("%zu of %zu connections were not greeted", burst->count - burst->greeted_count,
                burst->count);
    }
    return now_ns() - burst->begin_ns;
}

int main(int argument_count, char **arguments)
{
    struct burst *burst = allocate(1, sizeof *burst);
    const struct histogram *latencies = &burst->latencies;
    uint64_t took_ns;

    if (argument_count != 5)
        die("usage: %s HOST PORT CONNECTIONS GAP_US", arguments[0]);
    burst->address = parse_address(arguments[1], arguments[2]);
    burst->count = (size_t)parse_count("connections", arguments[3], 1, 100000);
    burst->gap_ns = (uint64_t)parse_count("gap in microseconds", arguments[4], 0, 1000000) * 1000;
    burst->connections = allocate(burst->count, sizeof *burst->connections);
    burst->epoll = create_epoll();
    took_ns = run(burst);
    printf("{\"p50_us\": %.2f, \"p99_us\": %.2f, \"drain_ms\": %.3f}\n",
           (double)histogram_percentile(latencies, 0.5) / 1e3,
           (double)histogram_percentile(latencies, 0.99) / 1e3, (double)took_ns / 1e6);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    return EXIT_SUCCESS;
}
