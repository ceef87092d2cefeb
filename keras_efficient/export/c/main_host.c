/* The network on a computer: inputs from standard input, logits and classes to standard output.
 *
 * In: NETWORK_INPUTS numbers of NETWORK_INPUT_BYTES bytes per input, low byte first, until the end of the input.
 * Out, per input: NETWORK_LOGITS numbers of 16 bits, low byte first, then the class: one byte, or two for more than
 * 256 classes.
 *
 *     cc -O2 network.c main_host.c -o network && ./network < inputs.bin > logits.bin
 */
#include <stdint.h>
#include <stdio.h>

#include "network.h"

#ifndef NETWORK_INPUT_BYTES /* a network.h from before there were inputs of 16 bits */
#define NETWORK_INPUT_BYTES 1
#define NETWORK_INPUT_TYPE uint8_t
#endif
#ifndef NETWORK_LOGIT_BYTES /* one from before there were logits of 8 bits, and several outputs */
#define NETWORK_LOGIT_TYPE int16_t
#define NETWORK_CLASSES NETWORK_LOGITS
#endif

static void write_result(void) {
    const NETWORK_LOGIT_TYPE *logits = network_logits();
    for (int i = 0; i < NETWORK_LOGITS; ++i) {
        const uint16_t bits = (uint16_t)logits[i];
        putchar(bits & 0xFF);
        putchar(bits >> 8);
    }
    const unsigned class_index = network_classify();
    putchar((int)(class_index & 0xFF));
#if NETWORK_CLASSES > 256
    putchar((int)(class_index >> 8));
#endif
}

int main(void) {
    uint32_t pushed = 0;
    uint16_t number = 0;
    uint8_t bytes = 0;
    int byte;
    while ((byte = getchar()) != EOF) {
        number = (uint16_t)(number | (unsigned)byte << 8 * bytes);
        if (++bytes < NETWORK_INPUT_BYTES) {
            continue;
        }
        network_push((NETWORK_INPUT_TYPE)number);
        number = bytes = 0;
        if (++pushed == NETWORK_INPUTS) {
            write_result();
            pushed = 0;
        }
    }
    return pushed == 0 && bytes == 0 && !ferror(stdin) && fflush(stdout) == 0 ? 0 : 1;
}
