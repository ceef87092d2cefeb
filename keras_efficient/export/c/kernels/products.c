/* Sums of products of cells and weights, word by word; the pairs of words are those of words.c.
 *
 * A chunk is as many numbers as fill one word of the narrower of the two. The pairs of its cells meet the pairs of its
 * weights, which are stored in such an order. */

/* Numbers in words: 2, 4 or 8 `bits`. Bytes may be in two's complement, once `flip` has turned bits of the word. From
 * each number, or from twice that, `low` is taken off. `mask` says where a pair is in a word. */
typedef struct {
    uint8_t bits, is_signed, is_twice, low;
    uint32_t flip, mask;
} network_numbers;

/* The pairs of the words from a place on. */
NETWORK_INLINE void network_read_pairs(uint32_t *pairs, const uint8_t count, const uint8_t *from, const network_numbers *of)
{
    const uint8_t in_word = (uint8_t)(16 / of->bits);
    uint8_t i;
    NETWORK_UNROLL
    for (i = 0; i < count; i++) {
        const uint32_t word = network_word(from + i / in_word * 4) ^ of->flip;
        const uint8_t at = (uint8_t)(i % in_word * of->bits);
        uint32_t pair = of->is_signed ? network_signed_pair(word, at) : network_pair(word, of->bits, at, of->mask);
        if (of->is_twice)
            pair <<= 1;
        pairs[i] = of->low ? network_lowered(pair, of->low) : pair;
    }
}

/* Pairs in a chunk. */
NETWORK_INLINE uint8_t network_chunk(const network_numbers *cells, const network_numbers *weights)
{
    return (uint8_t)(16 / (cells->bits < weights->bits ? cells->bits : weights->bits));
}

/* sums[i] += so many bytes of cells times their weights for filter i; the filters of a block take turns chunk by chunk.
 * `turns` divides the chunks: so many are done before the end is looked for, where registers are enough for that. Returns
 * the place after the weights. */
NETWORK_INLINE const uint8_t *network_multiply_run(int32_t *sums, const uint8_t filters, const uint8_t *cell,
                                                   const int32_t bytes, const network_numbers *cells,
                                                   const uint8_t *weight, const network_numbers *weights,
                                                   const uint8_t turns)
{
    const uint8_t count = network_chunk(cells, weights);
    const uint8_t *const end = cell + bytes;
    do {
        uint8_t turn, filter, i;
        NETWORK_UNROLL
        for (turn = 0; turn < (NETWORK_HAS_SIMD ? turns : 1); turn++) {
            uint32_t x[8], w[8];
            network_read_pairs(x, count, cell, cells);
            NETWORK_UNROLL
            for (filter = 0; filter < filters; filter++) {
                network_read_pairs(w, count, weight, weights);
                NETWORK_UNROLL
                for (i = 0; i < count; i++)
                    sums[filter] = network_add_both(x[i], w[i], sums[filter]);
                weight += count * weights->bits / 4;
                NETWORK_IN_ORDER;
            }
            cell += count * cells->bits / 4;
        }
    } while (cell != end);
    return weight;
}

/* The same of `lines` runs, each `line_bytes` after the start of the one before; `skipped` bytes of weights lie between. */
NETWORK_INLINE void network_multiply_lines(int32_t *sums, const uint8_t filters, const uint8_t *cell,
                                           const int32_t lines, const int32_t bytes, const int32_t line_bytes,
                                           const network_numbers *cells, const uint8_t *weight, const int32_t skipped,
                                           const network_numbers *weights, const uint8_t turns)
{
    NETWORK_KEPT int32_t left = lines, after = skipped;
    for (; left > 0; left--) {
        weight = network_multiply_run(sums, filters, cell, bytes, cells, weight, weights, turns) + after;
        cell += line_bytes;
    }
}

/* total + so many bytes of cells. */
NETWORK_INLINE int32_t network_add_run(int32_t total, const uint8_t *cell, const int32_t bytes,
                                       const network_numbers *cells)
{
    const uint8_t count = (uint8_t)(16 / cells->bits);
    const uint8_t *const end = cell + bytes;
    for (; cell != end; cell += 4) {
        uint32_t x[8];
        uint8_t i;
        network_read_pairs(x, count, cell, cells);
        NETWORK_UNROLL
        for (i = 0; i < count; i++)
            total = network_add_both(x[i], 0x10001u, total);
    }
    return total;
}

/* The part of a window that lies on the map, along one axis: its places from `first` to before `end`; its place 0 is
 * row or column `at` of the map, and may be below 0. */
typedef struct {
    int32_t at, first, end;
} network_span;

NETWORK_INLINE network_span network_clip(int32_t at, const int32_t window, const int32_t size)
{
    network_span span;
    span.at = at;
    span.first = at < 0 ? -at : 0;
    span.end = at > size - window ? size - at : window;
    return span;
}

/* Writes so many zeros; returns the place after them. */
NETWORK_INLINE uint8_t *network_fill(uint8_t *to, network_index count)
{
    for (; count; count--) {
        *to++ = 0;
        NETWORK_NO_LIBRARY;
    }
    return to;
}

/* sums[i] += the products of a word of cells, each of a channel of its own, and a word of weights. */
NETWORK_INLINE void network_multiply_word(int32_t *sums, const uint8_t *cell, const network_numbers *cells,
                                          const uint8_t *weight, const network_numbers *weights)
{
    const uint8_t count = (uint8_t)(16 / cells->bits);
    uint32_t x[8], w[8];
    uint8_t i;
    network_read_pairs(x, count, cell, cells);
    network_read_pairs(w, count, weight, weights);
    NETWORK_UNROLL
    for (i = 0; i < count; i++) {
        sums[i] = network_add_low(x[i], w[i], sums[i]);
        sums[i + count] = network_add_high(x[i], w[i], sums[i + count]);
    }
}

/* The same of a window: `lines` of so many bytes, a word of each pixel, with `skipped` bytes of weights between them. */
NETWORK_INLINE void network_multiply_channels(int32_t *sums, const uint8_t *cell, int32_t lines, const int32_t bytes,
                                              const int32_t line_bytes, const int32_t pixel_bytes,
                                              const network_numbers *cells, const uint8_t *weight,
                                              const int32_t skipped, const network_numbers *weights)
{
    for (; lines > 0; lines--) {
        const uint8_t *const end = cell + bytes;
        do {
            network_multiply_word(sums, cell, cells, weight, weights);
            cell += pixel_bytes;
            weight += 4;
        } while (cell != end);
        cell += line_bytes - bytes;
        weight += skipped;
    }
}
