"""The check at the door: which faces a table takes in, and what the rows of the others' photos say."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from dataclasses import replace

import numpy as np

from facecluster.identity.boxes import lose_faces
from facecluster.identity.check import PRESETS, find_failures, measure
from facecluster.table import NO_FACE, Faces, FaceTable

_REASON_LENGTH = 200
"""Letters for the faces of a photo that fail the check: every row of the table takes as much as the longest."""


def admit(table: FaceTable, check: str | None) -> tuple[FaceTable, int]:
    """Leave out the faces that fail the check, if there is one, and say so in the rows of their photos.

    A face that somebody drew stays. A photo that loses its last face has the status of one without faces. Done
    again, it changes nothing.

    Args:
        table: m photos, n faces.
        check: one of `check.PRESETS`; None: all faces pass.

    Returns:
        The table, with `reason`, `status` and `lost` of the m photos as they are now; how many faces it lost.
    """
    photo, failing, failures = table.faces.photo, [], defaultdict(list)
    if check is not None:
        first, drawn = np.searchsorted(photo, photo), np.isnan(table.faces.score)
        for i, failed in enumerate(find_failures(measure(table.faces), PRESETS[check])):
            if failed and not drawn[i]:
                failing.append(i)
                # No-break spaces keep a limit together where the text is cut.
                text = ", ".join(failure.text.replace(" ", "\xa0") for failure in failed)
                failures[int(photo[i])].append((i - int(first[i]) + 1, text))
    if not failing:
        return table, 0
    passed = np.ones(len(photo), np.bool_)
    passed[failing] = False
    n_found, n_left = (np.bincount(rows, minlength=len(table.photos)) for rows in (photo, photo[passed]))
    reason, status = table.photos.reason.tolist(), table.photos.status.tolist()
    for row, told in failures.items():
        if n_found[row] == 1:
            text = f"the face fails the check: {told[0][1]}"
        else:
            each = "; ".join(f"({number}) {text}" for number, text in told)
            text = f"{len(told)} of {n_found[row]} faces fail the check: {each}"
        text = "; ".join(filter(None, [reason[row], text]))  # of a page that cannot be read
        reason[row] = textwrap.shorten(text, _REASON_LENGTH, placeholder=" ...").replace("\xa0", " ")
        if n_left[row] == 0:
            status[row] = NO_FACE
    lost = lose_faces(
        photo.astype(np.int64),
        table.faces.box.astype(np.float64),
        ~passed,
        table.photos.size,
        table.photos.lost,
    )
    columns = {name: column[passed] for name, column in vars(table.faces).items()}
    columns["id"] = np.array(columns["id"].tolist(), dtype=str)  # as wide as in the same table made at once
    rows = replace(
        table.photos, status=np.array(status, dtype=str), reason=np.array(reason, dtype=str), lost=lost
    )
    return FaceTable(rows, Faces(**columns), table.settings), len(failing)
