"""Who takes part: cards in several stages of their lives, and terminals with several rights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.catalogue import BUILT_IN
from jukicard.applets.folder.client import FolderClient, ef, record_ef
from jukicard.applets.folder.layout import TAG_RULES
from jukicard.applets.folder.rules import OWNER
from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.iso7816.access import AccessMode, AccessRules, Always, Never, Password, SessionKey
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.authorization import OID, Right, Role, TerminalAuthorization
from jukicard.securechannel.certificates import ChainVerifier
from jukicard.securechannel.host import LocalTerminalKey
from jukicard.securechannel.scp11 import encode_point
from tests.fuzz import folder_grammar
from tests.fuzz.domain_rules import Certificate
from tests.fuzz.facts import facts
from tests.support import chips, content, facechips, folders, jpkichips, locker, operatorchips, services
from tests.support.chains import private_key

_STRANGER = private_key(3999)


@lru_cache(maxsize=1)
def terminals() -> Mapping[str, LocalTerminalKey]:
    """Terminals by name."""
    everything = tuple(sorted(chips.ALL_RIGHTS))
    counter = (Right.SET_INITIAL_PASSWORD, Right.RESET_PASSWORD, Right.IDENTIFY, Right.MATCH)
    national, city = chips.NATIONAL_ROOT, chips.CITY_ROOT
    return {
        "all": chips.terminal(*everything),
        "counter": chips.terminal(*counter),
        "identify": chips.terminal(Right.IDENTIFY, city="*"),
        "match": chips.terminal(Right.MATCH),
        "office": chips.terminal(Right.SUSPEND, Right.RESUME, Right.VOID),
        "next city": chips.terminal(*everything, city=chips.OTHER_CITY),
        "narrowed": chips.terminal(*everything, city="*", ca_city=chips.CITY),
        "foreign": chips.terminal(*everything, ca_city=chips.OTHER_CITY),
        "bare": chips.terminal(authorized=False),
        "later": chips.terminal(*everything, ca_start=20240801, serial=9),
        "expiring": chips.terminal(*everything, ca_start=20340501, end=20991231),
        "expired": chips.terminal(*everything, end=20240301),
        "over soon": chips.terminal(*everything, end=20240831),
        "stranger": chips.terminal(*everything, root=_STRANGER),
        "library": chips.service_terminal(),
        "library later": chips.terminal(
            Right.MUNICIPAL_SERVICE, root=city, role=Role.MUNICIPAL_SERVICE, ca_start=20250101
        ),
        "other library": chips.service_terminal(chips.OTHER_CITY),
        "city all": chips.terminal(*everything, root=city),
        "kiosk": services.kiosk(),
        "shop": services.shop(),
        "none": chips.terminal(root=national),
    }


@lru_cache(maxsize=1)
def certificates() -> Mapping[bytes, Certificate]:
    """What the model knows of every certificate that the terminals have, by its DER."""
    found: dict[bytes, Certificate] = {}
    roots = (chips.NATIONAL_ROOT, chips.CITY_ROOT, _STRANGER)
    for terminal in terminals().values():
        authority, leaf = terminal.certificates
        for root in roots:
            try:
                verifier = ChainVerifier(root.public_key(), today=None)
                verifier.add(authority, last=False)
            except Exception:  # noqa: BLE001 - another root's
                continue
            found[authority] = _read(authority, encode_point(root.public_key()))
            found[leaf] = _read(leaf, found[authority].key)
    return found


def _read(der: bytes, signer: bytes) -> Certificate:
    parsed = x509.load_der_x509_certificate(der)
    constraints = parsed.extensions
    is_authority = any(
        isinstance(extension.value, x509.BasicConstraints) and extension.value.ca for extension in constraints
    )
    rights, city = None, ""
    for extension in constraints:
        if extension.oid.dotted_string == OID:
            authorization = TerminalAuthorization.decode(extension.value.value)
            rights, city = frozenset(map(int, authorization.rights)), authorization.municipality
    start, end = (
        moment.year * 10000 + moment.month * 100 + moment.day
        for moment in (parsed.not_valid_before_utc, parsed.not_valid_after_utc)
    )
    key = parsed.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return Certificate(signer, encode_point(key), is_authority, start, end, parsed.serial_number, rights, city)


@lru_cache(maxsize=1)
def _furnished() -> dict[str, bytes]:
    """Handed over, and with an application of each further module of the catalogue in the municipality's domain."""
    chip = chips.active().chip()
    installed = {entry.module for entry in facts(chip.cells)["registry"][1:]}
    further = [applet for applet in BUILT_IN if bytes(applet.module) not in installed]
    for number, applet in enumerate(further, 2):
        chip.select(chips.CITY_DOMAIN)
        session = chip.scp03(chips.CITY_KEYS)
        aid = municipal_service_aid(chips.CITY, number)
        chips.say(session, 0x80, 0xE6, 0x0C, 0, chips.install_data(applet.module, aid, load_file=applet.load_file))
    return chip.cells


@lru_cache(maxsize=1)
def _folder() -> dict[str, bytes]:
    """Handed over, with a folder that is furnished as `folder_grammar` says."""
    may_make = folders.MODES, Always()
    making = folders.rules(may_make, (folders.LIFE, OWNER), *((ins, Always()) for ins in (0xCA, 0xCB, 0xDA, 0xDB)))
    chip = folders.empty(Tlv(TAG_RULES, making.encode()).encode(), "fuzzing")
    folder = folders.owner(chip)
    rng = Random("folder")
    _make_open_files(folder)
    _make_shut_files(folder, rng)
    everything = AccessRules.parse(folder_grammar.RULES)
    folder.make_password(folder_grammar.PASSWORD, 4, 8, 3, everything)
    folder.set_initial_password(folder_grammar.PASSWORD, chips.PASSWORD)
    folder.make_secret_key(folder_grammar.SECRET, 15, everything)
    folder.import_secret_key(folder_grammar.SECRET, rng.randbytes(16))
    folder.make_signature_key(folder_grammar.PAIR, everything)
    folder.import_signature_key(folder_grammar.PAIR, bytes(range(1, 33)))
    folder.put_data_object(0x42, b"a data object")
    return chip.cells


def _make_open_files(folder: FolderClient) -> None:
    """Everybody's: the same ones in the application's DF and in the DF below it."""
    everything = Tlv(0xAB, folder_grammar.RULES)
    for directory in ((), (folder_grammar.INNER,)):
        for fid in folder_grammar.FILES:
            folder.select_path(*directory)
            if fid not in directory:
                size = [Tlv(0x80, folder_grammar.SIZES[fid].to_bytes(2))] if fid in folder_grammar.SIZES else []
                name = Tlv(0x82, folder_grammar.DESCRIPTORS[fid]), Tlv(0x83, fid.to_bytes(2))
                folder.create(Tlv.build(0x62, *name, *size, everything))
            if folder_grammar.DESCRIPTORS[fid][0] in (2, 4, 6):
                folder.append(b"mxyz")


def _make_shut_files(folder: FolderClient, rng: Random) -> None:
    folder.select_path()
    fids = folder_grammar.OWNERS, folder_grammar.BY_PASSWORD, folder_grammar.BY_KEY, folder_grammar.NOBODYS
    conditions = OWNER, Password(folder_grammar.PASSWORD), SessionKey(folder_grammar.SECRET), Never()
    writing = AccessMode.UPDATE | AccessMode.WRITE
    for fid, condition in zip(fids, conditions, strict=True):
        rules = folders.rules((AccessMode.READ, condition), (writing, OWNER))
        folder.create(ef(fid, 40, rules, sfi=fid & 0x1F))
        folder.update(rng.randbytes(40))
    rules = folders.rules((AccessMode.READ, conditions[1]), (writing, OWNER))
    folder.create(record_ef(folder_grammar.RECORDS, 0x02, 12, 4, rules, sfi=folder_grammar.RECORDS & 0x1F))
    folder.append(b"m" + rng.randbytes(11))
    folder.append(b"m" + rng.randbytes(11))
    rules = folders.rules((0x33, Always()), (writing, OWNER))
    folder.create(ef(folder_grammar.COUNTED, 8, rules, sfi=folder_grammar.COUNTED & 0x1F, compare_tries=3))


@lru_cache(maxsize=1)
def _blank() -> dict[str, bytes]:
    return chips.blank().cells


@lru_cache(maxsize=1)
def _personalising() -> dict[str, bytes]:
    return chips.in_personalisation().cells


@lru_cache(maxsize=1)
def _loaded() -> dict[str, bytes]:
    """Handed over, and with a loaded application in the municipality's domain."""
    return locker.on(chips.active().cells, "fuzzing")


START: dict[str, Callable[[], dict[str, bytes]]] = {
    "active": lambda: chips.active().cells,
    "folder": _folder,
    "furnished": _furnished,
    "services": services.ready,
    "delivered": lambda: chips.delivered().cells,
    "personalisation": _personalising,
    "blank": _blank,
    "approving": content.loaded_cells,
    "loaded": _loaded,
    "operator": operatorchips.active,
    "new operator": operatorchips.in_personalisation,
    "jpki": jpkichips.active,
    "jpki like a juki card": jpkichips.like_a_juki_card,
    "new jpki": jpkichips.nearly_written,
    "face A": facechips.face_a,
    "face B": facechips.face_b,
    "new face": facechips.installed,
    "face on its last try": facechips.the_last_try,
}
"""The cells that a card starts with."""
