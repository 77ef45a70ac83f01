"""What the JPKI application does, as the reference model tells it.

Written from what those who speak to real cards have published of it (docs/jpki.md) and importing nothing of the card's
code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from tests.fuzz import internal_rules
from tests.fuzz.facts import Entry, tlv
from tests.fuzz.internal_rules import verified
from tests.fuzz.model import ANYTHING, OK, Call, Expectation, Model, area
from tests.fuzz.proofs import ACTIVATED, INITIAL, content, proof
from tests.fuzz.wire import refuse

DEFAULT_KEY = 0x9A
MODULUS_SIZE, PUBLIC_KEY_SIZE, HASH_SIZE, LONGEST_VERBATIM = 256, 270, 32, 245
EXPONENT = 65537
VERBATIM, BARE, PREHASHED, HASHED, PSS_PREHASHED, PSS = range(6)
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""What RFC 8017, 9.2, note 1, puts before a SHA-256 hash."""

PASSWORD_OF = {0x9A: 0x9B, 0x97: 0x98}
"""The password that a key works after."""
NAMING, AFTER = 0x0001, 0x9B
"""The certificate that names its holder, and the password that it is read after."""
CONTENTS = {0x01: 3072, 0x02: 3072, 0x06: 160, 0x08: 3, 0x0A: 3072, 0x0B: 3072}
"""The sizes of the transparent EFs by FID, which is their SFI, too."""
SECOND_KEY = 0x17
"""The internal EF that a card like a Juki card goes without."""


def has_second_key(model: Model, entry: Entry) -> bool:
    return f"{area(entry.instance)}k/{0x80 | SECOND_KEY:02x}/h" in model.cells


def may(model: Model, call: Call, fid: int, mode: str) -> bool:
    """The rule of a transparent EF."""
    if model.cells[f"{area(call.entry.instance)}f/{fid:04x}/h"] == INITIAL:
        return proof(model, call).personalises
    return mode == "read" and (fid != NAMING or AFTER in verified(call))


# --- passwords


def change(model: Model, call: Call) -> Expectation:
    found = internal_rules.find(model, call, internal_rules.reference(model, call))
    allowed = proof(model, call).personalises if found.initial else found.reference in verified(call)
    if not allowed:
        refuse(0x6982)
    return internal_rules.put(call, found, call.cmd.data)


# --- keys


def _key_pair(model: Model, call: Call) -> str:
    """The cell of the key pair named, for who personalises."""
    data = call.cmd.data
    if len(data) != 5 or data[:4] != b"\xb6\x03\x84\x01":
        refuse(0x6A80)
    cell = f"{area(call.entry.instance)}k/{data[4]:02x}/"
    if cell + "h" not in model.cells:
        refuse(0x6A88)
    if model.cells[cell + "h"] != INITIAL or not proof(model, call).personalises:
        refuse(0x6982)
    return cell + "v"


def generate(model: Model, call: Call) -> Expectation:
    cell = _key_pair(model, call)
    if cell in model.cells:
        refuse(0x6985)

    def proves(data: bytes) -> bool:
        return data == _public_key(model.cells[cell])

    return Expectation(OK, PUBLIC_KEY_SIZE, changes={cell: ANYTHING}, proves=proves)


def read_public_key(model: Model, call: Call) -> Expectation:
    cell = _key_pair(model, call)
    if cell not in model.cells:
        refuse(0x6984)
    return Expectation(OK, _public_key(model.cells[cell]))


def _modulus(primes: bytes) -> int:
    return int.from_bytes(primes[: MODULUS_SIZE // 2]) * int.from_bytes(primes[MODULUS_SIZE // 2 :])


def _public_key(primes: bytes) -> bytes:
    return tlv(0x7F49, tlv(0x81, _modulus(primes).to_bytes(MODULUS_SIZE)) + tlv(0x82, EXPONENT.to_bytes(3)))


def sign(model: Model, call: Call) -> Expectation:
    reference = internal_rules.reference(model, call) if call.cmd.p2 else DEFAULT_KEY
    cell = f"{area(call.entry.instance)}k/{reference:02x}/"
    if cell + "h" not in model.cells:
        refuse(0x6A88)
    initial = model.cells[cell + "h"] == INITIAL  # who personalises has a certification request signed
    if not (proof(model, call).personalises if initial else PASSWORD_OF[reference] in verified(call)):
        refuse(0x6982)
    form, data = call.cmd.p1, call.cmd.data
    if (form == VERBATIM and len(data) > LONGEST_VERBATIM) or (
        form in (PREHASHED, PSS_PREHASHED) and len(data) != HASH_SIZE
    ):
        refuse(0x6700)
    if cell + "v" not in model.cells:
        refuse(0x6984)
    modulus = _modulus(model.cells[cell + "v"])
    return Expectation(OK, MODULUS_SIZE, proves=lambda signature: _is_signature(modulus, form, data, signature))


def _is_signature(modulus: int, form: int, data: bytes, signature: bytes) -> bool:
    digest = data if form in (PREHASHED, PSS_PREHASHED) else sha256(data).digest()
    if form in (PSS_PREHASHED, PSS):
        public = rsa.RSAPublicNumbers(EXPONENT, modulus).public_key()
        try:
            public.verify(signature, digest, padding.PSS(padding.MGF1(SHA256()), HASH_SIZE), Prehashed(SHA256()))
        except InvalidSignature:
            return False
        return True
    signed = {VERBATIM: data, BARE: digest}.get(form, DIGEST_INFO + digest)
    block = b"\0\1" + b"\xff" * (MODULUS_SIZE - 3 - len(signed)) + b"\0" + signed
    return pow(int.from_bytes(signature), EXPONENT, modulus) == int.from_bytes(block)


# --- the end of personalisation


def activate(model: Model, call: Call) -> Expectation:
    own = area(call.entry.instance)
    if model.cells[own + "df"] != INITIAL or not proof(model, call).personalises:
        refuse(0x6982)
    if not all(any(content(model, call.entry, fid)) for fid in CONTENTS):
        refuse(0x6985)
    for key, password in PASSWORD_OF.items():
        if f"{own}k/{key:02x}/h" not in model.cells:
            continue
        if f"{own}p/{password:02x}/v" not in model.cells:
            refuse(0x6985)
        if f"{own}k/{key:02x}/v" not in model.cells:
            refuse(0x6984)
    moved = [own + "df", *(cell for cell in model.under(own) if cell.endswith("/h"))]
    return Expectation(OK, changes=dict.fromkeys(moved, ACTIVATED))


JPKI_RULES: Mapping[str, Callable[[Model, Call], Expectation]] = {
    "VERIFY (internal EF)": internal_rules.verify,
    "CHANGE REFERENCE DATA (internal EF)": change,
    "RESET RETRY COUNTER": internal_rules.reset_counter,
    "GENERATE ASYMMETRIC KEY PAIR": generate,
    "GENERATE ASYMMETRIC KEY PAIR (read public key)": read_public_key,
    "COMPUTE DIGITAL SIGNATURE": sign,
    "ACTIVATE FILE (application)": activate,
}
"""What its own rows do, and those that other applications have under the same names."""
