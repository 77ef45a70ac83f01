"""Options that say how a face looks and in which form it is printed, for every command that has to do with faces."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from jukicard.commands.session import Session
from jukicard.issuer.faces.look import DEFAULT_TEMPLATE, FaceLook

if TYPE_CHECKING:
    from jukicard.issuer.faces.glyphimages import GlyphImages
    from jukicard.issuer.faces.pages import PrintForm
    from jukicard.issuer.faces.template import Plane

F = TypeVar("F", bound=Callable[..., Any])

GLYPHS_FOLDER = "glyphs"
"""Where a home has its glyph images (外字)."""
PLANES = ("stock", "preprint", "personal", "emboss")


template_option = click.option(
    "--template", metavar="NAME", default=DEFAULT_TEMPLATE, show_default=True, help="Face template or file."
)
glyphs_option = click.option(
    "--glyphs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of glyph images (外字), U+E000.png and so on (else the home's).",
)
layers_option = click.option(
    "--layers",
    type=click.Choice(PLANES),
    multiple=True,
    help="Only this layer of the face: on pre-printed cards, personal. Repeatable. (Else all.)",
)


def look_options(function: F) -> F:
    """Add how one card's face looks: --template, --glyphs, --layers, --marks, --dpi; the command gets the `look`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **values: Any) -> Any:
        template, glyphs, layers = values.pop("template"), values.pop("glyphs"), values.pop("layers")
        if layers and "personal" not in layers:
            raise click.UsageError("a card's face has its personal layer: name it too, or print with juki face print")
        form = print_form(layers, marks=values.pop("marks"))
        look = FaceLook(template, int(values.pop("dpi")), glyph_images(glyphs, _home()), form)
        return function(*args, look=look, **values)

    decorated: Any = wrapper
    for option in (
        click.option("--dpi", type=click.Choice(["300", "600"]), default="300", show_default=True, help="Of pictures."),
        click.option("--marks", is_flag=True, help="The face with 3 mm of bleed and crop marks."),
        layers_option,
        glyphs_option,
        template_option,
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def bulk_look_options(function: F) -> F:
    """Add how many cards' faces look: --template, --glyphs, --png; the command gets the `look`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **values: Any) -> Any:
        template, glyphs, png = values.pop("template"), values.pop("glyphs"), values.pop("png")
        look = FaceLook(template, 300 if png else None, glyph_images(glyphs, _home()))
        return function(*args, look=look, **values)

    png_option = click.option("--png", is_flag=True, help="Make pictures of the faces too (300 dots per inch).")
    return template_option(glyphs_option(png_option(wrapper)))  # type: ignore[return-value]


def _home() -> Path:
    return click.get_current_context().ensure_object(Session).home


def planes(layers: tuple[str, ...]) -> tuple[Plane, ...]:
    """Return the planes of --layers, in the order in which they are printed; all where none is named."""
    from jukicard.issuer.faces.template import Plane

    return tuple(plane for plane in Plane if not layers or plane.value in layers)


def print_form(layers: tuple[str, ...], *, marks: bool) -> PrintForm:
    """Return the form of --layers and --marks."""
    from jukicard.issuer.faces.pages import Marks, PrintForm

    return PrintForm(planes(layers), Marks.CROP if marks else Marks.NONE)


def glyph_images(given: Path | None, home: Path) -> GlyphImages | None:
    """Open the glyph images of --glyphs, else of the home, if it has any.  RuleRefused."""
    folder = given or home / GLYPHS_FOLDER
    if given is None and not folder.is_dir():
        return None
    from jukicard.issuer.faces.glyphimages import GlyphImages

    return GlyphImages(folder)


def complete_printers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a printer."""
    from jukicard.issuer.faces.spooling import printers

    return [CompletionItem(name) for name in printers() if name.startswith(incomplete)]


def printer_option(*, required: bool) -> Callable[[F], F]:
    """Add --printer."""
    return click.option(
        "--printer",
        metavar="NAME",
        required=required,
        shell_complete=complete_printers,
        help="Print on this printer of the system's (CUPS).",
    )
