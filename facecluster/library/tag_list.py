"""What was done with names in files, and the library's list of these files."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from facecluster.errors import FaceclusterError
from facecluster.formats import tags_jsonl
from facecluster.formats.tags_jsonl import Asked, Naming, Records
from facecluster.formats.xmp_write import FIELDS, Field
from facecluster.library.layout import TAGS

_FEW_LINES = 1000
"""That many lines more than files are kept in the list."""


@dataclass(frozen=True)
class Change:
    """What happens to a file.

    Attributes:
        file: path.
        photo: path.
        names: whose names stand in it then; nobody: ours go.
        is_new: whether there is no such file yet.
        is_gone: whether nothing is left of it then.
    """

    file: str
    photo: str
    names: tuple[str, ...]
    is_new: bool = False
    is_gone: bool = False


@dataclass
class Tagged:
    """What was done, or would be.

    Attributes:
        dry_run: whether nothing was done.
        changed: files that were written or removed.
        unchanged: how many files hold what they should.
        photos: how many photos show somebody with a name, of those that were asked for.
        people: how many people with a name they show.
        away: photos that are not there, so that nothing was written beside them.
        behind: photos in which stand names of ours that are others now, and that were not to be written.
        beside: photos that have a sidecar of the other name too, which some programs do not read any more.
        troubles: what could not be done, a line each.
        remarks: what could not be made right in a file that was written, a line each.
    """

    dry_run: bool
    changed: list[Change] = field(default_factory=list)
    unchanged: int = 0
    photos: int = 0
    people: int = 0
    away: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass
class TagList:
    """The list of the library, and where it lies."""

    path: Path
    records: Records
    dry_run: bool

    @classmethod
    def open(cls, directory: Path, *, dry_run: bool) -> TagList:
        """Read the list of a library; see `tags_jsonl.read`."""
        path = directory / TAGS
        return cls(path, tags_jsonl.read(path), dry_run)

    def ask(self, naming: Naming | None, fields: Collection[Field] | None) -> Asked:
        """Give how names are asked for: what is not given is as last time; it is remembered with the first line."""
        last = self.records.asked or Asked("ext", FIELDS)
        return Asked(naming or last.naming, last.fields if fields is None else frozenset(fields))

    def remember(self, how: Asked) -> None:
        """Write down how names were asked for, if that is new."""
        if how != self.records.asked and not self.dry_run:
            self.append([tags_jsonl.asked(how)])
            self.records.asked = how

    def append(self, lines: Iterable[bytes]) -> None:
        """Write lines behind the others, on the disk."""
        lines = list(lines)
        tags_jsonl.append(self.path, lines)
        self.records.n_lines += len(lines)

    def tidy(self, *, now: bool) -> None:
        """Write the list anew where many of its lines do not count any more; `now`: where one does not."""
        n_live = len(self.records.files) + (self.records.asked is not None)
        if self.records.n_lines > (n_live if now else 1.5 * n_live + _FEW_LINES):
            tags_jsonl.write(self.path, self.records)
            self.records.n_lines = n_live


def is_full(error: FaceclusterError) -> bool:
    """Say whether a file could not be written for want of room, which the next one will meet, too."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
