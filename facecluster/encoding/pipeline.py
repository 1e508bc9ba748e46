"""Photos -> FaceTable: the order of the stages, in parallel, resumable, and only for photos that are new.

    paths -> digests -> what is known already (an earlier table, the journal of an interrupted run), else
                        a worker process: pixels -> faces -> meshes -> poses, quality, encodings, attributes
          -> one table, in the order of the paths, without the faces that fail the check, if there is one

What is known about a photo is kept by the digest of its content: byte-identical photos are analysed once, renamed
ones not again.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facecluster import photos
from facecluster.encoding.analysis import FACE, Analysis, Row, make_table, pack, unreadable
from facecluster.encoding.resume import Past, recall, renamed, replaced
from facecluster.errors import FaceclusterError, PhotoError
from facecluster.formats import face_table
from facecluster.formats.face_table import check_output
from facecluster.identity.admit import admit
from facecluster.options import EncodeOptions
from facecluster.table import ATTRIBUTES, NO_FACE, OK, UNREADABLE, FaceTable
from facecluster.vision import attributes, detect, encode, mesh, models, parts, pose, quality
from facecluster.workers import Died, n_cores, work

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_M_MMAP_THRESHOLD = -3  # malloc.h of glibc

_DIGEST_THREADS = 4
_DIGESTS_AHEAD = 64
"""Photos that are digested before they are needed: enough to hide a slow disk."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table and how it came about.

    Attributes:
        table: one row of photos for each path, in their order; then those kept though they are missing. Of a table
            that was added to, first its rows, in their order, then those of new paths.
        n_reused: photos whose content was known from an earlier run.
        n_new_faces: faces that were found now.
        n_vanished: photos of the earlier table that are not there any more; where it was added to, all that are not
            among the paths.
        n_refused: faces that were found now, or in an interrupted run, and are left out because they fail the check.
        asked: (m,) bool, which rows of photos are of the paths.
        replaced: paths whose faces in the earlier table are not in this one any more: the file has other content now,
            or is not there.
    """

    table: FaceTable
    n_reused: int
    n_new_faces: int
    n_vanished: int
    n_refused: int
    asked: NDArray[np.bool_]
    replaced: tuple[str, ...]


def analyse(path: str, options: EncodeOptions) -> Analysis:
    """Find and measure the faces of one photo.

    Raises:
        PhotoError: it cannot be read.
    """
    photo = photos.decode(path)
    pixels = photo.pixels
    found = detect.find_faces(
        pixels,
        detector=options.detector,
        min_face_px=options.min_face * photo.scale,
        max_side_px=options.max_side,
        upsample=options.upsample,
    )
    meshes = mesh.fit_meshes(pixels, found.box, found.landmarks)
    landmarks = np.where(np.isnan(found.landmarks), mesh.landmarks(meshes.points), found.landmarks)
    angles = pose.head_pose(meshes.points, meshes.features)
    measured = parts.measure(pixels, found.box, meshes.points, meshes.presence, photo.scale, angles)

    faces = np.empty(len(found.box), FACE)
    width, height = photo.size
    faces["box"] = np.clip(found.box / photo.scale, 0, (width, height, width, height))
    faces["anchor"] = faces["box"]
    faces["score"] = found.score
    faces["landmarks"] = landmarks / photo.scale
    faces["pose"] = angles
    for name in ATTRIBUTES:
        faces[name] = np.nan
    estimated = vars(attributes.estimate(pixels, meshes.points)) if options.attributes else {}
    for name, column in (vars(measured) | estimated).items():
        faces[name] = column
    encoded = encode.encode_faces(
        pixels,
        found.box,
        landmarks,
        detector=options.detector,
        encoder=options.encoder,
        mirror=options.mirror,
    )
    faces["encoding"] = encoded.encoding
    faces["distinctness"] = encoded.distinctness
    faces["quality"] = quality.score(measured.presence, encoded.distinctness, options.encoder)
    status = OK if len(faces) else NO_FACE
    return Analysis(photo.size, status, "", photo.taken, photos.perceptual_hash(pixels), faces)


def encode_photos(
    paths: Sequence[str],
    options: EncodeOptions,
    *,
    output: Path | None = None,
    jobs: int = -1,
    fresh: bool = False,
    keep_missing: bool = False,
    append: bool = False,
    arriving: bool = False,
    advance: Callable[[], object] = lambda: None,
) -> Encoded:
    """Find the faces of photos, and write them as a table.

    The table is the same, to the byte, however many processes work on it, and whatever of it an earlier table or an
    interrupted run already knew.

    Args:
        paths: absolute, no path twice.
        options: what to look for, and how.
        output: where the table is written, .npz or .pickle. What an earlier table there, made with the same
            settings, knows about photos of the same content is used again; its unreadable photos are tried again.
            While this runs, `output`.partial holds what is done; it stays where this is interrupted, and the next
            run goes on from there. None, or a pipe or device: no earlier table and no such file.
        jobs: worker processes; -1 is one a core.
        fresh: use nothing of an earlier table.
        keep_missing: keep the rows of the earlier table whose photos are not among `paths` any more, at the end. A
            photo whose content is among them counts as moved.
        append: add to the earlier table: keep all its rows whose paths are not among `paths`, whatever became of those
            files, also where the same content is among them; the others are brought up to date in their places.
        arriving: with `append`, for folders that are watched: for each path that has a content newly, the row of one
            photo of that content that is not there any more goes, as it was renamed; paths that are gone before they
            are read get no row, nor do copies that were to be read there; and paths none of which can be read are
            no error.
        advance: called once for each photo that is done.

    Raises:
        OutputError: the output cannot be written, or another process is writing it.
        ModelError: weights are missing.
        PhotoError: with `arriving`, all of them are gone before they are read; the earlier table stays as it is.
        FaceclusterError: no photos, or none that can be read; the earlier table was made with other settings.
    """
    if not paths:
        raise FaceclusterError("no photos found; give files, or folders that hold some")
    settings = options.settings()
    for name in options.models():
        models.path(name)  # fetched once, here, not by every worker
    if output is not None:
        check_output(output)
    with recall(output, settings, fresh=fresh) as past:
        digests, new = _analyse_new(paths, options, past, jobs, advance)
        rows = _rows(paths, digests, past.known | new, or_none=arriving)
        if arriving:
            rows = _still_there(rows)
        here, contents = set(paths), set(digests)
        vanished = [row for row in past.rows if row[0] not in here and (append or row[1] not in contents)]
        n_dropped = len(past.known.keys() - contents - {digest for _, digest, _ in past.rows})
        if n_dropped:
            _log.warning(
                "left out of what the interrupted run had done, as not among these photos: %d", n_dropped
            )
        kept = rows + vanished if keep_missing else rows
        if append:
            row_of = {row[0]: row for row in rows}
            gone = renamed(past.rows, rows) if arriving else set()
            kept = [row_of.pop(row[0], row) for row in past.rows if row[0] not in gone]
            kept += row_of.values()
        table, n_refused = admit(make_table(kept, settings), options.check)
        if output is not None:
            face_table.write(table, output)
        if past.journal is not None:
            past.journal.remove()
    return Encoded(
        table=table,
        n_reused=sum(digest in past.known for _, digest, _ in rows),
        n_new_faces=sum(len(analysis.faces) for analysis in new.values()),
        n_vanished=len(vanished),
        n_refused=n_refused,
        asked=np.array([path in here for path, _, _ in kept], dtype=np.bool_),
        replaced=replaced(past.rows, kept),
    )


def encode_each(paths: Sequence[str], options: EncodeOptions, *, jobs: int = -1) -> Iterator[FaceTable]:
    """Find the faces of photos, and give a table of each, in order, as soon as it and those before it are done.

    Nothing is kept, so memory does not grow with their number: byte-identical photos are analysed each on its own.
    Unreadable photos are rows with a reason, also where there are no others.

    Args:
        paths: absolute.
        options: what to look for, and how.
        jobs: worker processes; -1 is one a core.

    Raises:
        ModelError: weights are missing.
    """
    settings = options.settings()
    for name in options.models():
        models.path(name)  # fetched once, here, not by every worker
    waiting: dict[int, tuple[str, Analysis]] = {}  # for those before them
    n_given = 0
    n_workers = min(jobs if jobs > 0 else n_cores(), len(paths))
    function = partial(_digest_and_analyse, options=options)
    with closing(work(function, enumerate(paths), n_workers=n_workers, start=prepare_worker)) as results:
        for (i, _), outcome in results:
            waiting[i] = ("", unreadable(_obituary(outcome))) if isinstance(outcome, Died) else outcome
            while n_given in waiting:
                table, _ = admit(
                    make_table([(paths[n_given], *waiting.pop(n_given))], settings), options.check
                )
                yield table
                n_given += 1


def _analyse_new(
    paths: Sequence[str],
    options: EncodeOptions,
    past: Past,
    jobs: int,
    advance: Callable[[], object],
) -> tuple[list[str | PhotoError], dict[str, Analysis]]:
    """Digest all photos and analyse the new ones, keeping each result in the journal.

    Returns:
        The digest of each path, or why there is none; what was found, by digest.
    """
    digests = _Digests(paths, past.known, advance)
    new: dict[str, Analysis] = {}
    n_workers = min(jobs if jobs > 0 else n_cores(), len(paths))
    function = partial(_analyse, options=options)
    try:
        with closing(work(function, digests.unknown(), n_workers=n_workers, start=prepare_worker)) as results:
            for (digest, _), outcome in results:
                analysis = unreadable(_obituary(outcome)) if isinstance(outcome, Died) else outcome
                new[digest] = analysis
                if past.journal is not None and analysis.status != UNREADABLE:
                    past.journal.append(pack(digest, analysis))
                advance()
    except KeyboardInterrupt:
        if past.journal is not None and new:
            _log.warning("what is done is kept in %s; the same command goes on from there", past.journal.path)
        raise
    return digests.found, new


def _rows(
    paths: Sequence[str],
    digests: Sequence[str | PhotoError],
    analyses: Mapping[str, Analysis],
    *,
    or_none: bool = False,
) -> list[Row]:
    """Put together what is known about each path.

    Raises:
        FaceclusterError: none of them can be read, unless `or_none` allows that.
    """
    rows = [
        (path, "", unreadable(str(digest)))
        if isinstance(digest, PhotoError)
        else (path, digest, analyses[digest])
        for path, digest in zip(paths, digests, strict=True)
    ]
    if not or_none and all(analysis.status == UNREADABLE for _, _, analysis in rows):
        reasons = [f"\n  {path}: {analysis.reason}" for path, _, analysis in rows]
        more = f"\n  ... and {len(rows) - 10} more" if len(rows) > 10 else ""
        which = "the photo" if len(rows) == 1 else f"any of the {len(rows)} photos"
        raise FaceclusterError(f"cannot read {which}:{''.join(reasons[:10])}{more}")
    return rows


def _still_there(rows: Sequence[Row]) -> list[Row]:
    """Leave out the photos that were gone before they were read, and copies of them that were to be read there.

    Raises:
        PhotoError: that are all.
    """
    broken = {path for path, _, analysis in rows if analysis.status == UNREADABLE}
    gone = {path for path in broken if not os.path.exists(path)}
    contents = {digest for path, digest, _ in rows if path in gone and digest}
    left = [row for row in rows if row[0] not in gone and not (row[0] in broken and row[1] in contents)]
    if not left:
        raise PhotoError("these photos are not there any more")
    return left


class _Digests:
    """The digests of photos, and which of them are new.

    Attributes:
        found: digest of each path so far, or why there is none.
    """

    def __init__(self, paths: Sequence[str], known: Collection[str], advance: Callable[[], object]) -> None:
        self.found: list[str | PhotoError] = []
        self._paths, self._known, self._advance = paths, known, advance

    def unknown(self) -> Iterator[tuple[str, str]]:
        """Digest all photos; give digest and path of those that must be analysed, `advance` for the others."""
        started: set[str] = set()
        for path, digest in zip(self._paths, _ahead(_digest, self._paths), strict=True):
            self.found.append(digest)
            if isinstance(digest, PhotoError) or digest in self._known or digest in started:
                self._advance()
            else:
                started.add(digest)
                yield digest, path


def _digest(path: str) -> str | PhotoError:
    try:
        return photos.digest(path)
    except PhotoError as error:
        return error


def _ahead(function: Callable[[str], _T], items: Iterable[str]) -> Iterator[_T]:
    """Call a function on items in threads, a little ahead of where the results are used."""
    pool = ThreadPoolExecutor(_DIGEST_THREADS)
    waiting: deque[Future[_T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > _DIGESTS_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


# ------------------------------------------------------------------------------------------- in a worker process


def prepare_worker() -> None:
    """Keep to one core, give memory back, and keep the C libraries' remarks on broken photos off the terminal."""
    cv2.setNumThreads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    # By default glibc keeps up to 32 MB blocks that were freed, in pieces: 448 MB after the networks are loaded,
    # 189 MB with this, at no measurable cost in time. Other C libraries have no mallopt.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 4 << 20)


def _analyse(item: tuple[str, str], options: EncodeOptions) -> Analysis:
    """Analyse a photo, or say why that is not possible."""
    _, path = item
    try:
        return analyse(path, options)
    except PhotoError as error:
        return unreadable(str(error))
    except FaceclusterError:
        raise
    except Exception as error:  # noqa: BLE001 - one odd photo must not end a run over ten thousand
        return unreadable(f"facecluster failed on it ({type(error).__name__}: {error}); please report it")


def _digest_and_analyse(item: tuple[int, str], options: EncodeOptions) -> tuple[str, Analysis]:
    """Digest and analyse a photo, or say why that is not possible."""
    _, path = item
    digest = _digest(path)
    if isinstance(digest, PhotoError):
        return "", unreadable(str(digest))
    return digest, _analyse((digest, path), options)


def _obituary(died: Died) -> str:
    """Say of what a worker died."""
    if died.exit_code == -9:
        return "a worker process was killed on it, twice: not enough memory?"
    return f"a worker process crashed on it, twice (exit code {died.exit_code})"
