"""The same photos give the same bytes, whatever of the surroundings is another."""

import os
import subprocess
import sys

import numpy as np
from PIL import Image
from tables import make_table, people

from facecluster.formats import face_table

ELSEWHERE = {
    "LC_ALL": "C",
    "LANG": "C",
    "TZ": "Pacific/Kiritimati",
    "PYTHONHASHSEED": "7",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Another locale, time zone, seed of hashes, and number of threads."""


def facecluster(*arguments, folder, **surroundings):
    """Run a verb in a folder, with `surroundings` in the environment."""
    environment = {
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "1",
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
    }
    subprocess.run(
        [sys.executable, "-m", "facecluster", *map(str, arguments)],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
        | environment
        | surroundings,
        check=True,
        capture_output=True,
    )


def pictures(folder):
    """Make photos without a face, in folders whose names sort otherwise than their paths."""
    rng = np.random.default_rng(3)
    paths = []
    for name in ("b/1.png", "b 2/1.png", "b/c/2.png", "Ä.png", "a.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
        paths.append(str(path))
    Image.open(paths[0]).save(
        folder / "b/copy.png"
    )  # the same picture: which of the two comes first must not count
    return [*paths, str(folder / "b/copy.png")]


def test_people_are_the_same_in_other_surroundings(tmp_path):
    table = make_table(people(6, 8, spread=0.9), photo=np.arange(48) // 2)
    face_table.write(table, tmp_path / "faces.npz")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    facecluster("cluster", "faces.npz", "-o", "one", "-j", 1, folder=tmp_path)
    facecluster(
        "cluster", tmp_path / "faces.npz", "-o", tmp_path / "two", "-j", 2, folder=elsewhere, **ELSEWHERE
    )
    one, two = ((tmp_path / name / "clusters.json").read_bytes() for name in ("one", "two"))
    assert b"person-0006" in one
    assert one == two


def test_faces_are_the_same_in_other_surroundings_and_orders(tmp_path):
    paths = pictures(tmp_path / "photos")
    facecluster("encode", "photos", "-o", "one.npz", "-j", 1, folder=tmp_path)
    elsewhere = ["../photos/" + os.path.relpath(path, tmp_path / "photos") for path in paths[::-1]]
    (tmp_path / "two").mkdir()
    facecluster("encode", *elsewhere, "-o", "../two.npz", "-j", 2, folder=tmp_path / "two", **ELSEWHERE)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    names = [
        os.path.relpath(path, tmp_path / "photos")
        for path in face_table.read(tmp_path / "one.npz").photos.path
    ]
    assert names == ["a.png", "b/1.png", "b/c/2.png", "b/copy.png", "b 2/1.png", "Ä.png"]
