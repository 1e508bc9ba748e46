"""Where in a file a picture is: a page of a TIFF, a frame of an animation, or a moment of a video."""

from __future__ import annotations

import math
from typing import NamedTuple


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


FIRST = Moment()
"""The picture of a plain photo, and the first one of a file of several."""


def at(page: int, time_s: float) -> Moment:
    """Make a moment that can be compared and be a key, also of a NaN out of an array."""
    return Moment(page, time_s) if time_s == time_s else Moment(page)
