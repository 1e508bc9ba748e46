from __future__ import annotations

import numpy as np
import pytest
from tables import make_faces

from facecluster.identity.gate import Limits, Reason, failures, judge, measured

GOOD = np.ones(128)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("box", [0, 0, 76, 76], Reason.PASSED),
        ("box", [0, 0, 75, 100], Reason.TOO_SMALL),
        ("box", [0, 0, 100, 75], Reason.TOO_SMALL),
        ("pose", [29.9, -29.9, 29.9], Reason.PASSED),
        ("pose", [30, 0, 0], Reason.PITCH),
        ("pose", [-30, 0, 0], Reason.PITCH),
        ("pose", [0, -31, 40], Reason.YAW),
        ("pose", [0, 0, 30], Reason.ROLL),
        ("pose", [0, np.nan, 0], Reason.NO_POSE),
        ("quality", 0.8, Reason.LOW_QUALITY),
        ("quality", 0.8001, Reason.PASSED),
        ("quality", np.nan, Reason.NO_QUALITY),
        ("encoding", np.full(128, np.nan), Reason.NO_ENCODING),
    ],
)
def test_face_exactly_on_a_limit_fails(column: str, value: object, reason: Reason) -> None:
    columns = {"encoding": GOOD} | {column: [value]}
    faces = make_faces(columns.pop("encoding"), **columns)
    assert judge(faces, Limits()).tolist() == [reason]


def test_first_limit_that_fails_is_named() -> None:
    faces = make_faces(GOOD, box=[0, 0, 10, 10], pose=[50, 50, 50], quality=[0.1])
    assert judge(faces, Limits()).tolist() == [Reason.TOO_SMALL]


def test_limits_are_options() -> None:
    faces = make_faces(GOOD, box=[0, 0, 50, 50], pose=[40, 0, 0], quality=[0.5])
    assert judge(faces, Limits(3, 49, 41, 0.4)).tolist() == [Reason.PASSED]


def test_without_a_gate_only_an_encoding_is_asked_for() -> None:
    faces = make_faces(
        [GOOD, GOOD * np.inf], box=np.zeros((2, 4)), pose=np.full((2, 3), np.nan), quality=[np.nan] * 2
    )
    assert judge(faces, None).tolist() == [Reason.PASSED, Reason.NO_ENCODING]


def test_no_faces() -> None:
    assert judge(make_faces([]), Limits()).shape == (0,)


def test_every_reason_has_a_code_and_a_text() -> None:
    assert len({reason.text for reason in Reason}) == len(Reason)
    assert Reason.NO_POSE.code == "no_pose"


def test_all_limits_that_fail_are_found_with_their_numbers() -> None:
    faces = make_faces(
        [GOOD] * 3, box=[[0, 0, 62, 90], [0, 0, 90, 90], [0, 0, 90, 90]],
        pose=[[0, -34, 0], [30, 0, 0], [np.nan] * 3], quality=[0.71, 0.9, np.nan],
    )  # fmt: skip
    fails = failures(faces, Limits())
    assert [[reason.code for reason in fails if fails[reason][i]] for i in range(3)] == [
        ["too_small", "yaw", "low_quality"], ["pitch"], ["no_pose", "no_quality"],
    ]  # fmt: skip
    numbers = measured(faces, Limits())
    assert [numbers[r][0][0] for r in (Reason.TOO_SMALL, Reason.YAW)] == [62, -34]
    assert numbers[Reason.LOW_QUALITY][0][0] == np.float32(0.71)
