"""The hidden list of our files in a folder, to which lines are only added until it is worth writing anew.

JSON lines, the last of a path counts:

- ``{"format": 1, "lines": 7}``: the first line, and how many there were when the list was last written as a whole.
- ``{"path": "a.jpg", "kind": "file", ...}``: a file of ours, see `Entry`. A clone is a copy with "clone": true, so that
  an older version takes it for the copy that it also is. The line is written before its file. "was" tells
  what the file was until then, as the process may have been killed between the two. A line without "was" is from a
  list that was written as a whole, or from an older version: it counts beside earlier ones of its path.
- ``{"gone": "a.jpg", "key": ""}``: it is not there any more; with a key it could not be made of that.
- ``{"renamed": ["a", "b"]}``: what is ours is about to be moved from the one name to the other: a file, or a folder
  with all that is in it. It counts at both names until a line with "done": true says that it was moved.
- ``{"begun": ["a.jpg"]}``: these files and folders are about to change; null: any.
- ``{"done": "mark"}``: all that was begun is done; the mark is the caller's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from facecluster.durable.links import Kind
from facecluster.durable.own_file import not_ours, open_own
from facecluster.durable.spelt import listed_in
from facecluster.durable.whole_file import cannot_write, whole_file
from facecluster.errors import OutputError
from facecluster.text import can_be_named

FORMAT = 2
"""Of the list of our files; a list of format 1 has no renamed files."""

RESULT_MARKER = ".facecluster-files.jsonl"
"""The list of our files. It marks a folder of results, which is not searched for photos unless it is named itself."""

_FEW_LINES = 1000
"""That many may be added to any list before it is written anew; so are read in 5 ms."""

_PATH, _GONE = b'{"path": "', b'{"gone": "'
"""How lines about files begin, in every version."""


_NOT_IN_NAMES = frozenset("\0\\:") if os.name == "nt" else frozenset("\0")
"""Letters that are in no name of a file here; those of Windows lead to other folders, drives and streams."""


@dataclass(frozen=True)
class Entry:
    """A file of ours.

    Attributes:
        path: in the folder of results: a name, or a folder and a name.
        kind: "file" for what is made here, else how it holds the photo `source`.
        source: absolute path of the original photo, "" for a file.
        size: bytes; 0 for a symlink.
        mtime_ns: time of its last change; 0 for a symlink.
        digest: sha256 of what is made here, in hex; "" for a photo, and where an older version wrote the line.
        key: tells what it was made of; "" where nobody asks.
    """

    path: str
    kind: Literal["file"] | Kind
    source: str
    size: int
    mtime_ns: int
    digest: str = ""
    key: str = ""


@dataclass(frozen=True)
class LastWrite:
    """What the list says of the last change of the folder.

    Attributes:
        unfinished: names of files and folders that were about to change when it was cut short; None: any.
        mark: of the last change that was not cut short; "" where there is none.
    """

    unfinished: frozenset[str] | None
    mark: str


def last_write(root: Path) -> LastWrite:
    """Tell how the last change of a folder ended.

    An older version does not say how. Then it counts as done, with no mark. A folder without a list is unfinished.

    Raises:
        OSError: the list cannot be read.
        OutputError: it is a link, or no such list.
    """
    try:
        content = _content(root / RESULT_MARKER)
    except FileNotFoundError:
        return LastWrite(None, "")
    done = _last(content, b'\n{"done": ')
    mark = _parsed(content, done).get("done", "")
    names: set[str] = set()
    begun = content.find(b'\n{"begun": ', max(done, 0))
    while begun >= 0:
        match _parsed(content, begun):
            case {"begun": list(some)}:
                names.update(map(str, some))
            case {"begun": None}:
                return LastWrite(None, str(mark))
        begun = content.find(b'\n{"begun": ', begun + 1)
    return LastWrite(frozenset(names), str(mark))


class OwnList:
    """The list, read as far as it is about some names.

    Attributes:
        candidates: what a file of ours may be, by path; several where a process was killed while it replaced one.
        absent: key by path of what could not be made.
        last_folder: what the last line is about, "" for a file beside the list: an unfinished file may lie there.
    """

    def __init__(self, root: Path, names: Collection[str] | None) -> None:
        """Read it.

        Args:
            root: the folder, absolute.
            names: of files and folders in there; None: all.

        Raises:
            OSError: it cannot be read.
            OutputError: a newer facecluster wrote it; it is a link, or no such list.
        """
        self._root = root
        self._file = root / RESULT_MARKER
        self._names = None if names is None else frozenset(names)
        self.candidates: dict[str, list[Entry]] = {}
        self.absent: dict[str, str] = {}
        self.last_folder = ""
        try:
            content = _content(self._file)
        except FileNotFoundError:
            content = b""
        self._is_new = not content
        self._is_torn = not content.endswith(b"\n")
        self._n_lines_whole = 0
        lines = content.splitlines()
        self._n_lines = len(lines)
        self._version = FORMAT if self._is_new else 1
        wanted = None if self._names is None else self._names | _earlier_names(lines, self._names)
        for line in lines:
            if wanted is None or not _is_about_others(line, wanted):
                self._take(_record(line))
        if self._names is not None:
            for path in {*self.candidates, *self.absent}:
                if path.partition("/")[0] not in self._names:
                    self.candidates.pop(path, None)
                    self.absent.pop(path, None)
        for line in reversed(lines):
            match _record(line):
                case {"path": str(path)} if _is_inside(path):
                    self.last_folder = path.rpartition("/")[0]
                    break

    @property
    def is_long(self) -> bool:
        """Whether over half of the lines may be dead."""
        return self._n_lines > 2 * self._n_lines_whole + _FEW_LINES

    def append(self, *records: Mapping[str, object]) -> None:
        """Add lines.

        Raises:
            OSError: disk full, no permission.
        """
        if not records:
            return
        start = line({"format": FORMAT, "lines": 0}) if self._is_new else b"\n" if self._is_torn else b""
        with open_own(self._file, "a+b") as file:
            file.write(start + b"".join(map(line, records)))
        self._is_new = self._is_torn = False
        self._n_lines += len(records)

    def note(self, entry: Entry, was: Entry | None) -> None:
        """Say that a file is ours, before it is there.

        Args:
            entry: what it will be.
            was: what of ours is in its place until then.

        Raises:
            OSError: disk full, no permission.
        """
        before = (
            {"size": was.size, "mtime_ns": was.mtime_ns, "digest": was.digest, "key": was.key}
            if was
            else None
        )
        self.append({**record_of(entry), "was": before})

    def rename(self, old: str, new: str, *, done: bool) -> None:
        """Say that a file or folder of ours is about to get another name, or that it has it.

        Raises:
            OSError: disk full, no permission.
        """
        upgrade = [{"format": FORMAT, "lines": self._n_lines_whole}] if self._version < FORMAT else []
        record: dict[str, object] = {"renamed": [old, new], **({"done": True} if done else {})}
        self.append(*upgrade, record)
        self._version = FORMAT

    def write_anew(self, entries: Iterable[Entry], absent: Mapping[str, str]) -> None:
        """Replace the list by what still counts.

        Args:
            entries: files of ours among the names that were read.
            absent: see there, of these names.

        Raises:
            OSError, OutputError: disk full, no permission.
        """
        records: list[Mapping[str, object]] = [record_of(entry) for entry in entries]
        records += ({"gone": path, "key": key} for path, key in absent.items())
        if self._names is not None:
            others = OwnList(self._root, None)
            for path, candidates in others.candidates.items():
                if path.partition("/")[0] not in self._names:
                    records += map(record_of, candidates)
            records += (
                {"gone": path, "key": key}
                for path, key in others.absent.items()
                if path.partition("/")[0] not in self._names
            )
        last = last_write(self._root)
        unfinished = None if last.unfinished is None else sorted(last.unfinished)
        head = [{"done": last.mark}, {"begun": unfinished}] if unfinished != [] else [{"done": last.mark}]
        with whole_file(self._file, follow=False) as file:
            file.write(line({"format": FORMAT, "lines": len(records)}))
            file.writelines(map(line, head))
            file.writelines(map(line, records))
        self._is_new = self._is_torn = False
        self._n_lines = self._n_lines_whole = len(records)
        self._version = FORMAT

    def _take(self, record: Any) -> None:
        """Add what a line says; a torn or strange one describes no file of ours."""
        match record:
            case {"format": int(version)} if version > FORMAT:
                raise OutputError(
                    f"{self._root}: written by a newer facecluster (list of files in format {version}, this one "
                    f"knows {FORMAT}); upgrade, or choose another folder"
                )
            case {"format": int(version), "lines": int(n_lines)}:
                self._n_lines_whole, self._version = n_lines, max(self._version, version)
            case {"renamed": [str(old), str(new)]} if _is_inside(old) and _is_inside(new):
                self._rename(old, new, done=record.get("done") is True)
            case {"gone": str(path)} if _is_inside(path):
                self.candidates.pop(path, None)
                self.absent.pop(path, None)
                if key := record.get("key"):
                    self.absent[path] = str(key)
            case {"path": str(path)} if _is_inside(path):
                entries = [*_entries(record)]
                if "was" not in record:
                    entries = [*dict.fromkeys((*self.candidates.get(path, ()), *entries))]
                if entries:
                    self.candidates[path] = entries
                    self.absent.pop(path, None)
            case _:
                return

    def _rename(self, old: str, new: str, *, done: bool) -> None:
        """Have files count at another name, and no more at the one before where they were moved."""
        for path, entries in list(self.candidates.items()):
            if (there := moved(path, old, new)) is not None:
                self.candidates.setdefault(there, [])
                here = [replace(entry, path=there) for entry in entries]
                self.candidates[there] = [*dict.fromkeys((*self.candidates[there], *here))]
                self.absent.pop(there, None)
                if done:
                    del self.candidates[path]


def moved(path: str, old: str, new: str) -> str | None:
    """Where a file is once a file or folder got another name; None where it is neither that nor in there."""
    if path != old and not path.startswith(f"{old}/"):
        return None
    return new + path[len(old) :]


def record_of(entry: Entry) -> dict[str, object]:
    """What stands in an entry's line."""
    record = {name: value for name, value in vars(entry).items() if name != "key" or value}
    return {**record, "kind": "copy", "clone": True} if entry.kind == "clone" else record


def line(record: object) -> bytes:
    """A record as a line."""
    return json.dumps(record).encode("ascii") + b"\n"


def _entries(record: dict[str, Any]) -> Iterator[Entry]:
    """What the file of a line may be: as it was, or as it is now."""
    match record:
        case {
            "path": str(path),
            "kind": "file" | "copy" | "hardlink" | "symlink" as kind,
            "source": str(source),
            "size": int(size),
            "mtime_ns": int(mtime_ns),
        }:
            if kind == "copy" and record.get("clone") is True:
                kind = "clone"
            match record.get("was"):
                case {"size": int(size_was), "mtime_ns": int(mtime_was), **rest}:
                    digest, key = str(rest.get("digest", "")), str(rest.get("key", ""))
                    yield Entry(path, kind, source, size_was, mtime_was, digest, key)
            digest, key = str(record.get("digest", "")), str(record.get("key", ""))
            yield Entry(path, kind, source, size, mtime_ns, digest, key)


def _earlier_names(lines: Iterable[bytes], names: Collection[str]) -> frozenset[str]:
    """Names, of a list that is read in part, that files of some names had before: their lines count, too."""
    renamed = [_record(line) for line in lines if line.startswith(b'{"renamed": ')]
    found = set[str]()
    for record in reversed(renamed):
        match record:
            case {"renamed": [str(old), str(new)]} if new in names or new in found:
                found.add(old)
    return frozenset(found)


def _is_about_others(text: bytes, names: frozenset[str]) -> bool:
    """Say whether a line is about a file that none of the names holds, without parsing it."""
    if not text.startswith((_PATH, _GONE)):
        return False
    first = text[len(_PATH) : text.find(b'"', len(_PATH))].partition(b"/")[0]
    return b"\\" not in first and first.decode("ascii", "replace") not in names


def _is_inside(path: str) -> bool:
    """Say whether a listed path is a name, or a name in a folder, and nothing that leads out."""
    parts = path.split("/")
    return (
        len(parts) <= 2
        and all(part not in ("", ".", "..") and _NOT_IN_NAMES.isdisjoint(part) for part in parts)
        and can_be_named(path)
    )


def _content(file: Path) -> bytes:
    """Read the list.

    Raises:
        FileNotFoundError, OSError: there is none, it cannot be read.
        OutputError: it is a link, or no such list: no line of it is an object of JSON, nor the start of one.
    """
    with open_own(file, "rb") as opened:
        content = opened.read()
    start = content.lstrip(b"\0")
    if start and not start.startswith(b'{"') and b'\n{"' not in start:
        raise not_ours(file, "another folder")
    return content


def _record(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_listed(root: Path, name: str) -> bool:
    """Say whether a file of this name is there, and one of ours.

    Raises:
        OSError: the list cannot be read.
    """
    return (root / name).is_file() and name in OwnList(root, [name]).candidates


def follow_renames(root: Path, of: Callable[[str], str | None]) -> list[tuple[str, str]]:
    """Have what is ours count under the name that somebody gave its file or folder by hand.

    Args:
        root: the folder of results.
        of: says of a name whose it is; None: of nobody's. A file or folder of ours that is gone, and the only one there
            of this owner that is not ours, are the same.

    Returns:
        Names as they were, and as they are.

    Raises:
        OutputError: disk full, no permission, or a newer facecluster wrote the list.
    """
    try:
        listed = OwnList(root, None)
        there = listed_in(root)
        ours = {path.partition("/")[0]: "/" in path for path in listed.candidates}
        gone = [
            (name, (of(name), is_folder))
            for name, is_folder in ours.items()
            if of(name) and name not in there
        ]
        new = [(name, (of(name), (root / name).is_dir())) for name in there if of(name) and name not in ours]
        pairs = []
        for name, owner in new:
            before = [old for old, theirs in gone if theirs == owner]
            if len(before) == 1 and [theirs for _, theirs in new].count(owner) == 1:
                listed.rename(before[0], name, done=True)
                pairs.append((before[0], name))
    except OSError as error:
        raise cannot_write(root, error) from error
    return pairs


def _last(content: bytes, start: bytes) -> int:
    """Where the last whole line with some start is; -1 where none is."""
    at = content.rfind(start)
    while at >= 0 and not _parsed(content, at):
        at = content.rfind(start, 0, at)
    return at


def _parsed(content: bytes, at: int) -> dict[str, Any]:
    """The record of a line, from the end of the line before it; none where it is torn, or there is none."""
    if at < 0:
        return {}
    end = content.find(b"\n", at + 1)
    record = _record(content[at + 1 : end if end >= 0 else len(content)])
    return record if isinstance(record, dict) else {}
