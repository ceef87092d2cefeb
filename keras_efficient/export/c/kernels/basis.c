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

/* What all weights of a kernel share. Of its start: the words from `start_key` on, times `limit`. Of its coordinates,
 * which are `dimensions`: the signs in the words from `signs_key` on; a code counts 2^exponent. Rows have `width` weights,
 * and places for `padded`. The sum is divided by 2^shift, and lies within -largest - 1 and largest. */
typedef struct {
    uint32_t start_key, signs_key, width, padded;
    network_index dimensions;
    int16_t limit, largest;
    uint8_t exponent, shift;
} network_basis;

/* The keys of a seed. */
NETWORK_INLINE void network_basis_seed(network_basis *basis, uint32_t seed)
{
    basis->signs_key = network_mix(seed ^ 0x9e3779b9u);
    basis->start_key = network_mix(seed ^ 0x3c6ef372u);
}

/* A weight: its number, its place among the signs, the coordinate that it belongs to. */
typedef struct {
    uint32_t number, place, signs;
    network_index coordinate;
} network_basis_place;

/* So many rows further down. `step`: padded x rows mod dimensions. */
NETWORK_INLINE void network_basis_skip(network_basis_place *at, const network_basis *basis, const uint32_t rows,
                                       const network_index step)
{
    at->number += basis->width * rows;
    at->place += basis->padded * rows;
    if (at->coordinate >= basis->dimensions - step)
        at->coordinate = (network_index)(at->coordinate - basis->dimensions);
    at->coordinate = (network_index)(at->coordinate + step);
}

/* Reads the signs of a place. */
NETWORK_INLINE void network_basis_signs(network_basis_place *at, const network_basis *basis)
{
    at->signs = network_mix((at->place >> 5) + basis->signs_key) >> (at->place & 31);
}

/* The weight of code `code` of its coordinate; then `at` is the next one of the row. */
NETWORK_INLINE int16_t network_basis_weight(network_basis_place *at, const network_basis *basis, int16_t code)
{
    const uint32_t word = network_mix(at->number++ + basis->start_key);
    const int16_t start = (int16_t)((int32_t)(word >> 8 & 0xffff) - 32768);
    const int32_t part = (int32_t)code * ((int32_t)1 << basis->exponent);
    /* Above 0, as no negative number is shifted; by halves, as processors of 8 bits shift place by place. */
    const uint32_t sum = (uint32_t)((int32_t)start * basis->limit + (at->signs & 1 ? -part : part)) +
                         ((uint32_t)1 << 30) + ((uint32_t)1 << (basis->shift - 1));
    const uint32_t number =
        basis->shift >= 16 ? (uint32_t)((uint16_t)(sum >> 16) >> (basis->shift - 16)) : sum >> basis->shift;
    const uint32_t zero = (uint32_t)1 << (30 - basis->shift), largest = (uint32_t)basis->largest;
    at->signs >>= 1;
    if (!(++at->place & 31))
        network_basis_signs(at, basis);
    if (++at->coordinate == basis->dimensions)
        at->coordinate = 0;
    if (number > zero + largest)
        return basis->largest;
    return number + largest < zero ? (int16_t)(-1 - basis->largest) : (int16_t)((int32_t)number - (int32_t)zero);
}
