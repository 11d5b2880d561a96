/* The physical limit for datagrams: an echo server that does nothing but what the kernel asks for.
 *
 *     datagram_server
 *
 * Binds a UDP socket to 127.0.0.1, to a port of the kernel's choice, and prints one JSON line with
 * the address and the CPU time used so far. Runs until it is killed. It takes what has come with
 * one recvmmsg() and sends it back with one sendmmsg().
 */

#define _GNU_SOURCE
#include "announce.h"
#include "common.h"

#define BATCH_COUNT 32
#define DATAGRAM_BYTES 65536

static char buffers[BATCH_COUNT][DATAGRAM_BYTES + 128]; /* not all in one set of the cache */
static struct sockaddr_in names[BATCH_COUNT];
static struct iovec vectors[BATCH_COUNT];
static struct mmsghdr headers[BATCH_COUNT];

static int bind_to_loopback(void)
{
    struct sockaddr_in address = parse_address("127.0.0.1", "0");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die_of_errno("socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die_of_errno("bind");
    return fd;
}

static void prepare_headers(void)
{
    int i;

    for (i = 0; i < BATCH_COUNT; i++) {
        vectors[i].iov_base = buffers[i];
        vectors[i].iov_len = DATAGRAM_BYTES;
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
        headers[i].msg_hdr.msg_name = &names[i];
        headers[i].msg_hdr.msg_namelen = sizeof names[i];
    }
}

static void echo(int fd)
{
    int count = recvmmsg(fd, headers, BATCH_COUNT, MSG_DONTWAIT, NULL);
    int i;

    if (count < 0 && errno == EAGAIN)
        return;
    if (count < 0)
        die_of_errno("recvmmsg");
    for (i = 0; i < count; i++)
        vectors[i].iov_len = headers[i].msg_len;
    if (sendmmsg(fd, headers, (unsigned)count, 0) != count)
        die_of_errno("sendmmsg");
    for (i = 0; i < count; i++)
        vectors[i].iov_len = DATAGRAM_BYTES;
}

int main(void)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int fd = bind_to_loopback();
    int epoll = create_epoll();

    prepare_headers();
    control_epoll(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, NULL);
    announce(fd, "127.0.0.1");
    for (;;) {
        if (wait_epoll(epoll, events, -1) > 0)
            echo(fd);
    }
}
