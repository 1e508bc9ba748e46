"""The command line as functions: the same options, defaults and numbers, as arrays and dataclasses in place of files.

    encode(photos) -> FaceTable            read(file) -> FaceTable, write(table, file)
    cluster(table) -> People               read_people(folder of results) -> People, with their ids and names
    evaluate(people, labels) -> Evaluation
    search(photos or table, people or table) -> a Query for each face

    open(folder of people) -> Library      what lasts: run, name, merge, split, move, undo, forget, show, history

`import facecluster as fc` has all of it: README, "From Python". Messages for people go to the logger "facecluster".
What a user can mend is a `FaceclusterError`, whose message says how; a wrong argument is a `ValueError`, or a
`TypeError`.
"""

from __future__ import annotations

import logging
import math
import numbers
import os
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence, Set, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding import pipeline
from facecluster.encoding.keep import Keep
from facecluster.errors import FaceclusterError, TableError
from facecluster.formats import face_table
from facecluster.formats.clusters_json import read_result
from facecluster.formats.face_table import check_output
from facecluster.identity.boxes import main_faces
from facecluster.identity.changes import Placed
from facecluster.identity.cluster import Clustering, cluster_faces
from facecluster.identity.gate import Limits, VideoRule
from facecluster.identity.points import Points
from facecluster.identity.rules import Rules, SamePhotoRule
from facecluster.joined import Known
from facecluster.library.layout import CLUSTERS, TABLE, group_again, table_of
from facecluster.library.library import Library
from facecluster.library.lineage import check_ids, clustering_of
from facecluster.library.make import make_result
from facecluster.library.read import take_in
from facecluster.options import EncodeOptions, options_of
from facecluster.photos.find import OnePath, Paths, find_some_photos
from facecluster.render import evaluation, matches
from facecluster.render.evaluation import Evaluation
from facecluster.render.matches import By, Gallery, Match, Query
from facecluster.result import Person, Result
from facecluster.table import Faces, FaceTable, Photos
from facecluster.text import many

__all__ = [
    "Clustering",
    "Evaluation",
    "FaceTable",
    "FaceclusterError",
    "Faces",
    "Library",
    "Match",
    "People",
    "Person",
    "Photos",
    "Query",
    "cluster",
    "encode",
    "evaluate",
    "open",
    "read",
    "read_people",
    "search",
    "write",
]

Labels: TypeAlias = Sequence[Hashable]
"""Texts or anything else that is somebody's: None, "" and NaN (pandas' missing) are nobody's; 0 and -1 are labels.

They stand in the order of `table.faces`. A pandas Series must have the index 0, 1, 2 ...
"""

_N = TypeVar("_N", int, float)

_log = logging.getLogger(__name__)

_A_TABLE = "a FaceTable, as encode and read give it"
_PEOPLE = "People, as cluster and read_people give them"

_ENCODE = EncodeOptions()
_LIMITS = Limits()


@dataclass(frozen=True, eq=False, repr=False)
class People:
    """Who is who among the faces of a table; `len`, indices and loops go over its people, by falling number of faces.

    Attributes:
        table: n faces.
        rules: by which they were clustered.
        clustering: (n,) arrays, row by row as `table.faces`; label i is `people[i]`.
        result: the same as records: the people, with their faces and photos, and who is nobody's and why; what
            clusters.json would hold.
    """

    table: FaceTable
    rules: Rules
    clustering: Clustering
    result: Result

    def __len__(self) -> int:
        return len(self.result.people)

    def __iter__(self) -> Iterator[Person]:
        return iter(self.result.people)

    def __getitem__(self, label: int) -> Person:
        return self.result.people[label]

    def __repr__(self) -> str:
        n_placed = np.count_nonzero(self.clustering.label >= 0)
        return f"People: {many(len(self), 'person', 'people')}, {n_placed} of {many(len(self.table.faces), 'face')}"


def open(  # noqa: A001 - as `fc.open` reads best
    library: OnePath, *, new: bool = False, may_lose_names: bool = False
) -> Library:
    """Open a library, a folder of people as `facecluster run` keeps it, and lock it until it is closed.

        with fc.open("people") as library:
            library.run("photos")
            library.name("person-0001", "Anna Berg")

    It has run, update, name, merge, split, move, not_a_person, different, hide, unhide, cover, undo, forget, show and
    history, which do what the verbs of these names do: see `facecluster.library.library.Library`.

    Args:
        library: the folder, or its clusters.json.
        new: make the folder if it is not there.
        may_lose_names: go on where decisions are missing that gave people their names.

    Raises:
        OutputError: another process has it, or it cannot be written.
        FaceclusterError: it is no library, or a file of it cannot be read.
    """
    _check_type("library", library, (str, os.PathLike), "a path")
    return Library.open(library, new=new, may_lose_names=may_lose_names)


def read(file: OnePath | BinaryIO) -> FaceTable:
    """Read a face table; see `face_table.read`.

    Args:
        file: a path, or a binary stream, which need not be seekable.

    Raises:
        TableError: no such file, not a face table, damaged, or written by a newer format.
    """
    return face_table.read(_file("file", file, "read"))


def write(table: FaceTable, file: OnePath | BinaryIO) -> None:
    """Write a face table, all of it or nothing.

    Args:
        table: what to write.
        file: a path that ends in .npz or .pickle, or a binary stream, which gets npz and need not be seekable.

    Raises:
        UsageError: the path ends otherwise.
        OutputError: disk full, no permission, no such folder.
    """
    _check_type("table", table, FaceTable, _A_TABLE)
    face_table.write(table, _file("file", file, "write"))


def read_people(result: OnePath, table: FaceTable | OnePath | None = None) -> People:
    """Read people as `facecluster cluster`, run or watch left them, with the ids and names that they have there.

    Args:
        result: a folder of results, or its clusters.json.
        table: the face table that it was made from, or its file; None: as it says, or faces.npz beside it.

    Returns:
        `clustering.distance` is NaN, as results do not have it. Faces that the result does not know are nobody's.

    Raises:
        TableError: the table is gone, or is not the one that the result was made from.
        FaceclusterError: no such result, damaged, or written by a newer format.
    """
    _check_type("result", result, (str, os.PathLike), "a path")
    source = Path(result)
    file = source / CLUSTERS if source.is_dir() else source
    take_in(file.parent)
    found = read_result(file)
    check_ids(found)
    if not isinstance(table, FaceTable):
        if table is None:
            table = table_of(found, file.parent) or file.parent / TABLE
        table = read(table)
    try:
        n_newer = Known.of(found, table).n_newer
    except TableError as error:
        raise TableError(
            f"{file}: was made from another face table: {error}; give that one, or cluster again"
        ) from error
    if n_newer:
        _log.warning(
            "%s: its face table has %s that it does not know; cluster again", file, many(n_newer, "face")
        )
    rules = found.settings.rules
    if rules is None:
        raise TableError(
            f"{file}: does not say by which distances it was made; group the faces again: "
            f"{group_again(file.parent, found)}"
        )
    clustering = clustering_of(found, table)
    return People(table, rules, clustering, found)


def encode(
    photos: Paths,
    *,
    output: str | os.PathLike[str] | None = None,
    detector: str = _ENCODE.detector,
    encoder: str = _ENCODE.encoder,
    min_face: float = _ENCODE.min_face,
    max_side: int | None = _ENCODE.max_side,
    upsample: int = _ENCODE.upsample,
    mirror: bool = _ENCODE.mirror,
    attributes: bool = _ENCODE.attributes,
    check: str | None = _ENCODE.check,
    truncated: bool = _ENCODE.truncated,
    jobs: int = -1,
    fresh: bool = False,
    prune: bool = False,
    keep_missing: bool = False,
    append: bool = False,
) -> FaceTable:
    """Find the faces in photos, as `facecluster encode` does.

    The work is done by `jobs` other processes. They do not run your script again, so it needs no
    `if __name__ == "__main__"`.

    Args:
        photos: files and folders, searched as the command line does; all must exist.
        output: the face table is also written there, .npz or .pickle; what it or an interrupted run already knows
            is used again. None: only returned.
        detector: "yunet", or dlib's "cnn" and "hog".
        encoder: "sface" or "dlib".
        min_face: smaller faces are left out, in pixels of the photo at full size.
        max_side: long side of the analysis in pixels; 0 is full size, None the detector's own rule.
        upsample: how often cnn and hog double the photo first, 0 to 4 times.
        mirror: encode the mean of a face and its mirror image.
        attributes: estimate age and apparent gender, too: guesses, see the README.
        check: keep only faces that pass: "clustering" or "passport", see `facecluster check`; None: all.
        truncated: look for faces in what is there of photos of which a part is missing.
        jobs: worker processes; -1 is one a core.
        fresh: use no number of what `output` holds.
        prune: let photos of `output` go that are not there any more, also where their folder is gone, or more than a
            third of it; otherwise only single photos go whose folder is among these.
        keep_missing: keep photos of `output` that are not there any more.
        append: add to the photos of `output`, which all stay.

    Returns:
        One row of `photos` for each photo, also one without a face or that cannot be read, and of `faces` for each
        face.

    Raises:
        UsageError: a path does not exist, or is an empty name; or `output` ends otherwise.
        FaceclusterError: no photos, or none that can be read; `output` was made with other settings, or cannot be
            written; weights are missing.
        ValueError: an unknown detector, encoder or check, a number out of its range, or what makes no sense together.
        TypeError: no number where one is expected, no whole one, or neither True nor False.
    """
    paths = _several(photos, "paths of photos and folders")
    if output is not None:
        _check_type("output", output, (str, os.PathLike), "a path")
    min_face = _number("min_face", min_face, float, 0)
    max_side = None if max_side is None else _number("max_side", max_side, int, 0)
    upsample = _number("upsample", upsample, int, 0, 4)
    jobs = _number("jobs", jobs, int, -1)
    _check_flags(
        mirror=mirror,
        attributes=attributes,
        truncated=truncated,
        fresh=fresh,
        prune=prune,
        keep_missing=keep_missing,
        append=append,
    )
    if prune and (keep_missing or append):
        raise ValueError("prune: lets go what append and keep_missing keep; expected one of them")
    if append and output is None:
        raise ValueError("append: adds to a face table; expected an output")
    file = None if output is None else Path(output)
    if file is not None:
        check_output(file)
    options = EncodeOptions(
        detector=detector,
        encoder=encoder,
        min_face=min_face,
        max_side=max_side,
        upsample=upsample,
        mirror=bool(mirror),
        attributes=bool(attributes),
        check=check,
        truncated=bool(truncated),
    )
    return pipeline.encode_photos(
        find_some_photos(paths),
        options,
        output=file,
        jobs=jobs,
        fresh=fresh,
        keep=Keep(tuple(map(os.path.abspath, paths)), prune=prune, missing=keep_missing, append=append),
    ).table


def cluster(
    table: FaceTable,
    *,
    min_images: int = _LIMITS.min_images,
    min_size: float = _LIMITS.min_size_px,
    max_angle: float = _LIMITS.max_angle_deg,
    min_quality: float = _LIMITS.min_quality,
    gate: bool = True,
    eps: float | None = None,
    min_samples: int | None = None,
    same_photo: SamePhotoRule = "prefer",
    video: VideoRule = "join",
    jobs: int = -1,
) -> People:
    """Group the faces of a table by person, as `facecluster cluster` does in a new folder.

    Args:
        table: n faces.
        min_images: different photos that a person needs; copies and near-duplicates count once.
        min_size: a face that founds a person is wider and higher than this, in pixels,
        max_angle: is turned, tilted and rolled by less than this, in degrees,
        min_quality: and of better quality, 0..1.
        gate: whether these three limits hold; False is `--no-gate`.
        eps: Euclidean distance up to which two faces link; None: by encoder.
        min_samples: faces within `eps`, itself included, that let a face link others; None is 3.
        same_photo: may two faces of one photo be one person's: "forbid", "prefer" not to, "allow".
        video: may faces of videos found people, "found", or only join them, "join".
        jobs: threads; -1 is one a core.

    Raises:
        TableError: an encoder nobody has chosen radii for.
        ValueError: an unknown `same_photo` or `video`, or a number out of its range.
        TypeError: no number where one is expected, no whole one, or neither True nor False.
    """
    _check_type("table", table, FaceTable, _A_TABLE)
    _check("same_photo", same_photo, get_args(SamePhotoRule))
    _check("video", video, get_args(VideoRule))
    limits = Limits(
        _number("min_images", min_images, int, 1),
        _number("min_size", min_size, float, 0),
        _number("max_angle", max_angle, float, 0),
        _number("min_quality", min_quality, float, 0, 1),
    )
    eps = None if eps is None else _number("eps", eps, float, 0, above=True)
    min_samples = None if min_samples is None else _number("min_samples", min_samples, int, 1)
    jobs = _number("jobs", jobs, int, -1)
    _check_flags(gate=gate)
    rules = Rules.make(
        table.settings.encoder,
        limits=limits,
        gate=bool(gate),
        eps=eps,
        min_samples=min_samples,
        same_photo=same_photo,
        video=video,
    )
    clustering = cluster_faces(table, rules, jobs=jobs)
    return People(table, rules, clustering, make_result(table, clustering, rules))


def search(
    photos: Paths | FaceTable,
    among: People | FaceTable,
    *,
    by: By | None = None,
    labels: Labels | None = None,
    k: int = 5,
    min_score: float | None = None,
    largest: bool = False,
    jobs: int = -1,
) -> list[Query]:
    """Say whom faces are like, as `facecluster search` does.

    Args:
        photos: files and folders, encoded as `among` was, see `encode`; or a face table.
        among: what is searched.
        by: "face": single faces; "person": people by all their founding faces, labels by all their faces. None:
            "person", but "face" in a table without labels.
        labels: who is who in a face table: (n,) of each face, see `Labels`.
        k: matches of a face, at most.
        min_score: confidence that is enough for a match, per cent, 0..100; None: as near as cluster asks for.
        largest: look only for the largest face of each photo.
        jobs: worker processes, and threads; -1 is one a core.

    Returns:
        One for each face that was looked for, and one for each photo without a face, in the order of the photos.
        `matches` are nearest first, each with `distance`, `confidence` in per cent, 0..100, and the nearest face; where
        there are none, `nearest` says how far the nearest is.

    Raises:
        TableError: the two were encoded by different networks, or by one nobody has calibrated.
        FaceclusterError: see `encode`.
        ValueError: an unknown `by`, or "person" where nobody says who is who; labels for people, or not one for
            each face, or no face has one; a number out of its range.
        TypeError: no number where one is expected, no whole one, or neither True nor False.
    """
    _check_type("among", among, (People, FaceTable), f"{_PEOPLE}, or {_A_TABLE}")
    if not isinstance(photos, FaceTable):
        photos = _several(photos, f"paths of photos and folders, or {_A_TABLE}")
    k = _number("k", k, int, 1)
    min_score = None if min_score is None else _number("min_score", min_score, float, 0, 100)
    jobs = _number("jobs", jobs, int, -1)
    _check_flags(largest=largest)
    gallery = _gallery(among, labels)
    nameless = isinstance(among, FaceTable) and labels is None
    if by is None:
        by = "face" if nameless else "person"
    _check("by", by, get_args(By))
    if by == "person" and nameless:
        raise ValueError('by: a face table does not say who is who; expected labels, or "face"')
    queries = _wanted(photos, gallery.table, largest=largest, jobs=jobs)
    return list(matches.search_tables(gallery, queries, by, k=k, min_score=min_score, jobs=jobs))


def evaluate(people: People, labels: Labels, *, top: int = 10) -> Evaluation:
    """Compare people with labels, as `facecluster evaluate` does.

    Args:
        people: of n faces.
        labels: (n,) whose each face of `people.table` is, see `Labels`; a face of nobody does not count.
        top: merges and splits to tell of, at most.

    Raises:
        ValueError: not one label for each face, or no face has one; `top` below 0.
    """
    _check_type("people", people, People, _PEOPLE)
    top = _number("top", top, int, 0)
    table, faces = people.table, people.table.faces
    label, texts = _label(labels, len(faces))
    placed = Placed(
        id=faces.id.tolist(),
        photo=table.photos.path[faces.photo].tolist(),
        box=faces.box.astype(np.float64),
        anchor=faces.anchor.astype(np.float64),
        page=faces.page.astype(np.int64),
        time_s=faces.time_s.astype(np.float64),
        track=faces.track.astype(np.int64),
        person=people.clustering.label.astype(np.int64),
        confidence=people.clustering.confidence.astype(np.float64),
    )
    return evaluation.evaluate(
        placed,
        [person.id for person in people],
        label,
        texts,
        min_faces=people.rules.limits.min_images,
        number=top,
        points=Points.of(faces.encoding, table.settings.encoder),
    )


def _gallery(among: People | FaceTable, labels: Labels | None) -> Gallery:
    """Make of people, or of a table, what can be searched."""
    if isinstance(among, People):
        if labels is not None:
            raise ValueError("labels: people say themselves who is who; expected None")
        return Gallery.of_result(Known.of(among.result, among.table), among.table)
    if labels is None:
        return Gallery.of_table(among)
    return Gallery.of_table(among, *_label(labels, len(among.faces)))


def _wanted(
    photos: Sequence[OnePath] | FaceTable, like: FaceTable, *, largest: bool, jobs: int
) -> Iterator[tuple[FaceTable, NDArray[np.bool_]]]:
    """Give tables that were encoded as another one, and which of their faces are looked for."""
    if isinstance(photos, FaceTable):
        tables: Iterable[FaceTable] = [photos]
    else:
        paths = find_some_photos(photos)
        tables = pipeline.encode_each(paths, options_of(like.settings), jobs=jobs)
    for table in tables:
        matches.check_encoders(like, table)
        photo, box = table.faces.photo.astype(np.int64), table.faces.box.astype(np.float64)
        yield table, main_faces(photo, box, "largest" if largest else "all")


def _label(labels: Labels, n: int) -> tuple[NDArray[np.int64], list[str]]:
    """Number n labels, -1 none, in the order of their texts, which are given too."""
    expected = f"one for each of {n} faces"
    _check_type("labels", labels, Sized, expected)
    if isinstance(labels, (str, Mapping, Set)):
        raise TypeError(f"labels: expected {expected}, in their order; got {type(labels).__name__}")
    if len(labels) != n:
        raise ValueError(f"labels: expected {expected}, got {len(labels)}")
    index = getattr(labels, "index", None)  # of lists it is a method, of a pandas Series what it is sorted by
    if not callable(index) and index is not None and list(index) != list(range(n)):
        raise ValueError(
            f"labels: expected {expected}, in their order, got a {type(labels).__name__} whose index "
            f"is not 0 to {n - 1}; sort it as table.faces, and give its .to_numpy()"
        )
    known = sorted({label for label in labels if not _is_missing(label)}, key=str)
    if not known:
        raise ValueError("labels: expected one that is not empty, got none")
    number = {label: i for i, label in enumerate(known)}
    return np.array([number.get(label, -1) for label in labels], dtype=np.int64), [*map(str, known)]


def _is_missing(label: Hashable) -> bool:
    """Whether a label is None, "" or NaN: what is not equal to itself, or, as pandas' NA, will not say."""
    if label is None or isinstance(label, str):
        return not label
    try:
        return bool(label != label)
    except TypeError:
        return True


def _several(paths: Paths, expected: str) -> list[OnePath]:
    """A list of paths, also of a single one."""
    # The keys of a mapping may be anything but paths.
    one = isinstance(paths, (str, bytes, os.PathLike, Mapping)) or not isinstance(paths, Iterable)
    given: list[Any] = [paths] if one else list(paths)  # type: ignore[arg-type]
    for path in given:
        _check_type("photos", path, (str, os.PathLike), expected)
    return given


def _file(name: str, file: OnePath | BinaryIO, does: str) -> str | BinaryIO:
    """A path as text, or a stream as it is."""
    if isinstance(file, (str, os.PathLike)):
        return os.fspath(file)
    if not callable(getattr(file, does, None)):
        raise TypeError(f"{name}: expected a path, or a binary stream; got {type(file).__name__}")
    return file


def _check_type(name: str, value: object, kinds: Any, expected: str) -> None:
    if not isinstance(value, kinds):
        raise TypeError(f"{name}: expected {expected}; got {type(value).__name__}")


def _check(name: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}; got {value!r}")


def _check_flags(**flags: object) -> None:
    for name, flag in flags.items():
        _check_type(name, flag, (bool, np.bool_), "True or False")


def _number(
    name: str,
    value: Any,
    kind: Callable[[Any], _N],
    low: float,
    high: float = math.inf,
    *,
    above: bool = False,
) -> _N:
    """Give a number as one of Python's own; refuse what is none, a bool too, and what is not low..high, NaN too.

    Args:
        name: of the parameter.
        value: what was given for it.
        kind: int, or float, for which whole numbers will do.
        low: the least.
        high: the most.
        above: more than `low` is needed.
    """
    kinds: Any = numbers.Integral if kind is int else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"{name}: expected a {'whole ' if kind is int else ''}number; got {value!r}")
    if not low <= value <= high or (above and value == low):
        least = f"more than {low}" if above else f"{low} or more"
        raise ValueError(f"{name}: expected {least if high == math.inf else f'{low} to {high}'}, got {value}")
    return kind(value)
