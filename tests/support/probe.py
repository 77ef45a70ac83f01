"""An application that does as it is told: for what the card does before and after any handler."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, ClassVar

from jukicard.applets.gp import layout
from jukicard.card.applet import Applet
from jukicard.card.commands import ANY, ANY_DATA, BOTH, FREE, INTERINDUSTRY, Fixed, command, data, only
from jukicard.card.context import Context
from jukicard.iso7816.access import CommandEnc
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.messages import HostMessages, SecurityLevel
from jukicard.securechannel.scp03 import InitializeUpdateResponse, derive_session_keys, host_cryptogram
from tests.support import chips
from tests.support.chips import Chip

SEALED = Fixed(CommandEnc(), "an encrypted command")


class Probe(Applet):
    """What a command was when it arrived, and answers of any length."""

    load_file: ClassVar[AID] = AID(b"\xf0tests")
    module: ClassVar[AID] = AID(b"\xf0probe")
    label: ClassVar[str] = "Probe"
    multi_selectable: ClassVar[bool] = True

    @command(BOTH, ins=0x10, p1=only(0, 1), p2=ANY, length=ANY_DATA, access=FREE, writes=False, spec="-")
    def tell(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Return what arrived, as JSON."""
        told = {
            "cla": cmd.cla,
            "p1p2": [cmd.p1, cmd.p2],
            "nc": cmd.nc,
            "ends": (cmd.data[:4] + cmd.data[-4:]).hex(),
            "extended": cmd.extended,
            "secured": ctx.session is not None,
        }
        return ResponseAPDU(json.dumps(told).encode())

    @command(INTERINDUSTRY, ins=0x12, p1=only(0, 1), length=data(3, 3), access=FREE, writes=False, spec="-")
    def give(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Return as many bytes as the data say; P1 = 01: with a warning."""
        sw = StatusWord.END_OF_FILE if cmd.p1 else StatusWord.OK
        return ResponseAPDU(given(int.from_bytes(cmd.data)), sw)

    @command(INTERINDUSTRY, ins=0x14, length=data(0), access=SEALED, writes=False, spec="-")
    def guarded(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Return the data, to whoever sent them encrypted."""
        return ResponseAPDU(cmd.data)


def given(size: int) -> bytes:
    """So many bytes, no two of which are alike for long."""
    return b"".join(number.to_bytes(4) for number in range(-(-size // 4)))[:size]


def told(response: ResponseAPDU) -> dict[str, Any]:
    """What `tell` answered."""
    assert response.sw == StatusWord.OK
    return dict(json.loads(response.data))


@lru_cache(maxsize=1)
def _cells() -> dict[str, bytes]:
    chip = chips.blank(1, 0, Probe)
    chips.install(chip.scp03(chips.TRANSPORT_KEYS), layout.DOMAIN_MODULE, chips.CITY_DOMAIN, b"\x80\x40\x00")
    chip.select(chips.CITY_DOMAIN)
    domain = chip.scp03(chips.TRANSPORT_KEYS)
    keys = chips.CITY_KEYS
    chips.put_key_set(domain, keys, chips.TRANSPORT_KEYS.dek)
    data = chips.install_data(Probe.module, Probe.module, load_file=Probe.load_file)
    chips.say(chip.scp03(keys), 0x80, 0xE6, 0x0C, 0, data, sw=0x9000)
    return chip.cells


def probed() -> Chip:
    """A chip with the probe in the city's domain, selected."""
    chip = Chip(_cells(), 1, Probe)
    assert chip.select(Probe.module).sw == StatusWord.OK
    return chip


def sealed_messages(chip: Chip, level: SecurityLevel = SecurityLevel.FULL) -> HostMessages:
    """The host's end of a session with the probe's domain, for a test that sends the protected messages by itself."""
    challenge, keys = bytes(8), chips.CITY_KEYS
    update = InitializeUpdateResponse.parse(chip.ask(b"\x80\x50\0\0\x08" + challenge).data)
    context = challenge + update.challenge
    session_keys = derive_session_keys(keys, context)
    messages = HostMessages(session_keys, SecurityLevel.C_MAC)
    proof = host_cryptogram(session_keys, context)
    answer = chip.ask(messages.wrap(CommandAPDU(0x80, 0x82, level, 0, proof)).encode())
    assert messages.unwrap(answer).sw == StatusWord.OK
    messages.raise_level(level)
    return messages
