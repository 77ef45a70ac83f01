"""Programs for other cards (PIV, OpenPGP, CAC, GIDS, PKCS #15, …) meet a JPKI card: they go away, and it is as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import ApplicationNotAvailableError, SmartCardConnection
from yubikit.openpgp import OpenPgpSession
from yubikit.piv import PivSession

from jukicard.applets.jpki.layout import Profile, Usage
from tests.support.jpkicards import HeldCard, first_existing
from tests.support.jpkiclients import pkcs11_sign
from tests.support.pcscd import find_tool
from tests.support.yubikit_host import through_pcsc

Hold = Callable[[Profile], HeldCard]
TOOLS = {
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
SCDAEMON = "SERIALNO\nLEARN --force\nSERIALNO openpgp\nSERIALNO piv\nSERIALNO p15\nSERIALNO nks\nSERIALNO dinsig\nBYE\n"


@pytest.fixture(params=list(Profile), ids=lambda profile: profile.name.lower())
def card(request: pytest.FixtureRequest, hold: Hold) -> Iterator[HeldCard]:
    """A card in the reader; afterwards it is as it was, and still signs."""
    held = hold(request.param)
    yield held
    assert held.unharmed
    pkcs11_sign(held, Usage.SIGNATURE)


def test_every_other_driver_of_opensc(card: HeldCard) -> None:
    listed = card.run(find_tool("opensc-tool", "opensc"), "--list-drivers")
    names = {line.split()[0] for line in listed.splitlines() if line.startswith("  ")}
    assert names.issuperset({"PIV-II", "openpgp", "cac", "cac1", "gids", "default"})
    for name in sorted(names - {"jpki"}):
        card.run(find_tool("pkcs15-tool", "opensc"), "-D", succeeds=False, OPENSC_DRIVER=name)
        assert card.unharmed, name
    assert card.commands


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_for_other_cards(card: HeldCard, tool: str) -> None:
    card.run(find_tool(tool, "opensc"), *TOOLS[tool], succeeds=None)


def test_scdaemon(card: HeldCard) -> None:
    """GnuPG's daemon tries all applications that it knows, and finds none of them."""
    (card.home / "scdaemon.conf").write_text("disable-ccid\npcsc-driver libpcsclite.so.1\n")
    scdaemon = first_existing("scdaemon", "scdaemon", "/usr/lib/gnupg/scdaemon", "/usr/libexec/scdaemon")
    said = card.run(scdaemon, "--homedir", card.home, "--server", text=SCDAEMON)
    assert said.count("ERR ") == SCDAEMON.count("SERIALNO") + 1
    assert bytes.fromhex("D27600012401") in b"".join(card.commands)


def test_gpg(card: HeldCard) -> None:
    home = card.home / "gnupg"
    home.mkdir(mode=0o700)
    (home / "scdaemon.conf").write_text("disable-ccid\npcsc-driver libpcsclite.so.1\n")
    try:
        said = card.run(find_tool("gpg", "gnupg"), "--homedir", home, "--batch", "--card-status", succeeds=False)
    finally:
        card.run(find_tool("gpgconf", "gnupg"), "--homedir", home, "--kill", "all")
    assert "card not available" in said
    assert card.commands


@pytest.mark.parametrize("session", [PivSession, OpenPgpSession])
@pytest.mark.parametrize("transport", [TRANSPORT.USB, TRANSPORT.NFC], ids=["USB", "NFC"])
def test_yubikit(
    card: HeldCard, session: Callable[[SmartCardConnection], object], transport: TRANSPORT
) -> None:
    (reader,) = card.pcscd.reader_names
    with through_pcsc(reader, transport) as connection, pytest.raises(ApplicationNotAvailableError):
        session(connection)
