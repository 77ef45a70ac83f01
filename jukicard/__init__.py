"""jukicard: a software Juki card (住民基本台帳カード) and the machine that issues it.

The names that programs use, all importable from here: `from jukicard import open_reader, authenticate, Authority`.
They are loaded when first asked for, so that `import jukicard` alone costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what `__getattr__` gives at run time, said so that type checkers know it
    from jukicard.api import (
        IssuedCard,
        Reader,
        authenticate,
        change_card,
        hand_over,
        issue,
        load_record,
        open_reader,
        read_public,
    )
    from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
    from jukicard.iso7816.connection import CardConnection, send
    from jukicard.iso7816.errors import (
        AuthenticationFailed,
        CardRemoved,
        CardStatusError,
        HostError,
        MalformedResponse,
        NoCard,
        NoReader,
        PasswordBlocked,
        PasswordWrong,
        ReaderBusy,
        TransportError,
    )
    from jukicard.iso7816.status import StatusWord
    from jukicard.issuer.authority.authority import Authority
    from jukicard.issuer.authority.description import City
    from jukicard.issuer.counter.authentication import Authentication, Proof
    from jukicard.issuer.counter.lifecycle import Change
    from jukicard.issuer.errors import CardRefused, CardSpoilt, IssuerError, RecordError, RuleRefused
    from jukicard.issuer.records.codes import ResidentCode
    from jukicard.issuer.records.resident import Face, ResidentRecord
    from jukicard.reader.cardfile import CardFileError
    from jukicard.reader.spec import ReaderSpecError

_EXPORTS = {
    "jukicard.api": ("IssuedCard Reader authenticate change_card hand_over issue load_record open_reader read_public"),
    "jukicard.iso7816.apdu": "CommandAPDU ResponseAPDU",
    "jukicard.iso7816.connection": "CardConnection send",
    "jukicard.iso7816.errors": (
        "AuthenticationFailed CardRemoved CardStatusError HostError MalformedResponse NoCard NoReader PasswordBlocked "
        "PasswordWrong ReaderBusy TransportError"
    ),
    "jukicard.iso7816.status": "StatusWord",
    "jukicard.issuer.counter.authentication": "Authentication Proof",
    "jukicard.issuer.authority.authority": "Authority",
    "jukicard.issuer.authority.description": "City",
    "jukicard.issuer.records.codes": "ResidentCode",
    "jukicard.issuer.errors": "CardRefused CardSpoilt IssuerError RecordError RuleRefused",
    "jukicard.issuer.counter.lifecycle": "Change",
    "jukicard.issuer.records.resident": "Face ResidentRecord",
    "jukicard.reader.cardfile": "CardFileError",
    "jukicard.reader.spec": "ReaderSpecError",
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names.split()}

__all__ = [
    "Authentication",
    "AuthenticationFailed",
    "Authority",
    "CardConnection",
    "CardFileError",
    "CardRefused",
    "CardRemoved",
    "CardSpoilt",
    "CardStatusError",
    "Change",
    "City",
    "CommandAPDU",
    "Face",
    "HostError",
    "IssuedCard",
    "IssuerError",
    "MalformedResponse",
    "NoCard",
    "NoReader",
    "PasswordBlocked",
    "PasswordWrong",
    "Proof",
    "Reader",
    "ReaderBusy",
    "ReaderSpecError",
    "RecordError",
    "ResidentCode",
    "ResidentRecord",
    "ResponseAPDU",
    "RuleRefused",
    "StatusWord",
    "TransportError",
    "authenticate",
    "change_card",
    "hand_over",
    "issue",
    "load_record",
    "open_reader",
    "read_public",
    "send",
]


if not TYPE_CHECKING:  # a type checker that saw it would take any name for granted

    def __getattr__(name: str) -> object:
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
