/* Kernels of random-basis layers from their coordinate file; random_basis.h says how to use it. */
#include "random_basis.h"

#include <math.h>
#include <string.h>

#define MARK 0xB5u
#define VERSION 1u
#define HEADER_BYTES 20u
#define FLOAT_BITS 32u
#define SIGN_SALT 0u
#define START_SALT 1u

static uint32_t mix(uint32_t v) {
    v ^= v >> 16;
    v *= 0x7feb352du;
    v ^= v >> 15;
    v *= 0x846ca68bu;
    v ^= v >> 16;
    return v;
}

uint32_t random_basis_word(uint32_t seed, uint32_t salt, uint32_t index) {
    return mix(index + mix(seed ^ (0x9e3779b9u * (salt + 1u))));
}

static float sign(uint32_t seed, uint32_t index) {
    return (random_basis_word(seed, SIGN_SALT, index / 32u) >> (index % 32u)) & 1u ? -1.0f : 1.0f;
}

static float uniform(uint32_t seed, uint32_t index) {
    const uint32_t low = random_basis_word(seed, START_SALT, index) & 0xffffffu;
    return (float)low * (1.0f / 8388608.0f) - 1.0f;
}

static uint32_t word_at(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint64_t packed_bytes(uint32_t count, uint32_t bits) { return ((uint64_t)count * bits + 7u) / 8u; }

/* CRC-CCITT (0x1021) from 0, the check sum's own bytes as zeros. */
static uint16_t checksum(const uint8_t *bytes, uint64_t count) {
    uint16_t crc = 0;
    uint64_t i;
    for (i = 0; i < count; i++) {
        const uint8_t byte = i == 18u || i == 19u ? 0 : bytes[i];
        int bit;
        crc = (uint16_t)(crc ^ ((uint16_t)byte << 8));
        for (bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000u ? ((uint32_t)crc << 1) ^ 0x1021u : (uint32_t)crc << 1);
    }
    return crc;
}

static int good_bits(uint8_t bits) { return (bits >= 1u && bits <= 16u) || bits == FLOAT_BITS; }

const uint8_t *random_basis_read(random_basis_record *record, const uint8_t *file, const uint8_t *end) {
    uint64_t bytes, total;
    if ((size_t)(end - file) < HEADER_BYTES || file[0] != MARK || file[1] != VERSION) return NULL;
    record->bits = file[2];
    record->exponent = (int8_t)file[3];
    record->bias_bits = file[4];
    record->bias_exponent = (int8_t)file[5];
    record->seed = word_at(file + 6);
    record->coordinates = word_at(file + 10);
    record->biases = word_at(file + 14);
    if (!record->coordinates || !good_bits(record->bits) || !good_bits(record->bias_bits)) return NULL;
    bytes = packed_bytes(record->coordinates, record->bits);
    total = HEADER_BYTES + bytes + packed_bytes(record->biases, record->bias_bits);
    if ((uint64_t)(end - file) < total) return NULL;
    if (checksum(file, total) != (uint16_t)(file[18] | (uint16_t)file[19] << 8)) return NULL;
    record->codes = file + HEADER_BYTES;
    record->bias_codes = record->codes + bytes;
    return file + total;
}

/* The number that code `index` stands for; codes count from the lowest one of the grid. */
static float number(const uint8_t *codes, uint32_t index, uint8_t bits, int8_t exponent) {
    const uint64_t first = (uint64_t)index * bits;
    uint32_t code = 0;
    uint8_t i;
    if (bits == FLOAT_BITS) {
        const uint32_t word = word_at(codes + 4u * (size_t)index);
        float value;
        memcpy(&value, &word, sizeof value);
        return value;
    }
    for (i = 0; i < bits; i++) code |= ((uint32_t)codes[(first + i) / 8u] >> ((first + i) % 8u) & 1u) << i;
    /* One or two bits stand for the middles between the steps: there is no zero among them. */
    return ldexpf((float)((int32_t)code - (1L << (bits - 1))) + (bits <= 2 ? 0.5f : 0.0f), exponent - bits + 1);
}

float random_basis_coordinate(const random_basis_record *record, uint32_t index) {
    return number(record->codes, index, record->bits, record->exponent);
}

float random_basis_bias(const random_basis_record *record, uint32_t index) {
    return number(record->bias_codes, index, record->bias_bits, record->bias_exponent);
}

static uint32_t common_factor(uint32_t a, uint32_t b) {
    while (b) {
        const uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static uint32_t padded_width(uint32_t width, uint32_t dimensions) {
    while (common_factor(width, dimensions) > 1u) width++;
    return width;
}

void random_basis_scale(const random_basis_record *record, const random_basis_kernel *kernel, float *scaled) {
    const uint32_t dimensions = record->coordinates, width = padded_width(kernel->outputs, dimensions);
    uint32_t row, column, b;
    for (b = 0; b < dimensions; b++) scaled[b] = 0.0f;
    for (row = 0; row < kernel->receptive * kernel->inputs; row++)
        for (column = 0; column < kernel->outputs; column++) scaled[(row * width + column) % dimensions] += 1.0f;
    for (b = 0; b < dimensions; b++) {
        const double count = scaled[b] > 1.0f ? scaled[b] : 1.0;
        scaled[b] = random_basis_coordinate(record, b) * (float)(1.0 / sqrt(count));
    }
}

void random_basis_row(const random_basis_record *record, const random_basis_kernel *kernel, const float *scaled,
                      uint32_t row, float *weights) {
    const uint32_t outputs = kernel->outputs, first = row * padded_width(outputs, record->coordinates);
    const double fans = (double)kernel->receptive * ((double)kernel->inputs + (double)outputs);
    const float limit = (float)sqrt(6.0 / fans);
    uint32_t column;
    for (column = 0; column < outputs; column++) {
        const uint32_t place = first + column;
        const float start = limit * uniform(record->seed, row * outputs + column);
        weights[column] = start + sign(record->seed, place) * scaled[place % record->coordinates];
    }
}
