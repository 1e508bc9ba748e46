"""Photos -> FaceTable: the order of the stages, in parallel, resumable, and only for photos that are new.

    paths -> digests -> what is known already (an earlier table, the journal of an interrupted run), else
                        a worker process: pixels -> faces -> meshes -> poses, quality, encodings, attributes
          -> one table, in the order of the paths, without the faces that fail the check, if there is one

What is known about a photo is kept by the digest of its content: byte-identical photos are analysed once, renamed
ones not again.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.metadata
import json
import logging
import os
import textwrap
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import filelock
import numpy as np
from numpy.typing import NDArray

from facecluster import __version__, photos, store
from facecluster.errors import FaceclusterError, OutputError, PhotoError, TableError
from facecluster.identity.boxes import lose_faces
from facecluster.identity.check import PRESETS, find_failures, measure
from facecluster.journal import Journal
from facecluster.table import (
    ATTRIBUTES,
    MEASURED,
    NO_FACE,
    OK,
    QUALITY,
    UNREADABLE,
    Faces,
    FaceTable,
    Photos,
    Settings,
)
from facecluster.vision import attributes, detect, encode, mesh, models, parts, pose, quality
from facecluster.workers import Died, n_cores, work

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

FACE = np.dtype(
    [
        ("box", "<f4", 4),
        ("score", "<f4"),
        ("landmarks", "<f4", (5, 2)),
        ("pose", "<f4", 3),
        ("quality", "<f4"),
    ]
    + [(name, "<f4") for name in MEASURED]
    + [("encoding", "<f4", 128)]
)
"""A row of `table.Faces` without the columns that depend on where its photo stands in the table."""

_MODELS = {
    "yunet": ("yunet",),
    "cnn": ("dlib-mmod",),
    "hog": (),
    "sface": ("sface",),
    "dlib": ("dlib-resnet", "dlib-5point"),
}
"""Weight files by detector and encoder; the mesh's is always needed, those of `attributes.MODELS` on request."""

_LIBRARIES = ("numpy", "Pillow", "pillow-heif", "opencv-python-headless", "onnxruntime", "dlib-bin")
"""Which do the arithmetic."""

_M_MMAP_THRESHOLD = -3  # malloc.h of glibc

_DIGEST_THREADS = 4
_DIGESTS_AHEAD = 64
"""Photos that are digested before they are needed: enough to hide a slow disk."""

_REASON_LENGTH = 200
"""Letters for the faces of a photo that fail the check: every row of the table takes as much as the longest."""


@dataclass(frozen=True)
class EncodeOptions:
    """What a user may choose about encoding; every field changes the numbers.

    Attributes:
        detector: one of `detect.DETECTORS`.
        encoder: one of `encode.ENCODERS`.
        min_face: smaller faces are dropped, in pixels of the photo at full size.
        max_side: long side of the analysis in pixels; 0 is full size, None the detector's own rule.
        upsample: how often dlib's detectors double the picture first.
        mirror: encode the mean of a face and its mirror image.
        attributes: estimate age and gender, see `vision.attributes`.
        check: one of `identity.check.PRESETS`, which a face must pass to be in the table; None: all are.
    """

    detector: str = "yunet"
    encoder: str = "sface"
    min_face: float = detect.MIN_FACE_PX
    max_side: int | None = None
    upsample: int = detect.UPSAMPLE
    mirror: bool = False
    attributes: bool = False
    check: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a choice that is none."""
        for name, known in (
            ("detector", detect.DETECTORS),
            ("encoder", encode.ENCODERS),
            ("check", (None, *PRESETS)),
        ):
            if getattr(self, name) not in known:
                choices = ", ".join(map(str, known))
                raise ValueError(f"{name}: expected one of {choices}; got {getattr(self, name)!r}")

    def settings(self) -> Settings:
        """What a table made with these options was made with."""
        check: dict[str, str] = {}
        if self.check is not None:
            limits = ", ".join(f"{name} {limit}" for name, limit in PRESETS[self.check].items())
            check = {"check": self.check, "check-limits": limits}
        return Settings(
            detector=self.detector,
            encoder=self.encoder,
            options={
                "min-face": self.min_face,
                "max-side": self.max_side,
                "upsample": None if self.detector == "yunet" else self.upsample,
                "mirror": self.mirror,
                "quality": QUALITY,
                **({"attributes": True} if self.attributes else {}),
                **check,
            },
            models={name: models.sha256(name) for name in self.models()},
            versions={"facecluster": __version__} | {name: _version(name) for name in _LIBRARIES},
        )

    def models(self) -> tuple[str, ...]:
        """Names of the weight files that are needed."""
        wanted = attributes.MODELS if self.attributes else ()
        return ("mesh", *_MODELS[self.detector], *_MODELS[self.encoder], *wanted)


def options_of(settings: Settings) -> EncodeOptions:
    """Give the options that find and encode faces as those of a table; the default of what it does not say.

    What else a table may have, a check and attributes, is not among them.

    Raises:
        TableError: its detector or encoder is not known here.
    """
    usual, given = EncodeOptions(), settings.options
    for what, name, known in (
        ("detector", settings.detector or usual.detector, detect.DETECTORS),
        ("encoder", settings.encoder, encode.ENCODERS),
    ):
        if name not in known:
            raise TableError(f"its {what} {name!r} is not known here; run encode again")
    upsample = given.get("upsample")
    return EncodeOptions(
        detector=settings.detector or usual.detector,
        encoder=settings.encoder,
        min_face=float(given.get("min-face", usual.min_face) or 0),
        max_side=given.get("max-side"),  # type: ignore[arg-type]
        upsample=usual.upsample if upsample is None else int(upsample),
        mirror=bool(given.get("mirror", usual.mirror)),
    )


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that is known about one photo by its content.

    Attributes:
        size, status, reason, time, hash, lost: as in `table.Photos`.
        faces: (n,) of `FACE`, by descending score.
        ids: (n,) str, as in `table.Faces`, of faces from a table, where others of the photo were left out or forgotten;
            None: these are all, and the numbers in their ids go up from 0.
    """

    size: tuple[int, int]
    status: str
    reason: str
    time: float
    hash: int
    faces: NDArray[np.void]
    ids: NDArray[np.str_] | None = None
    lost: int = 0


_Row = tuple[str, str, Analysis]
"""A photo: path, digest, and what is known by content."""


@dataclass(frozen=True, eq=False)
class _Past:
    """What earlier runs left.

    Attributes:
        rows: of the earlier table.
        known: by digest; of the earlier table, and of an interrupted run.
        journal: where this run keeps what it does.
    """

    rows: list[_Row]
    known: dict[str, Analysis]
    journal: Journal | None


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
            photo of that content that is not there any more goes, as it was renamed; and paths none of which can be
            read are no error.
        advance: called once for each photo that is done.

    Raises:
        OutputError: the output cannot be written, or another process is writing it.
        ModelError: weights are missing.
        FaceclusterError: no photos, or none that can be read; the earlier table was made with other settings.
    """
    if not paths:
        raise FaceclusterError("no photos found; give files, or folders that hold some")
    settings = options.settings()
    for name in options.models():
        models.path(name)  # fetched once, here, not by every worker
    with ExitStack() as stack:
        past = _Past([], {}, None)
        if output is not None:
            check_output(output)
            if not _is_stream(output):
                past = _recall(output, settings, fresh, stack)
        digests, new = _analyse_new(paths, options, past, jobs, advance)
        rows = _rows(paths, digests, past.known | new, or_none=arriving)
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
            renamed = _renamed(past.rows, rows) if arriving else set()
            kept = [row_of.pop(row[0], row) for row in past.rows if row[0] not in renamed]
            kept += row_of.values()
        table, n_refused = _admit(_table(kept, settings), options)
        if output is not None:
            store.write(table, output)
        if past.journal is not None:
            past.journal.remove()
    return Encoded(
        table=table,
        n_reused=sum(digest in past.known for _, digest, _ in rows),
        n_new_faces=sum(len(analysis.faces) for analysis in new.values()),
        n_vanished=len(vanished),
        n_refused=n_refused,
        asked=np.array([path in here for path, _, _ in kept], dtype=np.bool_),
        replaced=_replaced(past.rows, kept),
    )


def _replaced(before: Iterable[_Row], after: Iterable[_Row]) -> tuple[str, ...]:
    """Find the paths that are still there, but whose faces are not."""
    digest_of = {path: digest for path, digest, _ in after}
    contents = set(digest_of.values())
    return tuple(
        path
        for path, digest, analysis in before
        if len(analysis.faces) and path in digest_of and digest not in contents
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
    with closing(work(function, enumerate(paths), n_workers=n_workers, start=_prepare_worker)) as results:
        for (i, _), outcome in results:
            waiting[i] = ("", _unreadable(_obituary(outcome))) if isinstance(outcome, Died) else outcome
            while n_given in waiting:
                table, _ = _admit(_table([(paths[n_given], *waiting.pop(n_given))], settings), options)
                yield table
                n_given += 1


def check_output(output: Path) -> None:
    """Make the folder of a table, and find out before hours of work that it cannot be written.

    Raises:
        UsageError: the name ends in no format of a table.
        OutputError: it is a folder, or its folder cannot be made or written.
    """
    store.format_of(output)
    folder = output.parent
    if output.is_dir():
        raise store.cannot_write(output, OSError(errno.EISDIR, ""))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise store.cannot_write(output, error) from error
    if not os.access(folder, os.W_OK | os.X_OK) and not _is_stream(output):
        raise store.cannot_write(output, OSError(errno.EACCES, ""))


def _version(library: str) -> str:
    """The version of an installed library; unknown where another package provides it."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _analyse_new(
    paths: Sequence[str],
    options: EncodeOptions,
    past: _Past,
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
        with closing(
            work(function, digests.unknown(), n_workers=n_workers, start=_prepare_worker)
        ) as results:
            for (digest, _), outcome in results:
                analysis = _unreadable(_obituary(outcome)) if isinstance(outcome, Died) else outcome
                new[digest] = analysis
                if past.journal is not None and analysis.status != UNREADABLE:
                    past.journal.append(_pack(digest, analysis))
                advance()
    except KeyboardInterrupt:
        if past.journal is not None and new:
            _log.warning("what is done is kept in %s; the same command goes on from there", past.journal.path)
        raise
    return digests.found, new


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


def _prepare_worker() -> None:
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
        return _unreadable(str(error))
    except FaceclusterError:
        raise
    except Exception as error:  # noqa: BLE001 - one odd photo must not end a run over ten thousand
        return _unreadable(f"facecluster failed on it ({type(error).__name__}: {error}); please report it")


def _digest_and_analyse(item: tuple[int, str], options: EncodeOptions) -> tuple[str, Analysis]:
    """Digest and analyse a photo, or say why that is not possible."""
    _, path = item
    digest = _digest(path)
    if isinstance(digest, PhotoError):
        return "", _unreadable(str(digest))
    return digest, _analyse((digest, path), options)


def _unreadable(reason: str) -> Analysis:
    """All that is known about a photo that cannot be read."""
    return Analysis((0, 0), UNREADABLE, " ".join(reason.split()), np.nan, 0, np.empty(0, FACE))


def _obituary(died: Died) -> str:
    """Say of what a worker died."""
    if died.exit_code == -9:
        return "a worker process was killed on it, twice: not enough memory?"
    return f"a worker process crashed on it, twice (exit code {died.exit_code})"


# --------------------------------------------------------------------------------------------- rows <-> the table


def _rows(
    paths: Sequence[str],
    digests: Sequence[str | PhotoError],
    analyses: Mapping[str, Analysis],
    *,
    or_none: bool = False,
) -> list[_Row]:
    """Put together what is known about each path.

    Raises:
        FaceclusterError: none of them can be read, unless `or_none` allows that.
    """
    rows = [
        (path, "", _unreadable(str(digest)))
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


def _renamed(earlier: Sequence[_Row], rows: Sequence[_Row]) -> set[str]:
    """Paths of earlier photos that are gone: for each path that has a content newly, one of that content at most."""
    before = {path: digest for path, digest, _ in earlier}
    new = Counter(digest for path, digest, _ in rows if digest and before.get(path) != digest)
    gone = set()
    for path, digest in before.items():
        if new[digest] and not os.path.exists(path):
            new[digest] -= 1
            gone.add(path)
    return gone


def _table(rows: Sequence[_Row], settings: Settings) -> FaceTable:
    """Make the columns, one at a time, so that no second copy of all faces is ever made."""
    analyses = [analysis for _, _, analysis in rows]
    m = len(rows)
    counts = [len(analysis.faces) for analysis in analyses]
    return FaceTable(
        Photos(
            path=np.array([path for path, _, _ in rows], dtype=str),
            digest=np.array([digest for _, digest, _ in rows], dtype=str),
            size=np.array([analysis.size for analysis in analyses], dtype=np.int32).reshape(m, 2),
            status=np.array([analysis.status for analysis in analyses], dtype=str),
            reason=np.array([analysis.reason for analysis in analyses], dtype=str),
            time=np.array([analysis.time for analysis in analyses], dtype=np.float64),
            hash=np.array([analysis.hash for analysis in analyses], dtype=np.uint64),
            lost=np.array([analysis.lost for analysis in analyses], dtype=np.uint8),
        ),
        Faces(
            photo=np.repeat(np.arange(m, dtype=np.int32), counts),
            id=np.array(
                [face_id for _, digest, analysis in rows for face_id in _ids(digest, analysis)], dtype=str
            ),
            **{
                name: np.concatenate([analysis.faces[name] for analysis in analyses]).astype(np.float32)
                for name in FACE.fields or ()
            },
        ),
        settings,
    )


def _ids(digest: str, analysis: Analysis) -> list[str]:
    """Name the faces of a photo."""
    if analysis.ids is not None:
        return [str(face_id) for face_id in analysis.ids.tolist()]
    return [f"{digest}-{i}" for i in range(len(analysis.faces))]


def _admit(table: FaceTable, options: EncodeOptions) -> tuple[FaceTable, int]:
    """Leave out the faces that fail the check, if there is one, and say so in the rows of their photos.

    A photo that loses its last face has the status of one without faces. Done again, it changes nothing.

    Returns:
        The table, and how many faces it lost.
    """
    photo, failing, failures = table.faces.photo, [], defaultdict(list)
    if options.check is not None:
        first = np.searchsorted(photo, photo)
        for i, failed in enumerate(find_failures(measure(table.faces), PRESETS[options.check])):
            if failed:
                failing.append(i)
                # No-break spaces keep a limit together where the text is cut.
                text = ", ".join(failure.text.replace(" ", "\xa0") for failure in failed)
                failures[int(photo[i])].append((i - int(first[i]) + 1, text))
    if not failing:
        return table, 0
    passed = np.ones(len(photo), np.bool_)
    passed[failing] = False
    n_found, n_left = (np.bincount(rows, minlength=len(table.photos)) for rows in (photo, photo[passed]))
    reason, status = table.photos.reason.tolist(), table.photos.status.tolist()
    for row, told in failures.items():
        if n_found[row] == 1:
            text = f"the face fails the check: {told[0][1]}"
        else:
            each = "; ".join(f"({number}) {text}" for number, text in told)
            text = f"{len(told)} of {n_found[row]} faces fail the check: {each}"
        reason[row] = textwrap.shorten(text, _REASON_LENGTH, placeholder=" ...").replace("\xa0", " ")
        if n_left[row] == 0:
            status[row] = NO_FACE
    lost = lose_faces(
        photo.astype(np.int64),
        table.faces.box.astype(np.float64),
        ~passed,
        table.photos.size,
        table.photos.lost,
    )
    columns = {name: column[passed] for name, column in vars(table.faces).items()}
    columns["id"] = np.array(columns["id"].tolist(), dtype=str)  # as wide as in the same table made at once
    rows = replace(
        table.photos, status=np.array(status, dtype=str), reason=np.array(reason, dtype=str), lost=lost
    )
    return FaceTable(rows, Faces(**columns), table.settings), len(failing)


def _rows_of(table: FaceTable) -> Iterator[_Row]:
    """Take a table apart again."""
    photo, faces = table.photos, np.empty(len(table.faces), FACE)
    for name in FACE.fields or ():
        faces[name] = getattr(table.faces, name)
    bounds = np.searchsorted(table.faces.photo, np.arange(len(photo) + 1))
    columns = (
        photo.path,
        photo.digest,
        photo.size,
        photo.status,
        photo.reason,
        photo.time,
        photo.hash,
        photo.lost,
    )
    for i, (path, digest, size, status, reason, time, bits, lost) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        own = slice(bounds[i], bounds[i + 1])
        ids = table.faces.id[own]
        yield path, digest, Analysis((size[0], size[1]), status, reason, time, bits, faces[own], ids, lost)


# -------------------------------------------------------------------------------------------- what earlier runs left


def _recall(output: Path, settings: Settings, fresh: bool, stack: ExitStack) -> _Past:
    """Take possession of the output, until `stack` ends, and read what earlier runs know.

    Raises:
        OutputError: another process has it, or its folder cannot be written.
        TableError: it is no table.
        FaceclusterError: it was made with other settings.
    """
    stack.enter_context(only_user_of(output))
    rows = [] if fresh or not output.exists() else list(_rows_of(_read_earlier(output, settings)))
    journal = stack.enter_context(
        Journal(beside(output, ".partial"), *_journal_headers(settings, fresh), replace=fresh)
    )
    interrupted = dict(map(_unpack, journal.replay()))
    if interrupted:
        _log.info("going on with an interrupted run; photos done: %d", len(interrupted))
    known = {digest: analysis for _, digest, analysis in rows if analysis.status != UNREADABLE}
    return _Past(rows, known | interrupted, journal)


def _read_earlier(output: Path, settings: Settings) -> FaceTable:
    """Read the table that is to be brought up to date.

    Raises:
        TableError: it is no table.
        FaceclusterError: it was made with other settings.
    """
    try:
        earlier = store.read(output)
    except TableError as error:
        raise type(error)(
            f"{error}\n  encode --fresh replaces the file; another output leaves it alone"
        ) from error
    differences = [
        f"  {name}: {before.get(name, 'unknown')} there, {now.get(name, 'none')} now"
        for before, now in [(_flat(earlier.settings), _flat(settings))]
        for name in sorted(before.keys() | now.keys())
        if before.get(name, "") != now.get(name, "")
    ]
    if differences:
        raise FaceclusterError(
            f"{output}: made with other settings, and one table holds only one kind of numbers\n"
            + "\n".join(differences)
            + "\n  use the same settings, or another output; encode --fresh makes the table anew of these photos"
        )
    return earlier


def _flat(settings: Settings) -> dict[str, object]:
    """All that changes the numbers, by a name for each."""
    return {
        "detector": settings.detector or "unknown",
        "encoder": settings.encoder,
        "check": "none",
        "check-limits": "none",
        "attributes": "none",
        **settings.options,
        **{f"model {name}": digest[:12] for name, digest in settings.models.items()},
    }


def _journal_headers(settings: Settings, fresh: bool) -> list[str]:
    """Say under what header a run keeps its results, and then under what other it would go on.

    A fresh run goes on only with what a fresh run left; any other run goes on with both.
    """
    shared = {key: value for key, value in store.settings_record(settings).items() if key != "versions"}
    record = {"journal of encode": 1, "settings": shared, "faces": FACE.descr}
    headers = [json.dumps(record | {"fresh": kind}, sort_keys=True) for kind in (fresh, True)]
    return list(dict.fromkeys(headers))


def _pack(digest: str, analysis: Analysis) -> bytes:
    """Turn a result into bytes: a line of JSON, then the faces."""
    known = (digest, analysis.size, analysis.status, analysis.reason, analysis.time, analysis.hash)
    return json.dumps(known).encode() + b"\n" + analysis.faces.tobytes()


def _unpack(record: bytes) -> tuple[str, Analysis]:
    line, _, faces = record.partition(b"\n")
    digest, (width, height), status, reason, time, bits = json.loads(line)
    return digest, Analysis((width, height), status, reason, time, bits, np.frombuffer(faces, FACE))


@contextmanager
def only_user_of(output: Path) -> Iterator[None]:
    """Keep other processes from the same output.

    Raises:
        OutputError: another process has it, or the folder cannot be written.
    """
    path = beside(output, ".lock")
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        if not path.exists():  # some folders take no files, but do not say so
            raise store.cannot_write(output, OSError(errno.EACCES, "")) from error
        raise OutputError(
            f"{output}: another facecluster is at work on it; wait until it is done, or choose another output"
        ) from error
    except OSError as error:
        raise store.cannot_write(path, error) from error
    try:
        yield
    finally:
        if os.name != "nt":
            path.unlink(missing_ok=True)
        lock.release()


def beside(output: Path, suffix: str) -> Path:
    """Name the file of ours that stands beside an output."""
    return output.with_name(output.name + suffix)


def _is_stream(path: Path) -> bool:
    """Whether a path is a pipe or a device, which cannot be read again nor renamed."""
    return path.exists() and not path.is_file() and not path.is_dir()
