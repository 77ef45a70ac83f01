"""Properties of message protection: what one end protects the other opens, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.messages import (
    LEVELS,
    CardMessages,
    HostMessages,
    SecureMessagingError,
    SecurityLevel,
)
from jukicard.securechannel.scp03 import SessionKeys

levels = st.sampled_from(sorted(LEVELS))
key_sets = st.sampled_from((16, 24, 32)).flatmap(
    lambda size: st.builds(SessionKeys, *(st.binary(min_size=size, max_size=size),) * 3)
)
byte = st.integers(0, 0xFF)
data_fields = st.one_of(st.binary(max_size=40), st.integers(0, 600).map(bytes), st.just(bytes(3000)))
commands = st.builds(
    CommandAPDU,
    st.sampled_from((0x00, 0x80, 0x01, 0x83, 0x40, 0xCE)),
    byte,
    byte,
    byte,
    data_fields,
    st.one_of(st.none(), st.integers(1, 65536)),
    st.booleans(),
)
statuses = st.one_of(
    st.sampled_from((0x9000, 0x6282, 0x63C1, 0x6310, 0x6A82, 0x6982, 0x6F00)), st.integers(0x6000, 0x9FFF)
).map(StatusWord)
responses = st.builds(ResponseAPDU, data_fields, statuses)
dialogues = st.lists(st.tuples(commands, responses), min_size=1, max_size=6)


def is_protected(sw: int) -> bool:
    return sw == 0x9000 or sw >> 8 in (0x62, 0x63)


def travel(command: CommandAPDU) -> CommandAPDU:
    """Over the wire and through the card's parser."""
    return CommandAPDU.parse(command.encode())


@given(key_sets, levels, dialogues, st.binary(min_size=16, max_size=16))
def test_what_one_end_protects_the_other_opens(
    keys: SessionKeys,
    level: SecurityLevel,
    dialogue: list[tuple[CommandAPDU, ResponseAPDU]],
    chain: bytes,
) -> None:
    host, card = HostMessages(keys, level, chain), CardMessages(keys, level, chain)
    for command, response in dialogue:
        wrapped = host.wrap(command)
        opened = card.unwrap(travel(wrapped))
        assert opened._replace(extended=command.extended) == command
        if level & SecurityLevel.C_DECRYPTION and len(command.data) >= 8:
            assert command.data not in wrapped.data
        protected = card.wrap(response)
        expected = response
        if level & SecurityLevel.R_MAC and not is_protected(response.sw):
            expected = ResponseAPDU(b"", response.sw)
        if level & SecurityLevel.R_ENCRYPTION and len(expected.data) >= 8:
            assert expected.data not in protected.data
        assert host.unwrap(ResponseAPDU.parse(protected.encode())) == expected


def flip(data: bytes, position: int, mask: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= mask
    return bytes(changed)


@given(levels, commands, st.integers(1, 0xFF), st.data())
def test_a_changed_command_is_refused(
    level: SecurityLevel, command: CommandAPDU, mask: int, data: st.DataObject
) -> None:
    keys = SessionKeys(b"\x01" * 16, b"\x02" * 16, b"\x03" * 16)
    host, card = HostMessages(keys, level), CardMessages(keys, level)
    good = travel(host.wrap(command))
    which = data.draw(st.sampled_from(("ins", "p1", "p2", "data", "shorter", "longer")))
    if which == "data":
        position = data.draw(st.integers(0, good.nc - 1))
        changed = good._replace(data=flip(good.data, position, mask))
    elif which == "shorter":
        changed = good._replace(data=good.data[: data.draw(st.integers(0, good.nc - 1))])
    elif which == "longer":
        changed = good._replace(data=good.data + bytes((mask,)))
    else:
        changed = good._replace(**{which: getattr(good, which) ^ mask})
    with pytest.raises(SecureMessagingError):
        card.unwrap(changed)
    with pytest.raises(SecureMessagingError):
        card.unwrap(good)


@given(
    st.sampled_from([level for level in sorted(LEVELS) if level & SecurityLevel.R_MAC]),
    st.binary(max_size=300),
    st.sampled_from((0x9000, 0x6282, 0x63C0)).map(StatusWord),
    st.integers(1, 0xFF),
    st.data(),
)
def test_a_changed_response_is_refused(
    level: SecurityLevel, content: bytes, sw: StatusWord, mask: int, data: st.DataObject
) -> None:
    keys = SessionKeys(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)
    host, card = HostMessages(keys, level), CardMessages(keys, level)
    card.unwrap(host.wrap(CommandAPDU(0, 0xB0, 0, 0, b"", 256)))
    good = card.wrap(ResponseAPDU(content, sw))
    position = data.draw(st.integers(0, len(good.data)))
    if position == len(good.data):
        other = data.draw(st.sampled_from([x for x in (0x9000, 0x6282, 0x63C0, 0x63C1) if x != sw]))
        changed = ResponseAPDU(good.data, StatusWord(other))
    else:
        changed = ResponseAPDU(flip(good.data, position, mask), sw)
    with pytest.raises(SecureMessagingError):
        host.unwrap(changed)
    with pytest.raises(SecureMessagingError):
        host.unwrap(good)


def test_every_single_byte_of_one_exchange() -> None:
    # the exhaustive counterpart of the two above, at the full level
    keys = SessionKeys(b"\x01" * 16, b"\x02" * 16, b"\x03" * 16)
    command = CommandAPDU(0x80, 0xE2, 0x90, 0x00, b"some secret data to be stored", 256)
    raw = HostMessages(keys, SecurityLevel.FULL).wrap(command).encode()
    refused = 0
    for position in range(len(raw) - 1):  # all but Le, which nothing covers
        card = CardMessages(keys, SecurityLevel.FULL)
        try:
            card.unwrap(CommandAPDU.parse(flip(raw, position, 0x20)))
        except (SecureMessagingError, ValueError):
            refused += 1
    assert refused == len(raw) - 1


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=40)), min_size=2, max_size=8))
def test_replayed_reordered_and_dropped_commands_are_refused(script: list[tuple[bool, bytes]]) -> None:
    keys = SessionKeys(b"\x01" * 16, b"\x02" * 16, b"\x03" * 16)
    host = HostMessages(keys, SecurityLevel.FULL)
    sent = []
    for empty, content in script:
        sent.append(host.wrap(CommandAPDU(0, 0xD6, 0, 0, b"" if empty else content)))
        host.unwrap(ResponseAPDU(sw=StatusWord.INTERNAL_ERROR))
    card = CardMessages(keys, SecurityLevel.FULL)
    card.unwrap(sent[0])
    with pytest.raises(SecureMessagingError):
        card.unwrap(sent[0])
    card = CardMessages(keys, SecurityLevel.FULL)
    with pytest.raises(SecureMessagingError):
        card.unwrap(sent[1])


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_equal_data_never_encrypt_equally_in_one_session(first: bytes, second: bytes) -> None:
    keys = SessionKeys(b"\x01" * 16, b"\x02" * 16, b"\x03" * 16)
    host, card = HostMessages(keys, SecurityLevel.FULL), CardMessages(keys, SecurityLevel.FULL)
    content = b"the same sixteen bytes and more" + first
    seen = set()
    for tail in (b"", second, b""):
        wrapped = host.wrap(CommandAPDU(0, 0xD6, 0, 0, content + tail))
        card.unwrap(wrapped)
        answer = card.wrap(ResponseAPDU(content + tail))
        host.unwrap(answer)
        seen |= {wrapped.data[:16], answer.data[:16]}
    assert len(seen) == 6
