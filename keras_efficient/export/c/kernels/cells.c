/* Cells of a map in the arena. A cell of 1, 2, 4 or 8 bits lies in one byte, the first of a byte in its lowest bits;
 * `place` counts cells there, bytes of cells of 16 bits, and bits of all others. */

NETWORK_INLINE uint8_t network_get_1(network_index place)
{
    return network_arena.bytes[place >> 3] >> (uint8_t)(place & 7) & 1;
}

NETWORK_INLINE void network_put_1(network_index place, uint8_t index)
{
    const uint8_t at = (uint8_t)(place & 7);
    uint8_t *byte = network_arena.bytes + (place >> 3);
    *byte = (uint8_t)((*byte & ~(1 << at)) | index << at);
}

NETWORK_INLINE uint8_t network_get_2(network_index place)
{
    const uint8_t at = (uint8_t)((place & 3) * 2);
    return network_arena.bytes[place >> 2] >> at & 3;
}

NETWORK_INLINE void network_put_2(network_index place, uint8_t index)
{
    const uint8_t at = (uint8_t)((place & 3) * 2);
    uint8_t *byte = network_arena.bytes + (place >> 2);
    *byte = (uint8_t)((*byte & ~(3 << at)) | index << at);
}

NETWORK_INLINE uint8_t network_get_4(network_index place)
{
    const uint8_t byte = network_arena.bytes[place >> 1];
    return place & 1 ? byte >> 4 : byte & 15;
}

NETWORK_INLINE void network_put_4(network_index place, uint8_t index)
{
    uint8_t *byte = network_arena.bytes + (place >> 1);
    *byte = (uint8_t)(place & 1 ? (*byte & 15) | index << 4 : (*byte & 240) | index);
}

NETWORK_INLINE uint8_t network_get_8(network_index place)
{
    return network_arena.bytes[place];
}

NETWORK_INLINE void network_put_8(network_index place, uint8_t index)
{
    network_arena.bytes[place] = index;
}

NETWORK_INLINE uint16_t network_get_16(network_index place)
{
    return (uint16_t)(network_arena.bytes[place] | (uint16_t)network_arena.bytes[place + 1] << 8);
}

NETWORK_INLINE void network_put_16(network_index place, uint16_t index)
{
    network_arena.bytes[place] = (uint8_t)(index & 255);
    network_arena.bytes[place + 1] = (uint8_t)(index >> 8);
}

/* The bits from a place on, byte by byte: no byte beyond the cell is touched. */
static uint16_t network_get_bits(network_index place, uint8_t bits)
{
    uint16_t index = 0;
    uint8_t done = 0;
    while (done < bits) {
        const uint8_t at = place & 7;
        const uint8_t byte = network_arena.bytes[place >> 3];
        index = (uint16_t)(index | (uint16_t)(byte >> at) << done);
        done = (uint8_t)(done + 8 - at);
        place = (network_index)(place + 8 - at);
    }
    return (uint16_t)(index & (0xffffu >> (16 - bits)));
}

/* Writes bits from a place on; their neighbours stay. */
static void network_put_bits(network_index place, uint8_t bits, uint16_t index)
{
    while (bits) {
        const uint8_t at = place & 7;
        const uint8_t count = bits < 8 - at ? bits : (uint8_t)(8 - at);
        const uint8_t mask = (uint8_t)((255u >> (8 - count)) << at);
        uint8_t *byte = network_arena.bytes + (place >> 3);
        *byte = (uint8_t)((unsigned)(*byte & ~mask) | ((unsigned)index << at & (unsigned)mask));
        index = (uint16_t)(index >> count);
        bits = (uint8_t)(bits - count);
        place = (network_index)(place + count);
    }
}

/* A map in the arena: the place of its first cell, in the unit that its accesses take, and the bits of a cell. A cell
 * holds an index; the integer is index * 2^shift + low. Logits are integers, in an array of their own. */
typedef struct {
    network_index first;
    uint8_t bits, is_logits, shift;
    int16_t low;
} network_map;

/* The place of a cell, and from one to the next. */
NETWORK_INLINE network_index network_stride(const network_map *map)
{
    if (map->bits == 16)
        return 2;
    return map->bits & (map->bits - 1) ? map->bits : 1;
}

NETWORK_INLINE network_index network_at(const network_map *map, const network_index cell)
{
    return (network_index)(map->first + cell * network_stride(map));
}

/* The index at a place. */
NETWORK_INLINE network_code network_index_at(const network_map *map, const network_index place)
{
    if (map->bits == 1)
        return network_get_1(place);
    if (map->bits == 2)
        return network_get_2(place);
    if (map->bits == 4)
        return network_get_4(place);
    if (map->bits == 8)
        return network_get_8(place);
    if (map->bits == 16)
        return (network_code)network_get_16(place);
    if (network_stride(map) > 2)
        return (network_code)network_get_bits(place, map->bits);
    return 0;
}

NETWORK_INLINE network_code network_get(const network_map *map, const network_index cell)
{
    return network_index_at(map, network_at(map, cell));
}

/* The integer at a place. */
NETWORK_INLINE int32_t network_number(const network_map *map, const network_index place)
{
    const network_code index = network_index_at(map, place);
    if (map->low == 0)
        return index;
    if (map->bits <= 8)
        return (int8_t)((int)(index << map->shift) + map->low);
    return (int16_t)((uint16_t)index + (uint16_t)map->low);
}

/* Of a logit: the integer, which is within 16 bits or becomes the largest that is. */
NETWORK_INLINE void network_put(const network_map *map, const network_index cell, const network_code index)
{
    const uint16_t wide = index;
    if (map->is_logits && map->bits == 16 && map->low == 0)
        network_arena.logits[cell] = (network_logit)(wide > 32767 ? 32767 : wide);
    else if (map->is_logits)
        network_arena.logits[cell] = (network_logit)(int16_t)((wide << map->shift) + (uint16_t)map->low);
    else if (map->bits == 1)
        network_put_1(network_at(map, cell), (uint8_t)index);
    else if (map->bits == 2)
        network_put_2(network_at(map, cell), (uint8_t)index);
    else if (map->bits == 4)
        network_put_4(network_at(map, cell), (uint8_t)index);
    else if (map->bits == 8)
        network_put_8(network_at(map, cell), (uint8_t)index);
    else if (map->bits == 16)
        network_put_16(network_at(map, cell), index);
    else if (network_stride(map) > 2)
        network_put_bits(network_at(map, cell), map->bits, index);
}

/* The same of an index, or of an integer that is a logit. */
NETWORK_INLINE void network_set(const network_map *map, const network_index cell, const uint16_t number)
{
    if (map->is_logits)
        network_arena.logits[cell] = (network_logit)number;
    else
        network_put(map, cell, (network_code)number);
}

/* Whether an index is above that of a cell. */
NETWORK_INLINE uint8_t network_is_above(const network_map *map, const network_index cell, const network_code index)
{
    if (map->is_logits)
        return ((int32_t)index << map->shift) + map->low > network_arena.logits[cell];
    return index > network_get(map, cell);
}
