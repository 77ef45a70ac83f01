"""The card's end of the handshakes: SCP03 (Amendment D), SCP11a and SCP11b (Amendment F)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.constant_time import bytes_eq

from jukicard.applets.gp.identity import diversification_data
from jukicard.applets.gp.keystore import DomainKeys, KeyReference, key_set_in
from jukicard.applets.gp.layout import KID_SCP03, KID_SCP11A, KID_SCP11B, KID_TERMINAL_ANCHOR
from jukicard.card.commands import ANY, FREE, PROPRIETARY, command, data, only, where
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.volatile import Session, TerminalChain
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import parse_tlvs
from jukicard.securechannel.authorization import TerminalAuthorization
from jukicard.securechannel.certificates import CertificateError, ChainVerifier
from jukicard.securechannel.kdf import MacKey
from jukicard.securechannel.messages import CardMessages, SecurityLevel, security_level
from jukicard.securechannel.scp03 import (
    InitializeUpdateResponse,
    card_cryptogram,
    derive_session_keys,
    host_cryptogram,
    pseudo_random_challenge,
)
from jukicard.securechannel.scp11 import (
    KeyAgreementError,
    KeyAgreementRequest,
    Variant,
    ephemeral_key_object,
    receipt,
    response_data,
    session_keys,
)

SCP03_OPTIONS = 0x70
"""i = 70: pseudo-random card challenge, R-MAC, R-ENC."""

FREE_ATTEMPTS = 4
LONGEST_DELAY = 5.0
_KEY_P2 = where(lambda p2: p2 & 0x7F in (0, KID_TERMINAL_ANCHOR), "KID 00, 10; b8 = more follow")


def keys_in_force(ctx: DomainContext) -> DomainKeys:
    """Return the domain's keys; its parent's as long as it has none of its own."""
    entry = ctx.entry
    keys = DomainKeys(ctx.area)
    while keys.is_empty and entry.domain != entry.instance:
        entry = ctx.registry.by_instance(entry.domain)
        keys = DomainKeys(ctx.area_of(entry))
    return keys


def delay_after(attempts: int) -> float:
    """Return the seconds that a handshake waits after so many that did not succeed: none at first, then doubling,
    bounded.
    """
    return 0.0 if attempts <= FREE_ATTEMPTS else min(LONGEST_DELAY, 0.1 * 2 ** (attempts - FREE_ATTEMPTS - 1))


class SecureChannelCommands:
    """INITIALIZE UPDATE and EXTERNAL AUTHENTICATE; certificates, MUTUAL and INTERNAL AUTHENTICATE."""

    @command(
        PROPRIETARY,
        ins=0x50,
        p1=ANY,
        length=data(8, 8),
        access=FREE,
        writes=True,
        spec="GP Amendment D 1.2, 7.1.1",
    )
    def initialize_update(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Begin an SCP03 handshake with key version P1 (00: the first): the card's challenge and cryptogram.

        Every attempt is counted before it is answered; after some without success the answer comes ever more slowly.
        """
        domain = require_domain(ctx)
        ctx.channel.end_session()
        keys = keys_in_force(domain)
        reference = keys.find(KID_SCP03, cmd.p1)
        sequence = keys.begin_attempt(reference, lambda attempts: ctx.ports.delay(delay_after(attempts)))
        stored = keys.content(reference)
        static = key_set_in(stored)
        enc_key = MacKey(static.enc)
        challenge = pseudo_random_challenge(enc_key, sequence, bytes(ctx.selected.aid))
        context = cmd.data + challenge
        session = derive_session_keys(static, context, enc_key)
        mac_key = MacKey(session.mac)
        answer = InitializeUpdateResponse(
            diversification_data(domain),
            reference.kvn,
            SCP03_OPTIONS,
            challenge,
            card_cryptogram(mac_key, context),
            sequence,
        )
        ctx.channel.open_session(
            Session(
                KID_SCP03,
                reference.kvn,
                ctx.entry.instance,
                CardMessages(session, SecurityLevel.C_MAC, command_mac=mac_key),
                SecurityLevel.C_MAC,
                authenticated=False,
                dek=static.dek,
                expected=host_cryptogram(mac_key, context),
                key_set=stored,
            )
        )
        return ResponseAPDU(answer.encode())

    @command(
        PROPRIETARY,
        ins=0x82,
        p1=only(0x01, 0x03, 0x11, 0x13, 0x33),
        length=data(8, 8),
        access=FREE,
        writes=True,
        spec="GP Amendment D 1.2, 7.1.2",
    )
    def external_authenticate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Finish an SCP03 handshake at security level P1; the command itself bears a C-MAC.

        A wrong cryptogram is 6300; 6A88 where the key set was deleted or replaced since the handshake began.
        """
        session = ctx.session
        if session is None or session.authenticated:  # only SCP03 has a handshake between two commands
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "no SCP03 handshake has begun")
        if not bytes_eq(session.expected, cmd.data):
            ctx.channel.end_session()
            return ResponseAPDU(b"", StatusWord.NO_MATCH)
        keys, reference = keys_in_force(require_domain(ctx)), KeyReference(KID_SCP03, session.kvn)
        if not bytes_eq(session.key_set, keys.stored(reference) or b""):
            ctx.channel.end_session()
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, "the key set is gone or another one")
        keys.end_attempts(reference)
        level = security_level(cmd.p1)

        def begin() -> None:
            session.messages.raise_level(level)
            session.level, session.authenticated, session.expected, session.key_set = level, True, b"", b""

        ctx.on_success(begin)
        return ResponseAPDU()

    @command(
        PROPRIETARY,
        ins=0x2A,
        p1=ANY,
        p2=_KEY_P2,
        length=data(1, 4096),
        access=FREE,
        writes=True,
        spec="GP Amendment F 1.4, 7.5",
        name="PERFORM SECURITY OPERATION (verify certificate)",
    )
    def verify_certificate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Take a terminal's certificates, top down, the leaf last (P2 b8 = 0), and verify them under the anchor P1 (00:
        the first).

        A chain that does not verify is 6982 and forgotten; so is what was proved in a session before.
        """
        domain = require_domain(ctx)
        keys = keys_in_force(domain)
        anchor = keys.find(KID_TERMINAL_ANCHOR, cmd.p1)
        chain = ctx.channel.terminal
        ctx.channel.end_session()
        if chain is None or chain.complete or (chain.kvn, chain.domain) != (anchor.kvn, ctx.entry.instance):
            verifier = ChainVerifier(keys.public(anchor), today=_estimate(keys, anchor))
            chain = TerminalChain(verifier, ctx.entry.instance, anchor.kvn, anchor.kid)
        last = not cmd.p2 & 0x80
        try:
            chain.verifier.add(cmd.data, last)
        except CertificateError as error:
            raise CardError(StatusWord.SECURITY_NOT_SATISFIED, f"terminal certificate: {error}") from None
        if last:
            _accept(chain, keys, anchor)
        ctx.on_success(lambda: setattr(ctx.channel, "terminal", chain))
        return ResponseAPDU()

    @command(
        PROPRIETARY,
        ins=0x82,
        p1=ANY,
        p2=only(KID_SCP11A),
        length=data(1, 255),
        access=FREE,
        writes=False,
        spec="GP Amendment F 1.4, 7.6",
        name="MUTUAL AUTHENTICATE (SCP11a)",
    )
    def mutual_authenticate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Open an SCP11a session with the terminal whose certificates were verified just before: 5F49 and the receipt
        86.
        """
        chain = ctx.channel.terminal
        ctx.channel.end_session()
        if chain is None or not chain.complete or chain.domain != ctx.entry.instance:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "no terminal has shown its certificates")
        return _agree(cmd, require_domain(ctx), Variant.SCP11A, chain.verifier.public_key, chain.verifier.authorization)

    @command(
        PROPRIETARY,
        ins=0x88,
        p1=ANY,
        p2=only(KID_SCP11B),
        length=data(1, 255),
        access=FREE,
        writes=False,
        spec="GP Amendment F 1.4, 7.6",
        name="INTERNAL AUTHENTICATE (SCP11b)",
    )
    def internal_authenticate_scp11b(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Open an SCP11b session: the card proves itself, the host nothing.  It gives no right."""
        ctx.channel.end_session()
        return _agree(cmd, require_domain(ctx), Variant.SCP11B, None, None)


def _estimate(keys: DomainKeys, anchor: KeyReference) -> int | None:
    stored = keys.attribute("day", anchor)
    return int(stored.hex()) if stored else None


def _accept(chain: TerminalChain, keys: DomainKeys, anchor: KeyReference) -> None:
    """Take a chain that verified to its leaf: check the allow-list, move the anchor's date estimate forward."""
    allowed = keys.attribute("alw", anchor)
    if allowed:
        serials = {int.from_bytes(tlv.value) for tlv in parse_tlvs(allowed)}
        if chain.verifier.certificate.serial_number not in serials:
            raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "the terminal's certificate is not on the allow-list")
    estimate, start = _estimate(keys, anchor), chain.verifier.latest_ca_start
    if estimate is not None and start is not None and start > estimate:
        keys.set_attribute("day", anchor, bytes.fromhex(f"{start:08d}"))
    chain.complete = True


def _agree(
    cmd: CommandAPDU,
    ctx: DomainContext,
    variant: Variant,
    terminal: ec.EllipticCurvePublicKey | None,
    authorization: TerminalAuthorization | None,
) -> ResponseAPDU:
    """Agree on session keys and open the session: static key and fresh ephemeral key of the card, both keys of the
    host.
    """
    keys = keys_in_force(ctx)
    reference = keys.find(cmd.p2, cmd.p1)
    try:
        request = KeyAgreementRequest.parse(cmd.data)
    except KeyAgreementError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
    if request.variant is not variant:
        raise CardError(StatusWord.INCORRECT_DATA, "the parameters ask for another variant of SCP11")
    ephemeral = ctx.ports.keys.ec_p256(ctx.ports.random)
    shared_ephemeral = ephemeral.exchange(ec.ECDH(), request.host_key)
    shared_static = keys.private(reference).exchange(ec.ECDH(), terminal or request.host_key)
    receipt_key, session = session_keys(shared_ephemeral, shared_static)
    card_key = ephemeral_key_object(ephemeral.public_key())
    proof = receipt(receipt_key, cmd.data, card_key)
    level = SecurityLevel.FULL
    opened = Session(
        reference.kid,
        reference.kvn,
        ctx.entry.instance,
        CardMessages(session, level, proof),
        level,
        authenticated=True,
        authorization=authorization,
    )
    ctx.on_success(lambda: ctx.channel.open_session(opened))
    return ResponseAPDU(response_data(card_key, proof))
