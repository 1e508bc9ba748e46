"""What a user chooses about a library, and what the library remembers of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facecluster.identity.gate import Limits, VideoRule

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.durable.links import Link
    from facecluster.identity.rules import Rules, SamePhotoRule
    from facecluster.options import EncodeOptions
    from facecluster.result import ResultSettings
    from facecluster.table import Settings

LINK: Link = "auto"
"""How the folders of a new library hold photos."""
_LINK_BEFORE: Link = "copy"
"""How those of a library do that does not say it: the default of its time."""


@dataclass(frozen=True)
class Choices:
    """What a user chooses about clustering and folders. None: what the library was made with last, else the default.

    Attributes:
        min_images, min_size_px, max_angle_deg, min_quality: see `identity.gate.Limits`.
        gate, min_samples, same_photo, video: see `identity.rules.Rules`.
        eps: see `identity.rules.Rules.make`; it belongs to one encoder, and is not remembered for another.
        link: how the folders hold photos.
    """

    min_images: int | None = None
    min_size_px: float | None = None
    max_angle_deg: float | None = None
    min_quality: float | None = None
    gate: bool | None = None
    eps: float | None = None
    min_samples: int | None = None
    same_photo: SamePhotoRule | None = None
    video: VideoRule | None = None
    link: Link | None = None


@dataclass(frozen=True)
class Chosen:
    """What a library is made with.

    Attributes:
        rules: of clustering.
        eps: as the user chose it; None: the default of the encoder.
        link: how the folders hold photos.
        remembered: choices of last time that are not the defaults, by name of the field of `Choices`, and of a run also
            of `EncodeOptions`.
    """

    rules: Rules
    eps: float | None
    link: Link
    remembered: dict[str, Any]


def choose(choices: Choices, earlier: ResultSettings | None, encoder: str) -> Chosen:
    """Fill in what is not chosen: what the library was made with, else the default.

    Args:
        choices: of the user, now.
        earlier: of the library; None: it is new.
        encoder: of the faces.

    Raises:
        TableError: an encoder nobody knows.
    """
    from facecluster.identity.rules import Rules

    default = usual()
    before = default if earlier is None else _before(earlier, encoder)
    given = {field.name: getattr(choices, field.name) for field in fields(Choices)}
    used = {name: before[name] if value is None else value for name, value in given.items()}
    remembered = {
        name: before[name] for name, value in given.items() if value is None and before[name] != default[name]
    }
    limits = Limits(used["min_images"], used["min_size_px"], used["max_angle_deg"], used["min_quality"])
    rules = Rules.make(
        encoder,
        limits=limits,
        gate=used["gate"],
        eps=used["eps"],
        min_samples=used["min_samples"],
        same_photo=used["same_photo"],
        video=used["video"],
    )
    return Chosen(rules, used["eps"], used["link"], remembered)


def usual() -> dict[str, Any]:
    """The defaults, by field of `Choices`."""
    limits = Limits()
    return {
        **vars(limits),
        "gate": True,
        "eps": None,
        "min_samples": None,
        "same_photo": "prefer",
        "video": "join",
        "link": LINK,
    }


def _before(earlier: ResultSettings, encoder: str) -> dict[str, Any]:
    """What a library was made with, by field of `Choices`."""
    from facecluster.identity.rules import MIN_SAMPLES

    used = usual()
    used["link"] = earlier.link or _LINK_BEFORE
    if earlier.rules is not None:
        rules = earlier.rules
        used |= vars(rules.limits)
        used |= {"gate": rules.gate, "same_photo": rules.same_photo, "video": rules.video}
        used["min_samples"] = None if rules.min_samples == MIN_SAMPLES else rules.min_samples
        used["eps"] = earlier.eps if earlier.faces.encoder == encoder else None
    return used


def encoding_of(chosen: dict[str, Any], earlier: Settings | None) -> EncodeOptions:
    """Fill in what is not chosen about encoding: what the face table of the library was made with, else the default.

    Args:
        chosen: fields of `EncodeOptions` that the user gave.
        earlier: of the table; None: there is none, or it is to be forgotten.

    Raises:
        TableError: its detector or encoder is not known here.
    """
    from facecluster.options import EncodeOptions, remembered_options

    before = {} if earlier is None else vars(remembered_options(earlier))
    return EncodeOptions(**before | chosen)


def remembered_encoding(chosen: dict[str, Any], earlier: Settings | None) -> dict[str, Any]:
    """Say what `encoding_of` takes from the face table that is not the default, by field of `EncodeOptions`."""
    usual, used = vars(encoding_of({}, None)), vars(encoding_of(chosen, earlier))
    return {name: value for name, value in used.items() if name not in chosen and value != usual[name]}


def settings_in(output: Path | None) -> Settings | None:
    """Read what a face table was made with; None where there is no table that can be read."""
    from facecluster.errors import TableError
    from facecluster.formats import face_table

    if output is None or not output.is_file():
        return None
    try:
        return face_table.read_settings(output)
    except TableError:
        return None  # who writes it says why
