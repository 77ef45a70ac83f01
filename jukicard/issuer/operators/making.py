"""Making an operator's card: the plan carried out on the chip at hand, and its certificates entered in the register.

The home knows of the card before the chip does, and of each operation that is done.  What was interrupted is gone on
with, on the same chip; a chip that refuses or deviates is spoilt, and its serial is never used again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date

from jukicard.applets.operator import layout
from jukicard.applets.operator.client import OperatorClient
from jukicard.applets.operator.records import OperatorState
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, CardStatusError, HostError, MalformedResponse
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.permissions import Permission
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import CardSpoilt, IssuerError, RuleRefused
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.line import plan as line
from jukicard.issuer.line.cardkeys import newest_key_sets
from jukicard.issuer.line.chipwork import COMMON_ACTIONS, Action, ChipWork, MismatchError
from jukicard.issuer.line.personalise import Report, check_blank, chip_number
from jukicard.issuer.operators import plan
from jukicard.issuer.operators.dialogue import open_as_terminal
from jukicard.issuer.operators.register import Making, Operator, OperatorOrder, Operators, read_operator
from jukicard.issuer.records.expiry import last_day
from jukicard.securechannel.certificates import LeafUsage

OPERATOR_YEARS = 5
"""How long an operator's card is valid."""


def order_operator(
    authority: Authority, permissions: frozenset[Permission], *, today: date, chip: str | None = None
) -> OperatorOrder:
    """Return the order for a card with these permissions: the one that was begun on this `chip`, or a new one.

    RuleRefused where it was begun with other permissions.
    """
    operators = Operators(authority)
    for order in operators.unfinished():
        if chip is not None and order.chip == chip:
            if order.permissions != permissions:
                raise RuleRefused(f"operator's card {order.serial} was begun with other permissions: finish it so")
            return order
    (above,) = authority.card_authorities(Area.JUKI)
    expires = min(last_day(today, OPERATOR_YEARS), x.last_valid_day(above))
    return operators.order(permissions, issued_on=today, expires=expires)


class OperatorPersonaliser(ChipWork):
    """Makes the chip behind a connection the operator's card of an order; `password` gives the first password."""

    def __init__(
        self,
        authority: Authority,
        connection: CardConnection,
        order: OperatorOrder,
        random: Randomness,
        password: Callable[[], str],
    ) -> None:
        super().__init__(authority, connection, order, random)
        self._order = order
        self._password = password
        self._operators = Operators(authority)

    def run(self, report: Report = lambda operation: None) -> Operator:
        """Carry out what of the plan is not done yet, and return the operator, who is in the register then.

        TransportError: interrupted, to be resumed with the same chip.  CardSpoilt: the chip refused or deviated.
        RuleRefused: this is another order's chip, or none that is blank.
        """
        with self._connection.transaction():
            self._bind()
            try:
                for operation in plan.operator_plan(newest_key_sets(self._authority)):
                    if operation.name not in self._order.steps_done:
                        report(operation)
                        _ACTIONS[type(operation)](self, operation)
                        self._note(replace(self._order, steps_done=(*self._order.steps_done, operation.name)))
                client = OperatorClient(self._stack)
                client.select()
                certificates = client.signature_certificates()
            except (CardStatusError, AuthenticationFailed, MalformedResponse, MismatchError) as error:
                raise self._spoil(error) from error
        return self._operators.enter(self._order, certificates)

    def _note(self, order: OperatorOrder) -> None:
        self._order = order
        self._operators.save(order)

    def _bind(self) -> None:
        if self._order.chip is None:
            self._note(replace(self._order, chip=check_blank(self._authority.ledger, self._connection)))
            self._resuming = False
        elif self._order.chip != chip_number(self._connection):
            raise RuleRefused(f"operator's card {self._order.serial} was begun on another chip; put that one in")

    def _spoil(self, error: HostError) -> CardSpoilt:
        self._note(replace(self._order, state=Making.SPOILT))
        with suppress(HostError, IssuerError):
            self.terminate()
        return CardSpoilt(f"operator's card {self._order.serial} is spoilt: {error}")

    def _signature_key(self, operation: plan.SignatureKey) -> None:
        client, order = self._application(OperatorClient), self._order
        subject = x.Subject(f"Juki operator {order.serial}", self._authority.city.name, order.city_code, order.serial)
        request = x.Request(
            profile=x.OPERATOR,
            subject=subject,
            public_key=client.generate_key_pair(layout.SIGNATURE_KEY),
            not_before=order.issued_on,
            not_after=order.expires,
            permissions=order.permissions,
        )
        leaf = x.issue(self._authority.card_signer(Area.JUKI), request, self._random)
        chain = b"".join((*self._authority.card_authorities(Area.JUKI), leaf))
        client.write(layout.EF_CERTIFICATES, chain.ljust(layout.CERTIFICATES_SIZE, b"\0"), "EF.CERTIFICATES")

    def _write_serial(self, operation: plan.WriteSerial) -> None:
        self._application(OperatorClient).write(layout.EF_SERIAL, self._order.serial.encode(), "EF.SERIAL")

    def _read_back(self, operation: plan.ReadBackOperator) -> None:
        client, order = self._application(OperatorClient), self._order
        if client.serial() != order.serial or client.status() is not OperatorState.PERSONALISATION:
            raise MismatchError("the chip does not hold what was written to it")
        chain = client.signature_certificates()
        self._check_certificates(Area.JUKI, chain, LeafUsage.DIGITAL_SIGNATURE)
        if read_operator(chain).permissions != order.permissions:
            raise MismatchError("the certificate on the chip has other permissions")

    def _close(self, operation: plan.CloseOperator) -> None:
        client = self._application(OperatorClient)
        if client.status() is OperatorState.PERSONALISATION:
            client.activate()

    def _first_password(self, operation: plan.FirstPassword) -> None:
        """Set it, as the counter's terminal; if that was interrupted after the card took it, it must be the same."""
        client = OperatorClient(self._stack)
        self._client = None
        open_as_terminal(client, self._authority, self._random, today=self._order.issued_on)
        chosen = self._password()
        if client.status() is OperatorState.DELIVERED:
            client.set_password(chosen)
        client.verify_password(chosen)


_ACTIONS: Mapping[type[line.Operation], Action] = {
    **COMMON_ACTIONS,
    plan.SignatureKey: OperatorPersonaliser._signature_key,
    plan.WriteSerial: OperatorPersonaliser._write_serial,
    plan.ReadBackOperator: OperatorPersonaliser._read_back,
    plan.CloseOperator: OperatorPersonaliser._close,
    plan.FirstPassword: OperatorPersonaliser._first_password,
}
