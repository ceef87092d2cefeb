/* Numbers in the stream of weights: kernels, biases, shifts, tables. */

NETWORK_INLINE uint8_t network_weight_4(network_index place)
{
    const uint8_t byte = NETWORK_WEIGHT(place >> 1);
    return place & 1 ? byte >> 4 : byte & 15;
}

NETWORK_INLINE uint16_t network_weight_16(network_index place)
{
#if defined __ARM_FEATURE_UNALIGNED && !defined __ARM_BIG_ENDIAN
    uint16_t index;
    __builtin_memcpy(&index, network_weights + place, 2);
    return index;
#else
    return (uint16_t)(NETWORK_WEIGHT(place) | (uint16_t)NETWORK_WEIGHT(place + 1) << 8);
#endif
}

/* The bits of a weight, across bytes. */
static uint16_t network_weight_bits(network_index place, uint8_t bits)
{
    uint16_t index = 0;
    uint8_t done = 0;
    while (done < bits) {
        const uint8_t at = place & 7;
        index = (uint16_t)(index | (uint16_t)(NETWORK_WEIGHT(place >> 3) >> at) << done);
        done = (uint8_t)(done + 8 - at);
        place = (network_index)(place + 8 - at);
    }
    return (uint16_t)(index & (0xffffu >> (16 - bits)));
}

/* Whether a weight of a pruned kernel is stored. */
static uint8_t network_weight_bit(network_index place)
{
    return (uint8_t)(NETWORK_WEIGHT(place >> 3) >> (place & 7) & 1);
}

/* How the weights of some filters lie in the stream: a weight is its index * 2^shift + low, or, of 8 and 16 bits, in
 * two's complement. Dense ones are all stored, those of a random basis are made. Of pruned kernels only some are
 * stored: those with a bit in a mask, or those after gaps that are used up. */
enum { NETWORK_DENSE, NETWORK_MADE, NETWORK_MASKED, NETWORK_GAPS };
typedef struct {
    uint8_t format, bits, shift, gap_bits;
    int16_t low;
    const void *basis;
} network_kernel;

/* Where a loop over the weights is: in bytes, halves of bytes or bits; in the mask; zeros before the next weight; the
 * line of a random basis. */
typedef struct {
    network_index weight, mask;
    uint8_t gap;
    void *line;
} network_reader;

/* The integer of an index. */
NETWORK_INLINE int16_t network_weight_of(const network_kernel *kernel, const uint16_t index)
{
    if (kernel->bits == 16)
        return (int16_t)index;
    if (kernel->bits == 8)
        return (int8_t)index;
    if (kernel->bits < 8)
        return (int8_t)((int)(index << kernel->shift) + kernel->low);
    return (int16_t)(index + (uint16_t)kernel->low);
}

/* Whether the weights of a cell for `width` filters fill whole bytes, else they are read one by one. */
NETWORK_INLINE uint8_t network_in_bytes(const network_kernel *kernel, const uint8_t width)
{
    return kernel->bits > 1 && !(kernel->bits & (kernel->bits - 1)) && width * kernel->bits % 8 == 0;
}

/* The weight that starts at a bit. */
NETWORK_INLINE int16_t network_weight_at(const network_kernel *kernel, const network_index bit)
{
    return network_weight_of(kernel, network_weight_bits(bit, kernel->bits));
}

/* Weight i of the cell at a place; `byte` holds what several of them share. */
NETWORK_INLINE int16_t network_weight(const network_kernel *kernel, const uint8_t width, const network_index at,
                                      const uint8_t i, uint8_t *byte)
{
    const uint8_t bit = (uint8_t)(i * kernel->bits % 8);
    (void)width;
    if (kernel->bits == 16)
        return network_weight_of(kernel, network_weight_16((network_index)(at + 2u * i)));
    if (kernel->bits == 4 && !network_in_bytes(kernel, width))
        return network_weight_of(kernel, network_weight_4((network_index)(at + i)));
    if (network_in_bytes(kernel, width) == 0)
        return network_weight_at(kernel, (network_index)(at + (network_index)(i * kernel->bits)));
    if (bit == 0)
        *byte = NETWORK_WEIGHT(at + (network_index)(i * kernel->bits / 8));
    if (bit + kernel->bits == 8)
        return network_weight_of(kernel, (uint8_t)(*byte >> bit));
    return network_weight_of(kernel, (uint8_t)(*byte >> bit & ((1 << kernel->bits) - 1)));
}

/* Goes on to the next weight of a pruned kernel; whether it is stored, and then at which bit. */
NETWORK_INLINE uint8_t network_next(const network_kernel *kernel, network_reader *reader, network_index *at)
{
    if (kernel->format == NETWORK_MASKED) {
        if (!network_weight_bit(reader->mask++))
            return 0;
    } else if (reader->gap) {
        reader->gap--;
        return 0;
    }
    *at = (network_index)(reader->weight + kernel->gap_bits);
    reader->weight = (network_index)(*at + kernel->bits);
    if (kernel->format == NETWORK_GAPS)
        reader->gap = (uint8_t)network_weight_bits(reader->weight, kernel->gap_bits);
    return 1;
}

/* Passes over so many weights. */
NETWORK_INLINE void network_pass(const network_kernel *kernel, network_reader *reader, network_index count)
{
    network_index at;
    for (; count; count--)
        network_next(kernel, reader, &at);
}

/* From the weights of one cell to those of the next, for `width` filters. */
NETWORK_INLINE network_index network_step_of(const network_kernel *kernel, const uint8_t width)
{
    const uint8_t bits = (uint8_t)(width * kernel->bits);
    if (kernel->bits == 4 && !network_in_bytes(kernel, width))
        return width;
    return network_in_bytes(kernel, width) ? bits / 8 : bits;
}

/* Passes over the weights of so many cells. */
NETWORK_INLINE void network_skip(const network_kernel *kernel, network_reader *reader, const uint8_t width,
                                 const network_index cells)
{
    (void)width;
    if (kernel->format == NETWORK_DENSE)
        reader->weight = (network_index)(reader->weight + cells * network_step_of(kernel, width));
    if (kernel->format == NETWORK_MADE)
        network_basis_skip((network_line *)reader->line, (const network_basis *)kernel->basis, cells);
    if (kernel->format >= NETWORK_MASKED)
        network_pass(kernel, reader, (network_index)(cells * width));
}
