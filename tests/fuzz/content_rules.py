"""Who may load what, as the reference model tells it: whatever succeeds was signed by whom it had to be.

Which refusal comes first is the card's; that nothing gets in, or moves, without its signatures is held against every
success.  Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.fuzz.facts import Entry, Fact, LoadFile, objects, tlv
from tests.fuzz.gates import gate, management
from tests.fuzz.model import Call, Expectation, Model, area
from tests.fuzz.wire import refuse

SECURED = 0x0F
VERIFIES, DELEGATED, MANAGES = 0x400000, 0x200000, 0x004000
APPROVALS, TOKENS = 0x20, 0x21
_APPROVAL_CONTEXT, _ROM_CONTEXT = b"jukicard APPROVAL 1\0", b"jukicard ROM 1\0"

Rule = Callable[[Model, Call], Expectation]
Check = Callable[[Model, Call, Mapping[str, Fact | None]], str]
"""What is wrong with a success, if anything."""


def fields(data: bytes) -> list[bytes]:
    """The fields of INSTALL, each with its length as in BER before it."""
    found, position = [], 0
    while position < len(data):
        size = data[position]
        position += 1
        if size & 0x80:
            size, position = int.from_bytes(data[position : position + (size & 0x7F)]), position + (size & 0x7F)
        found.append(data[position : position + size])
        position += size
    return found


def nearest(model: Model, entry: Entry, privilege: int) -> Entry | None:
    """The first domain with a privilege, from this one upwards."""
    while not entry.privileges & privilege:
        if entry.domain == entry.instance:
            return None
        entry = model.entry(entry.domain)
    return entry


def signed(model: Model, domain: Entry, kid: int, signature: bytes, message: bytes) -> bool:
    """Whether a signature verifies under one of a domain's own keys."""
    numbers = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    for cell in model.under(f"{area(domain.instance)}key/{kid:02x}/"):
        ((_, point),) = objects(model.cells[cell])
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        try:
            key.verify(encode_dss_signature(*numbers), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            continue
        return len(signature) == 64
    return False


def _without_token(model: Model, entry: Entry, p1: int, p2: int, before: bytes, token: bytes) -> str:
    if entry.privileges & MANAGES:
        return "takes a token that nobody asks for" if token else ""
    manager = nearest(model, entry, MANAGES)
    if manager is None or not entry.privileges & DELEGATED:
        return "lets a domain manage content that does not"
    size = len(before)
    length = bytes((size,)) if size < 0x100 else size.to_bytes(3)
    return "" if signed(model, manager, TOKENS, token, bytes((p1, p2)) + length + before) else "takes a false token"


def _of_install(model: Model, entry: Entry, p1: int, data: bytes) -> str:
    token = fields(data)[5]
    return _without_token(model, entry, p1, 0, data[: len(data) - len(token) - 1], token)


def _unapproved(model: Model, entry: Entry, parameters: bytes, what: tuple[bytes, int, bytes], limits: bytes) -> str:
    """What is wrong with the approval in these parameters, for a domain that takes only what was approved."""
    verifier = nearest(model, entry, VERIFIES)
    if verifier is None:
        return ""
    given = dict(objects(parameters))
    if not {0xBF61, 0x5F37} <= given.keys():
        return "takes what nobody has approved"
    said = dict(objects(given[0xBF61]))
    if not signed(model, verifier, APPROVALS, given[0x5F37], _APPROVAL_CONTEXT + tlv(0xBF61, given[0xBF61])):
        return "takes an approval that nobody signed"
    if (said[0x4F], int.from_bytes(said[0x81]), said[0x83]) != what:
        return "takes an approval of something else"
    if said[0x85].decode() != bytes(verifier.aid)[6:].hex()[:5]:
        return "takes another municipality's approval"
    listed = model.cells.get(area(verifier.instance) + "purposes", b"")
    if said[0x82] not in [purpose for _, purpose in objects(listed)]:
        return "takes a purpose that no ordinance lists"
    if limits[8:] != said[0x84][8:] or any(limits[at : at + 4] > said[0x84][at : at + 4] for at in (0, 4)):
        return "grants more than was approved"
    return ""


def content(check: Check, *, below: bool = False, keys: bool = False) -> Rule:
    """A row that changes content: refused for the lack of a signature, of memory, for what it names."""
    limits = management(
        0x9000, 0x6982, 0x6985, 0x6A80, 0x6A84, 0x6A88, above=True, below=below, keys=keys, receipts=True
    )

    def rule(model: Model, call: Call) -> Expectation:
        expected = limits(model, call)
        expected.objection = lambda sw, changed: check(model, call, changed) if sw == 0x9000 else ""
        return expected

    return rule


def _new(model: Model, changed: Mapping[str, Fact | None]) -> Entry | LoadFile:
    """What the registry has that it had not before."""
    known = {one.instance for one in model.cells["registry"][1:]}
    return next(one for one in changed["registry"][1:] if one.instance not in known)


# --- the rows

_announcing = management(0x9000, 0x6982, 0x6985, 0x6A80, 0x6A84, 0x6A88)


def announce(model: Model, call: Call) -> Expectation:
    expected = _announcing(model, call)

    def then(sw: int) -> None:
        if sw == 0x9000:
            call.channel.loading, call.channel.blocks = call.cmd.data, 0

    expected.then = then
    return expected


def load(model: Model, call: Call) -> Expectation:
    """Nothing is loaded that was not announced; whatever is refused ends the load."""
    gate(model, call)
    announced, call.channel.loading = call.channel.loading, None
    if announced is None:
        refuse(0x6985)
    brought = call.channel.brought = (call.channel.brought if call.channel.blocks else b"") + call.cmd.data
    expected = content(lambda *seen: _loads(*seen, announced, brought), below=True)(model, call)
    blocks, call.channel.blocks = call.channel.blocks + 1, 0

    def then(sw: int) -> None:
        if sw == 0x9000 and not call.cmd.p1:
            call.channel.loading, call.channel.blocks = announced, blocks

    expected.then = then
    return expected


def _loads(model: Model, call: Call, changed: Mapping[str, Fact | None], announced: bytes, brought: bytes) -> str:
    """What is wrong with a load file that was entered: its announcement, its DAP block, its approval."""
    file = _new(model, changed)
    assert isinstance(file, LoadFile)
    aid, _, digest, _, parameters, _ = fields(announced)
    *daps, (_, block) = objects(brought)
    target = model.entry(file.domain)
    verifier = nearest(model, target, VERIFIES)
    if (file.aid, file.digest) != (aid, sha256(block).digest()) or digest not in (b"", file.digest):
        return "enters another load file than was announced"
    if verifier is None and model.card_state >= SECURED:
        return "loads what nobody can approve, on a card in use"
    if verifier is not None:
        named = [value for _, dap in daps for value in [dict(objects(dap))] if value[0x4F] == verifier.aid]
        if len(named) != 1 or not signed(model, verifier, APPROVALS, named[0][0xC3], file.digest):
            return "loads what nobody signed"
    what = file.aid, file.version, file.digest
    return _of_install(model, call.entry, 0x02, announced) or _unapproved(model, target, parameters, what, file.limits)


def _installs(model: Model, call: Call, changed: Mapping[str, Fact | None]) -> str:
    entry = _new(model, changed)
    assert isinstance(entry, Entry)
    load_file, module, _, _, parameters, _ = fields(call.cmd.data)
    file = next((one for one in model.load_files if one.aid == load_file), None)
    if file is not None and (file.domain != call.entry.instance or file.limits[8:] != entry.granted[8:]):
        return "installs from another domain's load file, or with other rights"
    wrong = _of_install(model, call.entry, call.cmd.p1, call.cmd.data)
    if file is not None or model.modules[module].is_domain:
        return wrong
    name = sha256(_ROM_CONTEXT + tlv(0x4F, load_file) + tlv(0x84, module)).digest()
    return wrong or _unapproved(model, call.entry, parameters, (load_file, 0, name), entry.granted)


def _changes(model: Model, call: Call, _changed: Mapping[str, Fact | None]) -> str:
    return _of_install(model, call.entry, call.cmd.p1, call.cmd.data)


def _extradites(model: Model, call: Call, changed: Mapping[str, Fact | None]) -> str:
    target = next(one for one in model.registry if one.aid == fields(call.cmd.data)[0])
    ways = nearest(model, call.entry, VERIFIES), nearest(model, target, VERIFIES)
    if ways[0] != ways[1] or (ways[0] is None and model.card_state >= SECURED):
        return "moves an application to where nobody approved it"
    return _changes(model, call, changed)


def _updates(model: Model, call: Call, changed: Mapping[str, Fact | None]) -> str:
    before = {entry.instance: entry.privileges for entry in model.registry}
    for entry in changed.get("registry", ())[1:]:
        lost = before.get(entry.instance, 0) & ~getattr(entry, "privileges", -1)
        if lost & VERIFIES and model.card_state >= SECURED:
            return "lets a domain verify no more"
    return _changes(model, call, changed)


def _deletes(model: Model, call: Call, _changed: Mapping[str, Fact | None]) -> str:
    given = dict(objects(call.cmd.data))
    if 0x4F not in given:
        return ""
    token = given.get(0x9E, b"")
    before = call.cmd.data[: len(call.cmd.data) - (len(token) + 2 if token else 0)]
    return _without_token(model, call.entry, call.cmd.p1, call.cmd.p2, before, token)


CONTENT_RULES: dict[str, Rule] = {
    "INSTALL [for load]": announce,
    "LOAD": load,
    "INSTALL [for install (and make selectable)]": content(_installs, below=True),
    "INSTALL [for make selectable]": content(_changes),
    "INSTALL [for extradition]": content(_extradites),
    "INSTALL [for registry update]": content(_updates),
    "DELETE": content(_deletes, below=True, keys=True),
}
