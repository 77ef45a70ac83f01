from __future__ import annotations

from pathlib import Path

import pytest

from jukicard.reader.chip import Interface
from jukicard.reader.spec import EmulatorSpec, PcscSpec, ReaderSpecError, parse_spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("emulator:card.juki", EmulatorSpec(Path("card.juki"))),
        ("emulator:/a b/c:d.juki", EmulatorSpec(Path("/a b/c:d.juki"))),
        ("emulator:card.juki+contactless", EmulatorSpec(Path("card.juki"), Interface.CONTACTLESS)),
        ("emulator:a+contactless.juki", EmulatorSpec(Path("a+contactless.juki"))),
        ("pcsc:Virtual PCD 00 00", PcscSpec("Virtual PCD 00 00")),
        ("pcsc:ACME: reader", PcscSpec("ACME: reader")),
        ("pcsc:", PcscSpec("")),
    ],
)
def test_a_specification_is_parsed_and_written_back(text: str, expected: EmulatorSpec | PcscSpec) -> None:
    assert parse_spec(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must begin with"),
        ("card.juki", "must begin with"),
        ("emulator", "must begin with"),
        ("vpcd:localhost", "must begin with"),
        ("PCSC:x", "must begin with"),
        ("emulator:", "names no card file"),
        ("emulator:+contactless", "names no card file"),
        ("emulator:a\0b", "zero byte"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(ReaderSpecError, match=complaint):
        parse_spec(text)
