/* What a sketch of ours uses of the Arduino core: the serial port is standard input and output. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stdint.h>

#define F(text) (text)

unsigned long micros();

struct SerialPort {
    void begin(unsigned long);
    operator bool() { return true; }
    int available();
    int read();
    void print(const char *);
    void print(char);
    void print(unsigned char);
    void print(int);
    void print(unsigned int);
    void print(unsigned long);
    void println(const char *);
    void println();
};

extern SerialPort Serial;

void setup();
void loop();

#endif
