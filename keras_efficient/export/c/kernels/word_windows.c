/* Windows over maps whose products are taken word by word, as products.c does: layers of filters.c with sums of 32 bits.
 * Cells of a pixel fill whole bytes; of a layer in `groups` each filter has a channel of its own. */

/* From a sum to what is stored; `shift` is that of the filter. */
typedef uint16_t (*network_word_round)(int32_t sum, uint32_t filter, uint32_t shift);

/* The window of a pixel: how its cells and weights lie in words; where its first cell is. `copied`: so many cells are a
 * copy that is filled up with zeros. Else it may be `lines` of so many `bytes`, its part on the map. `total`: of all
 * cells. */
typedef struct {
    network_numbers cells, weights;
    network_span rows, columns;
    const uint8_t *first;
    int32_t lines, bytes, copied, total;
} network_window;

/* Numbers as they lie: bytes may be in two's complement, others count from the lowest of their grid. */
NETWORK_INLINE network_numbers network_numbers_of(const uint8_t bits, const int16_t low, const uint8_t is_twice,
                                                  const uint32_t flip)
{
    network_numbers numbers = {0, 0, 0, 0, 0, 0};
    uint32_t mask = ((1u << bits) - 1) * 0x10001u;
    NETWORK_HOLD(mask);
    numbers.bits = bits;
    numbers.is_signed = bits == 8 && low;
    numbers.is_twice = bits < 8 && is_twice;
    numbers.low = bits < 8 ? (uint8_t)-low : 0;
    numbers.flip = numbers.is_signed ? flip : 0;
    numbers.mask = mask;
    return numbers;
}

/* Whether weights count from 0, as they are stored: what lies below is a multiple of the sum of cells. */
NETWORK_INLINE uint8_t network_needs_total(const network_layer_of_32 *layer)
{
    return layer->groups == 1 && layer->kernel->bits < 8;
}

/* Bytes of a pixel of the source. */
NETWORK_INLINE int32_t network_pixel_bytes(const network_layer_of_32 *layer)
{
    return (int32_t)(layer->channels * layer->groups * layer->source->bits / 8);
}

/* Whether windows are one place of the map. */
NETWORK_INLINE uint8_t network_is_place(const network_axis *axis)
{
    return axis->window == 1 && axis->before == 0 && !axis->reaches_over && axis->spread == 1;
}

/* Whether the cells of a window's row lie side by side. */
NETWORK_INLINE uint8_t network_has_lines(const network_layer_of_32 *layer)
{
    const network_axis *rows = layer->rows, *columns = layer->columns;
    return layer->cells == 0 && layer->layout->order == NETWORK_ROWS && !layer->kept
           && rows->dilation * columns->dilation == 1 && rows->spread * columns->spread == 1
           && !(network_is_place(rows) && network_is_place(columns));
}

/* The pixel at place (down, across) of a window, which is on the map. */
NETWORK_INLINE network_index network_place_of(const network_layer_of_32 *layer, network_finder find,
                                              const network_count row, const network_count column,
                                              const network_count down, const network_count across)
{
    return network_kept(layer->layout, layer->kept, find, network_source(layer->rows, row, down),
                        network_source(layer->columns, column, across));
}

/* The cells from one place on as bytes. */
NETWORK_INLINE uint8_t *network_copy(uint8_t *to, const network_map *map, const network_index first,
                                     const network_index cells)
{
    network_index place = network_at(map, first);
    const uint8_t *const end = to + cells;
    while (to != end) {
        *to++ = (uint8_t)network_number(map, place);
        place = (network_index)(place + network_stride(map));
        NETWORK_NO_LIBRARY;
    }
    return to;
}

/* A window as bytes, filled up to so many. */
NETWORK_INLINE void network_copy_window(uint8_t *to, const network_index bytes, const network_layer_of_32 *layer,
                                        network_finder find, const network_count row, const network_count column)
{
    const network_axis *rows = layer->rows, *columns = layer->columns;
    network_index cells = layer->cells;
    network_count down, across;
    if (!layer->cells)
        cells = (network_index)((network_index)rows->window * columns->window * layer->channels);
    if (layer->cells) {
        to = network_copy(to, layer->source, 0, layer->cells);
    } else {
        for (down = 0; down < rows->window; down++) {
            if (network_is_beside(rows, row, down)) {
                to = network_fill(to, (network_index)(columns->window * layer->channels));
                continue;
            }
            for (across = 0; across < columns->window; across++) {
                network_index pixel;
                if (network_is_beside(columns, column, across)) {
                    to = network_fill(to, layer->channels);
                    continue;
                }
                pixel = network_place_of(layer, find, row, column, down, across);
                to = network_copy(to, layer->source, (network_index)(pixel * layer->channels), layer->channels);
            }
        }
    }
    network_fill(to, (network_index)(bytes - cells));
}

/* Chunks in a turn of the loop over so many bytes of cells: more would need more registers. */
NETWORK_INLINE uint8_t network_turns(const network_layer_of_32 *layer, const network_window *window,
                                     const int32_t bytes)
{
    const uint8_t chunk = network_chunk(&window->cells, &window->weights);
    const int32_t chunks = bytes * 4 / (chunk * window->cells.bits);
    if (layer->source->bits == 8 && layer->kernel->bits == 8 && chunks % 4 == 0)
        return 4;
    return chunks % 2 == 0 ? 2 : 1;
}

/* sums[i] += the products of so many bytes of cells with a block of filters; without filters, the cells. */
NETWORK_INLINE void network_add_bytes(int32_t *sums, const uint8_t filters, const network_layer_of_32 *layer,
                                      const network_window *window, const uint8_t *cell, const int32_t bytes,
                                      const uint8_t *weight)
{
    if (filters == 0)
        sums[0] = network_add_run(sums[0], cell, bytes, &window->cells);
    else if (layer->groups > 1)
        network_multiply_word(sums, cell, &window->cells, weight, &window->weights);
    else
        network_multiply_run(sums, filters, cell, bytes, &window->cells, weight, &window->weights,
                             network_turns(layer, window, bytes));
}

/* The same of the window's lines; so many bytes of weights for a place. */
NETWORK_INLINE void network_add_lines(int32_t *sums, const uint8_t filters, const network_layer_of_32 *layer,
                                      const network_window *window, const uint8_t *cell, const uint8_t *weight,
                                      const int32_t place)
{
    const int32_t across = (int32_t)layer->columns->window, pixel = network_pixel_bytes(layer);
    const int32_t line = (int32_t)layer->columns->size * pixel;
    const int32_t skipped = (across - window->columns.end + window->columns.first) * place;
    int32_t down;
    weight += (window->rows.first * across + window->columns.first) * place;
    if (filters == 0)
        for (down = 0; down < window->lines; down++)
            sums[0] = network_add_run(sums[0], cell + down * line, window->bytes, &window->cells);
    else if (layer->groups > 1)
        network_multiply_channels(sums, cell, window->lines, window->bytes, line, pixel, &window->cells, weight, skipped,
                                  &window->weights);
    else
        network_multiply_lines(sums, filters, cell, window->lines, window->bytes, line, &window->cells, weight, skipped,
                               &window->weights, network_turns(layer, window, pixel));
}

/* The same of the whole window, a block of weights; its filters read cells so many bytes on. */
NETWORK_INLINE void network_add_words(int32_t *sums, const uint8_t filters, const network_layer_of_32 *layer,
                                      network_finder find, const network_window *window, const uint8_t *weight,
                                      const int32_t block, const int32_t channel, const network_count row,
                                      const network_count column)
{
    const network_axis *rows = layer->rows, *columns = layer->columns;
    const uint8_t *const first = window->first + channel;
    const int32_t pixel = network_pixel_bytes(layer);
    network_count down, across;
    if (window->copied) {
        network_add_bytes(sums, filters, layer, window, first, window->copied, weight);
    } else if (layer->cells) {
        network_add_bytes(sums, filters, layer, window, first, (int32_t)(layer->cells * layer->source->bits / 8), weight);
    } else if (network_has_lines(layer)) {
        network_add_lines(sums, filters, layer, window, first, weight, block / (int32_t)(rows->window * columns->window));
    } else {
        const int32_t place = block / (int32_t)(rows->window * columns->window);
        for (down = 0; down < rows->window; down++) {
            if (network_is_beside(rows, row, down)) {
                weight += place * (int32_t)columns->window;
                continue;
            }
            for (across = 0; across < columns->window; across++, weight += place)
                if (!network_is_beside(columns, column, across))
                    network_add_bytes(sums, filters, layer, window,
                                      first + (int32_t)network_place_of(layer, find, row, column, down, across) * pixel,
                                      pixel, weight);
        }
    }
}

/* The part of window `number` that is on the map. */
NETWORK_INLINE network_span network_clip_axis(const network_axis *axis, const network_count number)
{
    return network_clip((int32_t)(number * axis->stride) - (int32_t)axis->before, (int32_t)axis->window,
                        (int32_t)axis->size);
}

/* Opens the window of a pixel, and copies so many cells of it where that is not 0. */
NETWORK_INLINE void network_open(network_window *window, uint8_t *copy, const int32_t copied,
                                 const network_layer_of_32 *layer, network_finder find, const network_count row,
                                 const network_count column)
{
    const network_map *source = layer->source;
    const network_kernel *kernel = layer->kernel;
    const int32_t pixel = network_pixel_bytes(layer);
    const uint8_t counts = !network_needs_total(layer);
    const network_span none = {0, 0, 0};
    window->rows = window->columns = none;
    window->lines = window->bytes = window->total = 0;
    window->cells = network_numbers_of(copied ? 8 : source->bits, source->low, source->shift, copied ? 0 : 0x80808080u);
    window->weights = network_numbers_of(kernel->bits, kernel->low * counts, kernel->shift * counts, 0);
    window->copied = copied;
    window->first = copied ? copy : network_arena.bytes + source->first * source->bits / 8;
    if (copied)
        network_copy_window(copy, (network_index)copied, layer, find, row, column);
    if (!copied && network_has_lines(layer)) {
        const network_axis *rows = layer->rows, *columns = layer->columns;
        window->rows = network_clip_axis(rows, row);
        window->columns = network_clip_axis(columns, column);
        window->first += ((window->rows.at + window->rows.first) * (int32_t)columns->size + window->columns.at
                          + window->columns.first) * pixel;
        window->bytes = (window->columns.end - window->columns.first) * pixel;
        window->lines = window->bytes > 0 ? window->rows.end - window->rows.first : 0;
    }
    if (network_needs_total(layer))
        network_add_words(&window->total, 0, layer, find, window, network_weights, 0, 0, row, column);
}

/* The shifts of a block of filters, a word of them at once where they start at a byte. `at`: one more than the place of
 * the first filter's; 0: there are none. */
NETWORK_INLINE void network_read_shifts(uint32_t *shifts, const uint8_t filters, const network_index at,
                                        const uint32_t filter)
{
    const uint8_t in_words = filters > 1 && at % 2 == 1;
    const uint8_t *const from = network_weights + filter / 2 + at / 2;
    uint32_t word = 0;
    uint8_t i;
    NETWORK_UNROLL
    for (i = 0; i < filters; i++) {
        if (at && in_words && i % 8 == 0)
            word = filters == 2 ? *from : filters == 4 ? network_half(from) : network_word(from + i / 2);
        shifts[i] = !at ? 0 : in_words ? word >> 4 * (i % 8) & 15 : network_weight_4((network_index)(at - 1 + filter + i));
    }
}

/* Stores what becomes of a block of sums: whole bytes where its cells fill some. */
NETWORK_INLINE void network_finish_words(const network_layer_of_32 *layer, network_word_round round, const int32_t *sums,
                                         const network_window *window, const uint8_t filters, const network_index shifts,
                                         const uint32_t filter, const network_index made)
{
    const network_map *target = layer->target;
    const network_kernel *kernel = layer->kernel;
    const uint8_t in_byte = target->bits == 2 || target->bits == 4 ? 8 / target->bits : 1;
    const uint8_t by_bytes = !(in_byte == 1 || target->is_logits || filters % in_byte
                               || layer->filters * layer->groups % in_byte || target->first % in_byte);
    uint32_t shift[16];
    uint8_t i, byte = 0;
    network_read_shifts(shift, filters, shifts, filter);
    NETWORK_UNROLL
    for (i = 0; i < filters; i++) {
        const int32_t sum =
            network_needs_total(layer) ? sums[i] * (1 << kernel->shift) - -kernel->low * window->total : sums[i];
        const uint16_t number = round(sum, filter + i, shift[i]);
        if (!by_bytes) {
            network_set(target, (network_index)(made + filter + i), number);
            continue;
        }
        byte = (uint8_t)(byte | number << i % in_byte * target->bits);
        if (i % in_byte == in_byte - 1) {
            network_arena.bytes[(made + filter) / in_byte + (target->first + i) / in_byte] = byte;
            byte = 0;
        }
    }
}

/* Filters `first` to before `end` of a pixel, a block of `width` of them at once, which has so many bytes of weights;
 * where weights and shifts start. */
NETWORK_INLINE void network_word_filters(const network_layer_of_32 *layer, network_finder find, network_word_round round,
                                         const network_window *window, const network_index weights, const int32_t block,
                                         const network_index shifts, const uint32_t first, const uint32_t end,
                                         const uint8_t width, const network_count row, const network_count column,
                                         const network_index made)
{
    const uint8_t *weight = network_weights + weights;
    uint32_t filter;
    for (filter = first; filter < end; filter += width) {
        int32_t sums[16];
        const int32_t channel = layer->groups > 1 ? (int32_t)(filter / (8u / layer->source->bits)) : 0;
        uint8_t i;
        NETWORK_UNROLL
        for (i = 0; i < width; i++)
            sums[i] = 0;
        network_add_words(sums, width, layer, find, window, weight, block, channel, row, column);
        weight += block;
        if (width == 4 && shifts) { /* registers are few */
            NETWORK_HOLD(filter);
            NETWORK_HOLD(weight);
        }
        network_finish_words(layer, round, sums, window, width, shifts, filter, made);
    }
}
