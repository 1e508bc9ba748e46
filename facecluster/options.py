"""What a user may choose about encoding, and the settings of a table that is made so."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace

from facecluster import __version__
from facecluster.errors import TableError
from facecluster.identity.check import PRESETS
from facecluster.table import QUALITY, Settings
from facecluster.vision import attributes, detect, encode, models

_MODELS = {
    "yunet": ("yunet",),
    "cnn": ("dlib-mmod",),
    "hog": (),
    "sface": ("sface",),
    "dlib": ("dlib-resnet", "dlib-5point"),
}
"""Weight files by detector and encoder; the mesh's is always needed, those of `attributes.MODELS` on request."""

_LIBRARIES = ("numpy", "Pillow", "pillow-heif", "opencv-python-headless", "onnxruntime", "dlib-bin")
"""Which do the arithmetic."""


@dataclass(frozen=True)
class EncodeOptions:
    """What a user may choose about encoding; every field changes the numbers.

    Attributes:
        detector: one of `detect.DETECTORS`.
        encoder: one of `encode.ENCODERS`.
        min_face: smaller faces are dropped, in pixels of the photo at full size.
        max_side: long side of the analysis in pixels; 0 is full size, None the detector's own rule.
        upsample: how often dlib's detectors double the picture first.
        mirror: encode the mean of a face and its mirror image.
        attributes: estimate age and gender, see `vision.attributes`.
        check: one of `identity.check.PRESETS`, which a face must pass to be in the table; None: all are.
        truncated: look for faces in what is there of photos of which a part is missing.
    """

    detector: str = "yunet"
    encoder: str = "sface"
    min_face: float = detect.MIN_FACE_PX
    max_side: int | None = None
    upsample: int = detect.UPSAMPLE
    mirror: bool = False
    attributes: bool = False
    check: str | None = None
    truncated: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a choice that is none."""
        for name, known in (
            ("detector", detect.DETECTORS),
            ("encoder", encode.ENCODERS),
            ("check", (None, *PRESETS)),
        ):
            if getattr(self, name) not in known:
                choices = ", ".join(map(str, known))
                raise ValueError(f"{name}: expected one of {choices}; got {getattr(self, name)!r}")

    def settings(self) -> Settings:
        """What a table made with these options was made with."""
        check: dict[str, str] = {}
        if self.check is not None:
            limits = ", ".join(f"{name} {limit}" for name, limit in PRESETS[self.check].items())
            check = {"check": self.check, "check-limits": limits}
        return Settings(
            detector=self.detector,
            encoder=self.encoder,
            options={
                "min-face": self.min_face,
                "max-side": self.max_side,
                "upsample": None if self.detector == "yunet" else self.upsample,
                "mirror": self.mirror,
                "quality": QUALITY,
                **({"attributes": True} if self.attributes else {}),
                **({"truncated": True} if self.truncated else {}),
                **check,
            },
            models={name: models.sha256(name) for name in self.models()},
            versions={"facecluster": __version__} | {name: _version(name) for name in _LIBRARIES},
        )

    def models(self) -> tuple[str, ...]:
        """Names of the weight files that are needed."""
        wanted = attributes.MODELS if self.attributes else ()
        return ("mesh", *_MODELS[self.detector], *_MODELS[self.encoder], *wanted)


def options_of(settings: Settings) -> EncodeOptions:
    """Give the options that find and encode faces as those of a table; the default of what it does not say.

    What else a table may have, a check and attributes, is not among them.

    Raises:
        TableError: its detector or encoder is not known here.
    """
    usual, given = EncodeOptions(), settings.options
    for what, name, known in (
        ("detector", settings.detector or usual.detector, detect.DETECTORS),
        ("encoder", settings.encoder, encode.ENCODERS),
    ):
        if name not in known:
            raise TableError(f"its {what} {name!r} is not known here; run encode again")
    upsample = given.get("upsample")
    return EncodeOptions(
        detector=settings.detector or usual.detector,
        encoder=settings.encoder,
        min_face=float(given.get("min-face", usual.min_face) or 0),
        max_side=given.get("max-side"),  # type: ignore[arg-type]
        upsample=usual.upsample if upsample is None else int(upsample),
        mirror=bool(given.get("mirror", usual.mirror)),
        truncated=bool(given.get("truncated", usual.truncated)),
    )


def remembered_options(settings: Settings) -> EncodeOptions:
    """Give all options of a table, with its check and attributes.

    Raises:
        TableError: its detector or encoder is not known here.
    """
    check = settings.options.get("check")
    return replace(
        options_of(settings),
        attributes=bool(settings.options.get("attributes")),
        check=str(check) if check in PRESETS else None,
    )


def _version(library: str) -> str:
    """The version of an installed library; unknown where another package provides it."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
