"""`juki card info`: what anybody may read of a card, and with a terminal what that may see.

Harmless on any card: SELECT, GET DATA, READ BINARY of EF.DIR and of the JPKI token's label; and only where the chip's
maker is ours, EF.CERTIFICATES and the query of the password's tries (an empty VERIFY), which other cards might count as
a try.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

import click

from jukicard.applets.gp.client import ALL, DomainClient
from jukicard.applets.gp.layout import (
    ISSUER_DOMAIN_AID,
    KID_SCP11A,
    TAG_CARD_NUMBER,
    TAG_ISSUER_NUMBER,
    TAG_PRODUCTION,
)
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.layout import PASSWORD
from jukicard.commands.atrs import brief_atr
from jukicard.commands.auth import iso_date
from jukicard.commands.options import home_option, json_option, print_facts, reader_option, terminal_option
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.recognition import (
    answer,
    careful_stack,
    data_object,
    domain_selected,
    harmless,
    recognise,
    selected,
)
from jukicard.commands.session import Session, pass_session
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import CardStatusError, MalformedResponse
from jukicard.iso7816.tlv import TlvError, find, parse_tlvs
from jukicard.issuer.authority.certificates import Subject
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL, CardDialogue
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.line.plan import CHANNEL_KVN

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

Facts: TypeAlias = dict[str, object]

EF_DIR = b"\x2f\x00"
MAX_READS = 32
"""READ BINARY commands for EF.DIR: a card that never comes to an end is left alone."""


@click.command("info")
@reader_option
@terminal_option(None)
@authority_password
@home_option
@json_option
@pass_session
def info(session: Session, reader: ReaderSpec, terminal: str | None, authority_password: Source, as_json: bool) -> None:
    """Show what anybody may read of a card, at no cost.

    Answer to reset, what kind of card it is, identity, keys, applications, and of a Juki card of this project its
    certificates and the password's tries. No try is spent, whatever card it is. With --terminal (or the authority's
    password, then as the counter), also what that terminal may see: serial, city, expiry, status.

    \b
    Examples:
      juki card info --reader pcsc:
      juki card info --reader emulator:card.juki --terminal counter --json
    """
    facts = session.facts
    try:
        with session.card(reader) as connection:
            facts |= {"reader": str(reader), **brief_atr(connection.atr)}
            with connection.transaction():
                facts |= public_facts(connection)
            if terminal is not None or authority_password.given:
                password = authority_password.read()
                facts |= _in_session(session, connection, terminal or COUNTER_TERMINAL, password)
    finally:  # what a card said before it left is worth showing, too; in JSON it goes with the error
        if not as_json:
            print_facts({name: _in_words(value) for name, value in facts.items() if name != "kind"}, as_json=False)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))


def public_facts(connection: CardConnection) -> Facts:
    """Return what anybody may see of a card, under the keys of --json; nothing is spent or changed."""
    stack = careful_stack(connection)
    kind = recognise(stack)
    domain = DomainClient(stack, ISSUER_DOMAIN_AID)
    found = domain_selected(stack)
    facts: Facts = {
        **kind,
        "issuer_domain": found,
        "issuer_number": _object(stack, TAG_ISSUER_NUMBER) if found else None,
        "card_number": _object(stack, TAG_CARD_NUMBER) if found else None,
        "production": _object(stack, TAG_PRODUCTION) if found else None,
        "keys": _keys(domain) if found else [],
        "applications": _directory(stack),
    }
    return {**facts, **_juki(stack, ours=kind["kind"] == "jukicard")}


def _juki(stack: CardConnection, *, ours: bool) -> Facts:
    client = JukiClient(stack)
    if not ours or not selected(stack, client.aid):
        return {"juki_application": False, "password_tries_left": None, "certificates": []}
    return {
        "juki_application": True,
        "password_tries_left": _tries(client),
        "certificates": _certificates(client),
    }


def _tries(client: JukiClient) -> int | None:
    try:
        return client.password_tries(PASSWORD)
    except (CardStatusError, MalformedResponse):
        return None


def _object(stack: CardConnection, tag: int) -> str | None:
    found = data_object(stack, tag)
    return None if found is None else found.value.hex().upper()


def _keys(domain: DomainClient) -> list[Facts]:
    try:
        references = domain.key_references()
    except (CardStatusError, MalformedResponse):
        return []
    return [{"kid": f"{kid:02X}", "kvn": f"{kvn:02X}"} for kid, kvn in sorted(references)]


def _directory(stack: CardConnection) -> list[Facts]:
    """Read EF.DIR (ISO/IEC 7816-4, 12.2.2), where the card has one as a transparent file."""
    chosen = answer(stack, CommandAPDU(0x00, 0xA4, 0x00, 0x0C, EF_DIR))
    if chosen is None or not chosen.sw.is_ok:
        return []
    content = b""
    for _ in range(MAX_READS):
        response = answer(stack, CommandAPDU(0x00, 0xB0, *divmod(len(content), 256), ne=ALL))
        if response is None or response.sw.is_error or not response.data:
            break
        content += response.data[:ALL]
    applications: list[Facts] = []
    try:
        for template in parse_tlvs(content, padding=b"\x00\xff"):
            aid, label = find(template.children, 0x4F), find(template.children, 0x50)
            if aid is not None:
                text = None if label is None else harmless(label.value)
                applications.append({"aid": aid.value.hex(" ").upper(), "label": text})
    except TlvError:
        pass  # what could be read of it is shown
    return applications


def _certificates(client: JukiClient) -> list[Facts]:
    """Say whom the certificates of the authentication key and of the channel key are about."""
    try:
        chains = {
            "authentication": client.authentication_certificates(),
            "channel": client.certificates(KID_SCP11A, CHANNEL_KVN),
        }
    except (CardStatusError, MalformedResponse):  # still in personalisation
        return []
    return [{"key": name, **_subject(certificate)} for name, chain in chains.items() for certificate in chain]


def _subject(certificate: bytes) -> Facts:
    try:
        subject = Subject.read(certificate)
    except CertificateProfileError:
        return {"subject": "(unreadable)", "city_code": None, "serial": None}
    named = {"subject": subject.common_name, "city_code": subject.city_code, "serial": subject.serial}
    return {name: None if text is None else harmless(text) for name, text in named.items()}


def _in_session(session: Session, connection: CardConnection, terminal: str, password: str) -> Facts:
    """Read what a terminal may see; no password of the holder's plays a part."""
    with session.authority(password) as authority, connection.transaction():
        today = session.world.today
        dialogue = CardDialogue(authority, connection, session.world.random, today=today, terminal=terminal)
        dialogue.prove_card()
        dialogue.open_channel()
        dialogue.check_card()
    card, status = dialogue.result.card, dialogue.result.status
    if card is None or status is None:
        return {}
    return {
        "serial": card.serial,
        "city_code": card.city_code,
        "expires": iso_date(card.expires),
        "face": card.face,
        "status": status.state.label,
        "moved_to": status.moved_to,
    }


def _in_words(value: object) -> object:
    """Put lists of objects on lines of their own."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return value or (None if isinstance(value, list) else value)
    return "".join("\n    " + "  ".join(str(part) for part in entry.values() if part is not None) for entry in value)
