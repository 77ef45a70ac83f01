"""A card with a municipality that approves what it takes, and an outside provider's domain below it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from jukicard.applets.gp import layout as gp
from jukicard.applets.gp.approval import Approval, rom_digest, sign_form
from jukicard.applets.gp.client import DomainClient, EncryptedKey
from jukicard.applets.gp.loadfile import Dap, LoadFileStructure
from jukicard.applets.library import layout as library
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import ALL_RIGHTS, Limits
from jukicard.iso7816.wrappers import standard
from jukicard.securechannel.scp03 import StaticKeys, encrypt_sensitive, key_check_value
from tests.support import chips, loaded
from tests.support.chains import private_key
from tests.support.chips import Chip

CITY = "99203"
DOMAIN = gp.municipal_domain_aid(CITY)
PROVIDER = AID(b"\xf0provider")
SERVICE = gp.municipal_service_aid(CITY, 0x0101)
SECOND = gp.municipal_service_aid(CITY, 0x0102)
KEYS, PROVIDER_KEYS = chips.static_keys("approving"), chips.static_keys("provider")
APPROVAL_KEY, TOKEN_KEY = private_key(3201), private_key(3202)
RECEIPT_KEY = chips.static_keys("receipts").enc
PURPOSES = ("図書館", "観光案内")
APPROVING, DELEGATED = 0xC04000, 0xA00000
LIMITS = Limits(0x8000, 0x10000, ALL_RIGHTS)


def signature(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32) + s.to_bytes(32)


def token(message: bytes) -> bytes:
    """What the municipality signs for the provider."""
    return signature(TOKEN_KEY, message)


def structure(
    data_block: bytes, key: ec.EllipticCurvePrivateKey | None = APPROVAL_KEY, domain: AID = DOMAIN
) -> LoadFileStructure:
    """A load file with the municipality's DAP block, or (None) without one."""
    bare = LoadFileStructure((), data_block)
    return bare if key is None else LoadFileStructure((Dap(domain, signature(key, bare.digest)),), data_block)


def approval(
    digest: bytes,
    load_file: AID = loaded.FILE,
    version: int = 1,
    *,
    purpose: str = PURPOSES[0],
    limits: Limits = LIMITS,
    city: str = CITY,
    key: ec.EllipticCurvePrivateKey = APPROVAL_KEY,
) -> bytes:
    """A signed approval."""
    said = Approval(load_file, version, purpose, digest, limits, city)
    return sign_form(said, signature(key, said.message))


def of_rom(module: AID = library.MODULE, **changes: object) -> bytes:
    """The approval of a module in ROM."""
    digest = rom_digest(gp.LOAD_FILE, module)
    return approval(digest, gp.LOAD_FILE, 0, **changes)  # type: ignore[arg-type]


def client(chip: Chip, aid: AID = DOMAIN, keys: StaticKeys = KEYS, level: int = 0x33) -> DomainClient:
    """The domain's owner, in a session."""
    made = DomainClient(standard(chip), aid)
    made.select()
    made.open_scp03(chips.StaticKeyring(keys), bytes(8), level=level)
    return made


def provider(chip: Chip) -> DomainClient:
    return client(chip, PROVIDER, PROVIDER_KEYS)


def issuer(chip: Chip) -> DomainClient:
    return client(chip, chips.ISSUER, chips.ISSUER_KEYS)


def plain(chip: Chip) -> DomainClient:
    """The domain that verifies nothing."""
    return client(chip, chips.CITY_DOMAIN, chips.CITY_KEYS)


def encrypted(key: bytes, dek: bytes) -> EncryptedKey:
    return EncryptedKey(len(key), encrypt_sensitive(dek, key), key_check_value(key))


def key_set(keys: StaticKeys, dek: bytes) -> tuple[EncryptedKey, ...]:
    return tuple(encrypted(key, dek) for key in (keys.enc, keys.mac, keys.dek))


@lru_cache(maxsize=1)
def cells() -> dict[str, bytes]:
    """An active card, not yet SECURED, with the approving municipality and the provider."""
    chip = chips.active().chip("content")
    issuer(chip).install(gp.DOMAIN_MODULE, DOMAIN, APPROVING, storage=0x30000, volatile=0x80000)
    client(chip, DOMAIN, chips.ISSUER_KEYS).put_key_set(1, key_set(KEYS, chips.ISSUER_KEYS.dek))
    city = client(chip)
    city.put_public(gp.KID_APPROVAL, 1, APPROVAL_KEY.public_key())
    city.put_public(gp.KID_TOKEN, 1, TOKEN_KEY.public_key())
    city.put_aes_key(gp.KID_RECEIPT, 1, encrypted(RECEIPT_KEY, KEYS.dek))
    city.store_purposes(PURPOSES)
    city.install(gp.DOMAIN_MODULE, PROVIDER, DELEGATED, storage=0x10000, volatile=0x20000)
    client(chip, PROVIDER, KEYS).put_key_set(1, key_set(PROVIDER_KEYS, KEYS.dek))
    return chip.cells


@lru_cache(maxsize=1)
def secured_cells() -> dict[str, bytes]:
    """The same, SECURED."""
    chip = Chip(cells(), "secured")
    domain = issuer(chip)
    domain.set_card_state(0x07)
    domain.set_card_state(0x0F)
    return chip.cells


def card(seed: object = "content") -> Chip:
    return Chip(secured_cells(), seed)


def unsecured(seed: object = "content") -> Chip:
    return Chip(cells(), seed)


def bring(
    domain: DomainClient, data_block: bytes, aid: AID = loaded.FILE, *, signed: bytes = b"", **changes: object
) -> object:
    """INSTALL [for load] and LOAD of an approved load file."""
    whole = structure(data_block)
    domain.install_for_load(aid, approval=signed or approval(whole.digest, aid), **changes)  # type: ignore[arg-type]
    return domain.load(whole.encode())


@lru_cache(maxsize=1)
def loaded_cells() -> dict[str, bytes]:
    """The secured card with a load file and an application of it in the municipality's domain."""
    chip = card("loaded")
    city = client(chip)
    bring(city, loaded.block().encode())
    city.install(loaded.MODULE, SERVICE, load_file=loaded.FILE)
    return chip.cells


def with_code(seed: object = "code") -> Chip:
    return Chip(loaded_cells(), seed)


Refusal = Callable[[], object]
