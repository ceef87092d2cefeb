/* Bytes of the arena that move within it. */

/* Up, the last byte first. */
static void network_shift(network_index first, network_index bytes, network_index by)
{
    uint8_t *from = network_arena.bytes + first + bytes;
#ifdef __ARM_FEATURE_UNALIGNED
    for (; by >= 4 && bytes >= 4; bytes -= 4) {
        uint32_t word;
        from -= 4;
        __builtin_memcpy(&word, from, 4);
        __builtin_memcpy(from + by, &word, 4);
        NETWORK_NO_LIBRARY;
    }
#endif
    while (bytes--) {
        from--;
        from[by] = *from;
        NETWORK_NO_LIBRARY;
    }
}

/* Down, the first byte first. */
static void network_shift_down(network_index first, network_index bytes, network_index by)
{
    uint8_t *from = network_arena.bytes + first;
    while (bytes--) {
        *(from - by) = *from;
        from++;
        NETWORK_NO_LIBRARY;
    }
}

/* A map of so many cells goes up, the last cell first. */
NETWORK_INLINE void network_move_up(const network_map *from, const network_map *to, network_index cells)
{
    while (cells--)
        network_put(to, cells, network_get(from, cells));
}

/* Where the cells along an axis of a target come from: place k lies k / repeat * step cells after the first one. Places
 * before `first` and from `end` on are filled. */
typedef struct {
    network_count size, repeat, first, end;
    network_index step;
    uint8_t is_backwards;
} network_way;

/* How far a place moves the cell. */
NETWORK_INLINE network_index network_along(const network_way *way, const network_count place)
{
    const network_index distance = (network_index)((network_index)(place / way->repeat) * way->step);
    return way->is_backwards ? (network_index)-distance : distance;
}

NETWORK_INLINE uint8_t network_is_filled(const network_way *way, const network_count place)
{
    return (way->first && place < way->first) || (way->end < way->size && place >= way->end);
}

/* Each cell of the target from its place in the source, or filled, in order. */
NETWORK_INLINE void network_move(const network_map *source, const network_index first_cell, const network_map *target,
                                 const network_way *rows, const network_way *columns, const network_way *channels,
                                 const network_code fill)
{
    network_index made = 0;
    network_count row, column, channel;
    for (row = 0; row < rows->size; row++) {
        for (column = 0; column < columns->size; column++) {
            for (channel = 0; channel < channels->size; channel++) {
                network_code index = fill;
                if (!(network_is_filled(rows, row) || network_is_filled(columns, column)
                      || network_is_filled(channels, channel)))
                    index = network_get(source, (network_index)(first_cell + network_along(rows, row)
                                                                + network_along(columns, column)
                                                                + network_along(channels, channel)));
                network_put(target, made, index);
                made++;
            }
        }
    }
}

/* Brings the pixels of a map where a table says, in place. Every cycle of the permutation is turned once, from its
 * smallest place on. */
NETWORK_INLINE void network_permute(const network_map *map, const network_index pixels, const network_count channels,
                                    network_index (*goes_to)(network_index pixel))
{
    network_index first;
    for (first = 0; first < pixels; first++) {
        network_index pixel = first;
        network_count channel;
        do
            pixel = goes_to(pixel);
        while (pixel > first);
        if (pixel < first)
            continue;
        for (channel = 0; channel < channels; channel++) {
            network_code carried = network_get(map, (network_index)(first * channels + channel));
            pixel = first;
            do {
                network_code next;
                pixel = goes_to(pixel);
                next = network_get(map, (network_index)(pixel * channels + channel));
                network_put(map, (network_index)(pixel * channels + channel), carried);
                carried = next;
            } while (pixel != first);
        }
    }
}
