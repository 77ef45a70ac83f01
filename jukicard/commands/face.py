"""`juki face`: cards' faces on sheets, on printers, and read back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.commands.facechoices import braille_option, crop_option
from jukicard.commands.faceoptions import (
    glyph_images,
    glyphs_option,
    layers_option,
    planes,
    printer_option,
    template_option,
)
from jukicard.commands.options import home_option, json_option, print_facts
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.faces.look import FaceLook

if TYPE_CHECKING:
    from jukicard.issuer.faces.region import Region

FACES = click.argument(
    "faces", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FACE..."
)
MAX_PDF = 1 << 25


@click.command
@FACES
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The PDF to write.")
@layers_option
@json_option
def sheet(faces: tuple[Path, ...], out: Path, layers: tuple[str, ...], as_json: bool) -> None:
    """Put faces on sheets of A4, ten on each, with cut marks, for an office's printer.

    Each FACE is a card's PDF, or a folder whose PDFs of cards are all taken. Fronts and backs take turns; print them
    on both sides, turned over the long edge, in their own size (100 %).

    \b
    Examples:
      juki face sheet cards --out sheet.pdf
      juki face sheet cards/799201000000001.pdf --layers personal --out sheet.pdf
    """
    from jukicard.issuer.faces.imposing import COLUMNS, ROWS
    from jukicard.issuer.faces.imposing import sheet as imposed
    from jukicard.issuer.files import write_atomically

    files = _files(faces)
    write_atomically(out, imposed([content_of(file) for file in files], planes(layers)))
    facts = {"sheet": str(out), "cards": len(files), "sheets": -(-len(files) // (COLUMNS * ROWS))}
    print_facts(facts, as_json=as_json)


@click.command("print")
@FACES
@printer_option(required=True)
@layers_option
@click.option("--sheet", "on_sheets", is_flag=True, help="On sheets of A4, both sides, instead of card by card.")
@json_option
def print_(faces: tuple[Path, ...], printer: str, layers: tuple[str, ...], on_sheets: bool, as_json: bool) -> None:
    """Print faces on a printer of the system's (CUPS): card by card, or on sheets of A4.

    Each FACE is a card's PDF, or a folder whose PDFs of cards are all taken.

    \b
    Examples:
      juki face print cards/799201000000001.pdf --printer cards --layers personal
      juki face print cards --sheet --printer office
    """
    from jukicard.issuer.faces import imposing
    from jukicard.issuer.faces.spooling import check_printer, spool

    check_printer(printer)
    files, chosen = _files(faces), planes(layers)
    contents = [content_of(file) for file in files]
    if on_sheets:
        prints = {"faces": imposing.sheet(contents, chosen)}
        options = ["media=A4", "sides=two-sided-long-edge"]
    else:
        prints = {file.stem: imposing.selected(pdf, chosen) for file, pdf in zip(files, contents, strict=True)}
        options = []
    jobs = []
    with tempfile.TemporaryDirectory(prefix="juki-print-") as folder:
        for name, pdf in prints.items():
            path = Path(folder) / f"{name}.pdf"
            path.write_bytes(pdf)
            jobs.append(spool(path, printer, name, *options))
    print_facts({"printer": printer, "cards": len(files), "jobs": jobs}, as_json=as_json)


@click.command
@click.argument("record", type=click.Path(path_type=Path))
@click.argument("pdf", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--row", type=click.IntRange(1), help="Which resident of a CSV file, 1 being the first.")
@click.option("--photo", type=click.Path(path_type=Path), help="Photo for face B; wins over the record's.")
@crop_option
@braille_option
@click.option("--serial", metavar="SERIAL", help="The card (else by the PDF's name).")
@template_option
@glyphs_option
@home_option
@json_option
@pass_session
@click.pass_context
def check(
    ctx: click.Context,
    session: Session,
    record: Path,
    pdf: Path,
    row: int | None,
    photo: Path | None,
    photo_crop: Region | None,
    braille_reading: str | None,
    serial: str | None,
    template: str,
    glyphs: Path | None,
    as_json: bool,
) -> None:
    """Read a face's PDF back and compare it with the resident's record, glyph by glyph.

    The card's expiry and version of the face are the books'. Exit code 1 if something differs. Give --photo-crop and
    --braille-reading as they were given when it was issued.

    \b
    Examples:
      juki face check examples/residents/taro.json cards/799201000000001.pdf
      juki face check residents.csv --row 7 card.pdf --serial 799201000000007 --template 2009
    """
    from jukicard.commands.records import read_record
    from jukicard.issuer.faces import face_data
    from jukicard.issuer.faces import template as face_template
    from jukicard.issuer.faces.choices import FaceChoices
    from jukicard.issuer.faces.matching import compare_face
    from jukicard.issuer.records.resident import Face, RecordRules

    look = FaceLook(template, images=glyph_images(glyphs, session.home))
    number = serial or pdf.stem
    content = content_of(pdf)
    with session.authority(None) as authority:
        card = authority.ledger.card(number)
        rules = RecordRules(card.issued_on, authority.city.code, Face(card.face), photo, glyph_images=look.characters)
        resident = read_record(record, row, rules)
        choices = FaceChoices.confirmed(resident, braille_reading, photo_crop)
        data = choices.applied(face_data(resident, authority.city, card.expires))
    differences = compare_face(content, data, face_template(look.template), look.images)
    if as_json:
        told = [{"kind": d.kind.value, "side": d.side, "what": d.what, "reason": d.reason} for d in differences]
        print_facts({"serial": number, "matched": not differences, "differences": told}, as_json=True)
    else:
        for difference in differences:
            click.echo(difference)
        if not differences:
            print_facts({"serial": number, "matched": True}, as_json=False)
    ctx.exit(1 if differences else 0)


def _files(faces: tuple[Path, ...]) -> list[Path]:
    """Return the PDFs that are named, and those of the cards in the folders that are."""
    found: list[Path] = []
    for face in faces:
        found += sorted(face.glob("[0-9]*.pdf")) if face.is_dir() else [face]
    if not found:
        raise click.UsageError("there is no card's PDF in the folder")
    return found


def content_of(file: Path) -> bytes:
    """Return what is in a face's file.  UsageError for one that is too large."""
    with file.open("rb") as opened:
        content = opened.read(MAX_PDF + 1)
    if len(content) > MAX_PDF:
        raise click.UsageError(f"{file} is too large for a card's face")
    return content
