/* The shim on an ATmega328P: enough to link; registers of the chip are the port. */
#include <avr/io.h>

#include "Arduino.h"

SerialPort Serial;

unsigned long micros() { return TCNT1; }
void SerialPort::begin(unsigned long) {}
int SerialPort::available() { return GPIOR0; }
int SerialPort::read() { return GPIOR1; }
void SerialPort::print(const char *text) { while (*text) GPIOR2 = *text++; }
void SerialPort::print(char letter) { GPIOR2 = letter; }
void SerialPort::print(unsigned char number) { GPIOR2 = number; }
void SerialPort::print(int number) { GPIOR2 = number; }
void SerialPort::print(unsigned int number) { GPIOR2 = number; }
void SerialPort::print(unsigned long number) { GPIOR2 = number; }
void SerialPort::println(const char *text) { print(text); }
void SerialPort::println() { GPIOR2 = '\n'; }

int main() {
    setup();
    for (;;)
        loop();
}
