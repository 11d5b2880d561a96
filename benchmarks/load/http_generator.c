/* A closed-loop HTTP client: every connection asks, waits for the answer, asks again.
 *
 *     http_generator HOST PORT CONNECTIONS SECONDS WARMUP_SECONDS [KIND [DEPTH [RATE]]]
 *
 * KIND: get (/, the default), large (GET /large), post (1 KiB to /echo), fields (GET / with 100 header
 * fields). DEPTH requests are sent at once on each connection, and then their answers are waited for.
 * Connections stay open; an answer needs status 200 and a Content-Length. Prints one
 * JSON line; closed_loop.h says what counts. A server may close a connection after an answer that
 * says so (`reconnects`); one that it closes with a request under way has lost that request (`lost`),
 * and so has one that never answers.
 *
 * With a RATE the loop is open: so many requests a second are due, at equal distances, whatever the
 * server does. A request that is due while all connections wait is sent when the first one is free;
 * its latency counts from when it was due. `late` are those that were due and never sent.
 */

#define _GNU_SOURCE
#include "closed_loop.h"

#include <strings.h>
#include <sys/timerfd.h>

#define ANSWER_BYTES 16384 /* head and body together */
#define REQUEST_BYTES 65536 /* all that are sent at once */
#define FIELD_COUNT 99 /* and Host */
#define POSTED_BYTES 1024
#define DEPTH_MAX 64
#define RATE_MAX 1000000

static char request[REQUEST_BYTES]; /* as many as are sent at once */
static size_t request_length;
static size_t depth = 1;

struct connection {
    int fd;
    bool waiting;      /* a request is under way; only false when the time is over */
    size_t answers;    /* that are still to come */
    size_t unsent;     /* bytes of the request still to send */
    size_t received;   /* bytes of the answer that are here */
    uint64_t start_ns; /* when the request began */
    char answer[ANSWER_BYTES + 1];
};

struct load {
    struct sockaddr_in address;
    size_t connection_count;
    struct connection *connections;
    unsigned long long lost_count;
    unsigned long long reconnect_count;
    struct closed_loop loop;
    /* of an open loop */
    uint64_t interval_ns;     /* between two requests; 0: the loop is closed */
    uint64_t due_ns;          /* when the next request is due */
    int timer;                /* expires once an interval; in epoll it is known by the load itself */
    struct connection **free; /* a ring: those without a request, the longest free first */
    size_t free_first;
    size_t free_count;
};

static void send_request(struct connection *connection)
{
    ssize_t sent;

    if (connection->unsent == 0)
        return;
    sent = send(connection->fd, request + request_length - connection->unsent, connection->unsent,
                MSG_NOSIGNAL);
    if (sent > 0)
        connection->unsent -= (size_t)sent;
    /* What fails here fails in recv, too, where it is counted. */
}

static void start_request(struct load *load, struct connection *connection, uint64_t start_ns)
{
    connection->unsent = request_length;
    connection->answers = depth;
    connection->received = 0;
    connection->start_ns = start_ns;
    if (!connection->waiting)
        load->loop.waiting_count++;
    connection->waiting = true;
}

static void open_connection(struct load *load, struct connection *connection)
{
    connection->fd = connect_tcp(&load->address);
    start_request(load, connection, now_ns());
    control_epoll(load->loop.epoll, EPOLL_CTL_ADD, connection->fd, EPOLLIN | EPOLLOUT | EPOLLET,
                  connection);
}

static void end_request(struct load *load, struct connection *connection)
{
    connection->waiting = false;
    load->loop.waiting_count--;
}

static void open_again(struct load *load, struct connection *connection)
{
    if (close(connection->fd) < 0) /* takes it out of the epoll as well */
        die_of_errno("close");
    if (!load->loop.over)
        open_connection(load, connection);
}

static void lose_request(struct load *load, struct connection *connection)
{
    load->lost_count++;
    if (load->lost_count > load->loop.request_count + 1000)
        die("the server loses more requests than it answers");
    end_request(load, connection);
    open_again(load, connection);
}

static void free_connection(struct load *load, struct connection *connection)
{
    size_t place = (load->free_first + load->free_count++) % load->connection_count;

    load->free[place] = connection;
}

static void start_due_requests(struct load *load)
{
    uint64_t now = now_ns();

    while (load->free_count > 0 && load->due_ns <= now && !load->loop.over) {
        struct connection *connection = load->free[load->free_first];

        load->free_first = (load->free_first + 1) % load->connection_count;
        load->free_count--;
        start_request(load, connection, load->due_ns);
        send_request(connection);
        load->due_ns += load->interval_ns;
    }
}

static void open_the_loop(struct load *load, long rate)
{
    struct itimerspec times = {.it_interval.tv_sec = 0};

    load->interval_ns = NS_PER_SECOND / (uint64_t)rate;
    times.it_interval.tv_sec = (time_t)(load->interval_ns / NS_PER_SECOND);
    times.it_interval.tv_nsec = (long)(load->interval_ns % NS_PER_SECOND);
    times.it_value = times.it_interval;
    load->free = allocate(load->connection_count, sizeof *load->free);
    load->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (load->timer < 0 || timerfd_settime(load->timer, 0, &times, NULL) < 0)
        die_of_errno("timerfd");
    control_epoll(load->loop.epoll, EPOLL_CTL_ADD, load->timer, EPOLLIN, load);
    load->due_ns = now_ns() + load->interval_ns;
}

static void handle_timer(struct load *load)
{
    uint64_t expired_count;

    if (read(load->timer, &expired_count, sizeof expired_count) < 0 && errno != EAGAIN)
        die_of_errno("read(timerfd)");
    start_due_requests(load);
}

/* Returns how many requests were due before the time was over, and found no free connection. */
static unsigned long long count_late(const struct load *load, uint64_t over_ns)
{
    if (load->interval_ns == 0 || over_ns < load->due_ns)
        return 0;
    return (over_ns - load->due_ns) / load->interval_ns;
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

    loop_count(&load->loop, connection->start_ns, now_ns());
    if (--connection->answers > 0 && !closes)
        return;
    end_request(load, connection);
    if (closes) {
        load->lost_count += connection->answers;
        load->reconnect_count++;
        open_again(load, connection);
    } else if (load->interval_ns != 0) {
        free_connection(load, connection);
        start_due_requests(load);
    } else if (!load->loop.over) {
        start_request(load, connection, now_ns());
        send_request(connection);
    }
}

static void take_answers(struct load *load, struct connection *connection)
{
    size_t length;

    while ((length = answer_length(connection)) != 0 && connection->received >= length) {
        if (connection->received > length && connection->answers == 1)
            die("the server sent more than it was asked for");
        if (connection->answers == 1) {
            finish_request(load, connection);
            return;
        }
        finish_request(load, connection);
        connection->received -= length;
        memmove(connection->answer, connection->answer + length, connection->received + 1);
    }
    if (length > ANSWER_BYTES || (length == 0 && connection->received == ANSWER_BYTES))
        die("the server's answer is longer than %d bytes", ANSWER_BYTES);
}

static void receive_answer(struct load *load, struct connection *connection)
{
    size_t room = ANSWER_BYTES - connection->received;
    ssize_t received = recv(connection->fd, connection->answer + connection->received, room, 0);

    if (received < 0 && errno == EAGAIN)
        return;
    if (received <= 0) {
        lose_request(load, connection);
        return;
    }
    connection->received += (size_t)received;
    connection->answer[connection->received] = '\0';
    take_answers(load, connection);
    /* More that comes raises a new edge, as the buffer was emptied: epoll(7), Q9. */
}

static void handle_event(void *context, void *ready, uint32_t events)
{
    struct load *load = context;
    struct connection *connection = ready;

    if (ready == context) {
        handle_timer(load);
        return;
    }
    send_request(connection);
    if (connection->waiting && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        receive_answer(load, connection);
}

static double run(struct load *load)
{
    size_t i;

    for (i = 0; i < load->connection_count; i++)
        open_connection(load, &load->connections[i]);
    return loop_run(&load->loop, handle_event, load);
}

static void append(const char *text)
{
    size_t length = strlen(text);

    if (request_length + length >= REQUEST_BYTES)
        die("the requests are longer than %d bytes", REQUEST_BYTES);
    memcpy(request + request_length, text, length);
    request_length += length;
}

static void append_request(const char *kind)
{
    char line[64];
    int i;

    if (strcmp(kind, "post") == 0) {
        snprintf(line, sizeof line, "Content-Length: %d\r\n\r\n", POSTED_BYTES);
        append("POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        append(line);
        for (i = 0; i < POSTED_BYTES; i++)
            append("x");
        return;
    }
    append(strcmp(kind, "large") == 0 ? "GET /large" : "GET /");
    append(" HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (i = 0; strcmp(kind, "fields") == 0 && i < FIELD_COUNT; i++) {
        snprintf(line, sizeof line, "X-Field-Number-%d: the value of field %d\r\n", i, i);
        append(line);
    }
    append("\r\n");
}

int main(int argument_count, char **arguments)
{
    struct load *load = allocate(1, sizeof *load);
    double seconds;
    uint64_t over_ns;

    if (argument_count < 6 || argument_count > 9)
        die("usage: %s HOST PORT CONNECTIONS SECONDS WARMUP_SECONDS [KIND [DEPTH [RATE]]]",
            arguments[0]);
    if (argument_count >= 8)
        depth = (size_t)parse_count("depth", arguments[7], 1, DEPTH_MAX);
    for (size_t i = 0; i < depth; i++)
        append_request(argument_count > 6 ? arguments[6] : "get");
    load->address = parse_address(arguments[1], arguments[2]);
    load->connection_count = (size_t)parse_count("connections", arguments[3], 1, 100000);
    load->connections = allocate(load->connection_count, sizeof *load->connections);
    loop_begin(&load->loop, parse_seconds_ns("seconds", arguments[4]),
               parse_seconds_ns("warm-up seconds", arguments[5]));
    if (argument_count == 9)
        open_the_loop(load, parse_count("rate", arguments[8], 1, RATE_MAX));
    seconds = run(load);
    over_ns = load->loop.measured_ns + (uint64_t)(seconds * (double)NS_PER_SECOND);
    loop_report(&load->loop, seconds);
    printf(", \"lost\": %llu, \"reconnects\": %llu, \"late\": %llu}\n",
           load->lost_count + load->loop.waiting_count, load->reconnect_count,
           count_late(load, over_ns));
    return EXIT_SUCCESS;
}
