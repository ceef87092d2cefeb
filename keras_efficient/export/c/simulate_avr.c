/* Runs the program of main_avr.c on a simulated ATmega328P (library simavr) and measures it.
 *
 *     cc -O2 -I DIR simulate_avr.c -lsimavr -o simulate_avr       DIR has network.h
 *     ./simulate_avr network.elf report.json CYCLE_LIMIT < images.bin > results.bin
 *
 * images.bin and results.bin are those of main_host.c. The report has one line of JSON. The run ends
 * with an error when the stack reaches the variables, when an image takes more than CYCLE_LIMIT cycles
 * and when the processor meets a wrong instruction or address.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <simavr/sim_avr.h>
#include <simavr/sim_core.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_io.h>

#include "network.h"

#ifndef NETWORK_INPUT_BYTES /* a network.h from before there were inputs of 16 bits */
#define NETWORK_INPUT_BYTES 1
#define NETWORK_INPUT_TYPE uint8_t
#endif
#ifndef NETWORK_LOGIT_BYTES /* one from before there were logits of 8 bits, and several outputs */
#define NETWORK_LOGIT_TYPE int16_t
#define NETWORK_CLASSES NETWORK_LOGITS
#endif

enum { PIXEL_REGISTER = 0x4A, RESULT_REGISTER = 0x4B };  /* GPIOR1, GPIOR2 as data addresses */
enum { RESULT_BYTES = 2 * NETWORK_LOGITS + (NETWORK_CLASSES > 256 ? 2 : 1), DATA_ADDRESS = 0x800000 };
enum { IMAGE_BYTES = NETWORK_INPUTS * NETWORK_INPUT_BYTES };

typedef struct {
    uint64_t sum, min, max;
} cycles_t;

static uint8_t image[IMAGE_BYTES];
static uint32_t pixels_taken, bytes_sent, images;
static int finished;
static uint64_t first_pixel_cycle, last_pixel_cycle;
static cycles_t image_cycles, inference_cycles;
static unsigned lowest_sp;

static void count(cycles_t *cycles, uint64_t spent) {
    cycles->sum += spent;
    cycles->min = images == 0 || spent < cycles->min ? spent : cycles->min;
    cycles->max = spent > cycles->max ? spent : cycles->max;
}

/* The program takes a pixel. */
static uint8_t read_pixel(avr_t *avr, avr_io_addr_t address, void *unused) {
    (void)address;
    (void)unused;
    if (pixels_taken == 0) {
        finished = fread(image, 1, IMAGE_BYTES, stdin) != IMAGE_BYTES;
        first_pixel_cycle = avr->cycle;
    }
    last_pixel_cycle = avr->cycle;
    const uint8_t pixel = image[pixels_taken];
    pixels_taken = (pixels_taken + 1) % IMAGE_BYTES;
    return pixel;
}

/* The program hands over a byte of the result; the first one ends the time measured. */
static void write_result(avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused) {
    (void)address;
    (void)unused;
    if (bytes_sent == 0) {
        count(&image_cycles, avr->cycle - first_pixel_cycle);
        count(&inference_cycles, avr->cycle - last_pixel_cycle);
    }
    putchar(value);
    if (++bytes_sent == RESULT_BYTES) {
        bytes_sent = 0;
        ++images;
    }
}

/* A frame is made by writing the high byte of the stack pointer, the status register, then the low
 * byte (`out 0x3d`). In between the stack pointer means nothing. */
static int stack_pointer_is_half_written(const avr_t *avr) {
    for (int ahead = 0; ahead < 2; ++ahead) {
        const uint8_t *code = avr->flash + avr->pc + 2 * ahead;
        if (((code[0] | code[1] << 8) & 0xFE0F) == 0xBE0D) {
            return 1;
        }
    }
    return 0;
}

static void log_errors(avr_t *avr, const int level, const char *format, va_list arguments) {
    (void)avr;
    if (level == LOG_ERROR) {
        vfprintf(stderr, format, arguments);
    }
}

static unsigned end_of_variables(const elf_firmware_t *firmware) {
    for (uint32_t i = 0; i < firmware->symbolcount; ++i) {
        if (strcmp(firmware->symbol[i]->symbol, "_end") == 0) {
            return firmware->symbol[i]->addr - DATA_ADDRESS;
        }
    }
    fprintf(stderr, "The program has no symbol _end.\n");
    exit(2);
}

static avr_t *load(const char *path, unsigned *variables_end) {
    static elf_firmware_t firmware;
    avr_global_logger_set(log_errors);
    avr_t *avr = avr_make_mcu_by_name("atmega328p");
    if (avr == NULL || elf_read_firmware(path, &firmware) != 0) {
        fprintf(stderr, "Cannot load %s.\n", path);
        exit(2);
    }
    *variables_end = end_of_variables(&firmware);
    avr_init(avr);
    firmware.frequency = 16000000;
    avr_load_firmware(avr, &firmware);
    memset(avr->data + avr->ioend + 1, 0xA5, avr->ramend - avr->ioend);  /* RAM starts with anything */
    avr_register_io_read(avr, PIXEL_REGISTER, read_pixel, NULL);
    avr_register_io_write(avr, RESULT_REGISTER, write_result, NULL);
    return avr;
}

/* Runs instruction by instruction until there are no more images; NULL, or what went wrong. */
static const char *run(avr_t *avr, unsigned variables_end, uint64_t cycle_limit) {
    avr->run_cycle_count = 0;  /* avr_run_one executes one instruction, then */
    avr->state = cpu_Running;
    lowest_sp = avr->ramend;
    while (!finished) {
        avr->pc = avr_run_one(avr);
        const unsigned sp = avr->data[R_SPL] | avr->data[R_SPH] << 8;
        if (sp < lowest_sp && !stack_pointer_is_half_written(avr)) {
            lowest_sp = sp;
            if (sp + 1 < variables_end) {
                return "the stack reaches the variables";
            }
        }
        if (avr->cycle - first_pixel_cycle > cycle_limit) {
            return "more cycles than the limit";
        }
        if (avr->state != cpu_Running) {
            return "the processor stopped";
        }
    }
    return NULL;
}

static void write_cycles(FILE *file, const char *name, const cycles_t *cycles) {
    const double mean = images == 0 ? 0 : (double)cycles->sum / images;
    fprintf(file, "\"%s\": {\"mean\": %.1f, \"min\": %" PRIu64 ", \"max\": %" PRIu64 "}, ", name, mean,
            cycles->min, cycles->max);
}

static int write_report(const char *path, const avr_t *avr, unsigned variables_end) {
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return -1;
    }
    fprintf(file, "{\"images\": %" PRIu32 ", ", images);
    write_cycles(file, "image_cycles", &image_cycles);
    write_cycles(file, "inference_cycles", &inference_cycles);
    fprintf(file, "\"stack_bytes\": %u, \"overflow\": %s}\n", avr->ramend - lowest_sp,
            lowest_sp + 1 < variables_end ? "true" : "false");
    return fclose(file);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "Usage: simulate_avr network.elf report.json CYCLE_LIMIT\n");
        return 2;
    }
    unsigned variables_end = 0;
    avr_t *avr = load(argv[1], &variables_end);
    const char *problem = run(avr, variables_end, strtoull(argv[3], NULL, 10));
    if (problem != NULL) {
        fprintf(stderr, "Image %" PRIu32 ": %s. Stack: %u bytes, variables: %u bytes.\n", images, problem,
                avr->ramend - lowest_sp, variables_end - (avr->ioend + 1));
    }
    if (write_report(argv[2], avr, variables_end) != 0 || fflush(stdout) != 0) {
        fprintf(stderr, "Cannot write the results.\n");
        return 2;
    }
    return problem == NULL ? 0 : 1;
}
