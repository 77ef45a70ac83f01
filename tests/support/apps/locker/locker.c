/* A locker for one thing at a time, made to be walked over: what it does is told again by tests/fuzz/loaded_rules.py.
 *
 *   00 10 00 00                 how often something was put in (4 bytes)
 *   00 12 00 00 thing           put it in (1-64 bytes), and count it
 *   00 14 00 00                 what is in it, after the PIN
 *   00 16 00 00 PIN             a new PIN (4-8 bytes), after the old one
 *   00 18 00 00 amount          empty it and take so much (1 byte) from the count, if that is as much
 *   00 1A 00 00                 put 8 random bytes in, and tell them
 *   00 1C 00 00 message         its MAC
 *   00 1E 00 00 message         its signature
 *   00 20 00 01 PIN             the PIN: until another application is selected it need not be shown again
 *   00 22 00 00                 take time, the more the higher the terminal's role
 *   00 24 00 00                 who asks, and how (4 bytes)
 *   00 26 kind 00               empty it, and trap: unreachable (00), an endless loop (01), a place outside (02)
 *   00 28 00 number size        a file of so many bytes (2 bytes)
 *   00 28 01 number             delete it
 *   anything else               where P1 is P2, the header
 *
 * Installation parameters: the PIN, 4 to 8 bytes.
 */
#include "juki.h"

enum { COUNT = 1, THING = 1, PIN = 1, KEY = 1, FIRST_FILE = 0x100 };
enum { MOST = 64, ROOM = 4 + 256, STEPS_OF_A_ROLE = 500 };
enum { RIGHT_MUNICIPAL_SERVICE = 9 };

static bool verified;
static uint8_t buffer[ROOM];
static volatile uint32_t taken;

int install(void) {
    uint8_t pin[8];
    int32_t size = juki_command(pin, sizeof pin);
    if (size < 4 || size > (int32_t)sizeof pin)
        return SW_INCORRECT_DATA;
    juki_password_create(PIN, 4, 8, 3);
    juki_password_set(PIN, pin, (uint32_t)size);
    juki_file_create(THING, 1 + MOST);
    juki_key_generate(KEY, JUKI_KEY_P256);
    juki_key_generate(KEY, JUKI_KEY_AES256);
    return SW_OK;
}

static void keep(const void *thing, uint32_t size) {
    uint8_t kept[1 + MOST] = {(uint8_t)size};
    memcpy(kept + 1, thing, size);
    juki_file_write(THING, 0, kept, sizeof kept);
}

static int count(void) {
    uint8_t answer[4];
    juki_put32(answer, (uint32_t)juki_counter_get(COUNT));
    juki_answer(answer, sizeof answer);
    return SW_OK;
}

static int put(const struct juki_apdu *apdu) {
    if (apdu->size < 1 || apdu->size > MOST)
        return SW_WRONG_LENGTH;
    keep(apdu->data, apdu->size);
    juki_counter_add(COUNT, 1);
    return SW_OK;
}

static int look(void) {
    uint8_t kept[1 + MOST];
    if (!verified)
        return SW_SECURITY_NOT_SATISFIED;
    juki_file_read(THING, 0, kept, sizeof kept);
    juki_answer(kept + 1, kept[0]);
    return SW_OK;
}

static int change(const struct juki_apdu *apdu) {
    if (!verified)
        return SW_SECURITY_NOT_SATISFIED;
    return juki_password_set(PIN, apdu->data, apdu->size) ? SW_INCORRECT_DATA : SW_OK;
}

static int take(const struct juki_apdu *apdu) {
    if (apdu->size != 1)
        return SW_WRONG_LENGTH;
    keep(0, 0); /* undone where it is refused */
    return juki_counter_add(COUNT, -(int64_t)apdu->data[0]) < 0 ? SW_CONDITIONS_NOT_SATISFIED : SW_OK;
}

static int draw(void) {
    uint8_t drawn[8];
    juki_random(drawn, sizeof drawn);
    keep(drawn, sizeof drawn);
    juki_answer(drawn, sizeof drawn);
    return SW_OK;
}

static int seal(const struct juki_apdu *apdu) {
    uint8_t mac[16];
    juki_mac(KEY, apdu->data, apdu->size, mac);
    juki_answer(mac, sizeof mac);
    return SW_OK;
}

static int sign(const struct juki_apdu *apdu) {
    uint8_t hash[32], signature[64];
    juki_sha256(apdu->data, apdu->size, hash);
    juki_sign(KEY, hash, signature);
    juki_answer(signature, sizeof signature);
    return SW_OK;
}

static int verify(const struct juki_apdu *apdu) {
    verified = false;
    int32_t result = juki_password_verify(PIN, apdu->data, apdu->size);
    if (result < 0)
        return result == JUKI_BLOCKED ? SW_BLOCKED : SW_INCORRECT_DATA;
    verified = (result & JUKI_VERIFIED) != 0;
    return verified ? SW_OK : SW_TRIES(result);
}

static int take_time(void) {
    for (int32_t role = juki_role() + 2; role > 0; role--)
        for (uint32_t step = 0; step < STEPS_OF_A_ROLE; step++)
            taken = step;
    return SW_OK;
}

static int who(void) {
    int32_t channel = juki_channel();
    uint8_t answer[4] = {(uint8_t)channel, (uint8_t)JUKI_KID(channel), (uint8_t)(juki_role() + 1),
                         (uint8_t)(juki_right(RIGHT_MUNICIPAL_SERVICE) | juki_interface() << 1)};
    juki_answer(answer, sizeof answer);
    return SW_OK;
}

static int trap(uint8_t kind) {
    keep(0, 0);
    juki_counter_add(COUNT, 1);
    if (kind == 0)
        __builtin_trap();
    if (kind == 1)
        for (;;)
            taken++;
    juki_answer((const void *)0x7FFFFFF0, 16);
    return SW_OK;
}

static int file(const struct juki_apdu *apdu) {
    uint32_t id = FIRST_FILE + apdu->p2;
    if (apdu->size != (apdu->p1 ? 0 : 2))
        return SW_WRONG_LENGTH;
    if (apdu->p1)
        return juki_file_delete(id) ? SW_REFERENCE_NOT_FOUND : SW_OK;
    return juki_file_create(id, juki_get16(apdu->data)) ? SW_INCORRECT_DATA : SW_OK;
}

static int without_data(const struct juki_apdu *apdu) {
    if (apdu->size)
        return SW_WRONG_LENGTH;
    switch (apdu->ins) {
    case 0x10:
        return count();
    case 0x14:
        return look();
    case 0x1A:
        return draw();
    case 0x22:
        return take_time();
    case 0x24:
        return who();
    default:
        return trap(apdu->p1);
    }
}

static int with_data(const struct juki_apdu *apdu) {
    switch (apdu->ins) {
    case 0x12:
        return put(apdu);
    case 0x16:
        return change(apdu);
    case 0x18:
        return take(apdu);
    case 0x1C:
        return seal(apdu);
    case 0x1E:
        return sign(apdu);
    case 0x20:
        return verify(apdu);
    default:
        return file(apdu);
    }
}

static bool fits(const struct juki_apdu *apdu) {
    switch (apdu->ins) {
    case 0x20:
        return apdu->p1 == 0 && apdu->p2 == 1;
    case 0x26:
        return apdu->p1 <= 2 && apdu->p2 == 0;
    case 0x28:
        return apdu->p1 <= 1;
    default:
        return apdu->p1 == 0 && apdu->p2 == 0;
    }
}

int process(void) {
    struct juki_apdu apdu;
    if (!juki_read(&apdu, buffer, sizeof buffer))
        return SW_WRONG_LENGTH;
    if (apdu.cla || apdu.ins < 0x10 || apdu.ins > 0x28 || apdu.ins & 1) {
        if (apdu.p1 != apdu.p2)
            return SW_INS_NOT_SUPPORTED;
        juki_answer(buffer, 4);
        return SW_OK;
    }
    if (!fits(&apdu))
        return SW_INCORRECT_P1P2;
    switch (apdu.ins) {
    case 0x10:
    case 0x14:
    case 0x1A:
    case 0x22:
    case 0x24:
    case 0x26:
        return without_data(&apdu);
    default:
        return with_data(&apdu);
    }
}
