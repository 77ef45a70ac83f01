"""A card that knows nothing but secure channels: the counterpart for hosts, ours and others'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel import scp03, scp11
from jukicard.securechannel.certificates import CertificateError, ChainVerifier
from jukicard.securechannel.messages import (
    CardMessages,
    SecureMessagingError,
    SecurityLevel,
    security_level,
)
from tests.support.chains import private_key

AID = bytes.fromhex("A000000151000000")
STATIC_KEY = private_key(1001)
EPHEMERAL_KEY = private_key(1002)
ANCHOR_KEY = private_key(1003)

Handler = Callable[[CommandAPDU], ResponseAPDU]


def echo(command: CommandAPDU) -> ResponseAPDU:
    return ResponseAPDU(command.header + command.data)


class ChannelCard:
    """Plain 00 A4 is answered 9000; all else is a handshake, or a protected command for `handler`.

    `answers` counts what the card was asked, `received` keeps raw commands, `opened` the plain ones. `tamper` may
    change any response on its way out.
    """

    def __init__(
        self,
        keys: scp03.StaticKeys = scp03.TRANSPORT_KEYS,
        *,
        limits: ApduLimits = ApduLimits.EXTENDED,
        i: int = scp03.I_DEFAULT,
        handler: Handler = echo,
    ) -> None:
        self.atr = bytes.fromhex("3B00")
        self.limits = limits
        self.handler = handler
        self.tamper: Callable[[bytes], bytes] = lambda raw: raw
        self.received: list[bytes] = []
        self.opened: list[CommandAPDU] = []
        self.resets = 0
        self.session: CardMessages | None = None
        self._keys = keys
        self._i = i
        self._sequence = 0
        self._pending: tuple[scp03.SessionKeys, bytes] | None = None
        self._chain = b""
        self._rest = ResponseAPDU()
        self._verifier: ChainVerifier | None = None

    # the connection

    def transmit(self, command: bytes) -> bytes:
        assert len(command) <= self.limits.max_command
        self.received.append(command)
        parsed = CommandAPDU.parse(command)
        if parsed.cla & 0x10:
            self._chain += parsed.data
            return b"\x90\x00"
        if parsed.ins == 0xC0:
            return self.tamper(self._give(self._rest, parsed))
        if self._chain:
            data, self._chain = self._chain + parsed.data, b""
            parsed = CommandAPDU(parsed.cla, parsed.ins, parsed.p1, parsed.p2, data, parsed.ne, len(data) > 255)
        response = self._process(parsed)
        return self.tamper(self._give(response, parsed))

    def _give(self, response: ResponseAPDU, command: CommandAPDU) -> bytes:
        longest = self.limits.max_response if command.extended else 256
        rest = response.data[longest:]
        self._rest = ResponseAPDU(rest, response.sw)  # the last piece has the status that the MAC covers
        sw = StatusWord.with_available(len(rest)) if rest else response.sw
        return response.data[:longest] + sw.to_bytes(2, "big")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def reset(self) -> None:
        self.resets += 1
        self.session = None

    def close(self) -> None:
        self.session = None

    # the card

    def _process(self, command: CommandAPDU) -> ResponseAPDU:
        handshake = {0x50: self._initialize, 0x2A: self._certificate, 0x88: self._agree}
        if command.cla & 0xFC == 0x80 and command.ins in handshake:
            return handshake[command.ins](command)
        if command.cla & 0xFC == 0x80 and command.ins == 0x82:
            return self._agree(command)
        if command.cla & 0xFC == 0x84 and command.ins == 0x82 and self._pending is not None:
            return self._authenticate(command)
        if command.cla == 0x00 and command.ins == 0xA4:
            self.session = None
            return ResponseAPDU()
        return self._protected(command)

    def _protected(self, command: CommandAPDU) -> ResponseAPDU:
        if self.session is None:
            return ResponseAPDU(sw=StatusWord.SECURITY_NOT_SATISFIED)
        try:
            plain = self.session.unwrap(command)
        except SecureMessagingError:
            self.session = None
            return ResponseAPDU(sw=StatusWord.SM_OBJECTS_INCORRECT)
        self.opened.append(plain)
        return self.session.wrap(self.handler(plain))

    def _initialize(self, command: CommandAPDU) -> ResponseAPDU:
        self._sequence += 1
        challenge = scp03.pseudo_random_challenge(self._keys.enc, self._sequence, AID)
        context = command.data + challenge
        keys = scp03.derive_session_keys(self._keys, context)
        self._pending = (keys, context)
        kvn = command.p1 or 0xFF
        sequence = self._sequence if self._i & scp03.I_PSEUDO_RANDOM else None
        cryptogram = scp03.card_cryptogram(keys, context)
        answer = scp03.InitializeUpdateResponse(bytes(10), kvn, self._i, challenge, cryptogram, sequence)
        return ResponseAPDU(answer.encode())

    def _authenticate(self, command: CommandAPDU) -> ResponseAPDU:
        assert self._pending is not None
        (keys, context), self._pending = self._pending, None
        session = CardMessages(keys, SecurityLevel.C_MAC)
        try:
            plain = session.unwrap(command)
        except SecureMessagingError:
            return ResponseAPDU(sw=StatusWord.SECURITY_NOT_SATISFIED)
        if plain.data != scp03.host_cryptogram(keys, context):
            return ResponseAPDU(sw=StatusWord.NO_MATCH)
        response = session.wrap(ResponseAPDU())
        session.raise_level(security_level(plain.p1))
        self.session = session
        return response

    def _certificate(self, command: CommandAPDU) -> ResponseAPDU:
        if self._verifier is None:
            self._verifier = ChainVerifier(ANCHOR_KEY.public_key(), today=None)
        try:
            self._verifier.add(command.data, not command.p2 & 0x80)
        except CertificateError:
            self._verifier = None
            return ResponseAPDU(sw=StatusWord.SECURITY_NOT_SATISFIED)
        return ResponseAPDU()

    def _agree(self, command: CommandAPDU) -> ResponseAPDU:
        try:
            request = scp11.KeyAgreementRequest.parse(command.data)
        except scp11.KeyAgreementError:
            return ResponseAPDU(sw=StatusWord.INCORRECT_DATA)
        peer = request.host_key
        if command.ins == 0x82:
            assert (command.p2, request.variant) == (0x11, scp11.Variant.SCP11A)
            if self._verifier is None or not self._verifier.complete:
                return ResponseAPDU(sw=StatusWord.CONDITIONS_NOT_SATISFIED)
            peer = self._verifier.public_key
        else:
            assert (command.p2, request.variant) == (0x13, scp11.Variant.SCP11B)
        shared = EPHEMERAL_KEY.exchange(ec.ECDH(), request.host_key)
        receipt_key, keys = scp11.session_keys(shared, STATIC_KEY.exchange(ec.ECDH(), peer))
        key_object = scp11.ephemeral_key_object(EPHEMERAL_KEY.public_key())
        receipt = scp11.receipt(receipt_key, command.data, key_object)
        self.session = CardMessages(keys, SecurityLevel.FULL, receipt)
        return ResponseAPDU(scp11.KeyAgreementResponse(EPHEMERAL_KEY.public_key(), receipt).encode())
