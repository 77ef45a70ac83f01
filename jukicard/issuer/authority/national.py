"""The TEST national root, which several municipalities' authorities may share.

Its directory (mode 0700): `national.json` (what it is, and the token with its key, if that is in one), `root.pem`,
`ceremonies/`, and `keys.json`: its own encrypted key store, with its own password, unless the key is in a token.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.ceremony import FOUNDING, Ceremony
from jukicard.issuer.authority.generations import FIRST
from jukicard.issuer.authority.terminals import JUKI_RIGHTS
from jukicard.issuer.errors import CertificateProfileError, HomeDamaged, HomeMissing, KeyStoreLocked
from jukicard.issuer.files import new_directory, read_file, write_atomically
from jukicard.issuer.keys.keystore import KeyStore, KeyUse, Randomness
from jukicard.issuer.keys.places import FilePlace, KeyPlace, NewPlace, new_file, read_place
from jukicard.issuer.records.expiry import last_day
from jukicard.securechannel.authorization import Role, TerminalAuthorization

ROOT_YEARS = 30
CA_YEARS = 20

_DESCRIPTION = {"format": "jukicard national root", "version": 1}
_LABEL = "national-root"


class NationalRoot:
    """The key that all Juki certificates go back to. Made by `init` or `open`."""

    def __init__(
        self, directory: Path, place: KeyPlace, certificate: bytes, keys: KeyStore | None, random: Randomness
    ) -> None:
        self._directory = directory
        self.place = place
        self._certificate = certificate
        self._keys = keys
        self._random = random

    @classmethod
    def init(
        cls,
        directory: Path,
        password: str,
        *,
        today: date,
        keys: NewPlace = new_file,
        random: Randomness = os.urandom,
    ) -> NationalRoot:
        """Make a national root in a new directory, whole or not at all. Raises HomeExists.

        `password` is the token's PIN where the key is to be in one.
        """
        place = keys("national", random)
        with ExitStack() as undo:
            with new_directory(directory) as building:
                root = cls.build(building, password, place=place, today=today, random=random)
                undo.callback(place.discard, root.keys)
            undo.pop_all()
        return cls.open(directory, password, random=random)

    @classmethod
    def build(
        cls, directory: Path, password: str, *, today: date, random: Randomness, place: KeyPlace | None = None
    ) -> NationalRoot:
        """Fill an empty directory, for whoever makes the directory whole."""
        place = place or FilePlace()
        keys = place.create(directory, password, random)
        request = x.Request(
            profile=x.ROOT,
            subject=x.Subject("TEST Juki National Root"),
            public_key=keys.create_ec(_LABEL, KeyUse.SIGN),
            not_before=today,
            not_after=last_day(today, ROOT_YEARS),
        )
        certificate = x.issue(x.Signer(keys, _LABEL), request, random)
        write_atomically(directory / "root.pem", x.to_pem((certificate,)), 0o644)
        named = {} if place.description is None else {"keys": place.description}
        write_atomically(directory / "national.json", json.dumps({**_DESCRIPTION, **named}, indent=1).encode() + b"\n")
        made = Ceremony.of(FOUNDING, "a TEST national root", today, keys, (_LABEL,), {_LABEL: certificate})
        made.write(directory)
        return cls(directory, place, certificate, keys, random)

    @classmethod
    def open(cls, directory: Path, password: str | None = None, *, random: Randomness = os.urandom) -> NationalRoot:
        """Open a national root; without its password, its public part.

        Raises HomeMissing, HomeDamaged, and what opening a key store raises.
        """
        if not (directory / "national.json").exists():
            raise HomeMissing(f"there is no national root in {directory}")
        try:
            members = json.loads(read_file(directory / "national.json"))
            place = read_place(members.pop("keys", None))
            known = members == _DESCRIPTION
        except (ValueError, KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise HomeDamaged(f"{directory / 'national.json'} describes no national root of this version")
        (certificate,) = read_certificates(directory / "root.pem")[:1]
        keys = None if password is None else place.open(directory, password, random)
        return cls(directory, place, certificate, keys, random)

    def __repr__(self) -> str:
        return f"NationalRoot({str(self._directory)!r})"

    @property
    def certificate(self) -> bytes:
        """The self-signed root certificate, DER."""
        return self._certificate

    @property
    def keys(self) -> KeyStore:
        """The key store. KeyStoreLocked if it was opened without its password."""
        if self._keys is None:
            raise KeyStoreLocked("the national root was opened without its password")
        return self._keys

    def certify_terminal_ca(
        self,
        city_code: str,
        city_name: str,
        public_key: EllipticCurvePublicKey,
        *,
        today: date,
        generation: int = FIRST,
    ) -> bytes:
        """Certify a municipality's terminal CA: for that city, and all rights of the Juki area at most."""
        authorization = TerminalAuthorization(Role.CS, JUKI_RIGHTS, city_code)
        subject = x.Subject(_numbered(f"TEST {city_name} Juki Terminal CA", generation), city_name, city_code)
        return self._certify(x.TERMINAL_CA, subject, public_key, today, authorization)

    def certify_card_ca(
        self,
        city_code: str,
        city_name: str,
        public_key: EllipticCurvePublicKey,
        *,
        today: date,
        generation: int = FIRST,
    ) -> bytes:
        """Certify a municipality's card CA."""
        subject = x.Subject(_numbered(f"TEST {city_name} Juki Card CA", generation), city_name, city_code)
        return self._certify(x.CARD_CA, subject, public_key, today, None)

    def _certify(
        self,
        profile: x.Profile,
        subject: x.Subject,
        public_key: EllipticCurvePublicKey,
        today: date,
        authorization: TerminalAuthorization | None,
    ) -> bytes:
        end = min(last_day(today, CA_YEARS), x.last_valid_day(self._certificate))
        request = x.Request(profile, subject, public_key, today, end, authorization)
        return x.issue(x.Signer(self.keys, _LABEL, self._certificate), request, self._random)


def _numbered(name: str, generation: int) -> str:
    return name if generation == FIRST else f"{name} {generation}"


def read_certificates(path: Path) -> tuple[bytes, ...]:
    """The certificates of a PEM file of a home. Raises HomeDamaged."""
    try:
        return x.from_pem(read_file(path))
    except CertificateProfileError as error:
        raise HomeDamaged(f"{path} holds no certificate") from error
