/* The network on a Cortex-M0, M3 or M4, as qemu's machines mps2-an385 (M3; it runs the code of an M0, too) and mps2-an386
 * (M4): no library, no operating system.
 *
 * The simulated program reads images.bin and writes results.bin (as main_host.c does with standard
 * input and output) and counts.bin: per image three numbers of 32 bits, low byte first: the SysTick
 * ticks of the whole image, those from the last pixel on (0xFFFFFFFF: too many to count), and the
 * bytes of stack used. Files are reached by semihosting. It ends with an error after a
 * fault of the processor and when the stack reaches the variables. A tick is 10 instructions; a plugin of qemu
 * that knows the mark_ functions counts them one by one.
 *
 *     arm-none-eabi-gcc -mcpu=cortex-m3 -mthumb -O3 -ffreestanding -nostdlib -T cortex_m.ld
 *         -Wl,--defsym=RAM_BYTES=20480 network.c main_arm.c -lgcc -o network.elf
 *     qemu-system-arm -M mps2-an385 -kernel network.elf -semihosting-config enable=on,target=native
 *         -icount shift=2 -display none -serial none -monitor none
 *
 * For a device of your own: keep the start (vectors, reset), push your sensor's pixels, and act on
 * network_classify().
 */
#include <stddef.h>
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

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYSTICK_CONTROL REGISTER(0xE000E010)
#define SYSTICK_RELOAD REGISTER(0xE000E014)
#define SYSTICK_VALUE REGISTER(0xE000E018)
#define SYSTICK_WRAPPED (UINT32_C(1) << 16)
#define SYSTICK_LARGEST UINT32_C(0xFFFFFF)
#define TOO_MANY UINT32_C(0xFFFFFFFF)
#define PAINT UINT32_C(0xA5C3961E)

enum { SYS_OPEN = 1, SYS_WRITE0 = 4, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT_EXTENDED = 0x20 };
enum { READ_BINARY = 1, WRITE_BINARY = 5, APPLICATION_EXIT = 0x20026 };

extern uint32_t data_start[], data_end[], data_in_flash[], bss_start[], bss_end[], stack_top[];

/* Not RAM of the device: a sensor stands here. */
__attribute__((section(".simulation"))) static uint8_t image[NETWORK_INPUTS * NETWORK_INPUT_BYTES];

/* --- What GCC may call. Without the option GCC would see memset in memset and call it. --- */

#define NO_LIBRARY_CALLS __attribute__((used, optimize("no-tree-loop-distribute-patterns")))

NO_LIBRARY_CALLS void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

NO_LIBRARY_CALLS void *memset(void *to, int value, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        ((uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

/* --- Files of the computer, by semihosting. --- */

static uint32_t semihost(uint32_t operation, const void *arguments) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void stop(uint32_t status) {
    const uint32_t arguments[2] = {APPLICATION_EXIT, status};
    for (;;) {
        semihost(SYS_EXIT_EXTENDED, arguments);
    }
}

static void fail(const char *message) {
    semihost(SYS_WRITE0, message);
    stop(1);
}

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode) {
    const uint32_t arguments[3] = {(uint32_t)name, mode, length};
    const uint32_t file = semihost(SYS_OPEN, arguments);
    if (file == UINT32_MAX) {
        fail("Cannot open a file.\n");
    }
    return file;
}

/* Returns the number of bytes NOT transferred. */
static uint32_t transfer(uint32_t operation, uint32_t file, const void *bytes, uint32_t count) {
    const uint32_t arguments[3] = {file, (uint32_t)bytes, count};
    return semihost(operation, arguments);
}

static void write_bytes(uint32_t file, const void *bytes, uint32_t count) {
    if (transfer(SYS_WRITE, file, bytes, count) != 0) {
        fail("Cannot write a file.\n");
    }
}

/* --- Measurement. --- */

typedef struct {
    uint32_t last_number, logits, wrapped;
} ticks_t;

/* What SysTick showed; no RAM of the device. */
__attribute__((section(".simulation"))) static ticks_t ticks;

/* Functions of their own: a plugin knows them by their names. */
#define MARK __attribute__((noinline)) static void

/* Starts counting down from the largest value; writing the value also clears the wrapped flag. */
MARK mark_first_number(void) {
    SYSTICK_RELOAD = SYSTICK_LARGEST;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 5; /* on, processor clock, no interrupt */
}

MARK mark_last_number(void) {
    ticks.last_number = SYSTICK_VALUE;
}

MARK mark_logits(void) {
    ticks.logits = SYSTICK_VALUE;
    ticks.wrapped = SYSTICK_CONTROL & SYSTICK_WRAPPED;
}

static inline uint32_t *stack_pointer(void) {
    uint32_t *address;
    __asm__ volatile("mov %0, sp" : "=r"(address));
    return address;
}

static inline void paint_free_stack(void) {
    const uint32_t *end = stack_pointer();
    for (uint32_t *to = bss_end; to < end; ++to) {
        *to = PAINT;
    }
}

/* Bytes from `top` down to the lowest word that is not as it was painted. */
static uint32_t used_stack(const uint32_t *top) {
    const uint32_t *lowest = bss_end;
    while (lowest < top && *lowest == PAINT) {
        ++lowest;
    }
    return (uint32_t)((const char *)top - (const char *)lowest);
}

/* Number i of the image: one or two bytes, low byte first. */
static inline NETWORK_INPUT_TYPE number_at(uint32_t i) {
#if NETWORK_INPUT_BYTES == 1
    return (NETWORK_INPUT_TYPE)image[i];
#else
    return (NETWORK_INPUT_TYPE)(image[2 * i] | image[2 * i + 1] << 8);
#endif
}

/* The stack counted is that of the network's functions: what lies below this one. */
static void run_image(uint32_t results, uint32_t counts) {
    uint32_t numbers[3];
    const uint32_t *top = stack_pointer();
    paint_free_stack();
    mark_first_number();
    for (uint32_t i = 0; i + 1 < NETWORK_INPUTS; ++i) {
        network_push(number_at(i));
    }
    mark_last_number();
    network_push(number_at(NETWORK_INPUTS - 1));
    const NETWORK_LOGIT_TYPE *logits = network_logits();
    mark_logits();
    const uint16_t class_index = network_classify();
    numbers[0] = ticks.wrapped ? TOO_MANY : SYSTICK_LARGEST - ticks.logits;
    numbers[1] = ticks.wrapped ? TOO_MANY : ticks.last_number - ticks.logits;
    numbers[2] = used_stack(top);
    if (*bss_end != PAINT) {
        fail("The stack reaches the variables.\n");
    }
    write_bytes(counts, numbers, sizeof numbers);
    for (uint32_t i = 0; i < NETWORK_LOGITS; ++i) {
        const int16_t logit = logits[i];
        write_bytes(results, &logit, sizeof logit);
    }
    write_bytes(results, &class_index, NETWORK_CLASSES > 256 ? 2 : 1);
}

int main(void) {
    const uint32_t images = open_file("images.bin", 10, READ_BINARY);
    const uint32_t results = open_file("results.bin", 11, WRITE_BINARY);
    const uint32_t counts = open_file("counts.bin", 10, WRITE_BINARY);
    while (transfer(SYS_READ, images, image, sizeof image) == 0) {
        run_image(results, counts);
    }
    stop(0);
    return 0;
}

/* --- Start. --- */

void reset(void) {
    const uint32_t *from = data_in_flash;
    for (uint32_t *to = data_start; to != data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to != bss_end; ++to) {
        *to = 0;
    }
    main();
}

static void fault(void) {
    fail("Fault of the processor: a wrong address or instruction, or the stack leaves the RAM.\n");
}

typedef union {
    const uint32_t *stack;
    void (*handler)(void);
} vector_t;

__attribute__((section(".vectors"), used)) static const vector_t vectors[16] = {
    {.stack = stack_top},
    {.handler = reset},
    {.handler = fault}, /* NMI */
    {.handler = fault}, /* hard fault; the others escalate to it */
    {.handler = fault},
    {.handler = fault},
    {.handler = fault},
};
