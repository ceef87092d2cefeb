/* Where a window lies on its map. */

/* The end of a loop that stays a loop: with all places of a large window one after another, code and stack grow. */
#if defined __GNUC__ && !defined __OPTIMIZE_SIZE__
#define NETWORK_ROLLED(end) __asm__("" : "+r"(end))
#else
#define NETWORK_ROLLED(end)
#endif

/* A window along one axis of a map of `size`: it starts so many places before the map, and may reach over its end. Its
 * own places are `dilation` apart; those of the map are `spread` apart, with zeros between them. */
typedef struct {
    network_count size, window, stride, before;
    uint8_t reaches_over, dilation, spread;
} network_axis;

/* Rows and columns that windows reach. On processors of 8 bits bytes take less code, and words are faster where loops
 * are unrolled. */
#if defined __AVR__ && defined __OPTIMIZE_SIZE__
typedef network_count network_reach;
#else
typedef network_index network_reach;
#endif

/* Where place `at` of window `number` is: `before` places on, and among the zeros. */
NETWORK_INLINE network_reach network_reached(const network_axis *axis, const network_count number,
                                             const network_count at)
{
    return (network_reach)(number * axis->stride + at * axis->dilation);
}

/* Whether that is none of the map's places. */
NETWORK_INLINE uint8_t network_is_beside(const network_axis *axis, const network_count number,
                                         const network_count at)
{
    const network_reach place = (network_reach)(network_reached(axis, number, at) - axis->before); /* below 0: large */
    return ((axis->before || axis->reaches_over) && place >= (network_reach)((axis->size - 1) * axis->spread + 1))
           || (axis->spread > 1 && place % axis->spread != 0);
}

/* The place of the map. */
NETWORK_INLINE network_reach network_source(const network_axis *axis, const network_count number,
                                            const network_count at)
{
    return (network_reach)((network_reached(axis, number, at) - axis->before) / axis->spread);
}

/* The function that computes a pixel of the target, from cell `made` on. */
typedef void (*network_one)(network_count row, network_count column, network_index made);

/* Functions that are not drawn into their callers, as both need all registers: those of layers on processors of 8 bits,
 * unless code is to be small, and those of pixels on others. Where pixels are drawn in, a loop in a loop lets more be
 * computed once. */
#if defined __GNUC__ && !defined __AVR__
#define NETWORK_LAYER static
#define NETWORK_PIXEL static __attribute__((noinline))
#define NETWORK_NESTED 0
#elif defined __GNUC__ && !defined __OPTIMIZE_SIZE__
#define NETWORK_LAYER static __attribute__((noinline))
#define NETWORK_PIXEL static
#define NETWORK_NESTED 1
#else
#define NETWORK_LAYER static
#define NETWORK_PIXEL static
#define NETWORK_NESTED 0
#endif

/* A pixel; the place of the next one. */
NETWORK_INLINE network_index network_compute_pixel(network_one compute, const network_count row,
                                                   const network_count column, const network_index made,
                                                   const network_count channels)
{
    compute(row, column, made);
    return (network_index)(made + channels);
}

/* All pixels of a layer, in the order of its target. */
NETWORK_INLINE void network_each_pixel(const network_layout *target, const network_count channels, network_one compute)
{
    network_index made = 0;
    network_count row, column, top = 0, left = 0;
    network_pixel at = {0, 0, 0, 0};
    if (target->order < NETWORK_ALTERNATING && !NETWORK_NESTED) {
        do
            made = network_compute_pixel(compute, at.row, at.column, made, channels);
        while (network_next_pixel(target, &at));
        return;
    }
    if (target->order == NETWORK_ROWS) {
        for (row = 0; row < target->rows; row++)
            for (column = 0; column < target->columns; column++)
                made = network_compute_pixel(compute, row, column, made, channels);
        return;
    }
    if (target->order == NETWORK_COLUMNS) {
        for (column = 0; column < target->columns; column++)
            for (row = 0; row < target->rows; row++)
                made = network_compute_pixel(compute, row, column, made, channels);
        return;
    }
    while (top < target->rows && left < target->columns) {
        const uint8_t along_row = left >= network_first_column(target, top);
        row = top;
        column = left;
        do {
            made = network_compute_pixel(compute, row, column, made, channels);
            if (along_row)
                column++;
            else
                row++;
        } while (row < target->rows && column < target->columns);
        if (along_row)
            top++;
        else
            left++;
    }
}

/* Two layers with windows of 3x3 in one order: each pixel of the inner one, and after it the pixels of the outer one
 * that waited for it. `kept`: so many inner pixels lie in a ring; 0: all. */
NETWORK_INLINE void network_residual(const network_layout *map, network_finder find, const network_index kept,
                                     const network_count channels, network_one inner, network_one outer)
{
    network_index made = 0, done = 0;
    network_pixel at = {0, 0, 0, 0}, next = {0, 0, 0, 0};
    uint8_t is_left = 1;
    do {
        inner(at.row, at.column, (network_index)((kept ? made % kept : made) * channels));
        made++;
        while (is_left && network_place(map, find, (network_count)(next.row + (next.row + 1 < map->rows)),
                                        (network_count)(next.column + (next.column + 1 < map->columns))) < made) {
            outer(next.row, next.column, (network_index)(done * channels));
            done++;
            is_left = network_next_pixel(map, &next);
        }
    } while (network_next_pixel(map, &at));
}

/* The rows or columns (`by_rows`) of windows of which a line that has arrived is the last one that they need, each with
 * all its pixels, `across`. Windows that lie before the map come with its first line, those that reach over its end with
 * its last one. */
NETWORK_INLINE void network_arrive(const network_axis *axis, const network_count windows, const network_count across,
                                   const uint8_t by_rows, const network_count arrived, network_one compute)
{
    const network_index place = (network_index)((network_index)arrived + axis->before);
    const network_index span = (network_index)((axis->window - 1) * axis->dilation);
    network_count line = 0, other;
    if (arrived && place >= span)
        line = (network_count)((place - span + axis->stride - 1) / axis->stride);
    for (; line < windows; line++) {
        if ((network_index)((network_index)line * axis->stride + span) > place
            && !(axis->reaches_over && arrived == axis->size - 1))
            break;
        for (other = 0; other < across; other++)
            compute(by_rows ? line : other, by_rows ? other : line, 0);
    }
}
