"""Programs for other cards than ours: what they do when a JPKI card stands in their reader."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import pytest
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import ApplicationNotAvailableError, SmartCardConnection
from yubikit.openpgp import OpenPgpSession
from yubikit.piv import PivSession

from jukicard.applets.jpki.layout import Usage
from tests.support.jpkicards import HeldCard, first_existing
from tests.support.jpkiclients import Client, version_of
from tests.support.pcscd import find_tool
from tests.support.yubikit_host import through_pcsc

_TOOLS = {
    "piv-tool": ("--name",),
    "openpgp-tool": ("--verify", "CHV1", "--pin", "123456"),
    "gids-tool": ("--serialnumber",),
    "cardos-tool": ("--info",),
    "netkey-tool": (),
    "westcos-tool": (),
    "egk-tool": ("--pd",),
    "dnie-tool": ("--all",),
    "sc-hsm-tool": (),
    "cryptoflex-tool": ("--list-keys",),
    "eidenv": (),
}
_SCDAEMON = (
    "SERIALNO\nLEARN --force\nSERIALNO openpgp\nSERIALNO piv\nSERIALNO p15\nSERIALNO nks\nSERIALNO dinsig\nBYE\n"
)
_SCDAEMON_SETTINGS = "disable-ccid\npcsc-driver libpcsclite.so.1\n"
Session = Callable[[SmartCardConnection], object]


def _drivers(card: HeldCard, _usage: Usage) -> None:
    """Every driver of OpenSC but the right one is made to take the card, and does not."""
    listed = card.run(find_tool("opensc-tool", "opensc"), "--list-drivers")
    names = {line.split()[0] for line in listed.splitlines() if line.startswith("  ")}
    assert names.issuperset({"PIV-II", "openpgp", "cac", "cac1", "gids", "default"})
    for name in sorted(names - {"jpki"}):
        card.run(find_tool("pkcs15-tool", "opensc"), "-D", succeeds=False, OPENSC_DRIVER=name)
        assert card.unharmed, name


def _tool(name: str, card: HeldCard, _usage: Usage) -> None:
    card.run(find_tool(name, "opensc"), *_TOOLS[name], succeeds=None)


def _scdaemon(card: HeldCard, _usage: Usage) -> None:
    """GnuPG's daemon tries all applications that it knows, and finds none of them."""
    (card.home / "scdaemon.conf").write_text(_SCDAEMON_SETTINGS)
    scdaemon = first_existing("scdaemon", "scdaemon", "/usr/lib/gnupg/scdaemon", "/usr/libexec/scdaemon")
    said = card.run(scdaemon, "--homedir", card.home, "--server", text=_SCDAEMON)
    assert said.count("ERR ") == _SCDAEMON.count("SERIALNO") + 1
    assert bytes.fromhex("D27600012401") in b"".join(card.commands)


def _gpg(card: HeldCard, _usage: Usage) -> None:
    home = card.home / "gnupg"
    home.mkdir(mode=0o700)
    (home / "scdaemon.conf").write_text(_SCDAEMON_SETTINGS)
    try:
        said = card.run(find_tool("gpg", "gnupg"), "--homedir", home, "--batch", "--card-status", succeeds=False)
    finally:
        card.run(find_tool("gpgconf", "gnupg"), "--homedir", home, "--kill", "all")
    assert "card not available" in said


def _yubikit(session: Session, card: HeldCard, _usage: Usage) -> None:
    (reader,) = card.pcscd.reader_names
    for transport in (TRANSPORT.USB, TRANSPORT.NFC):
        with through_pcsc(reader, transport) as connection, pytest.raises(ApplicationNotAvailableError):
            session(connection)


PROBES = (
    Client("other-drivers", "opensc-tool", "opensc", _drivers, ("--info",)),
    Client("scdaemon", "gpg", "gnupg", _scdaemon),
    Client("gpg", "gpg", "gnupg", _gpg),
    Client("yubikit-piv", sys.executable, "python3", partial(_yubikit, PivSession), version_of("yubikey-manager")),
    Client(
        "yubikit-openpgp", sys.executable, "python3", partial(_yubikit, OpenPgpSession), version_of("yubikey-manager")
    ),
)
TOOLS = tuple(Client(name, "opensc-tool", "opensc", partial(_tool, name), ("--info",)) for name in _TOOLS)
"""OpenSC's own programs for single kinds of cards."""
