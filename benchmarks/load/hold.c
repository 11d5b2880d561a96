/* Opens connections and holds them idle.
 *
 *     hold HOST PORT silent|echo
 *
 * Every line on stdin is a number of further connections to open; with `echo` each of them sends
 * one byte and waits for it to come back. Prints one JSON line when they are open. At the end of
 * stdin all are closed with a RST, so that the next run finds the ports free.
 */

#define _GNU_SOURCE
#include "common.h"

#include <sys/time.h>

#define REPLY_SECONDS 10

static void set_options(int fd)
{
    struct timeval patience = {.tv_sec = REPLY_SECONDS};

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        die_of_errno("setsockopt(SO_RCVTIMEO)");
    set_reset_on_close(fd);
}

static int open_connection(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die_of_errno("socket");
    set_options(fd);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        die_of_errno("connect");
    return fd;
}

static void echo_byte(int fd)
{
    char byte = 'x';
    ssize_t received;

    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
        die_of_errno("send");
    received = recv(fd, &byte, 1, 0);
    if (received < 0)
        die_of_errno("recv");
    if (received == 0)
        die("the server closed a connection");
}

static void open_connections(const struct sockaddr_in *address, bool echo, long count)
{
    long i;

    for (i = 0; i < count; i++) {
        int fd = open_connection(address);

        if (echo)
            echo_byte(fd);
    }
}

int main(int argument_count, char **arguments)
{
    struct sockaddr_in address;
    char line[64];
    long open_count = 0;
    bool echo;

    if (argument_count != 4)
        die("usage: %s HOST PORT silent|echo", arguments[0]);
    address = parse_address(arguments[1], arguments[2]);
    echo = parse_choice("the third argument", arguments[3], "silent|echo") == 1;
    while (fgets(line, sizeof line, stdin) != NULL) {
        long count;

        line[strcspn(line, "\n")] = '\0';
        count = parse_count("connections", line, 1, 1000000);
        open_connections(&address, echo, count);
        open_count += count;
        printf("{\"open\": %ld}\n", open_count);
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}
