/* What a server tells the harness when it can be loaded: its address, and what starting has cost. */

#ifndef NGXLOOP_BENCH_ANNOUNCE_H
#define NGXLOOP_BENCH_ANNOUNCE_H

#include "common.h"

#include <sys/resource.h>

static inline double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static inline void announce(int fd, const char *host)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof address;
    struct rusage usage;
    int port = 0;

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        die_of_errno("getsockname");
    if (address.ss_family == AF_INET)
        port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (getrusage(RUSAGE_SELF, &usage) < 0)
        die_of_errno("getrusage");
    printf("{\"host\": \"%s\", \"port\": %d, \"user\": %.6f, \"system\": %.6f}\n", host, port,
           seconds_of(usage.ru_utime), seconds_of(usage.ru_stime));
    fflush(stdout);
}

#endif
