/* Sums of windows that are not complete yet, in the arena: byte by byte, as they lie anywhere. */

static uint16_t network_sum_16(network_index place)
{
    uint16_t sum = 0;
    uint8_t byte = 2;
    while (byte--)
        sum = (uint16_t)((sum << 8) | network_arena.bytes[place + byte]);
    return sum;
}

static void network_set_sum_16(network_index place, uint16_t sum)
{
    uint8_t byte;
    for (byte = 0; byte < 2; byte++, sum = (uint16_t)(sum >> 8))
        network_arena.bytes[place + byte] = (uint8_t)(sum & 255);
}

static uint32_t network_sum_32(network_index place)
{
    uint32_t sum = 0;
    uint8_t byte = 4;
    while (byte--)
        sum = (uint32_t)((sum << 8) | network_arena.bytes[place + byte]);
    return sum;
}

static void network_set_sum_32(network_index place, uint32_t sum)
{
    uint8_t byte;
    for (byte = 0; byte < 4; byte++, sum = (uint32_t)(sum >> 8))
        network_arena.bytes[place + byte] = (uint8_t)(sum & 255);
}

static uint64_t network_sum_64(network_index place)
{
    uint64_t sum = 0;
    uint8_t byte = 8;
    while (byte--)
        sum = (uint64_t)((sum << 8) | network_arena.bytes[place + byte]);
    return sum;
}

static void network_set_sum_64(network_index place, uint64_t sum)
{
    uint8_t byte;
    for (byte = 0; byte < 8; byte++, sum = (uint64_t)(sum >> 8))
        network_arena.bytes[place + byte] = (uint8_t)(sum & 255);
}
