"""The issuing authority of one municipality: a home directory, and what is done with its keys and books.

The home (mode 0700, files 0600 unless said otherwise):

* `authority.json`: format, version, city code and name, contact, day of making; if the keys are in a token, which;
  what was rotated, and how far (`generations`)
* `keys.json`: the encrypted key store, opened by the authority's password, unless the keys are in a token
* `ceremonies/`: the records of the key ceremonies, to be signed
* `storage.key`: the key that card files are sealed with (64 hex digits)
* `ledger.sqlite`: the books, unless `authority.json` names a PostgreSQL database
* `anchors.sqlite`: how far each card file is known to have come
* `ordinance.json`: the purposes that applications are approved for
* `certificates/` (0644): `national-root.pem`, `terminal-ca.pem`, `card-ca.pem`, `municipal-root.pem`,
  `ledger-seal.pem`, `face-signing.pem`, `jpki-….pem`; of later generations `card-ca-2.pem` and so on
* `operators/`: the operators' cards, if there are any (issuer/operators/register.py)
* `terminals/NAME.pem` (0644): a terminal's certificates, from below its anchor down to the leaf
* `national/`: the national root's own directory, if it was made together with the authority
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.anchors import ANCHORS_FILE
from jukicard.issuer.authority.ceremony import FOUNDING, Ceremony
from jukicard.issuer.authority.description import City, Description
from jukicard.issuer.authority.generations import Rotated, versioned
from jukicard.issuer.authority.national import CA_YEARS, NationalRoot, read_certificates
from jukicard.issuer.authority.seals import SEAL_KEY, open_seal, seal_file
from jukicard.issuer.authority.terminals import (
    FIRST_TERMINALS,
    Area,
    StoredTerminalKey,
    Terminal,
    area_of,
    check_name,
    key_label,
    read_terminal,
)
from jukicard.issuer.errors import (
    HomeDamaged,
    HomeMissing,
    KeyExists,
    KeyMissing,
    KeyMisuse,
    KeyStoreLocked,
    TerminalError,
)
from jukicard.issuer.files import (
    PRIVATE_DIRECTORY,
    check_private,
    new_directory,
    sync_directory,
    write_atomically,
)
from jukicard.issuer.keys.keystore import KeyStore, KeyUse, PrivateKeyExport, Randomness
from jukicard.issuer.keys.places import NewPlace, new_file
from jukicard.issuer.keys.storagekey import STORAGE_KEY_FILE, ensure_storage_key, load_storage_key
from jukicard.issuer.records.codes import ResidentCode
from jukicard.issuer.records.expiry import last_day
from jukicard.issuer.records.resident import ResidentRecord
from jukicard.securechannel.authorization import Right, Role, TerminalAuthorization

if TYPE_CHECKING:
    from jukicard.issuer.ledger.chain import EntrySigner
    from jukicard.issuer.ledger.ledger import Ledger

TERMINAL_YEARS = 12
"""How long a terminal's certificate is valid by default: longer than the cards that are made with it at first."""

LEDGER_FILE = "ledger.sqlite"
_PUBLIC_FILE = 0o644
_TERMINAL_CA, _CARD_CA, _MUNICIPAL_ROOT = "terminal-ca", "card-ca", "municipal-root"
MASTERS = {Area.JUKI: "issuer-master", Area.MUNICIPAL: "municipal-master"}
_DIGEST_KEY = "ledger-digest"
_APPROVAL = "approval"
_ROTATED_CAS = {_TERMINAL_CA: Rotated.TERMINAL_CA, _CARD_CA: Rotated.CARD_CA}


class Authority:
    """One municipality's authority. Made by `init` or `open`; close it, or use it as a context manager.

    Opened without the password it has its public parts, the books and the storage key; whatever needs a key
    raises KeyStoreLocked.
    """

    def __init__(self, home: Path, description: Description, keys: KeyStore | None, random: Randomness) -> None:
        self.home = home
        self.description = description
        self.city = description.city
        self._keys = keys
        self._random = random
        self._ledger: Ledger | None = None
        self._operator: EntrySigner | None = None
        self._anchors: dict[Area, EllipticCurvePublicKey] = {}
        self._certificates = {
            name: read_certificates(certificate_file(home, name, self._generation(name)))[0]
            for name in ("national-root", _TERMINAL_CA, _CARD_CA, _MUNICIPAL_ROOT)
        }

    @classmethod
    def init(
        cls,
        home: Path,
        city: City,
        password: str,
        *,
        today: date,
        national: NationalRoot | None = None,
        keys: NewPlace = new_file,
        ledger_url: str | None = None,
        random: Randomness = os.urandom,
    ) -> Authority:
        """Make an authority in a new home, whole or not at all, and return it open.

        `password` is the token's PIN where the keys are to be in one (`keys.places.on_token`). Without a national
        root (opened with its password) one of its own is made inside the home, with the same password or in the
        same token. A home that holds nothing but a storage key and the anchors of its cards becomes the
        authority's and keeps them. The books are a file of the home, or lie in the PostgreSQL database `ledger_url`,
        whose tables are there and empty. Raises HomeExists, LedgerError, and RuleRefused for a city that cannot be one.
        """
        description = Description(city, keys(city.code, random), today.isoformat(), ledger_url)
        place = description.place
        with ExitStack() as undo:
            with new_directory(home, keep=(STORAGE_KEY_FILE, ANCHORS_FILE)) as building:
                store = place.create(building, password, random)
                undo.callback(place.discard, store)
                if national is None:
                    directory = building / "national"
                    directory.mkdir(mode=PRIVATE_DIRECTORY)
                    national = NationalRoot.build(directory, password, place=place, today=today, random=random)
                _build(building, description, store, national, today=today, random=random)
            undo.pop_all()
        return cls.open(home, password, random=random)

    @classmethod
    def open(cls, home: Path, password: str | None = None, *, random: Randomness = os.urandom) -> Authority:
        """Open an authority; without its password, its public parts.

        Raises HomeMissing, HomeDamaged, WrongAuthorityPassword, KeyStoreDamaged.
        """
        if not (home / "authority.json").exists():
            raise HomeMissing(f"there is no authority in {home}")
        check_private(home)
        description = Description.read(home)
        keys = None if password is None else description.place.open(home, password, random)
        return cls(home, description, keys, random)

    def __enter__(self) -> Authority:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Authority({str(self.home)!r}, {self.city.code})"

    def close(self) -> None:
        """Let go of the books."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    @property
    def keys(self) -> KeyStore:
        """The key store. KeyStoreLocked if the home was opened without its password."""
        if self._keys is None:
            raise KeyStoreLocked("this needs the authority's password")
        return self._keys

    @property
    def ledger(self) -> Ledger:
        """The books, opened when first asked for."""
        if self._ledger is None:
            from jukicard.issuer.ledger.ledger import Ledger  # here, since SQLAlchemy takes long to import

            self._ledger = Ledger.open(self.ledger_place)
            if self._keys is not None:
                root = x.Signer(self._keys, _MUNICIPAL_ROOT, self._certificates[_MUNICIPAL_ROOT])
                self._ledger.sealer = open_seal(self.home, self.city, root, self._random)
            self._ledger.signer = self._operator
        return self._ledger

    @property
    def signer(self) -> EntrySigner | None:
        """The operator who is logged in, and signs what is written into the books."""
        return self._operator

    @signer.setter
    def signer(self, operator: EntrySigner | None) -> None:
        self._operator = operator
        if self._ledger is not None:
            self._ledger.signer = operator

    @property
    def ledger_place(self) -> Path | str:
        """Where the books are: a file of the home, or the URL of a PostgreSQL database."""
        return self.description.ledger or self.home / LEDGER_FILE

    @property
    def storage_key(self) -> bytes:
        """The key that card files are sealed with, 32 bytes."""
        return load_storage_key(self.home / STORAGE_KEY_FILE)

    @property
    def national_root(self) -> bytes:
        """The national root's certificate, DER."""
        return self._certificates["national-root"]

    def anchor_certificate(self, area: Area) -> bytes:
        """The self-signed certificate (DER) of an area's trust anchor."""
        return self._certificates["national-root" if area is Area.JUKI else _MUNICIPAL_ROOT]

    def anchor(self, area: Area) -> EllipticCurvePublicKey:
        """The public key that a chip trusts in an area (KID 10), and that its own certificates go back to."""
        anchor = self._anchors.get(area)
        if anchor is None:
            key = x509.load_der_x509_certificate(self.anchor_certificate(area)).public_key()
            if not isinstance(key, EllipticCurvePublicKey):
                raise HomeDamaged(f"the {area} anchor has no EC key")
            anchor = self._anchors[area] = key
        return anchor

    def master_label(self, area: Area, generation: int) -> str:
        """The label of an area's master key of one generation, for `KeyStore.wrap_card_keys`."""
        return versioned(MASTERS[area], generation)

    def _generation(self, name: str) -> int:
        """The newest generation of one of the certificates."""
        return self.description.generations.of(_ROTATED_CAS[name]) if name in _ROTATED_CAS else 1

    def _signer(self, name: str) -> x.Signer:
        """Who signs as a CA, in its newest generation."""
        return x.Signer(self.keys, versioned(name, self._generation(name)), self._certificates[name])

    def code_digest(self, code: ResidentCode) -> str:
        """The keyed digest under which the ledger finds a resident code again: 64 hex digits, telling nothing."""
        return self.keys.mac(_DIGEST_KEY, b"resident code " + code.reveal().encode()).hex()

    def person_digest(self, record: ResidentRecord) -> str:
        """The keyed digest by which the ledger tells one person from another: 64 hex digits, telling nothing."""
        return self.keys.mac(_DIGEST_KEY, b"person " + record.person.encode()).hex()

    def patron_number(self, serial: str) -> str:
        """The library patron's number (10 digits) of a card: the same at each asking, telling nothing of the card's
        serial.
        """
        return f"{int.from_bytes(self.pseudonym('library patron', serial)) % 10**10:010d}"

    def pseudonym(self, purpose: str, serial: str) -> bytes:
        """What stands for a card for one purpose, 32 bytes: the same at each asking, telling nothing of the serial."""
        return self.keys.mac(_DIGEST_KEY, f"{purpose} {serial}".encode())

    def card_authorities(self, area: Area) -> tuple[bytes, ...]:
        """The certificates (DER) between an area's anchor and a card's own, top-down."""
        return (self._certificates[_CARD_CA],) if area is Area.JUKI else ()

    def certify_card(
        self,
        area: Area,
        profile: x.Profile,
        serial: str,
        public_key: EllipticCurvePublicKey,
        *,
        not_before: date,
        not_after: date,
    ) -> bytes:
        """Certify a key made on a card: `profile` is CARD_AUTHENTICATION or CARD_CHANNEL. DER."""
        if profile not in (x.CARD_AUTHENTICATION, x.CARD_CHANNEL):
            raise KeyMisuse("a card's key is for authentication or for channels")
        subject = x.Subject(f"Juki card {serial}", self.city.name, self.city.code, serial)
        request = x.Request(profile, subject, public_key, not_before, not_after)
        return x.issue(self.card_signer(area), request, self._random)

    def card_signer(self, area: Area) -> x.Signer:
        """Who certifies the keys of cards in an area: the card CA, or the municipality's own root."""
        return self._signer(_CARD_CA if area is Area.JUKI else _MUNICIPAL_ROOT)

    def new_terminal(
        self,
        name: str,
        role: Role,
        rights: Iterable[Right],
        *,
        not_before: date,
        not_after: date | None = None,
    ) -> Terminal:
        """Make a terminal: its key, and a certificate with these rights in this city. Past dates are allowed.

        The area follows from the rights. By default it is valid for 12 years, or as long as its issuer.
        Raises TerminalError if there is one of that name, or the rights belong to two areas.
        """
        path = self._terminal_path(name)
        if path.exists():
            raise TerminalError(f"there is a terminal {name} already")
        granted = frozenset(rights)
        area = area_of(role, granted)
        label = _TERMINAL_CA if area is Area.JUKI else _MUNICIPAL_ROOT
        above = self._certificates[label]
        request = x.Request(
            profile=x.TERMINAL,
            subject=x.Subject(name, self.city.name, self.city.code),
            public_key=self._terminal_key(name),
            not_before=not_before,
            not_after=not_after or min(last_day(not_before, TERMINAL_YEARS), x.last_valid_day(above)),
            authorization=TerminalAuthorization(role, granted, self.city.code),
        )
        leaf = x.issue(self._signer(label), request, self._random)
        chain = (above, leaf) if area is Area.JUKI else (leaf,)
        write_atomically(path, x.to_pem(chain), _PUBLIC_FILE)
        return read_terminal(name, area, chain)

    @property
    def approval_key(self) -> EllipticCurvePublicKey:
        """The public key that our cards verify approvals and DAP blocks with (KID 20).

        A home made before there were approvals gets its key when it is first asked for.
        """
        return self._ensured_approval_key()

    def _ensured_approval_key(self) -> EllipticCurvePublicKey:
        try:
            return self.keys.public_key(_APPROVAL)
        except KeyMissing:
            with suppress(KeyExists):  # another process may be making it just now
                self.keys.create_ec(_APPROVAL, KeyUse.SIGN)
            return self.keys.public_key(_APPROVAL)

    def sign_approval(self, message: bytes) -> bytes:
        """Sign an approval or a load file's hash: ECDSA with SHA-256, DER."""
        self._ensured_approval_key()
        return self.keys.sign(_APPROVAL, message)

    def terminals(self) -> tuple[Terminal, ...]:
        """All terminals, by name."""
        names = sorted(path.stem for path in (self.home / "terminals").glob("[!.]*.pem"))
        return tuple(self.terminal(name) for name in names)

    def terminal(self, name: str) -> Terminal:
        """One terminal. TerminalError if there is none of that name."""
        path = self._terminal_path(name)
        if not path.exists():
            raise TerminalError(f"there is no terminal {name}")
        chain = read_certificates(path)
        area = Area.JUKI if len(chain) > 1 else Area.MUNICIPAL  # the one below a CA, the other below its root
        return read_terminal(name, area, chain)

    def terminal_key(self, name: str) -> StoredTerminalKey:
        """What opens SCP11a sessions as this terminal; the key stays in the key store."""
        return StoredTerminalKey(self.keys, key_label(name), self.terminal(name).certificates)

    def export_terminal(self, name: str, *, with_key: bool = False) -> bytes:
        """A terminal as PEM: its certificates, the leaf last; before them its private key, if explicitly
        asked for.

        Write it to a file of mode 0600 then. KeyMisuse if the key store hands out no keys.
        """
        chain = x.to_pem(self.terminal(name).certificates)
        if not with_key:
            return chain
        if not isinstance(self.keys, PrivateKeyExport):
            raise KeyMisuse("this key store hands out no keys")
        return self.keys.export_private_pem(key_label(name)) + chain

    def _terminal_path(self, name: str) -> Path:
        return self.home / "terminals" / f"{check_name(name)}.pem"

    def _terminal_key(self, name: str) -> EllipticCurvePublicKey:
        """A key without a certificate is what an interrupted `new_terminal` left: it is taken up."""
        label = key_label(name)
        if label in self.keys.labels():
            return self.keys.public_key(label)
        return self.keys.create_ec(label, KeyUse.AGREE, exportable=True)


def certificate_file(home: Path, name: str, generation: int) -> Path:
    """Where a certificate of one generation is."""
    return home / "certificates" / f"{versioned(name, generation, '-')}.pem"


def _build(
    home: Path, description: Description, keys: KeyStore, national: NationalRoot, *, today: date, random: Randomness
) -> None:
    """Fill a new home, in a directory that has not got its name yet."""
    for label in MASTERS.values():
        keys.create_master(label)
    keys.create_mac_key(_DIGEST_KEY)
    ensure_storage_key(home / STORAGE_KEY_FILE, random)
    _build_ledger(home, description.ledger)
    made = _build_certificates(home, description.city, keys, national, today=today, random=random)
    (home / "terminals").mkdir(mode=PRIVATE_DIRECTORY)
    with Authority(home, description, keys, random) as authority:
        for plan in FIRST_TERMINALS:
            terminal = authority.new_terminal(plan.name, plan.role, plan.rights, not_before=today)
            made[key_label(plan.name)] = terminal.certificates[-1]
    title = f"the authority of {description.city.name} ({description.city.code})"
    Ceremony.of(FOUNDING, title, today, keys, keys.labels(), made).write(home)
    description.write(home)


def _build_ledger(home: Path, url: str | None) -> None:
    from jukicard.issuer.ledger.ledger import Ledger  # here, since SQLAlchemy takes long to import

    if url is None:
        Ledger.create(home / LEDGER_FILE).close()
        return
    with Ledger.open(url) as ledger:
        ledger.check_empty()


def _build_certificates(
    home: Path, city: City, keys: KeyStore, national: NationalRoot, *, today: date, random: Randomness
) -> dict[str, bytes]:
    """Make and write the certificates; return them by name."""
    terminal_key = keys.create_ec(_TERMINAL_CA, KeyUse.SIGN)
    card_key = keys.create_ec(_CARD_CA, KeyUse.SIGN)
    own_root = x.Request(
        profile=x.ROOT,
        subject=x.Subject(f"TEST {city.name} Municipal Root", city.name, city.code),
        public_key=keys.create_ec(_MUNICIPAL_ROOT, KeyUse.SIGN),
        not_before=today,
        not_after=last_day(today, CA_YEARS),
    )
    made = {
        "national-root": national.certificate,
        _TERMINAL_CA: national.certify_terminal_ca(city.code, city.name, terminal_key, today=today),
        _CARD_CA: national.certify_card_ca(city.code, city.name, card_key, today=today),
        _MUNICIPAL_ROOT: x.issue(x.Signer(keys, _MUNICIPAL_ROOT), own_root, random),
    }
    directory = home / "certificates"
    directory.mkdir(mode=PRIVATE_DIRECTORY)
    for name, certificate in made.items():
        write_atomically(directory / f"{name}.pem", x.to_pem((certificate,)), _PUBLIC_FILE)
    open_seal(home, city, x.Signer(keys, _MUNICIPAL_ROOT, made[_MUNICIPAL_ROOT]), random)
    made[SEAL_KEY] = read_certificates(seal_file(home))[0]
    sync_directory(home)
    return made
