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
