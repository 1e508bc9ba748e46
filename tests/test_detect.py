"""Detectors against labels, and against dlib's own."""

import csv

import cv2
import numpy as np
import pytest

from facecluster.photos.decode import decode
from facecluster.vision import closer, crops, detect, models


def overlap(a, b):
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b)]
    return shared / (areas[0][:, None] + areas[1][None] - shared)


def test_suppression_keeps_the_best_of_an_overlapping_pair_and_the_one_apart():
    box = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], np.float32)
    assert detect.suppress(box, np.array([0.5, 0.9, 0.7], np.float32), 0.3).tolist() == [1, 2]
    assert detect.suppress(box, np.array([0.5, 0.9, 0.7], np.float32), 0.9).tolist() == [1, 2, 0]
    assert detect.suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.3).tolist() == []


@pytest.mark.parametrize("detector", detect.DETECTORS)
@pytest.mark.parametrize("size", [(1, 1), (5, 900), (64, 64)])
def test_an_empty_picture_of_any_size_has_no_face(detector, size):
    found = detect.find_faces(np.full((*size, 3), 128, np.uint8), detector=detector)
    assert len(found) == 0
    assert found.box.shape == (0, 4)
    assert found.landmarks.shape == (0, 5, 2)


def test_an_unknown_detector_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="expected one of"):
        detect.find_faces(np.zeros((9, 9, 3), np.uint8), detector="haar")


@pytest.mark.parametrize("upsample", [0, 1])
def test_cnn_finds_the_boxes_and_scores_of_dlib(shared_data, upsample):
    import dlib

    theirs = dlib.cnn_face_detection_model_v1(str(models.path("dlib-mmod")))
    for name in ("2008_001322.jpg", "2009_004587.jpg"):
        pixels = decode(shared_data / "dlib_faces" / name).pixels
        pixels = np.ascontiguousarray(pixels[:: 1 + upsample, :: 1 + upsample])
        expected = theirs(pixels, upsample)
        boxes = np.array(
            [[d.rect.left(), d.rect.top(), d.rect.right() + 1, d.rect.bottom() + 1] for d in expected]
        )
        found = detect.find_faces(pixels, detector="cnn", upsample=upsample, min_face_px=0)
        assert len(found) == len(expected) > 0
        np.testing.assert_array_equal(found.box, boxes)
        np.testing.assert_allclose(found.score, [d.confidence for d in expected], atol=0.01)


def test_cnn_in_strips_gives_what_it_gives_at_once(shared_data, monkeypatch):
    pixels = decode(shared_data / "dlib_faces" / "2008_001322.jpg").pixels
    tiled, _ = detect._tiled_pyramid(pixels)
    at_once = detect._mmod_scores(tiled)
    monkeypatch.setattr(detect, "_MMOD_STRIP", 1)
    np.testing.assert_allclose(detect._mmod_scores(tiled), at_once, atol=1e-5)


def test_cnn_in_half_precision_gives_the_same_scores(shared_data, monkeypatch):
    pixels = decode(shared_data / "dlib_faces" / "2008_001322.jpg").pixels
    exact = detect._mmod_scores(detect._tiled_pyramid(pixels)[0])
    monkeypatch.setattr(detect, "_MMOD_HALF_PRECISION", 0)
    halved, _ = detect._tiled_pyramid(pixels)
    assert halved.dtype == np.float16
    np.testing.assert_allclose(detect._mmod_scores(halved), exact, atol=3e-3)


def test_hog_finds_the_boxes_of_dlib(shared_data):
    import dlib

    pixels = decode(shared_data / "dlib_faces" / "2009_004587.jpg").pixels
    expected = dlib.get_frontal_face_detector()(pixels, 1)
    found = detect.find_faces(pixels, detector="hog", min_face_px=0)
    boxes = {tuple(map(int, box)) for box in found.box}
    assert boxes == {(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in expected}
    assert len(boxes) > 0


def test_yunet_finds_labelled_faces_and_their_landmarks(shared_data):
    found_faces = all_faces = wrong = 0
    with (shared_data / "wider_dev" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in sorted({row["file"] for row in rows})[::6]:
        labelled = np.array([[float(row[key]) for key in "xywh"] for row in rows if row["file"] == name])
        labelled[:, 2:] += labelled[:, :2]
        found = detect.find_faces(decode(shared_data / "wider_dev" / name).pixels)
        matches = overlap(labelled, found.box) >= 0.3
        all_faces += len(labelled)
        found_faces += int(matches.any(axis=1).sum())
        wrong += int((~matches.any(axis=0)).sum())
        middle = (found.box[:, :2] + found.box[:, 2:]) / 2
        size = (found.box[:, 2:] - found.box[:, :2]).max(axis=1, keepdims=True)
        assert np.all(np.abs(found.landmarks[:, 2] - middle) < size / 2 + 1)  # the nose lies in the box
        eyes, mouth = found.landmarks[:, :2].mean(axis=1), found.landmarks[:, 3:].mean(axis=1)
        assert np.mean(mouth[:, 1] > eyes[:, 1]) > 0.9 or len(found) == 0
    assert found_faces / all_faces >= 0.9
    assert wrong / max(found_faces, 1) <= 0.1


def test_a_face_of_76_pixels_in_12_megapixels_is_found(shared_data):
    face = decode(shared_data / "lfw_dev" / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg").pixels
    box = detect.find_faces(face).box[0]
    scale = 76 / float((box[2:] - box[:2]).min())
    small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for left, top in ((0, 0), (1900, 1400), (3700, 2700)):
        picture = np.full((3000, 4000, 3), 110, np.uint8)
        picture[top : top + len(small), left : left + small.shape[1]] = small
        found = detect.find_faces(picture)
        expected = box * scale + np.array([left, top, left, top])
        assert overlap(expected[None], found.box).max(initial=0) > 0.6


def test_boxes_come_in_pixels_of_the_picture_whatever_the_analysis_size(shared_data):
    pixels = decode(shared_data / "lfw_dev" / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg").pixels
    for detector in detect.DETECTORS:
        whole = detect.find_faces(pixels, detector=detector).box[:1]
        reduced = detect.find_faces(pixels, detector=detector, max_side_px=170).box[:1]
        assert overlap(whole, reduced)[0, 0] > 0.7


def test_faces_below_the_least_size_are_dropped(shared_data):
    pixels = decode(shared_data / "lfw_dev" / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg").pixels
    size = float((detect.find_faces(pixels).box[0, 2:] - detect.find_faces(pixels).box[0, :2]).max())
    assert len(detect.find_faces(pixels, min_face_px=size)) == 1
    assert len(detect.find_faces(pixels, min_face_px=size + 1)) == 0


def turned(face, angle_deg):
    """Lay a portrait of 250 pixels, turned clockwise, on 1024x768 of one colour; also return the (2, 3) matrix."""
    matrix = cv2.getRotationMatrix2D((125, 125), -angle_deg, 1.4)
    matrix[:, 2] += [387, 259]
    colour = face.reshape(-1, 3).mean(axis=0).tolist()
    picture = cv2.warpAffine(
        face, matrix, (1024, 768), borderMode=cv2.BORDER_CONSTANT, borderValue=colour, flags=cv2.INTER_CUBIC
    )
    return picture, matrix


def holding(box, point):
    """Return the rows of boxes that hold a point."""
    return np.flatnonzero(((box[:, :2] < point) & (point < box[:, 2:])).all(axis=1))


@pytest.mark.parametrize("person", ["Carlos_Ruiz", "Guillermo_Ortiz", "Ian_Knop", "Luis_Rosario_Huertas"])
def test_a_tilted_face_is_found_once(shared_data, person):
    face = decode(shared_data / "lfw_dev" / person / f"{person}_0001.jpg").pixels
    upright = detect.find_faces(face)
    for angle in (-60, -50, 50, 60):
        picture, matrix = turned(face, angle)
        nose = matrix[:, :2] @ upright.landmarks[0, 2] + matrix[:, 2]
        assert len(holding(detect.find_faces(picture).box, nose)) == 1


def test_landmarks_of_a_face_that_only_a_closer_look_finds_are_turned_as_it_is(shared_data):
    face = decode(shared_data / "lfw_dev" / "Ian_Knop" / "Ian_Knop_0001.jpg").pixels
    upright = detect.find_faces(face)
    picture, matrix = turned(face, 50)
    expected = upright.landmarks[0] @ matrix[:, :2].T + matrix[:, 2]
    found = detect.find_faces(picture)
    row = holding(found.box, expected[2])[0]
    assert (
        np.abs(found.landmarks[row] - expected).max() < 0.1 * (found.box[row, 2:] - found.box[row, :2]).max()
    )


def test_a_face_that_fills_the_picture_is_found(shared_data):
    name = "images/26--Soldier_Drilling/26_Soldier_Drilling_Soldiers_Drilling_26_710.jpg"
    found = detect.find_faces(decode(shared_data / "wider_dev" / name).pixels)
    assert overlap(np.array([[281.0, 421, 884, 1167]]), found.box).max() > 0.7


@pytest.mark.parametrize("number", ["3043", "0283", "3461", "2645", "3305"])
def test_a_portrait_of_15_megapixels_has_one_face(shared_data, number):
    portrait = decode(shared_data / "genki4k_odd" / "images" / f"file{number}.jpg").pixels
    scale = 4500 / max(portrait.shape)
    large = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    assert len(detect.find_faces(large)) == 1


def test_of_two_faces_one_inside_the_other_the_worse_goes_unless_it_is_sure():
    box = np.array([[0, 0, 100, 100], [30, 60, 70, 90], [80, 0, 130, 50], [200, 0, 230, 30]], np.float32)
    score = np.array([0.81, 0.7, 0.8, 0.95], np.float32)
    assert detect._not_twice(box, score).tolist() == [3, 0, 2]
    assert detect._not_twice(box, score[[1, 0, 2, 3]]).tolist() == [3, 1, 2]
    child = np.array([0.9, 0.88, 0.8, 0.95], np.float32)
    assert detect._not_twice(box, child).tolist() == [3, 0, 1, 2]
    assert detect._not_twice(box[:0], score[:0]).tolist() == []


def test_a_box_in_a_crop_that_lies_on_its_side_is_as_wide_in_the_picture_as_it_is_high_in_the_crop():
    matrix = crops.square(np.array([300.0, 200.0]), 256, 90, 128)
    box = closer._turned(np.array([44, 34, 84, 94], np.float32), matrix, np.linalg.inv(matrix[:, :2]))
    np.testing.assert_allclose(box, [240, 160, 360, 240], atol=1e-3)


def test_a_closer_look_at_no_face_finds_none():
    grey = np.full((300, 300, 3), 128, np.uint8)
    landmarks = np.array([[130, 130], [170, 130], [150, 150], [135, 170], [165, 170]], np.float32)

    def see(crop):
        return (
            np.array([[32.0, 32, 96, 96]], np.float32),
            np.array([0.9], np.float32),
            landmarks[np.newaxis] * 0.6,
        )

    assert closer.look(grey, np.array([100, 100, 200, 200], np.float32), landmarks, see) is None
