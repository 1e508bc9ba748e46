from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tables import make_faces

from facecluster.identity.check import PRESETS, Failure, Limit, find_failures, measure, names
from facecluster.identity.gate import Limits, Reason, judge
from facecluster.table import QUALITY_PARTS

GOOD = np.ones(128)

float32 = st.floats(width=32)
near_limits = st.sampled_from(
    [75, np.nextafter(np.float32(75), np.float32(76)), 30, -30, 29.99, 0.8, 0.80001, np.nan]
)


def failures_of(limits: dict[str, Limit], **columns: Any) -> list[Failure]:
    """The failures of one face, good unless told otherwise."""
    (found,) = find_failures(
        measure(make_faces(GOOD, **{key: [value] for key, value in columns.items()})), limits
    )
    return list(found)


@pytest.mark.parametrize(
    ("limit", "value", "passes"),
    [
        (Limit(-10, 10), 10, True),
        (Limit(-10, 10), -10, True),
        (Limit(-10, 10), 10.001, False),
        (Limit(-10, 10, strict=True), 10, False),
        (Limit(-10, 10, strict=True), -10, False),
        (Limit(-10, 10, strict=True), 9.999, True),
        (Limit(0, 0), 0, True),
        (Limit(0, 0), 1e-6, False),
        (Limit(low=0.8), 5, True),
        (Limit(high=0.8), -5, True),
        (Limit(low=0.8), np.nan, False),
        (Limit(), -1e30, True),
        (Limit(), np.nan, False),
    ],
)
def test_bounds_pass_unless_strict_and_the_unknown_fails(limit: Limit, value: float, passes: bool) -> None:
    assert limit.fails(np.array([value], np.float32)).tolist() == [not passes]


def test_bounds_are_compared_as_float32() -> None:
    value = np.array([0.8], np.float32)  # a little more than 0.8
    assert not Limit(high=0.8).fails(value)[0]
    assert Limit(low=0.8, strict=True).fails(value)[0]
    assert not Limit(low=-1e300, high=1e300).fails(value)[0]


@pytest.mark.parametrize(
    ("value", "limit", "text", "excess"),
    [
        (34.2, Limit(-30, 30, strict=True), "yaw 34.2 > 30", 4.2),
        (-34.2, Limit(-30, 30), "yaw -34.2 < -30", 4.2),
        (30, Limit(-30, 30, strict=True), "yaw 30 is not < 30", 0),
        (0.8, Limit(low=0.8, strict=True), "yaw 0.8 is not > 0.8", 0),
        (0.79996, Limit(low=0.8), "yaw 0.79996 < 0.8", 4e-5),
        (60, Limit(low=75), "yaw 60 < 75", 15),
        (1234.5, Limit(high=1200), "yaw 1234.5 > 1200", 34.5),
        (0.12, Limit(0, 0), "yaw 0.12 > 0", 0.12),
        (None, Limit(-30, 30), "yaw unknown", None),
    ],
)
def test_failure_says_by_how_much(value: float | None, limit: Limit, text: str, excess: float | None) -> None:
    failure = Failure("yaw", value, limit)
    assert failure.text == text
    assert failure.excess == (None if excess is None else pytest.approx(excess, rel=1e-5))


@given(
    value=st.floats(-1e4, 1e4, width=32),
    low=st.floats(-1e4, 1e4),
    span=st.floats(0, 1e4),
    strict=st.booleans(),
)
def test_text_is_true_of_the_number_it_shows(value: float, low: float, span: float, strict: bool) -> None:
    limit = Limit(low, low + span, strict)
    if not limit.fails(np.array([value], np.float32))[0]:
        return
    failure = Failure("yaw", value, limit)
    assert failure.excess is not None
    assert failure.excess >= 0
    shown = re.fullmatch(r"yaw (\S+) (>|<|is not <|is not >) (\S+)", failure.text)
    assert shown, failure.text
    number, bound = np.float32(float(shown[1])), np.float32(float(shown[3]))
    truth = {
        ">": number > bound,
        "<": number < bound,
        "is not <": number == bound,
        "is not >": number == bound,
    }
    assert truth[shown[2]], failure.text


def test_every_limit_that_fails_is_told_in_order() -> None:
    found = failures_of(dict(PRESETS["clustering"]), pose=[-31, 5, np.nan], quality=0.5, box=[0, 0, 75, 80])
    assert [failure.text for failure in found] == [
        "width 75 is not > 75",
        "pitch -31 < -30",
        "roll unknown",
        "quality 0.5 < 0.8",
    ]
    assert failures_of(dict(PRESETS["clustering"])) == []


def random_faces(rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float32]]:
    """Faces around the limits of the gate, on them, unknown and absurd."""
    odd = np.array([75, -75, 30, -30, 0.8, 0, np.nan, np.inf, -np.inf], np.float32)

    def column(scale: float, *shape: int) -> NDArray[np.float32]:
        values = (rng.normal(size=(n, *shape)) * scale).astype(np.float32)
        replaced = rng.random(values.shape) < 0.15
        return np.where(replaced, rng.choice(odd, values.shape), values)

    box = np.abs(column(120, 4))
    box[:, :2] = np.where(rng.random((n, 2)) < 0.7, 0, box[:, :2])
    encoding = np.ones((n, 128), np.float32)
    encoding[rng.random(n) < 0.1, 5] = rng.choice([np.nan, np.inf, 1e30])
    return {"encoding": encoding, "box": box, "pose": column(15, 3), "quality": column(1) + np.float32(0.8)}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # infinite boxes have no size
def test_clustering_preset_and_gate_agree_on_every_face(seed: int) -> None:
    columns = random_faces(np.random.default_rng(seed), 500)
    faces = make_faces(columns.pop("encoding"), **columns)
    passed = [not failed for failed in find_failures(measure(faces), PRESETS["clustering"])]
    judged = (judge(faces, Limits()) == Reason.PASSED).tolist()
    assert passed == judged
    assert 0 < sum(judged) < len(judged)


@settings(max_examples=300)
@given(
    pose=st.tuples(*[float32 | near_limits] * 3),
    quality=float32 | near_limits,
    size=st.tuples(*[float32 | near_limits] * 2),
)
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_clustering_preset_and_gate_agree_on_any_face(
    pose: tuple[float, ...], quality: float, size: tuple[float, float]
) -> None:
    faces = make_faces(GOOD, pose=[pose], quality=[quality], box=[[0, 0, *size]])
    (failed,) = find_failures(measure(faces), PRESETS["clustering"])
    assert (not failed) == (judge(faces, Limits())[0] == Reason.PASSED)


def test_passport_preset_is_the_one_of_the_issue() -> None:
    assert {name: str(limit) for name, limit in PRESETS["passport"].items()} == {
        "yaw": "-10..10",
        "roll": "-10..10",
        "pitch": "-15..15",
        "centre": "0.2..1",
        "occlusion": "..0.02",
        "occlusion_eyes": "0",
        "occlusion_nose": "0",
        "occlusion_brows": "0",
        "occlusion_mouth": "..0.4",
        "occlusion_face_line": "..0.1",
        "brightness": "-0.5..0.5",
        "sharpness": "0.8..1",
        "mouth_open": "..0.4",
        "completeness": "0.9..1",
        "size": "..0.85",
    }
    assert not PRESETS["none"]


def test_limits_read_as_they_are() -> None:
    assert str(Limit(low=75, strict=True)) == "over 75"
    assert str(Limit(high=5, strict=True)) == "under 5"
    assert str(Limit(-30, 30, strict=True)) == "between -30 and 30"
    assert str(Limit()) == "known"


def test_every_number_has_a_name_and_every_preset_uses_names() -> None:
    faces = make_faces([GOOD, GOOD], box=[[0, 0, 30, 40]] * 2, pose=[[1, 2, 3]] * 2)
    values = measure(faces)
    assert tuple(values) == names()
    assert set(QUALITY_PARTS) < set(names())
    assert all(limits.keys() <= set(names()) for limits in PRESETS.values())
    assert all(column.shape == (2,) and column.dtype == np.float32 for column in values.values())
    assert [float(values[name][0]) for name in ("pitch", "yaw", "roll", "width", "height")] == [
        1,
        2,
        3,
        30,
        40,
    ]


def test_unusable_encoding_is_unknown() -> None:
    values = measure(make_faces([GOOD, GOOD * np.nan, GOOD * np.inf]))
    assert np.isnan(values["encoding"]).tolist() == [False, True, True]


def test_no_faces_and_no_limits() -> None:
    assert list(find_failures(measure(make_faces([])), PRESETS["passport"])) == []
    assert list(find_failures(measure(make_faces([GOOD, GOOD])), {})) == [(), ()]


def test_order_of_faces_does_not_matter_and_nothing_is_changed() -> None:
    columns = random_faces(np.random.default_rng(3), 50)
    order = np.random.default_rng(4).permutation(50)
    with np.errstate(invalid="ignore", over="ignore"):
        straight = measure(make_faces(**columns))
        turned = measure(make_faces(**{key: column[order] for key, column in columns.items()}))
    before = {name: column.copy() for name, column in straight.items()}
    found = list(find_failures(straight, PRESETS["clustering"]))
    assert list(find_failures(turned, PRESETS["clustering"])) == [found[i] for i in order]
    for name, column in before.items():
        np.testing.assert_array_equal(column, straight[name])


def test_value_is_the_shortest_decimal_of_the_float32() -> None:
    (failure,) = failures_of({"quality": Limit(high=0)}, quality=0.1)
    assert failure.value == 0.1
    assert failure.excess == 0.1


def test_presets_are_known_without_numpy() -> None:
    script = "import sys, facecluster.identity.check; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
