"""The host's view of the face-verification application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from jukicard.applets.faceverification import layout
from jukicard.applets.faceverification.records import BasicRecord, BirthRecord, FaceRecord, FaceRecordError
from jukicard.applets.gp.client import LONG, ApplicationClient
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.errors import MalformedResponse, check
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import TlvError, parse_one, parse_tlvs

R = TypeVar("R", BasicRecord, BirthRecord, FaceRecord)

_READ = (StatusWord.OK, StatusWord.END_OF_FILE, StatusWord.WRONG_P1P2)
"""The last: the file ends exactly where the next part would begin."""


class FaceVerificationClient(ApplicationClient):
    """The face-verification application (券面事項確認AP)."""

    def __init__(self, connection: CardConnection) -> None:
        super().__init__(connection, layout.FACE_AID)

    def basic(self) -> BasicRecord:
        """Read EF 0003, which anybody may."""
        return self._record(layout.EF_BASIC, BasicRecord.parse, "the basic record")

    def signer_certificates(self) -> tuple[bytes, ...]:
        """Read EF 0004, which anybody may: the certificates of the key that signs faces (DER, leaf last)."""
        try:
            content = b"".join(self._parts(layout.EF_CERTIFICATES, "certificates"))
            return tuple(one.encode() for one in parse_tlvs(content))
        except TlvError as error:
            raise MalformedResponse(f"EF 0004: {error}") from None

    def verify_number(self, number: int, digits: str) -> None:
        """Present a reference number (`layout.NUMBER_A` and so on).

        PasswordWrong tells the tries left, PasswordBlocked that there are none.
        """
        self.verify_internal(layout.reference(number), digits.encode())

    def face(self) -> FaceRecord:
        """Read EF 0002, after the reference number of the face."""
        return self._record(layout.EF_FACE, FaceRecord.parse, "the face record")

    def birth(self) -> BirthRecord:
        """Read EF 0001, after the birth date's reference number."""
        return self._record(layout.EF_BIRTH, BirthRecord.parse, "the birth record")

    def unblock(self, number: int) -> None:
        """Give back all tries of a reference number, in the issuer's SCP03 session."""
        self.command(CommandAPDU(0x00, 0x2C, 0x03, layout.reference(number)), "RESET RETRY COUNTER")

    def _record(self, sfi: int, parse: Callable[[bytes], R], what: str) -> R:
        content = b""
        for part in self._parts(sfi, what):
            content += part
            if _is_object(content):
                break
        try:
            return parse(content)
        except FaceRecordError as error:
            raise MalformedResponse(f"EF {sfi:04X}: {error}") from None

    def _parts(self, sfi: int, what: str) -> Iterator[bytes]:
        """Read a file to its end, as many bytes at a time as come."""
        read = 0
        while read <= layout.LONGEST_BLOCK:
            p1, p2 = (0x80 | sfi, 0) if not read else divmod(read, 256)
            response = send(self.connection, CommandAPDU(0x00, 0xB0, p1, p2, ne=LONG))
            part = check(response, f"reading {what}", ok=_READ).data
            if not part:
                return
            read += len(part)
            yield part
        raise MalformedResponse(f"reading {what}: a file without end")


def _is_object(content: bytes) -> bool:
    """Return whether a record is there as a whole."""
    try:
        parse_one(content)
    except TlvError:
        return False
    return True
