"""Measure the almost-people that cluster tells of, on the reporting half of the people of `lfw_dev`.

    python benchmarks/almost.py [--encoder dlib]

Labels are as in `lfw.py`; a face that is not the labelled one of its photo is somebody else, of a name of its own. An
almost-person is pure if all of its faces have one name. No constant is chosen here: they are those of clustering.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine
from lfw import facecluster, labelled_faces

from facecluster.formats import face_table
from facecluster.identity import cluster
from facecluster.identity.gate import Reason, judge
from facecluster.identity.rules import Rules


def report(table, rules):
    """Print how pure the almost-people are, and how many of the people with exactly two photos are among them."""
    names = np.array([f"?{i}" for i in range(len(table.faces))], dtype=object)
    rows, people = labelled_faces(table)
    names[rows] = people
    found = cluster.cluster_faces(table, rules)
    groups = [set(names[almost.rows]) for almost in found.almost]
    n_faces = sum(len(almost.rows) for almost in found.almost)
    mixed = sum(len(group) > 1 for group in groups)
    placed = set(names[found.label >= 0])
    print(
        f"{len(table.faces)} faces, {found.n_people} people, {len(groups)} almost-people of {n_faces} faces: "
        f"{len(groups) - mixed} pure, {mixed} mixed; {sum(bool(group & placed) for group in groups)} with a name "
        "that a person has too"
    )
    photos = Counter(people.tolist())
    good = Counter(names[judge(table.faces, rules.limits) == Reason.PASSED])
    told = set().union(*groups)
    for least, what in ((0, "exactly two photos"), (2, "exactly two photos, both good")):
        two = [name for name, number in photos.items() if number == 2 and good[name] >= least]
        n_found = sum(name in told for name in two)
        print(f"people with {what}: {n_found} of {len(two)} found ({n_found / max(len(two), 1):.3f})")


def measure_time(table, rules):
    """Print the share of `cluster_faces` that almost-people take, the least of five runs each."""
    find_almost, seconds = cluster.find_almost, []

    def timed(*arguments, **options):
        start = time.perf_counter()
        found = find_almost(*arguments, **options)
        seconds.append(time.perf_counter() - start)
        return found

    cluster.find_almost = timed
    whole = []
    for _ in range(5):
        start = time.perf_counter()
        cluster.cluster_faces(table, rules)
        whole.append(time.perf_counter() - start)
    cluster.find_almost = find_almost
    print(f"clustering {min(whole):.2f} s, of which almost-people {min(seconds):.2f} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="sface")
    chosen = parser.parse_args()
    folders = [f for f in sorted((SHARED / "lfw_dev").iterdir()) if not in_fit_half(f.name)]
    print(
        f"{machine()}\nreporting half of lfw_dev: {len(folders)} people, encoder {chosen.encoder}", flush=True
    )
    with tempfile.TemporaryDirectory() as scratch:
        file, names = Path(scratch, "faces.npz"), "\0".join(map(str, folders))
        facecluster("encode", "-", "-0", "-o", file, "--encoder", chosen.encoder, input=names.encode())
        table = face_table.read(file)
    rules = Rules.make(chosen.encoder)
    report(table, rules)
    measure_time(table, rules)


if __name__ == "__main__":
    main()
