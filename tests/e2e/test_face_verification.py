"""A card's face from the issuing machine to whoever verifies it: by the chip, the certificates, and the print."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from jukicard.applets.faceverification import layout
from jukicard.applets.faceverification.client import FaceVerificationClient
from jukicard.applets.faceverification.records import FaceRecord
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID
from jukicard.iso7816.errors import CardRemoved, PasswordWrong
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.facesigner import FACE_SIGNING, certified_signer, face_signer
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.counter.faceverification import FaceVerification, VerifiedFace
from jukicard.issuer.errors import RecordError, RuleRefused
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.line.cardkeys import CardKeyring
from jukicard.issuer.line.facework import images_without_face
from jukicard.issuer.line.personalise import Personaliser
from jukicard.issuer.records.resident import RecordRules, load_json
from jukicard.reader.emulator import EmulatorConnection
from jukicard.securechannel.certificates import CertificateError
from tests.support.chips import randomness
from tests.support.desk import Desk, private_file
from tests.support.issued import CITY, RECORD, TODAY, Office, Offices, Stage

HANAKO = RECORD.parent / "hanako.json"
BIRTH = "531123"
"""Hanako's, of 昭和53年."""


@pytest.fixture(scope="session")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Offices:
    return Offices(tmp_path_factory.mktemp("offices"))


@pytest.fixture(scope="session")
def issued_b(offices: Offices, tmp_path_factory: pytest.TempPathFactory) -> Office:
    office = of_face_b(offices, tmp_path_factory.mktemp("b"))
    with office.emulator() as connection:
        office.issue(connection)
    return office


def of_face_b(offices: Offices, folder: Path) -> Office:
    office = offices.at(Stage.BLANK, folder)
    office.record = load_json(HANAKO, RecordRules(TODAY, CITY.code))
    return office


@pytest.fixture
def a(offices: Offices, tmp_path: Path) -> Office:
    return offices.at(Stage.ACTIVE, tmp_path)


@pytest.fixture
def b(issued_b: Office, tmp_path: Path) -> Office:
    """A card of face B, whose cells are the test's own."""
    return Office(issued_b.home, dict(issued_b.cells), issued_b.clock, issued_b.setting)


def number_of(office: Office) -> str:
    state = office.card_state
    return f"{state.expires:%Y%m%d}" + (BIRTH if state.face == "B" else "")


def verified(office: Office, number: str | None = None, days: int = 0) -> VerifiedFace:
    with office.emulator() as connection:
        verification = FaceVerification(
            office.authority, connection, randomness("verifying"), TODAY + timedelta(days=days)
        )
        return verification.run(lambda version: number or number_of(office))


def told(office: Office, days: int = 0) -> list[str]:
    return sorted(str(one) for one in verified(office, days=days).disagreements)


def cell_of(office: Office, fid: int, opening: bytes) -> str:
    """The cell with the content of a file, which is told by how it opens."""
    (found,) = (
        name for name, content in office.cells.items() if name.endswith(f"f/{fid:04x}/d") and content[:2] == opening
    )
    return found


def stored_again(office: Office, change: Callable[[FaceRecord], FaceRecord]) -> None:
    """Change the face record in the chip's memory."""
    cell = cell_of(office, layout.EF_FACE, b"\xff\x20")
    content = change(FaceRecord.parse(office.cells[cell])).encode()
    assert len(content) == len(office.cells[cell])
    office.cells = {**office.cells, cell: content}


def test_a_genuine_card_of_either_face_is_verified(a: Office, b: Office) -> None:
    for office, version in ((a, "A"), (b, "B")):
        found = verified(office)
        assert (found.record.version, found.basic.face, found.disagreements) == (version, version, [])
        assert found.card is not None
        assert found.card.serial == office.card_state.serial


def test_a_chip_of_face_a_holds_none_of_bs_data(a: Office) -> None:
    record = a.record
    born, address = record.birth_date, record.address
    secrets = (f"{born:%Y%m%d}", f"40{born:%m%d}", address, record.kana, "昭和40年")
    for name, content in a.cells.items():
        assert not any(secret.encode() in content for secret in secrets), name
        assert b"\xdf\x22" not in content or b"\xff\x20" not in content[:2]
    found = verified(a)
    assert (found.record.birth, found.record.sex, found.record.address, found.record.photo) == (None,) * 4


def test_the_chips_pictures_are_those_of_the_record(b: Office) -> None:
    images = images_without_face(b.authority, load_json(HANAKO, RecordRules(TODAY, CITY.code)), b.card_state.expires)
    found = verified(b).record
    assert (found.name, found.address, found.photo) == (images.name, images.address, images.photo)
    assert (found.birth, found.sex, found.expires) == ("19781123", "2", f"{b.card_state.expires:%Y%m%d}")


def test_a_wrong_number_costs_a_try_and_one_of_another_length_none(b: Office) -> None:
    for wrong in ("", "20360331", "x" * 14):
        with pytest.raises(RuleRefused, match="14 digits"):
            verified(b, number=wrong or " ")
    with pytest.raises(PasswordWrong) as caught:
        verified(b, number="20360331000000")
    assert caught.value.tries_left == 9


@pytest.mark.parametrize("change", [{"sex": "1"}, {"birth": "19781124"}, {"expires": "20460331"}])
def test_a_record_that_was_changed_is_not_the_municipalitys(b: Office, change: dict[str, str]) -> None:
    stored_again(b, lambda record: replace(record, **change))  # type: ignore[arg-type]
    assert "face record: its signature is not the municipality's: something in it was changed" in told(b)


def test_a_changed_picture_is_found(b: Office) -> None:
    stored_again(b, lambda record: replace(record, name=record.name[:-1] + b"?"))
    assert told(b) == ["face record: its signature is not the municipality's: something in it was changed"]


def test_a_record_of_another_card_is_found_though_it_is_signed(offices: Offices, b: Office, tmp_path: Path) -> None:
    """All of the application's cells are copied from one genuine card to another one of the same resident."""
    other = of_face_b(offices, tmp_path)
    other.home = b.home
    cell = cell_of(b, layout.EF_FACE, b"\xff\x20")
    face = FaceRecord.parse(b.cells[cell])
    signer = face_signer(b.authority, randomness("signing"))
    moved = replace(face, public_key=b"\x04" + sha256(b"another chip's").digest() * 2)
    stored_again(b, lambda record: replace(moved, signature=signer.sign(moved.message)))
    assert told(b) == [
        "birth record: has another birth date or key than the face record",
        "chip: the face record was made for another chip: it names another key",
    ]


def test_what_the_card_tells_everybody_is_compared(b: Office) -> None:
    (cell,) = (name for name in b.cells if name.endswith("id/00f0"))
    b.cells = {**b.cells, cell: b"99202"}
    assert told(b) == ["data object F0: is missing, or differs"]
    (shared,) = (name for name, content in b.cells.items() if b"\x01\x1c799201" in content)
    spoilt = b.cells[shared].replace(b"\x01\x1c799201", b"\x01\x1c799202")
    b.cells = {**b.cells, shared: spoilt}
    assert "shared application: has another serial than the card's certificate" in told(b)


def test_an_expired_card_is_told(b: Office) -> None:
    (one,) = told(b, days=3660)
    assert one.startswith("expiry: the card expired on")


def test_only_the_key_that_signs_faces_signs_faces(b: Office) -> None:
    authority = b.authority
    national = authority.anchor(Area.JUKI)
    signer = face_signer(authority, randomness("signing"))
    assert certified_signer(national, signer.certificates, TODAY).city_code == CITY.code
    assert signer.public_key == authority.keys.public_key(FACE_SIGNING)
    with b.emulator() as connection:
        client = FaceVerificationClient(standard(connection))
        client.select()
        assert client.signer_certificates() == signer.certificates
    card = verified(b).card
    assert card is not None
    for chain in ((signer.certificates[0], card.certificate), signer.certificates[1:], signer.certificates[:1], ()):
        with pytest.raises(CertificateError):
            certified_signer(national, chain, TODAY)
    with pytest.raises(CertificateError):
        certified_signer(authority.anchor(Area.MUNICIPAL), signer.certificates, TODAY)


def personaliser(office: Office, connection: EmulatorConnection, seed: object, **images: object) -> Personaliser:
    random = randomness(("host", seed))
    return Personaliser(office.authority, connection, office.order(), random, office.clock, **images)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", ["face-application", "card-objects", "face-record", "shared-data", "match"])
def test_an_issue_that_was_interrupted_goes_on_with_the_face_that_it_prints_then(
    offices: Offices, tmp_path: Path, step: str
) -> None:
    office = of_face_b(offices, tmp_path)

    class Pulled(Exception):  # noqa: N818
        pass

    def pull(operation: object) -> None:
        if getattr(operation, "name", "") == step:
            raise Pulled

    order = office.order()
    images = images_without_face(office.authority, order.record, order.expires)
    with office.emulator() as connection, pytest.raises(Pulled):
        personaliser(office, connection, 1, images=images).run(pull)
    changed = replace(images, name=images.address or b"")
    with office.emulator() as connection:
        state = personaliser(office, connection, 2, images=changed).run()
    assert state.status is Status.AWAITING_HANDOVER
    found = verified(office)
    assert found.disagreements == []
    assert found.record.name == changed.name


def test_a_card_that_left_with_the_longest_command_is_finished(offices: Offices, tmp_path: Path) -> None:
    office = of_face_b(offices, tmp_path)

    class Pulled:
        """A card that leaves before the face record's STORE DATA."""

        def __init__(self, inner: EmulatorConnection) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def transmit(self, command: bytes) -> bytes:
            if len(command) > 4000:
                raise CardRemoved("the card left")
            return self._inner.transmit(command)

    with office.emulator() as connection, pytest.raises(CardRemoved):
        personaliser(office, Pulled(connection), 1).run()  # type: ignore[arg-type]
    assert office.card_state.status is not Status.SPOILT
    with office.emulator() as connection:
        assert office.issue(connection, seed=2).status is Status.AWAITING_HANDOVER


def test_the_issuer_unblocks_a_reference_number(b: Office) -> None:
    with b.emulator() as connection:
        client = FaceVerificationClient(standard(connection))
        client.select()
        for _ in range(layout.TRIES):
            with pytest.raises(PasswordWrong):
                client.verify_number(layout.NUMBER_B, "0" * 14)
        client.open_scp03(CardKeyring(b.authority), bytes(8))
        client.unblock(layout.NUMBER_B)
        client.select()
        client.verify_number(layout.NUMBER_B, number_of(b))
        domain = DomainClient(standard(connection), ISSUER_DOMAIN_AID)
        domain.select()
        assert domain.get_data(0xF0) == b"\xf0\x0599201"


@pytest.fixture
def desk(offices: Offices, tmp_path: Path) -> Desk:
    return Desk.at(offices, Stage.BLANK, tmp_path)


def test_the_command_compares_chip_and_print(desk: Desk, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    issued = desk.facts("issue", desk.record, *out, *desk.authority)
    number = private_file(tmp_path / "number.txt", issued["expires"].replace("-", "") + "\n")
    reader = ("--reader", f"emulator:{issued['card']}")
    words = ("face", "verify", *reader, "--reference-file", str(number))
    expected = {"verified": True, "face": "A", "serial": issued["serial"], "municipality": "99201"}
    for printed in (issued["face_pdf"], issued["face_png"]):
        assert desk.facts(*words, "--face", printed).items() >= {**expected, "expires": issued["expires"]}.items()
    other = Path(issued["face_pdf"]).with_name("other.pdf")
    other.write_bytes(Path(issued["face_pdf"]).read_bytes().replace(b"xref\n", b"xrfe\n"))
    result = desk.run(*words, "--face", str(other))
    assert result.exit_code == 1
    assert result.stdout.startswith("printed PDF: ")
    told = desk.run(*words, "--face", str(other), "--json")
    assert [one["what"] for one in json.loads(told.stdout)["differences"]] == ["printed PDF"]


def test_the_office_unblocks_a_face(offices: Offices, tmp_path: Path) -> None:
    desk = Desk.at(offices, Stage.ACTIVE, tmp_path)
    wrong, right = (private_file(tmp_path / f"{text}.txt", text) for text in ("20000101", "20361120"))
    words = ("face", "verify", "--reader", desk.reader, "--reference-file")
    for left in reversed(range(layout.TRIES)):
        assert desk.facts(*words, str(wrong), code=4)["error"]["tries_left"] == left
    assert desk.run(*words, str(right)).exit_code == 5
    told = desk.facts("face", "unblock", "--reader", desk.reader, *desk.authority)
    assert told == {"serial": desk.serial, "reference_numbers": "unblocked"}
    assert desk.facts(*words, str(right))["verified"]


def test_the_command_says_what_a_reference_number_is(desk: Desk, tmp_path: Path) -> None:
    issued = desk.facts("issue", desk.record, "--out", str(tmp_path / "out"), *desk.authority)
    words = ("face", "verify", "--reader", f"emulator:{issued['card']}")
    short, wrong = (private_file(tmp_path / f"{text}.txt", text) for text in ("2036", "20000101"))
    refused = desk.run(*words, "--reference-file", str(short))
    assert (refused.exit_code, "8 digits: the expiry" in refused.stderr) == (1, True)
    refused = desk.run(*words, "--reference-file", str(wrong))
    assert (refused.exit_code, "9 tries left" in refused.stderr) == (4, True)
    result = desk.run(*words)
    assert (result.exit_code, "--reference-file" in result.stderr) == (2, True)


def test_too_long_a_face_is_refused_before_anything_is_begun(offices: Offices, tmp_path: Path) -> None:
    office = of_face_b(offices, tmp_path)
    order = office.order()
    images = images_without_face(office.authority, order.record, order.expires)
    large = replace(images, photo=bytes(20_000))
    with office.emulator() as connection, pytest.raises(RecordError, match="16384"):
        personaliser(office, connection, 1, images=large).run()
    assert office.card_state.status is Status.ORDERED
