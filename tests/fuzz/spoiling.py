"""A command that was sent before, with something wrong."""

from __future__ import annotations

from random import Random

_CLASSES = (0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x20, 0x40, 0x80, 0x84, 0x90, 0xC0, 0xFF)


def spoilt(rng: Random, command: bytes) -> bytes:
    """The command changed once or twice: bits, lengths, the class, the end."""
    raw = bytearray(command)
    for _ in range(rng.randint(1, 2)):
        where = rng.randrange(len(raw) + 1)
        match rng.randrange(7):
            case 0 if raw:
                raw[where % len(raw)] ^= 1 << rng.randrange(8)
            case 1:
                del raw[where:]
            case 2:
                raw += rng.randbytes(rng.randint(1, 3))
            case 3 if len(raw) > 4:
                raw[4] = (raw[4] + rng.choice((-1, 1))) & 0xFF
            case 4 if len(raw) > 5:
                raw[4:5] = bytes((0, 0, raw[4]))
            case 5 if raw:
                raw[0] = rng.choice(_CLASSES)
            case 6 if raw:
                raw[min(where, 3) % len(raw)] = rng.randrange(256)
    return bytes(raw)
