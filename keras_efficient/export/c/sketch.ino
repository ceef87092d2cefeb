/* A network on an Arduino board. This file is yours: a later export keeps it.
 *
 * Over the serial port, 115200 baud: send the NETWORK_INPUTS numbers of an input, NETWORK_INPUT_BYTES bytes
 * each, low byte first (the integers of `IntegerModel(model).encode(x)`), and wait for the line that answers:
 *
 *     class 3 micros 104512 logits -120 33 7 512 ...
 *
 * `micros` is the time from the last number to the result, in microseconds. Numbers are counted from the
 * reset of the board on, so a lost byte shifts all that follow: reset the board then.
 *
 * The Arduino core and its serial port take RAM of their own: some 200 bytes on an Uno.
 *
 * For a sensor of your own, replace the body of next_input(), and act on network_classify() in loop().
 */
#include "network.h"

static NETWORK_INPUT_TYPE next_input() {
    while (Serial.available() < NETWORK_INPUT_BYTES) {
    }
    uint16_t number = (uint8_t)Serial.read();
    if (NETWORK_INPUT_BYTES > 1) {
        number = (uint16_t)(number | (uint16_t)(uint8_t)Serial.read() << 8);
    }
    return (NETWORK_INPUT_TYPE)number;
}

void setup() {
    Serial.begin(115200);
    while (!Serial) { /* boards whose port is USB need a moment */
    }
    Serial.print(F("ready for "));
    Serial.print((unsigned long)NETWORK_INPUTS * NETWORK_INPUT_BYTES);
    Serial.println(F(" bytes"));
}

void loop() {
    unsigned long spent = 0;
    for (uint32_t i = 0; i < NETWORK_INPUTS; ++i) {
        const NETWORK_INPUT_TYPE input = next_input();
        const unsigned long start = micros();
        network_push(input); /* the last one runs the layers */
        spent = micros() - start;
    }
    const NETWORK_LOGIT_TYPE *logits = network_logits();
    Serial.print(F("class "));
    Serial.print(network_classify());
    Serial.print(F(" micros "));
    Serial.print(spent);
    Serial.print(F(" logits"));
    for (uint32_t i = 0; i < NETWORK_LOGITS; ++i) {
        Serial.print(' ');
        Serial.print(logits[i]);
    }
    Serial.println();
}
