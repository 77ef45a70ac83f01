"""Protection of messages: C-MAC, C-ENC, R-MAC, R-ENC (GlobalPlatform Amendment D 6.2.4 to 6.2.7).

One implementation for both ends and for both handshakes: SCP03 starts with a chaining value of zeros, SCP11
with its receipt. Nothing here talks to anybody; the host and the card hold one object each, `HostMessages`
and `CardMessages`.

What is fixed where the amendment leaves room:

* The C-MAC covers Lc in the form in which it travels: one byte in a short command, 00 and two bytes in an
  extended one, also where the data would have fitted a short one; above 255 bytes always the latter. A
  chained command is protected as one message, so it has the form of the reassembled command.
* The class byte enters the C-MAC with the secure messaging indication of GlobalPlatform (b3), and without
  chaining and logical channel: 04 or 84.
* The encryption counter advances with every command, also with one that has no data. Data that decrypt to
  nothing are the same as no data.
* A response is protected if its status is 9000, 62xx or 63xx; any other status travels bare and without data.
* Keys are set up once in a session: a keyed CMAC is copied per message, and one CBC context serves all
  messages (its own chaining from the message before is cancelled in a block for the counter).

Every failure is the same `SecureMessagingError`, MAC before padding, and ends the object: all later calls
raise it.
"""

from __future__ import annotations

from enum import IntFlag
from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.cla import CHAINING, ClassByte, SecureMessaging
from jukicard.securechannel.kdf import BLOCK_SIZE, MacKey
from jukicard.securechannel.scp03 import SessionKeys

MAC_SIZE: Final = 8
MAX_OVERHEAD: Final = MAC_SIZE + BLOCK_SIZE
"""Bytes that protection adds to a data field at most."""

ZERO_CHAIN: Final = bytes(BLOCK_SIZE)
_ZERO_ICV: Final = CBC(ZERO_CHAIN)
_PADDING: Final = tuple(b"\x80" + bytes(BLOCK_SIZE - 1 - over) for over in range(BLOCK_SIZE))
"""What a message is padded with, by how many bytes it has over whole blocks."""

_RESPONSE_COUNTER: Final = 0x80 << 120
_MAX_LC: Final = 0xFFFF


class SecurityLevel(IntFlag):
    """How messages are protected, as in P1 of EXTERNAL AUTHENTICATE (Amendment D 7.1.2.3, table 7-6)."""

    C_MAC = 0x01
    C_DECRYPTION = 0x02
    R_MAC = 0x10
    R_ENCRYPTION = 0x20
    FULL = 0x33


LEVELS: Final = frozenset(map(SecurityLevel, (0x01, 0x03, 0x11, 0x13, 0x33)))
"""The levels of a channel. 00 is none of them: it would bind no later message to the handshake."""

_BY_VALUE: Final = {int(level): level for level in LEVELS}
_PROTECTED: Final = {
    int(level): tuple(
        part in level for part in (SecurityLevel.C_DECRYPTION, SecurityLevel.R_MAC, SecurityLevel.R_ENCRYPTION)
    )
    for level in LEVELS
}
"""For each level: are commands encrypted, have responses a MAC, are they encrypted."""


def security_level(value: int) -> SecurityLevel:
    """Return the level that P1 of EXTERNAL AUTHENTICATE asks for; ValueError unless it is in `LEVELS`."""
    level = _BY_VALUE.get(value)
    if level is None:
        raise ValueError(f"no security level {value:02X}")
    return level


class SecureMessagingError(Exception):
    """A message was not protected as the session demands, or the session is over: deliberately no more."""

    def __init__(self) -> None:
        super().__init__("secure messaging failed")


def _secured_class(cla: int) -> int | None:
    """Set GlobalPlatform's secure messaging bit in a plain class byte; None if it is no plain one."""
    parsed = ClassByte.parse(cla)
    if parsed.reserved or parsed.invalid or parsed.chaining:
        return None
    if parsed.secure_messaging is not SecureMessaging.NONE:
        return None
    return cla | (0x04 if parsed.channel < 4 else 0x20)  # the classes of channels 4 to 19 have one bit only


_SECURED: Final = {cla: _secured_class(cla) for cla in range(0x100)}
_PLAIN: Final = {secured: cla for cla, secured in _SECURED.items() if secured is not None}
_PLAIN.update({secured | CHAINING: cla for secured, cla in tuple(_PLAIN.items()) if secured != 0xEF})


def _mac_header(secured_class: int, command: CommandAPDU) -> bytes:
    """Return the four header bytes as the C-MAC covers them: neither channel nor chaining in the class."""
    return bytes((secured_class & 0x80 | 0x04, command.ins, command.p1, command.p2))


class _BlockChain:
    """AES-CBC under one key for many messages, each with its own ICV, without a key set-up for each.

    One encryptor and one decryptor chain on from message to message. A message's ICV is its encrypted counter: the
    encryptor is fed the counter with its own last block cancelled, and what it chains on with is that ICV.
    """

    __slots__ = ("_decryptor", "_encryptor", "_last")

    def __init__(self, key: bytes) -> None:
        cipher = Cipher(AES(key), _ZERO_ICV)
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()
        self._last = 0

    def _chained(self, counter: int, blocks: bytes = b"") -> bytes:
        """Return the counter's ICV, and the blocks encrypted under it."""
        sealed = self._encryptor.update((counter ^ self._last).to_bytes(BLOCK_SIZE, "big") + blocks)
        self._last = int.from_bytes(sealed[-BLOCK_SIZE:], "big")
        return sealed

    def encrypt(self, counter: int, data: bytes) -> bytes:
        """Pad with 80 00… and encrypt, the ICV being the encrypted counter."""
        return self._chained(counter, data + _PADDING[len(data) % BLOCK_SIZE])[BLOCK_SIZE:]

    def decrypt(self, counter: int, sealed: bytes) -> bytes:
        """Decrypt, take the padding off; SecureMessagingError if blocks or padding are not whole."""
        if len(sealed) % BLOCK_SIZE:
            raise SecureMessagingError
        padded = self._decryptor.update(self._chained(counter) + sealed)[BLOCK_SIZE:]
        data = padded.rstrip(b"\x00")
        if data[-1:] != b"\x80" or len(padded) - len(data) >= BLOCK_SIZE:
            raise SecureMessagingError
        return data[:-1]


class _Messages:
    """What both ends share: the keyed primitives, the chaining value, the counter, and the session's end."""

    __slots__ = (
        "_alive",
        "_c_enc",
        "_chain",
        "_cipher",
        "_command_mac",
        "_counter",
        "_level",
        "_r_enc",
        "_r_mac",
        "_response_due",
        "_response_mac",
    )

    def __init__(
        self,
        keys: SessionKeys,
        level: SecurityLevel,
        chain: bytes = ZERO_CHAIN,
        *,
        command_mac: MacKey | None = None,
    ) -> None:
        """Start with the chaining value `chain` (16 bytes), at one of `LEVELS` (ValueError otherwise).

        `command_mac` is S-MAC where it has been set up before.
        """
        if len(chain) != BLOCK_SIZE:
            raise ValueError("the MAC chaining value has 16 bytes")
        self._command_mac = command_mac or MacKey(keys.mac)
        self._response_mac = MacKey(keys.rmac)
        self._cipher = _BlockChain(keys.enc)
        self._chain = chain
        self._counter = 0
        self._alive = True
        self._response_due = False
        self._set_level(level)

    @property
    def level(self) -> SecurityLevel:
        """The level at which messages are protected now."""
        return self._level

    @property
    def alive(self) -> bool:
        """Whether no message has failed so far."""
        return self._alive

    def end(self) -> None:
        """End the session: all later calls raise SecureMessagingError."""
        self._alive = False

    def raise_level(self, level: SecurityLevel) -> None:
        """Go from the handshake's level (C-MAC) to the session's, once EXTERNAL AUTHENTICATE is through.

        The encryption counter is 1 at the next command. ValueError if `level` is none of `LEVELS`, or if
        encryption has already been on.
        """
        if self._c_enc or self._r_mac:
            raise ValueError("the level was already raised")
        self._set_level(level)

    def _set_level(self, level: SecurityLevel) -> None:
        self._level = security_level(level)
        self._c_enc, self._r_mac, self._r_enc = _PROTECTED[level]

    def _take_response_turn(self) -> None:
        """Allow one response per command: two under one counter would share an ICV."""
        if not (self._alive and self._response_due):
            self._alive = False
            raise SecureMessagingError
        self._response_due = False

    def _mac_of_command(self, header: bytes, data: bytes, *, extended: bool) -> bytes:
        """Return the full MAC, which is the next chaining value, of a command with `data` and 8 MAC bytes."""
        lc = len(data) + MAC_SIZE
        return self._command_mac.mac(self._chain + header + lc.to_bytes(3 if extended else 1, "big") + data)

    def _mac_of_response(self, data: bytes, sw: int) -> bytes:
        return self._response_mac.mac(self._chain + data + sw.to_bytes(2, "big"))[:MAC_SIZE]

    @staticmethod
    def _is_protected(sw: int) -> bool:
        return sw == 0x9000 or sw >> 8 in (0x62, 0x63)


class HostMessages(_Messages):
    """The terminal's end: protects commands, opens responses, strictly in turn."""

    __slots__ = ()

    def wrap(self, command: CommandAPDU) -> CommandAPDU:
        """Protect a command. Its form (short or extended) must be the one in which it is going to be sent.

        ValueError, before anything is changed, for header bytes out of range, for a class byte that already
        says chaining or secure messaging, and for data that would not fit any more. SecureMessagingError
        when the answer to the command before never came.
        """
        if not self._alive:
            raise SecureMessagingError
        secured_class = _SECURED.get(command.cla)
        if secured_class is None:
            raise ValueError(f"class {command.cla:02X} cannot be protected")
        if command.nc + MAX_OVERHEAD > _MAX_LC:
            raise ValueError("the command is too long to be protected")
        header = _mac_header(secured_class, command)
        if self._response_due:
            self._alive = False
            raise SecureMessagingError
        data = command.data
        if self._c_enc:
            self._counter += 1
            if data:
                data = self._cipher.encrypt(self._counter, data)
        ne = command.ne
        extended = command.extended or len(data) + MAC_SIZE > 0xFF or (ne is not None and ne > 0x100)
        self._chain = self._mac_of_command(header, data, extended=extended)
        self._response_due = True
        data += self._chain[:MAC_SIZE]
        return CommandAPDU(secured_class, command.ins, command.p1, command.p2, data, ne, command.extended)

    def unwrap(self, response: ResponseAPDU) -> ResponseAPDU:
        """Check and open the response to the last command; SecureMessagingError if it was tampered with."""
        self._take_response_turn()
        if not self._r_mac:
            return response
        try:
            return ResponseAPDU(self._open(response), response.sw)
        except SecureMessagingError:
            self._alive = False
            raise

    def _open(self, response: ResponseAPDU) -> bytes:
        if not self._is_protected(response.sw):
            if response.data:
                raise SecureMessagingError
            return b""
        data, mac = response.data[:-MAC_SIZE], response.data[-MAC_SIZE:]
        if not compare_digest(mac, self._mac_of_response(data, response.sw)):
            raise SecureMessagingError
        if data and self._r_enc:
            return self._cipher.decrypt(_RESPONSE_COUNTER | self._counter, data)
        return data


class CardMessages(_Messages):
    """The card's end: opens commands, protects at most one response to each."""

    __slots__ = ()

    def unwrap(self, command: CommandAPDU) -> CommandAPDU:
        """Check and open a command as received, a chained one reassembled; else SecureMessagingError.

        `command.extended` must tell the form in which it came. The result's class byte keeps the logical
        channel and has neither secure messaging nor chaining; its form and Ne are the received ones.
        """
        if not self._alive:
            raise SecureMessagingError
        try:
            data = self._open(command)
        except SecureMessagingError:
            self._alive = False
            raise
        self._response_due = True
        plain_class = _PLAIN[command.cla]
        return CommandAPDU(plain_class, command.ins, command.p1, command.p2, data, command.ne, command.extended)

    def _open(self, command: CommandAPDU) -> bytes:
        if command.cla not in _PLAIN:
            raise SecureMessagingError
        sealed = command.data
        data, mac = sealed[:-MAC_SIZE], sealed[-MAC_SIZE:]
        extended = command.extended or len(sealed) > 0xFF
        chain = self._mac_of_command(_mac_header(command.cla, command), data, extended=extended)
        if not compare_digest(mac, chain[:MAC_SIZE]):
            raise SecureMessagingError
        self._chain = chain
        if not self._c_enc:
            return data
        self._counter += 1
        return self._cipher.decrypt(self._counter, data) if data else b""

    def wrap(self, response: ResponseAPDU) -> ResponseAPDU:
        """Protect the response to the last command as the level asks.

        A status that goes bare (neither 9000, 62xx nor 63xx) loses any data, which would travel unprotected.
        SecureMessagingError if there is no command to answer, or it was already answered.
        """
        self._take_response_turn()
        if not self._r_mac:
            return response
        data, sw = response
        if not self._is_protected(sw):
            return ResponseAPDU(b"", sw)
        if data and self._r_enc:
            data = self._cipher.encrypt(_RESPONSE_COUNTER | self._counter, data)
        return ResponseAPDU(data + self._mac_of_response(data, sw), sw)
