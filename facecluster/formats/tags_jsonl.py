"""tags.jsonl <-> which names we wrote into which files: a file a line, the last line of a file counts.

{"format": 1, "naming": "ext" or "stem", "fields": [fields]}: how it was asked for last; stands anywhere.
{"format": 1, "file": path, "photo": path, "id": digest of the photo, "key": text, "tags": {what in the file is ours},
 "of": [bytes, time of the photo], "made": true, "stamp": [bytes, time of the file]}
{"format": 1, "file": path, "done": [bytes, time of the file]}: it was written as the line before about it says.
{"format": 1, "file": path, "gone": true}: nothing in it is ours any more.

A line without "stamp" stands before its file is written. Until a line says that this is done, it counts beside what the
earlier lines of the file say, as a kill may have come between. Where "file" is the photo, the names are in the photo
itself. "made": there was no such file before. Times are in nanoseconds since 1970. Paths are absolute.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from facecluster.durable.whole_file import whole_file
from facecluster.formats import json_lines
from facecluster.formats.json_lines import FORMAT
from facecluster.formats.xmp_write import Field, Tags

_log = logging.getLogger(__name__)

Naming: TypeAlias = Literal["ext", "stem"]
"""What a sidecar is called: photo.ext.xmp, or photo.xmp."""
Stamp: TypeAlias = tuple[int, int]
"""Bytes of a file, and a time of it in nanoseconds since 1970."""


@dataclass(frozen=True)
class Asked:
    """How names were asked for last."""

    naming: Naming
    fields: frozenset[Field]


@dataclass(frozen=True)
class Written:
    """What we wrote into a file.

    Attributes:
        file: a sidecar, or the photo itself.
        photo: whom it is about.
        id: `table.Photos.digest` of the photo.
        key: stands for what was to be written.
        tags: what in the file is ours.
        of: of the photo as it was then, by the time of its last change of any kind.
        made: whether there was no such file before.
        stamp: of the file afterwards, by the time of its content; None: nobody knows whether it was written.
    """

    file: str
    photo: str
    id: str
    key: str
    tags: Tags
    of: Stamp
    stamp: Stamp | None = None
    made: bool = False

    @property
    def is_embedded(self) -> bool:
        """Whether the names are in the photo itself."""
        return self.file == self.photo


@dataclass
class Records:
    """All that a list says.

    Attributes:
        asked: None: nobody asked yet.
        files: by path.
        n_lines: of the list.
    """

    asked: Asked | None = None
    files: dict[str, Written] = field(default_factory=dict)
    n_lines: int = 0


class _Line(msgspec.Struct):
    naming: Naming | None = None
    fields: frozenset[Field] | None = None
    file: str = ""
    photo: str = ""
    id: str = ""
    key: str = ""
    tags: Tags = Tags()
    of: Stamp = (0, 0)
    stamp: Stamp | None = None
    made: bool = False
    done: Stamp | None = None
    gone: bool = False


_decode = json_lines.decoder(_Line)


def read(path: Path) -> Records:
    """Read a list; an empty one where there is no such file. What a kill left of a last line does not count.

    Raises:
        FaceclusterError: a line is none, or of a newer format; the file cannot be read.
    """
    records = Records()
    announced: dict[str, Written] = {}
    mend = "mend the line, or remove it: names in its file count as somebody else's then"
    for line in json_lines.read(path, lambda number: _log.warning("%s: line %d is cut short", path, number)):
        it = json_lines.parse(line, "a line about a file with names", mend, _decode)
        records.n_lines += 1
        if it.naming is not None and it.fields is not None:
            records.asked = Asked(it.naming, it.fields)
        elif it.gone:
            records.files.pop(it.file, None)
        elif it.done is not None and it.file in announced:
            records.files[it.file] = replace(announced[it.file], stamp=it.done)
        elif it.photo:
            announced[it.file] = Written(it.file, it.photo, it.id, it.key, it.tags, it.of, it.stamp, it.made)
            put(records, announced[it.file])
    return records


def put(records: Records, written: Written) -> None:
    """Take a line into what is known of its file."""
    before = records.files.get(written.file)
    if written.stamp is None and before is not None:
        written = replace(written, tags=both(before.tags, written.tags))
    records.files[written.file] = written


def both(tags: Tags, others: Tags) -> Tags:
    """Give all that is in one or in the other; the size is the other's where it tells one."""
    lists: dict[str, Any] = {
        one.name: tuple(dict.fromkeys([*getattr(tags, one.name), *getattr(others, one.name)]))
        for one in fields(Tags)
        if one.name != "size"
    }
    return Tags(size=others.size or tags.size, **lists)


def line(written: Written) -> bytes:
    """Write a line about a file."""
    tags = {key: value for key, value in msgspec.to_builtins(written.tags).items() if value}
    record = {"format": FORMAT} | msgspec.to_builtins(written) | {"tags": tags}
    if written.stamp is None:
        del record["stamp"]
    if not written.made:
        del record["made"]
    return _encoded(record)


def done(file: str, stamp: Stamp) -> bytes:
    """Write a line that says that a file was written as the line before about it says."""
    return _encoded({"format": FORMAT, "file": file, "done": stamp})


def gone(file: str) -> bytes:
    """Write a line that says that nothing in a file is ours any more."""
    return _encoded({"format": FORMAT, "file": file, "gone": True})


def asked(how: Asked) -> bytes:
    """Write a line that says how names were asked for."""
    return _encoded({"format": FORMAT, "naming": how.naming, "fields": sorted(how.fields)})


def _encoded(record: object) -> bytes:
    return json.dumps(record).encode("ascii") + b"\n"


def append(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines behind the others; once this returns, they are on the disk.

    Raises:
        OutputError: disk full, no permission; it is a link.
    """
    if text := b"".join(lines):
        json_lines.append(path, text)


def write(path: Path, records: Records) -> None:
    """Write a list anew, without what does not count any more.

    Raises:
        OutputError: disk full, no permission; it is a link.
    """
    with whole_file(path, follow=False) as file:
        if records.asked is not None:
            file.write(asked(records.asked))
        for written in records.files.values():
            file.write(line(written))
