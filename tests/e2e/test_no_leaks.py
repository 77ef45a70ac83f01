"""Passwords, the resident code and keys stand nowhere that others can see; and a leak would be noticed.

Two stories are told, one in this process and one by the `juki` command through pcscd. Afterwards everything that they
left or showed is searched for every secret in them: logs, traces, what an observer of the chip sees, errors with their
tracebacks, the text of every object in memory, card files with their logs, the home, other processes' view of the
command lines, what was printed.
"""

from __future__ import annotations

import base64
import logging
import re
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from smartcard.util import toHexString

from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID
from jukicard.card.volatile import Channel
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.errors import AuthenticationFailed, CardRemoved, CardStatusError, HostError
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import IssuerError
from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.issuer.records.resident import RecordRules, load_json
from jukicard.reader import trace as trace_module
from jukicard.reader.cardfile import CardFile, CardFileError
from jukicard.reader.chips import CardFileChip, create_chip
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.trace import Trace, TracedChip, TracedConnection
from jukicard.securechannel.host import StaticKeyring
from jukicard.securechannel.scp03 import TRANSPORT_KEYS
from jukicard.testing.readers import PulledReader
from tests.support.chips import randomness
from tests.support.counter import Counter
from tests.support.issued import (
    AUTHORITY_PASSWORD,
    CITY,
    PASSWORD,
    RECORD,
    TODAY,
    WRONG_PASSWORD,
    Office,
    Stage,
)
from tests.support.leaks import (
    Evidence,
    Secret,
    authority_secrets,
    chip_secrets,
    files_below,
    representations,
    session_secrets,
)
from tests.support.pcscd import PrivatePcscd

CODE = load_json(RECORD, RecordRules(TODAY, CITY.code)).resident_code.reveal()
WRONG_AUTHORITY_PASSWORD = "a guess that was nearly right"
ITS_PLACE = {("storage.key", "storage key")}
"""The one secret that lies openly, in the one file that is for it (mode 0600)."""


def untimed(trace: bytes) -> bytes:
    """A trace without its durations, which may be any number."""
    return re.sub(rb"\[[0-9.]+ \xc2\xb5s\]", b"", trace)


def typed_secrets() -> list[Secret]:
    return [
        Secret.text("password", PASSWORD),
        Secret.text("wrong password", WRONG_PASSWORD),
        Secret.text("resident code", CODE),
        Secret.text("authority password", AUTHORITY_PASSWORD),
        Secret.text("wrong authority password", WRONG_AUTHORITY_PASSWORD),
    ]


@contextmanager
def logged(evidence: Evidence) -> Iterator[None]:
    """Everything that anybody logs, at every level."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            evidence.add("logs", self.format(record), repr(record.args))

    handler, root = Keep(0), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(0)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@contextmanager
def provoked(evidence: Evidence, *kinds: type[Exception]) -> Iterator[None]:
    """The block must fail; keep all that the error says, its causes and notes included."""
    try:
        yield
    except kinds as error:
        chain: BaseException | None = error
        while chain is not None:
            evidence.add("errors", str(chain), repr(chain), repr(chain.args), repr(vars(chain)))
            chain = chain.__cause__ or chain.__context__
        evidence.add("errors", *traceback.format_exception(error))
        return
    pytest.fail("it should have failed")


@dataclass
class Watcher:
    """An observer of the chip: what the wire shows, and the reasons of refusals."""

    evidence: Evidence = field(repr=False)

    def exchange(self, command: bytes, response: bytes) -> None:
        self.evidence.add("wire", command, response, toHexString(list(command)), toHexString(list(response)))

    def refusal(self, reason: str) -> None:
        self.evidence.add("refusals", reason)


@dataclass
class Story:
    """What one telling left behind."""

    evidence: Evidence = field(repr=False)
    secrets: list[Secret]


# --- in this process


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A card's life in a card file, with everything that can go wrong going wrong."""
    folder = tmp_path_factory.mktemp("story")
    office = request.getfixturevalue("offices").at(Stage.BLANK, folder)
    evidence = Evidence(folder)
    secrets = typed_secrets()
    path, key = folder / "cards" / "card.juki", office.authority.storage_key
    path.parent.mkdir()
    with logged(evidence), session_secrets() as session_keys:
        create_chip(path, key, 4711, random=randomness("chip"))
        for part in (_issue, _hand_over, _refuse, _authenticate):
            chip = CardFileChip(path, key, observer=Watcher(evidence), random=randomness(part.__name__))
            lines: list[str] = []
            emulator = EmulatorConnection(TracedChip(chip.card, Trace(lines.append)))
            with closing(chip), closing(TracedConnection(emulator, Trace(lines.append))) as connection:
                part(evidence, office, connection)
                evidence.add("objects", *representations())
                shutil.copytree(path.parent, folder / "copies" / part.__name__)  # with the log of an open file
            evidence.add("traces", *(untimed(line.encode()) for line in lines))
        _provoke_card_files(evidence, path, folder)
        _provoke_issuer(evidence, office, folder)
    with CardFile.open(path, key) as store:
        secrets += [*chip_secrets(store.snapshot()), Secret.key("storage key", key)]
        evidence.add("objects", *representations())
    secrets += authority_secrets(office.home, AUTHORITY_PASSWORD)
    secrets += [Secret.key("session key", value) for value in sorted(session_keys)]
    office.close()
    _collect_files(evidence, office.home, folder)
    return Story(evidence, secrets)


def _collect_files(evidence: Evidence, home: Path, *others: Path) -> None:
    for name, content in files_below(home, *others).items():
        evidence.add("storage.key" if Path(name).name == "storage.key" else "files", content)


def _issue(evidence: Evidence, office: Office, connection: TracedConnection) -> None:
    with provoked(evidence, CardRemoved):
        office.issue(PulledReader(connection, 40, executed=True))
    connection.reset()
    office.issue(connection)
    evidence.add("objects", repr(office.order()), repr(office.record), repr(office.record.resident_code))


def _hand_over(evidence: Evidence, office: Office, connection: TracedConnection) -> None:
    office.hand_over(connection)
    with provoked(evidence, IssuerError):
        office.hand_over(connection, seed="once more")


def _refuse(evidence: Evidence, office: Office, connection: TracedConnection) -> None:
    with provoked(evidence, HostError):
        office.authenticate(connection, WRONG_PASSWORD)
    with provoked(evidence, AuthenticationFailed):
        client = DomainClient(standard(connection), ISSUER_DOMAIN_AID)
        client.select()
        client.open_scp03(StaticKeyring(TRANSPORT_KEYS), bytes(8))
    dialogue = office.dialogue(connection, seed="no password")
    dialogue.prove_card()
    dialogue.open_channel()
    evidence.add("objects", repr(dialogue), repr(dialogue.client), *map(repr, vars(dialogue).values()))
    with provoked(evidence, CardStatusError):
        dialogue.read_code()
    with provoked(evidence, CardStatusError):
        dialogue.client.set_initial_password(0x81, PASSWORD.encode())
    connection.reset()
    with provoked(evidence, HostError):
        dialogue.verify_password(PASSWORD)  # the session is gone, the host does not know


def _authenticate(evidence: Evidence, office: Office, connection: TracedConnection) -> None:
    proofs: list[object] = []
    result = office.authenticate(connection)
    dialogue = office.dialogue(connection, seed="reported", report=proofs.append)
    dialogue.prove_card()
    dialogue.open_channel()
    dialogue.verify_password(PASSWORD)
    dialogue.read_code()
    evidence.add(
        "objects", repr(Channel(0, 1, pending=CODE.encode())), repr(CommandAPDU(0, 0x20, 0, 0x81, PASSWORD.encode()))
    )
    evidence.add("objects", repr(ResponseAPDU(CODE.encode())), repr(Tlv(0x80, PASSWORD.encode())))
    evidence.add("objects", repr(result), str(result), repr(dialogue.result), *map(repr, proofs))


def _provoke_card_files(evidence: Evidence, path: Path, folder: Path) -> None:
    with provoked(evidence, CardFileError):
        CardFileChip(path, bytes(32))
    damaged = folder / "damaged.juki"
    damaged.write_bytes(path.read_bytes()[:-5000])
    with provoked(evidence, CardFileError):
        CardFileChip(damaged, bytes(32))
    with provoked(evidence, CardFileError):
        create_chip(path, bytes(32))


def _provoke_issuer(evidence: Evidence, office: Office, folder: Path) -> None:
    with provoked(evidence, IssuerError):
        Authority.open(office.home, WRONG_AUTHORITY_PASSWORD)
    with provoked(evidence, IssuerError):
        office.authority.terminal("none")
    with provoked(evidence, IssuerError):
        office.authority.keys.sign("terminal:counter", b"data")
    record = folder / "record.json"
    text = RECORD.read_text()
    for right, wrong in (("昭和40年", "昭和99年"), (CITY.code, "99202"), (CODE, CODE[::-1]), ('"face"', f'"{CODE}"')):
        record.write_text(text.replace(right, wrong))
        with provoked(evidence, IssuerError):
            load_json(record, RecordRules(TODAY, CITY.code))
    record.unlink()


def test_nothing_secret_is_shown_in_process(story: Story) -> None:
    assert story.evidence.leaks(story.secrets) == ITS_PLACE


def test_the_story_has_secrets_and_places(story: Story) -> None:
    names = [secret.name for secret in story.secrets]
    assert sum(name.startswith("chip ") for name in names) >= 13  # three key sets, four private keys
    assert names.count("session key") >= 60
    assert {"home issuer-master", "home municipal-master", "home card-ca", "home terminal:counter"} <= set(names)
    assert any(name.startswith("national ") for name in names)
    sizes = {place: sum(map(len, found)) for place, found in story.evidence.places.items()}
    assert all(sizes[place] > 10_000 for place in ("wire", "traces", "objects", "errors", "files")), sizes
    assert story.evidence.places["refusals"]


# --- the command line


@pytest.fixture(scope="module")
def counter(real_pcscd: PrivatePcscd, tmp_path_factory: pytest.TempPathFactory) -> Counter:
    """A card's life by the command line alone."""
    counter = Counter(tmp_path_factory.mktemp("counter"), real_pcscd)
    counter.whole_life()
    return counter


def told_by(counter: Counter) -> Story:
    evidence = Evidence(counter.folder)
    for done in counter.done:
        evidence.add("printed", done.stdout, done.stderr)
    evidence.add("processes", *counter.seen)
    folders = [path for path in counter.folder.iterdir() if path.is_dir() and path.name not in ("home", "passwords")]
    _collect_files(evidence, counter.home, *folders)
    evidence.add("files", *(untimed(path.read_bytes()) for path in counter.folder.iterdir() if path.is_file()))
    key = load_storage_key(counter.home / "storage.key")
    with CardFile.open(counter.card, key) as store:
        secrets = [*typed_secrets(), *chip_secrets(store.snapshot()), Secret.key("storage key", key)]
    return Story(evidence, [*secrets, *authority_secrets(counter.home, AUTHORITY_PASSWORD)])


def test_nothing_secret_is_shown_on_the_command_line(counter: Counter) -> None:
    story = told_by(counter)
    assert story.evidence.leaks(story.secrets) == ITS_PLACE
    assert len(story.secrets) >= 25
    commands = b"".join(story.evidence.places["processes"])
    assert all(verb in commands for verb in (b"\0issue\0", b"\0handover\0", b"\0auth\0", b"\0serve\0"))
    assert b"JUKI_HOME=" in commands
    assert b"VERIFY" in b"".join(story.evidence.places["files"])  # the trace


# --- planted leaks are found

PLANTED_KEY = randomness("a key")(32)
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda key: key,
    "its first half": lambda key: key[:16],
    "hex": lambda key: key.hex().encode(),
    "HEX with spaces": lambda key: key.hex(" ").upper().encode(),
    "repr": lambda key: repr(key).encode(),
    "base64": base64.b64encode,
    "in the middle of base64": lambda key: base64.b64encode(b"{'secret': '" + key + b"'}"),
    "a number": lambda key: str(int.from_bytes(key)).encode(),
    "a list": lambda key: repr(list(key)).encode(),
}
TEXT_FORMS: dict[str, Callable[[str], bytes]] = {
    "in words": lambda text: f"password={text}, code".encode(),
    "quoted": lambda text: repr({"password": text}).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX with spaces": lambda text: text.encode().hex(" ").upper().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "PIN block or BCD": lambda text: (
        bytes.fromhex(f"24{text}FFFFFFFFFF") if len(text) == 4 else bytes.fromhex(text + "F")
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("offset", range(3))
def test_a_key_is_found_in_any_form(form: str, offset: int) -> None:
    secret, clean = Secret.key("key", PLANTED_KEY), randomness("nothing")(4096)
    assert not secret.is_in(clean + base64.b64encode(clean) + clean.hex().encode())
    assert secret.is_in(clean[:offset] + FORMS[form](PLANTED_KEY) + clean)


@pytest.mark.parametrize("form", TEXT_FORMS)
@pytest.mark.parametrize("text", [PASSWORD, CODE], ids=["password", "code"])
def test_a_password_or_code_is_found_in_any_form(form: str, text: str) -> None:
    secret, clean = Secret.text("text", text), randomness("nothing")(4096)
    assert not secret.is_in(clean + base64.b64encode(clean) + clean.hex().encode())
    assert secret.is_in(b"... " + TEXT_FORMS[form](text) + b" ...")


def planted(evidence: Evidence) -> set[tuple[str, str]]:
    return evidence.leaks([*typed_secrets(), Secret.key("key", PLANTED_KEY)])


def test_a_leak_in_a_log_is_found() -> None:
    evidence = Evidence()
    with logged(evidence):
        logging.getLogger("jukicard.reader.pcsc").debug("sending %s", PASSWORD.encode())
        logging.getLogger("anybody").info("read", extra={"code": CODE})
        assert planted(evidence) == {("logs", "password")}
        logging.getLogger("anybody").info("read %s", CODE)
    assert planted(evidence) == {("logs", "password"), ("logs", "resident code")}


def test_a_leak_in_an_error_is_found() -> None:
    evidence = Evidence()
    with provoked(evidence, CardStatusError):
        raise CardStatusError(StatusWord(0x6A80), f"VERIFY of {PASSWORD}")
    with provoked(evidence, RuntimeError):
        try:
            raise KeyError(PLANTED_KEY)
        except KeyError:
            raise RuntimeError("harmless") from None
    assert planted(evidence) == {("errors", "password"), ("errors", "key")}


def test_a_leak_on_the_wire_and_in_a_trace_is_found(active: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    verify = bytes.fromhex("0020008104") + PASSWORD.encode()
    evidence, lines = Evidence(), []
    with active.emulator(observer=Watcher(evidence)) as connection:
        traced = TracedConnection(connection, Trace(lines.append))
        traced.transmit(verify)
        evidence.add("traces", *lines)
        assert planted(evidence) == {("wire", "password")}
        shown = trace_module._Kind("VERIFY", command=True)
        monkeypatch.setitem(trace_module._INTERINDUSTRY, 0x20, shown)
        traced.transmit(verify)
    evidence.add("traces", *lines)
    assert planted(evidence) == {("wire", "password"), ("traces", "password")}


def test_a_leak_in_an_object_is_found() -> None:
    evidence = Evidence()
    evidence.add("objects", *representations())
    assert planted(evidence) == set()

    class Careless:
        __module__ = "jukicard.careless"

        def __repr__(self) -> str:
            return f"Careless({PLANTED_KEY!r})"

    careless = Careless()
    evidence.add("objects", *representations())
    assert planted(evidence) == {("objects", "key")}, careless


def test_a_leak_in_a_card_file_or_home_is_found(
    active: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card file that does not encrypt, an entry in the home."""
    from jukicard.reader.cardfile.sealing import Sealer

    path = tmp_path / "card.juki"
    monkeypatch.setattr(
        Sealer, "seal", lambda self, number, version, name, content: (name.encode() + b"\0" + content, 0)
    )
    monkeypatch.setattr(Sealer, "open", lambda self, number, version, box: (box.split(b"\0")[0].decode(), box, 0))
    CardFile.create(path, PLANTED_KEY, active.cells, card_id=b"card").close()
    evidence = Evidence()
    _collect_files(evidence, active.home, tmp_path)
    leaks = evidence.leaks([*typed_secrets(), *chip_secrets(active.cells)])
    assert {("files", "password"), ("files", "resident code")} <= leaks
    assert {name for _, name in leaks} >= {secret.name for secret in chip_secrets(active.cells)}
    path.unlink()
    (active.home / "note.txt").write_text(f"{CODE} came in today")
    evidence = Evidence()
    _collect_files(evidence, active.home)
    assert evidence.leaks(typed_secrets()) == {("files", "resident code")}


def test_a_leak_by_the_command_line_is_found(counter: Counter) -> None:
    before = len(counter.done)
    emulator = ("--reader", f"emulator:{counter.card}")
    counter.seen.clear()
    counter.juki("auth", *emulator, *counter.holder, *counter.authority, "--show-code")
    counter.juki("apdu", *emulator, "0020008104" + PASSWORD.encode().hex())
    evidence = Evidence()
    evidence.add("printed", *(done.stdout for done in counter.done[before:]))
    evidence.add("processes", *counter.seen)
    del counter.done[before:]
    assert planted(evidence) == {("printed", "resident code"), ("processes", "password")}
