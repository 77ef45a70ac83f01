"""Where an authority's keys are kept: in an encrypted file of its home, or in a PKCS#11 token that the home names.

A token is named by its label and its serial number, never by a slot: slots change with what else is plugged in. Its
PIN stands nowhere. Several authorities may share one token: each has a namespace, which its keys' labels begin with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from jukicard.issuer.errors import KeyStoreError
from jukicard.issuer.keys.filekeystore import FileKeyStore
from jukicard.issuer.keys.keystore import KeyStore, Randomness

KEYS_FILE = "keys.json"


@dataclass(frozen=True, slots=True)
class Token:
    """A PKCS#11 token: the path of the library that leads to it, its label and its serial number."""

    library: str
    label: str
    serial: str

    def __str__(self) -> str:
        return f"token {self.label!r} (serial {self.serial})"


class KeyPlace(Protocol):
    """Where the keys of a home (or of a national root's directory) are kept."""

    @property
    def token(self) -> Token | None:
        """The token, if it is one: places with the same have the same PIN."""

    @property
    def description(self) -> Mapping[str, str] | None:
        """What the home's own description says about it; None if nothing."""

    def create(self, directory: Path, secret: str, random: Randomness) -> KeyStore:
        """Make the store for a directory that is being built. `secret`: its password, or the token's PIN."""

    def open(self, directory: Path, secret: str, random: Randomness) -> KeyStore:
        """Open the store of a directory. Raises what opening a key store raises."""

    def discard(self, keys: KeyStore) -> None:
        """Take back what `create` and all that followed have made outside of the directory."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """`keys.json` in the directory, opened by a password."""

    token: None = None
    description: None = None

    def create(self, directory: Path, secret: str, random: Randomness) -> FileKeyStore:
        """Make an empty file."""
        return FileKeyStore.create(directory / KEYS_FILE, secret, random)

    def open(self, directory: Path, secret: str, random: Randomness) -> FileKeyStore:
        """Open the file."""
        return FileKeyStore.open(directory / KEYS_FILE, secret, random)

    def discard(self, keys: KeyStore) -> None:
        """Do nothing: the file goes with its directory."""


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Keys in a PKCS#11 token whose labels begin with the namespace, opened by the token's PIN."""

    token: Token
    namespace: str

    @property
    def description(self) -> Mapping[str, str]:
        """Library, label, serial, namespace."""
        return {**asdict(self.token), "namespace": self.namespace}

    def create(self, directory: Path, secret: str, random: Randomness) -> KeyStore:
        """Open the token: making keys is all that it needs."""
        return self.open(directory, secret, random)

    def open(self, directory: Path, secret: str, random: Randomness) -> KeyStore:
        """Log in to the token. The randomness is the token's own."""
        from jukicard.issuer.keys.pkcs11store import Pkcs11KeyStore  # here: only who has a token has the package

        return Pkcs11KeyStore.open(self.token, self.namespace, secret, lock=directory / KEYS_FILE)

    def discard(self, keys: KeyStore) -> None:
        """Destroy the namespace's keys; what a token that has gone keeps of them serves nobody."""
        from jukicard.issuer.keys.pkcs11store import Pkcs11KeyStore

        if isinstance(keys, Pkcs11KeyStore):
            with suppress(KeyStoreError):
                keys.destroy_all()


NewPlace = Callable[[str, Randomness], KeyPlace]
"""From whose keys they will be (a namespace's readable part) to a place that nobody else uses."""


def new_file(whose: str, random: Randomness) -> KeyPlace:
    """A file of its own."""
    return FilePlace()


def on_token(token: Token) -> NewPlace:
    """A new namespace on a token."""
    return lambda whose, random: TokenPlace(token, f"{whose}-{random(4).hex()}")


def read_place(description: Mapping[str, Any] | None) -> KeyPlace:
    """The place that a home's description names; a file if it names none. KeyError, TypeError for another form."""
    if description is None:
        return FilePlace()
    library, label, serial, namespace = (description[n] for n in ("library", "label", "serial", "namespace"))
    if not all(isinstance(part, str) for part in (library, label, serial, namespace)):
        raise TypeError("a token's description is made of text")
    return TokenPlace(Token(library, label, serial), namespace)
