"""`juki face verify`: whether the face of the card at hand is the one that its chip vouches for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.commands.face import content_of
from jukicard.commands.faceoptions import glyph_images, glyphs_option, template_option
from jukicard.commands.options import day_option, home_option, json_option, print_facts, reader_option
from jukicard.commands.passwords import Source
from jukicard.commands.session import Session, pass_session

if TYPE_CHECKING:
    from jukicard.issuer.counter.faceverification import VerifiedFace
    from jukicard.issuer.faces.look import FaceLook
    from jukicard.reader.spec import ReaderSpec

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_ASKED = {"A": "Reference number: the expiry, 8 digits", "B": "Reference number: expiry and birth date, 14 digits"}


@click.command
@reader_option
@click.option(
    "--face", "printed", type=_FILE, help="The face: its PDF, or a picture (PNG) of the front, cut as the card."
)
@click.option("--reference-file", type=_FILE, help="File (mode 0600) with the reference number (照合番号).")
@click.option("--reference-fd", type=click.IntRange(0), help="Descriptor to read it from.")
@day_option("--today", "The day to judge card and certificates by (else today).")
@template_option
@glyphs_option
@home_option
@json_option
@pass_session
@click.pass_context
def verify(
    ctx: click.Context,
    session: Session,
    reader: ReaderSpec,
    printed: Path | None,
    reference_file: Path | None,
    reference_fd: int | None,
    today: date | None,
    template: str,
    glyphs: Path | None,
    as_json: bool,
) -> None:
    """Verify the face of a card (券面事項確認): its chip, its certificates and its print must say the same.

    The chip gives what it holds of the face to whoever knows the reference number, which follows from the face: the
    expiry as eight digits, on face B with the birth date behind it (two digits for the year of the era, of foreigners
    for the Gregorian one; month; day). The signature is verified, and the chip proves that the record is its own. With
    --face, the print is compared, too. Every difference is told; then the exit code is 1. A wrong number costs one of
    ten tries (exit code 4). No password of the authority is needed.

    \b
    Examples:
      juki face verify --reader pcsc: --face cards/799201000000001.pdf
      juki face verify --reader emulator:cards/799201000000001.juki --reference-file number.txt --json
    """
    from jukicard.issuer.counter.faceverification import FaceVerification
    from jukicard.issuer.faces.look import FaceLook

    look = FaceLook(template, images=glyph_images(glyphs, session.home))
    content = None if printed is None else content_of(printed)

    def number(version: str) -> str:
        return Source("reference", _ASKED[version], reference_file, reference_fd).read().strip()

    ask: Callable[[str], str] = number
    with session.authority(None) as authority, session.card(reader) as connection:
        found = FaceVerification(authority, connection, session.world.random, today or session.world.today).run(ask)
    told = [{"what": d.what, "reason": d.reason} for d in found.disagreements]
    if content is not None:
        told += _print_differences(content, found, look)
    _print(found, told, as_json=as_json)
    ctx.exit(1 if told else 0)


def _print_differences(content: bytes, found: VerifiedFace, look: FaceLook) -> list[dict[str, str]]:
    """Return in what the print differs from the chip."""
    from jukicard.issuer.faces import template as face_template
    from jukicard.issuer.faces.chipmatching import compare_with_chip
    from jukicard.issuer.faces.scanmatching import compare_scan_with_chip, is_picture

    wanted = face_template(look.template)
    if is_picture(content):
        differences = compare_scan_with_chip(content, found.record, wanted)
    else:
        differences = compare_with_chip(content, found.record, wanted, look.images)
    return [{"what": f"printed {d.what}", "reason": d.reason} for d in differences]


def _print(found: VerifiedFace, told: list[dict[str, str]], *, as_json: bool) -> None:
    card, expires = found.card, found.record.expires
    facts: dict[str, object] = {
        "verified": not told,
        "face": found.record.version,
        "serial": None if card is None else card.serial,
        "municipality": found.basic.city_code,
        "expires": f"{expires[:4]}-{expires[4:6]}-{expires[6:]}",
    }
    if as_json:
        print_facts({**facts, "differences": told}, as_json=True)
        return
    for one in told:
        click.echo(f"{one['what']}: {one['reason']}")
    print_facts(facts, as_json=False)
