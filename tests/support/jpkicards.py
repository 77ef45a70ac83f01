"""Cards with the JPKI application and a TEST CA's certificates in a real reader, for unmodified programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from jukicard.applets.jpki.client import JpkiClient
from jukicard.applets.jpki.layout import PROFILES, Profile, Usage
from jukicard.applets.jpki.records import TokenInfo
from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.card.store import MemoryStore
from jukicard.iso7816.errors import PasswordWrong
from jukicard.iso7816.wrappers import standard
from jukicard.reader.chip import Interface
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.recording import Exchange, Pattern, Reset, Step
from jukicard.testing.seeds import randomness
from tests.support import chips, jpkica, jpkichips
from tests.support.chips import Chip
from tests.support.jpkichips import PASSWORDS, SERIAL, WRONG_PASSWORDS
from tests.support.pcscd import PcscdUnavailableError, PrivatePcscd

PASSWORD_TEXTS = {usage: password.decode() for usage, password in PASSWORDS.items()}
TOKEN_LABELS = {Usage.SIGNATURE: "JPKI (Digital Signature PIN)", Usage.AUTHENTICATION: "JPKI (User Authentication PIN)"}
"""What OpenSC calls the two passwords' tokens."""
OBJECT_IDS = {Usage.SIGNATURE: 2, Usage.AUTHENTICATION: 1}
"""OpenSC's identifiers of keys and certificates."""
BOTH_KEYS = [(profile, usage) for profile in Profile for usage in PROFILES[profile]]
"""Every key of every profile."""


@lru_cache(maxsize=2)
def cells(profile: Profile) -> Mapping[str, bytes]:
    """An active card's cells; the certificates are for the keys that it has generated."""
    chip = Chip(jpkichips.installed(profile), ("jpki card", profile))
    opened = jpkichips.personalising(chip)
    usages = PROFILES[profile]
    opened.write_token(TokenInfo.of(profile, SERIAL), usages)
    for usage in Usage:
        leaf = authority = jpkica.ca_certificate(usage if usage in usages else usages[0])
        if usage in usages:
            leaf = jpkica.certificate(usage, opened.generate_key(usage))
            opened.set_password(usage, PASSWORDS[usage])
        opened.write_certificates(usage, leaf, authority)
    opened.activate()
    return chip.cells


def new_card(store: MemoryStore) -> Card:
    """A card that draws the same random numbers in every run."""
    return Card(store, chips.rom(), Ports(randomness("jpki card"), strict=True))


@contextmanager
def in_process(store: MemoryStore) -> Iterator[JpkiClient]:
    """The application on a card in this process, selected."""
    with closing(EmulatorConnection(new_card(store))) as connection:
        client = JpkiClient(standard(connection))
        client.select()
        yield client


def certificate_of(store: MemoryStore, usage: Usage) -> bytes:
    """The holder's certificate (DER), read with the password from a copy of the card."""
    with in_process(MemoryStore(store.snapshot())) as client:
        client.verify(usage, PASSWORDS[usage])
        return client.certificate(usage)


def public_key(certificate: bytes) -> rsa.RSAPublicKey:
    """The key in a certificate (DER)."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def after_wrong_passwords(profile: Profile, usage: Usage, count: int) -> dict[str, bytes]:
    """What a card's cells are after so many wrong passwords, and nothing else."""
    store = MemoryStore(cells(profile))
    with in_process(store) as client:
        for _ in range(count):
            with suppress(PasswordWrong):
                client.verify(usage, WRONG_PASSWORDS[usage])
    return store.snapshot()


class ExchangedChip:
    """A chip in a reader that can be exchanged for another without the reader's notice, as if it had been reset.

    Exchanging spares a test the time that a reader wants between two insertions.  `steps` keeps what is said.
    """

    def __init__(self, card: Card) -> None:
        self._card = card
        self._interface: Interface | None = None
        self.steps: list[Step] = []

    def exchange(self, card: Card) -> None:
        """Take the power from the chip, and give it to another one, if there was power."""
        if self._interface is not None:
            self._card.power_off()
            card.power_on(self._interface)
        self._card = card
        self.steps = []

    def power_on(self, interface: Interface) -> bytes:
        self._interface = interface
        return self._reset_with(self._card.power_on(interface))

    def reset(self) -> bytes:
        return self._reset_with(self._card.reset())

    def transmit(self, command: bytes) -> bytes:
        answer = self._card.transmit(command)
        self.steps.append(Exchange(bytes(command), Pattern.exactly(answer)))
        return answer

    def power_off(self) -> None:
        self._interface = None
        self._card.power_off()

    def _reset_with(self, atr: bytes) -> bytes:
        if not self.steps or not isinstance(self.steps[-1], Reset):
            self.steps.append(Reset(Pattern.exactly(atr)))
        return atr


class HeldCard:
    """A holder's card in a reader of a private pcscd, and a folder that is the HOME of the programs that use it."""

    def __init__(self, pcscd: PrivatePcscd, chip: ExchangedChip, profile: Profile, home: Path) -> None:
        self.profile = profile
        self.home = home
        self.pcscd = pcscd
        self._chip = chip
        self.store = MemoryStore(cells(profile))
        chip.exchange(new_card(self.store))

    @property
    def steps(self) -> tuple[Step, ...]:
        """What was said to the card so far."""
        return tuple(self._chip.steps)

    @property
    def commands(self) -> list[bytes]:
        """The commands among them."""
        return [step.command for step in self.steps if isinstance(step, Exchange)]

    @property
    def tries(self) -> dict[Usage, int]:
        """The tries left of both passwords, as a copy of the card tells them."""
        with in_process(MemoryStore(self.store.snapshot())) as client:
            return {usage: client.tries(usage) for usage in Usage}

    @property
    def unharmed(self) -> bool:
        """Whether every cell is as it was when the card came."""
        return self.store.snapshot() == cells(self.profile)

    @property
    def environment(self) -> dict[str, str]:
        """The environment for its programs: of the reader, HOME, no OpenSC settings but those in HOME, no agent."""
        environment = {**self.pcscd.environment, "HOME": str(self.home), "OPENSC_CONF": str(self.home / "opensc.conf")}
        for foreign in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "GNUPGHOME", "DISPLAY", "OPENSSL_CONF"):
            environment.pop(foreign, None)
        return environment

    def configure_opensc(self, settings: str = "") -> None:
        """Write OpenSC's configuration: some settings for every application."""
        (self.home / "opensc.conf").write_text(f"app default {{\n{settings}\n}}\n")

    def run(
        self, *command: str | os.PathLike[str], text: str = "", succeeds: bool | None = True, **environment: str
    ) -> str:
        """Run a program to its end, and return what it printed on both outputs.

        `text` is its standard input.  AssertionError unless it succeeds (fails where `succeeds` is False; None: any).
        """
        done = subprocess.run(
            [os.fspath(word) for word in command],
            env=self.environment | environment,
            cwd=self.home,
            input=text.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        printed = (done.stdout + done.stderr).decode(errors="replace")
        as_wanted = succeeds is None or (done.returncode == 0) is succeeds
        assert as_wanted, f"{command[0]} ended with {done.returncode}:\n{printed}"
        return printed

    def password_file(self, usage: Usage) -> Path:
        """A file with the right password."""
        path = self.home / f"password-{usage}"
        path.write_text(PASSWORD_TEXTS[usage])
        path.chmod(0o600)
        return path


def first_existing(what: str, package: str, *paths: str) -> Path:
    """The first path that exists (with wildcards); an error names the Debian package when there is none."""
    for pattern in paths:
        for path in sorted(Path("/").glob(pattern.lstrip("/"))):
            return path
    raise PcscdUnavailableError(f"{what} is not installed: apt-get install {package}")


def opensc_module() -> Path:
    """OpenSC's PKCS #11 module."""
    return first_existing(
        "OpenSC's PKCS #11 module",
        "opensc-pkcs11",
        "/usr/lib/opensc-pkcs11.so",
        "/usr/lib/*/opensc-pkcs11.so",
        "/usr/lib64/opensc-pkcs11.so",
        "/usr/lib64/pkcs11/opensc-pkcs11.so",
        "/usr/local/lib/opensc-pkcs11.so",
    )
