"""Unmodified third-party programs against a chip in a private pcscd's reader."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from jukicard.reader.chip import Interface
from tests.support.inserted import InsertedCard, inserted
from tests.support.null_card import ATR, NullCard
from tests.support.pcscd import PrivatePcscd, find_tool


@pytest.fixture
def card() -> Iterator[InsertedCard]:
    with PrivatePcscd() as pcscd, inserted(pcscd, NullCard(), settle_seconds=0) as card:
        yield card


def run(card: InsertedCard, *command: str) -> subprocess.CompletedProcess[str]:
    environment = card.pcscd.environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_opensc_tool_prints_the_atr(card: InsertedCard) -> None:
    done = run(card, find_tool("opensc-tool", "opensc"), "-r", "0", "-a")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().lower() == ATR.hex(":")


def test_opensc_tool_sends_a_command(card: InsertedCard) -> None:
    tool = find_tool("opensc-tool", "opensc")
    done = run(card, tool, "-r", "0", "-c", "default", "-s", "00A4040008A000000151000000")
    assert "SW1=0x90, SW2=0x00" in done.stdout


def test_pcsc_scan_names_the_card(card: InsertedCard) -> None:
    done = run(card, find_tool("pcsc_scan", "pcsc-tools"), "-n", "-t", "2")
    assert ATR.hex(" ").upper() in done.stdout
    done = run(card, find_tool("pcsc_scan", "pcsc-tools"), "-t", "2")
    assert "JUKICARD" in done.stdout


def test_pcsc_scan_names_the_card_by_its_contactless_interface() -> None:
    with (
        PrivatePcscd() as pcscd,
        inserted(pcscd, NullCard(), interface=Interface.CONTACTLESS, settle_seconds=0) as card,
    ):
        done = run(card, find_tool("pcsc_scan", "pcsc-tools"), "-t", "2")
    assert "JUKICARD" in done.stdout
