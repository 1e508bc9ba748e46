"""The face table: what encode finds and everything else reads. Arrays only; no files, no pixels.

A `FaceTable` is two structs of arrays, `Photos` (m rows) and `Faces` (n rows), and the `Settings` they were made
with. Every column is always present; an unknown number is NaN. Shapes and dtypes are checked once, here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError

OK, NO_FACE, UNREADABLE = "ok", "no_face", "unreadable"
STATUSES = (OK, NO_FACE, UNREADABLE)

FURTHEST = 1e9
"""No box is further from the corner of its photo, in pixels, so that areas are numbers."""
Number: TypeAlias = Annotated[float, msgspec.Meta(ge=-FURTHEST, le=FURTHEST)]
"""A number as files of records have it: an edge of a box, an angle, a share."""

Whole: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
"""A whole number from 0, as files of records have it: of a page, of a track."""

SHOT_TAG = "DateTimeOriginal"
"""What `Photos.time_from` is where the camera says when it took the photo."""

LOST, LOST_LARGEST, LOST_CENTRAL = 1, 2, 4
"""What `Photos.lost` is made of: faces of the photo are not in the table; the largest of all is one of them; the one
nearest to its middle is."""

QUALITY_PARTS = (
    "presence",
    "distinctness",
    "sharpness",
    "brightness",
    "contrast",
    "under_exposure",
    "over_exposure",
    "eyes_open",
    "mouth_open",
    "inter_eye_px",
    "size_px",
    "size",
    "centre",
    "completeness",
    "occlusion",
    "occlusion_eyes",
    "occlusion_brows",
    "occlusion_nose",
    "occlusion_mouth",
    "occlusion_face_line",
)
"""The columns of `Faces` that are measured on a face, in the order of `Faces`: `vision.parts.Parts` defines each, and
`vision.encode.Encodings` distinctness."""

ATTRIBUTES = ("age", "age_sd", "male")
"""The columns of `Faces` that are NaN unless `encode --attributes` asked: see `vision.attributes.Attributes`."""

MEASURED = (*QUALITY_PARTS, *ATTRIBUTES)
"""The columns of `Faces` with one number a face, unknown in a file that has none of them."""

QUALITY = 3
"""Which formulas of pose, quality and its parts: raised by a change of them, so that no table mixes two kinds."""


Column: TypeAlias = tuple[tuple[int, ...], Any]
"""What is in each row of a column: lengths of its further dimensions, and its dtype ('U', 'S': text of any width)."""

_NUMBER: Column = ((), np.float32)
_TEXT: Column = ((), "U")


def check_column(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], n_rows: int, column: Column
) -> None:
    """Raise ValueError unless a column has as many rows as the others, and in each of them what it should."""
    lengths, kind = column
    matches = dtype.kind == kind if kind in ("U", "S") else dtype == kind
    if shape != (n_rows, *lengths) or not matches:
        wanted = kind if isinstance(kind, str) else np.dtype(kind)
        raise ValueError(f"{name}: expected {wanted} {(n_rows, *lengths)}, got {dtype} {shape}")


def _check(rows: Any, n_rows: int, columns: Mapping[str, Column]) -> None:
    for name, column in columns.items():
        array = getattr(rows, name)
        check_column(f"{type(rows).__name__}.{name}", array.shape, array.dtype, n_rows, column)


_LANDMARKS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
_PARTS = {
    "box": ("left", "top", "right", "bottom"),
    "landmarks": tuple(f"{point}_{axis}" for point in _LANDMARKS for axis in "xy"),
    "pose": ("pitch", "yaw", "roll"),
}
"""Columns of a data frame, by column of `Faces`, in the order of its numbers."""


_KEYS = ("coded", "pixels", "lost")
"""Columns of photos that a data frame does not have: they are for runs to come."""


def _flat(
    columns: Mapping[str, NDArray[Any]], parts: Mapping[str, tuple[str, ...]]
) -> dict[str, NDArray[Any]]:
    """Put a column for each of the parts in the place of columns that have some."""
    flat: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        if name in parts:
            flat |= zip(parts[name], column.reshape(len(column), len(parts[name])).T, strict=True)
        else:
            flat[name] = column
    return flat


def _frame(columns: Mapping[str, NDArray[Any]]) -> Any:
    """Make a pandas.DataFrame.

    Raises:
        FaceclusterError: pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        raise FaceclusterError(
            f"to_pandas needs pandas, which cannot be loaded ({error}); install it: pip install pandas"
        ) from error
    return pandas.DataFrame(columns)


class Picture(NamedTuple):
    """What tells whether the photo at a path is still what it was: size in pixels, upright, and `Photos.coded`."""

    width: int = 0
    height: int = 0
    coded: str = ""


@dataclass(frozen=True, eq=False)
class Photos:
    """One row a photo, in the order in which the photos were given; unreadable and faceless photos too.

    Attributes:
        path: (m,) str, absolute.
        digest: (m,) str, 32 hex digits, the id of the photo: the digest of its picture (`picture.pixel_digest`) when it
            was first seen. It stays when the photo is renamed, rated, or edited. In a table of an older facecluster it
            is the digest of the file's bytes, and stays too. "" where the photo could not be read at all.
        coded: (m,) bytes, `picture.coded_digest` of the file, by which it is known without decoding; b"" unknown.
        pixels: (m,) bytes, `picture.pixel_digest` of the picture as it is now; b"" unknown.
        size: (m, 2) int32 width, height in pixels, upright (after EXIF orientation); 0 where unknown.
        status: (m,) str, one of `STATUSES`.
        reason: (m,) str, why the photo is unreadable, or which faces were not admitted (`encode --check`); else "".
        time: (m,) float64 seconds since 1970 when it was taken, NaN where unknown; where no zone is known, the time of
            day on the spot as if it were UTC.
        time_from: (m,) str, which of the texts about the photo says so, as `formats.dates.Tag` calls them; "" where the
            time is unknown, or the table is of an older facecluster, whose times are of EXIF's DateTimeOriginal.
        zoned: (m,) uint8, 1 where the zone is known, so that the time is UTC.
        hash: (m,) uint64 perceptual hash; near-duplicate photos differ in few bits. 0 where unreadable.
        lost: (m,) uint8, which faces that were found in the photo are not in the table, because they were not admitted
            (`encode --check`) or are forgotten: 0 none, else `LOST`, with `LOST_LARGEST` and `LOST_CENTRAL` added.
            Who the photo is about, by its folder say, need not be among the others. Of an older table that does not
            know, all three where faces may be missing: see `gaps`.
        pages: (m,) int32, pages of a TIFF or frames of an animation that were looked at; 1 of all else, 0 where
            unreadable. `size` is that of the first one.
        duration: (m,) float64 seconds of a video, whose frames are of `size`; NaN of all else, so that it says which
            rows are videos.
    """

    path: NDArray[np.str_]
    digest: NDArray[np.str_]
    coded: NDArray[np.bytes_]
    pixels: NDArray[np.bytes_]
    size: NDArray[np.int32]
    status: NDArray[np.str_]
    reason: NDArray[np.str_]
    time: NDArray[np.float64]
    time_from: NDArray[np.str_]
    zoned: NDArray[np.uint8]
    hash: NDArray[np.uint64]
    lost: NDArray[np.uint8]
    pages: NDArray[np.int32]
    duration: NDArray[np.float64]

    @property
    def is_video(self) -> NDArray[np.bool_]:
        """(m,) which of them are videos."""
        return ~np.isnan(self.duration)

    def shot_times(self, rows: NDArray[np.integer] | slice = slice(None)) -> NDArray[np.float64]:
        """Give the times that tell one shot from another, of some rows: those of the camera, NaN for all others.

        A scan, an edit or an upload has a time of its own, and the same shot may be there with another one.
        """
        tag = self.time_from[rows]
        return np.where((tag == SHOT_TAG) | (tag == ""), self.time[rows], np.nan)

    def pictures(self) -> dict[str, Picture]:
        """Give the picture of each photo, by path."""
        return pictures(self.path, self.size, self.coded)

    def all_forgotten(self) -> NDArray[np.bool_]:
        """Say which photos have no face left as all that were found in them are forgotten -> (m,)."""
        return all_forgotten(self.status, self.reason, self.lost)

    def listed(self) -> list[Listed]:
        """Give the photos as lists have them, see `listed`."""
        return listed(self.path, self.digest, self.status, self.reason, self.time, self.lost)

    def to_pandas(self) -> Any:
        """Give a pandas.DataFrame with one row a photo, also for one without a face; row i is photo i.

        Returns:
            Columns path, digest, width, height, status, reason, time, time_from, zoned, hash, pages, duration; see
            `FaceTable.to_pandas` for time.

        Raises:
            FaceclusterError: pandas is not installed.
        """
        return _frame(self._columns())

    def _columns(self) -> dict[str, NDArray[Any]]:
        """All of them with one number or text a photo."""
        columns = {name: column for name, column in vars(self).items() if name not in _KEYS}
        columns["time"] = (1000 * self.time).round().astype("datetime64[ms]")  # NaN becomes NaT
        return _flat(columns, {"size": ("width", "height")})

    def __post_init__(self) -> None:
        _check(self, len(self.path), PHOTO_COLUMNS)
        unknown = set(np.unique(self.status).tolist()) - set(STATUSES)
        if unknown:
            raise ValueError(f"Photos.status: expected one of {STATUSES}, got {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.path)


def pictures(
    path: NDArray[np.str_], size: NDArray[np.int32], coded: NDArray[np.bytes_]
) -> dict[str, Picture]:
    """Give the picture of each photo, by path; the columns are those of `Photos`."""
    columns = path.tolist(), size.tolist(), coded.astype(str).tolist()
    return {name: Picture(size[0], size[1], digest) for name, size, digest in zip(*columns, strict=True)}


class Listed(NamedTuple):
    """A photo as lists have it: its path, its id, and when it was taken, in seconds since 1970; NaN where unknown."""

    path: str
    digest: str
    time: float


def listed(
    path: NDArray[np.str_],
    digest: NDArray[np.str_],
    status: NDArray[np.str_],
    reason: NDArray[np.str_],
    time: NDArray[np.float64],
    lost: NDArray[np.uint8],
) -> list[Listed]:
    """Give the photos that can be looked at, those without a face too; the columns are those of `Photos`.

    Those whose faces are all forgotten are left out.
    """
    shown = (status != UNREADABLE) & (digest != "") & ~all_forgotten(status, reason, lost)
    return [*map(Listed, path[shown].tolist(), digest[shown].tolist(), time[shown].tolist())]


def all_forgotten(
    status: NDArray[np.str_], reason: NDArray[np.str_], lost: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """See `Photos.all_forgotten`; the columns are those of `Photos`."""
    forgotten: NDArray[np.bool_] = (status == NO_FACE) & (lost > 0) & (reason == "")
    return forgotten


PHOTO_COLUMNS: dict[str, Column] = {
    "path": _TEXT,
    "digest": _TEXT,
    "coded": ((), "S"),
    "pixels": ((), "S"),
    "size": ((2,), np.int32),
    "status": _TEXT,
    "reason": _TEXT,
    "time": ((), np.float64),
    "time_from": _TEXT,
    "zoned": ((), np.uint8),
    "hash": ((), np.uint64),
    "lost": ((), np.uint8),
    "pages": ((), np.int32),
    "duration": ((), np.float64),
}
"""The columns of `Photos`."""


@dataclass(frozen=True, eq=False)
class Faces:
    """One row a face, ordered by photo, within a photo by page and time, and there by descending detector score.

    Attributes:
        photo: (n,) int32, row of its photo in `Photos`, not decreasing.
        id: (n,) str, photo digest, "-", ordinal of the face in its photo: survives renaming and re-runs.
        page: (n,) int32, the page of a TIFF, or the frame of an animation, on which it is, from 0.
        time_s: (n,) float32, seconds from the start of a video at which it is seen so; NaN outside videos.
        track: (n,) int32, number from 0, in its video, of the track that it is of: one person from frame to frame. -1
            outside videos.
        from_s, to_s: (n,) float32, first and last moment at which its track was seen, in seconds; NaN outside videos.
        box: (n, 4) float32 left, top, right, bottom, half-open, in pixels of the upright photo, page or frame at full
            size, clipped to it.
        anchor: (n, 4) float32, the box that the face had when its photo was first seen, by which decisions know it:
            equal to `box` unless the photo was edited since.
        score: (n,) float32 confidence of the detector; scales differ between detectors. NaN where a person, and no
            detector, found the face; the last ones of their photos.
        landmarks: (n, 5, 2) float32 x, y of right eye, left eye, nose tip, right and left mouth corner (the
            person's right and left), pixels as for `box`.
        pose: (n, 3) float32 pitch, yaw, roll in degrees, signs as in DESIGN: + looks up, + looks to the image's
            right, + clockwise in the image. NaN where the face mesh does not see a face. It is that in the photo as it
            is: where that lies on its side, roll is near 90 or -90. See `upright_pose`.
        turned: (n,) float32 degrees, 0, 90, 180 or 270, by which its photo lies turned clockwise, as its faces say: the
            file has no EXIF orientation, or a wrong one. 0 where nobody is known to have looked.
        quality: (n,) float32 in 0..1, higher is more usable.
        presence to occlusion_face_line: (n,) float32, the parts of quality: see `facecluster.vision.parts.Parts`;
            of distinctness, `facecluster.vision.encode.Encodings`.
        age, age_sd, male: (n,) float32 years, years, and 0..1: see `facecluster.vision.attributes.Attributes`; NaN
            where nobody asked.
        encoding: (n, 128) float32.
    """

    photo: NDArray[np.int32]
    id: NDArray[np.str_]
    page: NDArray[np.int32]
    time_s: NDArray[np.float32]
    track: NDArray[np.int32]
    from_s: NDArray[np.float32]
    to_s: NDArray[np.float32]
    box: NDArray[np.float32]
    anchor: NDArray[np.float32]
    score: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    pose: NDArray[np.float32]
    turned: NDArray[np.float32]
    quality: NDArray[np.float32]
    presence: NDArray[np.float32]
    distinctness: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    under_exposure: NDArray[np.float32]
    over_exposure: NDArray[np.float32]
    eyes_open: NDArray[np.float32]
    mouth_open: NDArray[np.float32]
    inter_eye_px: NDArray[np.float32]
    size_px: NDArray[np.float32]
    size: NDArray[np.float32]
    centre: NDArray[np.float32]
    completeness: NDArray[np.float32]
    occlusion: NDArray[np.float32]
    occlusion_eyes: NDArray[np.float32]
    occlusion_brows: NDArray[np.float32]
    occlusion_nose: NDArray[np.float32]
    occlusion_mouth: NDArray[np.float32]
    occlusion_face_line: NDArray[np.float32]
    age: NDArray[np.float32]
    age_sd: NDArray[np.float32]
    male: NDArray[np.float32]
    encoding: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check(self, len(self.photo), FACE_COLUMNS)

    def __len__(self) -> int:
        return len(self.photo)

    def upright_pose(self) -> NDArray[np.float32]:
        """Give the poses that the faces have when each photo is held upright, (n, 3) as `pose`: what limits are for."""
        return turn_pose(self.pose, -self.turned)


FACE_COLUMNS: dict[str, Column] = {f.name: _NUMBER for f in fields(Faces)} | {
    "photo": ((), np.int32),
    "id": _TEXT,
    "page": ((), np.int32),
    "track": ((), np.int32),
    "box": ((4,), np.float32),
    "anchor": ((4,), np.float32),
    "landmarks": ((5, 2), np.float32),
    "pose": ((3,), np.float32),
    "encoding": ((128,), np.float32),
}
"""The columns of `Faces`."""

PLAIN: Mapping[str, float] = {"page": 0, "time_s": np.nan, "track": -1, "from_s": np.nan, "to_s": np.nan}
"""What the columns of `Faces` are that say where in a file a face is, of a plain photo."""


def number_scenes(
    photo: NDArray[np.integer], page: NDArray[np.integer], time_s: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Number the scenes that (n,) faces are of: those of one photo, page and moment are seen at once -> (n,) from 0."""
    order = np.lexsort((time_s, page, photo))
    new = np.zeros(len(photo), dtype=np.bool_)
    for column in (photo, page, np.nan_to_num(time_s, nan=-1.0)):
        new[1:] |= np.diff(column[order]) != 0
    scene = np.empty(len(photo), dtype=np.int64)
    scene[order] = np.cumsum(new)
    return scene


def turn_pose(pose: NDArray[np.floating], degrees: NDArray[np.floating]) -> NDArray[np.float32]:
    """Say which pose heads have in a picture that is turned.

    Args:
        pose: (n, 3) pitch, yaw, roll in degrees as in `Faces`.
        degrees: (n,) clockwise turn of each picture. Of those by 0, or by whole turns, poses come back to the bit.

    Returns:
        (n, 3) float32, roll in -180..180. Pitch and yaw are those in the turned picture: who looks up in an upright
        picture looks to the right in one that is turned by 90 degrees.

    References:
        The rotation of a head is Rx(-pitch) Ry(yaw) Rz(-roll), see `vision.pose.angles_of`; turning the picture
        mixes its first two rows.
    """
    result = pose.astype(np.float32)
    some = np.flatnonzero(degrees % 360)
    sin, cos = (
        np.sin(np.deg2rad(pose[some].astype(np.float64))),
        np.cos(np.deg2rad(pose[some].astype(np.float64))),
    )
    (sin_p, sin_y, sin_r), (cos_p, cos_y, cos_r) = sin.T, cos.T
    right = np.array([cos_y * cos_r, cos_y * sin_r, sin_y])
    up = np.array(
        [-sin_p * sin_y * cos_r - cos_p * sin_r, cos_p * cos_r - sin_p * sin_y * sin_r, sin_p * cos_y]
    )
    turn = np.deg2rad(degrees[some].astype(np.float64))
    right, up = np.cos(turn) * right + np.sin(turn) * up, np.cos(turn) * up - np.sin(turn) * right
    angles = np.arctan2([up[2], right[2], right[1]], [cos_p * cos_y, np.hypot(right[0], right[1]), right[0]])
    result[some] = np.rad2deg(angles).T
    return result


def gaps(photo: NDArray[np.integer], ids: Sequence[str], n_photos: int) -> NDArray[np.bool_]:
    """Say which photos lack a face, as far as the numbers in the ids of the others tell: the last ones are not missed.

    Args:
        photo: (n,) number of each face's photo.
        ids: n, as in `Faces`; those that do not end in a number tell nothing.
        n_photos: how many there are.

    Returns:
        (n_photos,)
    """
    ends = [text.rpartition("-")[1:] for text in ids]
    number = np.array([int(end) if dash and end.isdecimal() else -1 for dash, end in ends], dtype=np.float64)
    last = np.full(n_photos, -1.0)
    np.maximum.at(last, photo, number)
    missing: NDArray[np.bool_] = last >= np.bincount(photo, minlength=n_photos)
    return missing


@dataclass(frozen=True)
class Settings:
    """What a table was made with. Two tables may be joined only when `key()` is equal.

    Attributes:
        detector: "yunet", "cnn", "hog"; "" unknown (an older pickle).
        encoder: "sface", "dlib"; an older pickle counts as "dlib".
        options: every other option that changes the numbers, by its command-line name; and `quality`, which
            formulas measured the quality and its parts (`QUALITY`).
        models: sha256 of each weight file used, by model name.
        versions: of facecluster and of the libraries that did the arithmetic; informative only.
    """

    detector: str
    encoder: str
    options: Mapping[str, float | int | bool | str | None] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def outdated(self) -> bool:
        """Whether pose, quality and its parts were measured, if at all, by other formulas than today's."""
        return self.options.get("quality") != QUALITY

    def key(self) -> tuple[Any, ...]:
        """All that changes the numbers, comparable with ==."""
        return (self.detector, self.encoder, dict(self.options), dict(self.models))


def settings_record(settings: Settings) -> dict[str, Any]:
    """The settings as JSON has them."""
    return {
        "detector": settings.detector,
        "encoder": settings.encoder,
        "options": dict(settings.options),
        "models": dict(settings.models),
        "versions": dict(settings.versions),
    }


@dataclass(frozen=True, eq=False, repr=False)
class FaceTable:
    """Photos, the faces found in them, and the settings of the run."""

    photos: Photos
    faces: Faces
    settings: Settings

    def __repr__(self) -> str:
        """Give the counts, not the arrays."""
        photos, faces = len(self.photos), len(self.faces)
        return f"FaceTable: {faces} face{'s' * (faces != 1)} in {photos} photo{'s' * (photos != 1)}"

    def __post_init__(self) -> None:
        photo = self.faces.photo
        if len(photo) and (photo.min() < 0 or photo.max() >= len(self.photos)):
            raise ValueError(
                f"Faces.photo: expected rows 0..{len(self.photos) - 1}, got {photo.min()}..{photo.max()}"
            )
        if np.any(np.diff(photo) < 0):
            raise ValueError("Faces.photo: expected faces in the order of their photos")

    def scenes(self) -> NDArray[np.int64]:
        """Number the scenes that the faces are of -> (n,) from 0.

        A scene is all that is seen at once: the faces of one photo, on one page of it, at one moment of a video. Two
        faces of a scene are two people, but for mirrors and pictures in the picture; two of one photo need not be.
        """
        return number_scenes(self.faces.photo, self.faces.page, self.faces.time_s)

    def select(self, photo: NDArray[np.bool_], face: NDArray[np.bool_] | None = None) -> FaceTable:
        """Give the table of some photos and faces, in their order.

        Args:
            photo: (m,) which photos stay; the others go with all their faces.
            face: (n,) which faces stay, of photos that stay; None: all of them.
        """
        stays = photo[self.faces.photo] if face is None else face & photo[self.faces.photo]
        photos = Photos(**{name: column[photo] for name, column in vars(self.photos).items()})
        faces = {name: column[stays] for name, column in vars(self.faces).items()}
        row = (np.cumsum(photo) - 1).astype(np.int32)
        return FaceTable(photos, Faces(**faces | {"photo": row[faces["photo"]]}), self.settings)

    def to_pandas(self) -> Any:
        """Give a pandas.DataFrame with one row a face, beside it what is known of its photo; row i is face i.

        One frame, so that arrays of faces fit it as they are: `frame["person"] = people.clustering.label`. Photos
        without a face are not in it; `photos.to_pandas()` has all of them. Encodings and anchors are not in it either:
        they are the rows of `faces.encoding` and `faces.anchor`.

        Returns:
            Columns id; page, time_s, track, from_s, to_s; left, top, right, bottom; score; right_eye_x, right_eye_y,
            left_eye_x to mouth_left_y; pitch, yaw, roll; quality and its parts; age, age_sd, male; then its row photo;
            photo_path, photo_digest, photo_width, photo_height, photo_time, photo_time_from, photo_zoned, photo_hash,
            photo_pages, photo_duration. Units are those of `Faces` and `Photos`, but for photo_time: a datetime64 in
            milliseconds, in UTC or, where photo_zoned is 0, the time of day on the spot; NaT where unknown.

        Raises:
            FaceclusterError: pandas is not installed.
        """
        faces = {
            name: column
            for name, column in vars(self.faces).items()
            if name not in ("photo", "anchor", "encoding")
        }
        photo = self.faces.photo
        photos = {
            f"photo_{name}": column[photo]
            for name, column in self.photos._columns().items()
            if name not in ("status", "reason")  # which say of all of them that they have faces
        }
        return _frame(_flat(faces, _PARTS) | {"photo": photo} | photos)


def join(tables: Sequence[FaceTable]) -> FaceTable:
    """Put tables one behind the other.

    Args:
        tables: one or more, of the same settings as far as they change numbers.

    Raises:
        ValueError: of other settings.
    """
    first = tables[0]
    if any(table.settings.key() != first.settings.key() for table in tables):
        raise ValueError("expected tables of the same settings")
    starts = np.cumsum([0, *(len(table.photos) for table in tables)]).astype(np.int32)
    photos = {
        name: np.concatenate([getattr(table.photos, name) for table in tables]) for name in vars(first.photos)
    }
    faces = {
        name: np.concatenate([getattr(table.faces, name) for table in tables]) for name in vars(first.faces)
    }
    faces["photo"] = np.concatenate(
        [table.faces.photo + start for table, start in zip(tables, starts, strict=False)]
    ).astype(np.int32)
    return FaceTable(Photos(**photos), Faces(**faces), first.settings)
