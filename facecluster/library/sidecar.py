"""Files of XMP beside photos: what they are called, read, merged with, written whole, and taken away when empty.

Others write these files too. One that is a link, is no file, or cannot be read as XMP is left alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from facecluster.durable.denied import why_unread
from facecluster.durable.own_file import oddity_at, open_own
from facecluster.durable.whole_file import cannot_write, whole_file
from facecluster.errors import FaceclusterError, OutputError
from facecluster.formats import xmp, xmp_write
from facecluster.formats.tags_jsonl import Naming, Stamp
from facecluster.formats.xmp import Metadata, Region
from facecluster.formats.xmp_tree import MOST_BYTES
from facecluster.formats.xmp_write import OURS, SAME_PLACE, Marked, Tags, overlap
from facecluster.text import fold, size

ENDING = ".xmp"

_NONE = Metadata((), (), (), (), (), ())


def sidecar_of(photo: str, naming: Naming) -> str:
    """Name the sidecar of a photo: IMG_1.jpg.xmp, or IMG_1.xmp."""
    return (photo if naming == "ext" else os.path.splitext(photo)[0]) + ENDING


def stamp_of(file: str) -> Stamp | None:
    """Give size and time of the content of a file or link; None: it is not there, or cannot be looked at."""
    try:
        status = os.lstat(file)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def photo_stamp_of(photo: str) -> Stamp | None:
    """Give size and time of a photo, also where the time of its content is kept (`exiftool -P`); None as `stamp_of`."""
    try:
        status = os.stat(photo)
    except OSError:
        return None
    return status.st_size, max(status.st_mtime_ns, status.st_ctime_ns)


def read(file: str) -> bytes | None:
    """Read a sidecar; None: there is none, or it is empty, as after a power cut.

    Raises:
        FaceclusterError: it is a link, is no file, is too large for XMP, or may not be read. The message names it.
    """
    path = Path(file)
    try:
        if what := oddity_at(path):
            raise FaceclusterError(f"{file}: {what}; it is not followed or replaced")
        with open_own(path, "rb") as content:
            data = content.read(MOST_BYTES + 1)
            n_bytes = os.fstat(content.fileno()).st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FaceclusterError(f"{file}: cannot be read: {why_unread(path, error)}") from error
    if len(data) > MOST_BYTES:
        raise FaceclusterError(
            f"{file}: has {size(n_bytes)}, more than the {size(MOST_BYTES)} that XMP may have; it is left as it is"
        )
    return data if data.strip(b"\0") else None


def write(file: str, photo: str, data: bytes, before: Stamp | None) -> Stamp:
    """Put a sidecar in its place, whole; a new one may be read by those only who may read the photo.

    Args:
        file: of the sidecar.
        photo: it lies beside this one, which may be gone.
        data: of the sidecar.
        before: what `stamp_of` gave when the sidecar was read; None: there was none.

    Returns:
        What `stamp_of` gives now.

    Raises:
        OutputError: it cannot be written, or somebody else wrote it since it was read.
    """

    def ready(part: Path) -> None:
        _check_same(file, before)

    try:
        mode = stat.S_IMODE(os.stat(photo).st_mode) & 0o666
    except OSError:
        mode = 0o600
    # What replaces a file of others waits for the disk; of a new one nothing is lost.
    with whole_file(Path(file), sync=before is not None, ready=ready, follow=False, permissions=mode) as out:
        out.write(data)
    after = stamp_of(file)
    if after is None:
        raise OutputError(f"{file}: is gone again, as another program removed it")
    return after


def remove(file: str, before: Stamp | None) -> None:
    """Remove a sidecar of which nothing is left.

    Raises:
        OutputError: it cannot be removed, or somebody else wrote it since it was read.
    """
    _check_same(file, before)
    try:
        os.unlink(file)
    except OSError as error:
        raise cannot_write(Path(file), error) from error


def _check_same(file: str, before: Stamp | None) -> None:
    if stamp_of(file) != before:
        raise OutputError(
            f"{file}: another program wrote it just now; it is left as it is; type the same again"
        )


def with_embedded(
    wanted: Tags,
    packet: bytes | None,
    ours: Tags,
    existing: bytes | None,
    ours_there: Tags,
    *,
    faces: Sequence[Marked],
    anew: bool,
    forgets: bool,
) -> Tags:
    """Add what stands in the photo itself, as readers of a sidecar do not look there for what that has, too.

    Where the sidecar has others' own of a kind, nothing of the kind is added: it hid the photo's before we came. What
    somebody took out of the sidecar again stays out as long as the photo stays as it is. A region where we name a face
    is not added, nor its name where nobody else bears that: the face would have two names.

    Args:
        wanted: what is to stand in the sidecar. What of it is empty stays so.
        packet: the XMP in the photo; one that cannot be read counts as none.
        ours: what in the packet is from us.
        existing: the sidecar; None: there is none.
        ours_there: what in the sidecar is from us.
        faces: all faces in the photo that have a name of ours.
        anew: whether the photo is another file than when we wrote the sidecar, or we never did.
        forgets: whether faces lost their name as they are forgotten: no other name takes its place.

    Raises:
        FaceclusterError: the sidecar cannot be read. The message does not name it.
    """
    inside = _others(packet, ours)
    if inside == _NONE:
        return wanted
    there = _NONE if existing is None else xmp.read(existing)
    others = _NONE if existing is None else _others(existing, ours_there)
    kinds = {region.kind for region in others.regions}
    anew = anew or existing is None
    named = {fold(region.name) for region in there.regions if region.name}
    before = {*ours_there.mwg, *ours_there.microsoft}
    free = [one for one in inside.regions if one.name and not _at(one, faces)]
    placed = []
    back = set[str]()  # names that were left out while we named the faces there
    for one in xmp_write.tags(
        [Marked(one.name.strip(), one.box, one.type or "Face") for one in free if one.name], (), (1, 1)
    ).mwg:
        if not forgets and any(fold(old.name) != fold(one.name) for old in _at(one, before)):
            back.add(fold(one.name))
        if anew or fold(one.name) in back or (one in before and fold(one.name) in named):
            placed.append(one)
    out = {fold(one.name.strip()) for one in inside.regions if one.name}
    out -= {fold(one.name.strip()) for one in free if one.name} | {fold(face.name) for face in faces}

    def added(
        field: tuple[str, ...],
        new: Iterable[tuple[str, ...]],
        before: Iterable[str],
        now: Iterable[tuple[str, ...]],
        own: object,
        letter: str = "",
    ) -> tuple[str, ...]:
        """Give the texts of a field with those of the photo, which are given by their parts."""
        kept = {fold(text) for text in before} & {fold(letter.join(parts)) for parts in now}
        more = [
            text
            for parts in new
            if fold(parts[-1]) not in out
            and (anew or fold(parts[-1]) in back or fold(letter.join(parts)) in kept)
            for text in [letter.join(parts)]
        ]
        return field if own else _texts(field, more)

    def plain(texts: Iterable[str]) -> list[tuple[str, ...]]:
        return [(text,) for text in texts]

    trees, trees_there = inside.hierarchical, there.hierarchical
    return replace(
        wanted,
        mwg=wanted.mwg if "mwg" in kinds else _regions(wanted.mwg, placed),
        microsoft=wanted.microsoft if "microsoft" in kinds else _regions(wanted.microsoft, placed),
        persons=added(
            wanted.persons, plain(inside.persons), ours_there.persons, plain(there.persons), others.persons
        ),
        digikam=added(wanted.digikam, trees, ours_there.digikam, trees_there, others.hierarchical, "/"),
        lightroom=added(wanted.lightroom, trees, ours_there.lightroom, trees_there, others.hierarchical, "|"),
        subject=added(
            wanted.subject, plain(inside.keywords), ours_there.subject, plain(there.keywords), others.keywords
        ),
    )


def two_names(data: bytes | None, ours: Tags, faces: Iterable[Marked]) -> int:
    """Count the faces of ours to which another program gave another name.

    Args:
        data: XMP; None: there is none.
        ours: what in it is from us.
        faces: with a name of ours.

    Raises:
        FaceclusterError: it cannot be read. The message names no file.
    """
    if data is None:
        return 0
    mine = [*ours.mwg, *ours.microsoft]
    theirs = [
        one
        for one in xmp.read(data).regions
        if one.name and all(fold(old.name) != fold(one.name) for old in _at(one, mine, OURS))
    ]
    return sum(
        any(fold(one.name or "") != fold(face.name) and _at(one, [face]) for one in theirs) for face in faces
    )


def _at(one: Marked | Region, others: Iterable[Marked], least: float = SAME_PLACE) -> list[Marked]:
    """Give those of others that are at the place of a region."""
    return [other for other in others if overlap(one.box, other.box) >= least]


def _others(data: bytes | None, ours: Tags) -> Metadata:
    """Read what in XMP is not from us; nothing where it cannot be read."""
    try:
        theirs = None if data is None else xmp_write.remove(data, ours)
        return _NONE if theirs is None else xmp.read(theirs)
    except FaceclusterError:
        return _NONE


def _regions(wanted: tuple[Marked, ...], more: Iterable[Marked]) -> tuple[Marked, ...]:
    """Add regions, each once."""
    return xmp_write.tags([*wanted, *more], (), (1, 1)).mwg if wanted else ()


def _texts(wanted: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    """Add texts, each once in any case."""
    found: dict[str, str] = {}
    for text in [*wanted, *more] if wanted else []:
        found.setdefault(fold(text), text)
    return tuple(found.values())
