/* Maps from maps, cell by cell. */

/* So many cells from one place on become those of another, each what `change` makes of it and its number. */
NETWORK_INLINE void network_change(const network_map *source, const network_index from, const network_map *target,
                                   const network_index to, const network_index cells,
                                   network_code (*change)(network_code index, network_index number))
{
    network_index number;
    uint_fast8_t few;
    if (cells >> 8 == 0)
        for (few = 0; few < cells; few++)
            network_put(target, (network_index)(to + few), change(network_get(source, (network_index)(from + few)), few));
    else
        for (number = 0; number < cells; number++)
            network_put(target, (network_index)(to + number),
                        change(network_get(source, (network_index)(from + number)), number));
}

/* A change that is none. */
NETWORK_INLINE network_code network_same(network_code index, network_index number)
{
    (void)number;
    return index;
}

/* Each cell of a map with so many of them, from the first to the last: what `make` gives for its number. */
NETWORK_INLINE void network_make(const network_map *target, const network_index cells,
                                 network_code (*make)(network_index number))
{
    network_index number;
    for (number = 0; number < cells; number++)
        network_put(target, number, make(number));
}

/* The same of its rows, columns and channels. */
NETWORK_INLINE void network_make_places(const network_map *target, const network_count rows,
                                        const network_count columns, const network_count channels,
                                        network_code (*make)(network_index number, network_count row,
                                                             network_count column, network_count channel))
{
    network_index cell = 0;
    network_count row, column, channel;
    for (row = 0; row < rows; row++) {
        for (column = 0; column < columns; column++) {
            for (channel = 0; channel < channels; channel++) {
                network_put(target, cell, make(cell, row, column, channel));
                cell++;
            }
        }
    }
}
