/* A closed-loop echo client: every connection has exactly one request under way.
 *
 *     generator HOST PORT CONNECTIONS SIZE SECONDS WARMUP_SECONDS keep|orderly|reset|datagram
 *
 * HOST is an IPv4 address, or the path of a Unix socket, which begins with a slash.
 *
 * keep     a request is: send SIZE bytes, receive them back, on a connection that stays open
 * orderly  a request is: connect, send, receive back, close with a FIN
 * reset    the same, closed with a RST (no TIME_WAIT is left behind)
 * datagram a request is: send a datagram of SIZE bytes, receive it back; a connection is a socket
 *
 * Prints one JSON line; closed_loop.h says what counts. What comes back during the warm-up is
 * compared with what was sent; what never comes back is counted as stalled.
 *
 * Edge-triggered, because a request must not cost an epoll_ctl; SIZE may exceed the socket
 * buffers, so sending and receiving interleave.
 */

#define _GNU_SOURCE
#include "closed_loop.h"
#include "echoed.h"

#define RECEIVE_BYTES (1u << 20)
#define SOURCE_ADDRESSES 250 /* 127.0.0.2 to 127.0.0.251, see bind_source() */

#define MODES "keep|orderly|reset|datagram"

enum mode { KEEP, ORDERLY, RESET, DATAGRAM }; /* in the order of MODES */

struct connection {
    int fd;
    bool connecting;   /* connect() has not been answered yet */
    bool waiting;      /* a request is under way; only false when the time is over */
    size_t unsent;     /* bytes of the request still to send */
    size_t unreceived; /* bytes of the reply still to come */
    uint64_t start_ns; /* when the request began */
};

struct load {
    struct address address;
    enum mode mode;
    size_t connection_count;
    size_t size;
    struct connection *connections;
    char *request;
    char *reply;
    uint64_t opened_count;
    struct closed_loop loop;
};

/* A connection closed in order leaves its local port in TIME_WAIT for a minute. One address has
 * about 28,000 ports, less than a second's worth; 250 loopback addresses have enough. */
static void bind_source(struct load *load, int fd)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    const struct sockaddr_in *target = (const struct sockaddr_in *)&load->address.name;
    int one = 1;

    if (target->sin_family != AF_INET || (ntohl(target->sin_addr.s_addr) >> 24) != 127)
        return;
    source.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + 1 + (uint32_t)(load->opened_count % SOURCE_ADDRESSES));
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) < 0)
        die_of_errno("setsockopt(IP_BIND_ADDRESS_NO_PORT)");
    if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0)
        die_of_errno("bind");
}

static void prepare_tcp(struct load *load, int fd)
{
    set_no_delay(fd);
    if (load->mode == ORDERLY)
        bind_source(load, fd);
    else
        set_reset_on_close(fd);
}

static void start_request(struct load *load, struct connection *connection, uint64_t now)
{
    connection->unsent = load->size;
    connection->unreceived = load->size;
    connection->start_ns = now;
    connection->waiting = true;
    load->loop.waiting_count++;
}

static void open_connection(struct load *load, struct connection *connection, uint64_t now)
{
    int family = load->address.name.ss_family;
    int type = load->mode == DATAGRAM ? SOCK_DGRAM : SOCK_STREAM;

    connection->fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        die_of_errno("socket");
    if (family == AF_INET && type == SOCK_STREAM)
        prepare_tcp(load, connection->fd);
    load->opened_count++;
    start_request(load, connection, now);
    connection->connecting = true;
    if (connect(connection->fd, (struct sockaddr *)&load->address.name,
                load->address.length) < 0 &&
        errno != EINPROGRESS)
        die_of_errno("connect");
    control_epoll(load->loop.epoll, EPOLL_CTL_ADD, connection->fd, EPOLLIN | EPOLLOUT | EPOLLET,
                  connection);
}

static void finish_connect(struct connection *connection)
{
    int error = 0;
    socklen_t length = sizeof error;

    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        die_of_errno("getsockopt(SO_ERROR)");
    if (error != 0)
        die("connect failed: %s", strerror(error));
    connection->connecting = false;
}

static void send_request(struct load *load, struct connection *connection)
{
    while (connection->unsent > 0) {
        const char *rest = load->request + (load->size - connection->unsent);
        ssize_t sent = send(connection->fd, rest, connection->unsent, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            die_of_errno("send");
        connection->unsent -= (size_t)sent;
    }
}

static void finish_request(struct load *load, struct connection *connection)
{
    uint64_t now = now_ns();

    loop_count(&load->loop, connection->start_ns, now);
    connection->waiting = false;
    load->loop.waiting_count--;
    if (load->loop.over)
        return;
    if (load->mode == KEEP || load->mode == DATAGRAM) {
        start_request(load, connection, now);
        send_request(load, connection);
        return;
    }
    if (close(connection->fd) < 0) /* takes it out of the epoll as well */
        die_of_errno("close");
    open_connection(load, connection, now);
}

static void receive_reply(struct load *load, struct connection *connection)
{
    for (;;) {
        ssize_t received = recv(connection->fd, load->reply, RECEIVE_BYTES, 0);

        if (received < 0 && errno == EAGAIN)
            return;
        if (received < 0)
            die_of_errno("recv");
        if (received == 0)
            die("the server closed a connection after %llu requests",
                load->loop.request_count);
        check_reply(load->reply, (size_t)received, load->request, load->size,
                    connection->unreceived, !load->loop.warm);
        connection->unreceived -= (size_t)received;
        if (connection->unreceived == 0) {
            finish_request(load, connection);
            return; /* what comes next raises a new edge */
        }
        if ((size_t)received < RECEIVE_BYTES)
            return; /* a short read emptied the buffer: epoll(7), Q9 */
    }
}

static void handle_event(void *context, void *ready, uint32_t events)
{
    struct load *load = context;
    struct connection *connection = ready;

    if (connection->connecting)
        finish_connect(connection);
    send_request(load, connection);
    if (connection->waiting && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        receive_reply(load, connection);
}

static double run(struct load *load)
{
    size_t i;

    for (i = 0; i < load->connection_count; i++)
        open_connection(load, &load->connections[i], now_ns());
    return loop_run(&load->loop, handle_event, load);
}

int main(int argument_count, char **arguments)
{
    struct load *load = allocate(1, sizeof *load);

    if (argument_count != 8)
        die("usage: %s HOST PORT CONNECTIONS SIZE SECONDS WARMUP_SECONDS " MODES, arguments[0]);
    load->address = parse_any_address(arguments[1], arguments[2]);
    load->connection_count = (size_t)parse_count("connections", arguments[3], 1, 1000000);
    load->size = (size_t)parse_count("size", arguments[4], 1, 1 << 30);
    load->mode = (enum mode)parse_choice("mode", arguments[7], MODES);
    load->connections = allocate(load->connection_count, sizeof *load->connections);
    load->request = make_message(load->size);
    load->reply = allocate(RECEIVE_BYTES, 1);
    loop_begin(&load->loop, parse_seconds_ns("seconds", arguments[5]),
               parse_seconds_ns("warm-up seconds", arguments[6]));
    loop_report(&load->loop, run(load));
    printf(", \"stalled\": %zu}\n", load->loop.waiting_count);
    return EXIT_SUCCESS;
}
