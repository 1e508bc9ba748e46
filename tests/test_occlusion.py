"""How much of a face is hidden."""

import cv2
import numpy as np
import pytest

from facecluster.photos.decode import decode
from facecluster.vision import detect, mesh, occlusion, pose

TOTAL, EYES, BROWS, NOSE, MOUTH, FACE_LINE = range(6)
SIDE = 320


def average_face():
    """Draw the face that the model holds for average, large enough to fill its (320, 320) photo but a margin."""
    light, red, blue = np.moveaxis(occlusion.fitted().mean[:, :, :3], -1, 0)
    scale = 140 + occlusion.DARK
    ycc = np.stack(
        [np.exp(light) * scale - occlusion.DARK, 150 + red * scale / 4, 110 + blue * scale / 4], -1
    )
    inner = cv2.resize(np.clip(ycc, 0, 255).astype(np.float32), (256, 256), interpolation=cv2.INTER_CUBIC)
    framed = cv2.copyMakeBorder(np.clip(inner, 0, 255), 32, 32, 32, 32, cv2.BORDER_REPLICATE)
    noise = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE, 1))
    ycc = np.clip(framed + noise, 0, 255).astype(np.uint8)
    return cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), points_of_the_average_face()


def points_of_the_average_face():
    """Return the (1, 468, 3) mesh that fills the same square: its cells lie evenly over it."""
    model = occlusion.fitted()
    face = pose.canonical_face() * [1, -1, -1]
    rows, cols = np.mgrid[: occlusion.CELLS, : occlusion.CELLS] + 0.5
    cells = np.column_stack([cols.ravel(), rows.ravel(), np.ones(cols.size)])
    where = np.einsum("ckx,ck->cx", face[model.vertices, :2], model.weights)
    inside = model.regions[TOTAL] > 0
    design = np.column_stack([where[inside], np.ones(inside.sum())])
    place = np.linalg.lstsq(design, cells[inside, :2], rcond=None)[0]
    flat = np.column_stack([face[:, :2], np.ones(len(face))]) @ place
    points = np.zeros((1, mesh.N_POINTS, 3), np.float32)
    points[0, :, :2] = flat * 8 + 32
    return points


def real_faces(shared_data, step, n_faces=None):
    """Yield photo, box, landmarks and mesh of the middle face of photos of different people."""
    for folder in sorted((shared_data / "lfw_dev").iterdir())[::step][:n_faces]:
        pixels = decode(min(folder.iterdir())).pixels
        found = detect.find_faces(pixels)
        middle = np.array(pixels.shape[1::-1]) / 2
        nearest = np.abs((found.box[:, :2] + found.box[:, 2:]) / 2 - middle).sum(axis=1).argmin()
        face = found.rows(np.array([nearest]))
        yield pixels, face.box, face.landmarks, mesh.fit_meshes(pixels, face.box, face.landmarks)


def measured(pixels, box, landmarks):
    fitted = mesh.fit_meshes(pixels, box, landmarks)
    return occlusion.occlusions(pixels, fitted.points, fitted.presence)[0]


def test_an_average_face_is_unhidden_and_a_bar_over_its_eyes_hides_these_alone():
    pixels, points = average_face()
    presence = np.array([0.99], np.float32)
    assert np.all(occlusion.occlusions(pixels, points, presence) == 0)
    for colour in ((0, 0, 0), (255, 255, 255), (30, 200, 40)):
        barred = pixels.copy()
        top, bottom = np.percentile(points[0, [33, 133, 362, 263, 159, 386, 145, 374], 1], (0, 100))
        barred[int(top) - 12 : int(bottom) + 12] = colour
        shares = occlusion.occlusions(barred, points, presence)[0]
        assert shares[EYES] > 0.8
        assert shares[MOUTH] == 0
        assert 0.05 < shares[TOTAL] < 0.4


def test_no_one_and_many_faces_keep_their_order_and_an_unknown_mesh_is_nan():
    pixels, points = average_face()
    pixels = pixels.copy()
    pixels[:160] = 0
    none = occlusion.occlusions(pixels, np.zeros((0, mesh.N_POINTS, 3), np.float32), np.zeros(0, np.float32))
    assert none.shape == (0, len(occlusion.REGIONS))
    assert none.dtype == np.float32
    unknown = np.full_like(points, np.nan)
    many = np.concatenate([points, unknown, points * 0.5])
    presence = np.array([0.95, 0.1, 0.95], np.float32)
    shares = occlusion.occlusions(pixels, many, presence)
    assert np.isnan(shares[1]).all()
    assert not np.isnan(shares[[0, 2]]).any()
    for row in (0, 2):
        one = occlusion.occlusions(pixels, many[row : row + 1], presence[row : row + 1])
        np.testing.assert_array_equal(one[0], shares[row])


def test_inputs_stay_as_they_are():
    pixels, points = average_face()
    before = pixels.copy(), points.copy()
    occlusion.occlusions(pixels, points, np.array([0.9], np.float32))
    np.testing.assert_array_equal(pixels, before[0])
    np.testing.assert_array_equal(points, before[1])


def test_what_lies_outside_the_photo_is_hidden():
    pixels, points = average_face()
    lips = points[0, [0, 37, 267, 61, 291], 1]
    upper_half = pixels[: int(lips.min()) - 12]
    shares = occlusion.occlusions(upper_half, points, np.array([0.99], np.float32))[0]
    assert shares[MOUTH] == pytest.approx(1)
    assert shares[EYES] < 0.1
    assert 0.1 < shares[TOTAL] < 0.6
    far = occlusion.occlusions(pixels, points + 10_000, np.array([0.99], np.float32))[0]
    np.testing.assert_allclose(far, 1, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 1)])
def test_tiny_photos_and_tiny_faces_give_shares(size):
    pixels = np.full((*size, 3), 90, np.uint8)
    points = points_of_the_average_face() * np.array([[[1.0]], [[0.001]]], np.float32)
    shares = occlusion.occlusions(pixels, points, np.full(2, 0.5, np.float32))
    assert np.all((shares >= 0) & (shares <= 1))


def test_unrolling_follows_the_mesh_at_any_scale():
    pixels, points = average_face()
    model = occlusion.fitted()
    small, _ = occlusion.unroll(pixels, points[0], model.vertices, model.weights)
    large = cv2.resize(pixels, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    again, outside = occlusion.unroll(large, points[0] * 4, model.vertices, model.weights)
    assert not outside.any()
    assert np.abs(small.astype(int) - again).mean() < 3


def test_above_keeps_one_and_turns_shares_up_to_the_floor_into_zero():
    share, floor = np.array([0, 0.2, 0.6, 1], np.float32), np.full(4, 0.2, np.float32)
    np.testing.assert_allclose(occlusion.above(share, floor), [0, 0, 0.5, 1], atol=1e-6)


def test_regions_lie_where_their_names_say():
    rows, cols = np.divmod(np.arange(occlusion.CELLS**2), occlusion.CELLS)
    regions = occlusion.fitted().regions
    np.testing.assert_allclose(regions.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(regions @ cols, (occlusion.CELLS - 1) / 2, atol=0.7)
    height = regions @ rows
    assert height[BROWS] < height[EYES] < height[NOSE] < height[MOUTH]


def test_most_faces_are_unhidden(shared_data):
    shares = np.array(
        [occlusion.occlusions(p, m.points, m.presence)[0] for p, _, _, m in real_faces(shared_data, 30)]
    )
    assert np.all(np.median(shares, axis=0) == 0)
    assert np.all(np.mean(shares == 0, axis=0) >= 0.8)  # some have a hat, a fringe, or look far aside


@pytest.mark.parametrize(
    ("rows", "hidden", "free"),
    [
        ((10, 107, 159, 145), (EYES, BROWS), (MOUTH,)),
        ((0, 61, 291, 17), (MOUTH,), (EYES, BROWS)),
        ((4, 1, 61, 152), (MOUTH, FACE_LINE), (EYES, BROWS)),
    ],
    ids=["brows and eyes", "mouth", "lower half"],
)
@pytest.mark.parametrize("colour", [(0, 0, 0), (120, 170, 210)])
def test_a_bar_hides_what_it_covers(shared_data, rows, hidden, free, colour):
    shares = []
    for pixels, box, landmarks, known in real_faces(shared_data, 60, 24):
        barred = pixels.copy()
        heights = known.points[0, list(rows), 1]
        barred[int(heights.min()) : int(heights.max()) + 3] = colour
        shares.append(measured(barred, box, landmarks))
    middle = np.nanmedian(shares, axis=0)
    assert np.all(middle[list(hidden)] > 0.25)
    assert np.all(middle[list(free)] < 0.1)


def test_a_larger_patch_never_lowers_the_mean(shared_data):
    totals = {width: [] for width in (0, 0.3, 0.45, 0.6)}
    for index, (pixels, box, landmarks, known) in enumerate(real_faces(shared_data, 60, 24)):
        low, high = known.points[0, :, :2].min(axis=0), known.points[0, :, :2].max(axis=0)
        centre = low + (high - low) * np.random.default_rng(index).uniform(0.3, 0.7, 2)
        colour = np.random.default_rng(index).integers(0, 256, 3)
        for width, column in totals.items():
            patched = pixels.copy()
            left, top = np.maximum(centre - width * (high - low) / 2, 0).astype(int)
            right, bottom = (centre + width * (high - low) / 2).astype(int)
            patched[top:bottom, left:right] = colour
            column.append(measured(patched, box, landmarks)[TOTAL])
    assert np.all(np.diff([np.nanmean(column) for column in totals.values()]) > 0.01)
