"""The host's view of the shared application."""

from __future__ import annotations

from jukicard.applets.gp.client import ALL, ApplicationClient
from jukicard.applets.shared import layout
from jukicard.applets.shared.records import CardInformation, SharedRecordError
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import MalformedResponse


class SharedClient(ApplicationClient):
    """The shared application (共通カードAP)."""

    def __init__(self, connection: CardConnection) -> None:
        super().__init__(connection, layout.SHARED_AID)

    def card_information(self) -> CardInformation:
        """Read the card's serial, municipality and expiry, which anybody may."""
        p2 = layout.EF_CARD_INFORMATION << 3 | 4
        record = self.command(CommandAPDU(0x00, 0xB2, 0x01, p2, ne=ALL), "reading the card information").data
        try:
            return CardInformation.parse(record)
        except SharedRecordError as error:
            raise MalformedResponse(str(error)) from None
