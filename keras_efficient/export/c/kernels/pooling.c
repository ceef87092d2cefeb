/* Windows over maps, of which one number for each channel is left. */

/* The places of window `number` that lie on the map. */
typedef struct {
    network_count first, end;
} network_part;

NETWORK_INLINE network_part network_part_on(const network_axis *axis, const network_count number)
{
    network_part part = {0, 0};
    part.end = axis->window;
    if (axis->before && number * axis->stride < axis->before)
        part.first = (network_count)(axis->before - number * axis->stride);
    if (axis->reaches_over && number * axis->stride + axis->window > axis->size + axis->before)
        part.end = (network_count)(axis->size + axis->before - number * axis->stride);
    return part;
}

/* The first cell of the pixel at a place of the window for pixel `at`. */
NETWORK_INLINE network_index network_window_cell(const network_layout *source, network_finder find,
                                                 const network_axis *rows, const network_axis *columns, const network_pixel *at,
                                                 const network_count down, const network_count across,
                                                 const network_count channels)
{
    const network_count row = (network_count)(at->row * rows->stride + down - rows->before);
    const network_count column = (network_count)(at->column * columns->stride + across - columns->before);
    return (network_index)(network_place(source, find, row, column) * channels);
}

/* The places that a loop over a window takes, those on the map among them: all, as their number is a constant, unless the
 * window is larger than the map. */
NETWORK_INLINE network_part network_loop(const network_axis *axis, const network_part *part)
{
    network_part loop = {0, 0};
    loop.end = axis->window;
    return axis->window > axis->size ? *part : loop;
}

/* What is stored for each window and channel: without a function the largest index, as indices rise with the integers;
 * else what `mean` makes of the sum of the integers and their number. */
NETWORK_INLINE void network_pool(const network_map *source, const network_layout *source_layout, network_finder find,
                                 const network_map *target, const network_layout *target_layout,
                                 const network_axis *rows, const network_axis *columns, const network_count channels,
                                 network_code (*mean)(network_sum sum, network_index count))
{
    const network_index step = (network_index)(network_step(source_layout) * channels);
    const network_sum low = (network_sum)source->low;
    network_index made = 0;
    network_pixel at = {0, 0, 0, 0};
    do {
        const network_part on_rows = network_part_on(rows, at.row), on_columns = network_part_on(columns, at.column);
        const network_index count =
            (network_index)((network_index)(on_rows.end - on_rows.first) * (network_index)(on_columns.end - on_columns.first));
        const network_part all_across = network_loop(columns, &on_columns);
        network_part all_down = network_loop(rows, &on_rows);
        network_count channel, down, across;
        if (rows->window > 3) {
            NETWORK_ROLLED(all_down.end);
        }
        for (channel = 0; channel < channels; channel++) {
            network_code largest = 0;
            network_sum sum = 0;
            for (down = all_down.first; down < all_down.end; down++) {
                network_index cell = 0;
                if (down < on_rows.first || down >= on_rows.end)
                    continue;
                if (step)
                    cell = network_window_cell(source_layout, find, rows, columns, &at, down, on_columns.first, channels);
                for (across = all_across.first; across < all_across.end; across++) {
                    network_code index;
                    if (across < on_columns.first || across >= on_columns.end)
                        continue;
                    if (!step)
                        cell = network_window_cell(source_layout, find, rows, columns, &at, down, across, channels);
                    index = network_get(source, (network_index)(cell + channel));
                    if (index > largest)
                        largest = index;
                    sum = (network_sum)(sum + ((network_sum)index << source->shift) + low);
                    cell = (network_index)(cell + step);
                }
            }
            network_put(target, made, mean ? mean(sum, count) : largest);
            made++;
        }
    } while (network_next_pixel(target_layout, &at));
}
