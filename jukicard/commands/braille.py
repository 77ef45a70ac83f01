"""`juki braille`: a name in braille, for the eye of whoever has to confirm it."""

from __future__ import annotations

import json

import click

from jukicard.commands.facechoices import sign_facts, sign_lines
from jukicard.commands.faceoptions import template_option
from jukicard.commands.options import json_option
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.faces import template as face_template
from jukicard.issuer.faces.braille import Braille, BrailleError, propose
from jukicard.issuer.faces.braille import braille as write
from jukicard.issuer.faces.emboss import emboss_dots
from jukicard.issuer.records.resident import Face


@click.command
@click.argument("kana", nargs=-1, required=True)
@click.option("--face", type=click.Choice([face.value for face in Face]), default="A", show_default=True, help="Face.")
@template_option
@json_option
def braille(kana: tuple[str, ...], face: str, template: str, as_json: bool) -> None:
    """Show a name in braille, as a card would have it.

    KANA is the reading, a blank between family and given name. Shown are the reading for braille, with long vowels
    as they are written there (タロウ becomes タロー), its cells as Unicode and as BRF, and the dots in mm from the
    upper left corner of the card. A | before ウ says that it begins another part of the name: コ|ウラ.

    \b
    Examples:
      juki braille ジュウキ タロウ
      juki braille イノウエ キヨシ --face B --template 2009 --json
    """
    try:
        written = write(propose(" ".join(kana))).fitting()
    except BrailleError as error:
        raise RuleRefused(f"braille: {error}") from None
    dots = [[dot.x, dot.y] for dot in emboss_dots(written, face_template(template), Face(face))]
    if as_json:
        click.echo(json.dumps({**sign_facts(written), "dots": dots}, ensure_ascii=False, indent=2))
        return
    for line in sign_lines(written):
        click.echo(line)
    _print_dots(written, dots)


def _print_dots(written: Braille, dots: list[list[float]]) -> None:
    """Print where the dots are, a line for each cell that has any."""
    left = iter(dots)
    for number, character in enumerate(written.unicode, 1):
        places = [next(left) for _ in range((ord(character) - 0x2800).bit_count())]
        if places:
            click.echo(f"dots {number:2}  {character}  " + "  ".join(f"{x:.2f},{y:.2f}" for x, y in places))
