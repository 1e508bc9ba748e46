"""Photos -> FaceTable: the order of the stages, in parallel, resumable, and only for photos that are new.

    paths -> files -> what is known already (an earlier table, the journal of an interrupted run), by the coded picture
                      or by its pixels, else a worker process:
                      pixels -> faces, in upright pixels -> meshes -> poses, quality, encodings, attributes
          -> identify: which photo each is, and which face -> put in what was drawn -> leave out what was forgotten
          -> keep: which earlier photos stay -> one table, without the faces that fail the check, if there is one

What is known about a photo is kept by its picture: copies are analysed once, renamed and rated ones not again.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.analysis import FACE, Analysis, Row, make_table, pack, unreadable
from facecluster.encoding.dated import UNDATED, When, when_of
from facecluster.encoding.drawn import NONE, Drawn, put_in
from facecluster.encoding.forgotten import leave_out
from facecluster.encoding.identify import Before, identify
from facecluster.encoding.keep import Keep, Kept, replaced, stay
from facecluster.encoding.measure import faces_in
from facecluster.encoding.paged import analyse_pages
from facecluster.encoding.resume import Look, Past, recall
from facecluster.encoding.worker import LIMIT_S, obituary, prepare_worker
from facecluster.errors import FaceclusterError, PhotoError
from facecluster.formats import face_table, forgotten_jsonl
from facecluster.formats.face_table import check_output
from facecluster.identity.admit import admit
from facecluster.options import EncodeOptions
from facecluster.photos import picture
from facecluster.photos.decode import decode
from facecluster.photos.each_page import which_pages
from facecluster.photos.file import alone_if_large, file_digest, read_photo
from facecluster.photos.looks import perceptual_hash
from facecluster.photos.pages import has_several
from facecluster.photos.pixels import Decoded
from facecluster.table import NO_FACE, OK, UNREADABLE, FaceTable
from facecluster.text import many
from facecluster.vision import models
from facecluster.workers import Died, Workers, n_cores, work

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_READ_THREADS = 4
_READ_AHEAD = 64
"""Files that are looked at before they are needed: enough to hide a slow disk."""

_USUAL = Keep()

_CLOCK_S = 2.0
"""Seconds by which times of files are rounded, at most (FAT: Microsoft, "File Times")."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table and how it came about.

    Attributes:
        table: one row of photos for each path, in their order; then the earlier ones that stay. Of a table that was
            added to, first its rows, in their order, then those of new paths.
        n_reused: photos whose picture was known from an earlier run.
        n_new_faces: faces that were found now.
        n_refused: faces that were found now, or in an interrupted run, and are left out because they fail the check.
        asked: (m,) bool, which rows of photos are of the paths.
        replaced: paths whose faces in the earlier table are not in this one any more: another photo is there now.
        edited: paths whose photo was edited, and whose faces are known again.
        left_out: paths in which faces were found that are forgotten, and how many.
        kept: what became of the earlier photos that are not among the paths.
    """

    table: FaceTable
    n_reused: int
    n_new_faces: int
    n_refused: int
    asked: NDArray[np.bool_]
    replaced: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)


@dataclass(frozen=True)
class KnownPhoto:
    """Stands for an analysis that a worker need not make, as one of the same pixels is there, or of the same looks.

    Attributes:
        pixels: digest of them.
        when: the photo was taken.
        look: how it looks, where the pixels are not known; else None.
    """

    pixels: str
    when: When
    look: Look | None = None


@dataclass(frozen=True, eq=False)
class KnownKeys:
    """What a worker knows of photos that are known already: the first 64 bits of each key, ascending.

    Attributes:
        pixels: (k,) uint64 of digests of pixels.
        looks: (l,) uint64, perceptual hashes of photos whose pixels are not known.
    """

    pixels: NDArray[np.uint64]
    looks: NDArray[np.uint64]

    @classmethod
    def of(cls, past: Past) -> KnownKeys:
        """Gather them."""
        pixels = np.array([int(digest[:16], 16) for digest in past.by_pixels], dtype=np.uint64)
        looks = np.array([look for look, _ in past.by_look], dtype=np.uint64)
        return cls(np.sort(pixels), np.sort(looks))


def _is_in(key: int, keys: NDArray[np.uint64]) -> bool:
    """Whether a key is among some that ascend."""
    if not len(keys):
        return False
    place = min(int(np.searchsorted(keys, np.uint64(key))), len(keys) - 1)
    return bool(keys[place] == np.uint64(key))


def analyse(
    photo: Decoded, options: EncodeOptions, known: KnownKeys | None = None, when: When = UNDATED
) -> Analysis | KnownPhoto:
    """Find and measure the faces of one photo.

    Args:
        photo: as `decode` gives it.
        options: what to look for, and how.
        known: what is known already; None: nothing.
        when: it was taken.
    """
    pixels = photo.pixels
    digest = picture.pixel_digest(pixels, photo.size)
    if known is not None:
        if _is_in(int(digest[:16], 16), known.pixels):
            return KnownPhoto(digest, when)
        if len(known.looks) and _is_in(look := perceptual_hash(pixels), known.looks):
            return KnownPhoto(digest, when, (look, photo.size))
    looks = picture.hashes(pixels)
    faces = faces_in(photo, options)
    status = OK if len(faces) else NO_FACE
    return Analysis("", digest, photo.size, status, "", when, looks[0], faces, looks=looks)


def encode_photos(
    paths: Sequence[str],
    options: EncodeOptions,
    *,
    output: Path | None = None,
    jobs: int = -1,
    fresh: bool = False,
    remake: bool = False,
    keep: Keep = _USUAL,
    drawn: Drawn = NONE,
    advance: Callable[[], object] = lambda: None,
) -> Encoded:
    """Find the faces of photos, and write them as a table.

    The table is the same, to the byte, however many processes work on it, and whatever of it an earlier table or an
    interrupted run already knew.

    Args:
        paths: absolute, no path twice.
        options: what to look for, and how.
        output: where the table is written, .npz or .pickle. What an earlier table there, made with the same
            settings, knows about photos of the same picture is used again; its unreadable photos are tried again.
            While this runs, `output`.partial holds what is done; it stays where this is interrupted, and the next
            run goes on from there. None, or a pipe or device: no earlier table and no such file. Faces on the list of
            what was forgotten beside it (`forgotten_jsonl.list_of`) are left out.
        jobs: worker processes; -1 is one a core.
        fresh: use no number of an earlier table. Its photos stay who they are, and keep their places and ids.
        remake: where the earlier table was made with other settings, encode all its photos again, in place of an error.
        keep: which photos of the earlier table stay that are not among `paths`.
        drawn: faces that somebody drew; they are put in where the detector does not find them.
        advance: called once for each photo that is done.

    Raises:
        OutputError: the output cannot be written, or another process is writing it.
        ModelError: weights are missing.
        PhotoError: with `keep.arriving`, all of them are gone before they are read; the earlier table stays as it is.
        FaceclusterError: no photos, or none that can be read; the earlier table was made with other settings; or it is
            made anew and photos of it are not there to be encoded again.
    """
    if not paths:
        raise FaceclusterError("no photos found; give files, or folders that hold some")
    settings = options.settings()
    if output is not None:
        check_output(output)
    with recall(output, settings, fresh=fresh, remake=remake) as past:
        if past.remade:
            paths = _with_earlier(paths, past.rows, prune=keep.prune)
        found, new = find_faces(paths, options, past, jobs=jobs, advance=advance)
        _warn_of_others(past, found)
        found = still_there(found) if keep.arriving else _or_none_can_be_read(found)
        before = Before(past.rows)
        identified = identify(found, before, past.settings, settings)
        rows = put_in(identified.rows, drawn, before, past.rows, options, jobs=jobs)
        kept = stay(past.rows, rows, keep)
        if past.remade:
            kept = kept.without_rows()
        places = [] if output is None else forgotten_jsonl.read(forgotten_jsonl.list_of(output))
        left = leave_out(_in_order(rows, kept, past, keep), places, past)
        if output is not None:
            forgotten_jsonl.append(forgotten_jsonl.list_of(output), left.places)
        table, n_refused = admit(make_table(left.rows, settings), options.check)
        if output is not None:
            face_table.write(table, output)
        if past.journal is not None:
            past.journal.remove()
    here, analysed = set(paths), {row.coded for row in found if row.path in new}
    return Encoded(
        table=table,
        n_reused=sum(row.analysis.status != UNREADABLE and row.coded not in analysed for row in found),
        n_new_faces=sum(len(row.analysis.faces) for row in found if row.path in new),
        n_refused=n_refused,
        asked=np.array([row.path in here for row in left.rows], dtype=np.bool_),
        replaced=replaced(past.rows, left.rows),
        edited=identified.edited,
        left_out=left.counts,
        kept=kept,
    )


def find_faces(
    paths: Sequence[str],
    options: EncodeOptions,
    past: Past,
    *,
    jobs: int = -1,
    all_anew: bool = False,
    workers: PhotoWorkers | None = None,
    advance: Callable[[], object] = lambda: None,
) -> tuple[list[Row], set[str]]:
    """Read photos and analyse those whose picture is not known, keeping each result in the journal.

    Args:
        paths: absolute.
        options: what to look for, and how.
        past: what is known; gains what is found.
        jobs: worker processes; -1 is one a core.
        all_anew: analyse every picture that is not known by its coding.
        workers: processes that stay, see `photo_workers`; None: others, for this call.
        advance: called once for each photo that is done.

    Returns:
        A row for each path, in their order; the paths that were analysed now, one of each picture.
    """
    files = _Files(paths, past, advance)
    rows: dict[str, Row] = {}
    new: set[str] = set()
    known = None if all_anew else KnownKeys.of(past)
    n_workers = min(jobs if jobs > 0 else n_cores(), len(paths))
    own = workers is None
    workers = photo_workers(options, known) if workers is None else workers
    unknown = _with_weights(files.unknown(), options)
    try:
        with closing(workers.work(unknown, n_workers)) as results:
            for path, outcome in results:
                coded, found = (
                    (files.started_as(path), unreadable(obituary(outcome)))
                    if isinstance(outcome, Died)
                    else outcome
                )
                if isinstance(found, KnownPhoto):
                    like = _like(path, found, past)
                    if like is None:
                        continue
                    found = like
                elif found.status != UNREADABLE:
                    # An array that came from another process has a type of its own, ten times as large as a face.
                    found = replace(found, faces=found.faces.astype(FACE))
                    new.add(path)
                    if past.journal is not None:
                        past.journal.append(pack(coded, found))
                rows[path] = Row(path, coded, found)
                past.learn(coded, found)
                advance()
    except KeyboardInterrupt:
        if past.journal is not None and new:
            _log.warning("what is done is kept in %s; the same command goes on from there", past.journal.path)
        raise
    finally:
        if own:
            workers.close()
    for path, (coded, when) in files.known.items():
        rows[path] = Row(path, coded, replace(past.by_coded[coded], when=when))
    for path, error in files.failed.items():
        rows[path] = Row(path, "", unreadable(str(error)))
    of_coded = {row.coded: row.analysis for row in rows.values()}
    for path, (coded, when) in files.copies.items():
        if coded in of_coded:
            broken = of_coded[coded].status == UNREADABLE
            rows[path] = Row(path, coded, replace(of_coded[coded], when=UNDATED if broken else when))
    rest = [path for path in paths if path not in rows]
    if rest:  # they only look alike, or a copy of a file that is another one since
        stay = None if own else workers
        again, newer = find_faces(rest, options, past, jobs=jobs, workers=stay, all_anew=True)
        rows |= {row.path: row for row in again}
        new |= newer
    return [rows[path] for path in paths], new


PhotoWorkers: TypeAlias = Workers[str, tuple[str, Analysis | KnownPhoto]]
"""Processes that analyse photos, by path."""


def photo_workers(options: EncodeOptions, known: KnownKeys | None = None) -> PhotoWorkers:
    """Make processes that analyse photos; `close` them.

    Args:
        options: what to look for, and how.
        known: pictures that are not analysed, see `analyse`; None: all are.
    """
    return Workers(partial(_analyse, options=options, known=known), prepare_worker, LIMIT_S)


def encode_each(paths: Sequence[str], options: EncodeOptions, *, jobs: int = -1) -> Iterator[FaceTable]:
    """Find the faces of photos, and give a table of each, in order, as soon as it and those before it are done.

    Nothing is kept, so memory does not grow with their number: copies of a photo are analysed each on its own.
    Unreadable photos are rows with a reason, also where there are no others.

    Args:
        paths: absolute.
        options: what to look for, and how.
        jobs: worker processes; -1 is one a core.

    Raises:
        ModelError: weights are missing.
    """
    settings = options.settings()
    waiting: dict[int, Row] = {}  # for those before them
    n_given = 0
    n_workers = min(jobs if jobs > 0 else n_cores(), len(paths))
    function = partial(_analyse_item, options=options)
    numbered = enumerate(_with_weights(paths, options))
    work_on = work(function, numbered, n_workers=n_workers, start=prepare_worker, limit_s=LIMIT_S)
    with closing(work_on) as results:
        for (i, path), outcome in results:
            coded, found = ("", unreadable(obituary(outcome))) if isinstance(outcome, Died) else outcome
            waiting[i] = Row(path, coded, replace(found, digest=found.pixels))
            while n_given in waiting:
                table, _ = admit(make_table([waiting.pop(n_given)], settings), options.check)
                yield table
                n_given += 1


def _with_earlier(paths: Sequence[str], before: Sequence[Row], *, prune: bool) -> list[str]:
    """Add the photos of the earlier table, all of which are encoded again.

    Args:
        paths: photos of this run.
        before: rows of the earlier table.
        prune: those that are not there may be lost.

    Raises:
        FaceclusterError: some are not there, by no other name either, and would be lost.
    """
    here = set(paths)
    rest = [row for row in before if row.path not in here]
    gone = {row.path: row for row in rest if not os.path.exists(row.path)}
    missing = [path for path, row in gone.items() if row.analysis.digest]
    if missing and not prune:
        earlier = {row.path for row in before}
        look = partial(_look, times={}, since=0.0, with_file=True)
        new = _ahead(look, (path for path in paths if path not in earlier))
        seen = {digest for file in new if isinstance(file, _File) for digest in (file.coded, file.digest)}
        missing = [path for path in missing if not seen & {gone[path].coded, gone[path].analysis.digest}]
    if missing and not prune:
        shown = "".join(f"\n  {path}" for path in missing[:10])
        more = f"\n  ... and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise FaceclusterError(
            f"{many(len(missing), 'photo is', 'photos are')} in the earlier table and not there, and cannot be encoded "
            f"with other settings:{shown}{more}\nmake them available (is a drive not mounted?), leave out the options "
            "that are others now, or let them go with --prune"
        )
    return [*paths, *(row.path for row in rest if row.path not in gone)]


def _in_order(rows: Sequence[Row], kept: Kept, past: Past, keep: Keep) -> list[Row]:
    """Put the rows of this run and those that stay in the order of the table."""
    if not keep.append and not keep.arriving:
        return [*rows, *kept.rows]
    new, stays = {row.path: row for row in rows}, {row.path for row in kept.rows}
    earlier = [new.pop(row.path, row) for row in past.rows if row.path in stays or row.path in new]
    return [*earlier, *new.values()]


def _warn_of_others(past: Past, rows: Sequence[Row]) -> None:
    """Say how much of what an interrupted run had done is of no use now."""
    n_dropped = len(past.interrupted.difference(row.coded for row in rows))
    if n_dropped:
        _log.warning(
            "left out of what the interrupted run had done, as not among these photos: %d", n_dropped
        )


def _or_none_can_be_read(rows: list[Row]) -> list[Row]:
    """Give rows back, but not if none of them could be read.

    Raises:
        FaceclusterError: so it is.
    """
    if all(row.analysis.status == UNREADABLE for row in rows):
        reasons = [f"\n  {row.path}: {row.analysis.reason}" for row in rows]
        more = f"\n  ... and {len(rows) - 10} more" if len(rows) > 10 else ""
        which = "the photo" if len(rows) == 1 else f"any of the {len(rows)} photos"
        raise FaceclusterError(f"cannot read {which}:{''.join(reasons[:10])}{more}")
    return rows


def still_there(rows: Sequence[Row]) -> list[Row]:
    """Leave out the photos that were gone before they were read, and copies of them that were to be read there.

    Raises:
        PhotoError: that are all.
    """
    broken = {row.path for row in rows if row.analysis.status == UNREADABLE}
    gone = {path for path in broken if not os.path.exists(path)}
    contents = {row.coded for row in rows if row.path in gone and row.coded}
    left = [
        row for row in rows if row.path not in gone and not (row.path in broken and row.coded in contents)
    ]
    if not left:
        raise PhotoError("these photos are not there any more")
    return left


def _like(path: str, found: KnownPhoto, past: Past) -> Analysis | None:
    """Give the analysis that a worker did not make; None where the photo only looks alike, so that it is needed."""
    like = past.by_pixels.get(found.pixels)
    if like is None and found.look is not None:
        like = past.looking_like(path, found.look)
    return None if like is None else replace(like, when=found.when, pixels=found.pixels)


def _with_weights(paths: Iterable[str], options: EncodeOptions) -> Iterator[str]:
    """Give paths, and make sure before the first one that the weights are there: once, here, not in every worker."""
    for i, path in enumerate(paths):
        if i == 0:
            for name in options.models():
                models.path(name)
        yield path


class _Files:
    """The files of photos: which of them are known, and which must be analysed.

    Attributes:
        known: by path, the digest of the coded picture, and when it was taken.
        copies: the same of files of the same coded picture as one that is being analysed.
        started: by path, the digest of files that are being analysed.
        failed: by path, why a file cannot be read.
    """

    def __init__(self, paths: Sequence[str], past: Past, advance: Callable[[], object]) -> None:
        self.known: dict[str, tuple[str, When]] = {}
        self.copies: dict[str, tuple[str, When]] = {}
        self.started: dict[str, str] = {}
        self.failed: dict[str, PhotoError] = {}
        self._paths, self._past, self._advance = paths, past, advance

    def unknown(self) -> Iterator[str]:
        """Look at all files; give the paths of those that must be analysed, `advance` for the others."""
        started: set[str] = set()
        look = partial(
            _look, times=self._past.times, since=self._past.since, with_file=bool(self._past.by_file)
        )
        for path, file in zip(self._paths, _ahead(look, self._paths), strict=True):
            if isinstance(file, PhotoError):
                self.failed[path] = file
            elif file.coded in self._past.by_coded and file.coded not in started:
                self.known[path] = (file.coded, file.when)
            elif file.digest in self._past.by_file:
                self._past.by_coded[file.coded] = self._past.by_file[file.digest]
                self.known[path] = (file.coded, file.when)
            elif file.coded in started:
                self.copies[path] = (file.coded, file.when)
            else:
                started.add(file.coded)
                self.started[path] = file.coded
                yield path
                continue
            self._advance()

    def started_as(self, path: str) -> str:
        """The digest of a file that is being analysed, "" where it is another one by now."""
        with suppress(PhotoError):
            if picture.coded_digest(read_photo(path)[0]) == self.started[path]:
                return self.started[path]
        return ""


@dataclass(frozen=True)
class _File:
    """What a file tells before it is decoded.

    Attributes:
        coded: `picture.coded_digest` of it.
        digest: of its bytes, as an older facecluster knew photos; "" where nobody asks, or that knew less of it.
        when: it was taken.
    """

    coded: str
    digest: str
    when: When


def _look(
    path: str, times: Mapping[str, tuple[str, When]], since: float, with_file: bool
) -> _File | PhotoError:
    """Read a file and say what it tells before it is decoded.

    Args:
        path: of the file.
        times: see `Past`.
        since: see `Past`.
        with_file: digest the bytes too.
    """
    with alone_if_large(path):
        try:
            data, changed = read_photo(path)
        except PhotoError as error:
            return error
        coded = picture.coded_digest(data)
        earlier, when = times.get(path, ("", UNDATED))
        if earlier != coded or changed >= since - _CLOCK_S:
            when = when_of(path, data)
        # Of a file of several pages an older facecluster had looked at the first one.
        is_known_by_file = with_file and not has_several(data)
        return _File(coded, file_digest(data) if is_known_by_file else "", when)


def _ahead(function: Callable[[str], _T], items: Iterable[str]) -> Iterator[_T]:
    """Call a function on items in threads, a little ahead of where the results are used."""
    pool = ThreadPoolExecutor(_READ_THREADS)
    waiting: deque[Future[_T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > _READ_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


# ------------------------------------------------------------------------------------------- in a worker process


def _analyse(
    path: str, options: EncodeOptions, known: KnownKeys | None = None
) -> tuple[str, Analysis | KnownPhoto]:
    """Read and analyse a photo, or say why that is not possible: the bytes that are digested are those decoded."""
    coded = ""
    try:
        data, _ = read_photo(path)
        coded = picture.coded_digest(data)
        when = when_of(path, data)
        which = which_pages(data)
        if which.numbers != (0,):
            pages = analyse_pages(data, which, options, when)
            is_known = known is not None and _is_in(int(pages.pixels[:16], 16), known.pixels)
            return coded, KnownPhoto(pages.pixels, when) if is_known else pages
        photo = decode(data, truncated=options.truncated)
        del data  # up to half of the memory of a process
        found = analyse(photo, options, known, when)
        return coded, replace(found, reason=which.remark) if isinstance(found, Analysis) else found
    except PhotoError as error:
        return coded, unreadable(str(error))
    except FaceclusterError:
        raise
    except Exception as error:  # noqa: BLE001 - one odd photo must not end a run over ten thousand
        return coded, unreadable(
            f"facecluster failed on it ({type(error).__name__}: {error}); please report it"
        )


def _analyse_item(item: tuple[int, str], options: EncodeOptions) -> tuple[str, Analysis]:
    """Read and analyse a numbered photo."""
    coded, found = _analyse(item[1], options)
    if isinstance(found, KnownPhoto):
        raise TypeError("nothing is known")
    return coded, found
