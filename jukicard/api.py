"""The public functions of the package; `jukicard` itself exports them, and docs/api.md explains them.

What is here opens readers, asks the real clock and the real randomness: it is an edge, as the command line is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from jukicard.commands import issuing
from jukicard.commands.atrs import brief_atr
from jukicard.commands.cardinfo import public_facts
from jukicard.commands.faceoptions import glyph_images
from jukicard.commands.session import Session, World
from jukicard.iso7816.connection import CardConnection, ConnectionWrapper
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter import handover as handing
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL, Authentication, CardDialogue, Report
from jukicard.issuer.counter.authentication import authenticate as go_through
from jukicard.issuer.counter.lifecycle import Change, Outcome
from jukicard.issuer.counter.lifecycle import change_card as carry_out
from jukicard.issuer.faces.choices import FaceChoices
from jukicard.issuer.faces.look import DEFAULT_TEMPLATE, FaceLook
from jukicard.issuer.faces.region import Region
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.records.resident import Face, RecordRules, ResidentRecord, load_json
from jukicard.issuer.records.table import load_csv
from jukicard.reader.cardfile import WrongPassphrase, card_id_of, is_exported
from jukicard.reader.spec import EmulatorSpec, parse_spec

PathLike = str | os.PathLike[str]

_WORLD = World()


class Reader(ConnectionWrapper):
    """A card in a reader: a CardConnection and a context manager, which `open_reader` makes."""

    def __init__(self, inner: CardConnection, spec: str) -> None:
        super().__init__(inner)
        self.spec = spec

    def __repr__(self) -> str:
        return f"Reader({self.spec!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """What `issue` has made: serial, last day, the card file (None for a chip in a reader), and the face's files.

    A file that was not made is None: a face's back is only there if something had to go there.
    """

    serial: str
    expires: date
    card: Path | None
    face_pdf: Path | None = None
    face_png: Path | None = None
    face_back_png: Path | None = None
    face_json: Path | None = None


def open_reader(
    spec: str,
    *,
    home: PathLike | None = None,
    storage_key: PathLike | None = None,
    passphrase_file: PathLike | None = None,
) -> Reader:
    """Connect to the card at `spec`: `emulator:PATH`, `emulator:PATH+contactless`, `pcsc:NAME` or `pcsc:`.

    A card file's key comes from `storage_key` (a key file, mode 0600), else from the authority's `home`, else from
    JUKI_HOME or the platform's place; an exported card's from its passphrase, in `passphrase_file` (mode 0600).
    Nobody is ever asked.  Raises ReaderSpecError, TransportError (NoReader, NoCard, …), CardFileError
    (WrongPassphrase, also where there is no `passphrase_file`), HomeDamaged.
    """
    place = parse_spec(spec)
    if passphrase_file is None and isinstance(place, EmulatorSpec) and is_exported(card_id_of(place.path)):
        raise WrongPassphrase(str(place.path), "an exported card opens with its passphrase_file only")
    session = Session(
        _WORLD,
        home_given=_path(home),
        storage_key_file=_path(storage_key),
        passphrase_file=_path(passphrase_file),
    )
    try:
        return Reader(session.connect(place), spec)
    except click.UsageError as error:  # the passphrase's file is not private, or holds none
        raise WrongPassphrase(str(passphrase_file), error.message) from error


def authenticate(
    reader: CardConnection,
    authority: Authority,
    password: str,
    *,
    terminal: str = COUNTER_TERMINAL,
    today: date | None = None,
    report: Report = lambda proof: None,
) -> Authentication:
    """Let card, terminal and holder prove themselves to each other, and read the resident code.

    `authority` is open with its password, `terminal` one of its terminals, `password` the holder's four digits.
    `report` is called with each step's proof.  Returns only if everything holds; else raises AuthenticationFailed
    (`step` and `reason`), CardRefused, PasswordWrong (`tries_left`), PasswordBlocked, or another HostError or
    IssuerError.
    """
    return go_through(_dialogue(reader, authority, terminal, today, report), password)


def hand_over(
    reader: CardConnection,
    authority: Authority,
    password: str,
    *,
    terminal: str = COUNTER_TERMINAL,
    today: date | None = None,
) -> CardState:
    """Set the four digits that the holder has chosen: the card becomes active.  Return its state in the books.

    ValueError for other than four digits; CardRefused where books or card say that it does not await its handover.
    """
    if not (len(password) == 4 and password.isascii() and password.isdigit()):
        raise ValueError("the password has four digits")
    dialogue = _dialogue(reader, authority, terminal, today)
    return handing.hand_over(authority, dialogue, lambda: password, _WORLD.now)


def change_card(
    serial: str,
    change: Change | str,
    authority: Authority,
    *,
    reader: CardConnection | None = None,
    reason: str | None = None,
    terminal: str = COUNTER_TERMINAL,
) -> Outcome:
    """Carry out a `change` (`suspend`, `resume`, `void`) in the books, and on the chip if it is in the `reader`.

    Raises RuleRefused where the card's status does not allow it, CardRefused for another card in the reader.
    """
    dialogue = None if reader is None else _dialogue(reader, authority, terminal, None)
    return carry_out(authority, serial, Change(change), _WORLD.now, reason=reason, dialogue=dialogue)


def read_public(reader: CardConnection) -> dict[str, object]:
    """Read what anybody may see of a card, whosever it is: the facts of `juki card info --json`, under its keys.

    No try is spent, and nothing is changed.
    """
    with reader.transaction():
        return {**brief_atr(reader.atr), **public_facts(reader)}


def load_record(
    path: PathLike,
    authority: Authority,
    *,
    row: int | None = None,
    face: Face | str | None = None,
    photo: PathLike | None = None,
    issued_on: date | None = None,
) -> ResidentRecord:
    """Read a resident's record from a JSON file, or row `row` (from 1) of a CSV file, and check it for this authority.

    `face` and `photo` win over the record's own.  Raises RecordError, which names each field and why.
    """
    rules = RecordRules(
        issued_on or _WORLD.today,
        authority.city.code,
        None if face is None else Face(face),
        _path(photo),
    )
    file = Path(path)
    return load_csv(file, rules, row) if file.suffix.lower() == ".csv" else load_json(file, rules)


def issue(
    record: ResidentRecord,
    authority: Authority,
    *,
    out: PathLike | None = None,
    reader: CardConnection | None = None,
    services: Iterable[str] = (),
    issued_on: date | None = None,
    template: str = DEFAULT_TEMPLATE,
    braille_reading: str | None = None,
    photo_crop: tuple[int, int, int, int] | None = None,
) -> IssuedCard:
    """Issue a card: of the blank chip in `reader`, or without one, in a new card file in the folder `out`.

    The face's files (PDF, PNG, JSON) are written into `out`, if it is named; `template` is the face's, by name or file.
    A record that wants braille needs `braille_reading`, its reading in kana, confirmed by a person, unless it has one
    itself; `photo_crop` (x, y, width, height in pixels) is the part of the photo to print.
    `authority` is open with its password.  `services` are the municipal ones that the holder wants, by name.  The card
    is then locked, until `hand_over`.  An issue that was interrupted is resumed by calling this again.
    ValueError for no place; RecordError, RuleRefused, CardSpoilt, TransportError, CardFileError.
    """
    folder, path = _path(out), None
    session = Session(_WORLD, home_given=authority.home)
    choices = FaceChoices.of(record, braille_reading, photo_crop and Region(*photo_crop))
    look = FaceLook(template, images=glyph_images(None, authority.home))
    wished = issuing.wish(session, authority, record, tuple(services), issued_on or _WORLD.today, look, choices)
    if reader is not None:
        state = issuing.onto(session, authority, wished, reader, issuing.Watch(), folder)
    elif folder is not None:
        state, path = issuing.into_folder(session, authority, wished, folder, issuing.Watch())
    else:
        raise ValueError("where shall the card be made? In the folder `out`, or of the chip in `reader`")
    return IssuedCard(state.serial, state.expires, path, **issuing.face_files(state, folder))


def _path(given: PathLike | None) -> Path | None:
    return None if given is None else Path(given)


def _dialogue(
    reader: CardConnection,
    authority: Authority,
    terminal: str,
    today: date | None,
    report: Report = lambda proof: None,
) -> CardDialogue:
    day = today or _WORLD.today
    return CardDialogue(authority, reader, _WORLD.random, today=day, terminal=terminal, report=report)
