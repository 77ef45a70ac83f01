/* SPDX-License-Identifier: Apache-2.0 */
/* The small library of loaded applications; see juki.h. */
#include "juki.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *out = to;
    const uint8_t *in = from;
    for (; size >= 8; size -= 8, in += 8, out += 8) {
        uint64_t word;
        __builtin_memcpy_inline(&word, in, 8);
        __builtin_memcpy_inline(out, &word, 8);
    }
    while (size--)
        *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if (out <= in || out >= in + size)
        for (; size; size--)
            *out++ = *in++;
    else
        while (size--)
            out[size] = in[size];
    return to;
}

void *memset(void *to, int value, size_t size) {
    uint8_t *out = to;
    while (size--)
        *out++ = (uint8_t)value;
    return to;
}

int memcmp(const void *one, const void *other, size_t size) {
    const uint8_t *a = one, *b = other;
    for (; size; size--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

size_t strlen(const char *text) {
    const char *end = text;
    while (*end)
        end++;
    return (size_t)(end - text);
}

bool juki_equal(const void *one, const void *other, size_t size) {
    const uint8_t *a = one, *b = other;
    uint8_t difference = 0;
    while (size--)
        difference |= *a++ ^ *b++;
    return difference == 0;
}

uint16_t juki_get16(const uint8_t *from) {
    return (uint16_t)(from[0] << 8 | from[1]);
}

uint32_t juki_get32(const uint8_t *from) {
    return (uint32_t)juki_get16(from) << 16 | juki_get16(from + 2);
}

void juki_put16(uint8_t *to, uint16_t value) {
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

void juki_put32(uint8_t *to, uint32_t value) {
    juki_put16(to, (uint16_t)(value >> 16));
    juki_put16(to + 2, (uint16_t)value);
}

bool juki_read(struct juki_apdu *apdu, uint8_t *buffer, uint32_t room) {
    uint32_t size = (uint32_t)juki_command(buffer, room);
    if (size < 4 || size > room)
        return false;
    apdu->cla = buffer[0];
    apdu->ins = buffer[1];
    apdu->p1 = buffer[2];
    apdu->p2 = buffer[3];
    apdu->size = size - 4;
    apdu->data = buffer + 4;
    return true;
}
