"""Carrying out an issuing plan on the chip at hand, through the same APDUs whatever reader it stands in.

The ledger knows of every operation before the chip does.  An operation that was interrupted (the card pulled, the
machine stopped) is carried out again; one that the chip refuses, or whose outcome is not what was asked for, makes the
card spoilt: that is noted, and the chip terminated where it still answers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from hmac import compare_digest

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.applets.gp.client import ApplicationClient, DomainClient
from jukicard.applets.gp.layout import (
    ISSUER_DOMAIN_AID,
    KID_APPROVAL,
    KID_SCP11A,
    KID_SCP11B,
    KID_TERMINAL_ANCHOR,
    TAG_CARD_NUMBER,
    TRANSPORT_KVN,
)
from jukicard.applets.juki import layout as juki
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.records import CardData, CardState
from jukicard.applets.service.client import KeyPairClient
from jukicard.iso7816.aid import AID
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, CardStatusError, HostError, MalformedResponse, NoCard
from jukicard.iso7816.tlv import TlvError, parse_one
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import CardSpoilt, FaceMismatch, IssuerError, RuleRefused
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.ledger.cards import CardState as LedgerState
from jukicard.issuer.ledger.rules import TRANSITIONS, Event, Status
from jukicard.issuer.line import plan
from jukicard.issuer.line.cardkeys import CardKeyring, newest_key_sets
from jukicard.issuer.line.facework import FaceMaker
from jukicard.issuer.line.journal import Journal
from jukicard.issuer.line.provers import card_channel_key, certified, ephemeral_key
from jukicard.issuer.municipal.approvals import approve_rom
from jukicard.issuer.municipal.ordinance import purposes
from jukicard.issuer.municipal.servicedata import ServiceCard, service_data
from jukicard.issuer.municipal.services import Service
from jukicard.issuer.records.resident import ResidentRecord
from jukicard.securechannel.certificates import LeafUsage

ISSUING_TERMINAL = "issuing-machine"
TERMINATED = 0xFF
CARD_NUMBER_SIZE = 8
"""Bytes of the card image number: 16 digits in BCD."""
_MILESTONES = {
    "read-back": Event.READ_BACK,
    "secured": Event.CLOSED,
    plan.FACE_STEP: Event.FACE_WRITTEN,
    plan.MATCH_STEP: Event.MATCHED,
}

Clock = Callable[[], datetime]
Report = Callable[[plan.Operation], None]


@dataclass(frozen=True, slots=True)
class Order:
    """One card to be made: its entry in the ledger, the resident's record, the municipal services chosen."""

    serial: str
    record: ResidentRecord = field(repr=False)
    issued_on: date
    expires: date
    services: tuple[Service, ...] = ()

    @property
    def card_data(self) -> CardData:
        """What EF.CARD of this card holds."""
        expires = f"{self.expires:%Y%m%d}"
        return CardData(self.serial, self.record.city_code, expires, self.record.face.value)


class MismatchError(HostError):
    """What the chip holds is not what was written."""


def chip_number(connection: CardConnection) -> str:
    """Return the number of the chip at hand (card image number, 16 digits), which anybody may read."""
    return _number(_issuer_domain(connection))


def check_blank(journal: Journal, connection: CardConnection) -> str:
    """Return the number of the chip at hand, which is blank.

    Refuse (RuleRefused) one that is a card already: issuing would spoil and terminate it.
    """
    domain = _issuer_domain(connection)
    number = _number(domain)
    bound = journal.card_on(number)
    if bound is not None:
        raise RuleRefused(f"the chip in the reader is card {bound.serial} ({bound.status}), not a blank one")
    if any(kvn != TRANSPORT_KVN for _, kvn in domain.key_references()):
        raise RuleRefused("the chip in the reader is not blank: it has other keys than the maker's")
    return number


def _issuer_domain(connection: CardConnection) -> DomainClient:
    """Select the issuer's domain."""
    client = DomainClient(standard(connection), ISSUER_DOMAIN_AID)
    client.select()
    return client


def _number(domain: DomainClient) -> str:
    stored = domain.get_data(TAG_CARD_NUMBER)
    if stored is None:
        raise NoCard("the chip in the reader has no card image number: it is not a chip for this issuing machine")
    try:
        number = parse_one(stored).value
    except TlvError:
        number = b""
    if len(number) != CARD_NUMBER_SIZE:
        raise MalformedResponse(f"the chip's card image number has not {CARD_NUMBER_SIZE} bytes")
    return number.hex().upper()


class Personaliser:
    """Makes the chip behind a connection the card of an order; `face`, if given, makes the face's files, and reads them
    back before the card counts as matched.

    What is done is noted in the books at once, or in the `journal` that is given in their place.
    """

    def __init__(
        self,
        authority: Authority,
        connection: CardConnection,
        order: Order,
        random: Randomness,
        clock: Clock,
        face: FaceMaker | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._authority = authority
        self._journal = authority.ledger if journal is None else journal
        self._connection = connection
        self._stack = standard(connection)
        self._order = order
        self._random = random
        self._clock = clock
        self._face = face
        self._keyring = CardKeyring(authority)
        self._client: ApplicationClient | None = None
        self._resuming = True

    def run(self, report: Report = lambda operation: None) -> LedgerState:
        """Carry out what of the plan is not done yet, and return the card's state in the books: awaiting handover.

        `report` is called as each operation begins.  TransportError, and what `face` raises: interrupted, to be
        resumed with the same chip.  CardSpoilt: the chip refused or deviated.  FaceMismatch: the face's file does not
        print what the record says; to be resumed, too.  RuleRefused: this is another order's chip, or the face was
        begun, and there is no `face`.
        """
        operations = self.operations()
        with self._connection.transaction():
            state = self._bind()
            self._mend_face(state)
            try:
                for operation in operations:
                    if operation.name not in state.steps_done:
                        report(operation)
                        self._carry_out(operation)
                    state = self._reach_milestone(operation)
            except (CardStatusError, AuthenticationFailed, MalformedResponse, MismatchError) as error:
                raise self._spoil(error) from error
        return self._note(Event.AWAITING_HANDOVER) if state.status is Status.MATCHED else state

    def operations(self) -> tuple[plan.Operation, ...]:
        """Return the order's operations, done or not.  The face comes before the match, or, once that began, not."""
        state = self._journal.card(self._order.serial)
        unmatched = plan.FACE_STEP in state.steps_done and plan.MATCH_STEP not in state.steps_done
        if (state.pending == plan.FACE_STEP or unmatched) and self._face is None:
            raise RuleRefused(f"card {state.serial}: its face was begun; name the folder for it again")
        matching = plan.MATCH_STEP in (*state.steps_done, state.pending)
        face = plan.FACE_STEP in state.steps_done or (self._face is not None and not matching)
        return plan.issuing_plan(newest_key_sets(self._authority), self._order.services, face=face)

    def _bind(self) -> LedgerState:
        """Tie the chip to the order, once; only that chip is ever written for it."""
        state = self._journal.card(self._order.serial)
        self._resuming = state.chip is not None
        number = chip_number(self._connection) if self._resuming else check_blank(self._journal, self._connection)
        if state.chip not in (None, number):
            raise RuleRefused(f"card {state.serial} was begun on another chip; put that one into the reader")
        if state.status is Status.ORDERED:
            state = self._note(Event.BOUND, chip=number)
        if state.status is Status.BOUND:
            state = self._note(Event.PERSONALISING)
        return state

    def _note(self, event: Event, **detail: str) -> LedgerState:
        return self._journal.append(self._order.serial, event, self._clock(), detail)

    def _carry_out(self, operation: plan.Operation) -> None:
        self._note(Event.STEP_STARTED, step=operation.name)
        _ACTIONS[type(operation)](self, operation)
        self._note(Event.STEP_DONE, step=operation.name)

    def _reach_milestone(self, operation: plan.Operation) -> LedgerState:
        """Note what an operation that is done leads to, unless that was noted before an interruption."""
        state = self._journal.card(self._order.serial)
        milestone = _MILESTONES.get(operation.name)
        if milestone is None or state.status not in TRANSITIONS[milestone].sources:
            return state
        return self._note(milestone)

    def _spoil(self, error: HostError) -> CardSpoilt:
        """Note that the card is spoilt, and terminate the chip if it still lets us."""
        sw = {"sw": f"{error.sw:04X}"} if isinstance(error, CardStatusError) else {}
        self._note(Event.SPOILT, reason="the chip refused or deviated in issuing", **sw)
        with suppress(HostError, IssuerError):
            self._domain(ISSUER_DOMAIN_AID).set_card_state(TERMINATED)
        return CardSpoilt(f"card {self._order.serial} is spoilt: {error}")

    def _open(self, client: ApplicationClient) -> None:
        client.select()
        client.open_scp03(self._keyring, self._random(8))
        self._client = client

    def _domain(self, aid: AID) -> DomainClient:
        """Return a client with an SCP03 session in a security domain: the one that is open, if it is that domain's."""
        if not isinstance(self._client, DomainClient) or self._client.aid != aid:
            client = DomainClient(self._stack, aid)
            self._open(client)
            return client
        return self._client

    def _juki(self) -> JukiClient:
        """Return a client with an SCP03 session in the Juki application."""
        if not isinstance(self._client, JukiClient):
            client = JukiClient(self._stack)
            self._open(client)
            return client
        return self._client

    def _has_application(self, domain: DomainClient, aid: AID) -> bool:
        """Return whether an earlier attempt has installed it: a chip that was found blank is not asked."""
        return self._resuming and aid in {entry.aid for entry in domain.status(0x40)}

    def _has_key(self, domain: DomainClient, kid: int, kvn: int) -> bool:
        """Return whether an earlier attempt has put or generated it: a chip that was found blank is not asked."""
        return self._resuming and (kid, kvn) in domain.key_references()

    def _put_key_set(self, operation: plan.PutKeySet) -> None:
        domain = self._domain(operation.domain)
        used = self._keyring.used
        if used is None or used.domain != operation.keys.domain:  # of whichever generation, if that was interrupted
            domain.put_key_set(operation.keys.kvn, self._keyring.encrypted(operation.keys))
            self._client = None

    def _set_card_state(self, operation: plan.SetCardState) -> None:
        domain = self._domain(operation.domain)
        states = [entry.state for entry in domain.status(0x80)]
        if len(states) != 1:
            raise MalformedResponse("GET STATUS: not exactly one issuer's domain")
        if states[0] < operation.state:
            domain.set_card_state(operation.state)

    def _install(self, operation: plan.Install) -> None:
        domain = self._domain(operation.domain)
        if not self._has_application(domain, operation.aid):
            domain.install(operation.module, operation.aid, operation.privileges)

    def _install_service(self, operation: plan.InstallService) -> None:
        domain, service = self._domain(operation.domain), operation.service
        aid = service.aid(self._authority.city.code)
        if not self._has_application(domain, aid):
            approval = approve_rom(self._authority, service.module, service.purpose, service.limits)
            domain.install(service.module, aid, approval=approval)

    def _put_approval_key(self, operation: plan.PutApprovalKey) -> None:
        domain = self._domain(operation.domain)
        if not self._has_key(domain, KID_APPROVAL, plan.APPROVAL_KVN):
            domain.put_public(KID_APPROVAL, plan.APPROVAL_KVN, self._authority.approval_key)
        domain.store_purposes(list(purposes(self._authority.home)))

    def _put_anchor(self, operation: plan.PutAnchor) -> None:
        domain = self._domain(operation.domain)
        if not self._has_key(domain, KID_TERMINAL_ANCHOR, plan.ANCHOR_KVN):
            domain.put_anchor(plan.ANCHOR_KVN, self._authority.anchor(operation.area))
        domain.store_date(plan.ANCHOR_KVN, f"{self._order.issued_on:%Y%m%d}")

    def _channel_key(self, operation: plan.ChannelKey) -> None:
        domain = self._domain(operation.domain)
        kid, kvn = operation.kid, plan.CHANNEL_KVN
        stored = domain.certificates(kid, kvn) if self._resuming else ()
        if stored:
            self._check_certificates(operation.area, stored, LeafUsage.KEY_AGREEMENT)
            return
        key = domain.generate_key(kid, kvn, replaces=kvn if self._has_key(domain, kid, kvn) else 0)
        leaf = self._certify(operation.area, x.CARD_CHANNEL, key)
        domain.store_certificates(kid, kvn, (*self._authority.card_authorities(operation.area), leaf))

    def _authentication_key(self, operation: plan.AuthenticationKey) -> None:
        client = self._juki()
        key = client.generate_authentication_key()
        leaf = self._certify(Area.JUKI, x.CARD_AUTHENTICATION, key)
        chain = b"".join((*self._authority.card_authorities(Area.JUKI), leaf))
        client.write(0x02, chain.ljust(juki.CERTIFICATES_SIZE, b"\0"), "EF.CERTIFICATES")

    def _certify(self, area: Area, profile: x.Profile, key: EllipticCurvePublicKey) -> bytes:
        order = self._order
        return self._authority.certify_card(
            area, profile, order.serial, key, not_before=order.issued_on, not_after=order.expires
        )

    def _personalize(self, operation: plan.Personalize) -> None:
        service, order = operation.service, self._order
        aid = service.aid(self._authority.city.code)
        key = None
        if service.key is not None:
            application = KeyPairClient(self._stack, aid)
            self._open(application)
            key = application.generate_key_pair(service.key)
        card = ServiceCard(order.serial, order.issued_on, order.expires, key)
        domain = self._domain(operation.domain)
        domain.personalize(aid)
        domain.store_data(service_data(service, self._authority, card))

    def _write_data(self, operation: plan.WriteData) -> None:
        client = self._juki()
        client.write(0x06, self._order.card_data.encode(), "EF.CARD")
        client.write(0x01, self._order.record.resident_code.reveal().encode(), "EF.CODE")

    def _read_back(self, operation: plan.ReadBack) -> None:
        client = self._juki()
        code = self._order.record.resident_code.reveal().encode()
        if client.card_data() != self._order.card_data or not compare_digest(client.resident_code(), code):
            raise MismatchError("the chip does not hold what was written to it")
        if client.status().state is not CardState.PERSONALISATION:
            raise MismatchError("the chip is not in personalisation any more")
        chains = (
            (client.authentication_certificates(), LeafUsage.DIGITAL_SIGNATURE),
            (client.certificates(KID_SCP11A, plan.CHANNEL_KVN), LeafUsage.KEY_AGREEMENT),
            (client.certificates(KID_SCP11B, plan.CHANNEL_KVN), LeafUsage.KEY_AGREEMENT),
        )
        for chain, usage in chains:
            self._check_certificates(Area.JUKI, chain, usage)

    def _check_certificates(self, area: Area, chain: tuple[bytes, ...], usage: LeafUsage) -> None:
        """Refuse certificates on the chip that do not verify, or are another card's."""
        order = self._order
        found = certified(self._authority, area, chain, usage, order.issued_on)
        if (found.serial, found.city_code, found.last_day) != (order.serial, order.record.city_code, order.expires):
            raise MismatchError("a certificate on the chip is another card's")

    def _close(self, operation: plan.Close) -> None:
        client = self._juki()
        if client.status().state is CardState.PERSONALISATION:
            client.activate()

    def _draw_face(self, operation: plan.WriteFace) -> None:
        if self._face is None:
            raise RuntimeError("a plan with a face, and nobody to write it")
        self._face.write(self._order.serial)

    def _mend_face(self, state: LedgerState) -> None:
        """Write a face again that was written before an interruption, and does not read back as it should now.

        For the books it is the face step that is done already: what counts there is the match that follows.
        """
        unmatched = plan.FACE_STEP in state.steps_done and plan.MATCH_STEP not in state.steps_done
        if unmatched and self._face is not None and self._face.differences(self._order.serial):
            self._face.write(self._order.serial)

    def _match_face(self) -> None:
        """Read the face's file back, as it lies there, and compare it with the record."""
        done = self._journal.card(self._order.serial).steps_done
        if plan.FACE_STEP not in done or self._face is None:
            return
        differences = self._face.differences(self._order.serial)
        if differences:
            told = "".join(f"\n  {difference}" for difference in differences)
            raise FaceMismatch(f"card {self._order.serial}: its face does not print what the record says:{told}")

    def _match(self, operation: plan.Match) -> None:
        self._match_face()
        client = JukiClient(self._stack)
        client.select()
        self._client = None
        channel = card_channel_key(client, self._authority, today=self._order.issued_on)
        if channel.serial != self._order.serial:
            raise MismatchError("the channel key's certificate is another card's")
        terminal = self._authority.terminal_key(ISSUING_TERMINAL)
        client.open_scp11a(terminal, channel.public_key, ephemeral_key(self._random))
        if client.card_data() != self._order.card_data:
            raise MismatchError("the chip tells other card data than were written")
        if not client.matches(self._order.record.resident_code.reveal().encode()):
            raise MismatchError("the chip does not hold this record's resident code")


_ACTIONS: dict[type[plan.Operation], Callable[..., None]] = {
    plan.PutKeySet: Personaliser._put_key_set,
    plan.SetCardState: Personaliser._set_card_state,
    plan.Install: Personaliser._install,
    plan.InstallService: Personaliser._install_service,
    plan.PutApprovalKey: Personaliser._put_approval_key,
    plan.PutAnchor: Personaliser._put_anchor,
    plan.ChannelKey: Personaliser._channel_key,
    plan.Personalize: Personaliser._personalize,
    plan.AuthenticationKey: Personaliser._authentication_key,
    plan.WriteData: Personaliser._write_data,
    plan.ReadBack: Personaliser._read_back,
    plan.Close: Personaliser._close,
    plan.WriteFace: Personaliser._draw_face,
    plan.Match: Personaliser._match,
}
