/* Cells of the input as they arrive: stored, or pooled by windows that do not overlap. */

/* A cell at its place on a map, or among its last pixels. */
NETWORK_INLINE void network_take(const network_map *target, const network_layout *layout, network_finder find,
                                   const network_index kept, const network_index row, const network_index column,
                                   const network_index channel, const network_index channels, const network_code index)
{
    const network_index pixel = network_kept(layout, kept, find, row, column);
    network_put(target, (network_index)(pixel * channels + channel), index);
}

/* The window along an axis that has place `at`; whether it is one of those of the target, and `at` its first place on the
 * map, or its last. */
typedef struct {
    network_count number;
    uint8_t is_one, is_first, is_last;
} network_moment;

NETWORK_INLINE network_moment network_moment_of(const network_axis *axis, const network_count windows,
                                                  const network_count at)
{
    network_moment window = {0, 0, 0, 0};
    const network_count place = (network_count)((network_count)(at + axis->before) % axis->stride);
    window.number = (network_count)((network_count)(at + axis->before) / axis->stride);
    window.is_one = (axis->stride <= axis->window || place < axis->window)
                    && ((axis->size - 1 + axis->before) / axis->stride < windows || window.number < windows);
    window.is_first = axis->size == 1 || place == 0 || (axis->before && at == 0);
    window.is_last = axis->size == 1 || place == axis->window - 1 || (axis->reaches_over && at == axis->size - 1);
    return window;
}

/* The largest index of the window so far, as indices rise with the integers. */
NETWORK_INLINE void network_take_largest(const network_map *target, const network_layout *layout, network_finder find,
                                           const network_axis *rows, const network_axis *columns,
                                           const network_count row, const network_count column,
                                           const network_index channel, const network_index channels,
                                           const network_code index)
{
    const network_moment down = network_moment_of(rows, layout->rows, row);
    const network_moment across = network_moment_of(columns, layout->columns, column);
    network_index cell;
    if (!down.is_one || !across.is_one)
        return;
    cell = (network_index)(network_place(layout, find, down.number, across.number) * channels + channel);
    if ((down.is_first && across.is_first) || network_is_above(target, cell, index))
        network_put(target, cell, index);
}

/* The sum of a window that waits at a place, and its sign. */
NETWORK_INLINE network_sum network_waiting(const network_index place, const uint8_t sum_bits, const uint8_t is_signed)
{
    if (sum_bits == 16)
        return is_signed ? (network_sum)(int16_t)network_sum_16(place) : (network_sum)network_sum_16(place);
    if (sum_bits == 32)
        return is_signed ? (network_sum)(int32_t)network_sum_32(place) : (network_sum)network_sum_32(place);
    if (sum_bits == 64)
        return (network_sum)network_sum_64(place);
    return 0;
}

NETWORK_INLINE void network_wait(const network_index place, const uint8_t sum_bits, const network_sum sum)
{
    if (sum_bits == 16)
        network_set_sum_16(place, (uint16_t)sum);
    if (sum_bits == 32)
        network_set_sum_32(place, (uint32_t)sum);
    if (sum_bits == 64)
        network_set_sum_64(place, (uint64_t)sum);
}

/* Adds a cell of `source` to the sum of its window, which waits in the row of such `sums`; after the last cell, stores
 * their mean. */
NETWORK_INLINE void network_take_mean(const network_map *target, const network_layout *layout, network_finder find,
                                      const network_axis *rows, const network_axis *columns, const network_count row,
                                      const network_count column, const network_index channel,
                                      const network_index channels, const network_code index, const network_map *source,
                                      const network_index sums, const uint8_t sum_bits,
                                      network_code (*mean)(network_sum sum, network_index count))
{
    const network_moment down = network_moment_of(rows, layout->rows, row);
    const network_moment across = network_moment_of(columns, layout->columns, column);
    const network_part on_rows = network_part_on(rows, down.number), on_columns = network_part_on(columns, across.number);
    const network_index count =
        (network_index)((network_index)(on_rows.end - on_rows.first) * (network_index)(on_columns.end - on_columns.first));
    const network_index place =
        (network_index)(sums + (network_index)(across.number * channels + channel) * (sum_bits / 8u));
    network_sum sum = (network_sum)(((network_sum)index << source->shift) + (network_sum)source->low);
    if (!down.is_one || !across.is_one)
        return;
    if (!(down.is_first && across.is_first))
        sum = (network_sum)(sum + network_waiting(place, sum_bits, source->low < 0));
    if (down.is_last && across.is_last)
        network_put(target,
                    (network_index)(network_place(layout, find, down.number, across.number) * channels + channel),
                    mean(sum, count));
    else
        network_wait(place, sum_bits, sum);
}
