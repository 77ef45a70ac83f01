"""GET DATA and PUT DATA: BER-TLV data objects of an application, under the rules of its own DF (ISO/IEC 7816-4, data
object handling).
"""

from __future__ import annotations

from jukicard.card.commands import ANY, ANY_DATA, INTERINDUSTRY, NO_DATA, On, command, data, only
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.quota import Quota
from jukicard.card.root import Root
from jukicard.card.transaction import Area
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, encode_tag, parse_tlvs

TAG_LIST = 0x5C
_SPEC = "ISO/IEC 7816-4, data object handling"


def application_df(cmd: CommandAPDU, ctx: Context) -> Root:
    """Return the application's own DF, whose rules hold for what has none of its own."""
    return Root.of(ctx.area)


class DataObjects:
    """The data objects of one area, by tag."""

    __slots__ = ("_area",)

    def __init__(self, area: Area) -> None:
        self._area = area

    def read(self, tag: int) -> bytes:
        """Return the value of an object, or refuse with 6A88."""
        stored = self.find(tag)
        if stored is None:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, f"no data object {tag:04X} in this application")
        return stored

    def find(self, tag: int) -> bytes | None:
        """Return the value of an object, or None."""
        return self._area.read(_cell(tag))

    def write(self, tag: int, value: bytes) -> None:
        """Store an object in place of the one before; no value is no object.  6A84 where the quota is used up."""
        old = self.find(tag)
        Quota(self._area).charge((_cost(value) if value else 0) - (_cost(old) if old else 0))
        self._area.write(_cell(tag), value or None)


class DataObjectCommands:
    """GET DATA and PUT DATA."""

    @command(
        INTERINDUSTRY,
        ins=0xCA,
        p1=ANY,
        p2=ANY,
        length=NO_DATA,
        access=On(application_df, None, "the application, to get data"),
        writes=False,
        spec=_SPEC,
    )
    def get_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Return the value of the data object whose tag P1-P2 are.  6A88 where there is none."""
        return ResponseAPDU(DataObjects(ctx.area).read(_tag(cmd)))

    @command(
        INTERINDUSTRY,
        ins=0xCB,
        p1=only(0x3F),
        p2=only(0xFF),
        length=data(3, 64),
        access=On(application_df, None, "the application, to get data"),
        writes=False,
        spec=_SPEC,
        name="GET DATA (tag list)",
    )
    def get_data_by_list(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Return those data objects of the tag list 5C that are there, whole, in its order.  6A88 without any."""
        found = [(tag, DataObjects(ctx.area).find(tag)) for tag in _tags(cmd.data)]
        if all(value is None for _, value in found):
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, "none of these data objects is in this application")
        return ResponseAPDU(b"".join(Tlv(tag, value).encode() for tag, value in found if value is not None))

    @command(
        INTERINDUSTRY,
        ins=0xDA,
        p1=ANY,
        p2=ANY,
        length=ANY_DATA,
        access=On(application_df, None, "the application, to put data"),
        writes=True,
        spec=_SPEC,
    )
    def put_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Store the value of the data object whose tag P1-P2 are, in place of the one before; no data removes it."""
        tag = _tag(cmd)
        if Tlv(tag).constructed:
            try:
                parse_tlvs(cmd.data)
            except TlvError as error:
                raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        DataObjects(ctx.area).write(tag, cmd.data)
        return ResponseAPDU()


def _tag(cmd: CommandAPDU) -> int:
    """Return the tag that P1-P2 are: 0040-00FE one byte, 4000-FFFF two; anything else is no tag (6A86)."""
    tag = cmd.p1 << 8 | cmd.p2
    try:
        encode_tag(tag)
    except TlvError:
        tag = 0
    if not (0x40 <= tag <= 0xFE or tag >= 0x4000):
        raise CardError(StatusWord.INCORRECT_P1P2, "P1-P2 are no tag of a data object")
    return tag


def _tags(encoded: bytes) -> list[int]:
    """Return the tags of a tag list: each is the head of an object of length zero."""
    try:
        (tag_list,) = parse_tlvs(encoded)
        tags, rest = [], tag_list.value
        while rest:
            size = 2 if rest[0] & 0x1F == 0x1F else 1
            tags.append(int.from_bytes(rest[:size]))
            encode_tag(tags[-1])
            rest = rest[size:]
    except (TlvError, ValueError):
        raise CardError(StatusWord.INCORRECT_DATA, "the data are one tag list 5C") from None
    if tag_list.tag != TAG_LIST:
        raise CardError(StatusWord.INCORRECT_DATA, "the data are one tag list 5C")
    return tags


def _cost(value: bytes) -> int:
    return len(value) + 4


def _cell(tag: int) -> str:
    return f"o/{tag:04x}"
