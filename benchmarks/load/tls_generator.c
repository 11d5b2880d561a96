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
#include "common.h"
#include "histogram.h"

#include <fcntl.h>
#include <openssl/ssl.h>

#define RECEIVE_BYTES (1u << 20)
#define PATIENCE_NS (3 * NS_PER_SECOND)

enum mode { KEEP, HANDSHAKE };

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
    uint64_t duration_ns;
    uint64_t warmup_ns;

    SSL_CTX *context;
    int epoll;
    struct connection *connections;
    char *request;
    char *reply;

    bool warm;            /* the warm-up is over: requests count */
    bool over;            /* the time is over: no request is started any more */
    uint64_t measured_ns; /* when it ended */
    uint64_t end_ns;
    size_t waiting_count; /* connections with a request under way */
    uint64_t request_count; /* warm-up included */
    struct histogram latencies;
};

static enum mode parse_mode(const char *text)
{
    if (strcmp(text, "keep") == 0)
        return KEEP;
    if (strcmp(text, "handshake") == 0)
        return HANDSHAKE;
    die("mode must be keep or handshake, not '%s'", text);
    return KEEP;
}

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

/* Bytes that differ from place to place, so that a reply out of order is noticed. */
static char *make_request(size_t size)
{
    char *request = allocate(size, 1);
    size_t i;

    for (i = 0; i < size; i++)
        request[i] = (char)((i * 131) ^ (i >> 8));
    return request;
}

static void start_request(struct load *load, struct connection *connection, uint64_t now)
{
    connection->unsent = load->size;
    connection->unreceived = load->size;
    connection->start_ns = now;
    connection->waiting = true;
    load->waiting_count++;
}

static void open_connection(struct load *load, struct connection *connection, uint64_t now)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0}; /* a RST leaves no TIME_WAIT behind */

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        die_of_errno("socket");
    set_no_delay(connection->fd);
    if (setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
        die_of_errno("setsockopt(SO_LINGER)");
    if (connect(connection->fd, (struct sockaddr *)&load->address, sizeof load->address) < 0 &&
        errno != EINPROGRESS)
        die_of_errno("connect");
    connection->tls = SSL_new(load->context);
    if (connection->tls == NULL || !SSL_set_fd(connection->tls, connection->fd))
        die("OpenSSL cannot make a connection");
    SSL_set_connect_state(connection->tls);
    start_request(load, connection, now);
    control_epoll(load->epoll, EPOLL_CTL_ADD, connection->fd, EPOLLIN | EPOLLOUT | EPOLLET,
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

static void check_reply(struct load *load, struct connection *connection, size_t received)
{
    if (received > connection->unreceived)
        die("the server sent more than it was sent");
    if (!load->warm && memcmp(load->reply,
                              load->request + (load->size - connection->unreceived), received))
        die("the server's reply differs from what it was sent");
}

static bool receive_some(struct load *load, struct connection *connection)
{
    int received = SSL_read(connection->tls, load->reply, RECEIVE_BYTES);

    if (!has_done(connection, received))
        return false;
    check_reply(load, connection, (size_t)received);
    connection->unreceived -= (size_t)received;
    return true;
}

static void start_measuring(struct load *load, uint64_t now)
{
    load->warm = true;
    load->measured_ns = now;
    load->end_ns = now + load->duration_ns;
    histogram_clear(&load->latencies);
}

static void finish_request(struct load *load, struct connection *connection)
{
    uint64_t now = now_ns();

    load->request_count++;
    if (!load->warm && now >= load->measured_ns)
        start_measuring(load, now);
    else if (!load->over)
        histogram_record(&load->latencies, now - connection->start_ns);
    connection->waiting = false;
    load->waiting_count--;
    if (load->over)
        return;
    if (load->mode == KEEP) {
        start_request(load, connection, now);
        return;
    }
    close_connection(connection);
    open_connection(load, connection, now);
}

/* Goes on until the kernel has nothing more: the events are edge-triggered. */
static void handle_event(struct load *load, struct connection *connection)
{
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

static void handle_events(struct load *load)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int count = wait_epoll(load->epoll, events, 10);
    int i;

    for (i = 0; i < count; i++)
        handle_event(load, events[i].data.ptr);
}

/* Returns how many seconds were measured. */
static double run(struct load *load)
{
    uint64_t over_ns;
    size_t i;

    load->measured_ns = now_ns() + load->warmup_ns;
    load->end_ns = load->measured_ns + load->duration_ns;
    for (i = 0; i < load->connection_count; i++)
        open_connection(load, &load->connections[i], now_ns());
    while (now_ns() < load->end_ns)
        handle_events(load);
    load->over = true;
    over_ns = now_ns();
    while (load->waiting_count > 0 && now_ns() < over_ns + PATIENCE_NS)
        handle_events(load);
    return (double)(over_ns - load->measured_ns) / (double)NS_PER_SECOND;
}

static double percentile_us(const struct load *load, double share)
{
    return (double)histogram_percentile(&load->latencies, share) / 1e3;
}

static void report(const struct load *load, double seconds)
{
    if (!load->warm || load->latencies.count == 0)
        die("no request was answered in the measured time");
    printf("{\"requests\": %llu, \"all_requests\": %llu, \"seconds\": %.6f, \"rate\": %.1f, "
           "\"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"stalled\": %zu}\n",
           (unsigned long long)load->latencies.count, (unsigned long long)load->request_count,
           seconds, (double)load->latencies.count / seconds, percentile_us(load, 0.5),
           percentile_us(load, 0.99), percentile_us(load, 0.999), load->waiting_count);
}

int main(int argument_count, char **arguments)
{
    struct load *load = allocate(1, sizeof *load);

    if (argument_count != 8)
        die("usage: %s HOST PORT CONNECTIONS SIZE SECONDS WARMUP_SECONDS keep|handshake",
            arguments[0]);
    load->address = parse_address(arguments[1], arguments[2]);
    load->connection_count = (size_t)parse_count("connections", arguments[3], 1, 1000000);
    load->size = (size_t)parse_count("size", arguments[4], 1, 1 << 30);
    load->duration_ns = parse_seconds_ns("seconds", arguments[5]);
    load->warmup_ns = parse_seconds_ns("warm-up seconds", arguments[6]);
    load->mode = parse_mode(arguments[7]);
    load->context = make_context();
    load->epoll = create_epoll();
    load->connections = allocate(load->connection_count, sizeof *load->connections);
    load->request = make_request(load->size);
    load->reply = allocate(RECEIVE_BYTES, 1);
    report(load, run(load));
    return EXIT_SUCCESS;
}
