/* A closed-loop echo client over TLS: every connection has exactly one request under way.
 *
 *     tls_generator HOST PORT CONNECTIONS SIZE SECONDS WARMUP_SECONDS keep|handshake
 *
 * keep       a request is: send SIZE bytes, receive them back, on a connection that stays open
 * handshake  a request is: connect, shake hands in full, send, receive back, close with a RST
 *
 * What it prints and what it counts is as in generator.c. No certificate is looked at, no session
 * is resumed. TLS 1.3, AES-128-GCM, X25519: what browsers and servers agree on.
 */

#define _GNU_SOURCE
#include "closed_loop.h"
#include "echoed.h"

#include <openssl/ssl.h>

#define RECEIVE_BYTES (1u << 20)

#define MODES "keep|handshake"

enum mode { KEEP, HANDSHAKE }; /* in the order of MODES */

struct connection {
    int fd;
    SSL *tls;
    bool waiting;      /* a request is under way; only false when the time is over */
    size_t unsent;     /* bytes of the request still to send */
    size_t unreceived; /* bytes of the reply still to come */
    uint64_t start_ns; /* when the request began */
};

struct load {
    struct sockaddr_in address;
    enum mode mode;
    size_t connection_count;
    size_t size;
    SSL_CTX *context;
    struct connection *connections;
    char *request;
    char *reply;
    struct closed_loop loop;
};

static SSL_CTX *make_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") ||
        !SSL_CTX_set1_groups_list(context, "X25519"))
        die("OpenSSL cannot make a context");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
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
    connection->fd = connect_tcp(&load->address);
    connection->tls = SSL_new(load->context);
    if (connection->tls == NULL || !SSL_set_fd(connection->tls, connection->fd))
        die("OpenSSL cannot make a connection");
    SSL_set_connect_state(connection->tls);
    start_request(load, connection, now);
    control_epoll(load->loop.epoll, EPOLL_CTL_ADD, connection->fd, EPOLLIN | EPOLLOUT | EPOLLET,
                  connection);
}

static void close_connection(struct connection *connection)
{
    SSL_free(connection->tls);
    if (close(connection->fd) < 0) /* takes it out of the epoll as well */
        die_of_errno("close");
}

/* Returns whether an SSL call that returned `result` did something; dies if it failed. */
static bool has_done(const struct connection *connection, int result)
{
    int error;

    if (result > 0)
        return true;
    error = SSL_get_error(connection->tls, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE &&
        !(error == SSL_ERROR_SYSCALL && errno == ENOTCONN))
        die("TLS failed: error %d, %s", error, strerror(errno));
    return false;
}

static bool send_some(struct load *load, struct connection *connection)
{
    int sent;

    if (connection->unsent == 0)
        return false;
    sent = SSL_write(connection->tls, load->request + (load->size - connection->unsent),
                     (int)connection->unsent);
    if (!has_done(connection, sent))
        return false;
    connection->unsent -= (size_t)sent;
    return true;
}

static bool receive_some(struct load *load, struct connection *connection)
{
    int received = SSL_read(connection->tls, load->reply, RECEIVE_BYTES);

    if (!has_done(connection, received))
        return false;
    check_reply(load->reply, (size_t)received, load->request, load->size, connection->unreceived,
                !load->loop.warm);
    connection->unreceived -= (size_t)received;
    return true;
}

static void finish_request(struct load *load, struct connection *connection)
{
    uint64_t now = now_ns();

    loop_count(&load->loop, connection->start_ns, now);
    connection->waiting = false;
    load->loop.waiting_count--;
    if (load->loop.over)
        return;
    if (load->mode == KEEP) {
        start_request(load, connection, now);
        return;
    }
    close_connection(connection);
    open_connection(load, connection, now);
}

/* Goes on until the kernel has nothing more: the events are edge-triggered. */
static void handle_event(void *context, void *ready, uint32_t events)
{
    struct load *load = context;
    struct connection *connection = ready;

    (void)events; /* OpenSSL finds out */
    while (connection->waiting) {
        bool progress = send_some(load, connection);

        progress |= receive_some(load, connection);
        if (connection->unreceived == 0) {
            finish_request(load, connection);
            if (load->mode == HANDSHAKE)
                return; /* this is another connection now */
        } else if (!progress) {
            return;
        }
    }
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
    load->address = parse_address(arguments[1], arguments[2]);
    load->connection_count = (size_t)parse_count("connections", arguments[3], 1, 1000000);
    load->size = (size_t)parse_count("size", arguments[4], 1, 1 << 30);
    load->mode = (enum mode)parse_choice("mode", arguments[7], MODES);
    load->context = make_context();
    load->connections = allocate(load->connection_count, sizeof *load->connections);
    load->request = make_message(load->size);
    load->reply = allocate(RECEIVE_BYTES, 1);
    loop_begin(&load->loop, parse_seconds_ns("seconds", arguments[5]),
               parse_seconds_ns("warm-up seconds", arguments[6]));
    loop_report(&load->loop, run(load));
    printf(", \"stalled\": %zu}\n", load->loop.waiting_count);
    return EXIT_SUCCESS;
}
