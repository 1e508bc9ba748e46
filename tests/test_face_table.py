from __future__ import annotations

import contextlib
import io
import os
import pickle
import pickletools
import stat
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import assert_same, film_table, make_table, people

from facecluster.errors import OutputError, TableError, UnsafePickleError, UsageError
from facecluster.formats import face_table
from facecluster.table import NO_FACE, OK, UNREADABLE, FaceTable


def full_table() -> FaceTable:
    """Unknown numbers, a path that is no text, photos without faces and unreadable ones."""
    pose = np.zeros((5, 3))
    pose[2] = np.nan
    return make_table(
        people(5, 1),
        photo=[0, 0, 1, 3, 3],
        paths=["/p/a.jpg", "/p/\udcffé.jpg", "/p/none.jpg", "/p/日本.jpg", "/p/bad.jpg"],
        photos={
            "status": [OK, OK, NO_FACE, OK, UNREADABLE],
            "reason": ["", "", "", "", "the file is empty"],
            "digest": ["a" * 64, "b" * 64, "c" * 64, "d" * 64, ""],
            "time": [0.5, np.nan, 1e9, -1, np.nan],
            "time_from": ["DateTimeOriginal", "", "photoTakenTime", "xmp:CreateDate", ""],
            "zoned": [0, 0, 1, 1, 0],
            "hash": [2**64 - 1, 1, 2, 3, 0],
            "lost": [0, 3, 7, 1, 0],
        },
        pose=pose,
        quality=[0.1, np.nan, 0.3, 0.4, 0.8],
        box=[[0.5, 1.25, 99.5, 100], [10, 10, 20, 20], [1, 2, 3, 4], [0, 0, 1000, 800], [5, 5, 6, 6]],
    )


class OneWay(io.RawIOBase):
    """A pipe: can be read or written once, not sought."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.content.readinto(buffer)

    def write(self, data: Any) -> int:
        return self.content.write(data)

    def tell(self) -> int:
        raise OSError("not seekable")


# ------------------------------------------------------------------------------------------------------- npz


@pytest.mark.parametrize("table", [full_table(), make_table([]), make_table(people(1, 1))])
def test_npz_gives_back_the_same_table(table: FaceTable, tmp_path: Path) -> None:
    face_table.write(table, tmp_path / "faces.npz")
    assert_same(face_table.read(tmp_path / "faces.npz"), table)
    assert_same(face_table.read(str(tmp_path / "faces.npz")), table)


def test_npz_has_the_columns_of_the_design_and_opens_without_pickle(tmp_path: Path) -> None:
    face_table.write(full_table(), tmp_path / "faces.npz")
    with np.load(tmp_path / "faces.npz", allow_pickle=False) as npz:
        assert list(npz) == [
            "format", "settings",
            "photo_path", "photo_digest", "photo_coded", "photo_pixels", "photo_size",
            "photo_status", "photo_reason", "photo_time", "photo_time_from", "photo_zoned", "photo_hash",
            "photo_lost",
            "face_photo", "face_id", "box", "score", "landmarks", "pose", "quality",
            "presence", "distinctness", "sharpness", "brightness", "contrast", "under_exposure", "over_exposure",
            "eyes_open", "mouth_open", "inter_eye_px", "size_px", "size", "centre", "completeness",
            "occlusion", "occlusion_eyes", "occlusion_brows", "occlusion_nose", "occlusion_mouth",
            "occlusion_face_line", "age", "age_sd", "male", "encoding",
        ]  # fmt: skip
        assert npz["format"] == 2
        assert npz["photo_size"].dtype == npz["face_photo"].dtype == np.int32
        assert npz["photo_hash"].dtype == np.uint64
        assert {npz[key].dtype for key in ("box", "pose", "encoding")} == {np.dtype(np.float32)}


def test_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz", "a.pickle", "b.pickle"):
        face_table.write(full_table(), tmp_path / name)
    for suffix in ("npz", "pickle"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("name", ["faces.npz", "faces.pickle"])
def test_pages_and_moments_are_given_back(name: str, tmp_path: Path) -> None:
    face_table.write(film_table(), tmp_path / name)
    assert_same(face_table.read(tmp_path / name), film_table())


def test_a_table_of_format_1_has_no_pages_and_no_videos(tmp_path: Path) -> None:
    face_table.write(full_table(), tmp_path / "faces.npz")
    with np.load(tmp_path / "faces.npz") as npz:
        np.savez(tmp_path / "older.npz", **{**npz, "format": np.array(1)})
    assert_same(face_table.read(tmp_path / "older.npz"), full_table())


def test_faces_of_one_page_or_moment_are_a_scene() -> None:
    table = film_table()
    assert table.scenes().tolist() == [0, 1, 2, 3, 4]
    at_once = film_table(page=[0, 2, 2, 0, 0], time_s=[np.nan] * 3 + [1.5, 1.5])
    assert at_once.scenes().tolist() == [0, 1, 1, 2, 2]
    assert make_table([]).scenes().tolist() == []
    assert make_table(people(3, 1), photo=[0, 0, 1]).scenes().tolist() == [0, 0, 1]


@pytest.mark.parametrize("name", ["faces.npz", "faces.pickle"])
def test_anchors_are_in_the_file_only_where_they_differ_from_the_boxes(name: str, tmp_path: Path) -> None:
    table = make_table(np.ones((2, 128)))
    face_table.write(table, tmp_path / name)
    assert b"anchor" not in (tmp_path / name).read_bytes()
    assert_same(face_table.read(tmp_path / name), table)
    edited = make_table(np.ones((2, 128)), anchor=[[100, 200, 200, 300], [1, 2, 3, 4]])
    face_table.write(edited, tmp_path / name)
    assert b"anchor" in (tmp_path / name).read_bytes()
    assert_same(face_table.read(tmp_path / name), edited)


@pytest.mark.parametrize("name", ["faces.npz", "faces.pickle"])
def test_what_times_are_from_is_in_the_file_only_where_it_is_known(name: str, tmp_path: Path) -> None:
    table = make_table(np.ones((2, 128)), photos={"time": [1e9, 2e9]})
    face_table.write(table, tmp_path / name)
    assert b"zoned" not in (tmp_path / name).read_bytes()
    assert_same(face_table.read(tmp_path / name), table)
    said = make_table(
        np.ones((2, 128)), photos={"time": [1e9, 2e9], "time_from": ["DateTime", ""], "zoned": [1, 0]}
    )
    face_table.write(said, tmp_path / name)
    assert b"zoned" in (tmp_path / name).read_bytes()
    assert_same(face_table.read(tmp_path / name), said)


@pytest.mark.parametrize("name", ["faces.npz", "faces.pickle"])
def test_a_time_out_of_nothing_that_is_known_is_refused(name: str, tmp_path: Path) -> None:
    odd = make_table(
        np.ones((2, 128)), photos={"time": [1e9, 2e9], "time_from": ["DateTime", "dream\x1b[31m"]}
    )
    face_table.write(odd, tmp_path / name)
    with pytest.raises(TableError, match="a time out of") as caught:
        face_table.read(tmp_path / name)
    assert "\x1b" not in str(caught.value)


def test_npz_goes_through_a_pipe() -> None:
    pipe = OneWay()
    face_table.write(full_table(), pipe)  # type: ignore[arg-type]
    assert_same(face_table.read(OneWay(pipe.content.getvalue())), full_table())  # type: ignore[arg-type]


def test_pickle_comes_through_a_pipe(tmp_path: Path) -> None:
    face_table.write(make_table(people(1, 2)), tmp_path / "f.pickle")
    content = (tmp_path / "f.pickle").read_bytes()
    assert_same(face_table.read(OneWay(content)), make_table(people(1, 2)))  # type: ignore[arg-type]


def rewritten(path: Path, **columns: Any) -> Path:
    """The npz with some columns replaced, or removed where None."""
    with np.load(path) as npz:
        arrays = {key: value for key, value in ({**npz} | columns).items() if value is not None}
    np.savez(path, **arrays)
    return path


def lacking(tmp_path: Path, *, kind: str) -> FaceTable:
    """A table of an older facecluster, which does not know whether faces are lost: read again."""
    table = make_table(
        people(7, 1),
        photo=[0, 0, 1, 2, 2, 3, 3],
        id=["a-0", "a-1", "b-1", "c-0", "c-2", "d-0", "d-1"],
        photos={
            "reason": ["", "", "", "1 of 3 faces fails", "no photo"],
            "status": [OK, OK, OK, OK, UNREADABLE],
        },
        paths=[f"/{name}.jpg" for name in "abcde"],
    )
    file = tmp_path / f"f.{kind}"
    face_table.write(table, file)
    if kind == "npz":
        rewritten(file, photo_lost=None)
    else:
        rows = pickle.loads(file.read_bytes())
        for row in rows:
            row["photo"].pop("lost", None)
        file.write_bytes(pickle.dumps(rows))
    return face_table.read(file)


def test_where_faces_may_be_lost_they_are_taken_for_the_main_ones(tmp_path: Path) -> None:
    assert lacking(tmp_path, kind="npz").photos.lost.tolist() == [0, 7, 7, 7, 0]
    assert lacking(tmp_path, kind="pickle").photos.lost.tolist() == [0, 7, 7, 0]


def test_photos_of_an_older_pickle_that_was_checked_may_all_lack_faces(tmp_path: Path) -> None:
    table = lacking(tmp_path, kind="npz")
    table = replace(table, settings=replace(table.settings, options={"check": "clustering"}))
    face_table.write(table, tmp_path / "f.pickle")
    rows = pickle.loads((tmp_path / "f.pickle").read_bytes())
    for row in rows:
        row["photo"].pop("lost", None)
    (tmp_path / "f.pickle").write_bytes(pickle.dumps(rows))
    assert face_table.read(tmp_path / "f.pickle").photos.lost.tolist() == [7, 7, 7, 7]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"format": np.array(3)},
            "written by format 3, this facecluster reads up to 2; upgrade, or run encode again",
        ),
        ({"format": np.array("x")}, "damaged"),
        ({"format": None}, "format"),
        ({"photo_hash": None}, "photo_hash.npy.*run with --fresh"),
        ({"encoding": np.zeros((5, 64), np.float32)}, r"expected float32 \(5, 128\)|Faces.encoding"),
        ({"face_photo": np.array([0, 0, 1, 3, 9], np.int32)}, "Faces.photo"),
        ({"face_photo": np.array(3, np.int32)}, "damaged"),
        ({"face_photo": np.zeros((5, 1), np.int32), "centre": None}, "damaged"),
        ({"photo_path": np.array("a")}, "damaged"),
        ({"settings": np.array("no json")}, "damaged"),
        ({"settings": np.array("{}")}, "no settings: Object missing required field `detector`"),
        ({"photo_status": np.array(["?"] * 5)}, "Photos.status"),
        ({"box": np.full((5, 4), np.nan, np.float32)}, "without a box"),
        ({"quality": np.array([{}] * 5, dtype=object)}, "neither numbers nor text"),
    ],
)
def test_what_is_no_face_table_is_said_plainly(columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    face_table.write(full_table(), tmp_path / "faces.npz")
    with pytest.raises(TableError, match=message) as caught:
        face_table.read(rewritten(tmp_path / "faces.npz", **columns))
    assert str(caught.value).startswith(str(tmp_path / "faces.npz"))


def test_a_part_of_quality_that_is_not_in_the_file_is_unknown(tmp_path: Path) -> None:
    face_table.write(full_table(), tmp_path / "faces.npz")
    before = rewritten(
        tmp_path / "faces.npz",
        eyes_open=None,
        centre=None,
        exposure=np.zeros(5),
        size_px=np.arange(5, dtype="f4"),
    )
    faces = face_table.read(before).faces
    assert np.isnan(faces.eyes_open).all()
    assert np.isnan(faces.centre).all()
    assert faces.eyes_open.dtype == np.float32
    assert faces.size_px.tolist() == [0, 1, 2, 3, 4]
    empty = make_table([])
    face_table.write(empty, tmp_path / "empty.npz")
    assert_same(face_table.read(rewritten(tmp_path / "empty.npz", eyes_open=None)), empty)


def test_a_part_of_quality_that_is_not_in_the_pickle_is_unknown(tmp_path: Path) -> None:
    face_table.write(full_table(), tmp_path / "faces.pickle")
    rows = pickle.loads((tmp_path / "faces.pickle").read_bytes())
    rows = [{key: value for key, value in row.items() if key != "centre"} | {"inside": 1.0} for row in rows]
    faces = face_table.read(io.BytesIO(pickle.dumps(rows))).faces
    assert np.isnan(faces.centre).all()
    np.testing.assert_array_equal(faces.mouth_open, full_table().faces.mouth_open)


def test_further_columns_do_no_harm(tmp_path: Path) -> None:
    face_table.write(full_table(), tmp_path / "faces.npz")
    assert_same(face_table.read(rewritten(tmp_path / "faces.npz", more=np.zeros(3))), full_table())


@given(st.data())
def test_damaged_file_is_a_table_error_or_reads_the_same(data: st.DataObject) -> None:
    file = io.BytesIO()
    face_table.write(full_table(), file)
    content = bytearray(file.getvalue())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        face_table.read(io.BytesIO(bytes(content)))
    except TableError:
        return


@pytest.mark.parametrize("content", [b"", b"PK", b"hello", b"\x93NUMPY", b"\x80", b"]", b"\x89PNG\r\n"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(TableError, match=r"x\.npz: "):
        face_table.read(tmp_path / "x.npz")


def test_missing_file_and_folder_are_table_errors(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="No such file"):
        face_table.read(tmp_path / "none.npz")
    with pytest.raises(TableError, match="cannot be read"):
        face_table.read(tmp_path)


# ------------------------------------------------------------------------------------------------- whole files


def test_unknown_suffix_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.npz or \.pickle"):
        face_table.write(make_table([]), tmp_path / "faces.csv")


def test_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def interrupted() -> None:
        with face_table.whole_file(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_and_folder_in_the_place_are_output_errors(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is not a folder"):
        face_table.write(make_table([]), tmp_path / "no" / "faces.npz")
    (tmp_path / "faces.npz").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        face_table.write(make_table([]), tmp_path / "faces.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["faces.npz"]


def write_all(path: Path) -> None:
    with face_table.whole_file(path) as file:
        file.write(b"x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="the disk is full"):
        write_all(Path("/dev/full"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_folder_without_permission_is_an_output_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission"):
        face_table.write(make_table([]), tmp_path / "faces.npz")


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_tables_are_their_owners_and_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "link.npz").symlink_to(tmp_path / "faces.npz")
    face_table.write(make_table([]), tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert stat.S_IMODE((tmp_path / "faces.npz").stat().st_mode) == 0o600


# ----------------------------------------------------------------------------------------------------- pickle


def test_pickle_gives_back_the_same_table_but_for_photos_without_faces(tmp_path: Path) -> None:
    table = full_table()
    face_table.write(table, tmp_path / "faces.pickle")
    back = face_table.read(tmp_path / "faces.pickle")
    with_faces = np.array([0, 1, 3])
    kept = FaceTable(
        type(table.photos)(**{key: column[with_faces] for key, column in vars(table.photos).items()}),
        type(table.faces)(**vars(table.faces) | {"photo": np.array([0, 0, 1, 2, 2], np.int32)}),
        table.settings,
    )
    assert_same(back, kept)
    assert_same(face_table.read(tmp_path / "faces.pickle"), back)


def test_empty_pickle(tmp_path: Path) -> None:
    face_table.write(make_table([]), tmp_path / "faces.pickle")
    assert len(face_table.read(tmp_path / "faces.pickle").faces) == 0


def test_the_older_cluster_faces_reads_the_pickle(tmp_path: Path) -> None:
    face_table.write(full_table(), tmp_path / "faces.pickle")
    script = f"""
import pickle
import numpy as np
data = pickle.loads(open({str(tmp_path / "faces.pickle")!r}, "rb").read())
data = np.array(data)
encodings = [d["encoding"] for d in data]
assert np.array(encodings).shape == (5, 128) and encodings[0].dtype == float
(top, right, bottom, left) = data[0]["loc"]
assert (top, right, bottom, left) == (1, 100, 100, 0), data[0]["loc"]
assert all(type(edge) is int for d in data for edge in d["loc"])
assert data[0]["imagePath"] == "/p/a.jpg"
assert data[0]["pose"] == {{"pitch": 0, "yaw": 0, "roll": 0}}
assert abs(data[0]["quality"] - 0.1) < 1e-6
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def older_rows() -> list[dict[str, Any]]:
    """As encode_faces.py makes them."""
    encodings = people(1, 4).astype(np.float64)
    paths = ["/p/a.jpg", "/p/b.jpg", "/p/b.jpg", "/p/a.jpg"]
    return [
        {"imagePath": path, "loc": (10 + i, 60, 70, 20), "encoding": encoding}
        for i, (path, encoding) in enumerate(zip(paths, encodings, strict=True))
    ]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
def test_the_older_pickle_is_read_in_every_protocol(protocol: int, core: str) -> None:
    content = pickle.dumps(older_rows(), protocol)
    if core == "numpy.core":  # as NumPy 1 wrote it
        content = pickle_with_names(content, b"numpy._core.", b"numpy.core.")
    table = face_table.read(io.BytesIO(content))
    assert table.photos.path.tolist() == ["/p/a.jpg", "/p/b.jpg"]
    assert table.photos.status.tolist() == ["ok", "ok"]
    assert not table.photos.size.any()
    assert not table.photos.hash.any()
    assert table.photos.digest.tolist() == ["", ""]
    assert table.faces.photo.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(table.faces.encoding, people(1, 4)[[0, 3, 1, 2]])
    assert table.faces.box.tolist() == [
        [20, 10, 60, 70],
        [20, 13, 60, 70],
        [20, 11, 60, 70],
        [20, 12, 60, 70],
    ]
    assert np.isnan(table.faces.pose).all()
    assert np.isnan(table.faces.quality).all()
    assert table.settings.encoder == "dlib"
    ids = table.faces.id.tolist()
    assert [i[-2:] for i in ids] == ["-0", "-1", "-0", "-1"]
    assert len(set(ids)) == 4


def pickle_with_names(content: bytes, old: bytes, new: bytes) -> bytes:
    """Replace module names; their lengths stand before them from protocol 4 on, inside frames."""
    lengths = range(len(old), 60)
    for length in lengths:
        content = content.replace(b"\x8c" + bytes([length]) + old, b"\x8c" + bytes([length - 1]) + new)
    content = content.replace(b"c" + old, b"c" + new)
    if content[2:3] != b"\x95":
        return content
    # one frame: its length is that of the rest
    return content[:3] + (len(content) - 11).to_bytes(8, "little") + content[11:]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_numbers_and_text_are_as_good_as_pythons(protocol: int) -> None:
    rows = [
        {
            "imagePath": np.str_("/p/ä.jpg"),
            "loc": tuple(np.array([1, 9, 8, 2])),
            "encoding": np.asfortranarray(np.arange(128, dtype=">f4")),
            "pose": (np.float64(1.5), np.float32(-2), 3),
            "quality": np.float16(0.5),
            "landmarks": np.asfortranarray(np.arange(10.0).reshape(5, 2)),
            "score": np.bool_(True),
        },
        {"imagePath": "/p/b.jpg", "loc": [1, 9, 8, 2], "encoding": list(range(128)), "pose": None},
    ]
    table = face_table.read(io.BytesIO(pickle.dumps(rows, protocol)))
    assert table.photos.path.tolist() == ["/p/ä.jpg", "/p/b.jpg"]
    np.testing.assert_array_equal(table.faces.encoding, [np.arange(128)] * 2)
    np.testing.assert_array_equal(table.faces.landmarks[0], np.arange(10).reshape(5, 2))
    assert table.faces.pose[0].tolist() == [1.5, -2, 3]
    assert table.faces.quality[0] == 0.5
    assert table.faces.score[0] == 1
    assert np.isnan(table.faces.pose[1]).all()


def test_relative_paths_are_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [dict(older_rows()[0], imagePath="dataset/a.jpg")]
    assert face_table.read(io.BytesIO(pickle.dumps(rows))).photos.path.tolist() == [
        str(tmp_path / "dataset" / "a.jpg")
    ]


_ENDLESS: list[Any] = []
_ENDLESS += [_ENDLESS, _ENDLESS]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"encodings": [], "names": []}, "list of dictionaries"),
        ([1], "list of dictionaries"),
        ([{}], "without 'imagePath'"),
        ([{"imagePath": "a", "encoding": np.zeros(128)}], "without 'loc'"),
        ([{"imagePath": "a", "loc": (1, 2, 3, 4), "encoding": np.zeros(64)}], r"\(128,\), got \(64,\)"),
        ([{"imagePath": "a", "loc": (1, 2, 3), "encoding": np.zeros(128)}], r"\(4,\), got \(3,\)"),
        ([{"imagePath": "a", "loc": (1, 2, 3, "x"), "encoding": np.zeros(128)}], "expected numbers"),
        ([{"imagePath": "a", "loc": (1, 2, 3, np.nan), "encoding": np.zeros(128)}], "without a box"),
        ([{"imagePath": "a", "loc": (1, 2, 3, 4), "encoding": _ENDLESS}], "expected numbers"),
        ([{"imagePath": "a", "loc": (1, 2, 3, 4), "encoding": np.zeros(128, "U4")}], "expected numbers"),
        ([{"imagePath": 5, "loc": (1, 2, 3, 4), "encoding": np.zeros(128)}], "imagePath"),
        ([{"imagePath": "a", "format": 3}], "written by format 3"),
        ([{"imagePath": "a", "loc": (1, 2, 3, 4), "encoding": np.zeros(128), "photo": 3}], "damaged"),
        ([{"imagePath": "a", "loc": (1, 2, 3, 4), "encoding": np.zeros(128), "settings": []}], "damaged"),
        (
            [{"imagePath": "a", "loc": (1, 2, 3, 4), "encoding": np.zeros(128), "photo": {"hash": -1}}],
            "damaged",
        ),
    ],
)
def test_other_pickles_are_refused(rows: object, message: str) -> None:
    with pytest.raises(TableError, match=message):
        face_table.read(io.BytesIO(pickle.dumps(rows)))


@given(st.data())
def test_damaged_pickle_is_a_table_error_or_reads(data: st.DataObject) -> None:
    content = bytearray(pickle.dumps(older_rows()[:1], data.draw(st.integers(0, 5))))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        face_table.read(io.BytesIO(bytes(content)))
    except TableError:
        return


# ------------------------------------------------------------------------------------------ malicious pickles


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: object, *args: object, state: object = None) -> None:
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.reduced


def global_call(module: str, name: str, argument: str, *, stacked: bool) -> bytes:
    """A pickle by hand that calls module.name(argument), without importing it here."""
    if not stacked:
        return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"X" + pack(argument) + b"\x85R."
    return b"\x80\x04X" + pack(module) + b"X" + pack(name) + b"\x93X" + pack(argument) + b"\x85R."


def pack(text: str) -> bytes:
    return len(text.encode()).to_bytes(4, "little") + text.encode()


def object_array(payload: object) -> np.ndarray[Any, Any]:
    array = np.empty(128, dtype=object)
    array[:] = [payload] * 128
    return array


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_in_a_malicious_pickle_runs(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    shell = f'touch "{mark}"'
    code = f"open({str(mark)!r}, 'w')"
    payloads: list[object] = [
        Calls(os.system, shell),
        Calls(eval, code),
        Calls(exec, code),
        Calls(subprocess.Popen, ["touch", str(mark)]),
        Calls(open, str(mark), "w"),
        Calls(mark.touch),
        Calls(np.load, str(mark), None, True),
        Calls(np.save, str(mark), np.zeros(3)),
        Calls(np.ndarray.tofile, np.zeros(3), str(mark)),
        object_array(Calls(os.system, shell)),
        np.array([(Calls(os.system, shell), 1)], dtype=[("a", object), ("b", int)]),
        Calls(getattr, os, "system"),
        Calls(bytes, 10**12),
        Calls(np.dtype, "O", state=Calls(eval, code)),
        Calls(
            np.zeros(1).__reduce__()[0], np.ndarray, (0,), b"b", state=(1, (1,), Calls(eval, code), False, [])
        ),
        Calls(np.core.multiarray.scalar if hasattr(np, "core") else eval, np.dtype("O"), code)
        if not np.__version__.startswith("2")
        else Calls(np._core.multiarray.scalar, np.dtype("O"), code),
    ]
    for payload in payloads:
        rows = [dict(older_rows()[0], encoding=payload)]
        try:
            contents = [pickle.dumps(rows, protocol), pickle.dumps(payload, protocol)]
        except (TypeError, AttributeError, pickle.PicklingError):
            continue  # this one cannot be said in this protocol
        for content in contents:
            with pytest.raises(TableError) as caught:
                face_table.read(io.BytesIO(content))
            if content is contents[0] or protocol >= 2:  # else it is not even taken for a pickle
                assert isinstance(caught.value, UnsafePickleError), caught.value
                assert "Nothing in it was run" in str(caught.value)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("__builtin__", "eval"), ("builtins", "exec"),
        ("builtins", "__import__"), ("builtins", "getattr"), ("builtins", "bytes.fromhex"), ("subprocess", "run"),
        ("numpy", "load"), ("numpy", "os.system"), ("numpy", "ndarray.tofile"), ("numpy", "dtype.__init__"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"), ("numpy._core.multiarray", "fromfile"),
        ("numpy.f2py", "compile"), ("numpy.testing._private.utils", "runstring"),
        ("numpy.distutils.exec_command", "exec_command"),
        ("copyreg", "_reconstructor"), ("copyreg", "__newobj__"), ("copy_reg", "_reconstructor"), ("_codecs", "decode"),
        ("_codecs", "encode.__self__"), ("codecs", "encode"), ("pickle", "loads"), ("_pickle", "loads"),
        ("facecluster.formats.unpickle", "_Name"), ("facecluster.formats.unpickle", "pickle.loads"),
        ("numpy", "dtypes.Float64DType"),
    ],
)  # fmt: skip
def test_no_other_name_is_looked_up(module: str, name: str, stacked: bool) -> None:
    with pytest.raises(UnsafePickleError, match="it wants"):
        face_table.read(io.BytesIO(global_call(module, name, "x", stacked=stacked)))


@pytest.mark.parametrize(
    "content",
    [
        # BUILD on an admitted function: would set attributes of it
        b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}X\x08\x00\x00\x00__code__NsK\x02\x86b.",
        # ndarray and bytes may be named, not called
        b"\x80\x02cnumpy\nndarray\nK\x05\x85R.",
        b"\x80\x02cbuiltins\nbytes\nK\x05\x85R.",
        # encode may only make bytes of latin1
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00a\x85R.",
        # NEWOBJ, OBJ and INST of admitted names
        b"\x80\x02cnumpy\ndtype\n)\x81.",
        b"\x80\x02(cnumpy\ndtype\no.",
        b"(i__main__\nX\n.",
        # a registered extension, a persistent id, an out-of-band buffer
        b"\x80\x02\x82\x01.",
        b"\x80\x02Pabc\n.",
        b"\x80\x05\x97.",
    ],
)
def test_tricks_with_admitted_names_are_refused(content: bytes) -> None:
    pickletools.genops(content)
    with pytest.raises(TableError):
        face_table.read(io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]r\xff\xff\xff\x6f.",  # LONG_BINPUT 1.8e9
        b"\x80\x05\x96\x00\x00\x00\x00\x02\x00\x00\x00.",  # BYTEARRAY8 of 8 GB
        b"\x80\x04\x8e\x00\x00\x00\x00\x02\x00\x00\x00.",  # BINBYTES8 of 8 GB
        b"\x80\x04\x95\x00\x00\x00\x00\x02\x00\x00\x00.",  # FRAME of 8 GB
    ],
)
def test_few_bytes_do_not_ask_for_much_memory(content: bytes) -> None:
    tracemalloc.start()
    try:
        with contextlib.suppress(TableError):
            face_table.read(io.BytesIO(content))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def reconstructed(state: object, code: str = "f8") -> bytes:
    """A pickled array with any state."""
    dtype = Calls(np.dtype, code, False, True)
    array = Calls(np.zeros(1).__reduce__()[0], np.ndarray, (0,), b"b", state=(1, *state(dtype)))  # type: ignore[operator]
    return pickle.dumps([dict(older_rows()[0], encoding=array)], 4)


@pytest.mark.parametrize(
    "state",
    [
        lambda dtype: ((128,), dtype, False, b"\0" * 1023),
        lambda dtype: ((2**62,), dtype, False, b"\0" * 1024),
        lambda dtype: ((-128,), dtype, False, b"\0" * 1024),
        lambda dtype: ((True,) * 3, dtype, False, b"\0" * 8),
        lambda dtype: ((128,), dtype, False, [0.0] * 128),
        lambda dtype: ((128,), "f8", False, b"\0" * 1024),
        lambda dtype: (128, dtype, False, b"\0" * 1024),
        lambda dtype: ((128,), dtype, False),
    ],
)
def test_array_whose_state_does_not_fit_is_refused(state: object) -> None:
    with pytest.raises(TableError):
        face_table.read(io.BytesIO(reconstructed(state)))


@pytest.mark.parametrize(
    "code", ["O8", "V8", "S8", "m8", "M8", "c16", "U0", "U99999999", "f8,f8", "O", "g", "f16"]
)
def test_array_of_anything_but_plain_numbers_and_text_is_refused(code: str) -> None:
    content = reconstructed(lambda dtype: ((128,), dtype, False, b"\0" * 1024), code)
    with pytest.raises(UnsafePickleError, match="neither numbers nor text"):
        face_table.read(io.BytesIO(content))


def test_zip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    face_table.write(full_table(), tmp_path / "faces.npz")
    (tmp_path / "faces.npz").rename(tmp_path / "faces.pickle")
    assert_same(face_table.read(tmp_path / "faces.pickle"), full_table())
    with zipfile.ZipFile(tmp_path / "faces.pickle") as archive:
        assert {i.compress_type for i in archive.infolist() if i.filename == "encoding.npy"} == {
            zipfile.ZIP_STORED
        }
