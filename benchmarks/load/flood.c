/* Send datagrams as fast as one core can, whether or not they are received.
 *
 *     flood HOST PORT SIZE SECONDS
 *
 * Prints one JSON line: how many were sent, in how many seconds.
 */

#define _GNU_SOURCE
#include "common.h"

#define BATCH_COUNT 32

static struct iovec vectors[BATCH_COUNT];
static struct mmsghdr headers[BATCH_COUNT];

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

static void prepare_headers(size_t size)
{
    char *datagram = allocate(size, 1);
    int i;

    for (i = 0; i < BATCH_COUNT; i++) {
        vectors[i].iov_base = datagram;
        vectors[i].iov_len = size;
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
    }
}

int main(int argument_count, char **arguments)
{
    unsigned long long sent_count = 0;
    uint64_t start_ns, end_ns;
    int fd, sent;

    if (argument_count != 5)
        die("usage: %s HOST PORT SIZE SECONDS", arguments[0]);
    fd = connect_to(arguments[1], arguments[2]);
    prepare_headers((size_t)parse_count("size", arguments[3], 1, 65507));
    start_ns = now_ns();
    end_ns = start_ns + parse_seconds_ns("seconds", arguments[4]);
    while (now_ns() < end_ns) {
        sent = sendmmsg(fd, headers, BATCH_COUNT, 0);
        if (sent < 0)
            die_of_errno("sendmmsg");
        sent_count += (unsigned long long)sent;
    }
    printf("{\"sent\": %llu, \"seconds\": %.6f}\n", sent_count,
           (double)(now_ns() - start_ns) / (double)NS_PER_SECOND);
    return EXIT_SUCCESS;
}
