"""How a terminal of the authority and an operator's card prove themselves to each other."""

from __future__ import annotations

from datetime import date

from jukicard.applets.operator.client import OperatorClient
from jukicard.applets.operator.layout import PASSWORD
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, CardStatusError
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import CertificateProfileError, OperatorRefused
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.line.provers import card_channel_key, certified, ephemeral_key
from jukicard.issuer.operators.register import Operator, read_operator
from jukicard.securechannel.certificates import LeafUsage

LOGIN_TERMINAL = "counter"
"""The terminal that operators log in at, set their passwords at, and whose right voids their cards."""


def open_as_terminal(client: OperatorClient, authority: Authority, random: Randomness, *, today: date) -> Operator:
    """Have the card prove itself by its certificates and its channel key (SCP11a), and return whose it is.

    AuthenticationFailed where its certificates do not verify on that day under the national root, or are of two cards;
    OperatorRefused for a card that is no operator's.
    """
    operator = _certified(client, authority, today)
    channel = card_channel_key(client, authority, today=today)
    if channel.serial != operator.serial:
        raise AuthenticationFailed("operator's card", "the channel key is another card's")
    terminal = authority.terminal_key(LOGIN_TERMINAL)
    client.open_scp11a(terminal, channel.public_key, ephemeral_key(random))
    if client.serial() != operator.serial:
        raise AuthenticationFailed("operator's card", "its serial is not that of its certificate")
    return operator


def shown_operator(authority: Authority, connection: CardConnection, *, today: date) -> tuple[Operator, int | None]:
    """Return whose card it is by its certificates, which anybody may read, and the tries left of its password.

    Nothing proves that the card has the keys.  Raises as `open_as_terminal`.
    """
    client = OperatorClient(standard(connection))
    return _certified(client, authority, today), client.password_tries(PASSWORD)


def _certified(client: OperatorClient, authority: Authority, today: date) -> Operator:
    try:
        client.select()
    except CardStatusError as error:
        if error.sw is StatusWord.FILE_NOT_FOUND:
            raise OperatorRefused("the card in the operator's reader is no operator's card") from error
        raise
    chain = client.signature_certificates()
    certified(authority, Area.JUKI, chain, LeafUsage.DIGITAL_SIGNATURE, today)
    try:
        return read_operator(chain)
    except CertificateProfileError as error:
        raise AuthenticationFailed("operator's card", str(error)) from error
