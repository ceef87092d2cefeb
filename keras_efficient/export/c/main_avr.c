/* The network on an ATmega328P: inputs in and results out through two general purpose I/O registers,
 * so that a simulator needs no serial port (simulate_avr.c is the other side).
 *
 * Reading GPIOR1 takes the next byte of the input (low bytes first); writing GPIOR2 hands over a byte of the
 * result: the logits, low byte first, then the class.
 *
 * For a device of your own, replace the body of next_input() by your sensor, and act on
 * network_classify() where the results are sent.
 *
 * Least RAM: compile as one unit, so that the network becomes a part of main:
 *
 *     avr-gcc -mmcu=atmega328p -Os -fwhole-program -include network.c main_avr.c -o network.elf
 */
#include <avr/io.h>
#include <stdint.h>

#include "network.h"

#ifndef NETWORK_INPUT_BYTES /* a network.h from before there were inputs of 16 bits */
#define NETWORK_INPUT_BYTES 1
#define NETWORK_INPUT_TYPE uint8_t
#endif
#ifndef NETWORK_LOGIT_BYTES /* one from before there were logits of 8 bits, and several outputs */
#define NETWORK_LOGIT_TYPE int16_t
#define NETWORK_CLASSES NETWORK_LOGITS
#endif

/* Counters as small as they may be. */
#if NETWORK_INPUTS > 65535
typedef uint32_t input_count;
#else
typedef uint16_t input_count;
#endif
#if NETWORK_LOGITS > 255
typedef uint16_t logit_count;
#else
typedef uint8_t logit_count;
#endif

static inline NETWORK_INPUT_TYPE next_input(void) {
#if NETWORK_INPUT_BYTES == 1
    return (NETWORK_INPUT_TYPE)GPIOR1;
#else
    const uint8_t low = GPIOR1;
    return (NETWORK_INPUT_TYPE)(low | (uint16_t)GPIOR1 << 8);
#endif
}

static inline void send(uint8_t byte) {
    GPIOR2 = byte;
}

/* OS_main: nobody needs the caller's registers, so none are saved. In .init8 the start code runs into
 * main instead of calling it, which saves the 2 bytes of a return address: main must never return. */
int main(void) __attribute__((OS_main, section(".init8")));

int main(void) {
    for (;;) {
        for (input_count left = NETWORK_INPUTS; left != 0; --left) {
            network_push(next_input());
        }
        const NETWORK_LOGIT_TYPE *logits = network_logits();
        for (logit_count i = 0; i < NETWORK_LOGITS; ++i) {
            send((uint8_t)((uint16_t)logits[i] & 0xFF));
            send((uint8_t)((uint16_t)logits[i] >> 8));
        }
        const uint16_t class_index = network_classify();
        send((uint8_t)(class_index & 0xFF));
#if NETWORK_CLASSES > 256
        send((uint8_t)(class_index >> 8));
#endif
    }
}
