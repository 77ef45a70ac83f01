"""Carrying out an issuing plan on the chip at hand, through the same APDUs whatever reader it stands in.

The ledger knows of every operation before the chip does.  An operation that was interrupted (the card pulled, the
machine stopped) is carried out again; one that the chip refuses, or whose outcome is not what was asked for, makes the
card spoilt: that is noted, and the chip terminated where it still answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from hmac import compare_digest
from typing import TYPE_CHECKING

from jukicard.applets.faceverification.layout import FACE_AID
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import (
    ISSUER_DOMAIN_AID,
    KID_APPROVAL,
    KID_SCP11A,
    KID_SCP11B,
    TAG_CARD_NUMBER,
    TRANSPORT_KVN,
)
from jukicard.applets.juki import layout as juki
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.records import CardData, CardState
from jukicard.applets.service.client import KeyPairClient
from jukicard.applets.shared.layout import SHARED_AID
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, CardStatusError, HostError, MalformedResponse, NoCard
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_one
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.facesigner import face_signer
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import CardSpoilt, FaceMismatch, IssuerError, RuleRefused, WrongCard
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.ledger.cards import CardState as LedgerState
from jukicard.issuer.ledger.rules import TRANSITIONS, Event, Status
from jukicard.issuer.line import plan
from jukicard.issuer.line.cardkeys import newest_key_sets
from jukicard.issuer.line.chipface import ChipFace
from jukicard.issuer.line.chipwork import COMMON_ACTIONS, Action, ChipWork, MismatchError
from jukicard.issuer.line.facework import FaceMaker, images_without_face
from jukicard.issuer.line.journal import Journal
from jukicard.issuer.line.provers import card_authentication_key, card_channel_key, ephemeral_key
from jukicard.issuer.municipal.approvals import approve_rom
from jukicard.issuer.municipal.ordinance import purposes
from jukicard.issuer.municipal.servicedata import ServiceCard, service_data
from jukicard.issuer.municipal.services import Service
from jukicard.issuer.records.resident import ResidentRecord
from jukicard.securechannel.certificates import LeafUsage
from jukicard.securechannel.scp11 import encode_point

if TYPE_CHECKING:
    from jukicard.issuer.faces.chipimages import FaceImages

ISSUING_TERMINAL = "issuing-machine"
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
    def city_code(self) -> str:
        """The municipality's, 5 digits."""
        return self.record.city_code

    @property
    def card_data(self) -> CardData:
        """What EF.CARD of this card holds."""
        expires = f"{self.expires:%Y%m%d}"
        return CardData(self.serial, self.record.city_code, expires, self.record.face.value)


def chip_number(connection: CardConnection) -> str:
    """Return the number of the chip at hand (card image number, 16 digits), which anybody may read."""
    return _number(_issuer_domain(connection))


def check_blank(journal: Journal, connection: CardConnection) -> str:
    """Return the number of the chip at hand, which is blank.

    Refuse (RuleRefused) one that is a card already, since issuing would spoil and terminate it, and, in a home that
    keeps stock, one that is not in stock.
    """
    domain = _issuer_domain(connection)
    number = _number(domain)
    bound = journal.card_on(number)
    if bound is not None:
        raise RuleRefused(f"the chip in the reader is card {bound.serial} ({bound.status}), not a blank one")
    journal.check_in_stock(number)
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


class Personaliser(ChipWork):
    """Makes the chip behind a connection the card of an order; `face`, if given, makes the face's files, and reads them
    back before the card counts as matched.

    `images` are the face's pictures for the chip: without them the `face`'s, else those that follow from the record.
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
        images: FaceImages | None = None,
    ) -> None:
        super().__init__(authority, connection, order, random)
        self._images = images
        self._authentication_point: bytes | None = None
        self._journal = authority.ledger if journal is None else journal
        self._order = order
        self._clock = clock
        self._face = face

    def run(self, report: Report = lambda operation: None) -> LedgerState:
        """Carry out what of the plan is not done yet, and return the card's state in the books: awaiting handover.

        `report` is called as each operation begins.  TransportError, and what `face` raises: interrupted, to be
        resumed with the same chip.  CardSpoilt: the chip refused or deviated.  FaceMismatch: the face's file does not
        print what the record says; to be resumed, too.  RuleRefused: this is another order's chip, or the face was
        begun, and there is no `face`.  RecordError, before anything is begun: the face cannot be drawn.
        """
        operations = self.operations()
        if plan.MATCH_STEP not in self._journal.card(self._order.serial).steps_done:
            self._chip_face  # noqa: B018 - drawn now: what is wrong with it is found before the chip is touched
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
            raise WrongCard(f"card {state.serial} was begun on another chip; put that one into the reader")
        self._keyring.chip = number
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

    def _is_other_chip(self) -> bool:
        """Whether another chip, or a card of another kind, answers now; not if the one there cannot tell."""
        try:
            return chip_number(self._connection) != self._keyring.chip
        except NoCard:
            return True
        except CardStatusError as error:
            return error.sw is StatusWord.FILE_NOT_FOUND
        except HostError:
            return False

    def _spoil(self, error: HostError) -> IssuerError:
        """Note that the card is spoilt, and terminate the chip if it still lets us: unless it is another chip."""
        if self._is_other_chip():
            return WrongCard(
                f"card {self._order.serial}: there is another chip in the reader now; put the one back that was begun"
            )
        sw = {"sw": f"{error.sw:04X}"} if isinstance(error, CardStatusError) else {}
        self._note(Event.SPOILT, reason="the chip refused or deviated in issuing", **sw)
        with suppress(HostError, IssuerError):
            self.terminate()
        return CardSpoilt(f"card {self._order.serial} is spoilt: {error}")

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

    def _authentication_key(self, operation: plan.AuthenticationKey) -> None:
        client = self._application(JukiClient)
        key = client.generate_authentication_key()
        self._authentication_point = encode_point(key)
        leaf = self._certify(Area.JUKI, x.CARD_AUTHENTICATION, key)
        chain = b"".join((*self._authority.card_authorities(Area.JUKI), leaf))
        client.write(0x02, chain.ljust(juki.CERTIFICATES_SIZE, b"\0"), "EF.CERTIFICATES")

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
        client = self._application(JukiClient)
        client.write(0x06, self._order.card_data.encode(), "EF.CARD")
        client.write(0x01, self._order.record.resident_code.reveal().encode(), "EF.CODE")

    def _read_back(self, operation: plan.ReadBack) -> None:
        client = self._application(JukiClient)
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

    def _close(self, operation: plan.Close) -> None:
        client = self._application(JukiClient)
        if client.status().state is CardState.PERSONALISATION:
            client.activate()

    @cached_property
    def _chip_face(self) -> ChipFace:
        """What the chip holds of the face."""
        order, images = self._order, self._images
        if images is None and self._face is not None:
            images = self._face.images()
        if images is None:
            images = images_without_face(self._authority, order.record, order.expires)
        signer = face_signer(self._authority, self._random)
        return ChipFace(order.record, images, order.serial, order.expires, signer)

    def _point(self) -> bytes:
        """Return the Juki application's public key, which the chip has generated in this run or an earlier one."""
        if self._authentication_point is None:
            client = JukiClient(self._stack)
            client.select()
            self._client = None
            key = card_authentication_key(client, self._authority, today=self._order.issued_on)
            self._authentication_point = encode_point(key.public_key)
        return self._authentication_point

    def _write_face_record(self, operation: plan.Operation) -> None:
        block = self._chip_face.personalisation(self._point()).encode()
        domain = self._domain(ISSUER_DOMAIN_AID)
        domain.personalize(FACE_AID)
        domain.store_data(block)

    def _write_shared_data(self, operation: plan.WriteSharedData) -> None:
        domain = self._domain(operation.domain)
        domain.personalize(SHARED_AID)
        domain.store_data(self._chip_face.information.encode())

    def _write_card_objects(self, operation: plan.WriteCardObjects) -> None:
        objects = (Tlv(tag, value).encode() for tag, value in self._chip_face.objects.items())
        self._domain(operation.domain).store_data(b"".join(objects))

    def _match_chip_face(self) -> None:
        """Compare what the chip holds of the face with the face, from outside.

        An issue that is resumed may print another face than the one that was begun: the chip then gets that one.
        """
        point = self._point()
        self._client = None
        try:
            self._chip_face.check(self._stack, point)
        except MismatchError:
            if not self._resuming:
                raise
            self._write_face_record(plan.WriteFaceRecord(plan.MATCH_STEP, ISSUER_DOMAIN_AID))
            self._client = None
            self._chip_face.check(self._stack, point)

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
        self._match_chip_face()
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


_ACTIONS: Mapping[type[plan.Operation], Action] = {
    **COMMON_ACTIONS,
    plan.InstallService: Personaliser._install_service,
    plan.PutApprovalKey: Personaliser._put_approval_key,
    plan.Personalize: Personaliser._personalize,
    plan.AuthenticationKey: Personaliser._authentication_key,
    plan.WriteData: Personaliser._write_data,
    plan.ReadBack: Personaliser._read_back,
    plan.Close: Personaliser._close,
    plan.WriteFaceRecord: Personaliser._write_face_record,
    plan.WriteSharedData: Personaliser._write_shared_data,
    plan.WriteCardObjects: Personaliser._write_card_objects,
    plan.WriteFace: Personaliser._draw_face,
    plan.Match: Personaliser._match,
}
