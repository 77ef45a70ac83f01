"""Sessions with PKCS#11 tokens (OASIS PKCS #11 2.40): the libraries that lead to them, and one login for each token."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from jukicard.issuer.errors import KeyStoreError, PinLocked, TokenMissing, WrongPin
from jukicard.issuer.keys.keystore import KeyKind
from jukicard.issuer.keys.places import Token

try:
    import pkcs11
    from pkcs11 import Mechanism, TokenFlag
except ImportError:
    raise KeyStoreError("the Python package python-pkcs11 is not installed: pip install 'jukicard[hsm]'") from None

_MACS = {KeyKind.MASTER: Mechanism.AES_CMAC, KeyKind.MAC: Mechanism.SHA256_HMAC}


@dataclass(frozen=True, slots=True)
class Key:
    """A key found in the token: its kind, the private or secret key, and the public one of a pair."""

    kind: KeyKind
    handle: Any
    public: EllipticCurvePublicKey | RSAPublicKey | None = None

    def mac(self, message: bytes) -> bytes:
        """The MAC that a key of its kind computes."""
        return bytes(self.handle.sign(message, mechanism=_MACS[self.kind]))


@dataclass(slots=True)
class Login:
    """One process's session with one token, which all stores on it share, as PKCS#11 shares the login."""

    session: Any
    pin: str = field(repr=False)
    keys: dict[str, Key] = field(default_factory=dict)


class Library:
    """A PKCS#11 library in this process, and its logins by the tokens' serial numbers."""

    known: ClassVar[dict[str, Library]] = {}

    def __init__(self, path: str) -> None:
        self.path = path
        self.logins: dict[str, Login] = {}
        self.process = os.getpid()

    @classmethod
    def at(cls, path: str) -> Library:
        """The library with that path; a child process starts it anew (PKCS #11 2.40, 6.6.1)."""
        library = cls.known.setdefault(path, cls(path))
        if library.process != os.getpid():
            library.restart()
        return library

    def restart(self) -> None:
        """End all sessions, and let the library look again what there is."""
        self.logins.clear()
        self.process = os.getpid()
        with suppress(pkcs11.PKCS11Error):
            self._loaded().finalize()

    def tokens(self) -> list[pkcs11.Token]:
        """The initialised tokens there are. TokenMissing if the library is not there or does not start."""
        try:
            present = [slot.get_token() for slot in self._loaded().get_slots(token_present=True)]
        except pkcs11.PKCS11Error as error:
            raise TokenMissing(f"no token is reached through {self.path}: {reason(error)}") from error
        return [token for token in present if token.flags & TokenFlag.TOKEN_INITIALIZED]

    def find(self, wanted: Token) -> pkcs11.Token | None:
        """That token, if it is there, or is once the library has looked again."""
        with suppress(TokenMissing):
            if (token := self._match(wanted)) is not None:
                return token
        self.restart()
        return self._match(wanted)

    def _match(self, wanted: Token) -> pkcs11.Token | None:
        return next((t for t in self.tokens() if (t.label, serial(t)) == (wanted.label, wanted.serial)), None)

    def login(self, token: pkcs11.Token, pin: str) -> Login:
        """Log in, for all stores on that token. Raises WrongPin, PinLocked, KeyStoreError."""
        try:
            session = token.open(rw=True, user_pin=pin)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            raise WrongPin(f"that is not the PIN of {named(token)}{_tries(token)}") from None
        except pkcs11.PinLocked:
            raise PinLocked(f"the PIN of {named(token)} is locked: its security officer can set a new one") from None
        except pkcs11.PKCS11Error as error:
            raise KeyStoreError(f"{named(token)} lets nobody in: {reason(error)}") from error
        login = Login(session, pin)
        self.logins[serial(token)] = login
        return login

    def version(self) -> str:
        """Its name and version, as it tells them."""
        loaded = self._loaded()
        return " ".join((loaded.library_description.strip(), ".".join(map(str, loaded.library_version))))

    def _loaded(self) -> Any:
        return pkcs11.lib(self.path)


def check_present(session: Any) -> None:
    """Raise PKCS11Error if the token is gone: finding nothing is no error to some libraries then."""
    session.token.slot.get_token()


def serial(token: pkcs11.Token) -> str:
    """A token's serial number, without its filling."""
    return token.serial.decode("ascii", "replace").strip()


def named(token: pkcs11.Token) -> str:
    """A token as messages name it."""
    return f"token {token.label!r} (serial {serial(token)})"


def _tries(token: pkcs11.Token) -> str:
    """What the token tells of the tries that are left (CKF_USER_PIN_…)."""
    try:
        flags = token.slot.get_token().flags
    except pkcs11.PKCS11Error:
        return ""
    if flags & TokenFlag.USER_PIN_LOCKED:
        return ": it is locked now"
    if flags & TokenFlag.USER_PIN_FINAL_TRY:
        return ": one try is left before it locks"
    if flags & TokenFlag.USER_PIN_COUNT_LOW:
        return ": not the first wrong one; the token may lock it"
    return ""


def reason(error: pkcs11.PKCS11Error) -> str:
    """What an error says, or at least its kind."""
    return str(error) or type(error).__name__
