/* Numbers in the stream of weights: kernels, biases, shifts, tables. */

NETWORK_INLINE uint8_t network_weight_4(network_index place)
{
    const uint8_t byte = NETWORK_WEIGHT(place >> 1);
    return place & 1 ? byte >> 4 : byte & 15;
}

NETWORK_INLINE uint16_t network_weight_16(network_index place)
{
    return (uint16_t)(NETWORK_WEIGHT(place) | (uint16_t)NETWORK_WEIGHT(place + 1) << 8);
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

/* Passes over so many weights, of which those with a bit in the mask are stored. */
NETWORK_INLINE void network_skip_masked(network_index *mask, network_index *weight, network_index count, uint8_t bits)
{
    for (; count; count--, (*mask)++)
        if (network_weight_bit(*mask))
            *weight = (network_index)(*weight + bits);
}

/* Passes over so many weights, of which those after a gap that is used up are stored. */
NETWORK_INLINE void network_skip_relative(network_index *weight, uint8_t *gap, network_index count, uint8_t bits,
                                          uint8_t gap_bits)
{
    for (; count; count--) {
        if (*gap) {
            (*gap)--;
        } else {
            *weight = (network_index)(*weight + gap_bits + bits);
            *gap = (uint8_t)network_weight_bits(*weight, gap_bits);
        }
    }
}
