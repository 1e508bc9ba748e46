"""Small face tables to test with: people are far-apart directions, faces lie around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.photos.picture import coded_digest
from facecluster.result import ResultSettings
from facecluster.table import (
    ATTRIBUTES,
    OK,
    PLAIN,
    QUALITY,
    QUALITY_PARTS,
    UNREADABLE,
    Faces,
    FaceTable,
    Photos,
    Settings,
)

NOTHING_SAID = ResultSettings(Settings("", "", {}, {}, {}))
"""Of a result that does not say what it was made with."""


def make_photos(paths: Sequence[str], **columns: Any) -> Photos:
    """Photos that are ok, all different, 1000 x 800."""
    m = len(paths)
    defaults = {
        "digest": [f"{i:032x}" for i in range(1, m + 1)],
        "coded": [_coded(path) for path in paths],
        "pixels": [b""] * m,
        "size": np.tile([1000, 800], (m, 1)),
        "status": [OK] * m,
        "reason": [""] * m,
        "time": np.full(m, np.nan),
        "time_from": [""] * m,
        "zoned": np.zeros(m),
        "hash": np.random.default_rng(5).integers(1, 2**63, m),
        "lost": np.zeros(m),
        "pages": [int(status != UNREADABLE) for status in columns.get("status", [OK] * m)],
        "duration": np.full(m, np.nan),
    }
    dtypes = {
        "coded": "S32",
        "pixels": "S32",
        "size": np.int32,
        "time": np.float64,
        "zoned": np.uint8,
        "hash": np.uint64,
        "lost": np.uint8,
        "pages": np.int32,
        "duration": np.float64,
    }
    values = {
        key: np.array(value, dtype=dtypes.get(key, str))
        for key, value in ({"path": list(paths)} | defaults | columns).items()
    }
    values["size"] = values["size"].reshape(m, 2)
    return Photos(**values)


def _coded(path: str) -> bytes:
    """What is placed in folders of people is compared with this; b"" where there is no such photo."""
    try:
        return coded_digest(Path(path).read_bytes()).encode()
    except OSError:
        return b""


def make_faces(encoding: Any, *, photo: Sequence[int] | None = None, **columns: Any) -> Faces:
    """Good faces of 100 x 100 pixels, one a photo unless told otherwise; `columns` replace what is usual."""
    encoding = np.asarray(encoding, dtype=np.float32).reshape(-1, 128)
    n = len(encoding)
    values: dict[str, Any] = {
        "photo": np.arange(n) if photo is None else photo,
        "id": [f"face{i:04d}" for i in range(n)],
        **{name: np.full(n, value) for name, value in PLAIN.items()},
        "box": np.tile([100, 200, 200, 300], (n, 1)),
        "score": np.full(n, 0.9),
        "landmarks": np.full((n, 5, 2), 150),
        "pose": np.zeros((n, 3)),
        "turned": np.zeros(n),
        "quality": np.full(n, 0.9),
        **{part: np.full(n, 0.5) for part in QUALITY_PARTS},
        **{name: np.full(n, np.nan) for name in ATTRIBUTES},
        "encoding": encoding,
    } | columns
    values.setdefault("anchor", values["box"])
    values["anchor"] = np.array(values["anchor"], dtype=np.float32).reshape(n, 4)
    dtypes = {"photo": np.int32, "id": str, "page": np.int32, "track": np.int32}
    arrays = {key: np.array(value, dtype=dtypes.get(key, np.float32)) for key, value in values.items()}
    arrays["box"], arrays["landmarks"] = arrays["box"].reshape(n, 4), arrays["landmarks"].reshape(n, 5, 2)
    arrays["pose"] = arrays["pose"].reshape(n, 3)
    return Faces(**arrays)


def make_table(
    encoding: Any,
    *,
    photo: Sequence[int] | None = None,
    paths: Sequence[str] | None = None,
    photos: Mapping[str, Any] | None = None,
    encoder: str = "sface",
    **columns: Any,
) -> FaceTable:
    """A table of good faces; `photos` and `columns` replace what is usual."""
    faces = make_faces(encoding, photo=photo, **columns)
    m = int(faces.photo.max(initial=-1)) + 1
    paths = [f"/photos/{i:03d}.jpg" for i in range(m)] if paths is None else paths
    settings = Settings(
        "yunet",
        encoder,
        {"min_face": 20, "mirror": False, "quality": QUALITY},
        {"sface": "abc"},
        {"numpy": "2"},
    )
    return FaceTable(make_photos(paths, **(photos or {})), faces, settings)


def people(n_people: int, n_faces: int, *, spread: float = 0.5, seed: int = 0) -> NDArray[np.float32]:
    """Encodings of unit length, person after person.

    Two faces of one person are about `spread` apart, two people about 1.41 (`n_people` is up to 100).
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n_people, n_faces, 128))
    noise *= spread / np.sqrt(2) / np.linalg.norm(noise, axis=2, keepdims=True)
    encoding = np.eye(128)[:n_people, None] + noise
    encoding /= np.linalg.norm(encoding, axis=2, keepdims=True)
    return encoding.reshape(-1, 128).astype(np.float32)


def film_table(encoding: Any | None = None, **columns: Any) -> FaceTable:
    """Five faces: of a photo, on two pages of a TIFF, and of two tracks of a video that are there at once."""
    return make_table(
        people(5, 1) if encoding is None else encoding,
        photo=[0, 1, 1, 2, 2],
        paths=["/photos/a.jpg", "/photos/scan.tif", "/photos/film.mp4"],
        photos={"pages": [1, 3, 1], "duration": [np.nan, np.nan, 60.5]},
        **{
            "page": [0, 0, 2, 0, 0],
            "time_s": [np.nan, np.nan, np.nan, 1.5, 12.48],
            "track": [-1, -1, -1, 0, 1],
            "from_s": [np.nan, np.nan, np.nan, 0, 10],
            "to_s": [np.nan, np.nan, np.nan, 20, 15],
        }
        | columns,
    )


def assert_same(a: FaceTable, b: FaceTable) -> None:
    """Every column equal, with its dtype; NaN equals NaN."""
    assert a.settings == b.settings
    for rows_a, rows_b in ((a.photos, b.photos), (a.faces, b.faces)):
        for name, column in vars(rows_a).items():
            other = getattr(rows_b, name)
            assert column.dtype.kind == other.dtype.kind, name
            np.testing.assert_array_equal(column, other, err_msg=name)
