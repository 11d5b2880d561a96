/* Latencies in constant memory: a log-linear histogram of nanoseconds, 0.8 % wide buckets.
 *
 * Values below 128 have a bucket each; above, every power of two is cut into 128 buckets.
 * Recording costs a few instructions, so it does not slow the load down as sorting would.
 */

#ifndef NGXLOOP_BENCH_HISTOGRAM_H
#define NGXLOOP_BENCH_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

#define HISTOGRAM_BITS 7
#define HISTOGRAM_STEPS (1u << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) * HISTOGRAM_STEPS)

struct histogram {
    uint64_t count;
    uint64_t bucket_counts[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
    unsigned shift;

    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
    return (shift << HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

/* The largest value that falls into a bucket: percentiles are never better than the truth. */
static inline uint64_t histogram_bucket_high(unsigned bucket)
{
    unsigned shift;

    if (bucket < 2 * HISTOGRAM_STEPS)
        return bucket;
    shift = (bucket >> HISTOGRAM_BITS) - 1;
    return ((uint64_t)(bucket - (shift << HISTOGRAM_BITS) + 1) << shift) - 1;
}

static inline void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->bucket_counts[histogram_bucket(value)]++;
}

static inline void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

/* The value that `share` (0 to 1) of the recorded values do not exceed; 0 if none is recorded. */
static inline uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->count * share);
    uint64_t seen = 0;
    unsigned bucket;

    for (bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->bucket_counts[bucket];
        if (seen > wanted || (seen != 0 && seen == histogram->count))
            return histogram_bucket_high(bucket);
    }
    return 0;
}

#endif
