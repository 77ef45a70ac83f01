/* The smallest application: it greets. */
#include "juki.h"

static const char GREETING[] = "Hello from a loaded application";

int process(void) {
    uint8_t buffer[64];
    struct juki_apdu apdu;
    if (!juki_read(&apdu, buffer, sizeof buffer))
        return SW_WRONG_LENGTH;
    if (apdu.ins != 0x10)
        return SW_INS_NOT_SUPPORTED;
    juki_answer(GREETING, sizeof GREETING - 1);
    return SW_OK;
}
