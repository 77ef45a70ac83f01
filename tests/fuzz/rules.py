"""What each row does, as the reference model tells it: the card's own commands, and the table of all.

Written from docs/card-profile.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.domain_rules import DOMAIN_RULES
from tests.fuzz.face_rules import FACE_RULES
from tests.fuzz.file_rules import (
    FILES,
    append_record,
    compare_binary,
    files_of,
    make_current,
    read_binary,
    read_record,
    update_binary,
    update_record,
)
from tests.fuzz.jpki_rules import JPKI_RULES
from tests.fuzz.juki_rules import (
    activate,
    deactivate,
    generate,
    internal_authenticate,
    move,
    read_public_key,
    terminate,
)
from tests.fuzz.loaded_rules import LOADED_RULES
from tests.fuzz.model import CARD_LOCKED, CHANNELS, ISSUER, OK, Call, Channel, Expectation, Model, unknown
from tests.fuzz.operator_rules import sign
from tests.fuzz.password_rules import change, reset_counter, set_new, verify
from tests.fuzz.service_rules import SERVICE_RULES
from tests.fuzz.wire import refuse


def select_application(model: Model, call: Call) -> Expectation:
    name, p2 = call.cmd.data, call.cmd.p2
    registry = model.registry
    matches = [entry for entry in registry if entry.is_selectable] if model.card_state < CARD_LOCKED else [registry[0]]
    matches = [entry for entry in matches if entry.aid.startswith(name)]
    if p2 & 0x02:
        instances = [entry.instance for entry in matches]
        if call.channel.application in instances:
            matches = matches[instances.index(call.channel.application) + 1 :]
    if not matches:
        refuse(0x6A82)
    chosen = matches[0]
    if not model.module(chosen).multi_selectable and any(
        other is not None and other is not call.channel and other.application == chosen.instance
        for other in model.channels
    ):
        refuse(0x6985)
    data = b"" if p2 & 0x0C == 0x0C else None
    return Expectation(OK, data, then=lambda _sw: call.channel.select(chosen.instance))


def select_file(model: Model, call: Call) -> Expectation:
    entry = call.selected
    if not model.usable(entry):
        refuse(0x6985)
    if call.cmd.p1 not in (0x00, 0x02) or call.cmd.p2 not in (0x00, 0x04, 0x0C):
        return unknown(model, call)
    if len(call.cmd.data) != 2:
        refuse(0x6A82)
    fid = int.from_bytes(call.cmd.data)
    kind = files_of(model, entry)
    if kind is None:
        return unknown(model, call)
    if fid not in FILES.get(kind, {}):
        refuse(0x6A82)
    return Expectation(OK, b"" if call.cmd.p2 == 0x0C else None, then=lambda _sw: make_current(call.channel, fid))


def open_channel(model: Model, call: Call) -> Expectation:
    free = [number for number in range(1, CHANNELS) if model.channels[number] is None]
    wanted = call.cmd.p2 or (free[0] if free else 0)
    if wanted not in free:
        refuse(0x6A81)
    application = call.selected.instance if call.channel.number else ISSUER
    if not model.module(model.entry(application)).multi_selectable:
        refuse(0x6985)

    def then(_sw: int) -> None:
        model.channels[wanted] = Channel(wanted, application)

    return Expectation(OK, b"" if call.cmd.p2 else bytes((wanted,)), then=then)


def close_channel(model: Model, call: Call) -> Expectation:
    number = call.cmd.p2 or call.channel.number
    if number == 0:
        refuse(0x6A81)
    if model.channels[number] is None:
        return Expectation(frozenset((0x6200,)))

    def then(_sw: int) -> None:
        model.channels[number] = None

    return Expectation(OK, then=then)


def get_challenge(model: Model, call: Call) -> Expectation:
    count = 8 if call.cmd.ne is None else call.cmd.ne
    if count > 256:
        refuse(0x6700)

    def given(value: bytes | None) -> None:
        call.channel.challenge = (value, call.session) if count >= 8 else None

    return Expectation(OK, count, then=lambda _sw: given(None), learn=given)


def get_response(model: Model, call: Call) -> Expectation:
    waiting, call.channel.pending = call.channel.pending, call.channel.pending
    if waiting is None:
        refuse(0x6985)

    def then(_sw: int) -> None:
        call.channel.pending = None

    return Expectation(waiting[1], waiting[0], then=then, told=waiting[2])


RULES: dict[str, Callable[[Model, Call], Expectation]] = {
    "READ BINARY": read_binary,
    "UPDATE BINARY": update_binary,
    "COMPARE BINARY": compare_binary,
    "READ RECORD": read_record,
    "UPDATE RECORD": update_record,
    "APPEND RECORD": append_record,
    "VERIFY": verify,
    "CHANGE REFERENCE DATA": change,
    "CHANGE REFERENCE DATA (new only)": set_new,
    "RESET RETRY COUNTER": reset_counter,
    "SELECT (application)": select_application,
    "SELECT (file)": select_file,
    "MANAGE CHANNEL (open)": open_channel,
    "MANAGE CHANNEL (close)": close_channel,
    "GET CHALLENGE": get_challenge,
    "GET RESPONSE": get_response,
    "CHANGE REFERENCE DATA (initial password)": set_new,
    "ACTIVATE FILE (application)": activate,
    "DEACTIVATE FILE (application)": deactivate,
    "TERMINATE DF (application)": terminate,
    "PUT DATA (new municipality)": move,
    "GENERATE ASYMMETRIC KEY PAIR": generate,
    "GENERATE ASYMMETRIC KEY PAIR (read public key)": read_public_key,
    "INTERNAL AUTHENTICATE": internal_authenticate,
    "PERFORM SECURITY OPERATION (COMPUTE DIGITAL SIGNATURE)": sign,
    **DOMAIN_RULES,
    **SERVICE_RULES,
    **LOADED_RULES,
}
OTHER_RULES = {"jpki": JPKI_RULES, "face": FACE_RULES}
"""What rows do in one kind of application, and those of the same names do otherwise in others."""
