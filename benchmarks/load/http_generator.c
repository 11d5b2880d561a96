/* A closed-loop HTTP client: every connection asks, waits for the answer, asks again.
 *
 *     http_generator HOST PORT CONNECTIONS SECONDS WARMUP_SECONDS
 *
 * GET / over connections that stay open; an answer needs status 200 and a Content-Length. Prints one
 * JSON line. What ends during the warm-up counts in all_requests only. A server may close a
 * connection after an answer that says so (`reconnects`); one that it closes with a request under
 * way has lost that request (`lost`), and so has one without an answer PATIENCE_NS after the end.
 */

#define _GNU_SOURCE
#include "common.h"
#include "histogram.h"

#include <fcntl.h>
#include <strings.h>

#define ANSWER_BYTES 8192 /* head and body together */
#define PATIENCE_NS (3 * NS_PER_SECOND)

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
static const size_t REQUEST_LENGTH = sizeof REQUEST - 1;

struct connection {
    int fd;
    bool waiting;      /* a request is under way; only false when the time is over */
    size_t unsent;     /* bytes of the request still to send */
    size_t received;   /* bytes of the answer that are here */
    uint64_t start_ns; /* when the request began */
    char answer[ANSWER_BYTES + 1];
};

struct load {
    struct sockaddr_in address;
    size_t connection_count;
    int epoll;
    struct connection *connections;

    bool warm;            /* the warm-up is over: requests count */
    bool over;            /* the time is over: no request is started any more */
    uint64_t measured_ns; /* when the measurement begins, then began */
    uint64_t end_ns;
    size_t waiting_count; /* connections with a request under way */
    unsigned long long request_count; /* warm-up included */
    unsigned long long lost_count;
    unsigned long long reconnect_count;
    struct histogram latencies;
};

static void send_request(struct connection *connection)
{
    ssize_t sent;

    if (connection->unsent == 0)
        return;
    sent = send(connection->fd, REQUEST + REQUEST_LENGTH - connection->unsent, connection->unsent,
                MSG_NOSIGNAL);
    if (sent > 0)
        connection->unsent -= (size_t)sent;
    /* What fails here fails in recv, too, where it is counted. */
}

static void start_request(struct load *load, struct connection *connection)
{
    connection->unsent = REQUEST_LENGTH;
    connection->received = 0;
    connection->start_ns = now_ns();
    if (!connection->waiting)
        load->waiting_count++;
    connection->waiting = true;
}

static void open_connection(struct load *load, struct connection *connection)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0}; /* no TIME_WAIT is left behind */

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        die_of_errno("socket");
    set_no_delay(connection->fd);
    if (setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
        die_of_errno("setsockopt(SO_LINGER)");
    if (connect(connection->fd, (struct sockaddr *)&load->address, sizeof load->address) < 0 &&
        errno != EINPROGRESS)
        die_of_errno("connect");
    start_request(load, connection);
    control_epoll(load->epoll, EPOLL_CTL_ADD, connection->fd, EPOLLIN | EPOLLOUT | EPOLLET,
                  connection);
}

static void end_request(struct load *load, struct connection *connection)
{
    connection->waiting = false;
    load->waiting_count--;
}

static void open_again(struct load *load, struct connection *connection)
{
    if (close(connection->fd) < 0) /* takes it out of the epoll as well */
        die_of_errno("close");
    if (!load->over)
        open_connection(load, connection);
}

static void lose_request(struct load *load, struct connection *connection)
{
    load->lost_count++;
    if (load->lost_count > load->request_count + 1000)
        die("the server loses more requests than it answers");
    end_request(load, connection);
    open_again(load, connection);
}

static void start_measuring(struct load *load, uint64_t now)
{
    load->warm = true;
    load->end_ns += now - load->measured_ns;
    load->measured_ns = now;
    histogram_clear(&load->latencies);
}

static void count_request(struct load *load, const struct connection *connection)
{
    uint64_t now = now_ns();

    load->request_count++;
    if (!load->warm && now >= load->measured_ns)
        start_measuring(load, now);
    else if (!load->over)
        histogram_record(&load->latencies, now - connection->start_ns);
}

/* Returns how long the answer is, head and body; 0 while its head is not complete. */
static size_t answer_length(const struct connection *connection)
{
    static const char field[] = "\r\ncontent-length:";
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *found;

    if (end == NULL)
        return 0;
    if (strncmp(connection->answer, "HTTP/1.1 200", 12) != 0)
        die("the server answered '%.30s'", connection->answer);
    found = strcasestr(connection->answer, field);
    if (found == NULL || found > end)
        die("the server's answer has no Content-Length");
    return (size_t)(end + 4 - connection->answer) + strtoul(found + sizeof field - 1, NULL, 10);
}

static void finish_request(struct load *load, struct connection *connection)
{
    bool closes = strcasestr(connection->answer, "\r\nconnection: close") != NULL;

    count_request(load, connection);
    end_request(load, connection);
    if (closes) {
        load->reconnect_count++;
        open_again(load, connection);
    } else if (!load->over) {
        start_request(load, connection);
        send_request(connection);
    }
}

static void receive_answer(struct load *load, struct connection *connection)
{
    size_t room = ANSWER_BYTES - connection->received;
    ssize_t received = recv(connection->fd, connection->answer + connection->received, room, 0);
    size_t length;

    if (received < 0 && errno == EAGAIN)
        return;
    if (received <= 0) {
        lose_request(load, connection);
        return;
    }
    connection->received += (size_t)received;
    connection->answer[connection->received] = '\0';
    length = answer_length(connection);
    if (length > ANSWER_BYTES || (length == 0 && connection->received == ANSWER_BYTES))
        die("the server's answer is longer than %d bytes", ANSWER_BYTES);
    if (length != 0 && connection->received > length)
        die("the server sent more than it was asked for");
    if (length != 0 && connection->received == length)
        finish_request(load, connection);
    /* More that comes raises a new edge, as the buffer was emptied: epoll(7), Q9. */
}

static void handle_events(struct load *load)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int count = wait_epoll(load->epoll, events, 10);
    int i;

    for (i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;

        send_request(connection);
        if (connection->waiting && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            receive_answer(load, connection);
    }
}

/* Returns how many seconds were measured. */
static double run(struct load *load)
{
    uint64_t over_ns;
    size_t i;

    for (i = 0; i < load->connection_count; i++)
        open_connection(load, &load->connections[i]);
    while (now_ns() < load->end_ns)
        handle_events(load);
    load->over = true;
    over_ns = now_ns();
    while (load->waiting_count > 0 && now_ns() < over_ns + PATIENCE_NS)
        handle_events(load);
    return (double)(over_ns - load->measured_ns) / (double)NS_PER_SECOND;
}

static void report(const struct load *load, double seconds)
{
    const struct histogram *latencies = &load->latencies;

    if (!load->warm || latencies->count == 0)
        die("no request was answered in the measured time");
    printf("{\"all_requests\": %llu, \"rate\": %.1f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
           "\"lost\": %llu, \"reconnects\": %llu}\n",
           load->request_count, (double)latencies->count / seconds,
           (double)histogram_percentile(latencies, 0.5) / 1e3,
           (double)histogram_percentile(latencies, 0.99) / 1e3,
           load->lost_count + load->waiting_count, load->reconnect_count);
}

int main(int argument_count, char **arguments)
{
    struct load *load = allocate(1, sizeof *load);

    if (argument_count != 6)
        die("usage: %s HOST PORT CONNECTIONS SECONDS WARMUP_SECONDS", arguments[0]);
    load->address = parse_address(arguments[1], arguments[2]);
    load->connection_count = (size_t)parse_count("connections", arguments[3], 1, 100000);
    load->epoll = create_epoll();
    load->connections = allocate(load->connection_count, sizeof *load->connections);
    load->measured_ns = now_ns() + parse_seconds_ns("warm-up seconds", arguments[5]);
    load->end_ns = load->measured_ns + parse_seconds_ns("seconds", arguments[4]);
    report(load, run(load));
    return EXIT_SUCCESS;
}
