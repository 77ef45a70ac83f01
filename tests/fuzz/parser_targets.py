"""What each parser promises, as a target for a fuzzer: bytes in, nothing raised but what breaks the promise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

from jukicard.applets.gp.approval import ApprovalError, read_approval, sign_form, verify_approval
from jukicard.applets.gp.loadfile import DataBlock, LoadFileError, LoadFileStructure
from jukicard.applets.gp.tokens import Confirmation
from jukicard.applets.library import layout as library
from jukicard.applets.wasm.checking import check
from jukicard.applets.wasm.engine import CompiledModule
from jukicard.applets.wasm.errors import CodeError, TrapError
from jukicard.iso7816.access import AccessRuleError, AccessRules
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import ApduError, CommandAPDU, ResponseAPDU
from jukicard.iso7816.atr import Atr, AtrError, HistoricalBytes
from jukicard.iso7816.cla import ClassByte
from jukicard.iso7816.tlv import TlvError, parse_one, parse_tlvs
from jukicard.issuer.errors import RecordError
from jukicard.issuer.records.resident import RecordRules, load_json
from jukicard.issuer.records.table import load_csv
from jukicard.reader.recording import Dialogue, DialogueError, format_dialogue, parse_dialogue
from jukicard.securechannel.authorization import AuthorizationError, Right, Role, TerminalAuthorization
from jukicard.securechannel.certificates import CertificateError, ChainVerifier
from jukicard.securechannel.scp03 import InitializeUpdateResponse
from jukicard.securechannel.scp11 import KeyAgreementError, KeyAgreementRequest, KeyAgreementResponse, Variant
from tests.fuzz.parsers import Target, demand
from tests.fuzz.people import terminals
from tests.fuzz.world import World, request_for
from tests.support import chips, content, loaded, wasm

_DEPTH = 5


def _codec(parse: Callable[[bytes], object], error: type[Exception]) -> Target:
    """A parser whose values encode back to the very bytes, and that raises one error."""

    def target(data: bytes) -> None:
        try:
            value = parse(data)
        except error:
            return
        demand(value.encode() == data, "what was parsed encodes to other bytes")

    return target


def tlvs(data: bytes) -> None:
    try:
        found = parse_tlvs(data, max_depth=_DEPTH)
    except TlvError:
        return
    demand(b"".join(tlv.encode() for tlv in found) == data, "data objects encode to other bytes")
    if len(found) == 1:
        demand(parse_one(data) == found[0], "one object is read in two ways")


def access_rules(data: bytes) -> None:
    try:
        rules = AccessRules.parse(data)
    except AccessRuleError:
        return
    demand(AccessRules.parse(rules.encode()) == rules, "rules do not survive their encoding")
    rules.condition_for(None, data[:4].ljust(4, b"\0"))


def aid(data: bytes) -> None:
    try:
        name = AID(data)
    except ValueError:
        demand(not 5 <= len(data) <= 16, "a name of a possible length is refused")
        return
    demand(bytes(name) == data and AID.from_hex(str(name)) == name, "a name is not itself any more")


def aid_text(data: bytes) -> None:
    try:
        AID.from_hex(data.decode("utf-8", "replace"))
    except ValueError:
        return


def atr(data: bytes) -> None:
    try:
        found = Atr.parse(data)
    except AtrError:
        return
    demand(Atr.parse(found.encode()) == found, "an ATR does not survive its encoding")
    _ = found.protocols, found.fi, found.di, found.extra_guard_time, found.ifsc, found.bwi, found.cwi


def historical_bytes(data: bytes) -> None:
    try:
        found = HistoricalBytes.parse(data)
    except AtrError:
        return
    demand(HistoricalBytes.parse(found.encode()) == found, "historical bytes do not survive their encoding")
    _ = found.life_cycle, found.status_word


def class_byte(data: bytes) -> None:
    for value in data:
        cla = ClassByte.parse(value)
        demand(cla.interindustry + cla.proprietary + cla.reserved + cla.invalid == 1, "a class byte is two things")
        if cla.reserved or cla.invalid:
            continue
        again = ClassByte.build(
            proprietary=cla.proprietary,
            channel=cla.channel,
            chaining=cla.chaining,
            secure_messaging=cla.secure_messaging,
        )
        demand(again == value, "a class byte is built otherwise than it was read")


def certificate(data: bytes) -> None:
    """First byte: whether it is the leaf, and under which anchor."""
    last = bool(data[:1] and data[0] & 1)
    verifier = ChainVerifier(chips.NATIONAL_ROOT.public_key(), today=chips.ESTIMATE)
    try:
        if data[:1] and data[0] & 2:
            verifier.add(terminals()["all"].certificates[0], last=False)
        verifier.add(data[1:], last)
    except CertificateError:
        return
    known = {der for terminal in terminals().values() for der in terminal.certificates}
    demand(data[1:] in known, "a certificate that nobody made verifies")


def key_agreement_request(data: bytes) -> None:
    _codec(KeyAgreementRequest.parse, KeyAgreementError)(data)


_GP_COMMANDS = (
    (0xE6, 0x0C, 0x00),
    (0xE6, 0x08, 0x00),
    (0xE6, 0x20, 0x00),
    (0xE6, 0x02, 0x00),
    (0xE6, 0x10, 0x00),
    (0xE6, 0x40, 0x00),
    (0xD8, 0x00, 0x81),
    (0xD8, 0x00, 0x10),
    (0xD8, 0x00, 0x11),
    (0xF1, 0x00, 0x11),
    (0xE4, 0x00, 0x00),
    (0xE2, 0x90, 0x00),
    (0xF2, 0x40, 0x02),
    (0xCA, 0xBF, 0x21),
)


class _Domain:
    """A card with an SCP03 session of the municipal domain, a new one whenever something has changed."""

    def __init__(self) -> None:
        self.world: World | None = None

    def send(self, data: bytes) -> None:
        if self.world is None:
            self.world = World("active", 0)
            self.world.do(("raw", CommandAPDU(0, 0xA4, 4, 0, bytes(chips.CITY_DOMAIN), 256).encode()))
            self.world.do(("scp03", 0, 0, 0x01, bytes(8)))
        ins, p1, p2 = _GP_COMMANDS[data[0] % len(_GP_COMMANDS)] if data else _GP_COMMANDS[0]
        self.world.do(("secure", 0, (0x80, ins, p1, p2, data[1:201], None)))
        if self.world.store.commits or self.world.hosts[0] is None:
            self.world = None
        else:
            self.world.exchanges.clear()


def approval(data: bytes) -> None:
    try:
        said, signature = read_approval(data)
    except ApprovalError:
        return
    demand(sign_form(said, signature) == data, "an approval is read from other bytes than it is made of")
    try:
        verify_approval(data, content.APPROVAL_KEY.public_key())
    except ApprovalError:
        return
    demand(data == content.of_rom(), "an approval that nobody signed verifies")


def confirmation(data: bytes) -> None:
    try:
        told = Confirmation.parse(data)
    except ValueError:
        return
    demand(data in (b"", b"\0") if told is None else told.encode() == data, "a confirmation encodes to other bytes")


def dialogue(data: bytes) -> None:
    try:
        found = parse_dialogue(data.decode("utf-8", "replace"))
    except DialogueError:
        return
    again = parse_dialogue(format_dialogue(found))
    demand(_without_lines(again) == _without_lines(found), "a dialogue does not survive its notation")


def _without_lines(found: Dialogue) -> tuple[object, ...]:
    return tuple(replace(step, line=0) for step in found.steps)


_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-records-"))
_RULES = RecordRules(today=date(2026, 1, 1))


def csv_records(data: bytes) -> None:
    path = _FOLDER / "records.csv"
    path.write_bytes(data)
    try:
        load_csv(path, _RULES, 1)
    except RecordError:
        return


def json_record(data: bytes) -> None:
    path = _FOLDER / "record.json"
    path.write_bytes(data)
    try:
        load_json(path, _RULES)
    except RecordError:
        return


def webassembly(data: bytes) -> None:
    """What is let through is compiled or refused as not valid, and runs to an end."""
    try:
        compiled = CompiledModule(check(data))
    except CodeError:
        return
    try:
        demand(0 <= compiled.instantiate().run("process", lambda _name, *_numbers: 0) < 1 << 32, "no i32")
    except TrapError:
        return


TARGETS: dict[str, Target] = {
    "command-apdu": _codec(CommandAPDU.parse, ApduError),
    "response-apdu": _codec(ResponseAPDU.parse, ApduError),
    "tlvs": tlvs,
    "access-rules": access_rules,
    "aid": aid,
    "aid-text": aid_text,
    "atr": atr,
    "historical-bytes": historical_bytes,
    "class-byte": class_byte,
    "certificate": certificate,
    "authorization": _codec(TerminalAuthorization.decode, AuthorizationError),
    "key-agreement-request": key_agreement_request,
    "key-agreement-response": _codec(KeyAgreementResponse.parse, KeyAgreementError),
    "initialize-update": _codec(InitializeUpdateResponse.parse, ValueError),
    "gp-commands": _Domain().send,
    "approval": approval,
    "load-file": _codec(LoadFileStructure.parse, LoadFileError),
    "data-block": _codec(DataBlock.parse, LoadFileError),
    "confirmation": confirmation,
    "dialogue": dialogue,
    "csv-records": csv_records,
    "json-record": json_record,
    "webassembly": webassembly,
}

_HEADER = "住民票コード,氏名,フリガナ,生年月日,性別,住所,市町村コード,券面\n"
_PERSON = "12345678903,住基 太郎,ジュウキ タロウ,昭和60年1月2日,男,一丁目,992011,A\n"
_JSON = (
    '{"resident_code":"12345678903","name":"住基 太郎","kana":"ジュウキ タロウ","birth_date":"1985-01-02",'
    '"sex":"male","address":"一丁目","city_code":"992011","face":"A"}'
)


def _certificates() -> Iterable[bytes]:
    authority, leaf = terminals()["all"].certificates
    return b"\0" + authority, b"\3" + leaf


def _gp_commands() -> Iterable[bytes]:
    named = b"\0\0" + bytes((len(bytes(chips.LIBRARY)),)) + bytes(chips.LIBRARY) + b"\0\0\0"
    data = (
        chips.install_data(library.MODULE, AID(b"\xf0fuzz")),
        named,
        named,
        b"\x07" + bytes(loaded.FILE) + bytes(5),
        bytes((len(bytes(chips.JUKI_DOMAIN)),)) + bytes(chips.JUKI_DOMAIN) + named[1:],
        named[:-3] + b"\1\0\0\0",
        chips.key_set_data(1, chips.static_keys("fuzz"), chips.CITY_KEYS.dek),
        b"\x05\xb0\x41" + chips.active().juki_11a + b"\xf0\x01\0\0",
        bytes.fromhex("05B120") + bytes(32) + bytes.fromhex("F0010000"),
        bytes.fromhex("05F00100"),
        bytes.fromhex("D00111D20101"),
        bytes.fromhex("A604830210015F250420300101"),
        bytes.fromhex("4F00"),
        bytes.fromhex("A60483021101"),
    )
    return (bytes((number,)) + field for number, field in enumerate(data))


SEEDS: dict[str, Callable[[], Iterable[bytes]]] = {
    "command-apdu": lambda: map(bytes.fromhex, ("00A40400", "00A4040000", "00B08100000100", "00D6000002ABCD00")),
    "response-apdu": lambda: map(bytes.fromhex, ("9000", "ABCD6102")),
    "tlvs": lambda: map(bytes.fromhex, ("6F0A8408A000000151000000", "BF2103300100", "7F4903860104")),
    "access-rules": lambda: map(bytes.fromhex, ("8001019000", "840120A00B A4068301019501809700", "8001 01AF00")),
    "aid": lambda: [bytes(chips.JUKI)],
    "aid-text": lambda: [b"D3 92 10 00 31 00 01 01 04 01"],
    "atr": lambda: map(bytes.fromhex, ("3BE000FF8131FE4514", "3B888001000014E0B38191005E")),
    "historical-bytes": lambda: map(bytes.fromhex, ("80318065B0", "0073C8401300900000", "1002")),
    "class-byte": lambda: [bytes(range(256))],
    "certificate": _certificates,
    "authorization": lambda: [_extension(), bytes.fromhex("300C0A010103000C053939323031")],
    "key-agreement-request": lambda: [request_for(variant, 1) for variant in Variant],
    "key-agreement-response": lambda: [b"\x5f\x49\x41" + chips.active().juki_11a + b"\x86\x10" + bytes(16)],
    "initialize-update": lambda: [bytes(10) + b"\x01\x03\x70" + bytes(19), bytes(10) + b"\x01\x03\x60" + bytes(16)],
    "gp-commands": _gp_commands,
    "approval": lambda: [content.of_rom()],
    "load-file": lambda: [content.structure(loaded.block().encode()).encode()],
    "data-block": lambda: [loaded.block(1, 20, loaded.MODULE, loaded.SECOND_MODULE).encode()],
    "confirmation": lambda: [b"\0", Confirmation(bytes(16), 1, bytes(12), b"\1").encode()],
    "dialogue": lambda: [b"reset 3B *\n# a comment\n> 00 A4 04 00\n< .. 90\n  00\n"],
    "csv-records": lambda: [(_HEADER + _PERSON).encode(), (_HEADER + _PERSON).encode("cp932")],
    "json-record": lambda: [_JSON.encode()],
    "webassembly": lambda: [wasm.wat(wasm.EMPTY), wasm.probe()],
}


def _extension() -> bytes:
    return TerminalAuthorization(Role.COUNTER, frozenset((Right.IDENTIFY, Right.MATCH)), "99201").encode()
