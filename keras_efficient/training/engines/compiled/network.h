/* The network as Python (program.py, structures.py) describes it, and vectors of one number of 16 images. */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16
#define ALIGNMENT 64
#define MOST_CHUNKS 16
#ifdef __AVX512F__ /* 32 registers of 16 numbers: up to 24 sums at once */
#define WIDEST 8
#else
#define WIDEST 4
#endif
#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif
#define EACH(i, n) UNROLL for (int i = 0; i < (n); i++)

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Mask __attribute__((vector_size(4 * LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));

enum { PAD, ADD, CONVOLUTION, MAXIMUM, AVERAGE, ACTIVATION, DROPOUT };
enum { NEAREST, FLOOR, MID_RISE };

/* The codes of a quantizer. Of a weight: `first` and `count` are its place among the parameters. */
typedef struct {
    int32_t rounding, first, count, scale; /* scale: place of the log2 scale, -1 for a scale of 1 */
    int32_t channels;                      /* how many scales; consecutive weights have one after the other */
    float low, high, resolution;
} Grid;

/* A normalization folded into a kernel of `count` weights: places among the parameters, -1 for none. */
typedef struct {
    int32_t kernel, count, channels, bias, folded_bias; /* folded_bias: where the layers find theirs */
    int32_t gamma, beta, mean, variance;
    float epsilon;
} Fold;

typedef struct {
    int32_t kind, input, output, skip; /* tensors; skip: the second input of a sum */
    int32_t rows, columns, channels;   /* of the input */
    int32_t out_rows, out_columns, out_channels;
    int32_t window_rows, window_columns, row_stride, column_stride, top, left;
    int32_t groups, kernel, bias; /* kernel and bias: places among the parameters, -1 for none */
    int32_t relu, grid;           /* of an activation; grid -1: not quantized */
    uint32_t threshold, seed, counter;
    float keep; /* of dropout */
} Operation;

typedef struct {
    int32_t operations, grids, folds, tensors, parameters;
    const Operation *operation;
    const Grid *grid;
    const Fold *fold;
    const int32_t *cells;    /* of each tensor; 0 is the input, the last one the logits */
    const int32_t *gradient; /* the buffer of each tensor's gradient, -1 for none; often shared */
} Network;

INLINE Vec choose(Mask mask, Vec yes, Vec no) { return (Vec)((mask & (Mask)yes) | (~mask & (Mask)no)); }

INLINE Vec splat(float number) { return number - (Vec){0}; }

INLINE float lane_sum(const Vec *vec) {
    const float *lane = (const float *)vec;
    float sum[4];
    for (int i = 0; i < 4; i++)
        sum[i] = (lane[i] + lane[i + 4]) + (lane[i + 8] + lane[i + 12]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Half to even: a float32 near 1.5 * 2^23 has no bits for fractions. Larger numbers are saturated codes anyway. */
INLINE Vec round_vec(Vec x, const int rounding) {
    const float magic = 12582912.0f;
    Vec nearest = (x + magic) - magic;
    if (rounding == NEAREST)
        return nearest;
    Vec below = nearest - (Vec)((nearest > x) & (Mask)splat(1.0f));
    return rounding == FLOOR ? below : below + 0.5f;
}

INLINE Vec clip_vec(Vec x, float low, float high) {
    x = choose(x < low, splat(low), x);
    return choose(x > high, splat(high), x);
}

INLINE Bits mix(Bits v) {
    v ^= v >> 16;
    v *= 0x7feb352du;
    v ^= v >> 15;
    v *= 0x846ca68bu;
    return v ^ (v >> 16);
}

INLINE int smaller(int a, int b) { return a < b ? a : b; }
INLINE int larger(int a, int b) { return a > b ? a : b; }

/* Zeroed memory; NULL where there is none. */
static void *allocate(size_t bytes) {
    size_t whole = (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    void *memory = aligned_alloc(ALIGNMENT, whole);
    return memory ? memset(memory, 0, whole) : NULL;
}
