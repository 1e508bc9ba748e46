"""Where in a file a picture is: a page of a TIFF, a frame of an animation, or a moment of a video."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

from facecluster.text import clock


class Moment(NamedTuple):
    """Where in a file a picture is. That of a plain photo is `FIRST`.

    Attributes:
        page: of a TIFF, or frame of an animation, from 0.
        time_s: seconds from the start of a video; NaN for all else, always the one object `math.nan`, as `at` gives
            it: a tuple with it then equals itself, and may be a key.
    """

    page: int = 0
    time_s: float = math.nan

    @property
    def in_video(self) -> bool:
        """Whether it is one of a video."""
        return self.time_s == self.time_s

    @property
    def words(self) -> str:
        """Where in a file it is, in words: "at 1:05", "page 3"; "" of a plain photo, and of a first page."""
        if self.in_video:
            return f"at {clock(self.time_s)}"
        return f"page {self.page + 1}" if self.page else ""

    @property
    def record(self) -> dict[str, float]:
        """The fields of a record that say where in a file it is; none of a plain photo, and of a first page."""
        if self.in_video:
            return {"time_s": self.time_s}
        return {"page": self.page} if self.page else {}


Scene: TypeAlias = tuple[str, Moment]
"""A photo, by its path, and where in its file some of its faces are seen at once."""

FIRST = Moment()
"""The picture of a plain photo, and the first one of a file of several."""

START = Moment(0, 0.0)
"""The first frame of a video."""


def at(page: int, time_s: float | None) -> Moment:
    """Make a moment that can be compared and be a key, also of a NaN out of an array; None is no video, too."""
    return Moment(page) if time_s is None or time_s != time_s else Moment(page, time_s)


def place_of(name: str, moment: Moment) -> str:
    """Say where a face is: "party.jpg", "page 3 of scan.tif", "at 1:05 of party.mp4"."""
    return f"{moment.words} of {name}" if moment.words else name


def told(record: object) -> dict[str, object]:
    """Give the fields of a record as JSON has them: those of its `moment`, if it has one, in the place of that."""
    fields = dict(vars(record))
    moment = fields.pop("moment", FIRST)
    return fields | (moment.record if isinstance(moment, Moment) else {})
