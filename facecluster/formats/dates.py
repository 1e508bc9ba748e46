"""Texts of metadata -> when a photo was taken, and which of them said it.

The first of these that is a date counts; those with a colon are of XMP, or of films:

| tag | zone |
|---|---|
| `DateTimeOriginal` | that of `OffsetTimeOriginal`, else none |
| `DateTimeDigitized` | that of `OffsetTimeDigitized`, else none |
| `QuickTime:CreationDate`, of Apple's cameras in MP4 and MOV | its own |
| `exif:DateTimeOriginal`, `photoshop:DateCreated`, `exif:DateTimeDigitized`, `xmp:CreateDate` | its own, or none |
| `photoTakenTime` of Google Takeout, seconds since 1970 | UTC |
| `QuickTime:CreateDate` in MP4 and MOV, seconds since 1970 | UTC, as the format has it; some cameras have no zone |
| `DateTime`, which every program sets anew that writes the file | that of `OffsetTime`, else none |

No date are blanks, zeros, what no calendar has, years before photos and to come, and what a clock shows that was never
set: the first hours of 1904 (QuickTime), 1970 (Unix) and 1980 (FAT).

References:
    CIPA DC-008, Exif 2.32: DateTime and OffsetTime with SubSecTime, each with its endings. XMP, part 1, 8.2.1.1: Date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal, get_args

from facecluster.formats.said_names import number_of

Tag = Literal[
    "DateTimeOriginal",
    "DateTimeDigitized",
    "QuickTime:CreationDate",
    "exif:DateTimeOriginal",
    "photoshop:DateCreated",
    "exif:DateTimeDigitized",
    "xmp:CreateDate",
    "photoTakenTime",
    "QuickTime:CreateDate",
    "DateTime",
]
"""In the order in which they count. QuickTime: of MP4 and MOV; others with a colon are of XMP, `photoTakenTime` of
Takeout, the rest of EXIF."""

_SECONDS = ("photoTakenTime", "QuickTime:CreateDate")
"""Numbers: seconds since 1970."""

FIRST_YEAR, LAST_YEAR = 1826, 2099
"""Between which a photo can have been taken, as in `identity.years`."""

_ZONES = timedelta(hours=14)
"""How far a zone is from UTC at most."""

_NEVER_SET = (
    (datetime(1904, 1, 1), _ZONES),  # noqa: DTZ001 - as a clock shows it in any zone
    (datetime(1970, 1, 1), _ZONES),  # noqa: DTZ001
    (datetime(1980, 1, 1), timedelta(0)),  # noqa: DTZ001
)
"""What clocks count from, and how much earlier that may be shown; FAT counts from the time on the spot."""

_TIME = re.compile(
    r"(\d{4})([:/.-])(\d{1,2})\2(\d{1,2})"  # XMP has hyphens; some programs write them, or others, into EXIF
    r"(?:[T ] *(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,12}))?)?)?"
    r" *(Z|[+-]\d{1,2}:?\d{2})?",
    re.ASCII,
)
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})", re.ASCII)
_LONGEST = 64
"""Letters of a text that is looked at."""


@dataclass(frozen=True)
class Taken:
    """When a photo was taken.

    Attributes:
        time: with a zone where one is known; else the time of day on the spot.
        tag: which of the texts it is.
        day_only: the time of day is not known, and is midnight.
    """

    time: datetime
    tag: Tag
    day_only: bool = False

    @property
    def seconds(self) -> float:
        """Since 1970; where no zone is known as if it were UTC, as in `table.Photos.time`."""
        return (self.time if self.time.tzinfo else self.time.replace(tzinfo=timezone.utc)).timestamp()


def when_taken(tags: Mapping[str, object]) -> Taken | None:
    """Tell when a photo was taken.

    Args:
        tags: texts by what they are called in `Tag`; of EXIF also OffsetTime... and SubSecTime... What is no text does
            not count, but that `photoTakenTime` and `QuickTime:CreateDate` may be numbers.

    Returns:
        None: no text is a date that can be.
    """
    for tag in get_args(Tag):
        if (found := _taken(tag, tags)) is not None:
            return found
    return None


def _taken(tag: Tag, tags: Mapping[str, object]) -> Taken | None:
    if tag in _SECONDS:
        time = _since_1970(tags.get(tag))
        return Taken(time, tag) if time is not None and _can_be(time) else None
    found = _TIME.fullmatch(_text(tags.get(tag)))
    if found is None:
        return None
    year, _, month, day, hour, minute, second, fraction, zone = found.groups()
    is_exif = ":" not in tag
    if hour is None and is_exif:
        return None
    if is_exif:
        kind = tag.removeprefix("DateTime")
        zone = zone or _text(tags.get(f"OffsetTime{kind}"))
        fraction = fraction or _text(tags.get(f"SubSecTime{kind}"))
    try:
        time = datetime(
            *(int(year), int(month), int(day)),
            *(int(hour or 0), int(minute or 0), int(second or 0), _microseconds(fraction)),
            tzinfo=_zone(zone),
        )
    except ValueError:
        return None
    return Taken(time, tag, day_only=hour is None) if _can_be(time) else None


def _text(value: object) -> str:
    """Give a text without what fills it up; "" for what is none."""
    return value.strip("\0 \t\r\n") if isinstance(value, str) and len(value) <= _LONGEST else ""


def _microseconds(digits: str | None) -> int:
    """Read the digits behind the point of a second."""
    return int(digits[:6].ljust(6, "0")) if digits and digits.isascii() and digits.isdigit() else 0


def _zone(text: str | None) -> timezone | None:
    """Read Z or +02:00; None for what is none."""
    if text == "Z":
        return timezone.utc
    found = _OFFSET.fullmatch(text or "")
    if found is None or int(found[3]) > 59:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset) if offset <= _ZONES else None


def _since_1970(value: object) -> datetime | None:
    seconds = number_of(value)
    if seconds is None or abs(seconds) > 1e11:
        return None
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)


def _can_be(time: datetime) -> bool:
    """Say whether a photo can have been taken then, by a clock that was set."""
    local = time.replace(tzinfo=None)
    never_set = any(-before <= local - start <= _ZONES for start, before in _NEVER_SET)
    return FIRST_YEAR <= local.year <= LAST_YEAR and not never_set
