/* The shared memory between a test and the processes it disturbs, and what the wrappers ask.

   tests/faults/injection.py writes and reads the same layout; the two must agree. */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { RULE_COUNT = 8, CALL_COUNT = 128, NAME_BYTES = 24 };

struct rule {
    char call[NAME_BYTES];   /* the call's name; empty: the rule is not in use */
    char fd_kind[NAME_BYTES]; /* only for such a descriptor, see kind_of(); empty: any */
    int32_t error;           /* errno of a struck call; 0: it falls short */
    int32_t short_count;     /* bytes, or messages, that a call that falls short may move */
    uint64_t first, last;    /* of the calls that match, those with these numbers, from 1 */
    uint32_t percent;        /* if not 0, so many of those in a hundred, chosen by the seed */
    uint32_t seed;
    int32_t pid;             /* > 0: only in this process; < 0: in any but that; 0: in all */
    uint32_t main_thread;    /* 1: only in the process's first thread */
    uint64_t argument_mask, argument_value; /* only if the call's argument & mask == value */
    uint64_t seen, hits;     /* calls that matched; those that were struck */
};

struct counter {
    char call[NAME_BYTES];
    uint64_t count; /* made while armed */
};

struct board {
    uint32_t armed;
    uint32_t unused;
    struct rule rules[RULE_COUNT];
    struct counter counters[CALL_COUNT];
};

/* Return whether a call fails, with errno set. */
int fails(const char *call, int fd, uint64_t argument);

/* The same; a call that is to fall short gets a smaller length. */
int fails_or_less(const char *call, int fd, uint64_t argument, size_t *length);

/* The same; a vector that is to fall short is replaced by `copy`, one element. */
int fails_or_less_vector(
    const char *call, int fd, const struct iovec **vector, size_t *count, struct iovec *copy
);
