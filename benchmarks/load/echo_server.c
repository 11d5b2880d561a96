/* The physical limit: an epoll echo server that does nothing but what the kernel asks for.
 *
 *     echo_server [PATH]
 *
 * Listens on a Unix socket of this path, or on 127.0.0.1, on a port of the kernel's choice, and
 * prints one JSON line with the address and the CPU time used so far. Runs until it is killed.
 *
 * Edge-triggered and registered once (EPOLLOUT joins when a send buffer is full for the first
 * time), so that an echo costs one recv and one send and nothing else.
 */

#define _GNU_SOURCE
#include "common.h"
#include "announce.h"

#define RECEIVE_BYTES (256u * 1024)
#define READ_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define CLOSE_EVENTS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct connection {
    int fd;
    bool watches_output; /* EPOLLOUT has joined the registration */
    char *rest;          /* OWNS: what the socket did not take; NULL while there is nothing */
    size_t rest_length;
    size_t rest_sent;
};

static char receive_buffer[RECEIVE_BYTES];

static int listen_on(const char *host)
{
    struct address address = parse_any_address(host, "0");
    int fd = socket(address.name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die_of_errno("socket");
    if (address.name.ss_family == AF_INET)
        set_no_delay(fd); /* accepted sockets inherit it */
    if (bind(fd, (struct sockaddr *)&address.name, address.length) < 0)
        die_of_errno("bind");
    if (listen(fd, LISTEN_BACKLOG) < 0)
        die_of_errno("listen");
    return fd;
}

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    free(connection->rest);
    free(connection);
}

static void accept_all(int epoll, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct connection *connection;

        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0 && errno == ECONNABORTED)
            continue;
        if (fd < 0)
            die_of_errno("accept4");
        connection = allocate(1, sizeof *connection);
        connection->fd = fd;
        control_epoll(epoll, EPOLL_CTL_ADD, fd, READ_EVENTS, connection);
    }
}

static void keep_rest(int epoll, struct connection *connection, size_t sent, size_t length)
{
    connection->rest_length = length - sent;
    connection->rest_sent = 0;
    connection->rest = allocate(connection->rest_length, 1);
    memcpy(connection->rest, receive_buffer + sent, connection->rest_length);
    if (connection->watches_output)
        return;
    connection->watches_output = true;
    control_epoll(epoll, EPOLL_CTL_MOD, connection->fd, READ_EVENTS | EPOLLOUT, connection);
}

/* Bytes taken by the socket, 0 when it is full, -1 when the peer is gone. */
static ssize_t send_some(int fd, const char *bytes, size_t length)
{
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

/* Whether nothing is kept back any more; false as well when the connection was closed. */
static bool send_rest(struct connection *connection)
{
    while (connection->rest_sent < connection->rest_length) {
        ssize_t sent = send_some(connection->fd, connection->rest + connection->rest_sent,
                                 connection->rest_length - connection->rest_sent);

        if (sent < 0)
            close_connection(connection);
        if (sent <= 0)
            return false;
        connection->rest_sent += (size_t)sent;
    }
    free(connection->rest);
    connection->rest = NULL;
    return true;
}

/* Whether there may be more to do; false when drained or closed. A closing peer's end of stream
 * stands behind its last bytes and raises no edge of its own, so it must be read for. */
static bool echo_once(int epoll, struct connection *connection, bool closing)
{
    ssize_t received = recv(connection->fd, receive_buffer, RECEIVE_BYTES, 0);
    ssize_t sent;

    if (received < 0 && errno == EAGAIN)
        return false;
    sent = received > 0 ? send_some(connection->fd, receive_buffer, (size_t)received) : -1;
    if (sent < 0) { /* end of stream, or the peer is gone */
        close_connection(connection);
        return false;
    }
    if (sent < received) {
        keep_rest(epoll, connection, (size_t)sent, (size_t)received);
        return true; /* the caller tries to send the rest once more: the edge may be past */
    }
    return received == RECEIVE_BYTES || closing;
}

static void handle_event(int epoll, struct connection *connection, uint32_t events)
{
    bool closing = (events & CLOSE_EVENTS) != 0;
    bool more = true;

    while (more && (connection->rest == NULL || send_rest(connection)))
        more = echo_once(epoll, connection, closing);
}

int main(int argument_count, char **arguments)
{
    const char *host = argument_count > 1 ? arguments[1] : "127.0.0.1";
    struct epoll_event events[EVENTS_PER_WAIT];
    int listener = listen_on(host);
    int epoll = create_epoll();
    int i, count;

    control_epoll(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    announce(listener, host);
    for (;;) {
        count = wait_epoll(epoll, events, -1);
        for (i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_all(epoll, listener);
            else
                handle_event(epoll, events[i].data.ptr, events[i].events);
        }
    }
}
