/* Kernels of random-basis layers: each weight is made where it is needed, of the seed and a coordinate. */

/* The finalizer of the hash: a bijection of the 32-bit words. */
static uint32_t network_mix(uint32_t word)
{
    word ^= word >> 16;
    word *= 0x7feb352du;
    word ^= word >> 15;
    word *= 0x846ca68bu;
    return word ^ word >> 16;
}

/* What all weights of a kernel share. Rows have `width` weights, and places for `padded`. Of the coordinates, which
 * are `dimensions`, `code` counts 2^exponent, and of the start a number `limit`. The sum is divided by 2^shift, and
 * lies within -largest - 1 and largest. */
typedef struct {
    uint32_t width, padded;
    network_index dimensions;
    int16_t limit, largest;
    uint8_t exponent, shift;
    int16_t (*code)(network_index coordinate);
} network_basis;

/* A weight: its number, its place among the signs, the coordinate that it belongs to. Starts are in the words from
 * `start_key` on, signs in those from `signs_key` on. */
typedef struct {
    uint32_t start_key, signs_key, number, place, signs;
    network_index coordinate;
} network_line;

/* The first weight of a filter. */
NETWORK_INLINE network_line network_basis_line(const network_basis *basis, const uint32_t seed,
                                               const network_index filter)
{
    network_line at;
    at.signs_key = network_mix(seed ^ 0x9e3779b9u);
    at.start_key = network_mix(seed ^ 0x3c6ef372u);
    at.number = at.place = (uint32_t)filter;
    at.signs = 0;
    at.coordinate = (network_index)(filter % basis->dimensions);
    return at;
}

/* So many rows further down. */
NETWORK_INLINE void network_basis_skip(network_line *at, const network_basis *basis, const network_index rows)
{
    const network_index step = (network_index)((uint32_t)rows * basis->padded % basis->dimensions);
    at->number += basis->width * (uint32_t)rows;
    at->place += basis->padded * (uint32_t)rows;
    if (at->coordinate >= basis->dimensions - step)
        at->coordinate = (network_index)(at->coordinate - basis->dimensions);
    at->coordinate = (network_index)(at->coordinate + step);
}

/* Reads the signs of a place. */
NETWORK_INLINE void network_basis_signs(network_line *at)
{
    at->signs = network_mix((at->place >> 5) + at->signs_key) >> (at->place & 31);
}

/* The weight at a place; then `at` is the next one of the row. */
NETWORK_INLINE int16_t network_basis_weight(network_line *at, const network_basis *basis)
{
    const uint32_t word = network_mix(at->number++ + at->start_key);
    const int16_t start = (int16_t)((int32_t)(word >> 8 & 0xffff) - 32768);
    const int32_t part = (int32_t)basis->code(at->coordinate) * ((int32_t)1 << basis->exponent);
    /* Above 0, as no negative number is shifted; by halves, as processors of 8 bits shift place by place. */
    const uint32_t sum = (uint32_t)((int32_t)start * basis->limit + (at->signs & 1 ? -part : part)) +
                         ((uint32_t)1 << 30) + ((uint32_t)1 << (basis->shift - 1));
    const uint32_t number =
        basis->shift >= 16 ? (uint32_t)((uint16_t)(sum >> 16) >> (basis->shift - 16)) : sum >> basis->shift;
    const uint32_t zero = (uint32_t)1 << (30 - basis->shift), largest = (uint32_t)basis->largest;
    at->signs >>= 1;
    if (!(++at->place & 31))
        network_basis_signs(at);
    if (++at->coordinate == basis->dimensions)
        at->coordinate = 0;
    if (number > zero + largest)
        return basis->largest;
    return number + largest < zero ? (int16_t)(-1 - basis->largest) : (int16_t)((int32_t)number - (int32_t)zero);
}
