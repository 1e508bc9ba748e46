from __future__ import annotations

import numpy as np
from tables import assert_same, make_table

from facecluster.identity.admit import admit
from facecluster.table import LOST, LOST_CENTRAL, LOST_LARGEST, NO_FACE, OK


def test_faces_that_fail_the_check_are_left_out_and_their_photos_say_why() -> None:
    table = make_table(
        np.eye(128)[:6],
        photo=[0, 0, 0, 1, 3, 4],
        photos={"status": [OK, OK, NO_FACE, OK, OK]},
        pose=[[0, 0, 0], [0, 34.25, -31], [0, 30, 0], [0, 0, 0], [np.nan, 0, 0], [0, -29, 0]],
        box=[[0, 0, 100, 100], [0, 0, 150, 150], [450, 350, 550, 450], *[[0, 0, 100, 100]] * 3],
    )
    original = make_table(
        np.eye(128)[:6],
        photo=[0, 0, 0, 1, 3, 4],
        photos={"status": [OK, OK, NO_FACE, OK, OK]},
        pose=table.faces.pose,
        box=table.faces.box,
    )
    admitted, n_refused = admit(table, "clustering")
    assert n_refused == 3
    assert admitted.faces.id.tolist() == ["face0000", "face0003", "face0005"]  # the names they had
    assert admitted.faces.photo.tolist() == [0, 1, 4]
    assert admitted.photos.status.tolist() == [OK, OK, NO_FACE, NO_FACE, OK]
    assert admitted.photos.reason.tolist() == [
        "2 of 3 faces fail the check: (2) yaw 34.2 > 30, roll -31 < -30; (3) yaw 30 is not < 30",
        "",
        "",
        "the face fails the check: pitch unknown",
        "",
    ]
    assert admitted.photos.lost.tolist() == [LOST | LOST_LARGEST | LOST_CENTRAL, 0, 0, 7, 0]
    assert_same(table, original)
    again, n_refused = admit(admitted, "clustering")
    assert n_refused == 0
    assert again is admitted
    assert admit(table, None) == (table, 0)


def test_a_table_without_faces_or_photos_passes_any_check() -> None:
    for table in (make_table([]), make_table([], paths=["/a.jpg"], photos={"status": [NO_FACE]})):
        assert admit(table, "passport") == (table, 0)


def test_all_faces_may_fail_and_the_status_is_not_cut_short() -> None:
    table = make_table(np.eye(128)[:30], photo=[0] * 30, quality=np.zeros(30))
    assert table.photos.status.dtype == "<U2"
    admitted, n_refused = admit(table, "clustering")
    assert (len(admitted.faces), n_refused) == (0, 30)
    (status,), (reason,) = admitted.photos.status.tolist(), admitted.photos.reason.tolist()
    assert status == NO_FACE
    assert reason.startswith("30 of 30 faces fail the check: (1) quality 0 < 0.8; (2) quality 0 < 0.8;")
    assert reason.endswith(" ...")
    assert len(reason) <= 200
