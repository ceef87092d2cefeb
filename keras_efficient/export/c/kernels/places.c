/* Where the pixels of a map lie, and all of them in that order. */

/* The order of a map's pixels: row by row, column by column, or in strips, each a row or a column of what is left of the
 * map. Strips alternate, a row first, or a table has the columns that are peeled before each row (of bytes, or of 16
 * bits). */
enum { NETWORK_ROWS, NETWORK_COLUMNS, NETWORK_ALTERNATING, NETWORK_STRIPS };
typedef struct {
    network_count rows, columns;
    uint8_t order, is_wide;
    const void *first_columns;
} network_layout;

/* The function that finds a pixel in strips. */
typedef network_index (*network_finder)(network_count row, network_count column);

/* The place of a pixel, in pixels. */
NETWORK_INLINE network_index network_place(const network_layout *map, network_finder in_strips,
                                           const network_index row, const network_index column)
{
    if (map->rows == 1)
        return column;
    if (map->columns == 1)
        return row;
    if (map->order == NETWORK_ROWS)
        return (network_index)(row * map->columns + column);
    if (map->order == NETWORK_COLUMNS)
        return (network_index)(column * map->rows + row);
    return in_strips((network_count)row, (network_count)column);
}

/* The place of a pixel of which `kept` lie in a ring, by the row where those are whole rows; 0: all are kept. */
NETWORK_INLINE network_index network_kept(const network_layout *map, const network_index kept, network_finder in_strips,
                                          const network_index row, const network_index column)
{
    if (kept && map->order == NETWORK_ROWS && kept % map->columns == 0)
        return network_place(map, in_strips, (network_count)((network_count)row % (network_count)(kept / map->columns)),
                             column);
    if (kept)
        return (network_index)(network_place(map, in_strips, row, column) % kept);
    return network_place(map, in_strips, row, column);
}

/* From a pixel to the next one of its row, in pixels; 0: that differs. */
NETWORK_INLINE network_index network_step(const network_layout *map)
{
    return map->order == NETWORK_ROWS ? 1 : map->order == NETWORK_COLUMNS ? map->rows : 0;
}

/* A pixel in strips: pixels before the strip, and place in the strip. So many columns are peeled before the row, and rows
 * before the column. */
NETWORK_INLINE network_index network_place_in_strips(const network_index rows, const network_index columns,
                                                     const network_count row, const network_count column,
                                                     const network_index first_column, const network_index first_row)
{
    if (column >= first_column)
        return (network_index)(row * columns + first_column * (rows - row) + column - first_column);
    return (network_index)(first_row * columns + column * (rows - first_row) + row - first_row);
}

/* Columns that are peeled before a row. */
NETWORK_INLINE network_count network_first_column(const network_layout *map, const network_count row)
{
    if (map->order == NETWORK_ALTERNATING)
        return row;
    if (map->is_wide)
        return (network_count)NETWORK_TABLE(((const uint16_t *)map->first_columns), row);
    return NETWORK_TABLE(((const uint8_t *)map->first_columns), row);
}

/* A pixel in the order of its map; rows and columns that are done. */
typedef struct {
    network_count row, column, top, left;
} network_pixel;

/* Goes on to the next pixel; whether there is one. */
NETWORK_INLINE uint8_t network_next_pixel(const network_layout *map, network_pixel *pixel)
{
    uint8_t along_row;
    if (map->order == NETWORK_ROWS) {
        if (++pixel->column < map->columns)
            return 1;
        pixel->column = 0;
        return ++pixel->row < map->rows;
    }
    if (map->order == NETWORK_COLUMNS) {
        if (++pixel->row < map->rows)
            return 1;
        pixel->row = 0;
        return ++pixel->column < map->columns;
    }
    along_row = pixel->left >= network_first_column(map, pixel->top);
    if (along_row)
        pixel->column++;
    else
        pixel->row++;
    if (pixel->row < map->rows && pixel->column < map->columns)
        return 1;
    if (along_row)
        pixel->top++;
    else
        pixel->left++;
    pixel->row = pixel->top;
    pixel->column = pixel->left;
    return pixel->top < map->rows && pixel->left < map->columns;
}
