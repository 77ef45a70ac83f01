"""Rotation of master keys and CAs: new cards have the new, old cards are served."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import TRANSPORT_KVN
from jukicard.applets.juki.client import JukiClient
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import Description
from jukicard.issuer.authority.generations import Generations, Rotated
from jukicard.issuer.authority.national import NationalRoot
from jukicard.issuer.authority.rotation import MAX_MASTER_GENERATION, Rotation, rotate
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.counter.authentication import CardDialogue, authenticate
from jukicard.issuer.counter.lifecycle import Change, change_card
from jukicard.issuer.errors import HomeDamaged, RuleRefused
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.line.cardkeys import CardKeyring, key_sets
from jukicard.issuer.line.plan import Operation
from jukicard.securechannel.authorization import Role
from jukicard.securechannel.certificates import LeafUsage, verify_chain
from jukicard.securechannel.scp03 import InitializeUpdateResponse
from tests.support.chips import randomness
from tests.support.desk import Desk
from tests.support.issued import AUTHORITY_PASSWORD, PASSWORD, TODAY, Office, Offices, Stage


def rotated(office: Office, what: Rotated) -> Rotation:
    """Rotate, and let the office open its authority again."""
    national = NationalRoot.open(office.home / "national", AUTHORITY_PASSWORD)
    done = rotate(office.authority, what, today=TODAY, national=national)
    office.close()
    del office.__dict__["authority"]
    return done


def versions(office: Office, connection: CardConnection) -> list[int]:
    """The key versions with which the card's domains open their sessions."""
    keyring = CardKeyring(office.authority)
    found = []
    for wanted in key_sets("99201"):
        client = DomainClient(standard(connection), wanted.domain)
        client.select()
        client.open_scp03(keyring, bytes(8))
        assert keyring.used is not None
        assert keyring.used.domain == wanted.domain
        found.append(keyring.used.kvn)
    return found


def card_ca(office: Office, connection: CardConnection) -> bytes:
    """The CA certificate that the card carries above its own, which goes back to the national root."""
    client = JukiClient(standard(connection))
    client.select()
    chain = client.authentication_certificates()
    anchor = office.authority.anchor(Area.JUKI)
    verify_chain(anchor, chain, today=None, usage=LeafUsage.DIGITAL_SIGNATURE)
    return chain[0]


def test_an_old_card_is_served_after_every_rotation(office_at: Callable[[Stage], Office]) -> None:
    office = office_at(Stage.ACTIVE)
    old_ca = office.authority.card_authorities(Area.JUKI)[0]
    for what in Rotated:
        assert rotated(office, what).generation == 2
    with office.emulator() as connection:
        assert versions(office, connection) == [1, 2, 3]
        assert card_ca(office, connection) == old_ca != office.authority.card_authorities(Area.JUKI)[0]
        assert office.authenticate(connection)
        serial = office.card_state.serial
        for change, status in ((Change.SUSPEND, Status.SUSPENDED), (Change.RESUME, Status.ACTIVE)):
            change_card(office.authority, serial, change, office.clock, dialogue=office.dialogue(connection))
            assert office.card_state.status is status


def test_a_new_card_has_the_new_generation(office_at: Callable[[Stage], Office]) -> None:
    office = office_at(Stage.BLANK)
    for what in Rotated:
        rotated(office, what)
    with office.emulator() as connection:
        office.issue(connection)
        assert versions(office, connection) == [4, 5, 6]
        assert card_ca(office, connection) == office.authority.card_authorities(Area.JUKI)[0]
        office.hand_over(connection)
        assert office.authenticate(connection)


@pytest.mark.parametrize("step", ["juki-keys", "juki-channel-a"])
def test_a_card_that_was_begun_before_the_rotation_is_finished_after_it(
    office_at: Callable[[Stage], Office], step: str
) -> None:
    office = office_at(Stage.BLANK)

    def interrupt(operation: Operation) -> None:
        if operation.name == step:
            raise KeyboardInterrupt

    with office.emulator() as connection:
        with pytest.raises(KeyboardInterrupt):
            office.issue(connection, report=interrupt)
        for what in Rotated:
            rotated(office, what)
        office.issue(connection)
        assert versions(office, connection) == [1, 5 if step == "juki-keys" else 2, 6]
        office.hand_over(connection)
        assert office.authenticate(connection)


def test_an_old_terminal_and_a_new_one_both_open_a_card(office_at: Callable[[Stage], Office]) -> None:
    office = office_at(Stage.ACTIVE)
    old = office.authority.terminal("counter").certificates[0]
    rotated(office, Rotated.TERMINAL_CA)
    rights = office.authority.terminal("counter").authorization.rights
    terminal = office.authority.new_terminal("desk-2", Role.COUNTER, rights, not_before=TODAY)
    new = terminal.certificates[0]
    assert old != new
    assert "Terminal CA 2" in x509.load_der_x509_certificate(new).subject.rfc4514_string()
    assert (terminal.area, office.authority.terminal("counter").area) == (Area.JUKI, Area.JUKI)
    assert office.authority.terminal("municipal-service").area is Area.MUNICIPAL
    with office.emulator() as connection:
        for name in ("counter", "desk-2"):
            dialogue = CardDialogue(office.authority, connection, randomness(name), today=TODAY, terminal=name)
            assert authenticate(dialogue, PASSWORD)


def test_a_ca_wants_its_own_national_root(office_at: Callable[[Stage], Office], tmp_path: Path) -> None:
    office = office_at(Stage.BLANK)
    other = NationalRoot.init(tmp_path / "other", AUTHORITY_PASSWORD, today=TODAY)
    before = Description.read(office.home)
    for national in (None, other):
        with pytest.raises(RuleRefused, match="and by no other"):
            rotate(office.authority, Rotated.CARD_CA, today=TODAY, national=national)
    assert Description.read(office.home) == before
    assert not list((office.home / "certificates").glob("*-2.pem"))


def test_an_interrupted_rotation_is_taken_up(
    office_at: Callable[[Stage], Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = office_at(Stage.BLANK)
    with monkeypatch.context() as patch:
        patch.setattr(Description, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        for what in Rotated:
            with pytest.raises(KeyboardInterrupt):
                rotated(office, what)
    keys = office.authority.keys
    made = {label: keys.describe(label) for label in keys.labels()}
    with Authority.open(office.home, AUTHORITY_PASSWORD) as again:
        assert again.description.generations == Generations()
    for what in Rotated:
        rotated(office, what)
    keys = office.authority.keys
    assert {label: keys.describe(label) for label in keys.labels()} == made
    names = sorted(path.name for path in (office.home / "ceremonies").iterdir())
    assert names == [f"{TODAY}-{name}.md" for name in ("card-ca-2", "founding", "masters-2", "terminal-ca-2")]


def test_key_versions_of_all_generations_are_different_and_none_is_reserved() -> None:
    used = [keys.kvn for number in range(1, MAX_MASTER_GENERATION + 1) for keys in key_sets("99201", number)]
    assert len(set(used)) == 3 * MAX_MASTER_GENERATION
    assert used == sorted(used)
    assert used[:6] == [1, 2, 3, 4, 5, 6]
    assert not set(used) & {0, TRANSPORT_KVN, *range(0x20, 0x30), *range(0x70, 0x80)}
    assert max(used) == 0x6E
    with pytest.raises(IndexError):
        key_sets("99201", MAX_MASTER_GENERATION + 1)


def test_there_are_no_more_generations_than_versions(office_at: Callable[[Stage], Office]) -> None:
    office = office_at(Stage.BLANK)
    full = Generations({Rotated.MASTERS: MAX_MASTER_GENERATION})
    replace(Description.read(office.home), generations=full).write(office.home)
    with pytest.raises(RuleRefused, match="31 generations"):
        rotate(office.authority, Rotated.MASTERS, today=TODAY)


def test_a_version_of_a_generation_that_is_not_there_yet_is_refused(office_at: Callable[[Stage], Office]) -> None:
    office = office_at(Stage.BLANK)
    update = InitializeUpdateResponse(bytes(10), 0x04, 0x70, bytes(8), bytes(8), 1)
    with pytest.raises(AuthenticationFailed, match="version 04"):
        CardKeyring(office.authority).session(update, bytes(16))
    rotated(office, Rotated.MASTERS)
    assert CardKeyring(office.authority).session(update, bytes(16))


@pytest.mark.parametrize(
    "broken", ['{"masters": 0}', '{"masters": "2"}', '{"keys": 2}', "[]", "2", '{"masters": true}']
)
def test_damaged_generations(office_at: Callable[[Stage], Office], broken: str) -> None:
    office = office_at(Stage.BLANK)
    path = office.home / "authority.json"
    path.write_text(path.read_text().rstrip().removesuffix("}") + f', "generations": {broken}}}')
    with pytest.raises(HomeDamaged):
        Authority.open(office.home)


def test_the_command(offices: Offices, tmp_path: Path) -> None:
    desk = Desk.at(offices, Stage.ACTIVE, tmp_path)
    done = desk.facts("authority", "rotate", "masters", *desk.authority)
    assert (done["rotated"], done["generation"]) == ("masters", 2)
    assert done["keys"] == ["issuer-master:2", "municipal-master:2"]
    assert "issuer-master:2" in Path(done["record"]).read_text()
    desk.facts("authority", "rotate", "card-ca", *desk.authority)
    assert (desk.home / "certificates" / "card-ca-2.pem").exists()
    desk.facts("auth", "--reader", desk.reader, *desk.authority, *desk.holder)
    shutil.move(desk.home / "national", tmp_path / "elsewhere")
    error = desk.facts("authority", "rotate", "terminal-ca", *desk.authority, code=6)["error"]
    assert "--national" in error["message"]
    elsewhere = ("--national", str(tmp_path / "elsewhere"))
    assert desk.facts("authority", "rotate", "terminal-ca", *elsewhere, *desk.authority)["generation"] == 2
    assert desk.facts("authority", "rotate", "masters", *desk.authority)["generation"] == 3
