"""Names out: into sidecars of the photos that show people with a name, and out of them again.

What we wrote stands in the library's own `tags.jsonl`, so that it can be taken out again, and nothing else. Every file
that names were ever written into is kept in step by each later call, whatever it is asked to write, until `untag`.

    people ─▶ named: who is where in which photo ─▶ jobs: a file each ─▶ steps ─▶ written, a line in tags.jsonl

A file whose size and time are as we left them, and that is to hold what it held, is not opened.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.durable.whole_file import remove_parts
from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.formats import embedded, tags_jsonl, xmp, xmp_write
from facecluster.formats.tags_jsonl import Asked, Naming, Records, Stamp, Written
from facecluster.formats.xmp_edit import check_text
from facecluster.formats.xmp_write import FIELDS, NOTHING, Field, Marked, Tags
from facecluster.identity.decisions import digest_of
from facecluster.library import sidecar
from facecluster.library.layout import TAGS, group_again
from facecluster.text import printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.library.held import Held
    from facecluster.result import Person, Result
    from facecluster.table import Picture

_WRITER = 1
"""Which rules a file was written by: raised by a change of them, so that all files are looked at again."""
_BATCH = 256
"""Files that are announced in the list at once."""
_FEW_LINES = 1000
"""That many lines more than files are kept in the list."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Named:
    """The faces with a name in a photo.

    Attributes:
        photo: path.
        id: digest of the photo.
        faces: name and box in pixels of the upright photo, from left to right.
        size: width, height of the upright photo in pixels as its faces were found; None unknown.
    """

    photo: str
    id: str
    faces: tuple[tuple[str, Box], ...]
    size: tuple[int, int] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names, each once."""
        return tuple(dict.fromkeys(name for name, _ in self.faces))

    def key(self, how: Asked) -> str:
        """Stand for all that is to be written."""
        record = [_WRITER, self.id, self.faces, self.size, sorted(how.fields)]
        return hashlib.sha256(json.dumps(record).encode()).hexdigest()[:16]


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


@dataclass(frozen=True)
class _Job:
    """A sidecar, and who is to stand in it; `named` None: nobody of ours."""

    file: str
    photo: str
    named: Named | None
    record: Written | None


@dataclass(frozen=True)
class _Step:
    """A sidecar as it is to be written; `data` None: it is to be removed, or there is none."""

    job: _Job
    before: Stamp | None
    of: Stamp
    existing: bytes | None
    data: bytes | None
    tags: Tags
    remarks: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether the file is to be touched."""
        return self.data != self.existing


def tag(
    library: Held,
    photos: Sequence[str] = (),
    *,
    naming: Naming | None = None,
    fields: Collection[Field] | None = None,
    dry_run: bool = False,
) -> Tagged:
    """Write the names of people into sidecars of their photos, and take out those that do not hold any more.

    Args:
        library: whose people are meant. Who is hidden, or has no name, is not written.
        photos: paths, folders or patterns; none: all photos of the library, and files of photos that left it.
        naming: what sidecars are called; None: as last time.
        fields: what is written; None: as last time.
        dry_run: only say what would change.

    Raises:
        UsageError: no photo is meant by a text.
        FaceclusterError: the library does not show all of its decisions; its list cannot be read or written; the disk
            is full.
    """
    if not library.in_step:
        raise FaceclusterError(
            f"{library.directory}: its people do not show all that was decided; to group them again: "
            f"{group_again(library.directory, library.people)}"
        )
    with_list = _List.open(library.directory, dry_run=dry_run)
    how = with_list.ask(naming, fields)
    found = Tagged(dry_run)
    named = named_photos(library.people, library.pictures, found.troubles)
    chosen = _choose(photos, {*named, *_photos(with_list.records), *_all_photos(library.people)})
    moved = _moved(with_list.records, named)
    if chosen is not None:
        named = {path: one for path, one in named.items() if path in chosen}
    found.photos = len(named)
    found.people = len({name for one in named.values() for name in one.names})
    jobs = _jobs(named, with_list.records, how, chosen, found)
    _run(jobs, with_list, how, moved, found)
    return found


def untag(library: Held, photos: Sequence[str] = (), *, dry_run: bool = False) -> Tagged:
    """Take out of files what `tag` wrote into them, and nothing else.

    Args:
        library: whose files are meant.
        photos: paths, folders or patterns; none: all.
        dry_run: only say what would change.

    Raises:
        UsageError: no photo is meant by a text.
        FaceclusterError: the list cannot be read or written.
    """
    with_list = _List.open(library.directory, dry_run=dry_run)
    found = Tagged(dry_run)
    chosen = _choose(photos, _photos(with_list.records))
    how = with_list.ask(None, None)
    jobs = [
        _Job(file, one.photo, None, one)
        for file, one in with_list.records.files.items()
        if not one.is_embedded and (chosen is None or one.photo in chosen)
    ]
    _run(jobs, with_list, how, _moved(with_list.records, {}), found)
    return found


def keep_up(directory: Path, result: Result, pictures: Mapping[str, Picture], *, dry_run: bool) -> Tagged:
    """Bring the files that names were written into in step with other people, and write no further ones.

    Args:
        directory: of the library.
        result: who is who.
        pictures: of its photos.
        dry_run: only say what would change.

    Raises:
        FaceclusterError: the list cannot be read or written.
    """
    found = Tagged(dry_run)
    if not os.path.lexists(directory / TAGS):
        return found
    with_list = _List.open(directory, dry_run=dry_run)
    how = with_list.ask(None, None)
    named = named_photos(result, pictures, found.troubles)
    jobs = [
        _Job(file, one.photo, named.get(one.photo), one)
        for file, one in with_list.records.files.items()
        if not one.is_embedded
    ]
    found.behind = _behind(with_list.records, named, how, None)
    _run(jobs, with_list, how, _moved(with_list.records, named), found, compact=True)
    return found


# -------------------------------------------------------------------------------------------- what is to be written


def named_photos(
    result: Result, pictures: Mapping[str, Picture], troubles: list[str] | None = None
) -> dict[str, Named]:
    """Give the photos that show people with a name, by path.

    Args:
        result: who is who.
        pictures: of its photos.
        troubles: gets a line about each name that cannot be written.
    """
    faces: dict[str, list[tuple[str, Box]]] = {}
    ids: dict[str, str] = {}
    for person in result.people:
        name = _writable(person, troubles)
        if name is None:
            continue
        for face in person.faces:
            left, top, right, bottom = (float(edge) for edge in face.box)
            faces.setdefault(face.photo, []).append((name, (left, top, right, bottom)))
            ids[face.photo] = digest_of(face.id)
    return {
        photo: Named(
            photo,
            ids[photo],
            tuple(sorted(theirs, key=lambda one: (one[1], one[0]))),
            _size(pictures.get(photo)),
        )
        for photo, theirs in sorted(faces.items())
    }


def _writable(person: Person, troubles: list[str] | None) -> str | None:
    """Give the name that stands for a person in files; None: none does."""
    name = (person.name or "").strip()
    if not name or person.hidden:
        return None
    try:
        check_text(name)
    except FaceclusterError as error:
        if troubles is not None:
            troubles.append(f"{person.id}: {error}, so it is written nowhere")
        return None
    return name


def _size(picture: Picture | None) -> tuple[int, int] | None:
    return None if picture is None or not picture.width else (picture.width, picture.height)


def wanted_of(named: Named, inside: embedded.Embedded, how: Asked) -> Tags:
    """Say what is to stand in a file about a photo.

    Args:
        named: who is where in the upright photo.
        inside: how the photo is stored.
        how: what is written.

    Raises:
        FaceclusterError: the photo is not the one in which the faces were found. The message names no file.
    """
    stored = inside.size
    upright = None if stored is None else stored if inside.orientation < 5 else stored[::-1]
    size = named.size or upright
    if size is None:
        raise FaceclusterError("its size in pixels is not known")
    if upright is not None and upright != size:
        raise FaceclusterError(
            f"has {upright[0]} x {upright[1]} pixels, and had {size[0]} x {size[1]} when its faces were found; "
            "type first: facecluster run"
        )
    width, height = size
    marked = [
        Marked(
            name,
            xmp.stored((left / width, top / height, right / width, bottom / height), inside.orientation),
        )
        for name, (left, top, right, bottom) in named.faces
    ]
    return xmp_write.tags(marked, (), stored or (size if inside.orientation < 5 else size[::-1]), how.fields)


# ------------------------------------------------------------------------------------------------- which files


def _choose(texts: Sequence[str], paths: Collection[str]) -> set[str] | None:
    """Give the photos that are meant; None: all.

    Raises:
        UsageError: none is meant by a text.
    """
    from facecluster.library.forget import find_photos

    if not texts:
        return None
    chosen = set[str]()
    for text in texts:
        if not text:
            raise UsageError("an empty name; is a variable unset?")
        starts = {
            folder.rstrip(os.sep) + os.sep for folder in (os.path.abspath(text), os.path.realpath(text))
        }
        found = {path for path in paths if any(path.startswith(start) for start in starts)}
        found = found or find_photos(paths, text)
        if not found:
            raise UsageError(
                f"{printable(text)}: no photo of the library; give a photo, a folder or a pattern"
            )
        chosen |= found
    return chosen


def _photos(records: Records) -> set[str]:
    return {one.photo for one in records.files.values()}


def _all_photos(result: Result) -> set[str]:
    """Paths of all photos with faces."""
    photos = {face.photo for person in result.people for face in person.faces}
    return photos | {face.photo for face in result.unclustered}


def _jobs(
    named: Mapping[str, Named], records: Records, how: Asked, chosen: Collection[str] | None, found: Tagged
) -> list[_Job]:
    """Say which sidecars are to hold what: those that are asked for, and those that names were written into."""
    whose: dict[str, list[Named]] = {}
    for photo, one in named.items():
        whose.setdefault(sidecar.sidecar_of(photo, how.naming), []).append(one)
    jobs: dict[str, _Job] = {}
    for file, photos in whose.items():
        if len(photos) == 1:
            jobs[file] = _Job(file, photos[0].photo, photos[0], records.files.get(file))
            continue
        told = ", ".join(os.path.basename(one.photo) for one in photos)
        found.troubles.append(f"{file}: would be the sidecar of {told}; say --sidecar-name ext")
    for file, record in records.files.items():
        if record.is_embedded or file in whose or (chosen is not None and record.photo not in chosen):
            continue
        jobs[file] = _Job(file, record.photo, named.get(record.photo), record)
    found.behind = _behind(records, named, how, chosen)
    return list(jobs.values())


def _behind(
    records: Records, named: Mapping[str, Named], how: Asked, chosen: Collection[str] | None
) -> list[str]:
    """Photos in which names of ours stand that are others now."""
    return [
        file
        for file, record in records.files.items()
        if record.is_embedded
        and (chosen is None or file in chosen)
        and (file not in named or named[file].key(how) != record.key)
    ]


# --------------------------------------------------------------------------------------------------- the work


@dataclass
class _List:
    """The list of the library, and where it lies."""

    path: Path
    records: Records
    dry_run: bool

    @classmethod
    def open(cls, directory: Path, *, dry_run: bool) -> _List:
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
        lines = list(lines)
        tags_jsonl.append(self.path, lines)
        self.records.n_lines += len(lines)

    def tidy(self, *, now: bool) -> None:
        """Write the list anew where most of its lines do not count any more, or `now`."""
        if self.records.n_lines > (
            len(self.records.files) + 1 if now else 1.5 * len(self.records.files) + _FEW_LINES
        ):
            tags_jsonl.write(self.path, self.records)
            self.records.n_lines = len(self.records.files) + 1


def _run(
    jobs: Sequence[_Job], listed: _List, how: Asked, moved: _Moved, found: Tagged, *, compact: bool = False
) -> None:
    """Do what is to be done in each file."""
    from facecluster.progress import bar

    todo = []
    for job in jobs:
        if _is_done(job, how, found):
            found.unchanged += 1
        else:
            todo.append(job)
    if not listed.dry_run:
        _clear_up(todo)
    with bar(total=len(todo), what="files") as shown:
        for start in range(0, len(todo), _BATCH):
            steps = []
            for job in todo[start : start + _BATCH]:
                try:
                    if (step := _prepare(job, how, listed.records, moved, found)) is not None:
                        steps.append(step)
                except FaceclusterError as error:
                    found.troubles.append(str(error))
                shown.update()
            _do(steps, listed, how, found)
    if not listed.dry_run:
        listed.tidy(now=compact)


def _is_done(job: _Job, how: Asked, found: Tagged) -> bool:
    """Say whether a file is as we left it, and is to stay so."""
    record = job.record
    return (
        job.named is not None
        and record is not None
        and record.stamp is not None
        and record.photo == job.photo
        and record.key == job.named.key(how)
        and record.of == sidecar.photo_stamp_of(job.photo)
        and record.stamp == sidecar.stamp_of(job.file)
    )


@dataclass(frozen=True)
class _Moved:
    """What we wrote into sidecars that are not where they were: they may have gone along with their photos.

    Attributes:
        tags: by photo.
        ids: of photos that show somebody with a name.
    """

    tags: Mapping[str, Tags]
    ids: Collection[str]

    def is_there(self, job: _Job) -> bool:
        """Say whether the photo of a sidecar lies elsewhere now."""
        return job.record is not None and job.record.id in self.ids


def _moved(records: Records, named: Mapping[str, Named]) -> _Moved:
    tags: dict[str, Tags] = {}
    for file, record in records.files.items():
        if not record.is_embedded and not os.path.lexists(file):
            tags[record.id] = tags_jsonl.both(tags.get(record.id, NOTHING), record.tags)
    return _Moved(tags, {one.id for one in named.values()})


def _clear_up(jobs: Iterable[_Job]) -> None:
    """Remove unfinished files where a process was killed while it wrote."""
    for folder in {
        os.path.dirname(job.file) for job in jobs if job.record is not None and job.record.stamp is None
    }:
        try:
            remove_parts(Path(folder))
        except OSError:
            continue


def _prepare(job: _Job, how: Asked, records: Records, moved: _Moved, found: Tagged) -> _Step | None:
    """Say how a file is to be; None: nothing can be done.

    Raises:
        FaceclusterError: what is there cannot be read, or the photo is another one. The message names the file.
    """
    if job.record is not None and not _is_beside(job):
        raise FaceclusterError(f"{job.file}: is no sidecar of {job.photo}; it is left as it is")
    of = sidecar.photo_stamp_of(job.photo)
    before = sidecar.stamp_of(job.file)
    wanted = NOTHING
    if job.named is not None:
        if of is None:
            found.away.append(job.photo)
            return None
        try:
            inside = embedded.embedded_of(job.photo)
            wanted = wanted_of(job.named, inside, how)
        except FaceclusterError as error:
            raise FaceclusterError(f"{job.photo}: {error}") from error
        own = records.files.get(job.photo)
        wanted = sidecar.with_embedded(wanted, inside.xmp, NOTHING if own is None else own.tags)
    elif before is None and not moved.is_there(job) and not os.path.isdir(os.path.dirname(job.file)):
        found.away.append(job.photo)  # its disk may come back
        return None
    existing = sidecar.read(job.file)
    if existing is None:
        if job.named is None:
            return _Step(job, None, of or (0, 0), None, None, NOTHING, ())
        if (other := _other_sidecar(job)) not in records.files and os.path.lexists(other):
            found.beside.append(job.photo)
    ours = NOTHING if job.record is None else job.record.tags
    if job.record is None and job.named is not None:
        ours = moved.tags.get(job.named.id, NOTHING)
    try:
        merged = xmp_write.merge(existing, wanted, ours)
    except FaceclusterError as error:
        raise FaceclusterError(f"{job.file}: {error}; it is left as it is") from error
    remarks = tuple(f"{job.file}: {remark}" for remark in merged.remarks)
    return _Step(job, before, of or (0, 0), existing, merged.data, merged.written, remarks)


def _other_sidecar(job: _Job) -> str:
    """Name the sidecar that the photo has in the other naming."""
    names: tuple[Naming, Naming] = ("ext", "stem")
    return next(file for naming in names if (file := sidecar.sidecar_of(job.photo, naming)) != job.file)


def _is_beside(job: _Job) -> bool:
    """Say whether a file of a list, which may be somebody else's, is a sidecar of its photo."""
    return job.file in {sidecar.sidecar_of(job.photo, naming) for naming in ("ext", "stem")}


def _do(steps: Sequence[_Step], listed: _List, how: Asked, found: Tagged) -> None:
    """Write some files, and into the list before and afterwards what of them is ours.

    Raises:
        OutputError: the list cannot be written; the disk is full.
    """
    changing = [step for step in steps if step.changes]
    for step in changing:
        names = () if step.job.named is None else step.job.named.names
        change = Change(step.job.file, step.job.photo, names, step.existing is None, step.data is None)
        found.changed.append(change)
        found.remarks += step.remarks
    found.unchanged += sum(not step.changes and step.job.named is not None for step in steps)
    if listed.dry_run or not steps:
        return
    listed.remember(how)
    listed.append(
        tags_jsonl.line(_written(step, how, None)) for step in changing if step.job.named is not None
    )
    lines = []
    failed: OutputError | None = None
    for step in steps:
        job = step.job
        stamp = step.before or (0, 0)
        try:
            if step.changes and step.data is not None:
                stamp = sidecar.write(job.file, job.photo, step.data, step.before)
            elif step.changes:
                sidecar.remove(job.file, step.before)
        except OutputError as error:
            found.troubles.append(str(error))
            found.changed = [change for change in found.changed if change.file != job.file]
            if _is_full(error):
                failed = error
                break
            if job.named is not None:  # what the line said that stands before it
                tags_jsonl.put(listed.records, _written(step, how, None))
            continue
        if job.named is None or step.data is None:
            listed.records.files.pop(job.file, None)
            lines.append(tags_jsonl.gone(job.file))
        else:
            written = _written(step, how, stamp)
            listed.records.files[job.file] = written
            lines.append(tags_jsonl.done(job.file, stamp) if step.changes else tags_jsonl.line(written))
    listed.append(lines)
    if failed is not None:
        raise failed


def _is_full(error: OutputError) -> bool:
    """Say whether the next file will meet the same."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)


def _written(step: _Step, how: Asked, stamp: Stamp | None) -> Written:
    job = step.job
    named = job.named
    return Written(
        job.file,
        job.photo,
        "" if named is None else named.id,
        "" if named is None else named.key(how),
        step.tags,
        step.of,
        stamp,
    )
