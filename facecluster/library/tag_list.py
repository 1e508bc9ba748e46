"""What was done with names in files, and the library's list of these files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.errors import FaceclusterError
from facecluster.formats import forgotten_jsonl, tags_jsonl
from facecluster.formats.tags_jsonl import Asked, Naming, Records, Written
from facecluster.formats.xmp_write import FIELDS, Field
from facecluster.identity.decisions import digest_of
from facecluster.library.layout import TABLE, TAGS
from facecluster.library.refer import faces_of
from facecluster.library.sidecar import stamp_of
from facecluster.text import many

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.result import Result
    from facecluster.table import Picture

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
        unchanged_photos: how many of these are photos.
        photos: how many photos show somebody with a name, of those that were asked for.
        people: how many people with a name they show.
        away: photos that are not there, so that nothing was written beside them.
        behind: photos in which stand names of ours that are others now, and that were not to be written.
        beside: photos that have a sidecar of the other name too, which some programs do not read any more.
        held: photos that were written, and that folders of people hold with the bytes of before.
        two_names: how many faces have another name of another program, too, in each file that was looked into.
        troubles: what could not be done, a line each.
        remarks: what could not be made right in a file that was written, a line each.
    """

    dry_run: bool
    changed: list[Change] = field(default_factory=list)
    unchanged: int = 0
    unchanged_photos: int = 0
    photos: int = 0
    people: int = 0
    away: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    two_names: dict[str, int] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass
class TagList:
    """The list of the library, and where it lies.

    Attributes:
        path: of the list.
        records: what it says.
        dry_run: whether nothing is to be written.
        is_whole: whether all photos are meant, so that how names are asked for is remembered.
        others: lines by file that do not count, see `leave_out_others`.
    """

    path: Path
    records: Records
    dry_run: bool
    is_whole: bool = True
    others: dict[str, Written] = field(default_factory=dict)

    @classmethod
    def open(cls, directory: Path, *, dry_run: bool, is_whole: bool = True) -> TagList:
        """Read the list of a library; see `tags_jsonl.read`."""
        path = directory / TAGS
        return cls(path, tags_jsonl.read(path), dry_run, is_whole)

    def leave_out_others(
        self, results: Iterable[Result], pictures: Callable[[], Mapping[str, Picture]], found: Tagged
    ) -> None:
        """Let no line count that is about a photo of none of the library's: the list may come from somebody else.

        Photos that the library knows, and those in folders that hold such photos, are the library's. Where only the id
        is known, the photo lay elsewhere: its line counts if there is no such file any more, or one as we left it. That
        has a size and a time that nobody can know who has not seen the file.

        Args:
            results: who is who, and who was.
            pictures: gives those of the face table by path.
            found: gets a remark.
        """
        if not self.records.files:
            return
        faces = [face for result in results for face in faces_of(result)]
        photos = {*(face.photo for face in faces), *pictures()}
        folders = {os.path.dirname(photo) for photo in photos}
        left = {
            file: one
            for file, one in self.records.files.items()
            if one.photo not in photos and os.path.dirname(one.photo) not in folders
        }
        if left:
            ids = {digest_of(face.id) for face in faces}
            ids |= {
                place.photo
                for place in forgotten_jsonl.read(forgotten_jsonl.list_of(self.path.with_name(TABLE)))
            }
            self.others = {
                file: one
                for file, one in left.items()
                if not one.id or one.id not in ids or stamp_of(file) not in (None, one.stamp)
            }
        if self.others:
            for file in self.others:
                del self.records.files[file]
            found.remarks.append(
                f"{self.path}: {many(len(self.others), 'line does', 'lines do')} not count, as the library knows "
                f"nothing of the photo ({next(iter(self.others.values())).photo}); its files are left as "
                "they are"
            )

    def ask(self, naming: Naming | None, fields: Collection[Field] | None) -> Asked:
        """Give how names are asked for: what is not given is as last time; it is remembered with the first line."""
        last = self.records.asked or Asked("ext", FIELDS)
        return Asked(naming or last.naming, last.fields if fields is None else frozenset(fields))

    def remember(self, how: Asked) -> None:
        """Write down how names were asked for in all photos, if that is new."""
        if self.is_whole and how != self.records.asked and not self.dry_run:
            self.append([tags_jsonl.asked(how)])
            self.records.asked = how

    def append(self, lines: Iterable[bytes]) -> None:
        """Write lines behind the others, on the disk."""
        lines = list(lines)
        tags_jsonl.append(self.path, lines)
        self.records.n_lines += len(lines)

    def tidy(self, *, now: bool) -> None:
        """Write the list anew where many of its lines do not count any more; `now`: where one does not."""
        n_live = len(self.records.files) + len(self.others) + (self.records.asked is not None)
        if self.records.n_lines > (n_live if now else 1.5 * n_live + _FEW_LINES):
            tags_jsonl.write(self.path, replace(self.records, files=self.others | self.records.files))
            self.records.n_lines = n_live


def is_full(error: FaceclusterError) -> bool:
    """Say whether a file could not be written for want of room, which the next one will meet, too."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
