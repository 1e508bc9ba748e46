"""The parts of quality and their score."""

import cv2
import numpy as np
import pytest

from facecluster.photos import decode
from facecluster.table import QUALITY_PARTS
from facecluster.vision import detect, mesh, quality

RANGES = {"presence": (0, 1), "sharpness": (0, 1), "exposure": (0, 1), "size_px": (1, 2000), "inside": (0, 1)}


def parts_with(**columns):
    n = len(next(iter(columns.values())))
    usual = {"presence": 0.98, "sharpness": 0.45, "exposure": 0.95, "size_px": 120, "inside": 1.0}
    return quality.Parts(
        **{k: np.asarray(columns.get(k, np.full(n, v)), np.float32) for k, v in usual.items()}
    )


@pytest.mark.parametrize("name", QUALITY_PARTS)
def test_score_rises_with_each_part_and_stays_in_0_to_1(name):
    values = quality.score(parts_with(**{name: np.linspace(*RANGES[name], 50)}))
    assert np.all(np.diff(values) >= 0)
    assert values[-1] > values[0] + 0.3
    assert 0 <= values.min() <= values.max() <= 1


def test_sharpness_of_a_flat_picture_is_zero_and_of_a_fine_one_near_one():
    assert quality.sharpness(np.full((112, 112), 90, np.uint8)) == 0
    checks = ((np.indices((112, 112)).sum(axis=0) % 2) * 255).astype(np.uint8)
    assert quality.sharpness(checks) > 0.8


def test_exposure_counts_clipped_pixels():
    half = np.full((10, 10), 255, np.uint8)
    half[:5] = np.linspace(30, 240, 50).astype(np.uint8).reshape(5, 10)
    assert quality.exposure(half) == pytest.approx(0.5)
    assert quality.exposure(np.zeros((10, 10), np.uint8)) == 0


def measured(pixels, box, landmarks):
    fitted = mesh.fit_meshes(pixels, box, landmarks)
    return quality.measure(pixels, box, fitted.points, fitted.presence)


def test_damage_lowers_quality_and_clean_faces_pass_the_gate(shared_data):
    folders = sorted((shared_data / "lfw_dev").iterdir())[::150]
    scores = {"clean": [], "blurred": [], "dark": [], "small": []}
    for folder in folders:
        pixels = decode(min(folder.iterdir())).pixels
        found = detect.find_faces(pixels).rows(np.array([0]))
        tiny = cv2.resize(cv2.resize(pixels, (30, 30), interpolation=cv2.INTER_AREA), (250, 250))
        damaged = {
            "clean": pixels,
            "blurred": cv2.GaussianBlur(pixels, (0, 0), 4),
            "dark": (pixels * 0.1).astype(np.uint8),
            "small": tiny,
        }
        for name, picture in damaged.items():
            scores[name].append(quality.score(measured(picture, found.box, found.landmarks))[0])
    assert np.mean(np.array(scores["clean"]) > 0.8) >= 0.9
    for name in ("blurred", "dark", "small"):
        assert np.mean(np.array(scores[name]) > 0.8) <= 0.1
        assert np.mean(scores[name]) < np.mean(scores["clean"]) - 0.1


def test_a_face_cut_by_the_edge_is_less_inside_and_sizes_are_those_of_the_photo():
    grey = np.full((100, 100, 3), 120, np.uint8)
    box = np.array([[-30, 0, 30, 60], [20, 20, 60, 80]], np.float32)
    unknown = np.full((2, mesh.N_POINTS, 3), np.nan, np.float32)
    parts = quality.measure(grey, box, unknown, np.zeros(2, np.float32), scale=0.5)
    np.testing.assert_allclose(parts.inside, [0.5, 1.0])
    np.testing.assert_allclose(parts.size_px, [120, 80])


def test_no_faces_have_no_parts():
    empty = np.zeros((0, 4), np.float32)
    nothing = np.zeros((0, mesh.N_POINTS, 3), np.float32)
    parts = quality.measure(np.zeros((9, 9, 3), np.uint8), empty, nothing, np.zeros(0, np.float32))
    assert quality.score(parts).shape == (0,)
