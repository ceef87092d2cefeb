/* Weighted sums of windows, filter by filter. A network has this once for each width of its sums: of 16 bits as here,
 * in as many as a register has, of 32 and of 64. */

typedef int network_wide;

/* What becomes of the sum of a filter, an index or a logit. */
typedef uint16_t (*network_round)(network_wide sum, network_count filter);

/* The same where a cell is added to the sum. */
typedef uint16_t (*network_round_with)(network_wide sum, network_count filter, network_index added);

/* A layer: what it reads and writes, and how. Each filter reads `channels` of its source; of those in `groups`,
 * `filters` in turn read the same. `kept`: so many pixels of the source lie in a ring; 0: all. `in_runs`: the pixels of
 * a row lie side by side, and so do those of a window. `cells`: where all of the source is one window. */
typedef struct {
    const network_map *source, *target;
    const network_layout *layout;
    const network_axis *rows, *columns;
    const network_kernel *kernel;
    network_index kept, cells;
    network_count channels, groups, filters;
    uint8_t in_runs;
} network_layer;

/* sums[i] += x times weight i of a cell. */
NETWORK_INLINE void network_add_dense(network_wide *sums, const uint8_t width, const network_kernel *kernel,
                                      const network_index at, const int32_t x)
{
    uint8_t byte = 0;
    sums[0] = (network_wide)(sums[0] + (network_wide)x * network_weight(kernel, width, at, 0, &byte));
    if (width > 1)
        sums[1] = (network_wide)(sums[1] + (network_wide)x * network_weight(kernel, width, at, 1, &byte));
    if (width > 2)
        sums[2] = (network_wide)(sums[2] + (network_wide)x * network_weight(kernel, width, at, 2, &byte));
    if (width > 3)
        sums[3] = (network_wide)(sums[3] + (network_wide)x * network_weight(kernel, width, at, 3, &byte));
}

/* sum += x times the next weight of a pruned kernel, if it is stored. */
NETWORK_INLINE void network_add_stored(network_wide *sum, const network_kernel *kernel, network_reader *reader,
                                       const int32_t x)
{
    network_index at;
    if (network_next(kernel, reader, &at))
        *sum = (network_wide)(*sum + (network_wide)x * network_weight_at(kernel, at));
}

/* The same of a cell. */
NETWORK_INLINE void network_add_sparse(network_wide *sums, const uint8_t width, const network_kernel *kernel,
                                       network_reader *reader, const int32_t x)
{
    network_add_stored(sums, kernel, reader, x);
    if (width > 1)
        network_add_stored(sums + 1, kernel, reader, x);
    if (width > 2)
        network_add_stored(sums + 2, kernel, reader, x);
    if (width > 3)
        network_add_stored(sums + 3, kernel, reader, x);
}

/* The same of weights that are made. */
NETWORK_INLINE void network_add_made(network_wide *sums, const uint8_t width, const network_line *line,
                                     const network_basis *basis, const int32_t x)
{
    network_line at = *line;
    uint8_t i;
    network_basis_signs(&at);
    for (i = 0; i < width; i++)
        sums[i] = (network_wide)(sums[i] + (network_wide)x * network_basis_weight(&at, basis));
}

/* sums[i] += x times the weights of a cell; the reader goes on to those of the next one. */
NETWORK_INLINE void network_add_cell(network_wide *sums, const uint8_t width, const network_kernel *kernel,
                                     network_reader *reader, const int32_t x)
{
    if (kernel->format >= NETWORK_MASKED)
        network_add_sparse(sums, width, kernel, reader, x);
    if (kernel->format == NETWORK_DENSE && x)
        network_add_dense(sums, width, kernel, reader->weight, x);
    if (kernel->format == NETWORK_MADE && x)
        network_add_made(sums, width, (const network_line *)reader->line, (const network_basis *)kernel->basis, x);
    if (kernel->format < NETWORK_MASKED)
        network_skip(kernel, reader, width, 1);
}

/* The same of cells that lie side by side. */
NETWORK_INLINE void network_add_cells(network_wide *sums, const uint8_t width, const network_layer *layer,
                                      network_reader *reader, const network_index first, const network_index cells)
{
    network_index place = network_at(layer->source, first), number;
    uint_fast8_t few;
    if (cells >> 8 == 0)
        for (few = 0; few < cells; few++) {
            network_add_cell(sums, width, layer->kernel, reader, network_number(layer->source, place));
            place = (network_index)(place + network_stride(layer->source));
        }
    else
        for (number = 0; number < cells; number++) {
            network_add_cell(sums, width, layer->kernel, reader, network_number(layer->source, place));
            place = (network_index)(place + network_stride(layer->source));
        }
}

/* sums[i] += the products of the window for a pixel with filters, of which `filter` is one. */
NETWORK_INLINE void network_add_window(network_wide *sums, const uint8_t width, const network_layer *layer,
                                       network_finder find, network_reader *reader, const network_count row,
                                       const network_count column, const network_count filter)
{
    const network_axis *rows = layer->rows, *columns = layer->columns;
    const network_index pixel = (network_index)(layer->channels * layer->groups);
    network_count down, across;
    if (layer->cells) {
        network_add_cells(sums, width, layer, reader, 0, layer->cells);
    } else if (layer->in_runs) {
        const network_index first = network_place(layer->layout, find, network_reached(rows, row, 0),
                                                  network_reached(columns, column, 0));
        for (down = 0; down < rows->window; down++)
            network_add_cells(sums, width, layer, reader,
                              (network_index)((first + (network_index)down * columns->size) * pixel),
                              (network_index)(columns->window * pixel));
    } else {
        for (down = 0; down < rows->window; down++) {
            if (network_is_beside(rows, row, down)) {
                network_skip(layer->kernel, reader, width, (network_index)(layer->channels * columns->window));
                continue;
            }
            for (across = 0; across < columns->window; across++) {
                network_index cell;
                if (network_is_beside(columns, column, across)) {
                    network_skip(layer->kernel, reader, width, layer->channels);
                    continue;
                }
                cell = (network_index)(network_kept(layer->layout, layer->kept, find, network_source(rows, row, down),
                                                    network_source(columns, column, across)) * pixel);
                if (layer->groups > 1)
                    cell = (network_index)(cell + (network_index)(filter / layer->filters * layer->channels));
                network_add_cells(sums, width, layer, reader, cell, layer->channels);
            }
        }
    }
}

/* Stores a sum, by one of the two functions. */
NETWORK_INLINE void network_finish(const network_layer *layer, network_round round, network_round_with round_with,
                                   const network_wide sum, const network_count filter, const network_index made,
                                   const network_index added)
{
    uint16_t number = 0;
    if (round)
        number = round(sum, filter);
    if (round_with)
        number = round_with(sum, filter, (network_index)(added + filter));
    network_set(layer->target, (network_index)(made + filter), number);
}

/* Filters `first` to before `end` of a pixel, `width` of them at once; where their weights and their mask start. */
NETWORK_INLINE void network_filters(const network_layer *layer, network_finder find, network_round round,
                                    network_round_with round_with, const network_index weight, const network_index mask,
                                    const network_count first, const network_count end, const uint8_t width,
                                    const network_count row, const network_count column, const network_index made,
                                    const network_index added)
{
    network_reader reader = {weight, mask, 0, 0};
    network_count filter;
    if (layer->kernel->format == NETWORK_GAPS)
        reader.gap = (uint8_t)network_weight_bits(weight, layer->kernel->gap_bits);
    for (filter = first; filter < end; filter = (network_count)(filter + width)) {
        network_wide sums[4] = {0, 0, 0, 0};
        network_add_window(sums, width, layer, find, &reader, row, column, filter);
        network_finish(layer, round, round_with, sums[0], filter, made, added);
        if (width > 1)
            network_finish(layer, round, round_with, sums[1], (network_count)(filter + 1), made, added);
        if (width > 2)
            network_finish(layer, round, round_with, sums[2], (network_count)(filter + 2), made, added);
        if (width > 3)
            network_finish(layer, round, round_with, sums[3], (network_count)(filter + 3), made, added);
    }
}

/* The same of weights that are made of a seed, at most eight filters at once. */
NETWORK_INLINE void network_made_filters(const network_layer *layer, network_finder find, network_round round,
                                         const uint32_t seed, const network_count first, const network_count end,
                                         const uint8_t width, const network_count row,
                                         const network_count column, const network_index made)
{
    const network_basis *const basis = (const network_basis *)layer->kernel->basis;
    network_count filter;
    for (filter = first; filter < end; filter = (network_count)(filter + width)) {
        network_wide sums[8];
        network_line line = network_basis_line(basis, seed, filter);
        network_reader reader = {0, 0, 0, 0};
        uint8_t i;
        reader.line = &line;
        for (i = 0; i < width; i++)
            sums[i] = 0;
        network_add_window(sums, width, layer, find, &reader, row, column, filter);
        for (i = 0; i < width; i++)
            network_set(layer->target, (network_index)(made + filter + i), round(sums[i], (network_count)(filter + i)));
    }
}
