"""Municipal applications through a real pcscd: what the municipality approved is taken, everything else is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from jukicard.applets.gp.approval import Approval, sign_form
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import municipal_domain_aid
from jukicard.applets.gp.loadfile import LoadFileStructure
from jukicard.applets.library import layout as library
from jukicard.card.store import MemoryStore
from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import CardStatusError
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.line.cardkeys import CardKeyring
from jukicard.issuer.municipal.approvals import Application, approve
from jukicard.issuer.municipal.ordinance import USUAL_PURPOSES, allow
from jukicard.reader.pcsc import open_pcsc
from jukicard.sdk.building import build
from jukicard.sdk.project import Project
from jukicard.securechannel.signatures import from_der
from jukicard.testing.offices import Office, new_card
from tests.support.chips import randomness
from tests.support.desk import Desk
from tests.support.inserted import inserted
from tests.support.issued import Offices, Stage
from tests.support.pages import ROOT
from tests.support.pcscd import PrivatePcscd
from tests.support.served import served

HELLO = ROOT / "examples" / "apps" / "hello"
PURPOSE = "facilities"


@pytest.fixture(scope="module")
def application() -> Application:
    """The example, as its developer built it."""
    block = build(Project.read(HELLO))
    return Application(LoadFileStructure((), block.encode()), block)


@pytest.fixture
def domain(active: Office, real_pcscd: PrivatePcscd) -> Iterator[DomainClient]:
    """The municipality's domain of a card in a reader, open with its keys."""
    chip = new_card(MemoryStore(active.cells))
    with inserted(real_pcscd, chip) as card, closing(open_pcsc(card.reader_name)) as connection:
        client = DomainClient(standard(connection), municipal_domain_aid(active.setting.city.code))
        client.select()
        client.open_scp03(CardKeyring(active.authority), randomness("host")(8))
        yield client


def load(domain: DomainClient, application: Application) -> int:
    """What the card says: 9000, or why not."""
    structure = application.structure
    try:
        domain.install_for_load(application.load_file, digest=structure.digest, approval=application.approval)
        domain.load(structure.encode())
    except CardStatusError as error:
        return int(error.sw)
    return 0x9000


def approved(office: Office, application: Application) -> Application:
    return approve(office.authority, application, PURPOSE, Project.read(HELLO).limits)


def test_an_approved_application_is_taken(active: Office, domain: DomainClient, application: Application) -> None:
    assert load(domain, approved(active, application)) == 0x9000
    module = application.data_block.modules[0].aid
    domain.install(module, module, load_file=application.load_file)
    assert module in {entry.aid for entry in domain.status(0x40)}


def test_a_tampered_application_is_refused(active: Office, domain: DomainClient, application: Application) -> None:
    genuine = approved(active, application)
    code = genuine.data_block.modules[0].code
    other = replace(genuine.data_block.modules[0], code=code.replace(b"Hello", b"HELLO"))
    block = replace(genuine.data_block, modules=(other,))
    tampered = replace(genuine, structure=LoadFileStructure(genuine.structure.daps, block.encode()), data_block=block)
    assert tampered.structure.digest != genuine.structure.digest
    assert load(domain, tampered) == 0x6982
    assert domain.load_files(bytes(application.load_file)) == []


def test_an_unapproved_application_is_refused(active: Office, domain: DomainClient, application: Application) -> None:
    genuine = approved(active, application)
    assert load(domain, replace(genuine, approval=b"")) == 0x6985
    assert load(domain, replace(genuine, structure=application.structure)) == 0x6985
    assert load(domain, application) == 0x6985
    assert domain.load_files(bytes(application.load_file)) == []


def test_an_application_for_a_purpose_that_no_ordinance_lists_is_refused(
    active: Office, domain: DomainClient, application: Application
) -> None:
    allow(active.home, "shopping", "商店街の振興")  # after the card was issued
    wrong = approve(active.authority, application, "shopping", Project.read(HELLO).limits)
    assert "shopping" not in USUAL_PURPOSES
    assert load(domain, wrong) == 0x6985
    assert domain.load_files(bytes(application.load_file)) == []


def test_an_approval_of_another_municipality_is_refused(
    active: Office, domain: DomainClient, application: Application
) -> None:
    genuine = approved(active, application)
    says = genuine.approved_by(active.authority)
    neighbour: Approval = replace(says, municipality="99202")
    signature = from_der(active.authority.sign_approval(neighbour.message))
    assert load(domain, replace(genuine, approval=sign_form(neighbour, signature))) == 0x6A80


def test_a_module_in_rom_needs_an_approval_as_well(domain: DomainClient) -> None:
    with pytest.raises(CardStatusError) as caught:
        domain.install(library.MODULE, AID(b"\xf0another library"))
    assert caught.value.sw == 0x6985


def test_the_whole_way_by_the_command_line(
    real_pcscd: PrivatePcscd, offices: Offices, tmp_path: Path, application: Application
) -> None:
    desk = Desk.at(offices, Stage.ACTIVE, tmp_path / "desk")
    folder = shutil.copytree(HELLO, tmp_path / "hello")
    built = desk.facts("app", "build", str(folder))
    assert built["digest"] == application.structure.digest.hex()
    file = desk.facts("app", "approve", built["application"], "--purpose", PURPOSE, *desk.authority)["approved"]
    assert desk.facts("app", "info", file, *desk.authority)["purpose"] == PURPOSE
    unapproved = desk.facts("app", "load", built["application"], "--reader", desk.reader, *desk.authority, code=1)
    assert "not approved" in unapproved["error"]["message"]
    with served(real_pcscd, desk):
        reader = ("--reader", f"pcsc:{real_pcscd.reader_names[0]}")
        loaded = desk.facts("app", "load", file, *reader, *desk.authority)["loaded"].replace(" ", "")
        installed = desk.facts("app", "install", loaded, *reader, *desk.authority)["installed"].replace(" ", "")
        answers = desk.facts("app", "call", installed, "0010000000", *reader)["answers"]
        assert answers == [{"command": "0010000000", "data": b"Hello from a loaded application".hex(), "sw": "9000"}]
        listed = desk.facts("app", "list", *reader, *desk.authority)
        assert len(listed["applications"]) == 2  # the library, and this
        desk.facts("app", "delete", loaded, "--related", "--yes", *reader, *desk.authority)
        assert len(desk.facts("app", "list", *reader, *desk.authority)["applications"]) == 1
