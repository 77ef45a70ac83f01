/* SPDX-License-Identifier: Apache-2.0 */
/* The host interface of a Juki card's loaded applications, version 1 (docs/loaded-applications.md).
 *
 * An application defines `process`, which answers one command and returns its status word, and may define `install`,
 * which is called once when it is installed: there `juki_command` gives the installation parameters.  Its memory lasts
 * from the first command after SELECT until another application is selected; what must stay goes into files, counters,
 * passwords and keys, which are numbers of the application's own.  All that a command changes, changes when it
 * succeeds, together, or not at all.
 *
 * Functions return 0 or more, or an error below 0.  A pointer outside the memory, a right that the approval does not
 * give, too many steps: the command ends, and nothing of it stays.
 */
#ifndef JUKI_H
#define JUKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JUKI_EXPORT(name) __attribute__((export_name(name)))
#define JUKI_IMPORT(name) __attribute__((import_module("juki1"), import_name(name)))

JUKI_EXPORT("process") int process(void);
JUKI_EXPORT("install") int install(void);

/* Errors. */
#define JUKI_NOT_FOUND (-1)
#define JUKI_EXISTS (-2)
#define JUKI_RANGE (-3)
#define JUKI_STATE (-4)
#define JUKI_BLOCKED (-5)

/* Status words (ISO/IEC 7816-4).  An application may return 9000, 62xx, 63xx and errors from 6400 on. */
#define SW_OK 0x9000
#define SW_TRIES(left) (0x63C0 | (left))
#define SW_WRONG_LENGTH 0x6700
#define SW_SECURITY_NOT_SATISFIED 0x6982
#define SW_BLOCKED 0x6983
#define SW_REFERENCE_DATA_UNUSABLE 0x6984
#define SW_CONDITIONS_NOT_SATISFIED 0x6985
#define SW_INCORRECT_DATA 0x6A80
#define SW_FILE_NOT_FOUND 0x6A82
#define SW_NOT_ENOUGH_MEMORY 0x6A84
#define SW_INCORRECT_P1P2 0x6A86
#define SW_REFERENCE_NOT_FOUND 0x6A88
#define SW_INS_NOT_SUPPORTED 0x6D00
#define SW_CLA_NOT_SUPPORTED 0x6E00

/* The command: CLA INS P1 P2, then its data.  Of CLA, channel and secure messaging are taken away. */
JUKI_IMPORT("command") int32_t juki_command(void *into, uint32_t room);     /* its whole length */
JUKI_IMPORT("expected") int32_t juki_expected(void);                        /* Ne, or -1 without Le */
JUKI_IMPORT("answer") int32_t juki_answer(const void *from, uint32_t size); /* adds to the response data */

/* Files: identifiers 0 to FFFF, 1 to 65535 bytes.  Right: files. */
JUKI_IMPORT("file_create") int32_t juki_file_create(uint32_t id, uint32_t size);
JUKI_IMPORT("file_size") int32_t juki_file_size(uint32_t id);
JUKI_IMPORT("file_read") int32_t juki_file_read(uint32_t id, uint32_t offset, void *into, uint32_t size);
JUKI_IMPORT("file_write") int32_t juki_file_write(uint32_t id, uint32_t offset, const void *from, uint32_t size);
JUKI_IMPORT("file_delete") int32_t juki_file_delete(uint32_t id);

/* Counters: identifiers 0 to FFFF, never below 0.  Right: counters. */
JUKI_IMPORT("counter_get") int64_t juki_counter_get(uint32_t id);
JUKI_IMPORT("counter_add") int64_t juki_counter_add(uint32_t id, int64_t amount);

/* Passwords: references 1 to 31, 1 to 64 bytes, 1 to 15 tries.  Right: passwords. */
#define JUKI_VERIFIED 0x100
JUKI_IMPORT("password_create")
int32_t juki_password_create(uint32_t reference, uint32_t minimum, uint32_t maximum, uint32_t tries);
JUKI_IMPORT("password_set") int32_t juki_password_set(uint32_t reference, const void *value, uint32_t size);
JUKI_IMPORT("password_verify") int32_t juki_password_verify(uint32_t reference, const void *value, uint32_t size);
JUKI_IMPORT("password_status") int32_t juki_password_status(uint32_t reference);

/* Cryptography.  Rights: random, hash, sign, mac, verify.  Keys: references 1 to 31 of each kind. */
#define JUKI_KEY_P256 1
#define JUKI_KEY_AES256 2
JUKI_IMPORT("random") int32_t juki_random(void *into, uint32_t size);
JUKI_IMPORT("sha256") int32_t juki_sha256(const void *from, uint32_t size, void *hash32);
JUKI_IMPORT("key_generate") int32_t juki_key_generate(uint32_t reference, uint32_t kind);
JUKI_IMPORT("public_key") int32_t juki_public_key(uint32_t reference, void *point65);
JUKI_IMPORT("sign") int32_t juki_sign(uint32_t reference, const void *hash32, void *signature64);
JUKI_IMPORT("mac") int32_t juki_mac(uint32_t reference, const void *from, uint32_t size, void *mac16);
JUKI_IMPORT("verify") int32_t juki_verify(const void *point65, const void *hash32, const void *signature64);

/* Who asks, and how. */
#define JUKI_SESSION 0x01
#define JUKI_C_MAC 0x02
#define JUKI_C_ENC 0x04
#define JUKI_R_MAC 0x08
#define JUKI_R_ENC 0x10
#define JUKI_KID(channel) ((channel) >> 8 & 0xFF)
#define JUKI_CONTACT 0
#define JUKI_CONTACTLESS 1
JUKI_IMPORT("channel") int32_t juki_channel(void);
JUKI_IMPORT("right") int32_t juki_right(uint32_t number);
JUKI_IMPORT("role") int32_t juki_role(void);
JUKI_IMPORT("interface") int32_t juki_interface(void);

/* The small library, juki.c. */
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *one, const void *other, size_t size);
size_t strlen(const char *text);

/* Whether two areas are equal, compared in a time that does not depend on their contents. */
bool juki_equal(const void *one, const void *other, size_t size);

/* Numbers as commands and files have them: the highest byte first. */
uint16_t juki_get16(const uint8_t *from);
uint32_t juki_get32(const uint8_t *from);
void juki_put16(uint8_t *to, uint16_t value);
void juki_put32(uint8_t *to, uint32_t value);

/* A command that was read: `size` bytes of data. */
struct juki_apdu {
    uint8_t cla, ins, p1, p2;
    uint32_t size;
    const uint8_t *data;
};

/* Read the command into a buffer; false where it does not fit. */
bool juki_read(struct juki_apdu *apdu, uint8_t *buffer, uint32_t room);

#endif
