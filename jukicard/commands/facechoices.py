"""Asking what only a person can decide of a face: the reading for the braille."""

from __future__ import annotations

from collections.abc import Iterator

import click

from jukicard.issuer.faces.braille import Braille, BrailleError, braille, propose
from jukicard.issuer.faces.choices import FaceChoices
from jukicard.issuer.faces.region import Region
from jukicard.issuer.records.resident import ResidentRecord

NO_TERMINAL = (
    "the record wants braille, and there is no terminal to confirm its reading at: look at it with --dry-run or "
    "`juki braille`, and confirm it by --braille-reading KANA"
)


def _region(ctx: click.Context, param: click.Parameter, value: str | None) -> Region | None:
    """Read a part of a picture, written X,Y,W,H."""
    try:
        return None if value is None else Region.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


crop_option = click.option(
    "--photo-crop", metavar="X,Y,W,H", callback=_region, help="Part of the photo to print, in its pixels."
)
braille_option = click.option(
    "--braille-reading", metavar="KANA", help="The confirmed reading for the braille; wins over the record's."
)


def ask_choices(record: ResidentRecord, reading: str | None, photo_crop: Region | None) -> FaceChoices:
    """Return the choices for a record; where braille is not confirmed yet, propose its reading on standard error until
    somebody confirms one.  UsageError without a terminal; RecordError as `FaceChoices.of`.
    """
    choices = FaceChoices.of(record, reading, photo_crop)
    if not record.braille or choices.braille is not None:
        return choices
    proposed, refused = _proposed(record.kana)
    while True:
        _show(proposed, refused)
        default = None if proposed is None else proposed.reading.text
        try:
            confirmed: str = click.prompt("Enter confirms it; else its reading", default=default, err=True)
        except click.Abort as abort:
            if not isinstance(abort.__context__, EOFError):
                raise
            raise click.UsageError(NO_TERMINAL) from None
        if proposed is not None and confirmed == default:
            return FaceChoices(proposed, photo_crop)
        proposed, refused = _proposed(confirmed)


def proposal_facts(record: ResidentRecord, choices: FaceChoices) -> dict[str, object] | None:
    """Return what a dry run says of the braille: None where none is wanted."""
    if not record.braille:
        return None
    if choices.braille is not None:
        return {**sign_facts(choices.braille), "confirmed": True, "refused": None}
    proposed, refused = _proposed(record.kana)
    told: dict[str, object] = {**dict.fromkeys(("reading", "unicode", "brf", "cells")), "notes": []}
    told |= sign_facts(proposed) if proposed else {}
    return {**told, "confirmed": False, "refused": refused}


def sign_facts(written: Braille) -> dict[str, object]:
    """Return a reading, its cells and what has to be looked at, as JSON has them."""
    return {
        "reading": written.reading.text,
        "unicode": written.unicode,
        "brf": written.brf,
        "cells": len(written.unicode),
        "notes": [str(decision) for decision in written.reading.decisions],
    }


def sign_lines(written: Braille) -> Iterator[str]:
    """Yield a reading for the eye: kana over their cells, and what has to be looked at."""
    yield f"reading  {written.reading.text}"
    yield "signs    " + "  ".join(f"{sign.text.strip() or '(blank)'} {sign.cells}" for sign in written.signs)
    yield f"unicode  {written.unicode}"
    yield f"brf      {written.brf}"
    yield f"cells    {len(written.unicode)}"
    for decision in written.reading.decisions:
        yield f"note     {decision}"


def _proposed(kana: str) -> tuple[Braille | None, str | None]:
    """Return the braille of a reading, or why it cannot be embossed."""
    try:
        return braille(propose(kana)).fitting(), None
    except BrailleError as error:
        return None, str(error)


def _show(proposed: Braille | None, refused: str | None) -> None:
    click.echo("The braille (点字) of the name:", err=True)
    for line in sign_lines(proposed) if proposed else (f"refused  {refused}",):
        click.echo(f"  {line}", err=True)
