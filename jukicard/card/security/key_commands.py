"""The commands that use keys of an application's own: EXTERNAL and INTERNAL AUTHENTICATE (ISO/IEC 7816-4), GENERATE
ASYMMETRIC KEY PAIR and PERFORM SECURITY OPERATION (ISO/IEC 7816-8).
"""

from __future__ import annotations

from dataclasses import dataclass

from jukicard.card.commands import INTERINDUSTRY, On, command, data, only, where
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.objects import Header
from jukicard.card.security.environment import AUTHENTICATION, COMPUTATION, SIGNATURE, VERIFICATION, current_key
from jukicard.card.security.keypairs import KeyPair
from jukicard.card.security.secretkeys import SecretKey
from jukicard.card.volatile import Challenge
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import TlvError, parse_tlvs
from jukicard.securechannel.keyproof import external_message, internal_message
from jukicard.securechannel.signatures import HASHED, sign

CRYPTOGRAM_SIZE = 16
HASH_SIZE = 32
MINIMUM_CHALLENGE, MAXIMUM_CHALLENGE = 8, 255
_KEY_P2 = where(lambda p2: p2 == 0 or 0x81 <= p2 <= 0x9F, "00 as the environment says, 81-9F reference")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A key that a host tries to prove, and the challenge that it answers, which is used up whatever comes of it."""

    key: SecretKey
    challenge: Challenge | None

    @property
    def header(self) -> Header:
        """The key's."""
        return self.key.header


def _reference(cmd: CommandAPDU, ctx: Context, template: int, usage: int) -> int:
    reference = cmd.p2 or current_key(ctx, template, usage)
    if reference is None:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the security environment names no key")
    return reference


def _attempt(cmd: CommandAPDU, ctx: Context) -> _Attempt:
    challenge, ctx.channel.challenge = ctx.channel.challenge, None
    return _Attempt(ctx.secret_keys.by_reference(_reference(cmd, ctx, AUTHENTICATION, VERIFICATION)), challenge)


def _proving_key(cmd: CommandAPDU, ctx: Context) -> SecretKey:
    return ctx.secret_keys.by_reference(_reference(cmd, ctx, AUTHENTICATION, COMPUTATION))


def _signature_key(cmd: CommandAPDU, ctx: Context) -> KeyPair:
    reference = current_key(ctx, SIGNATURE, COMPUTATION)
    if reference is None:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the security environment names no signature key")
    return ctx.key_pairs.by_reference(reference)


class AuthenticationCommands:
    """EXTERNAL and INTERNAL AUTHENTICATE with the application's AES keys."""

    @command(
        INTERINDUSTRY,
        ins=0x82,
        p2=_KEY_P2,
        length=data(CRYPTOGRAM_SIZE, CRYPTOGRAM_SIZE),
        access=On(_attempt, None, "the key, to prove"),
        writes=True,
        spec="ISO/IEC 7816-4, basic security handling",
    )
    def external_authenticate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Take the host's proof of a key: the AES-CMAC over the message for the challenge given before.  9000, or 63Cx.

        A challenge answers for one command, whatever becomes of it; without one it is 6985.  A try is spent durably
        before the comparison.
        """
        attempt = ctx.target
        assert isinstance(attempt, _Attempt)  # noqa: S101  the row's locator returns nothing else
        key, challenge = attempt.key, attempt.challenge
        if challenge is None or challenge.session is not ctx.session:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "no challenge was asked for in this session")
        proved = ctx.channel.security.authenticated
        proved.discard(key.reference)
        message = external_message(bytes(ctx.entry.aid), key.reference, challenge.value)
        if not key.is_proved_by(cmd.data, message):
            return ResponseAPDU(b"", StatusWord.with_tries(key.tries.left))
        if ctx.counts:
            ctx.on_success(lambda: proved.add(key.reference))
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x88,
        p2=_KEY_P2,
        length=data(MINIMUM_CHALLENGE, MAXIMUM_CHALLENGE),
        access=On(_proving_key, None, "the key, to use"),
        writes=False,
        spec="ISO/IEC 7816-4, basic security handling",
    )
    def internal_authenticate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Prove a key to the host: the AES-CMAC over the message for its challenge, 16 bytes."""
        key = ctx.target
        assert isinstance(key, SecretKey)  # noqa: S101  the row's locator returns nothing else
        return ResponseAPDU(key.prove(internal_message(bytes(ctx.entry.aid), key.reference, cmd.data)))


def _named_key_pair(cmd: CommandAPDU, ctx: Context) -> KeyPair:
    """Return the key pair that `B6 {84 01 reference}` names."""
    try:
        (template,) = parse_tlvs(cmd.data)
        (reference,) = template.children
    except (TlvError, ValueError):
        raise CardError(StatusWord.INCORRECT_DATA, "a key pair is named as B6 {84 01 reference}") from None
    if (template.tag, reference.tag, len(reference.value)) != (0xB6, 0x84, 1):
        raise CardError(StatusWord.INCORRECT_DATA, "a key pair is named as B6 {84 01 reference}")
    return ctx.key_pairs.by_reference(reference.value[0])


def _target_key_pair(ctx: Context) -> KeyPair:
    target = ctx.target
    assert isinstance(target, KeyPair)  # noqa: S101  the locators of key pairs return nothing else
    return target


class KeyPairCommands:
    """GENERATE ASYMMETRIC KEY PAIR: generate, read the public key."""

    @command(
        INTERINDUSTRY,
        ins=0x47,
        p1=only(0x80),
        length=data(1, 16),
        access=On(_named_key_pair, None, "the key pair, to generate"),
        writes=True,
        spec="ISO/IEC 7816-8, key pair generation",
    )
    def generate_asymmetric_key_pair(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Generate a key pair on the chip, once (6985 afterwards), and answer its public key: 7F49 {86 point}, of an
        RSA key 7F49 {81 modulus, 82 exponent}.
        """
        return ResponseAPDU(_target_key_pair(ctx).generate(ctx.ports).encode())

    @command(
        INTERINDUSTRY,
        ins=0x47,
        p1=only(0x81),
        length=data(1, 16),
        access=On(_named_key_pair, None, "the key pair, to read its public key"),
        writes=False,
        spec="ISO/IEC 7816-8, key pair generation",
        name="GENERATE ASYMMETRIC KEY PAIR (read public key)",
    )
    def read_public_key(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Answer the public key of the key pair that was generated, in the same form.

        What was interrupted goes on with it.
        """
        return ResponseAPDU(_target_key_pair(ctx).public_key().encode())


class SignatureCommands:
    """PERFORM SECURITY OPERATION: COMPUTE DIGITAL SIGNATURE."""

    @command(
        INTERINDUSTRY,
        ins=0x2A,
        p1=only(0x9E),
        p2=only(0x9A),
        length=data(HASH_SIZE, HASH_SIZE),
        access=On(_signature_key, None, "the key pair of the environment, to sign"),
        writes=False,
        spec="ISO/IEC 7816-8, digital signature",
        name="PERFORM SECURITY OPERATION (COMPUTE DIGITAL SIGNATURE)",
    )
    def compute_digital_signature(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Sign a SHA-256 hash with the key pair that the environment names: ECDSA, r and s, 64 bytes."""
        return ResponseAPDU(sign(_target_key_pair(ctx).private_key(), cmd.data, HASHED))
