"""The host interface of loaded applications, version 1: its functions, their limits, costs and errors, as data.

Card, build tools and documentation read what stands here; docs/loaded-applications.md says what each function does.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from jukicard.iso7816.limits import ApplicationRight

INTERFACE_VERSION = 1
HOST_MODULE = "juki1"
"""The module that all imports come from."""
MEMORY, PROCESS, INSTALL = "memory", "process", "install"
"""What a module exports: its memory, the function that answers a command, and perhaps one for its installation."""

PAGE = 65536
"""Bytes in a page of linear memory."""
MAX_PAGES = 16
MAX_CODE = 65536
"""Bytes of one module."""
STEPS = 10_000_000
"""Instructions that one command may take (the engine's fuel)."""
WORK = 20_000
"""What one command may spend on calls of the host interface; see `HostFunction`."""
WORK_BYTES = 64
"""So many bytes handed to or by a function cost one more."""

MAX_ANSWER = 65533
MAX_FILE = 0xFFFF
MAX_IDENTIFIER = 0xFFFF
MAX_REFERENCE = 31
MAX_PASSWORD = 64
MAX_TRIES = 15
MAX_COUNTER = (1 << 63) - 1
HASH_SIZE, SIGNATURE_SIZE, POINT_SIZE, MAC_SIZE = 32, 64, 65, 16
VERIFIED = 0x100
"""Set in what password_verify returns after a match."""


class HostError(IntEnum):
    """What a function returns instead of a result."""

    NOT_FOUND = -1
    """No file, password or key of that identifier."""
    EXISTS = -2
    """There is one already."""
    RANGE = -3
    """An identifier, length, offset or value outside what is allowed."""
    STATE = -4
    """Not now: the password has no value, or the application is being installed."""
    BLOCKED = -5
    """The password has no tries left."""


class KeyKind(IntEnum):
    """The kinds of keys that key_generate makes."""

    P256 = 1
    """A key pair for sign and public_key: ECDSA on P-256."""
    AES256 = 2
    """A secret key for mac: AES-CMAC."""


class HostFunction(NamedTuple):
    """One function.

    `parameters` and `result`: a character each, i an i32, I an i64.  `right`: what the approval must let the
    application use, or None.  `work`: what a call costs, besides one for each `WORK_BYTES` bytes.
    """

    parameters: str
    result: str
    right: ApplicationRight | None
    work: int


_R = ApplicationRight
FUNCTIONS = {
    "command": HostFunction("ii", "i", None, 1),
    "expected": HostFunction("", "i", None, 1),
    "answer": HostFunction("ii", "i", None, 1),
    "file_create": HostFunction("ii", "i", _R.FILES, 4),
    "file_size": HostFunction("i", "i", _R.FILES, 2),
    "file_read": HostFunction("iiii", "i", _R.FILES, 2),
    "file_write": HostFunction("iiii", "i", _R.FILES, 4),
    "file_delete": HostFunction("i", "i", _R.FILES, 4),
    "counter_get": HostFunction("i", "I", _R.COUNTERS, 2),
    "counter_add": HostFunction("iI", "I", _R.COUNTERS, 4),
    "password_create": HostFunction("iiii", "i", _R.PASSWORDS, 8),
    "password_set": HostFunction("iii", "i", _R.PASSWORDS, 8),
    "password_verify": HostFunction("iii", "i", _R.PASSWORDS, 1000),
    "password_status": HostFunction("i", "i", _R.PASSWORDS, 4),
    "random": HostFunction("ii", "i", _R.RANDOM, 2),
    "sha256": HostFunction("iii", "i", _R.HASH, 2),
    "key_generate": HostFunction("ii", "i", None, 100),
    "public_key": HostFunction("ii", "i", _R.SIGN, 50),
    "sign": HostFunction("iii", "i", _R.SIGN, 100),
    "mac": HostFunction("iiii", "i", _R.MAC, 10),
    "verify": HostFunction("iii", "i", _R.VERIFY, 100),
    "channel": HostFunction("", "i", None, 1),
    "right": HostFunction("i", "i", None, 1),
    "role": HostFunction("", "i", None, 1),
    "interface": HostFunction("", "i", None, 1),
}
"""All there is.  key_generate asks for the right that its kind needs."""

_REFUSED = (0x6F00,)


def may_answer(sw: int) -> bool:
    """Return whether a module may answer with a status word.

    9000, 62xx and 63xx, and errors from 6400 on; not 61xx, 6Cxx and what else the transport takes for its own,
    nor 6F00, by which the chip owns up to a bug.
    """
    sw1 = sw >> 8
    return sw == 0x9000 or (0x62 <= sw1 <= 0x6F and sw1 != 0x6C and sw not in _REFUSED)
