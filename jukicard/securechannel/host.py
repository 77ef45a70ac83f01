"""The host's way into a secure channel: handshakes, and the connection that protects from then on.

The connection handed in is the whole stack below (command chaining, GET RESPONSE): messages are protected
first and cut up afterwards. Randomness is the caller's: the SCP03 host challenge and the SCP11 ephemeral
key come as arguments, fresh for each session. A SELECT of an application ends the card's session; open
another one then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)

from jukicard.iso7816.apdu import ApduError, CommandAPDU, ResponseAPDU
from jukicard.iso7816.cla import ClassByte
from jukicard.iso7816.connection import CardConnection, ConnectionWrapper, send
from jukicard.iso7816.errors import AuthenticationFailed, MalformedResponse, check
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel import scp03, scp11
from jukicard.securechannel.kdf import MacKey
from jukicard.securechannel.messages import (
    HostMessages,
    SecureMessagingError,
    SecurityLevel,
    security_level,
)
from jukicard.securechannel.scp03 import InitializeUpdateResponse, SessionKeys, StaticKeys
from jukicard.securechannel.scp11 import KeyAgreementError, KeyAgreementRequest, KeyAgreementResponse, Variant

KID_ANCHOR: Final = 0x10
KID_SCP11A: Final = 0x11
KID_SCP11B: Final = 0x13

_INS_INITIALIZE_UPDATE: Final = 0x50
_INS_EXTERNAL_AUTHENTICATE: Final = 0x82
_INS_INTERNAL_AUTHENTICATE: Final = 0x88
_INS_PERFORM_SECURITY_OPERATION: Final = 0x2A
_MORE_CERTIFICATES: Final = 0x80
_REFUSALS: Final = (
    StatusWord.NO_MATCH,
    StatusWord.SECURITY_NOT_SATISFIED,
    StatusWord.BLOCKED,
    StatusWord(0x6600),  # Amendment F, table 7-13: verification of the certificate failed
    StatusWord(0x6640),  # the same: the certificate is not in the allowlist
)


class Keyring(Protocol):
    """Whoever can make session keys: the keys themselves, or a store that keeps a master key."""

    def session(self, update: InitializeUpdateResponse, context: bytes) -> SessionKeys:
        """Return the session keys for the card that answered `update`; `context` is host then card challenge.

        `update.kvn` names the key set, `update.diversification` the card. It may raise an error of its own
        if it has no such key.
        """
        ...


@dataclass(frozen=True, slots=True)
class StaticKeyring:
    """A keyring that holds the card's three keys themselves, whatever their version."""

    keys: StaticKeys = field(repr=False)

    def session(self, update: InitializeUpdateResponse, context: bytes) -> SessionKeys:
        """See Keyring."""
        return scp03.derive_session_keys(self.keys, context)


class TerminalKey(Protocol):
    """A terminal's static key and its certificates: in memory, or in a device that keeps the key."""

    @property
    def certificates(self) -> Sequence[bytes]:
        """The chain below the card's anchor as DER, top-down, the leaf last; at least the leaf."""
        ...

    def agree(self, peer: EllipticCurvePublicKey) -> bytes:
        """Return the ECDH secret with the peer's P-256 key, 32 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class LocalTerminalKey:
    """A terminal key in memory."""

    private_key: EllipticCurvePrivateKey = field(repr=False)
    certificates: Sequence[bytes]

    def agree(self, peer: EllipticCurvePublicKey) -> bytes:
        """See TerminalKey."""
        return self.private_key.exchange(ECDH(), peer)


class SecureConnection(ConnectionWrapper):
    """A connection on which every command and response is protected, until an error or a reset ends it.

    `transmit` takes plain commands and returns plain responses. It raises AuthenticationFailed if the
    answer is not protected as agreed, or if the session is over, and ValueError for a command that cannot
    be protected.
    """

    def __init__(self, inner: CardConnection, messages: HostMessages, dek: bytes | None = None) -> None:
        super().__init__(inner)
        self._messages = messages
        self._dek = dek
        self._extended = _carries_extended(inner)

    @property
    def level(self) -> SecurityLevel:
        """How messages are protected."""
        return self._messages.level

    @property
    def alive(self) -> bool:
        """Whether the session still holds, as far as this end knows."""
        return self._messages.alive

    def encrypt_sensitive(self, data: bytes) -> bytes:
        """Encrypt keys for PUT KEY under the session's DEK: whole 16-byte blocks (ValueError otherwise).

        ValueError too where the keyring keeps the DEK to itself.
        """
        if self._dek is None:
            raise ValueError("this session has no key for sensitive data")
        return scp03.encrypt_sensitive(self._dek, data)

    def transmit(self, command: bytes) -> bytes:
        """Protect, transmit, open. See the class."""
        plain = CommandAPDU.parse(command)
        if plain.extended and not self._extended:
            # the form is part of the MAC, so it is settled here and not by what lies below
            ne = None if plain.ne is None else min(plain.ne, 0x100)
            plain = CommandAPDU(plain.cla, plain.ins, plain.p1, plain.p2, plain.data, ne)
        try:
            protected = self._messages.wrap(plain)
        except SecureMessagingError:
            raise AuthenticationFailed("session", "the secure channel is over") from None
        answer = self.inner.transmit(protected.encode())
        return self._open(answer).encode()

    def _open(self, answer: bytes) -> ResponseAPDU:
        try:
            return self._messages.unwrap(ResponseAPDU.parse(answer))
        except ApduError as error:
            self._messages.end()
            raise MalformedResponse(str(error)) from None
        except SecureMessagingError:
            reason = "the card's answer is not protected as agreed"
            raise AuthenticationFailed("response", reason) from None

    def reset(self) -> None:
        """Reset the card, which ends the session."""
        self._messages.end()
        self.inner.reset()


def open_scp03(
    connection: CardConnection,
    keyring: Keyring,
    *,
    kvn: int = 0,
    level: int = SecurityLevel.FULL,
    host_challenge: bytes,
    channel: int = 0,
) -> SecureConnection:
    """Open an SCP03 channel with the selected application's domain (Amendment D 5.2, 7.1).

    `kvn`: key version, 0 for the card's choice. `level`: one of `messages.LEVELS`. `host_challenge`: 8
    fresh random bytes. `channel`: the logical channel, which later commands tell by their class byte.

    The card's cryptogram is checked before EXTERNAL AUTHENTICATE goes out, so wrong keys cost the card no
    try: AuthenticationFailed with the step "card cryptogram". Other steps: "security level" (the card does
    not offer it), "host cryptogram" (the card refused ours). CardStatusError for other refusals,
    MalformedResponse, TransportError; ValueError for arguments out of range.
    """
    wanted = security_level(level)
    if len(host_challenge) != scp03.CHALLENGE_SIZE:
        raise ValueError("a host challenge has 8 bytes")
    cla = ClassByte.build(proprietary=True, channel=channel)
    start = CommandAPDU(cla, _INS_INITIALIZE_UPDATE, kvn, 0, host_challenge, 256)
    update = _read_update(check(send(connection, start), "INITIALIZE UPDATE").data, kvn)
    _check_offer(update, wanted)
    context = host_challenge + update.challenge
    keys = keyring.session(update, context)
    command_mac = MacKey(keys.mac)
    if not compare_digest(scp03.card_cryptogram(command_mac, context), update.cryptogram):
        raise AuthenticationFailed("card cryptogram", "the card has other keys, or is not the card it says")
    messages = HostMessages(keys, SecurityLevel.C_MAC, command_mac=command_mac)
    proof = scp03.host_cryptogram(command_mac, context)
    authenticate = messages.wrap(CommandAPDU(cla, _INS_EXTERNAL_AUTHENTICATE, wanted, 0, proof))
    _check_authenticated(messages.unwrap(send(connection, authenticate)), "host cryptogram")
    messages.raise_level(wanted)
    return SecureConnection(connection, messages, keys.dek)


def open_scp11a(
    connection: CardConnection,
    *,
    kvn: int,
    card_public_key: EllipticCurvePublicKey,
    terminal: TerminalKey,
    anchor_kvn: int,
    anchor_kid: int = KID_ANCHOR,
    ephemeral: EllipticCurvePrivateKey,
    channel: int = 0,
) -> SecureConnection:
    """Open an SCP11a channel: both ends prove themselves (Amendment F 7.5, 7.6).

    `kvn`: version of the card's key (KID 11). `card_public_key`: that key, from a certificate that the
    caller has verified. `anchor_kvn`, `anchor_kid`: the card's trust anchor above the terminal's
    certificates. `ephemeral`: a fresh P-256 key.

    AuthenticationFailed with the step "terminal certificate" or "key agreement" if the card refuses,
    "receipt" if the card cannot prove that it has the key. Other errors as for `open_scp03`.
    """
    cla = ClassByte.build(proprietary=True, channel=channel)
    chain = terminal.certificates
    for number, der in enumerate(chain, start=1):
        p2 = anchor_kid | (_MORE_CERTIFICATES if number < len(chain) else 0)
        command = CommandAPDU(cla, _INS_PERFORM_SECURITY_OPERATION, anchor_kvn, p2, der, 256)
        _check_authenticated(send(connection, command), "terminal certificate")
    request = KeyAgreementRequest(Variant.SCP11A, ephemeral.public_key()).encode()
    start = CommandAPDU(cla, _INS_EXTERNAL_AUTHENTICATE, kvn, KID_SCP11A, request, 256)
    return _agree(connection, start, ephemeral, terminal.agree(card_public_key))


def open_scp11b(
    connection: CardConnection,
    *,
    kvn: int,
    card_public_key: EllipticCurvePublicKey,
    ephemeral: EllipticCurvePrivateKey,
    channel: int = 0,
) -> SecureConnection:
    """Open an SCP11b channel: only the card proves itself, with its key of KID 13 (Amendment F 7.7).

    Arguments and errors as for `open_scp11a`.
    """
    cla = ClassByte.build(proprietary=True, channel=channel)
    request = KeyAgreementRequest(Variant.SCP11B, ephemeral.public_key()).encode()
    start = CommandAPDU(cla, _INS_INTERNAL_AUTHENTICATE, kvn, KID_SCP11B, request, 256)
    return _agree(connection, start, ephemeral, ephemeral.exchange(ECDH(), card_public_key))


def _agree(
    connection: CardConnection,
    start: CommandAPDU,
    ephemeral: EllipticCurvePrivateKey,
    shared_static: bytes,
) -> SecureConnection:
    answer = send(connection, start)
    _check_authenticated(answer, "key agreement")
    try:
        agreed = KeyAgreementResponse.parse(answer.data)
    except KeyAgreementError as error:
        raise MalformedResponse(f"key agreement: {error}") from None
    receipt_key, keys = scp11.session_keys(ephemeral.exchange(ECDH(), agreed.card_key), shared_static)
    expected = scp11.receipt(receipt_key, start.data, scp11.ephemeral_key_object(agreed.card_key))
    if not compare_digest(expected, agreed.receipt):
        raise AuthenticationFailed("receipt", "the card has not proved that it holds its key")
    return SecureConnection(connection, HostMessages(keys, SecurityLevel.FULL, expected), keys.dek)


def _read_update(data: bytes, kvn: int) -> InitializeUpdateResponse:
    try:
        update = InitializeUpdateResponse.parse(data)
    except ValueError as error:
        raise MalformedResponse(f"INITIALIZE UPDATE: {error}") from None
    if kvn not in (0, update.kvn):
        raise MalformedResponse("INITIALIZE UPDATE: the card answered for another key version")
    return update


def _check_offer(update: InitializeUpdateResponse, wanted: SecurityLevel) -> None:
    lacks_mac = SecurityLevel.R_MAC in wanted and not update.i & scp03.I_R_MAC
    lacks_encryption = SecurityLevel.R_ENCRYPTION in wanted and not update.i & scp03.I_R_ENCRYPTION
    if lacks_mac or lacks_encryption:
        raise AuthenticationFailed("security level", "the card does not offer to protect its responses so")


def _check_authenticated(response: ResponseAPDU, step: str) -> None:
    if response.sw in _REFUSALS:
        raise AuthenticationFailed(step, f"the card refused it ({response.sw})")
    check(response, step)


def _carries_extended(connection: CardConnection) -> bool:
    """Whether a command in the extended form reaches the card in that form: every layer below says so."""
    while connection.limits.extended:
        if not isinstance(connection, ConnectionWrapper):
            return True
        connection = connection.inner
    return False
