"""What is done to the chip of any card of ours, resident's or operator's: domains, keys, anchors, channel keys.

Each operation of a plan is one method, which finds out what of it is done already: an operation that was interrupted is
carried out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Protocol, TypeVar, cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.applets.gp.client import ApplicationClient, DomainClient
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, KID_TERMINAL_ANCHOR
from jukicard.iso7816.aid import AID
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import HostError, MalformedResponse
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.line import plan
from jukicard.issuer.line.cardkeys import CardKeyring
from jukicard.issuer.line.provers import certified
from jukicard.securechannel.certificates import LeafUsage

C = TypeVar("C", bound=ApplicationClient)

TERMINATED = 0xFF
Action = Callable[[Any, Any], None]
"""From a `ChipWork` and an operation of its kind: carries it out."""


class Subject(Protocol):
    """The card that is made: its serial, its municipality, its first and its last day."""

    @property
    def serial(self) -> str:
        """15 digits."""

    @property
    def city_code(self) -> str:
        """5 digits."""

    @property
    def issued_on(self) -> date:
        """The first day on which it is valid."""

    @property
    def expires(self) -> date:
        """The last one."""


class MismatchError(HostError):
    """What the chip holds is not what was written."""


class ChipWork:
    """Carries out operations on the chip behind a connection, which becomes the card of a subject."""

    def __init__(self, authority: Authority, connection: CardConnection, subject: Subject, random: Randomness) -> None:
        self._authority = authority
        self._connection = connection
        self._stack = standard(connection)
        self._subject = subject
        self._random = random
        self._keyring = CardKeyring(authority)
        self._client: ApplicationClient | None = None
        self._resuming = True

    def terminate(self) -> None:
        """Take a chip that deviated out of use for good.  CardStatusError and others, where it does not let us."""
        self._domain(ISSUER_DOMAIN_AID).set_card_state(TERMINATED)

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

    def _application(self, kind: Callable[[CardConnection], C]) -> C:
        """Return a client with an SCP03 session in its application: the one that is open, if it is of that kind."""
        if type(self._client) is not kind:
            self._open(kind(self._stack))
        return cast("C", self._client)

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

    def _put_anchor(self, operation: plan.PutAnchor) -> None:
        domain = self._domain(operation.domain)
        if not self._has_key(domain, KID_TERMINAL_ANCHOR, plan.ANCHOR_KVN):
            domain.put_anchor(plan.ANCHOR_KVN, self._authority.anchor(operation.area))
        domain.store_date(plan.ANCHOR_KVN, f"{self._subject.issued_on:%Y%m%d}")

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

    def _certify(self, area: Area, profile: x.Profile, key: EllipticCurvePublicKey) -> bytes:
        subject = self._subject
        return self._authority.certify_card(
            area, profile, subject.serial, key, not_before=subject.issued_on, not_after=subject.expires
        )

    def _check_certificates(self, area: Area, chain: tuple[bytes, ...], usage: LeafUsage) -> None:
        """Refuse certificates on the chip that do not verify, or are another card's."""
        subject = self._subject
        found = certified(self._authority, area, chain, usage, subject.issued_on)
        if (found.serial, found.city_code, found.last_day) != (subject.serial, subject.city_code, subject.expires):
            raise MismatchError("a certificate on the chip is another card's")


COMMON_ACTIONS: Mapping[type[plan.Operation], Action] = {
    plan.PutKeySet: ChipWork._put_key_set,
    plan.SetCardState: ChipWork._set_card_state,
    plan.Install: ChipWork._install,
    plan.PutAnchor: ChipWork._put_anchor,
    plan.ChannelKey: ChipWork._channel_key,
}
