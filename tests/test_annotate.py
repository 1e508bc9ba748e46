from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tables import make_table

from facecluster.errors import PhotoError
from facecluster.identity.check import PRESETS, Limit
from facecluster.photos.file import file_digest
from facecluster.render.annotate import (
    AXES,
    FAIL,
    LONGEST_PX,
    PASS,
    SHORTEST_PX,
    draw,
    legend,
    make_picture,
    name_pictures,
)
from facecluster.render.verdicts import CheckedPhoto, check_photos
from facecluster.table import NO_FACE

GREY = 128


def checked(
    size: tuple[int, int] = (1000, 800),
    *,
    path: str = "/photos/a.png",
    n: int = 1,
    preset: str = "clustering",
    **columns: Any,
) -> CheckedPhoto:
    """A photo with n faces that look straight at the camera, one beside the other unless told otherwise."""
    values = {
        "box": [[120 * i, 200, 120 * i + 100, 320] for i in range(n)],
        "landmarks": [np.full((5, 2), [120 * i + 50, 260]) for i in range(n)],
    } | columns
    table = make_table(
        np.ones((n, 128)), photo=[0] * n, paths=[path], photos={"size": [size], "digest": [""]}, **values
    )
    (photo,) = check_photos(table, PRESETS[preset])
    return photo


def grey(width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), GREY, np.uint8)


def near(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """x, y of the pixels of a colour, (k, 2)."""
    rows, columns = np.nonzero((np.abs(pixels.astype(int) - colour) <= 2).all(axis=2))
    return np.stack([columns, rows], axis=1).astype(float)


def test_box_is_green_where_the_face_passes_and_red_where_it_fails() -> None:
    pixels = grey(1000, 800)
    before = pixels.copy()
    for quality, colour, other in ((0.9, PASS, FAIL), (0.5, FAIL, PASS)):
        drawn = draw(pixels, checked(quality=[quality]), 1.0)
        edge = near(drawn, colour)
        assert edge.min(axis=0) == pytest.approx([0, 200], abs=40)  # with its number above
        assert edge[:, 0].max() == pytest.approx(100, abs=3)
        assert edge[:, 1].max() == pytest.approx(320, abs=3)
        assert len(near(drawn, other)) == 0
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(
    ("pose", "axis", "towards"),
    [
        ([20, 0, 0], 2, (0, -1)),  # looks up
        ([-20, 0, 0], 2, (0, 1)),
        ([0, 20, 0], 2, (1, 0)),  # looks to the image's right
        ([0, -20, 0], 2, (-1, 0)),
        (
            [0, 0, 20],
            1,
            (np.sin(np.deg2rad(20)), -np.cos(np.deg2rad(20))),
        ),  # clockwise: its top is at the right
        ([0, 0, 20], 0, (np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20)))),
    ],
)
def test_axes_point_where_the_head_does(pose: list[float], axis: int, towards: tuple[float, float]) -> None:
    box, nose = [[400, 300, 600, 500]], [np.full((5, 2), [500, 400])]
    drawn = draw(grey(1000, 800), checked(pose=[pose], box=box, landmarks=nose), 1.0)
    arrow = near(drawn, AXES[axis]) - (500, 400)
    tip = arrow[np.linalg.norm(arrow, axis=1).argmax()]
    direction = tip / np.linalg.norm(tip)
    assert direction @ towards > np.cos(np.deg2rad(20))  # the head of the arrow is wide


def test_unknown_pose_has_no_axes() -> None:
    drawn = draw(grey(1000, 800), checked(pose=[[np.nan] * 3]), 1.0)
    assert not any(len(near(drawn, colour)) for colour in AXES)


def labels_of(drawn: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(h, w), where labels are: their paper."""
    paper: NDArray[np.bool_] = (drawn == 24).all(axis=2)
    return paper


def test_label_stands_beside_a_face_that_fails_and_hides_no_face() -> None:
    assert not labels_of(draw(grey(1000, 800), checked(), 1.0)).any()
    photo = checked(n=8, quality=[0.5] * 8)
    drawn = draw(grey(1000, 800), photo, 1.0)
    assert drawn.shape == (800, 1000, 3)
    paper = labels_of(drawn)
    assert paper.any()
    for face in photo.faces:
        left, top, right, bottom = (int(edge) for edge in face.box)
        assert not paper[top:bottom, left:right].any()


@pytest.mark.parametrize("size", [(1000, 30), (30, 1000), (1600, 1067), (1000, 750)])
def test_label_fits_into_the_picture_whatever_its_shape(size: tuple[int, int]) -> None:
    unknown = {"quality": [np.nan], "pose": [[np.nan] * 3], "box": [[0, 0, 20, 20]]}
    drawn = draw(grey(*size), checked(size, **unknown), 1.0)
    assert drawn.shape[0] >= size[1]
    assert drawn.shape[1] >= size[0]
    paper = labels_of(drawn)
    assert paper.sum() > 1000
    assert paper.any(axis=1).sum() > 14 * 3  # three lines and more: all of it is there


def test_many_faces_everywhere_and_odd_boxes_are_drawn() -> None:
    box = [[10 * i, 10 * i, 10 * i + 300, 10 * i + 300] for i in range(40)]
    drawn = draw(grey(1000, 800), checked(n=40, box=box, quality=[0.1] * 40), 1.0)
    assert drawn.shape == (800, 1000, 3)
    odd = [[np.nan] * 4, [-1e30, 0, 1e30, np.inf], [5, 5, 5, 5]]
    draw(grey(1000, 800), checked(n=3, box=odd, landmarks=np.full((3, 5, 2), 1e30)), 1.0)


def test_photo_without_a_face_says_so() -> None:
    table = make_table([], paths=["/a.jpg"], photos={"status": [NO_FACE]})
    (photo,) = check_photos(table, {})
    assert labels_of(draw(grey(1000, 800), photo, 1.0)).any()


@pytest.mark.parametrize(
    ("size", "expected"),
    [((4000, 3000), LONGEST_PX), ((1200, 900), 1200), ((90, 120), SHORTEST_PX)],
)
def test_picture_is_large_enough_to_read_and_no_larger(
    size: tuple[int, int], expected: int, tmp_path: Path
) -> None:
    path = tmp_path / "é.png"
    Image.new("RGB", size, (GREY, GREY, GREY)).save(path)
    before = path.read_bytes()
    box = [[size[0] * 0.2, size[1] * 0.2, size[0] * 0.6, size[1] * 0.6]]
    nose = [np.full((5, 2), [size[0] * 0.4, size[1] * 0.4])]
    photo = checked(size, path=str(path), preset="none", box=box, landmarks=nose)
    with Image.open(io.BytesIO(make_picture(photo))) as picture:
        assert picture.format == "JPEG"
        height = picture.height - legend(picture.width).shape[0]
        assert max(picture.width, height) == expected
        assert picture.info["comment"] == str(path).encode()
        pixels = np.asarray(picture).astype(int)[:height]
    greenest = pixels[..., 1] - pixels[..., [0, 2]].max(axis=2) > 60
    columns = np.flatnonzero(greenest.any(axis=0)) / picture.size[0]
    assert columns.min() == pytest.approx(0.2, abs=0.02)  # the box is where the face is, at any scale
    assert path.read_bytes() == before


def test_changed_photo_is_not_drawn_on(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (100, 100)).save(path)
    table = make_table(
        np.ones((1, 128)),
        paths=[str(path)],
        photos={"size": [[100, 100]], "digest": [file_digest(path.read_bytes())]},
    )
    (photo,) = check_photos(table, {"yaw": Limit(5, 6)})
    make_picture(photo)
    Image.new("RGB", (100, 100), (9, 9, 9)).save(path)
    with pytest.raises(PhotoError, match="changed"):
        make_picture(photo)
    with pytest.raises(PhotoError, match="changed"):  # a table that knows no digest
        make_picture(checked((50, 50), path=str(path)))
    path.unlink()
    with pytest.raises(PhotoError, match="no such file"):
        make_picture(photo)


def test_names_are_those_of_the_photos_and_never_collide() -> None:
    paths = [
        "/a/x.jpg",
        "/b/x.png",
        "/a/X.HEIC",
        "/a/x-2.jpg",
        "/c/x.jpg",
        "/a/noext",
        f"/a/{'é' * 127}.j",
        "/b/" + "y" * 255,
    ]
    names = name_pictures(paths)
    assert list(names) == paths
    assert list(names.values())[:6] == ["x.jpg", "x-2.jpg", "X-3.jpg", "x-2-2.jpg", "x-4.jpg", "noext.jpg"]
    assert len({name.casefold() for name in names.values()}) == len(paths)
    assert max(len(name.encode()) for name in names.values()) <= 255
    assert name_pictures([]) == {}


@pytest.mark.parametrize("width", [300, 1000, 1600])
def test_legend_names_every_colour_at_any_width(width: int) -> None:
    pixels = legend(width)
    assert pixels.shape[1] == width
    for colour in (PASS, FAIL, *AXES):
        assert (pixels == colour).all(axis=2).sum() > 50


def test_photo_without_a_face_has_no_legend(tmp_path: Path) -> None:
    Image.new("RGB", (1200, 900), (GREY, GREY, GREY)).save(tmp_path / "p.png")
    photo = CheckedPhoto(str(tmp_path / "p.png"), "", "", (1200, 900), NO_FACE, "", ())
    assert Image.open(io.BytesIO(make_picture(photo))).size == (1200, 900)
