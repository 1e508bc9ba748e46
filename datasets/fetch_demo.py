"""Fetch the demo photos into datasets/demo/: real photos that travel inside published packages (see README.md)."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from facecluster.errors import FaceclusterError
from facecluster.packages import Package, PackagedFile, fetch

FOLDER = Path(__file__).resolve().parent / "demo"

# The tests with their photos are only in the source distribution.
_SOURCE = Package(
    "face_recognition==1.3.0",
    "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
    is_source=True,
)
# One and the same wheel for everybody, as only a photo is taken from it.
_WHEEL = Package("scikit-image==0.25.2", "a17e17eb8562660cc0d31bb55643a4da996a81944b82c54805c91b3fe66f4824")
_ITS_PLATFORM = [
    *("--platform", "manylinux2014_x86_64", "--python-version", "3.12"),
    *("--implementation", "cp", "--abi", "cp312"),
]

FACE_RECOGNITION = [
    PackagedFile(_SOURCE, f"tests/test_images/{name}", sha256)
    for name, sha256 in {
        "obama.jpg": "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
        "obama2.jpg": "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
        "obama3.jpg": "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
        "obama_partial_face.jpg": "c2d1f09e7ef3042352b41e41286e6eb0522f64f88308be13886991b95db52117",
        "obama_partial_face2.jpg": "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028",
        "32bit.png": "44dca895a7d635a4aedddd91a4f37af9a8a5b44e66154282a24645a757b5f627",
        "biden.jpg": "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    }.items()
]
SCIKIT_IMAGE = [
    PackagedFile(
        _WHEEL,
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    )
]


def main() -> None:
    """Fetch what is not there yet."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        fetch(FACE_RECOGNITION, FOLDER)
        fetch(SCIKIT_IMAGE, FOLDER, pip_options=_ITS_PLATFORM)
    except FaceclusterError as error:
        sys.exit(f"{Path(__file__).name}: {error}")
    print(f"{len(FACE_RECOGNITION + SCIKIT_IMAGE)} demo photos are in {FOLDER}", file=sys.stderr)


if __name__ == "__main__":
    main()
