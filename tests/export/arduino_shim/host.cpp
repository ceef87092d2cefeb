/* The shim on a computer. The program ends when the sketch asks for bytes after the end of the input. */
#include <cstdio>
#include <cstdlib>

#include "Arduino.h"

SerialPort Serial;

static unsigned long now;

unsigned long micros() { return now += 4; }

void SerialPort::begin(unsigned long) {}

int SerialPort::available() {
    const int next = std::getchar();
    if (next == EOF) {
        std::fflush(stdout);
        std::exit(0);
    }
    std::ungetc(next, stdin);
    return 64;
}

int SerialPort::read() { return std::getchar(); }
void SerialPort::print(const char *text) { std::fputs(text, stdout); }
void SerialPort::print(char letter) { std::putchar(letter); }
void SerialPort::print(unsigned char number) { std::printf("%u", number); }
void SerialPort::print(int number) { std::printf("%d", number); }
void SerialPort::print(unsigned int number) { std::printf("%u", number); }
void SerialPort::print(unsigned long number) { std::printf("%lu", number); }
void SerialPort::println(const char *text) { std::puts(text); }
void SerialPort::println() { std::putchar('\n'); }

int main() {
    setup();
    for (;;)
        loop();
}
