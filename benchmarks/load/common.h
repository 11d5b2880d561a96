/* What the load programs share: dying with a reason, the clock, addresses, epoll. */

#ifndef NGXLOOP_BENCH_COMMON_H
#define NGXLOOP_BENCH_COMMON_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000ull
#define EVENTS_PER_WAIT 1024
#define LISTEN_BACKLOG 4096 /* net.core.somaxconn of current kernels; more is cut down to it */

/* The harness shows the last line of stderr as the reason of a failed case. */
static inline void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static inline void die_of_errno(const char *call)
{
    die("%s failed: %s", call, strerror(errno));
}

static inline uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

static inline long parse_count(const char *name, const char *text, long low, long high)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < low || value > high)
        die("%s must be a number from %ld to %ld, not '%s'", name, low, high, text);
    return value;
}

/* Returns the place of `text` among the choices, which are separated by '|'. */
static inline int parse_choice(const char *name, const char *text, const char *choices)
{
    const char *choice = choices;
    int place;

    for (place = 0; *choice != '\0'; place++) {
        size_t length = strcspn(choice, "|");

        if (strlen(text) == length && strncmp(text, choice, length) == 0)
            return place;
        choice += length + (choice[length] == '|');
    }
    die("%s must be %s, not '%s'", name, choices, text);
    return 0;
}

static inline uint64_t parse_seconds_ns(const char *name, const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || value < 0 || value > 86400)
        die("%s must be seconds from 0 to 86400, not '%s'", name, text);
    return (uint64_t)(value * (double)NS_PER_SECOND);
}

static inline struct sockaddr_in parse_address(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    address.sin_port = htons((uint16_t)parse_count("port", port, 0, 65535));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("host must be a dotted IPv4 address, not '%s'", host);
    return address;
}

/* An address of any family that the load programs know. */
struct address {
    struct sockaddr_storage name;
    socklen_t length;
};

/* A host that begins with a slash is the path of a Unix socket; its port is not looked at. */
static inline struct address parse_any_address(const char *host, const char *port)
{
    struct address address = {.length = 0};

    if (host[0] == '/') {
        struct sockaddr_un *path = (struct sockaddr_un *)&address.name;

        if (strlen(host) >= sizeof path->sun_path)
            die("the path of a Unix socket may have %zu bytes, not %zu",
                sizeof path->sun_path - 1, strlen(host));
        path->sun_family = AF_UNIX;
        strcpy(path->sun_path, host);
        address.length = sizeof *path;
    } else {
        struct sockaddr_in inet = parse_address(host, port);

        memcpy(&address.name, &inet, sizeof inet);
        address.length = sizeof inet;
    }
    return address;
}

static inline void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        die_of_errno("calloc");
    return memory;
}

static inline void set_no_delay(int fd)
{
    int one = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
        die_of_errno("setsockopt(TCP_NODELAY)");
}

/* A connection that is closed with a RST leaves no TIME_WAIT behind. */
static inline void set_reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
        die_of_errno("setsockopt(SO_LINGER)");
}

/* Begins to connect a socket that never blocks, and is closed with a RST. */
static inline int connect_tcp(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die_of_errno("socket");
    set_no_delay(fd);
    set_reset_on_close(fd);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno != EINPROGRESS)
        die_of_errno("connect");
    return fd;
}

static inline int create_epoll(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0)
        die_of_errno("epoll_create1");
    return epoll;
}

static inline void control_epoll(int epoll, int operation, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};

    if (epoll_ctl(epoll, operation, fd, &event) < 0)
        die_of_errno("epoll_ctl");
}

static inline int wait_epoll(int epoll, struct epoll_event *events, int timeout_ms)
{
    int count = epoll_wait(epoll, events, EVENTS_PER_WAIT, timeout_ms);

    if (count < 0 && errno != EINTR)
        die_of_errno("epoll_wait");
    return count < 0 ? 0 : count;
}

#endif
