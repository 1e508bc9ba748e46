"""Which faces are good enough to found a person, and why each of the others is not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # `cluster --help` shows the defaults of Limits, and NumPy loads longer than all the rest
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.table import Faces


VideoRule = Literal["join", "found"]
"""What faces of videos do: join people only; or found them too, as those of photos."""


@dataclass(frozen=True)
class Limits:
    """What a person's cluster must be founded on. Strict: a face exactly on a limit fails.

    Attributes:
        min_images: different photos that a person needs.
        min_size_px: width and height of the box are both larger.
        max_angle_deg: |pitch|, |yaw| and |roll| are all smaller, in the photo held upright (`Faces.upright_pose`).
        min_quality: quality is higher.
    """

    min_images: int = 3
    min_size_px: float = 75.0
    max_angle_deg: float = 30.0
    min_quality: float = 0.8


class Reason(IntEnum):
    """Why a face stands where it stands. The names, in lower case, are written to clusters.json."""

    PASSED = 0
    NO_ENCODING = 1
    TOO_SMALL = 2
    NO_POSE = 3
    PITCH = 4
    YAW = 5
    ROLL = 6
    NO_QUALITY = 7
    LOW_QUALITY = 8
    # The gate gives those above, clustering those below.
    NO_MATCH = 9
    TOO_FEW_PHOTOS = 10
    BETWEEN_PEOPLE = 11
    SAME_PHOTO = 12
    NEAR_DUPLICATE = 13  # of faces of an almost-person only
    NOT_A_PERSON = 14
    TAKEN_AWAY = 15
    VIDEO = 16  # given by the gate

    @property
    def code(self) -> str:
        """As clusters.json has it."""
        return self.name.lower()

    @property
    def text(self) -> str:
        """For people."""
        return _TEXT[self]


_TEXT = {
    Reason.PASSED: "good enough to make a person of",
    Reason.NO_ENCODING: "no encoding, so it cannot be compared with others",
    Reason.TOO_SMALL: "too small",
    Reason.NO_POSE: "too unclear to tell which way the head is turned",
    Reason.PITCH: "looks too far up or down",
    Reason.YAW: "turned too far aside",
    Reason.ROLL: "head tilted too far",
    Reason.NO_QUALITY: "no quality was measured",
    Reason.LOW_QUALITY: "quality too low",
    Reason.NO_MATCH: "like nobody else",
    Reason.TOO_FEW_PHOTOS: "in too few different photos",
    Reason.BETWEEN_PEOPLE: "as much like one person as like another",
    Reason.SAME_PHOTO: "that person is already in the photo",
    Reason.NEAR_DUPLICATE: "nearly the same picture as another photo, and counts once",
    Reason.NOT_A_PERSON: "said to be nobody you know",
    Reason.TAKEN_AWAY: "somebody took it away from a person",
    Reason.VIDEO: "in a video, and videos found nobody by default; --video found lets them",
}


def judge(faces: Faces, limits: Limits | None, *, video: VideoRule = "found") -> NDArray[np.uint8]:
    """Say which limit each face fails first.

    Args:
        faces: n faces; NaN where a number is unknown.
        limits: strict bounds; a face exactly on a limit fails, and so does an unknown number. None: no gate, only
            an encoding is asked for.
        video: "join": a face of a video that fails nothing else gets `Reason.VIDEO`.

    Returns:
        (n,) codes of `Reason`, `Reason.PASSED` where none fails, in input order.

    References:
        The limits are those of Alibaba IMM's face clustering, see DESIGN.md, "The gate".
    """
    import numpy as np

    fails = {Reason.NO_ENCODING: ~np.isfinite(np.einsum("ij,ij->i", faces.encoding, faces.encoding))}
    if limits is not None:
        fails |= failures(faces, limits)
    if video == "join":
        fails[Reason.VIDEO] = faces.track >= 0
    codes = np.select(list(fails.values()), list(fails), default=Reason.PASSED)
    return codes.astype(np.uint8)


def failures(faces: Faces, limits: Limits) -> dict[Reason, NDArray[np.bool_]]:
    """Say of each limit which faces fail it.

    Args:
        faces: n faces; NaN where a number is unknown.
        limits: strict bounds; a face exactly on a limit fails.

    Returns:
        (n,) bool by `Reason`, in the order in which `judge` names them. An unknown number fails as unknown
        (`Reason.NO_POSE`, `Reason.NO_QUALITY`) and not as too large or too small as well.
    """
    import numpy as np

    numbers = measured(faces, limits)
    size, min_size = numbers[Reason.TOO_SMALL]
    quality, min_quality = numbers[Reason.LOW_QUALITY]
    no_pose, no_quality = np.any(np.isnan(faces.pose), axis=1), np.isnan(quality)
    fails = {Reason.TOO_SMALL: ~(size > min_size), Reason.NO_POSE: no_pose}
    for reason in (Reason.PITCH, Reason.YAW, Reason.ROLL):
        angle, max_angle = numbers[reason]
        fails[reason] = ~(np.abs(angle) < max_angle) & ~no_pose
    fails[Reason.NO_QUALITY] = no_quality
    # the limit as the table would hold it: 0.8 in float32 is a little more than 0.8
    fails[Reason.LOW_QUALITY] = ~(quality > np.float32(min_quality)) & ~no_quality
    return fails


def measured(faces: Faces, limits: Limits) -> dict[Reason, tuple[NDArray[np.float32], float]]:
    """Give the number that each limit looks at, and the limit.

    Returns:
        (n,) float32 and its bound, by `Reason`: `Reason.TOO_SMALL` the shorter side of the box in pixels;
        `Reason.PITCH`, `YAW` and `ROLL` degrees, signed, in the photo held upright; `Reason.LOW_QUALITY` 0..1. NaN
        where unknown.
    """
    pitch, yaw, roll = faces.upright_pose().T
    return {
        Reason.TOO_SMALL: ((faces.box[:, 2:] - faces.box[:, :2]).min(axis=1), limits.min_size_px),
        Reason.PITCH: (pitch, limits.max_angle_deg),
        Reason.YAW: (yaw, limits.max_angle_deg),
        Reason.ROLL: (roll, limits.max_angle_deg),
        Reason.LOW_QUALITY: (faces.quality, limits.min_quality),
    }
