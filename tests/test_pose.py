"""Meshes and the head pose read off them."""

import csv

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facecluster.photos.decode import decode
from facecluster.vision import detect, mesh, pose

angles = st.floats(-85, 85)


@given(st.lists(st.tuples(angles, angles, angles), min_size=1, max_size=5))
def test_angles_survive_the_way_through_a_rotation(triples):
    expected = np.array(triples)
    np.testing.assert_allclose(pose.angles_of(pose.rotation_of(expected)), expected, atol=1e-6)


def test_signs_are_those_of_the_design():
    forward, up = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    looks_up, looks_right, clockwise = pose.rotation_of(np.diag([20.0, 20.0, 20.0]))
    assert (looks_up @ forward)[1] > 0
    assert (looks_right @ forward)[0] > 0
    assert (clockwise @ up)[0] > 0


def test_a_turned_canonical_face_has_the_angles_it_was_turned_by():
    expected = np.array([[0.0, 0.0, 0.0], [12.0, -25.0, 8.0], [-20.0, 40.0, -30.0]])
    turned = np.einsum("nij,kj->nki", pose.rotation_of(expected), pose.canonical_face())
    points = turned * [1, -1, -1 / pose.DEPTH] * 90 + [400, 300, 7]
    np.testing.assert_allclose(pose.head_pose(points.astype(np.float32)), expected, atol=1e-3)


def test_rotation_vectors_survive_the_way_through_a_rotation():
    vectors = np.array([[0.0, 0.0, 0.0], [0.3, -0.2, 0.1], [0.0, 1.2, 0.0], [-2.0, 1.0, 0.5]])
    np.testing.assert_allclose(pose.vectors_of(pose.turns(vectors)), vectors, atol=1e-9)
    about_z = pose.turns(np.array([[0.0, 0.0, np.pi / 2]]))[0]
    np.testing.assert_allclose(about_z @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_an_unknown_mesh_has_an_unknown_pose_and_no_mesh_no_pose():
    points = np.full((2, mesh.N_POINTS, 3), np.nan, np.float32)
    points[1] = pose.canonical_face() * [1, -1, -1]
    result = pose.head_pose(points)
    assert np.isnan(result[0]).all()
    assert not np.isnan(result[1]).any()
    assert pose.head_pose(points[:0]).shape == (0, 3)


def measured(pixels):
    found = detect.find_faces(pixels)
    if len(found) == 0:
        return np.full(3, np.nan)
    fitted = mesh.fit_meshes(pixels, found.box[:1], found.landmarks[:1])
    return pose.head_pose(fitted.points, fitted.features)[0]


def test_pose_of_rendered_heads_is_near_the_truth_and_mirrors(shared_data):
    with (shared_data / "pose_renders" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::4]
    true = np.array([[float(row[f"{name}_deg"]) for name in ("pitch", "yaw", "roll")] for row in rows])
    pictures = [decode(shared_data / "pose_renders" / row["file"]).pixels for row in rows]
    found = np.array([measured(picture) for picture in pictures])
    mirrored = np.array([measured(np.ascontiguousarray(picture[:, ::-1])) for picture in pictures])
    within = (np.abs(true) < 30).all(axis=1)
    assert np.isnan(found).any(axis=1).mean() < 0.05
    assert np.nanmean(np.abs(found - true)) <= 3.0
    assert np.nanmean(np.abs(found - true)[within]) <= 2.2
    assert np.mean((np.abs(found) < 30).all(axis=1) == within) >= 0.9
    assert np.nanmean(np.abs(mirrored * [1, -1, -1] - found)[within]) <= 2.0


def test_pose_of_real_faces_mirrors(shared_data):
    files = sorted((shared_data / "genki4k_odd").rglob("*.jpg"))[::40]
    pictures = [decode(file).pixels for file in files]
    found = np.array([measured(picture) for picture in pictures])
    mirrored = np.array([measured(np.ascontiguousarray(picture[:, ::-1])) for picture in pictures])
    assert np.all(np.nanmean(np.abs(mirrored * [1, -1, -1] - found), axis=0) <= 2.0)


def test_roll_follows_the_picture(shared_data):
    changes = []
    for folder in sorted((shared_data / "lfw_dev").iterdir())[::300]:
        pixels = decode(min(folder.iterdir())).pixels
        start = measured(pixels)
        for turn in (-45, -20, 20, 45):
            matrix = cv2.getRotationMatrix2D((125, 125), -turn, 1.0)  # OpenCV turns counter-clockwise
            turned = cv2.warpAffine(pixels, matrix, (250, 250), borderMode=cv2.BORDER_REPLICATE)
            there = pose.rotation_of(np.array([[0, 0, turn]])) @ pose.rotation_of(start[np.newaxis])
            changes.append(abs(measured(turned)[2] - pose.angles_of(there)[0][2]))
    assert np.nanmean(changes) <= 2.0
    assert np.isnan(changes).mean() < 0.05


def test_mesh_landmarks_lie_on_those_of_the_detector(shared_data):
    for name in ("Aaron_Eckhart", "Aaron_Sorkin", "AJ_Lamas"):
        pixels = decode(shared_data / "lfw_dev" / name / f"{name}_0001.jpg").pixels
        found = detect.find_faces(pixels).rows(np.array([0]))
        without = np.full((1, 5, 2), np.nan, np.float32)
        for landmarks in (found.landmarks, without):
            read = mesh.landmarks(mesh.fit_meshes(pixels, found.box, landmarks).points)
            size = float((found.box[0, 2:] - found.box[0, :2]).max())
            assert np.abs(read - found.landmarks).max() < 0.12 * size


def test_something_that_is_no_face_has_no_mesh():
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    box = np.array([[50, 50, 150, 150]], np.float32)
    fitted = mesh.fit_meshes(noise, box, np.full((1, 5, 2), np.nan, np.float32))
    assert np.isnan(fitted.points).all()
    assert fitted.presence[0] < mesh.MIN_PRESENCE
