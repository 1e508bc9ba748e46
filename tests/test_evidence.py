from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tables import make_table

from facecluster.identity.boxes import SAME_FACE_IOU
from facecluster.identity.evidence import (
    BURST_SECONDS,
    NEAR_DUPLICATE_BITS,
    SAME_COPY,
    SAME_MOMENT,
    SAME_PLACE_IOU,
    SAME_SCENE_BITS,
    SAME_SHOT,
    by_content,
    count_different,
    find_copies,
)

RADIUS = 1.0


def on_a_line(*places: float) -> NDArray[np.float32]:
    encoding = np.zeros((len(places), 128), dtype=np.float32)
    encoding[:, 0] = places
    return encoding


def different(*places: float, wanted: int = 9, photo: list[int] | None = None, **photos: Any) -> int:
    """Count the shots of faces at these places, one a photo."""
    table = make_table(on_a_line(*places), photo=photo, photos=photos)
    return count_different(table, np.arange(len(places)), wanted, RADIUS)


def bits(n: int) -> int:
    return 2**n - 1


FAR = [bits(20), bits(20) << 22, bits(20) << 44]
"""Hashes of which any two differ in 40 bits."""


def test_photos_are_different_unless_something_says_otherwise() -> None:
    assert different(0, 0, 0, hash=FAR) == 3
    assert different(0, 0, 0, hash=[0, 0, 0]) == 3  # unknown


def test_faces_of_one_photo_and_of_copies_count_once() -> None:
    assert different(0, 0.9, photo=[0, 0]) == 1
    assert different(0, 0.9, 0.5, digest=["a", "a", "b"], hash=FAR) == 2
    assert different(0, 0.9, digest=["", ""], hash=FAR[:2]) == 2  # unknown


def beside(iou: float) -> list[list[float]]:
    """Two boxes of equal size of which the one overlaps the other by so much."""
    shift = 100 * (1 - iou) / (1 + iou)
    return [[100, 200, 200, 300], [100 + shift, 200, 200 + shift, 300]]


@pytest.mark.parametrize(("n", "place", "iou", "count"), [
    (NEAR_DUPLICATE_BITS, SAME_COPY - 0.01, SAME_PLACE_IOU + 0.01, 1),
    (NEAR_DUPLICATE_BITS + 1, SAME_COPY - 0.01, SAME_PLACE_IOU + 0.01, 2),
    (NEAR_DUPLICATE_BITS, SAME_COPY + 0.01, SAME_PLACE_IOU + 0.01, 2),
    (NEAR_DUPLICATE_BITS, SAME_COPY - 0.01, SAME_PLACE_IOU - 0.01, 2),
])  # fmt: skip
def test_a_copy_has_the_look_the_face_and_the_place(n: int, place: float, iou: float, count: int) -> None:
    hashes = [FAR[0], FAR[0] ^ (bits(n) << 40)]
    encoding, photos = on_a_line(0, place), {"hash": hashes}
    assert (
        count_different(make_table(encoding, box=beside(iou), photos=photos), np.arange(2), 9, RADIUS)
        == count
    )


def test_a_scaled_copy_has_its_face_in_the_same_part_of_the_photo() -> None:
    photos = {"hash": [FAR[0]] * 2, "size": [[1000, 800], [500, 400]]}
    for box, count in (([50, 100, 100, 150], 1), ([100, 200, 200, 300], 2)):
        table = make_table(on_a_line(0, SAME_COPY - 0.01), box=[[100, 200, 200, 300], box], photos=photos)
        assert count_different(table, np.arange(2), 9, RADIUS) == count


def test_without_sizes_the_place_says_nothing() -> None:
    photos = {"hash": [FAR[0]] * 2, "size": [[0, 0]] * 2}
    table = make_table(on_a_line(0, 0.5), box=beside(0.1), photos=photos)
    assert count_different(table, np.arange(2), 9, RADIUS) == 1


@pytest.mark.parametrize("seconds", [BURST_SECONDS + 1, 3 * 86400.0 + 61, math.nan])
def test_a_fixed_camera_takes_a_photo_each_time_somebody_comes(seconds: float) -> None:
    time = [1e9 + i * seconds for i in range(3)]
    assert different(0, 0.7, 1.4, hash=[FAR[0]] * 3, time=time) == 3


def test_a_fixed_camera_sees_a_face_that_is_nearly_the_same_another_day() -> None:
    time = [1e9, 1e9 + 86400 * 3, 1e9 + 86400 * 6]
    assert different(0, 0.1, 0.2, hash=[FAR[0]] * 3, time=time) == 3
    assert different(0, 0.1, 0.2, hash=[FAR[0]] * 3, time=[time[0], math.nan, math.nan]) == 1


def test_a_copy_that_lost_its_time_zone_is_no_other_time() -> None:
    assert different(0, 0.1, hash=[FAR[0]] * 2, time=[1e9, 1e9 + 2 * 3600]) == 1
    assert different(0, 0.1, hash=[FAR[0]] * 2, time=[1e9, 1e9 + 2 * 3600 + 60]) == 2


def test_the_same_face_elsewhere_in_the_scene_counts_twice() -> None:
    for iou, count in ((SAME_FACE_IOU + 0.01, 1), (SAME_FACE_IOU - 0.01, 2)):
        table = make_table(on_a_line(0, SAME_SHOT - 0.01), box=beside(iou), photos={"hash": [FAR[0]] * 2})
        assert count_different(table, np.arange(2), 9, RADIUS) == count


@pytest.mark.parametrize(("n", "place", "count"), [
    (SAME_SCENE_BITS, SAME_SHOT - 0.01, 1),
    (SAME_SCENE_BITS + 1, SAME_SHOT - 0.01, 2),
    (SAME_SCENE_BITS, SAME_SHOT + 0.01, 2),
])  # fmt: skip
def test_the_same_face_in_the_same_scene_counts_once(n: int, place: float, count: int) -> None:
    assert different(0, place, hash=[FAR[0], FAR[0] ^ (bits(n) << 40)]) == count


@pytest.mark.parametrize(("place", "size", "count"), [
    (SAME_SHOT - 0.01, [800, 700], 1), (SAME_SHOT + 0.01, [800, 700], 2), (SAME_SHOT - 0.01, [1000, 800], 2),
])  # fmt: skip
def test_a_crop_counts_once(place: float, size: list[int], count: int) -> None:
    assert different(0, place, hash=FAR[:2], size=[[1000, 800], size]) == count


@pytest.mark.parametrize(("seconds", "place", "count"), [
    (BURST_SECONDS, SAME_MOMENT - 0.01, 1),
    (BURST_SECONDS + 1, SAME_MOMENT - 0.01, 2),
    (BURST_SECONDS, SAME_MOMENT + 0.01, 2),
])  # fmt: skip
def test_a_burst_counts_once(seconds: float, place: float, count: int) -> None:
    assert different(0, place, hash=FAR[:2], time=[1e9, 1e9 + seconds]) == count


def test_a_burst_is_as_long_as_its_photos_follow_each_other() -> None:
    assert different(0, 0.1, 0.2, hash=FAR, time=[1e9 + 4, 1e9, 1e9 + 2]) == 1
    assert different(0, 0.1, 0.2, hash=FAR, time=[1e9 + 5, 1e9, 1e9 + 2]) == 2


def test_an_album_of_one_time_stamp_is_no_burst() -> None:
    assert different(0, 0.7, 1.4, hash=FAR, time=[1e9] * 3) == 3


def test_counting_stops_when_there_are_enough() -> None:
    assert different(0, 0, 0, wanted=2, hash=FAR) == 2
    table = make_table(on_a_line(0, 0, 0, 0), photos={"hash": [FAR[0], FAR[1], FAR[0], FAR[1]]})
    assert find_copies(table, np.arange(4), 2, RADIUS).tolist() == [False] * 4
    assert find_copies(table, np.arange(4), 3, RADIUS).tolist() == [False, False, True, True]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    time = np.where(rng.uniform(size=30) < 0.3, np.nan, rng.integers(0, 20, 30)).tolist()
    table = make_table(
        on_a_line(*rng.uniform(0, 2, 30)),
        photos={"time": time, "hash": [FAR[i] for i in rng.integers(0, 3, 30)]},
    )
    rows = rng.permutation(30)
    in_order = np.arange(30)[by_content(table, np.arange(30))]
    assert rows[by_content(table, rows)].tolist() == in_order.tolist()
    assert count_different(table, rows, 99, RADIUS) == count_different(table, np.arange(30), 99, RADIUS)
