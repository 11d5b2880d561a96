/* The message that an echo server is sent, and how its answer is checked. */

#ifndef NGXLOOP_BENCH_ECHOED_H
#define NGXLOOP_BENCH_ECHOED_H

#include "common.h"

/* Bytes that differ from place to place, so that a reply out of order is noticed. */
static inline char *make_message(size_t size)
{
    char *message = allocate(size, 1);
    size_t i;

    for (i = 0; i < size; i++)
        message[i] = (char)((i * 131) ^ (i >> 8));
    return message;
}

/* `missing` bytes at the end of the message had not come back before. Comparing takes time: only
 * while nothing is measured. */
static inline void check_reply(const char *reply, size_t received, const char *message, size_t size,
                               size_t missing, bool compare)
{
    if (received > missing)
        die("the server sent more than it was sent");
    if (compare && memcmp(reply, message + (size - missing), received) != 0)
        die("the server's reply differs from what it was sent");
}

#endif
