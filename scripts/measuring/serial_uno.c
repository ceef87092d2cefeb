/* A program of an Arduino Uno (ATmega328P, 16 MHz) on simavr, with its serial port as standard input and output.
 *
 *     cc -O2 serial_uno.c -lsimavr -o serial_uno
 *     ./serial_uno sketch.elf BYTES LINES < inputs > lines
 *
 * BYTES of standard input go to the board after each line that it writes, as somebody does who waits for the answer.
 * The run ends after LINES lines, or with status 1 after ten simulated seconds without one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

static avr_cycle_count_t last_line;
static unsigned long bytes, lines_left, to_send;
static int may_send, has_sent;

static void receive(struct avr_irq_t *irq, uint32_t value, void *avr) {
    (void)irq;
    putchar((int)value);
    if (value == '\n') {
        last_line = ((avr_t *)avr)->cycle;
        to_send = bytes;
        --lines_left;
    }
}

static void allow(struct avr_irq_t *irq, uint32_t value, void *allowed) {
    (void)irq;
    (void)value;
    may_send = allowed != NULL;
    has_sent = 0;
}

static avr_t *board(const char *path) {
    static elf_firmware_t firmware;
    avr_t *avr = avr_make_mcu_by_name("atmega328p");
    if (avr == NULL || elf_read_firmware(path, &firmware) != 0) {
        exit(2);
    }
    avr_init(avr);
    firmware.frequency = 16000000;
    avr_load_firmware(avr, &firmware);
    uint32_t flags = 0; /* no copy of the lines on the console */
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    const uint32_t port = AVR_IOCTL_UART_GETIRQ('0');
    avr_irq_register_notify(avr_io_getirq(avr, port, UART_IRQ_OUTPUT), receive, avr);
    avr_irq_register_notify(avr_io_getirq(avr, port, UART_IRQ_OUT_XON), allow, avr);
    avr_irq_register_notify(avr_io_getirq(avr, port, UART_IRQ_OUT_XOFF), allow, NULL);
    return avr;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        return 2;
    }
    bytes = strtoul(argv[2], NULL, 10);
    lines_left = strtoul(argv[3], NULL, 10);
    avr_t *avr = board(argv[1]);
    while (lines_left > 0 && avr->cycle - last_line < 160000000) {
        const int state = avr_run(avr);
        if (state == cpu_Done || state == cpu_Crashed) {
            return 1;
        }
        if (to_send > 0 && may_send && !has_sent) {
            const int byte = getchar();
            --to_send;
            has_sent = byte != EOF;
            if (has_sent) {
                avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT), (uint32_t)byte);
            }
        }
    }
    return fflush(stdout) != 0 || lines_left > 0;
}
