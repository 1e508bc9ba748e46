"""Encodings against dlib's own, and on real people."""

import numpy as np
import pytest

from facecluster.photos.decode import decode
from facecluster.vision import crops, detect, encode, models


def encodings_of(path, **options):
    pixels = decode(path).pixels
    found = detect.find_faces(pixels).rows(np.array([0]))
    return encode.encode_faces(pixels, found.box, found.landmarks, **options).encoding[0]


def test_dlib_encoder_agrees_with_dlib_on_the_same_chips(shared_data):
    import dlib

    theirs = dlib.face_recognition_model_v1(str(models.path("dlib-resnet")))
    rng = np.random.default_rng(0)
    photo = decode(shared_data / "lfw_dev" / "AJ_Lamas" / "AJ_Lamas_0001.jpg").pixels
    chips = [np.ascontiguousarray(photo[50:200, 50:200]), rng.integers(0, 256, (150, 150, 3), np.uint8)]
    blob = np.stack(chips).transpose(0, 3, 1, 2).astype(np.float32)
    ours = encode._dlib_network().run(None, {"input": blob})[0]
    expected = [np.array(theirs.compute_face_descriptor(chip)) for chip in chips]
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_dlib_encoder_gives_the_numbers_of_face_recognition(shared_data):
    import dlib

    pixels = decode(shared_data / "dlib_faces" / "2009_004587.jpg").pixels
    landmarks = dlib.shape_predictor(str(models.path("dlib-5point")))
    theirs = dlib.face_recognition_model_v1(str(models.path("dlib-resnet")))
    found = detect.find_faces(pixels, detector="hog")
    shapes = [
        landmarks(pixels, dlib.rectangle(*map(int, (b[0], b[1], b[2] - 1, b[3] - 1)))) for b in found.box
    ]
    expected = [np.array(theirs.compute_face_descriptor(pixels, shape)) for shape in shapes]
    ours = encode.encode_faces(pixels, found.box, found.landmarks, detector="hog", encoder="dlib").encoding
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize(("encoder", "near", "far"), [("sface", 0.95, 1.1), ("dlib", 0.55, 0.6)])
@pytest.mark.parametrize("mirror", [False, True])
def test_one_person_is_near_and_two_are_far(shared_data, encoder, near, far, mirror):
    folder = shared_data / "lfw_dev"
    one = encodings_of(folder / "Aaron_Sorkin" / "Aaron_Sorkin_0001.jpg", encoder=encoder, mirror=mirror)
    again = encodings_of(folder / "Aaron_Sorkin" / "Aaron_Sorkin_0002.jpg", encoder=encoder, mirror=mirror)
    other = encodings_of(folder / "Eric_Daze" / "Eric_Daze_0001.jpg", encoder=encoder, mirror=mirror)
    assert np.linalg.norm(one - again) < near
    assert np.linalg.norm(one - other) > far
    if encoder == "sface":
        assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)


def test_a_mirrored_face_has_the_same_mirror_encoding(shared_data):
    pixels = decode(shared_data / "lfw_dev" / "AJ_Lamas" / "AJ_Lamas_0001.jpg").pixels
    chip = np.ascontiguousarray(pixels[70:182, 70:182])
    network = encode._sface_network()
    straight, turned = (
        encode._run(network, [c], True)[1] for c in (chip, np.ascontiguousarray(chip[:, ::-1]))
    )
    np.testing.assert_allclose(straight, turned, atol=1e-5)


@pytest.mark.parametrize("encoder", encode.ENCODERS)
def test_no_faces_have_no_encodings_and_many_are_as_one_by_one(shared_data, encoder):
    pixels = decode(shared_data / "lfw_dev" / "AJ_Lamas" / "AJ_Lamas_0001.jpg").pixels
    found = detect.find_faces(pixels).rows(np.zeros(11, np.intp))
    none = found.rows(np.zeros(0, np.intp))
    nothing = encode.encode_faces(pixels, none.box, none.landmarks, encoder=encoder)
    assert nothing.encoding.shape == (0, 128)
    assert nothing.distinctness.shape == (0,)
    many = encode.encode_faces(pixels, found.box, found.landmarks, encoder=encoder).encoding
    np.testing.assert_allclose(many, np.repeat(many[:1], 11, axis=0), atol=1e-5)


def test_unknown_landmarks_give_an_unknown_encoding():
    pixels = np.zeros((50, 50, 3), np.uint8)
    unknown = np.full((1, 5, 2), np.nan, np.float32)
    result = encode.encode_faces(pixels, np.array([[5, 5, 40, 40]], np.float32), unknown)
    assert np.isnan(result.encoding).all()
    assert np.isnan(result.distinctness).all()


@pytest.mark.parametrize("encoder", encode.ENCODERS)
def test_distinctness_is_a_distance_from_nobody_in_units_of_a_usual_face(encoder):
    step = np.zeros(128, np.float32)
    step[5] = encode.TYPICAL_DISTANCE[encoder]
    outputs = encode.nobody(encoder) + np.outer(np.array([0, 1, -0.5], np.float32), step)
    np.testing.assert_allclose(encode.distinctness(outputs, encoder), [0, 1, 0.5], atol=1e-5)


@pytest.mark.parametrize("encoder", encode.ENCODERS)
def test_the_mirror_image_does_not_change_distinctness(shared_data, encoder):
    pixels = decode(shared_data / "lfw_dev" / "AJ_Lamas" / "AJ_Lamas_0001.jpg").pixels
    found = detect.find_faces(pixels).rows(np.array([0]))
    plain, mirrored = (
        encode.encode_faces(pixels, found.box, found.landmarks, encoder=encoder, mirror=mirror)
        for mirror in (False, True)
    )
    np.testing.assert_array_equal(plain.distinctness, mirrored.distinctness)
    assert not np.array_equal(plain.encoding, mirrored.encoding)


def test_similarity_finds_the_turn_scale_and_shift_it_was_given():
    points = encode.SFACE_POINTS
    turn = 1.7 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    matrix = crops.similarity(points, points @ turn.T + [5, -9])
    np.testing.assert_allclose(matrix, np.column_stack([turn, [5, -9]]), atol=1e-9)


def test_a_crop_at_its_own_size_is_the_picture_and_outside_is_black():
    pixels = np.random.default_rng(0).integers(1, 256, (40, 40, 3), np.uint8)
    whole = crops.square(np.array([20, 20]), 40, 0, 40)
    np.testing.assert_array_equal(crops.cut(pixels, whole, 40), pixels)
    beside = crops.square(np.array([500, 500]), 40, 0, 40)
    assert not crops.cut(pixels, beside, 40).any()


def test_a_large_face_is_averaged_not_sampled():
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = crops.cut(stripes, crops.square(np.array([400, 400]), 790, 0, 112), 112)
    assert np.abs(crop.astype(int)[4:-4, 4:-4] - 127).max() <= 20  # sampled, it would be 0 or 255
