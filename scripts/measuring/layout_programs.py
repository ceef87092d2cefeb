"""Programs of a user around the networks "digits" and "values", for build_layouts.py."""

BOTH_CMAKE = """cmake_minimum_required(VERSION 3.10)
project(both C)
add_subdirectory(digits)
add_subdirectory(values)
add_executable(both both.c)
target_link_libraries(both PRIVATE digits values)
"""
BOTH_C = """#include <stdio.h>
#include "digits.h"
#include "values.h"
static const digits_input image[DIGITS_INPUTS] = {%s};
static const values_input vector[VALUES_INPUTS] = {%s};
int main(void) {
    const int16_t *logits = digits_run(image);
    for (int i = 0; i < DIGITS_OUTPUTS; i++) printf("%%d ", logits[i]);
    logits = values_run(vector);
    for (int i = 0; i < VALUES_OUTPUTS; i++) printf("%%d ", logits[i]);
    return 0;
}
"""
BOTH_INO = """#include <digits.h>
#include <values.h>
static const digits_input image[DIGITS_INPUTS] = {%s};
static const values_input vector[VALUES_INPUTS] = {%s};
static void print(const int16_t *logits, int count) {
    for (int i = 0; i < count; i++) {
        Serial.print(logits[i]);
        Serial.print(' ');
    }
}
void setup() {
    Serial.begin(115200);
    print(digits_run(image), DIGITS_OUTPUTS);
    print(values_run(vector), VALUES_OUTPUTS);
    Serial.println();
}
void loop() {}
"""


def numbers(codes):
    """An input as C writes it."""
    return ", ".join(map(str, codes.ravel().tolist()))
