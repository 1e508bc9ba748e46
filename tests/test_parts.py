"""The parts of quality: each on cases worked by hand, then on real faces."""

import inspect
import re
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from facecluster.photos.decode import decode
from facecluster.table import QUALITY_PARTS, Faces
from facecluster.vision import detect, mesh, parts, pose

UNKNOWN = np.full((1, mesh.N_POINTS, 3), np.nan, np.float32)
MEASURED = tuple(part for part in QUALITY_PARTS if part != "distinctness")  # that comes from the encoder
OCCLUSIONS = tuple(part for part in MEASURED if part.startswith("occlusion"))
NEEDS_A_MESH = ("sharpness", "eyes_open", "mouth_open", "inter_eye_px", *OCCLUSIONS)


def measure(pixels, box, points=UNKNOWN, presence=0.9, scale=1.0, angles=None):
    """Measure faces, as {part: (n,)}."""
    box = np.array(box, np.float32).reshape(-1, 4)
    points = np.repeat(points, len(box), axis=0) if points is UNKNOWN else points
    seen = np.full(len(box), presence, np.float32)
    angles = pose.head_pose(points) if angles is None else angles
    return vars(parts.measure(pixels, box, points, seen, scale, angles))


def front_face(centre=(100, 100), size=100.0):
    """The canonical face, seen from the front, as one mesh of that height in pixels: (1, 468, 3)."""
    face = pose.canonical_face() * (1, -1, -1)
    low, high = face.min(axis=0), face.max(axis=0)
    laid = (face - (low + high) / 2) * size / (high - low)[1] + (*centre, 0)
    return laid[np.newaxis].astype(np.float32)


@pytest.fixture(scope="module")
def real_faces(shared_data):
    """Pixels, box, landmarks of 30 faces of as many people."""
    faces = []
    for folder in sorted((shared_data / "lfw_dev").iterdir())[::100]:
        pixels = decode(min(folder.iterdir())).pixels
        found = detect.find_faces(pixels).rows(np.array([0]))
        faces.append((pixels, found.box, found.landmarks))
    return faces


def measured(pixels, box, landmarks):
    fitted = mesh.fit_meshes(np.ascontiguousarray(pixels), box, landmarks)
    return measure(np.ascontiguousarray(pixels), box, fitted.points, fitted.presence[0])


def medians(faces, damage=lambda pixels: pixels):
    """The median of each part over damaged faces."""
    rows = [measured(damage(pixels), *rest) for pixels, *rest in faces]
    return {part: float(np.median([row[part][0] for row in rows])) for part in MEASURED}


# Seen with the eye; (name, number) of photos of lfw_dev.
OPEN_MOUTHS = (("Mehdi_Baala", 1), ("Vadim_Devyatovskiy", 1), ("Katja_Riemann", 1), ("Lionel_Hampton", 1))
CLOSED_MOUTHS = (("Richard_Sterner", 1), ("Ross_Verba", 1), ("Jaap_de_Hoop_Scheffer", 1), ("Carla_Myers", 1))

CLOSED_EYES = (
    ("Amanda_Bynes", 3), ("Barbara_Brezigar", 1), ("Celine_Dion", 3), ("Daniel_Montenegro", 1), ("Ed_Smart", 2),
    ("Kevin_Tarrant", 1), ("Laura_Bush", 3), ("Matthew_Broderick", 2), ("Susan_Sarandon", 1), ("Xanana_Gusmao", 3),
)  # fmt: skip
"""Of the reporting half (`benchmarks/eyes.py`): closed, or lowered so far that the lid covers the eye."""
WIDE_EYES = (
    ("Michael_Jackson", 1), ("Barbara_Becker", 1), ("Marsha_Thomason", 1), ("Kathy_Winters", 1), ("Kate_Hudson", 1),
    ("Naomi_Campbell", 1), ("Rachel_Hunter", 1), ("Queen_Rania", 1), ("Sarah_Wynter", 1),
)  # fmt: skip


# ------------------------------------------------------------------------------------------------- all of them


def test_the_table_has_every_part_in_order_and_each_is_documented():
    assert tuple(field.name for field in fields(parts.Parts)) == MEASURED
    columns = [field.name for field in fields(Faces)]
    first = columns.index(QUALITY_PARTS[0])
    assert tuple(columns[first : first + len(QUALITY_PARTS)]) == QUALITY_PARTS
    doc = inspect.cleandoc(parts.Parts.__doc__)  # since Python 3.13 it comes so
    for part in MEASURED:
        (text,) = re.findall(rf"^    {part}: (.*(?:\n {{8}}.*)*)", doc, re.MULTILINE)
        assert re.search(r"0\.\.1|-1\.\.1|pixels", text), part
        assert re.search(r"better|best|open", text), part


@pytest.mark.parametrize("n", [0, 1, 3])
def test_every_part_is_one_float32_a_face(n):
    pixels = np.full((50, 60, 3), 90, np.uint8)
    found = measure(pixels, np.tile([10, 10, 40, 45], (n, 1)))
    assert set(found) == set(MEASURED)
    assert all(column.shape == (n,) and column.dtype == np.float32 for column in found.values())


def test_a_face_without_a_mesh_lacks_only_what_is_read_off_it():
    pixels = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    both = measure(pixels, [[10, 10, 60, 60]] * 2, np.concatenate([UNKNOWN, front_face((35, 37), 46)]))
    assert {part for part in MEASURED if np.isnan(both[part][0])} == set(NEEDS_A_MESH)
    assert not {part for part in MEASURED if np.isnan(both[part][1])}


def test_inputs_are_not_changed():
    pixels, box, points = (
        np.full((90, 90, 3), 60, np.uint8),
        np.array([[-5, 5, 60, 60]]),
        front_face((40, 40), 60),
    )
    copies = [array.copy() for array in (pixels, box, points)]
    measure(pixels, box, points)
    for array, copy in zip((pixels, box, points), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# ------------------------------------------------------------------------------------------------- on the box


def test_sizes_and_completeness_are_those_of_the_box_in_the_photo():
    grey = np.full((100, 200, 3), 120, np.uint8)
    found = measure(grey, [[-30, 0, 30, 60], [20, 20, 60, 80], [0, 0, 200, 100]], scale=0.5)
    np.testing.assert_allclose(found["size_px"], [120, 80, 200])
    np.testing.assert_allclose(found["completeness"], [0.5, 1, 1])
    np.testing.assert_allclose(found["size"], [0.6, 0.6, 1])


def test_centre_falls_from_one_in_the_middle_to_zero_in_a_corner():
    grey = np.full((300, 400, 3), 120, np.uint8)
    middle, edge, corner = [190, 140, 210, 160], [390, 140, 410, 160], [-10, -10, 10, 10]
    found = measure(grey, [middle, edge, corner, [-90, -90, -80, -80]])
    np.testing.assert_allclose(found["centre"], [1, 1 - 200 / 250, 0, 0], atol=1e-6)


# ------------------------------------------------------------------------------------------------- on the mesh


def eyes_chin_lips(gap):
    """A mesh of which only eyes (60 apart), chin (100 below them) and lips (a gap in the middle) are laid out."""
    points = np.zeros((1, mesh.N_POINTS, 3), np.float32)
    for vertex, x in zip((*mesh.RIGHT_EYE, *mesh.LEFT_EYE), (-40, -20, 20, 40), strict=True):
        points[0, vertex, 0] = x
    points[0, parts.CHIN, 1] = 100
    points[0, 14, 1] = gap
    return points


@pytest.mark.parametrize(("gap", "expected"), [(0, 0), (5, 0.2), (10, 0.4), (25, 1), (40, 1)])
def test_mouth_open_is_the_gap_over_a_quarter_of_the_length_of_the_face(gap, expected):
    for size in (0.1, 1, 7):
        assert parts.mouth_open(size * eyes_chin_lips(gap)) == pytest.approx(expected)


def test_inter_eye_px_undoes_the_yaw_and_stays_finite():
    seen = eyes_chin_lips(0)
    assert parts.inter_eye_px(seen, np.array([0.0])) == pytest.approx(60)
    assert parts.inter_eye_px(seen, np.array([60.0])) == pytest.approx(120)
    assert parts.inter_eye_px(seen, np.array([-60.0])) == pytest.approx(120)
    assert parts.inter_eye_px(seen, np.array([90.0])) == parts.inter_eye_px(seen, np.array([75.0]))
    assert np.isnan(parts.inter_eye_px(UNKNOWN, np.array([np.nan])))


def test_inter_eye_px_is_of_the_full_photo_and_undoes_the_yaw_of_the_given_pose():
    points = front_face()
    grey = np.full((200, 200, 3), 99, np.uint8)
    box = [50, 50, 150, 150]
    straight = measure(grey, box, points, angles=np.zeros((1, 3)))["inter_eye_px"][0]
    assert straight == pytest.approx(measure(grey, box, points)["inter_eye_px"][0], rel=0.01)
    assert measure(grey, box, points, scale=0.25)["inter_eye_px"][0] == pytest.approx(4 * straight, rel=0.01)
    turned = measure(grey, box, points, angles=np.array([[0, 60, 0]]))["inter_eye_px"][0]
    assert turned == pytest.approx(2 * straight)


# ------------------------------------------------------------------------------------------------- light


def test_light_is_the_share_of_each_luminance_under_the_mask():
    luminance = np.array([[0, 25], [26, 255]], np.uint8)
    light = parts.histogram(luminance, np.array([[1, 1], [1, 0]], np.uint8))
    assert light[[0, 25, 26, 255]].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert np.isnan(parts.histogram(luminance, np.zeros((2, 2), np.uint8))).all()


def test_brightness_is_the_mean_from_black_to_white():
    shares = np.zeros(256)
    for level, expected in ((0, -1), (51, -0.6), (255, 1)):
        shares[:] = 0
        shares[level] = 1
        assert parts.brightness(shares) == pytest.approx(expected)
    shares[[0, 255]] = 0.5
    assert parts.brightness(shares) == pytest.approx(0)


def test_contrast_is_the_number_of_bits_over_eight():
    shares = np.zeros(256)
    shares[7] = 1
    assert parts.contrast(shares) == 0
    shares[[7, 9]] = 0.5
    assert parts.contrast(shares) == pytest.approx(1 / 8)
    assert parts.contrast(np.full(256, 1 / 256)) == pytest.approx(1)
    assert np.isnan(parts.contrast(np.full(256, np.nan)))


@pytest.mark.parametrize("points", [UNKNOWN, front_face()])
@pytest.mark.parametrize(
    ("level", "under", "over"), [(0, 1, 0), (25, 1, 0), (26, 0, 0), (246, 0, 0), (247, 0, 1), (255, 0, 1)]
)
def test_exposure_counts_clipped_pixels_of_the_face_and_no_others(points, level, under, over):
    pixels = np.full((200, 200, 3), 128, np.uint8)
    pixels[40:170, 40:160] = level
    found = measure(pixels, [50, 50, 150, 150], points)
    assert found["under_exposure"] == pytest.approx(under)
    assert found["over_exposure"] == pytest.approx(over)
    assert found["brightness"] == pytest.approx(2 * level / 255 - 1)
    assert found["contrast"] == 0
    assert found["sharpness"] == 0 or (points is UNKNOWN and np.isnan(found["sharpness"]))


def test_what_lies_outside_the_photo_is_not_black_face():
    pixels = np.full((200, 200, 3), 128, np.uint8)
    cut = measure(pixels, [-50, 50, 50, 150], front_face((0, 100)))
    assert cut["under_exposure"] == 0
    assert cut["brightness"] == pytest.approx(2 * 128 / 255 - 1, abs=1e-3)
    assert cut["sharpness"] == pytest.approx(0, abs=1e-3)
    gone = measure(pixels, [-300, 50, -200, 150], front_face((-250, 100)))
    assert np.isnan(
        [gone[part][0] for part in ("sharpness", "brightness", "contrast", "under_exposure")]
    ).all()


# ------------------------------------------------------------------------------------------------- fine detail


def chip_of(luminance):
    """The chip of a front face with these pixels."""
    whole = np.full((112, 112, 3), 128, np.uint8)
    chip = parts.cut_chip(whole, front_face((56, 56), 112.0)[0, :, :2])
    return replace(chip, luminance=luminance)


def test_sharpness_is_fine_detail_of_the_features_that_is_not_everywhere():
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (112, 112)).astype(np.uint8)
    grey = np.full((112, 112), 128, np.uint8)
    features = parts._hulls(*(chip_of(grey).points[vertices] for vertices in parts.FEATURES)) > 0
    textured = np.where(features, noise, 128).astype(np.uint8)
    assert parts.sharpness(chip_of(textured)) > 0.99
    assert parts.sharpness(chip_of(cv2.GaussianBlur(textured, (0, 0), 4))) < 0.4
    assert parts.sharpness(chip_of(noise)) < 0.05
    assert parts.sharpness(chip_of(np.where(features, 128, noise).astype(np.uint8))) == 0


@pytest.mark.parametrize(
    ("x", "y", "right", "left"), [(2, 0, 0, 4), (0, 2, 2, 2), (-2, 0, 4, 0), (0, -2, 6, 6)]
)
def test_an_eye_is_described_by_the_direction_in_which_it_grows_brighter(x, y, right, left):
    rows, columns = np.mgrid[-56:56, -56:56]
    chip = chip_of((127 + x * columns + y * rows).astype(np.uint8))
    # the left eye is mirrored: what grows brighter to the right does so towards its outer corner
    for eye, expected in zip(parts.describe_eyes(chip), (right, left), strict=True):
        shares = np.square(eye).reshape(8, 4, 8).sum(axis=(1, 2))
        assert shares.argmax() == expected
        assert shares[expected] > 0.8
        assert shares.sum() == pytest.approx(1)


def test_an_eye_without_an_edge_is_described_by_zeros():
    assert not parts.describe_eyes(chip_of(np.full((112, 112), 90, np.uint8))).any()


def test_a_mark_at_the_outer_corner_is_in_the_first_columns_of_either_eye():
    luminance = np.full((112, 112), 128, np.uint8)
    chip = chip_of(luminance)
    for outer, _ in chip.points[parts.EYES]:
        cv2.circle(luminance, tuple(outer.astype(int).tolist()), 2, 0, -1)
    for eye in parts.describe_eyes(chip_of(luminance)):
        assert np.square(eye).reshape(8, 4, 8)[:, :, :4].sum() > 0.99


def test_eyes_are_as_open_as_the_logits_of_both_say_and_the_more_closed_one_counts_twice(monkeypatch):
    described = np.zeros((2, 256), np.float32)
    described[:, 0] = (3, -1)
    monkeypatch.setattr(parts, "describe_eyes", lambda chip: described)
    monkeypatch.setattr(parts, "_eye_weights", lambda: np.eye(1, 257, dtype=np.float32)[0])
    chip = chip_of(np.zeros((112, 112), np.uint8))
    assert parts.eyes_open(chip) == pytest.approx(1 / (1 + np.exp((2 * 3 - 1) / 3)))
    described[:, 0] = (-1, 3)
    assert parts.eyes_open(chip) == pytest.approx(1 / (1 + np.exp((2 * 3 - 1) / 3)))


def test_eyes_beyond_the_edge_of_the_photo_are_neither_open_nor_closed():
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    inside, half = (parts.cut_chip(pixels, front_face((x, 50), 80.0)[0, :, :2]) for x in (50, 90))
    assert 0 <= parts.eyes_open(inside) <= 1
    assert np.isnan(parts.eyes_open(half))


# ------------------------------------------------------------------------------------------------- real faces


def test_a_larger_photo_of_the_same_face_has_the_same_parts(real_faces):
    for pixels, box, landmarks in real_faces[::3]:
        half = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        again = cv2.resize(half, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        points = mesh.fit_meshes(pixels, box, landmarks).points
        shrunk = points * np.float32(0.5)
        large, small = measure(again, box, points), measure(half, box / 2, shrunk)
        for part in (
            "brightness",
            "contrast",
            "under_exposure",
            "over_exposure",
            "size",
            "centre",
            "mouth_open",
        ):
            assert small[part] == pytest.approx(large[part], abs=0.03), part
        assert small["sharpness"] == pytest.approx(large["sharpness"], abs=0.15)
        assert small["eyes_open"] == pytest.approx(large["eyes_open"], abs=0.25)
        assert measure(half, box / 2, shrunk, scale=0.5)["inter_eye_px"] == pytest.approx(
            large["inter_eye_px"], rel=0.01
        )


def test_a_mirrored_face_has_the_same_parts(real_faces):
    # the mesh of a mirrored face differs by a pixel or two, so faces are compared in the mean
    differences = {part: [] for part in MEASURED}
    for pixels, box, landmarks in real_faces:
        width = pixels.shape[1]
        box_there = np.stack([width - box[:, 2], box[:, 1], width - box[:, 0], box[:, 3]], axis=1)
        landmarks_there = landmarks[:, [1, 0, 2, 4, 3]] * np.float32([-1, 1]) + np.float32([width, 0])
        here, there = measured(pixels, box, landmarks), measured(pixels[:, ::-1], box_there, landmarks_there)
        for part in MEASURED:
            differences[part].append(there[part][0] - here[part][0])
    for part, values in differences.items():
        tolerance = 1.0 if part.endswith("_px") else 0.05
        assert np.mean(values) == pytest.approx(0, abs=tolerance), part


def test_most_ordinary_faces_are_sharp_enough_and_neither_dark_nor_bright(real_faces):
    rows = [measured(*face) for face in real_faces]
    assert np.mean([row["sharpness"][0] >= 0.8 for row in rows]) >= 0.9
    assert np.mean([abs(row["brightness"][0]) <= 0.5 for row in rows]) >= 0.9
    assert np.mean([row["contrast"][0] > 0.75 for row in rows]) >= 0.9
    for row in rows:
        for part in (
            "sharpness",
            "contrast",
            "under_exposure",
            "over_exposure",
            "eyes_open",
            "mouth_open",
            "size",
        ):
            assert 0 <= row[part][0] <= 1, part


def test_blur_and_downscaling_lower_sharpness_and_neither_noise_nor_jpeg_raises_it(real_faces):
    faces = real_faces[::2]
    noise = np.random.default_rng(3).standard_normal((250, 250, 3))

    def jpeg(quality):
        flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
        return lambda pixels: cv2.imdecode(cv2.imencode(".jpg", pixels, flags)[1], cv2.IMREAD_COLOR)

    def small(side):
        return lambda pixels: cv2.resize(
            cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), (250, 250)
        )

    def noisy(sigma):
        return lambda pixels: np.clip(pixels + sigma * noise, 0, 255).astype(np.uint8)

    sharp = medians(faces)["sharpness"]
    blurred = [
        medians(faces, lambda pixels, s=s: cv2.GaussianBlur(pixels, (0, 0), s))["sharpness"]
        for s in (1, 2, 4)
    ]
    shrunk = [medians(faces, small(side))["sharpness"] for side in (125, 83, 42)]
    assert np.all(np.diff([sharp, *blurred]) < 0)
    assert np.all(np.diff([sharp, *shrunk]) < 0)
    assert blurred[-1] < 0.3
    assert shrunk[-1] < 0.6
    for damage in (noisy(10), noisy(25), noisy(50), jpeg(40), jpeg(15), jpeg(7)):
        assert medians(faces, damage)["sharpness"] <= sharp + 0.01


def test_darkness_and_light_show_in_brightness_and_exposure(real_faces):
    faces = real_faces[::3]
    clean = medians(faces)
    dark = medians(faces, lambda pixels: (pixels * 0.15).astype(np.uint8))
    light = medians(faces, lambda pixels: np.clip(pixels * 3.0, 0, 255).astype(np.uint8))
    assert dark["brightness"] < -0.5 < clean["brightness"] < 0.5 < light["brightness"]
    assert dark["under_exposure"] > 0.5 > 0.1 > clean["under_exposure"]
    assert light["over_exposure"] > 0.3 > 0.1 > clean["over_exposure"]
    assert dark["contrast"] < clean["contrast"]


def test_a_laughing_mouth_is_open_and_a_closed_one_is_not(shared_data):
    def mouth(name, number):
        pixels = decode(shared_data / "lfw_dev" / name / f"{name}_{number:04d}.jpg").pixels
        found = detect.find_faces(pixels).rows(np.array([0]))
        return measured(pixels, found.box, found.landmarks)["mouth_open"][0]

    for name, number in OPEN_MOUTHS:
        assert mouth(name, number) > 0.4
    for name, number in CLOSED_MOUTHS:
        assert mouth(name, number) < 0.2


def test_closed_and_lowered_eyes_are_probably_closed_and_wide_ones_surely_open(shared_data):
    def eyes(name, number):
        pixels = decode(shared_data / "lfw_dev" / name / f"{name}_{number:04d}.jpg").pixels
        found = detect.find_faces(pixels)
        middle = np.abs((found.box[:, :2] + found.box[:, 2:]) / 2 - 125).sum(axis=1).argmin()
        one = found.rows(np.array([middle]))
        return measured(pixels, one.box, one.landmarks)["eyes_open"][0]

    for name, number in CLOSED_EYES:
        assert eyes(name, number) < 0.5, name
    for name, number in WIDE_EYES:
        assert eyes(name, number) > 0.9, name


def test_a_hidden_half_shows_in_the_occlusions_in_their_order(real_faces):
    def lower_half(pixels, points):
        hidden = pixels.copy()
        hidden[int(points[0, mesh.NOSE_TIP, 1]) :] = (30, 80, 160)
        return hidden

    rows = []
    for pixels, box, landmarks in real_faces[::3]:
        fitted = mesh.fit_meshes(pixels, box, landmarks)
        hidden = lower_half(pixels, fitted.points)
        rows.append([measure(picture, box, fitted.points) for picture in (pixels, hidden)])
    clean, hidden = ({part: np.mean([row[i][part] for row in rows]) for part in OCCLUSIONS} for i in (0, 1))
    assert hidden["occlusion_mouth"] > 0.8
    assert hidden["occlusion_mouth"] > clean["occlusion_mouth"] + 0.5
    assert 0.2 < hidden["occlusion"] < 0.8
    assert hidden["occlusion_brows"] < 0.3 > clean["occlusion"]
    assert all(0 <= row[i][part][0] <= 1 for row in rows for i in (0, 1) for part in OCCLUSIONS)
