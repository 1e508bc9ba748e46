"""What both kinds of face table share: the version, the settings, and what makes a table sound."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.table import (
    LOST,
    LOST_CENTRAL,
    LOST_LARGEST,
    Faces,
    FaceTable,
    Photos,
    Settings,
    gaps,
    settings_record,
)

FORMAT = 1
"""Of the face table, in both kinds of file. Readers accept this and older ones."""


def check_format(version: object, name: str) -> None:
    """Refuse what a later facecluster wrote."""
    if not isinstance(version, (int, np.integer)):
        raise ValueError(f"format is {version!r}")
    if version > FORMAT:
        raise TableError(
            f"{name}: written by format {version}, this facecluster reads up to {FORMAT}; "
            "upgrade, or run encode again"
        )


def sound(photos: Photos, faces: Faces, settings: Settings) -> FaceTable:
    """Raises ValueError for what fits no table; a face may lack any number but its box."""
    if not (np.isfinite(faces.box).all() and np.isfinite(faces.anchor).all()):
        raise ValueError("a face without a box")
    return FaceTable(photos, faces, settings)


def suspected(table: FaceTable, suspects: NDArray[np.bool_]) -> FaceTable:
    """Say that the main face of a photo may be lost where others are, in a table that does not know.

    Args:
        table: m photos.
        suspects: (m,) photos of which other columns say that faces are not there.
    """
    missing = suspects | gaps(table.faces.photo, table.faces.id.tolist(), len(table.photos))
    lost = np.where(missing, LOST | LOST_LARGEST | LOST_CENTRAL, 0).astype(np.uint8)
    return replace(table, photos=replace(table.photos, lost=lost))


def settings_of(text: str) -> Settings:
    """Raises ValueError where the text is no settings."""
    match json.loads(text):
        case {
            "detector": str(detector),
            "encoder": str(encoder),
            "options": dict(options),
            "models": dict(models),
            "versions": dict(versions),
        }:
            return Settings(detector, encoder, options, models, versions)
        case _:
            raise ValueError("settings without detector, encoder, options, models, versions")


def settings_text(settings: Settings) -> str:
    """The settings as the files have them."""
    return json.dumps(settings_record(settings), sort_keys=True)
