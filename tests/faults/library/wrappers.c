/* The wrappers that stand before libc's when this library is loaded by LD_PRELOAD.

   How it works. FAULTS_BOARD names a file of the layout `struct board`, which every process of a
   tree maps: children inherit the variable and the mapping. A test writes rules into it and arms
   them; each wrapper asks whether a rule strikes its call, and otherwise calls libc.

   Rules. What is struck has no effect in the kernel, but for close(), which always closes (close(2),
   "Dealing with error returns"), and connect() with EINTR (connect(2)). vfork() is fork() here: a wrapper may not return from the child of
   a vfork(). A new wrapper's call also goes into CALLS of tests/faults/injection.py. */

#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include "board.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __SOCKADDR_ARG /* musl */
#define __SOCKADDR_ARG struct sockaddr *
#define __CONST_SOCKADDR_ARG const struct sockaddr *
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define REAL(type, symbol, ...) \
    static type (*real)(__VA_ARGS__); \
    if (real == NULL) real = dlsym(RTLD_NEXT, #symbol)

/* A wrapper that passes or fails. */
#define WRAP(type, symbol, call, fd, argument, parameters, arguments) \
    type symbol parameters { \
        static type (*real) parameters; \
        if (real == NULL) real = dlsym(RTLD_NEXT, #symbol); \
        return fails(call, fd, argument) ? (type)-1 : real arguments; \
    }

/* The same for a transfer of `length`, which may fall short. */
#define WRAP_TRANSFER(type, symbol, call, fd, length, parameters, arguments) \
    type symbol parameters { \
        static type (*real) parameters; \
        size_t less = length; \
        if (real == NULL) real = dlsym(RTLD_NEXT, #symbol); \
        if (fails_or_less(call, fd, 0, &less)) return -1; \
        length = less; \
        return real arguments; \
    }

/* ---- polling. The argument of epoll_ctl: the events */

#define CONTROL (operation == EPOLL_CTL_ADD ? "epoll_ctl_add" : operation == EPOLL_CTL_MOD \
                 ? "epoll_ctl_mod" : "epoll_ctl_del")

WRAP(int, epoll_create1, "epoll_create1", -1, 0, (int flags), (flags))
WRAP(int, epoll_ctl, CONTROL, fd, event ? event->events : 0,
     (int epfd, int operation, int fd, struct epoll_event *event), (epfd, operation, fd, event))
WRAP(int, epoll_wait, "epoll_wait", epfd, 0,
     (int epfd, struct epoll_event *events, int count, int ms), (epfd, events, count, ms))
WRAP(int, epoll_pwait, "epoll_pwait", epfd, 0,
     (int epfd, struct epoll_event *events, int count, int ms, const sigset_t *mask),
     (epfd, events, count, ms, mask))
WRAP(int, epoll_pwait2, "epoll_pwait2", epfd, 0,
     (int epfd, struct epoll_event *events, int count, const struct timespec *limit,
      const sigset_t *mask), (epfd, events, count, limit, mask))
WRAP(int, poll, "poll", -1, 0, (struct pollfd *fds, nfds_t count, int ms), (fds, count, ms))
WRAP(int, eventfd, "eventfd", -1, 0, (unsigned int value, int flags), (value, flags))

/* ---- sockets. The argument: type, option, flags */

WRAP(int, socket, "socket", -1, type, (int family, int type, int protocol),
     (family, type, protocol))
WRAP(int, socketpair, "socketpair", -1, type, (int family, int type, int protocol, int fds[2]),
     (family, type, protocol, fds))
WRAP(int, bind, "bind", fd, 0, (int fd, __CONST_SOCKADDR_ARG address, socklen_t size),
     (fd, address, size))
WRAP(int, listen, "listen", fd, 0, (int fd, int backlog), (fd, backlog))
WRAP(int, accept, "accept", fd, 0, (int fd, __SOCKADDR_ARG address, socklen_t *size),
     (fd, address, size))
WRAP(int, accept4, "accept4", fd, flags,
     (int fd, __SOCKADDR_ARG address, socklen_t *size, int flags), (fd, address, size, flags))
int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size) {
    REAL(int, connect, int, __CONST_SOCKADDR_ARG, socklen_t);
    if (fails("connect", fd, 0)) {
        if (errno == EINTR) { /* it goes on in the background */
            real(fd, address, size);
            errno = EINTR;
        }
        return -1;
    }
    return real(fd, address, size);
}

WRAP(int, getsockopt, "getsockopt", fd, option,
     (int fd, int level, int option, void *value, socklen_t *size),
     (fd, level, option, value, size))
WRAP(int, setsockopt, "setsockopt", fd, option,
     (int fd, int level, int option, const void *value, socklen_t size),
     (fd, level, option, value, size))
WRAP(int, getsockname, "getsockname", fd, 0, (int fd, __SOCKADDR_ARG address, socklen_t *size),
     (fd, address, size))
WRAP(int, getpeername, "getpeername", fd, 0, (int fd, __SOCKADDR_ARG address, socklen_t *size),
     (fd, address, size))
WRAP(int, shutdown, "shutdown", fd, how, (int fd, int how), (fd, how))

/* ---- transfers */

WRAP_TRANSFER(ssize_t, read, "read", fd, count, (int fd, void *buf, size_t count),
              (fd, buf, count))
WRAP_TRANSFER(ssize_t, write, "write", fd, count, (int fd, const void *buf, size_t count),
              (fd, buf, count))
WRAP_TRANSFER(ssize_t, recv, "recv", fd, length, (int fd, void *buf, size_t length, int flags),
              (fd, buf, length, flags))
WRAP_TRANSFER(ssize_t, send, "send", fd, length,
              (int fd, const void *buf, size_t length, int flags), (fd, buf, length, flags))
WRAP_TRANSFER(ssize_t, recvfrom, "recvfrom", fd, length,
              (int fd, void *buf, size_t length, int flags, __SOCKADDR_ARG address,
               socklen_t *size), (fd, buf, length, flags, address, size))
WRAP_TRANSFER(ssize_t, sendto, "sendto", fd, length,
              (int fd, const void *buf, size_t length, int flags, __CONST_SOCKADDR_ARG address,
               socklen_t size), (fd, buf, length, flags, address, size))
WRAP_TRANSFER(int, recvmmsg, "recvmmsg", fd, count,
              (int fd, struct mmsghdr *messages, unsigned int count, int flags,
               struct timespec *limit), (fd, messages, count, flags, limit))
WRAP_TRANSFER(int, sendmmsg, "sendmmsg", fd, count,
              (int fd, struct mmsghdr *messages, unsigned int count, int flags),
              (fd, messages, count, flags))
WRAP_TRANSFER(ssize_t, sendfile, "sendfile", out, count,
              (int out, int in, off_t *offset, size_t count), (out, in, offset, count))
#ifdef __GLIBC__
WRAP_TRANSFER(ssize_t, sendfile64, "sendfile", out, count,
              (int out, int in, off64_t *offset, size_t count), (out, in, offset, count))
#endif

static ssize_t transfer_vector(
    const char *symbol, int fd, const struct iovec *vector, size_t count
) {
    ssize_t (*real)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, symbol);
    struct iovec copy;
    if (fails_or_less_vector(symbol, fd, &vector, &count, &copy)) {
        return -1;
    }
    return real(fd, vector, (int)count);
}

ssize_t readv(int fd, const struct iovec *vector, int count) {
    return transfer_vector("readv", fd, vector, (size_t)count);
}

ssize_t writev(int fd, const struct iovec *vector, int count) {
    return transfer_vector("writev", fd, vector, (size_t)count);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    REAL(ssize_t, recvmsg, int, struct msghdr *, int);
    const struct iovec *vector = message->msg_iov;
    size_t count = message->msg_iovlen;
    struct msghdr less = *message;
    struct iovec copy;
    ssize_t result;
    if (fails_or_less_vector("recvmsg", fd, &vector, &count, &copy)) {
        return -1;
    }
    less.msg_iov = (struct iovec *)vector;
    less.msg_iovlen = count;
    result = real(fd, &less, flags);
    message->msg_namelen = less.msg_namelen;
    message->msg_controllen = less.msg_controllen;
    message->msg_flags = less.msg_flags;
    return result;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(ssize_t, sendmsg, int, const struct msghdr *, int);
    const struct iovec *vector = message->msg_iov;
    size_t count = message->msg_iovlen;
    struct msghdr less = *message;
    struct iovec copy;
    if (fails_or_less_vector("sendmsg", fd, &vector, &count, &copy)) {
        return -1;
    }
    less.msg_iov = (struct iovec *)vector;
    less.msg_iovlen = count;
    return real(fd, &less, flags);
}

/* ---- descriptors */

#define NAMED_MODE \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

#define WRAP_OPEN(symbol) \
    int symbol(const char *path, int flags, ...) { \
        REAL(int, symbol, const char *, int, ...); \
        NAMED_MODE \
        return fails("open", -1, (uint64_t)flags) ? -1 : real(path, flags, mode); \
    }

#define WRAP_OPENAT(symbol) \
    int symbol(int folder, const char *path, int flags, ...) { \
        REAL(int, symbol, int, const char *, int, ...); \
        NAMED_MODE \
        return fails("open", folder, (uint64_t)flags) ? -1 : real(folder, path, flags, mode); \
    }

WRAP_OPEN(open)
WRAP_OPENAT(openat)
#ifdef __GLIBC__
WRAP_OPEN(open64)
WRAP_OPENAT(openat64)
#endif

/* Their last argument fits into a pointer, if there is one. */
#define WRAP_OPERATION(symbol, name, operation_type) \
    int symbol(int fd, operation_type operation, ...) { \
        REAL(int, symbol, int, operation_type, ...); \
        va_list rest; \
        void *argument; \
        va_start(rest, operation); \
        argument = va_arg(rest, void *); \
        va_end(rest); \
        return fails(name, fd, (uint64_t)operation) ? -1 : real(fd, operation, argument); \
    }

WRAP_OPERATION(fcntl, "fcntl", int)
#ifdef __GLIBC__
WRAP_OPERATION(fcntl64, "fcntl", int)
WRAP_OPERATION(ioctl, "ioctl", unsigned long)
#else
WRAP_OPERATION(ioctl, "ioctl", int)
#endif

WRAP(int, pipe, "pipe2", -1, 0, (int fds[2]), (fds))
WRAP(int, pipe2, "pipe2", -1, flags, (int fds[2], int flags), (fds, flags))
WRAP(int, dup, "dup", fd, 0, (int fd), (fd))
WRAP(int, dup2, "dup2", fd, 0, (int fd, int target), (fd, target))
WRAP(int, dup3, "dup3", fd, 0, (int fd, int target, int flags), (fd, target, flags))

int close(int fd) {
    REAL(int, close, int);
    int failed = fails("close", fd, 0);
    int error = errno;
    int result = real(fd);
    if (failed) {
        errno = error;
        return -1;
    }
    return result;
}

/* ---- memory, processes, rights. The argument: flags, option, signal */

WRAP(void *, mmap, "mmap", fd, flags,
     (void *start, size_t size, int protection, int flags, int fd, off_t offset),
     (start, size, protection, flags, fd, offset))
#ifdef __GLIBC__
WRAP(void *, mmap64, "mmap", fd, flags,
     (void *start, size_t size, int protection, int flags, int fd, off64_t offset),
     (start, size, protection, flags, fd, offset))
#endif
WRAP(int, mprotect, "mprotect", -1, protection, (void *start, size_t size, int protection),
     (start, size, protection))
WRAP(pid_t, fork, "fork", -1, 0, (void), ())
pid_t vfork(void) { return fork(); }
WRAP(int, execve, "execve", -1, 0,
     (const char *path, char *const arguments[], char *const environment[]),
     (path, arguments, environment))
WRAP(pid_t, waitpid, "waitpid", -1, 0, (pid_t pid, int *status, int options),
     (pid, status, options))
WRAP(int, waitid, "waitid", -1, options,
     (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))
WRAP(int, kill, "kill", -1, (uint64_t)number, (pid_t pid, int number), (pid, number))
WRAP(int, setuid, "setuid", -1, 0, (uid_t id), (id))
WRAP(int, setgid, "setgid", -1, 0, (gid_t id), (id))
WRAP(int, setresuid, "setresuid", -1, 0, (uid_t a, uid_t b, uid_t c), (a, b, c))
WRAP(int, setresgid, "setresgid", -1, 0, (gid_t a, gid_t b, gid_t c), (a, b, c))
WRAP(int, setgroups, "setgroups", -1, 0, (size_t count, const gid_t *groups), (count, groups))
WRAP(int, initgroups, "setgroups", -1, 0, (const char *user, gid_t group), (user, group))
WRAP(int, chown, "chown", -1, 0, (const char *path, uid_t user, gid_t group), (path, user, group))
WRAP(int, fchown, "chown", fd, 0, (int fd, uid_t user, gid_t group), (fd, user, group))
WRAP(int, chmod, "chmod", -1, 0, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, "chmod", fd, 0, (int fd, mode_t mode), (fd, mode))
WRAP(int, unlink, "unlink", -1, 0, (const char *path), (path))
WRAP(int, rename, "rename", -1, 0, (const char *path, const char *target), (path, target))

int prctl(int option, ...) {
    REAL(int, prctl, int, ...);
    unsigned long a, b, c, d;
    va_list rest;
    va_start(rest, option);
    a = va_arg(rest, unsigned long);
    b = va_arg(rest, unsigned long);
    c = va_arg(rest, unsigned long);
    d = va_arg(rest, unsigned long);
    va_end(rest);
    return fails("prctl", -1, (uint64_t)option) ? -1 : real(option, a, b, c, d);
}

/* What libc may have no wrapper for is called by number. */
long syscall(long number, ...) {
    REAL(long, syscall, long, ...);
    const char *call = number == SYS_epoll_pwait2 ? "epoll_pwait2"
        : number == SYS_pidfd_open                ? "pidfd_open"
                                                  : "syscall";
    long a[6];
    va_list rest;
    int i;
    va_start(rest, number);
    for (i = 0; i < 6; i++) {
        a[i] = va_arg(rest, long);
    }
    va_end(rest);
    return fails(call, -1, (uint64_t)number) ? -1
                                             : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
