/* A closed loop: every connection has one request under way, and what is counted of them.
 *
 * Requests that end during the warm-up are left out of the latencies and so of the rate; they count
 * in request_count. When the time is over, what is under way is waited for: a closed loop would
 * never show a connection that the server has forgotten. What has no answer PATIENCE_NS later is
 * still in waiting_count when loop_run() returns.
 */

#ifndef NGXLOOP_BENCH_CLOSED_LOOP_H
#define NGXLOOP_BENCH_CLOSED_LOOP_H

#include "common.h"
#include "histogram.h"

#define PATIENCE_NS (3 * NS_PER_SECOND)

struct closed_loop {
    int epoll;
    uint64_t duration_ns;
    uint64_t measured_ns; /* when the warm-up ends; then when it ended */
    uint64_t end_ns;
    bool warm;            /* the warm-up is over: requests count */
    bool over;            /* the time is over: no request is started any more */
    size_t waiting_count; /* connections with a request under way */
    unsigned long long request_count; /* warm-up included */
    struct histogram latencies;
};

/* `context` is what loop_run() was given, `connection` what epoll was. */
typedef void (*event_handler)(void *context, void *connection, uint32_t events);

/* The time begins here: connections that are opened from now on belong to the warm-up. */
static inline void loop_begin(struct closed_loop *loop, uint64_t duration_ns, uint64_t warmup_ns)
{
    loop->epoll = create_epoll();
    loop->duration_ns = duration_ns;
    loop->measured_ns = now_ns() + warmup_ns;
    loop->end_ns = loop->measured_ns + duration_ns;
}

/* Counts a request that was answered. */
static inline void loop_count(struct closed_loop *loop, uint64_t start_ns, uint64_t now)
{
    loop->request_count++;
    if (!loop->warm && now >= loop->measured_ns) {
        loop->warm = true;
        loop->measured_ns = now;
        loop->end_ns = now + loop->duration_ns;
        histogram_clear(&loop->latencies);
    } else if (!loop->over) {
        histogram_record(&loop->latencies, now - start_ns);
    }
}

static inline void loop_turn(struct closed_loop *loop, event_handler handle, void *context)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int count = wait_epoll(loop->epoll, events, 10);
    int i;

    for (i = 0; i < count; i++)
        handle(context, events[i].data.ptr, events[i].events);
}

/* The time is over, and something was measured in it; who is slow gets PATIENCE_NS more for that. */
static inline bool loop_is_over(const struct closed_loop *loop)
{
    uint64_t now = now_ns();
    bool measured = loop->warm && loop->latencies.count > 0;

    return now >= loop->end_ns + (measured ? 0 : PATIENCE_NS);
}

/* Returns how many seconds were measured; dies if nothing was. */
static inline double loop_run(struct closed_loop *loop, event_handler handle, void *context)
{
    uint64_t over_ns;

    while (!loop_is_over(loop))
        loop_turn(loop, handle, context);
    loop->over = true;
    over_ns = now_ns();
    while (loop->waiting_count > 0 && now_ns() < over_ns + PATIENCE_NS)
        loop_turn(loop, handle, context);
    if (!loop->warm || loop->latencies.count == 0)
        die("no request was answered in the measured time");
    return (double)(over_ns - loop->measured_ns) / (double)NS_PER_SECOND;
}

static inline double loop_percentile_us(const struct closed_loop *loop, double share)
{
    return (double)histogram_percentile(&loop->latencies, share) / 1e3;
}

/* Begins the JSON line of a report; the program prints the rest of it, and the brace. */
static inline void loop_report(const struct closed_loop *loop, double seconds)
{
    printf("{\"requests\": %llu, \"all_requests\": %llu, \"seconds\": %.6f, \"rate\": %.1f, "
           "\"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f",
           (unsigned long long)loop->latencies.count, loop->request_count, seconds,
           (double)loop->latencies.count / seconds, loop_percentile_us(loop, 0.5),
           loop_percentile_us(loop, 0.99), loop_percentile_us(loop, 0.999));
}

#endif
