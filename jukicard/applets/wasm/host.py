"""The host interface at work: one command's calls, each checked, charged, and carried out in the application's cells.

Loaded code reaches nothing but what stands here: it names its files, counters, passwords and keys by numbers, and there
is no number for anything else.  What each function does and returns, docs/loaded-applications.md says.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jukicard.applets.gp.layout import city_of
from jukicard.applets.wasm.errors import TrapError
from jukicard.applets.wasm.layout import (
    FUNCTIONS,
    HASH_SIZE,
    MAX_ANSWER,
    MAX_COUNTER,
    MAX_FILE,
    MAX_IDENTIFIER,
    MAX_PASSWORD,
    MAX_REFERENCE,
    MAX_TRIES,
    POINT_SIZE,
    SIGNATURE_SIZE,
    VERIFIED,
    WORK,
    WORK_BYTES,
    HostError,
    KeyKind,
)
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.objects import LifeCycle
from jukicard.card.ports import Interface
from jukicard.card.security.keypairs import KeyPairSpec
from jukicard.card.security.passwords import PasswordSpec
from jukicard.card.security.secretkeys import INTERNAL, SecretKeySpec
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.limits import ApplicationRight
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.authorization import Role
from jukicard.securechannel.signatures import HASHED, is_signed_by, sign

if TYPE_CHECKING:
    from jukicard.applets.wasm.engine import Instance

_NO_RULES = AccessRules()
_ROLES = {role: number for number, role in enumerate(Role)}
_ERRORS = {
    StatusWord.REFERENCE_NOT_FOUND: HostError.NOT_FOUND,
    StatusWord.REFERENCE_DATA_UNUSABLE: HostError.STATE,
    StatusWord.INCORRECT_DATA: HostError.RANGE,
    StatusWord.BLOCKED: HostError.BLOCKED,
}
"""What the card's own objects refuse that a module is told; all else ends the command."""


class _RefusedError(Exception):
    """A call does nothing, and returns an error."""

    def __init__(self, error: HostError) -> None:
        self.error = error


class Host:
    """One run of a module.  `message` is what it is given: the command, or the parameters of its installation."""

    def __init__(self, ctx: Context, instance: Instance, message: bytes, ne: int | None, *, installing: bool) -> None:
        self._ctx = ctx
        self._instance = instance
        self._message = message
        self._ne = ne
        self._installing = installing
        self.answered = bytearray()
        self.work = WORK

    def call(self, name: str, *arguments: int) -> int:
        """Carry out one call.

        TrapError where a pointer leads outside the memory or the work is used up; CardError (6985) without the right,
        and for what ends the command.
        """
        function = FUNCTIONS[name]
        self._spend(function.work)
        if function.right is not None:
            self._ctx.require(function.right)
        try:
            result: int = getattr(self, name)(*arguments)
        except _RefusedError as refusal:
            return refusal.error
        except CardError as error:
            if error.sw not in _ERRORS:
                raise
            return _ERRORS[error.sw]
        return result

    def _spend(self, work: int) -> None:
        self.work -= work
        if self.work < 0:
            raise TrapError("its work on the host interface is used up")

    def _read(self, pointer: int, size: int) -> bytes:
        content = self._instance.read(pointer, size)
        self._spend(len(content) // WORK_BYTES)
        return content

    def _write(self, pointer: int, content: bytes) -> int:
        self._spend(len(content) // WORK_BYTES)
        self._instance.write(pointer, content)
        return 0

    # the command and its answer

    def command(self, pointer: int, size: int) -> int:
        """Hand over the command, as much as there is room for, and return its whole length."""
        self._instance.address(pointer, size)
        self._write(pointer, self._message[: size & 0xFFFFFFFF])
        return len(self._message)

    def expected(self) -> int:
        """Return Ne, or -1 where Le is absent."""
        return -1 if self._ne is None else self._ne

    def answer(self, pointer: int, size: int) -> int:
        """Add to the response data, and return their length so far."""
        if len(self.answered) + (size & 0xFFFFFFFF) > MAX_ANSWER:
            raise _RefusedError(HostError.RANGE)
        self.answered += self._read(pointer, size)
        return len(self.answered)

    # files

    def _content(self, identifier: int) -> tuple[str, bytes]:
        cell = _cell("f", identifier)
        content = self._ctx.area.read(cell)
        if content is None:
            raise _RefusedError(HostError.NOT_FOUND)
        self._spend(len(content) // WORK_BYTES)
        return cell, content

    def file_create(self, identifier: int, size: int) -> int:
        """Create a file of zeros."""
        cell = _cell("f", identifier)
        if self._ctx.area.read(cell) is not None:
            raise _RefusedError(HostError.EXISTS)
        self._ctx.area.write(cell, bytes(_within(size, 1, MAX_FILE)))
        self._spend(size // WORK_BYTES)
        return 0

    def file_size(self, identifier: int) -> int:
        """Return a file's length."""
        return len(self._content(identifier)[1])

    def file_read(self, identifier: int, offset: int, pointer: int, size: int) -> int:
        """Read a part of a file into the memory."""
        _, content = self._content(identifier)
        start, size = offset & 0xFFFFFFFF, size & 0xFFFFFFFF
        if start + size > len(content):
            raise _RefusedError(HostError.RANGE)
        return self._write(pointer, content[start : start + size])

    def file_write(self, identifier: int, offset: int, pointer: int, size: int) -> int:
        """Replace a part of a file by what is in the memory."""
        cell, content = self._content(identifier)
        start, size = offset & 0xFFFFFFFF, size & 0xFFFFFFFF
        if start + size > len(content):
            raise _RefusedError(HostError.RANGE)
        self._ctx.area.write(cell, content[:start] + self._read(pointer, size) + content[start + size :])
        return 0

    def file_delete(self, identifier: int) -> int:
        """Delete a file."""
        cell, _ = self._content(identifier)
        self._ctx.area.write(cell, None)
        return 0

    # counters

    def counter_get(self, identifier: int) -> int:
        """Return a counter; one that was never added to is 0."""
        return int.from_bytes(self._ctx.area.read(_cell("c", identifier)) or b"")

    def counter_add(self, identifier: int, amount: int) -> int:
        """Add to a counter, or subtract, and return what it is then."""
        value = self.counter_get(identifier) + amount
        if not 0 <= value <= MAX_COUNTER:
            raise _RefusedError(HostError.RANGE)
        self._ctx.area.write(_cell("c", identifier), value.to_bytes(8))
        return value

    # passwords

    def password_create(self, reference: int, minimum: int, maximum: int, tries: int) -> int:
        """Create a password without a value."""
        minimum = _within(minimum, 1, MAX_PASSWORD)
        maximum = _within(maximum, minimum, MAX_PASSWORD)
        spec = PasswordSpec(
            _reference(reference), _NO_RULES, _NO_RULES, minimum, maximum, _within(tries, 1, MAX_TRIES), b""
        )
        self._must_not_exist(lambda: self._ctx.passwords.by_reference(reference))
        self._ctx.passwords.create(spec, LifeCycle.ACTIVATED)
        return 0

    def password_set(self, reference: int, pointer: int, size: int) -> int:
        """Give a password a value, with all its tries."""
        value = self._read(pointer, size)
        self._ctx.passwords.by_reference(_reference(reference)).set(value)
        return 0

    def password_verify(self, reference: int, pointer: int, size: int) -> int:
        """Compare with a password, at the cost of a try that is spent durably before; return the tries left, with
        `VERIFIED` after a match.
        """
        candidate = self._read(pointer, size)
        password = self._ctx.passwords.by_reference(_reference(reference))
        if self._installing:  # a try is written at once, and nothing of an installation may be before it succeeds
            raise _RefusedError(HostError.STATE)
        return VERIFIED | password.tries.maximum if password.compare(candidate) else password.tries.left

    def password_status(self, reference: int) -> int:
        """Return the tries left of a password that has a value."""
        password = self._ctx.passwords.by_reference(_reference(reference))
        if not password.is_set:
            raise _RefusedError(HostError.STATE)
        return password.tries.left

    # cryptography

    def random(self, pointer: int, size: int) -> int:
        """Put random bytes into the memory."""
        self._instance.address(pointer, size)
        self._spend((size & 0xFFFFFFFF) // WORK_BYTES)
        return self._write(pointer, self._ctx.ports.random(size & 0xFFFFFFFF) if size else b"")

    def sha256(self, pointer: int, size: int, out: int) -> int:
        """Hash a part of the memory."""
        return self._write(out, sha256(self._read(pointer, size)).digest())

    def key_generate(self, reference: int, kind: int) -> int:
        """Make a key of one's own; it never leaves the chip."""
        ctx = self._ctx
        if kind not in tuple(KeyKind):
            raise _RefusedError(HostError.RANGE)
        ctx.require(ApplicationRight.SIGN if kind == KeyKind.P256 else ApplicationRight.MAC)
        _reference(reference)
        if kind == KeyKind.P256:
            self._must_not_exist(lambda: ctx.key_pairs.by_reference(reference))
            pair = ctx.key_pairs.create(KeyPairSpec(reference, _NO_RULES, _NO_RULES), LifeCycle.ACTIVATED)
            pair.store(ctx.ports.keys.ec_p256(ctx.ports.random))
        else:
            self._must_not_exist(lambda: ctx.secret_keys.by_reference(reference))
            spec = SecretKeySpec(reference, INTERNAL, 1, _NO_RULES, _NO_RULES)
            ctx.secret_keys.create(spec, LifeCycle.ACTIVATED).set(ctx.ports.random(32))
        return 0

    def public_key(self, reference: int, out: int) -> int:
        """Put the public key of a key pair into the memory: an uncompressed point."""
        key = self._ctx.key_pairs.by_reference(_reference(reference)).private_key().public_key()
        return self._write(out, key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def sign(self, reference: int, hashed: int, out: int) -> int:
        """Sign a SHA-256 hash: r and s in 32 bytes each."""
        digest = self._read(hashed, HASH_SIZE)
        key = self._ctx.key_pairs.by_reference(_reference(reference)).private_key()
        return self._write(out, sign(key, digest, HASHED))

    def mac(self, reference: int, pointer: int, size: int, out: int) -> int:
        """Put the AES-CMAC of a part of the memory into it."""
        message = self._read(pointer, size)
        return self._write(out, self._ctx.secret_keys.by_reference(_reference(reference)).prove(message))

    def verify(self, point: int, hashed: int, signature: int) -> int:
        """Return whether a signature over a SHA-256 hash is that of a public key which the module brings."""
        encoded, digest = self._read(point, POINT_SIZE), self._read(hashed, HASH_SIZE)
        signed = self._read(signature, SIGNATURE_SIZE)
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), encoded)
        except ValueError:
            return 0
        return int(is_signed_by(key, signed, digest, HASHED))

    # who asks

    def channel(self) -> int:
        """Return how the command came: session, C-MAC, C-ENC, R-MAC, R-ENC in bits 0 to 4, KID in bits 8 to 15."""
        facts = self._ctx.facts
        if facts.session_key is None:
            return 0
        bits = (True, facts.command_mac, facts.command_enc, facts.response_mac, facts.response_enc)
        return sum(bit << place for place, bit in enumerate(bits)) | facts.session_key << 8

    def right(self, number: int) -> int:
        """Return whether the terminal has a right here."""
        return int(number in self._ctx.facts.rights)

    def role(self) -> int:
        """Return the role of a terminal of the card's municipality, or -1."""
        session = self._ctx.session if self._ctx.counts else None
        authorization = session.authorization if session else None
        if authorization is None or authorization.municipality != city_of(self._ctx.domain_aid):
            return -1
        return _ROLES[authorization.role]

    def interface(self) -> int:
        """Return 0 on the contact interface, 1 on the contactless one."""
        return int(self._ctx.interface is Interface.CONTACTLESS)

    @staticmethod
    def _must_not_exist(find: Callable[[], object]) -> None:
        try:
            find()
        except CardError:
            return
        raise _RefusedError(HostError.EXISTS)


def _cell(kind: str, identifier: int) -> str:
    return f"w/{kind}/{_within(identifier, 0, MAX_IDENTIFIER):04x}"


def _reference(reference: int) -> int:
    return _within(reference, 1, MAX_REFERENCE)


def _within(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise _RefusedError(HostError.RANGE)
    return value
