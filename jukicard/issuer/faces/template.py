"""A face's template: data, so that a city can have its own.  Lengths are millimetres from the upper left corner."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from jukicard.issuer.errors import RuleRefused

BUILT_IN = Path(__file__).parent / "templates"
DEFAULT = "2003"
FIELDS = ("title", "city", "expiry", "name", "contact", "birth", "sex", "address")


class Plane(StrEnum):
    """What is put on a card in one pass, from the bottom to the top: blank stock, pre-print, one person's data, and the
    dots that are raised.
    """

    STOCK = "stock"
    PREPRINT = "preprint"
    PERSONAL = "personal"
    EMBOSS = "emboss"

    @property
    def is_ink(self) -> bool:
        """Whether it is printed; what is not, a printer must not print."""
        return self is not Plane.EMBOSS


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, drawn on the versions that it names ("A", "B" or "AB"); `plane` says when it is printed."""

    versions: str = "AB"

    plane: ClassVar[Plane | None] = Plane.PERSONAL
    """None: on no plane, but whatever is printed."""


@dataclass(frozen=True, slots=True)
class Fill(Layer):
    """A ground of one colour (#RRGGBB)."""

    colour: str = "#FFFFFF"

    plane: ClassVar[Plane | None] = Plane.STOCK


@dataclass(frozen=True, slots=True)
class Waves(Layer):
    """A pre-printed pattern of fine waves, in two colours that shift into each other."""

    colour: str = "#C8D8C0"
    second: str = "#D8C8D8"
    lines: int = 40
    height: float = 2.0

    plane: ClassVar[Plane | None] = Plane.PREPRINT


@dataclass(frozen=True, slots=True)
class Note(Layer):
    """Words that are the same on every card, one paragraph for each line of `text`, from (x, y) down; sizes in points.

    `align` is left or centre.
    """

    text: str = ""
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    size: float = 5.0
    colour: str = "#303030"
    align: str = "left"

    plane: ClassVar[Plane | None] = Plane.PREPRINT


@dataclass(frozen=True, slots=True)
class Panel(Layer):
    """A white field with a frame, ruled into `rows`: the space for amendments (追記領域)."""

    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    rows: int = 1
    colour: str = "#8A8A8A"
    ground: str = "#FFFFFF"

    plane: ClassVar[Plane | None] = Plane.PREPRINT


@dataclass(frozen=True, slots=True)
class Text(Layer):
    """A field in its box, with a label before it if there is one; sizes in points.

    `align` is left or centre; `centred`: the lines stand in the middle of the box's height, not at its top.
    """

    field: str = ""
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    size: float = 8.0
    least: float = 5.0
    label: str = ""
    label_width: float = 0.0
    label_size: float = 5.5
    colour: str = "#101010"
    align: str = "left"
    centred: bool = True


@dataclass(frozen=True, slots=True)
class Photo(Layer):
    """The place of the photo: by law 20 mm high and 16 mm wide."""

    x: float = 0.0
    y: float = 0.0
    width: float = 16.0
    height: float = 20.0


@dataclass(frozen=True, slots=True)
class Code(Layer):
    """The place of the two-dimensional code (QR)."""

    x: float = 0.0
    y: float = 0.0
    width: float = 9.0


@dataclass(frozen=True, slots=True)
class Emboss(Layer):
    """The place of the braille: the middle of the first cell's first dot, and the pitches of dots and cells.

    `dot` is a dot's diameter at its foot.  `emboss` says between what the pitches may lie.
    """

    x: float = 17.0
    y: float = 41.05
    dot_pitch: float = 2.2
    cell_pitch: float = 5.4
    dot: float = 1.4

    plane: ClassVar[Plane | None] = Plane.EMBOSS


@dataclass(frozen=True, slots=True)
class Specimen(Layer):
    """Words across the card, so that nobody takes it for a valid one."""

    text: str = "見本 SPECIMEN"
    size: float = 30.0
    angle: float = 22.0
    colour: str = "#C03030"
    strength: float = 0.22

    plane: ClassVar[Plane | None] = None


@dataclass(frozen=True, slots=True)
class Template:
    """A whole face: the card's measures in mm, the front's layers, the back's, and the back's box for what is left
    over.
    """

    name: str
    width: float
    height: float
    corner: float
    layers: tuple[Layer, ...]
    back: Text
    back_layers: tuple[Layer, ...] = ()


_KINDS: Mapping[str, type[Layer]] = {
    "fill": Fill,
    "waves": Waves,
    "note": Note,
    "panel": Panel,
    "text": Text,
    "photo": Photo,
    "code": Code,
    "emboss": Emboss,
    "specimen": Specimen,
}
_BACK_KINDS = {name: kind for name, kind in _KINDS.items() if kind.plane not in (Plane.PERSONAL, Plane.EMBOSS)}


def template(name: str = DEFAULT) -> Template:
    """Return a built-in template by its name, or that of a TOML file.  RuleRefused says what is wrong with it."""
    built_in = BUILT_IN / f"{name}.toml"
    path = built_in if "/" not in name and built_in.exists() else Path(name)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in BUILT_IN.glob("*.toml")))
        raise RuleRefused(f"there is no face template {name!r}: name a file, or one of {known}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RuleRefused(f"face template {path.name}: {error}") from None
    return _template(path.stem, content)


def _template(name: str, content: dict[str, Any]) -> Template:
    def refuse(why: str) -> RuleRefused:
        return RuleRefused(f"face template {name}: {why}")

    unknown = content.keys() - {"card", "layer", "back", "back_layer"}
    if unknown:
        raise refuse(f"unknown {', '.join(sorted(unknown))}")
    card = content.get("card", {})
    if card.keys() != {"width", "height", "corner"} or not all(_is_length(value) for value in card.values()):
        raise refuse("[card] has width, height and corner, in mm")
    front = _layers(content.get("layer", []), _KINDS, refuse, "layer")
    # Without layers of its own, the back has the front's ground and its words across.
    grounds = tuple(layer for layer in front if isinstance(layer, (Fill, Specimen)))
    behind = _layers(content.get("back_layer", []), _BACK_KINDS, refuse, "back_layer") or grounds
    back = _layer(Text, content.get("back", {}), refuse, "[back]")
    if not isinstance(back, Text):
        raise refuse("[back] is a text box")
    width, height, corner = (float(card[key]) for key in ("width", "height", "corner"))
    return Template(name, width, height, corner, front, back, behind)


def _layers(
    entries: list[dict[str, Any]],
    kinds: Mapping[str, type[Layer]],
    refuse: Callable[[str], RuleRefused],
    where: str,
) -> tuple[Layer, ...]:
    layers = []
    for number, entry in enumerate(entries, 1):
        kind = kinds.get(str(entry.get("kind")))
        if kind is None:
            raise refuse(f"{where} {number}: its kind is one of {', '.join(kinds)}")
        layers.append(_layer(kind, {k: v for k, v in entry.items() if k != "kind"}, refuse, f"{where} {number}"))
    return tuple(layers)


def _layer(kind: type[Layer], entry: dict[str, Any], refuse: Callable[[str], RuleRefused], where: str) -> Layer:
    """Make a layer from its table: every key known, every value of the kind of its default."""
    defaults = {f.name: f.default for f in fields(kind) if f.default is not MISSING}
    for key, value in entry.items():
        if key not in defaults:
            raise refuse(f"{where}: unknown {key!r}")
        default = defaults[key]
        good = _is_length(value) if isinstance(default, float) else type(value) is type(default)
        if not good:
            wanted = "a number" if isinstance(default, float) else f"of type {type(default).__name__}"
            raise refuse(f"{where}: {key} is {wanted}")
        if key in ("colour", "second", "ground") and not _is_colour(value):
            raise refuse(f"{where}: a colour is #RRGGBB")
    layer = kind(**entry)
    if layer.versions not in ("A", "B", "AB"):
        raise refuse(f"{where}: versions is A, B or AB")
    if isinstance(layer, Text) and where != "[back]" and layer.field not in FIELDS:
        raise refuse(f"{where}: field is one of {', '.join(FIELDS)}")
    return layer


def _is_length(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1000 < value < 1000


def _is_colour(value: str) -> bool:
    digits = value.removeprefix("#")
    return len(value) == 7 and len(digits) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
