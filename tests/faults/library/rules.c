/* Which call is struck: the rules of the board, applied.

   Rules. Until `armed` is set, and in a process without FAULTS_BOARD, all calls pass. errno is
   left alone by calls that pass. A call only falls short where the kernel itself may return less:
   never on a datagram or seqpacket socket. libc is asked by dlsym(RTLD_NEXT): a call from here
   must not be struck. */

#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include "board.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct board *board;

__attribute__((constructor)) static void map_board(void) {
    const char *path = getenv("FAULTS_BOARD");
    void *memory;
    long fd;
    if (path == NULL || board != NULL) {
        return;
    }
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return; /* a process without rights to the file is left alone */
    }
    memory = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
    close((int)fd);
    if (memory != MAP_FAILED) {
        board = memory;
    }
}

static void count_call(const char *call) {
    int i;
    for (i = 0; i < CALL_COUNT; i++) {
        struct counter *counter = &board->counters[i];
        if (strcmp(counter->call, call) == 0) {
            __atomic_add_fetch(&counter->count, 1, __ATOMIC_RELAXED);
            return;
        }
    }
}

static const char *kind_of(int fd) {
    struct stat status;
    int value = 0;
    socklen_t size = sizeof(value);
    static int (*real)(int, int, int, void *, socklen_t *);
    if (fstat(fd, &status) < 0) {
        return "closed";
    }
    if (S_ISFIFO(status.st_mode)) {
        return "pipe";
    }
    if (!S_ISSOCK(status.st_mode)) {
        return S_ISREG(status.st_mode) ? "file" : "other";
    }
    if (real == NULL) {
        real = dlsym(RTLD_NEXT, "getsockopt");
    }
    real(fd, SOL_SOCKET, SO_TYPE, &value, &size);
    return value == SOCK_STREAM ? "stream" : value == SOCK_DGRAM ? "datagram" : "seqpacket";
}

static int chosen(const struct rule *rule, uint64_t number) {
    uint64_t x = ((uint64_t)rule->seed << 32) + number;
    if (number < rule->first || number > rule->last) {
        return 0;
    }
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u; /* splitmix64 */
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return rule->percent == 0 || (x ^ (x >> 31)) % 100 < rule->percent;
}

static int concerns(const struct rule *rule, const char *call, int fd, uint64_t argument) {
    if (strcmp(rule->call, call) != 0 || (argument & rule->argument_mask) != rule->argument_value) {
        return 0;
    }
    if ((rule->pid > 0 && getpid() != rule->pid) || (rule->pid < 0 && getpid() == -rule->pid)) {
        return 0;
    }
    if (rule->main_thread) {
        static long (*real)(long, ...);
        if (real == NULL) {
            real = dlsym(RTLD_NEXT, "syscall");
        }
        if (real(SYS_gettid) != getpid()) {
            return 0;
        }
    }
    return rule->fd_kind[0] == '\0' || strcmp(rule->fd_kind, kind_of(fd)) == 0;
}

/* Return the rule that strikes this call, NULL if it passes. */
static struct rule *striking(const char *call, int fd, uint64_t argument, size_t length) {
    int saved = errno;
    int i;
    if (board == NULL || !__atomic_load_n(&board->armed, __ATOMIC_ACQUIRE)) {
        return NULL;
    }
    count_call(call);
    for (i = 0; i < RULE_COUNT; i++) {
        struct rule *rule = &board->rules[i];
        if (rule->call[0] == '\0' || !concerns(rule, call, fd, argument)) {
            continue;
        }
        if (rule->error == 0) { /* a message is taken whole, and little cannot get less */
            const char *kind = kind_of(fd);
            int is_messages = strcmp(call, "recvmmsg") == 0 || strcmp(call, "sendmmsg") == 0;
            if (length <= (size_t)rule->short_count
                || (!is_messages && (strcmp(kind, "datagram") == 0 || !strcmp(kind, "seqpacket")))) {
                continue;
            }
        }
        if (chosen(rule, __atomic_add_fetch(&rule->seen, 1, __ATOMIC_RELAXED))) {
            __atomic_add_fetch(&rule->hits, 1, __ATOMIC_RELAXED);
            errno = rule->error == 0 ? saved : rule->error;
            return rule;
        }
    }
    errno = saved;
    return NULL;
}

int fails(const char *call, int fd, uint64_t argument) {
    return striking(call, fd, argument, 0) != NULL;
}

/* Like fails(); a call that is to fall short gets a smaller length. */
int fails_or_less(const char *call, int fd, uint64_t argument, size_t *length) {
    struct rule *rule = striking(call, fd, argument, *length);
    if (rule != NULL && rule->error == 0) {
        *length = (size_t)rule->short_count;
        return 0;
    }
    return rule != NULL;
}

/* Cut a vector to length bytes, in a copy of one element: the kernel stops somewhere, here early. */
int fails_or_less_vector(
    const char *call, int fd, const struct iovec **vector, size_t *count, struct iovec *copy
) {
    size_t length = 0, wanted, i;
    for (i = 0; i < *count; i++) {
        length += (*vector)[i].iov_len;
    }
    wanted = length;
    if (fails_or_less(call, fd, 0, &wanted)) {
        return 1;
    }
    for (i = 0; wanted < length && i < *count; i++) {
        if ((*vector)[i].iov_len > 0) {
            *copy = (*vector)[i];
            copy->iov_len = wanted < copy->iov_len ? wanted : copy->iov_len;
            *vector = copy;
            *count = 1;
            break;
        }
    }
    return 0;
}
