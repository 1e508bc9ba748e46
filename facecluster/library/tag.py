"""Names out: into sidecars of the photos that show people with a name, and out of them again.

What we wrote stands in the library's own `tags.jsonl`, so that it can be taken out again, and nothing else. Every file
that names were ever written into is kept in step by each later call, whatever it is asked to write, until `untag`.

    people ─▶ named: who is where in which photo ─▶ jobs: a file each ─▶ steps ─▶ written, a line in tags.jsonl

A file whose size and time are as we left them, and that is to hold what it held, is not opened.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.durable.whole_file import remove_parts
from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.formats import embedded, tags_jsonl, xmp_write
from facecluster.formats.tags_jsonl import Asked, Naming, Records, Stamp, Written
from facecluster.formats.xmp_write import FIELDS, NOTHING, Field, Marked, Tags
from facecluster.library import sidecar
from facecluster.library.contents import Contents
from facecluster.library.embed import Agree, embed
from facecluster.library.layout import TAGS, group_again
from facecluster.library.named import Named, named_photos, wanted_of
from facecluster.library.tag_list import Change, Tagged, TagList, is_full
from facecluster.text import many, printable, quoted, some

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.library.held import Held
    from facecluster.result import Result
    from facecluster.table import Picture

_BATCH = 256
"""Files that are announced in the list at once."""
_SHOWN = 10
"""Names that a line tells."""
_AT_ONCE = 8
"""Files that are written at once: most of the time each waits for the disk."""


@dataclass(frozen=True)
class _Job:
    """A sidecar, and who is to stand in it; `named` None: nobody of ours. `forgets`: as others are forgotten."""

    file: str
    photo: str
    named: Named | None
    record: Written | None
    forgets: bool = False


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
    into_photos: Agree | None = None,
    dry_run: bool = False,
) -> Tagged:
    """Write the names of people into sidecars of their photos, and take out those that do not hold any more.

    Args:
        library: whose people are meant. Who is hidden, or has no name, is not written.
        photos: paths, folders or patterns; none: all photos of the library, and files of photos that left it.
        naming: what sidecars are called; None: one that has names of ours already is the one, else as last time.
        fields: what is written; None: as last time, when it was asked for all photos.
        into_photos: write into the photos themselves, and no new sidecars, if this agrees, see `embed.Agree`. Sidecars
            that names were written into are kept in step. None: photos are not touched.
        dry_run: only say what would change.

    Raises:
        UsageError: no photo is meant by a text.
        DeclinedError: `into_photos` said no.
        FaceclusterError: the library does not show all of its decisions; its list cannot be read or written; the disk
            is full; exiftool is needed, and not installed.
    """
    if not library.in_step:
        raise FaceclusterError(
            f"{library.directory}: its people do not show all that was decided; to group them again: "
            f"{group_again(library.directory, library.people)}"
        )
    with_list = TagList.open(library.directory, dry_run=dry_run, is_whole=not photos)
    found = Tagged(dry_run)
    with_list.leave_out_others([library.people], lambda: library.pictures, found)
    how = with_list.ask(naming, fields)
    named = named_photos(library.people, library.pictures, found.troubles)
    chosen = _choose(photos, {*named, *_photos(with_list.records), *_all_photos(library.people)})
    moved = _moved(with_list.records, named)
    _follow(with_list.records, library.people)
    if chosen is not None:
        named = {path: one for path, one in named.items() if path in chosen}
    found.photos = len(named)
    names = {name for one in named.values() for name in one.names}
    found.people = len(names)
    found.remarks += _no_keyword(names, how)
    if into_photos is not None:
        contents = Contents(library.people, lambda: library.pictures)
        photos_alone = {path: one for path, one in named.items() if not one.is_video}
        if n := len(named) - len(photos_alone):
            left = f"{many(n, 'video')} left as {'it is' if n == 1 else 'they are'}"
            found.remarks.append(
                f"{left}: names are not written into videos, but beside them, without --embed"
            )
        embed(photos_alone, chosen, with_list, how, contents, found, into_photos)
    jobs = _jobs(
        named,
        with_list.records,
        how,
        chosen,
        found,
        keeps_files=naming is None,
        only_known=into_photos is not None,
    )
    if into_photos is None:
        found.behind = _behind(with_list.records, named, how, chosen)
    _run(jobs, with_list, how, moved, found)
    return found


def untag(
    library: Held,
    photos: Sequence[str] = (),
    *,
    into_photos: Agree | None = None,
    dry_run: bool = False,
) -> Tagged:
    """Take out of files what `tag` wrote into them, and nothing else.

    Args:
        library: whose files are meant.
        photos: paths, folders or patterns; none: all.
        into_photos: take names out of the photos themselves, too, if this agrees; None: photos are not touched.
        dry_run: only say what would change.

    Raises:
        UsageError: no photo is meant by a text.
        DeclinedError: `into_photos` said no.
        FaceclusterError: the list cannot be read or written.
    """
    with_list = TagList.open(library.directory, dry_run=dry_run, is_whole=not photos)
    found = Tagged(dry_run)
    with_list.leave_out_others([library.people], lambda: library.pictures, found)
    _follow(with_list.records, library.people)
    chosen = _choose(photos, _photos(with_list.records))
    how = with_list.ask(None, None)
    if into_photos is None:
        found.behind = _behind(with_list.records, {}, how, chosen)
    else:
        contents = Contents(library.people, lambda: library.pictures)
        embed({}, chosen, with_list, how, contents, found, into_photos)
    jobs = [
        _Job(file, one.photo, None, one)
        for file, one in with_list.records.files.items()
        if not one.is_embedded and (chosen is None or one.photo in chosen)
    ]
    _run(jobs, with_list, how, _moved(with_list.records, {}), found)
    return found


def keep_up(
    directory: Path, before: Result, result: Result, pictures: Mapping[str, Picture], *, dry_run: bool
) -> Tagged:
    """Bring the files that names were written into in step with other people, and write no further ones, or kinds.

    Args:
        directory: of the library.
        before: who was who.
        result: who is who.
        pictures: of its photos.
        dry_run: only say what would change.

    Raises:
        FaceclusterError: the list cannot be read or written.
    """
    found = Tagged(dry_run)
    if not os.path.lexists(directory / TAGS):
        return found
    with_list = TagList.open(directory, dry_run=dry_run, is_whole=False)
    with_list.leave_out_others([before, result], lambda: pictures, found)
    _follow(with_list.records, before)
    how = with_list.ask(None, None)
    named = named_photos(result, pictures, found.troubles)
    jobs: dict[Asked, list[_Job]] = {}
    for file, one in with_list.records.files.items():
        if not one.is_embedded:
            who = named.get(one.photo) if os.path.lexists(one.photo) else None
            in_step = who is not None and who.key(how) == one.key
            jobs.setdefault(how if in_step else _as_there(one, how), []).append(
                _Job(file, one.photo, who, one, forgets=True)
            )
    found.behind = _behind(with_list.records, named, how, None)
    moved = _moved(with_list.records, named)
    for as_there, theirs in jobs.items():
        _run(theirs, with_list, as_there, moved, found, compact=True)
    return found


def _as_there(written: Written, how: Asked) -> Asked:
    """Ask for the kinds that we wrote into a file, which may have been asked for it alone."""
    return replace(how, fields=frozenset(kind for kind in FIELDS if getattr(written.tags, kind)))


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
    named: Mapping[str, Named],
    records: Records,
    how: Asked,
    chosen: Collection[str] | None,
    found: Tagged,
    *,
    keeps_files: bool,
    only_known: bool,
) -> list[_Job]:
    """Say which sidecars are to hold what: those that are asked for, and those that names were written into.

    `keeps_files`: one of the other naming goes on being used where names were written into it. `only_known`: no others
    than these.
    """
    whose: dict[str, list[Named]] = {}
    for photo, one in () if only_known else named.items():
        file = sidecar.sidecar_of(photo, how.naming)
        other = sidecar.sidecar_of(photo, "stem" if how.naming == "ext" else "ext")
        if keeps_files and file not in records.files and _has_ours(other, one, records):
            file = other
        whose.setdefault(file, []).append(one)
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
    return list(jobs.values())


def _has_ours(file: str, named: Named, records: Records) -> bool:
    """Say whether a sidecar is there that we wrote for a photo, wherever that lay then."""
    record = records.files.get(file)
    return (
        record is not None
        and os.path.lexists(file)
        and (record.photo == named.photo or (record.id == named.id and not os.path.lexists(record.photo)))
    )


def _no_keyword(names: Iterable[str], how: Asked) -> list[str]:
    """Tell of names that programs would take for two keywords, one below the other."""
    kinds: list[tuple[Field, str, str]] = [
        ("digikam", "/", "digiKam (TagsList)"),
        ("lightroom", "|", "Lightroom (hierarchicalSubject)"),
    ]
    remarks = []
    for field, letter, program in kinds:
        if field in how.fields and (without := sorted(name for name in names if letter in name)):
            told = some(quoted(without), _SHOWN)
            remarks.append(f"no keyword of {program}, which would read two at the {letter}: {told}")
    return remarks


def _behind(
    records: Records, named: Mapping[str, Named], how: Asked, chosen: Collection[str] | None
) -> list[str]:
    """Photos in which names of ours stand that are others now."""
    return [
        file
        for file, record in records.files.items()
        if record.is_embedded
        and (chosen is None or file in chosen)
        and (
            file not in named
            or record.key not in {named[file].key(one) for one in (how, _as_there(record, how))}
        )
    ]


# --------------------------------------------------------------------------------------------------- the work


def _run(
    jobs: Sequence[_Job], listed: TagList, how: Asked, moved: _Moved, found: Tagged, *, compact: bool = False
) -> None:
    """Do what is to be done in each file."""
    from facecluster.progress import bar

    todo = []
    for job in jobs:
        if _is_done(job, how, found):
            found.unchanged += 1
        else:
            todo.append(job)
    refused: dict[tuple[str, str], list[str]] = {}
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
            _do(steps, listed, how, found, refused)
    for (folder, why), files in refused.items():
        found.troubles.append(f"{files[0] if len(files) == 1 else f'{folder}: {len(files)} files'}: {why}")
    if not listed.dry_run:
        listed.tidy(now=compact or any(job.named is None for job in todo))  # who is forgotten is in no line


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
    return _Moved(tags, {one.id for one in named.values() if os.path.lexists(one.photo)})


def _follow(records: Records, result: Result) -> None:
    """Find sidecars of ours that went along with photos to where a result knows these."""
    from facecluster.library.refer import faces_of

    paths: dict[str, dict[str, None]] = {}
    for face in faces_of(result):
        paths.setdefault(face.id.rpartition("-")[0], {})[face.photo] = None
    found: dict[str, Written] = {}
    for file, one in records.files.items():
        for path in paths.get(one.id, {}) if not one.is_embedded and not os.path.lexists(file) else ():
            there = sidecar.sidecar_of(path, "ext" if file == one.photo + sidecar.ENDING else "stem")
            if there not in records.files and os.path.lexists(there):
                tags = tags_jsonl.both(one.tags, found[there].tags if there in found else NOTHING)
                found[there] = replace(one, file=there, photo=path, tags=tags, stamp=None)
    records.files = found | records.files  # a kill must not come when only the old place is off the list


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
    wanted, packet = NOTHING, None
    faces: tuple[Marked, ...] = ()
    if job.named is not None:
        if of is None:
            found.away.append(job.photo)
            return None
        try:
            inside = embedded.embedded_of(job.photo)
            wanted = wanted_of(job.named, inside, how)
            faces = wanted_of(job.named, inside, replace(how, fields=FIELDS)).mwg
        except FaceclusterError as error:
            raise FaceclusterError(f"{job.photo}: {error}") from error
        packet = inside.xmp
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
    own = records.files.get(job.photo)
    try:
        inside_ours = NOTHING if own is None else own.tags
        anew = job.record is None or job.record.of != of
        wanted = sidecar.with_embedded(
            wanted, packet, inside_ours, existing, ours, faces=faces, anew=anew, forgets=job.forgets
        )
        made = job.record is not None and job.record.made
        merged = xmp_write.merge(existing, wanted, ours, made=made)
        if n := sidecar.two_names(merged.data, merged.written, faces):
            found.two_names[job.file] = n
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


def _do(
    steps: Sequence[_Step],
    listed: TagList,
    how: Asked,
    found: Tagged,
    refused: dict[tuple[str, str], list[str]],
) -> None:
    """Write some files, and into the list before and afterwards what of them is ours.

    `refused` gets those that could not be written, by folder and why.

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
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        outcomes = [*pool.map(_put, steps)]
    lines = []
    failed: OutputError | None = None
    for step, stamp in zip(steps, outcomes, strict=True):
        job = step.job
        if isinstance(stamp, OutputError):
            why = str(stamp).removeprefix(f"{job.file}: ")
            refused.setdefault((os.path.dirname(job.file), why), []).append(job.file)
            found.changed = [change for change in found.changed if change.file != job.file]
            failed = stamp if is_full(stamp) else failed
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


def _put(step: _Step) -> Stamp | OutputError:
    """Write or remove a file, or leave it; give what it is like now, or why it was not written."""
    job = step.job
    try:
        if step.changes and step.data is not None:
            return sidecar.write(job.file, job.photo, step.data, step.before)
        if step.changes:
            sidecar.remove(job.file, step.before)
    except OutputError as error:
        return error
    return step.before or (0, 0)


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
        step.existing is None or (job.record is not None and job.record.made),
    )
