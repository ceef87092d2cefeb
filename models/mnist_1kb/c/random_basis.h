/* Kernels of random-basis layers from their coordinate file, on the device.

   A file is one record a layer. Read it record by record; then make the rows of a kernel one at a time, as often as
   they are needed: a kernel never has to be in memory. With z the coordinates, w the row length padded to the next
   number that shares no factor with d, and n_b the kernel entries whose place is b modulo d:

       entry (row, column) = limit * uniform(row * columns + column) + sign(place) * z[place % d] / sqrt(n[place % d]),
       place = row * w + column,   limit = sqrt(6 / (receptive * (fan in + fan out))).

   The bits are those of numpy where `double` has 64 bits and products and sums are not contracted
   (gcc -std=c99 or -ffp-contract=off). Link the C library's mathematics (-lm). */
#ifndef RANDOM_BASIS_H
#define RANDOM_BASIS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint32_t seed, coordinates, biases; /* the last two: how many */
    uint8_t bits, bias_bits;            /* 1 to 16, or 32: float */
    int8_t exponent, bias_exponent;     /* of the scales: powers of two */
    const uint8_t *codes, *bias_codes;  /* packed, in the file */
} random_basis_record;

/* A kernel as a matrix: receptive * inputs rows of one entry for each output. Dense: receptive = 1. */
typedef struct {
    uint32_t receptive, inputs, outputs;
} random_basis_kernel;

/* Read the record at `file`, which ends before `end`; returns where the next one starts, or NULL if it is damaged. */
const uint8_t *random_basis_read(random_basis_record *record, const uint8_t *file, const uint8_t *end);

/* Coordinate or bias number `index`. */
float random_basis_coordinate(const random_basis_record *record, uint32_t index);
float random_basis_bias(const random_basis_record *record, uint32_t index);

/* scaled[b] = z_b / sqrt(n_b), for all coordinates: once for each layer. */
void random_basis_scale(const random_basis_record *record, const random_basis_kernel *kernel, float *scaled);

/* A row of the kernel: `outputs` numbers. */
void random_basis_row(const random_basis_record *record, const random_basis_kernel *kernel, const float *scaled,
                      uint32_t row, float *weights);

/* The hash: word `index` of a seed and a salt. Signs have salt 0, uniform numbers salt 1. */
uint32_t random_basis_word(uint32_t seed, uint32_t salt, uint32_t index);

#ifdef __cplusplus
}
#endif

#endif
