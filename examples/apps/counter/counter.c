/* A stamp card: a shop adds a stamp with each visit, its holder's PIN pays ten of them for a gift.
 *
 *   00 10 00 00                 how many stamps there are (2 bytes) and how many gifts were given (2 bytes)
 *   00 12 00 00                 add a stamp: only a terminal with the right municipal-service does, in a session
 *   00 20 00 01 PIN             verify the PIN, until another application is selected
 *   00 14 00 00 note            take ten stamps, and note when and where (1-16 bytes), after the PIN
 *   00 16 00 00                 the last note
 *
 * Installation parameters: the PIN, 4 to 8 bytes.
 */
#include "juki.h"

enum { STAMPS = 1, GIFTS = 2 };      /* counters */
enum { NOTE = 1, NOTE_SIZE = 17 };   /* a file: length, note */
enum { PIN = 1 };                    /* a password */
enum { PRICE = 10, MOST = 10000 };
enum { RIGHT_MUNICIPAL_SERVICE = 9 };

static bool verified; /* memory is volatile: a new SELECT forgets it */

int install(void) {
    uint8_t pin[8];
    int32_t size = juki_command(pin, sizeof pin);
    if (size < 4 || size > (int32_t)sizeof pin)
        return SW_INCORRECT_DATA;
    if (juki_password_create(PIN, 4, 8, 3) || juki_password_set(PIN, pin, (uint32_t)size))
        return SW_INCORRECT_DATA;
    return juki_file_create(NOTE, NOTE_SIZE) ? SW_CONDITIONS_NOT_SATISFIED : SW_OK;
}

static int show(void) {
    uint8_t answer[4];
    juki_put16(answer, (uint16_t)juki_counter_get(STAMPS));
    juki_put16(answer + 2, (uint16_t)juki_counter_get(GIFTS));
    juki_answer(answer, sizeof answer);
    return SW_OK;
}

static int stamp(void) {
    if (!(juki_channel() & JUKI_C_MAC) || !juki_right(RIGHT_MUNICIPAL_SERVICE))
        return SW_SECURITY_NOT_SATISFIED;
    if (juki_counter_get(STAMPS) >= MOST)
        return SW_CONDITIONS_NOT_SATISFIED;
    juki_counter_add(STAMPS, 1);
    return SW_OK;
}

static int verify(const struct juki_apdu *apdu) {
    verified = false;
    int32_t result = juki_password_verify(PIN, apdu->data, apdu->size);
    if (result == JUKI_BLOCKED)
        return SW_BLOCKED;
    if (result < 0)
        return SW_INCORRECT_DATA;
    verified = (result & JUKI_VERIFIED) != 0;
    return verified ? SW_OK : SW_TRIES(result);
}

static int gift(const struct juki_apdu *apdu) {
    uint8_t note[NOTE_SIZE] = {0};
    if (!verified)
        return SW_SECURITY_NOT_SATISFIED;
    if (apdu->size < 1 || apdu->size > NOTE_SIZE - 1)
        return SW_WRONG_LENGTH;
    if (juki_counter_add(STAMPS, -PRICE) < 0)
        return SW_CONDITIONS_NOT_SATISFIED;
    juki_counter_add(GIFTS, 1);
    note[0] = (uint8_t)apdu->size;
    memcpy(note + 1, apdu->data, apdu->size);
    juki_file_write(NOTE, 0, note, NOTE_SIZE);
    return SW_OK;
}

static int last_note(void) {
    uint8_t note[NOTE_SIZE];
    juki_file_read(NOTE, 0, note, NOTE_SIZE);
    juki_answer(note + 1, note[0]);
    return SW_OK;
}

int process(void) {
    uint8_t buffer[64];
    struct juki_apdu apdu;
    if (!juki_read(&apdu, buffer, sizeof buffer))
        return SW_WRONG_LENGTH;
    if (apdu.cla)
        return SW_CLA_NOT_SUPPORTED;
    switch (apdu.ins) {
    case 0x10:
        return show();
    case 0x12:
        return stamp();
    case 0x14:
        return gift(&apdu);
    case 0x16:
        return last_note();
    case 0x20:
        return verify(&apdu);
    default:
        return SW_INS_NOT_SUPPORTED;
    }
}
