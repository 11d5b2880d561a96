/* Send datagrams much faster than any server receives them, until the server's socket is gone.
 *
 *     flood HOST PORT SIZE SECONDS
 *
 * Prints one JSON line: how many were sent, in how many seconds; SECONDS is the limit.
 *
 * A call for each datagram would not do: waking a receiver that sleeps costs the sender more than
 * receiving costs the receiver, which then always sleeps. So the kernel is given up to 64 KiB at
 * once and cuts it into datagrams (UDP_SEGMENT, udp(7), Linux 4.18). On the loopback this happens
 * when they arrive: a receiver that does not ask for UDP_GRO gets each of them alone.
 */

#define _GNU_SOURCE
#include "common.h"

#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h; glibc's netinet/udp.h has it since 2.29 */
#endif

#define SEGMENTS_MAX 64 /* linux/udp.h, UDP_MAX_SEGMENTS before Linux 6.9 */
#define BYTES_MAX 65507 /* what an IPv4 packet has left for UDP's data */

static int connect_to(const char *host, const char *port)
{
    struct sockaddr_in address = parse_address(host, port);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die_of_errno("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die_of_errno("connect");
    return fd;
}

/* Returns how many datagrams one send() makes. */
static size_t cut_into(int fd, size_t size)
{
    int segment = (int)size;
    size_t count = BYTES_MAX / size;

    if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) < 0)
        die_of_errno("setsockopt(UDP_SEGMENT)");
    return count < SEGMENTS_MAX ? count : SEGMENTS_MAX;
}

int main(int argument_count, char **arguments)
{
    unsigned long long sent_count = 0;
    uint64_t start_ns, end_ns;
    size_t size, count;
    char *datagrams;
    int fd;

    if (argument_count != 5)
        die("usage: %s HOST PORT SIZE SECONDS", arguments[0]);
    fd = connect_to(arguments[1], arguments[2]);
    size = (size_t)parse_count("size", arguments[3], 1, 32767); /* one alone is not cut */
    count = cut_into(fd, size);
    datagrams = allocate(count, size);
    start_ns = now_ns();
    end_ns = start_ns + parse_seconds_ns("seconds", arguments[4]);
    while (now_ns() < end_ns) {
        if (send(fd, datagrams, count * size, 0) >= 0)
            sent_count += count;
        else if (errno == ECONNREFUSED)
            break; /* the ICMP message that the socket is gone */
        else
            die_of_errno("send");
    }
    printf("{\"sent\": %llu, \"seconds\": %.6f}\n", sent_count,
           (double)(now_ns() - start_ns) / (double)NS_PER_SECOND);
    return EXIT_SUCCESS;
}
