"""Declarations of the kernel's and libc's calls, all from one place.

Only what Cython's own libc and posix packages lack. Nothing here has a body except fallbacks for
headers older than the kernel.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.time cimport timespec

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_MOD
        EPOLL_CTL_DEL
    const uint32_t EPOLLIN
    const uint32_t EPOLLPRI
    const uint32_t EPOLLOUT
    const uint32_t EPOLLERR
    const uint32_t EPOLLHUP
    const uint32_t EPOLLRDHUP
    const uint32_t EPOLLET
    const uint32_t EPOLLEXCLUSIVE
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event)
    int epoll_wait(int epfd, epoll_event* events, int maxevents, int timeout_ms)

cdef extern from *:
    """
    #include <errno.h>
    #include <signal.h>
    #include <sys/epoll.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    #ifndef SYS_epoll_pwait2
    #define SYS_epoll_pwait2 441  /* Linux 5.11, the same number on every architecture */
    #endif
    #ifndef EPOLLEXCLUSIVE
    #define EPOLLEXCLUSIVE (1u << 28)
    #endif
    /* glibc wraps the call only since 2.35, musl not at all. timeout NULL waits for ever. */
    static inline int ngxloop_epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
                                           const struct timespec *timeout) {
        return (int)syscall(SYS_epoll_pwait2, epfd, events, maxevents, timeout, NULL, 8);
    }
    """
    int epoll_pwait2 "ngxloop_epoll_pwait2"(int epfd, epoll_event* events, int maxevents,
                                            const timespec* timeout) nogil

cdef extern from "<sys/eventfd.h>" nogil:
    enum:
        EFD_CLOEXEC
        EFD_NONBLOCK
    int eventfd(unsigned int initval, int flags)

cdef extern from "<poll.h>" nogil:
    cdef struct pollfd:
        int fd
        short events
        short revents
    enum:
        POLLIN
        POLLOUT
    int poll(pollfd* fds, unsigned long count, int timeout_ms)

cdef extern from "<fcntl.h>" nogil:
    enum:
        F_GETFD
        F_SETFL
        O_CLOEXEC
        O_NONBLOCK
    int fcntl(int fd, int operation, ...)

cdef extern from "<unistd.h>" nogil:
    int dup3(int source, int target, int flags)
    int pipe2(int* fds, int flags)
    int close(int fd)
    ssize_t read(int fd, void* buf, size_t count)
    ssize_t write(int fd, const void* buf, size_t count)
    int getpid()

cdef extern from "<sys/uio.h>" nogil:
    cdef struct iovec:
        void* iov_base
        size_t iov_len
    ssize_t writev(int fd, const iovec* vector, int count)

cdef extern from "<limits.h>" nogil:
    enum:
        PIPE_BUF

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    cdef struct sockaddr:
        unsigned short sa_family
    cdef struct sockaddr_storage:
        unsigned short ss_family
    cdef struct msghdr:
        void* msg_name
        socklen_t msg_namelen
        iovec* msg_iov
        size_t msg_iovlen
        void* msg_control
        size_t msg_controllen
        int msg_flags
    cdef struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    enum:
        AF_INET
        AF_INET6
        AF_UNIX
        MSG_NOSIGNAL
        MSG_DONTWAIT
        MSG_PEEK
        SHUT_WR
        SOCK_DGRAM
        SOCK_RAW
        SOCK_NONBLOCK
        SOCK_CLOEXEC
        SOL_SOCKET
        SO_ERROR
    int accept4(int fd, sockaddr* addr, socklen_t* addrlen, int flags)
    ssize_t recv(int fd, void* buf, size_t len, int flags)
    ssize_t send(int fd, const void* buf, size_t len, int flags)
    ssize_t sendmsg(int fd, const msghdr* msg, int flags)
    ssize_t recvmsg(int fd, msghdr* msg, int flags)
    ssize_t sendto(
        int fd, const void* buf, size_t len, int flags, const sockaddr* addr, socklen_t addrlen
    )
    int recvmmsg(int fd, mmsghdr* msgs, unsigned int count, int flags, timespec* timeout)
    int sendmmsg(int fd, mmsghdr* msgs, unsigned int count, int flags)
    int shutdown(int fd, int how)
    int socket(int domain, int type, int protocol)
    int connect(int fd, const sockaddr* addr, socklen_t addrlen)
    int getsockopt(int fd, int level, int optname, void* optval, socklen_t* optlen)
    int getsockname(int fd, sockaddr* addr, socklen_t* addrlen)
    int getpeername(int fd, sockaddr* addr, socklen_t* addrlen)
    int setsockopt(int fd, int level, int optname, const void* optval, socklen_t optlen)

cdef extern from "<netinet/in.h>" nogil:
    cdef struct in_addr:
        uint32_t s_addr
    cdef struct in6_addr:
        unsigned char s6_addr[16]
    cdef struct sockaddr_in:
        unsigned short sin_family
        unsigned short sin_port
        in_addr sin_addr
    cdef struct sockaddr_in6:
        unsigned short sin6_family
        unsigned short sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id
    unsigned short ntohs(unsigned short value)
    unsigned short htons(unsigned short value)
    uint32_t ntohl(uint32_t value)
    uint32_t htonl(uint32_t value)
    const in6_addr in6addr_loopback
    enum:
        IPPROTO_TCP

cdef extern from "<netinet/tcp.h>" nogil:
    enum:
        TCP_NODELAY

cdef extern from "<arpa/inet.h>" nogil:
    const char* inet_ntop(int family, const void* src, char* dst, socklen_t size)
    int inet_pton(int family, const char* src, void* dst)

cdef extern from "<sys/un.h>" nogil:
    cdef struct sockaddr_un:
        unsigned short sun_family
        char sun_path[108]
