"""Chapters 1 to 5: the municipality, the card issued, read back, handed over and authenticated."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, TRANSPORT_KVN
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.layout import JUKI_AID
from jukicard.applets.juki.records import CardState
from jukicard.commands.demo.narrator import Narrator
from jukicard.commands.demo.scene import CITY, RECORD, Scene, clock
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.certificates import Subject
from jukicard.issuer.authority.national import NationalRoot
from jukicard.issuer.authority.terminals import right_name
from jukicard.issuer.counter.authentication import Proof, authenticate
from jukicard.issuer.counter.handover import hand_over
from jukicard.issuer.faces.look import FaceLook
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.line.cardkeys import key_sets
from jukicard.issuer.line.facework import FaceWork, prepared
from jukicard.issuer.line.orders import place_order
from jukicard.issuer.line.personalise import ISSUING_TERMINAL, Personaliser, chip_number
from jukicard.issuer.line.plan import Operation, issuing_plan
from jukicard.issuer.line.provers import card_authentication_key, card_channel_key, ephemeral_key, iso_day
from jukicard.issuer.municipal.services import LIBRARY
from jukicard.issuer.records.expiry import expiry_date
from jukicard.issuer.records.resident import RecordRules, load_json
from jukicard.reader.chips import create_chip
from jukicard.securechannel.certificates import verify_chain


def set_up(scene: Scene, narrator: Narrator) -> None:
    """Chapter 1: the national root and the municipality's authority."""
    narrator.chapter("The municipality is set up")
    password, folder = scene.passwords.authority, scene.folder
    narrator.step("A TEST national root, the anchor of all municipalities")
    scene.national = NationalRoot.init(folder.national, password, today=scene.today)
    root = Subject.read(scene.national.certificate)
    narrator.proof(f"{folder.national}/root.pem: {root.common_name}", holds=root.common_name.startswith("TEST "))

    narrator.step(f"The authority of {CITY.name} (code {CITY.code}), an invented city")
    scene.authority = Authority.init(folder.home, CITY, password, today=scene.today, national=scene.national)
    mode = folder.home.stat().st_mode & 0o777
    narrator.proof(f"{folder.home}: mode {mode:04o}; its keys are in an encrypted file", holds=mode == 0o700)

    narrator.step("Its first terminals, each with a certificate that names its rights")
    for terminal in scene.authority.terminals():
        anchor = scene.authority.anchor(terminal.area)
        verified = verify_chain(anchor, terminal.certificates, today=iso_day(scene.today))
        rights = ", ".join(right_name(right) for right in sorted(terminal.authorization.rights))
        narrator.proof(
            f"{terminal.name}: verified under the {terminal.area} area's anchor; may: {rights}",
            holds=verified.authorization == terminal.authorization,
        )


def issue(scene: Scene, narrator: Narrator) -> None:
    """Chapter 2: a resident's record becomes a card."""
    narrator.chapter("A record becomes a card")
    record_file = scene.folder.records / RECORD.name
    shutil.copyfile(RECORD, record_file)

    narrator.step("The resident's record is read and checked")
    record = load_json(record_file, RecordRules(scene.today, CITY.code))
    narrator.proof(f"{record_file}: all fields are well formed; the check digit of the resident code is right")

    look = FaceLook()
    face = FaceWork(
        prepared(scene.authority, record, expiry_date(scene.today, record.stay_until), look), look, scene.folder.cards
    )
    narrator.proof("its face can be drawn: the fonts have every character, and every text finds its place")

    narrator.step("The card is ordered: the ledger knows it before any chip")
    scene.order = order = place_order(scene.authority, record, (LIBRARY,), issued_on=scene.today, now=clock())
    narrator.note(f"card {order.serial}, face {record.face}, valid until {order.expires}")
    status = scene.authority.ledger.card(order.serial).status
    narrator.proof(f"the ledger says: {status}", holds=status is Status.ORDERED)

    _blank_chip(scene, narrator)

    narrator.step("The issuing plan, as data")
    plan = issuing_plan(key_sets(CITY.code), order.services, face=True)
    for number, operation in enumerate(plan, start=1):
        narrator.note(f"{number:>2} {operation.name:<20} {operation.describe()}")
    _personalise(scene, narrator, plan, face)


def _blank_chip(scene: Scene, narrator: Narrator) -> None:
    create_chip(scene.card, scene.authority.storage_key)
    with scene.on_desk("2-issue") as desk:
        narrator.step("A blank chip, as its maker delivers it, in a card file")
        narrator.note(f"{scene.card}: ATR {desk.connection.atr.hex(' ').upper()}")
        narrator.proof(f"it tells its number: {chip_number(desk.connection)}")
        refusal = desk.refusal_of(JukiClient(standard(desk.connection)).select)
        narrator.proof(
            f"SELECT {JUKI_AID}: 6A82, there is no Juki application (住基AP) yet",
            holds=refusal is not None and refusal.sw == StatusWord.FILE_NOT_FOUND,
        )


def _personalise(scene: Scene, narrator: Narrator, plan: tuple[Operation, ...], face: FaceWork) -> None:
    narrator.step("The plan is carried out, by the APDUs that a real reader would carry")
    done: list[Operation] = []
    with scene.on_desk("2-issue") as desk:
        start = time.perf_counter()
        state = Personaliser(scene.authority, desk.connection, scene.order, os.urandom, clock, face).run(done.append)
        seconds = time.perf_counter() - start
    narrator.proof(
        f"{len(done)} of {len(plan)} operations in {seconds:.1f} s; the ledger says: {state.status}",
        holds=tuple(done) == plan and state.status is Status.AWAITING_HANDOVER,
    )
    pdf = scene.folder.cards / f"{scene.order.serial}.pdf"
    facts = pdf.with_suffix(".json")
    narrator.step("The face is drawn (券面) for the printer, with 見本 SPECIMEN across it, and read back from there")
    narrator.note(f"{pdf}, and {pdf.stem}.png and {facts.name} beside it")
    code = scene.order.record.resident_code.reveal()
    narrator.proof(
        "an A face tells the name and nothing else of the resident",
        holds=not any(text in facts.read_text("utf-8") for text in (code, scene.order.record.address)),
    )


def read_back(scene: Scene, narrator: Narrator) -> None:
    """Chapter 3: what is on the chip, seen from outside."""
    narrator.chapter("Read back")
    with scene.on_desk("3-read-back") as desk:
        narrator.step("What anybody may see, without any key")
        domain = DomainClient(standard(desk.connection), ISSUER_DOMAIN_AID)
        domain.select()
        keys = domain.key_references()
        listed = ", ".join(f"{kid:02X}/{kvn:02X}" for kid, kvn in sorted(keys))
        narrator.proof(
            f"the issuer domain's keys are {listed}: the public transport keys (version FF) are gone",
            holds=bool(keys) and all(kvn != TRANSPORT_KVN for _, kvn in keys),
        )
        client = JukiClient(standard(desk.connection))
        client.select()
        key = card_authentication_key(client, scene.authority, today=scene.today)
        narrator.proof(
            f"the card's certificate names card {key.serial} of {key.city_code}, under the national root",
            holds=(key.serial, key.city_code) == (scene.order.serial, CITY.code),
        )

        narrator.step("What the issuing machine may see: not the code, but whether it matches")
        channel_key = card_channel_key(client, scene.authority, today=scene.today).public_key
        terminal = scene.authority.terminal_key(ISSUING_TERMINAL)
        client.open_scp11a(terminal, channel_key, ephemeral_key(os.urandom))
        data, status = client.card_data(), client.status()
        narrator.proof(f"EF.CARD is what was ordered, valid until {data.expires}", holds=data == scene.order.card_data)
        code = scene.order.record.resident_code.reveal().encode()
        narrator.proof("COMPARE: the chip holds the record's resident code (住民票コード)", holds=client.matches(code))
        narrator.proof(
            f"EF.STATUS: {status.state.label}; nobody has a password yet",
            holds=status.state is CardState.DELIVERED_LOCKED and scene.tries_left(desk) is None,
        )

    narrator.step("What the books say")
    ledger = scene.authority.ledger
    narrator.proof(f"{len(ledger.entries())} entries, chained by digests; the last one is {ledger.verify()[:16]}…")


def handover(scene: Scene, narrator: Narrator) -> None:
    """Chapter 4: at the counter, the holder sets the password."""
    narrator.chapter("Handed over at the counter (交付)")
    with scene.on_desk("4-handover") as desk:
        narrator.step("The holder, identified, chooses the password (暗証番号, 4 digits)")
        dialogue = scene.dialogue(desk, report=lambda proof: _tell(narrator, proof))
        state = hand_over(scene.authority, dialogue, lambda: scene.passwords.holder, clock)
        narrator.proof(
            f"the ledger says: {state.status}; the card says: {dialogue.client.status().state.label}",
            holds=state.status is Status.ACTIVE and dialogue.client.status().state is CardState.ACTIVE,
        )
        tries = scene.tries_left(desk)
        narrator.proof(f"an empty VERIFY, which costs nothing: {tries} tries", holds=tries == 3)


def authentication(scene: Scene, narrator: Narrator) -> None:
    """Chapter 5: terminal, card and holder prove themselves to each other."""
    narrator.chapter("Authenticated, step by step")
    with scene.on_desk("5-authentication") as desk:
        narrator.step("Terminal, card and holder prove themselves to each other")
        dialogue = scene.dialogue(desk, report=lambda proof: _tell(narrator, proof))
        result = authenticate(dialogue, scene.passwords.holder)
    code = result.resident_code
    narrator.step("The resident code (住民票コード) has crossed the wire, encrypted")
    if code is None:
        raise narrator.broken("there is no resident code")
    narrator.note(f"as terminals show it: {code}")
    narrator.reveal("shown once, since it is invented: {}", code.reveal(), code.masked)
    narrator.proof("it is the record's", holds=code == scene.order.record.resident_code)
    absent = _is_absent(code.reveal(), scene.trace("5-authentication"))
    narrator.proof("the trace of the dialogue does not hold it", holds=absent)


def _tell(narrator: Narrator, proof: Proof) -> None:
    narrator.note(f"{proof.step}: {proof.proof}")


def _is_absent(code: str, trace: Path) -> bool:
    """Return whether a text is not in a trace, neither as it is nor in hex."""
    text = trace.read_text(encoding="utf-8")
    return code not in text and code.encode().hex() not in text.replace(" ", "").lower()
