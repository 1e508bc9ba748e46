"""Measure encode and cluster, photos in, people out, on one half of the people of `lfw_dev`.

    python benchmarks/lfw.py [--encoder dlib] [--half fit|reporting] [--sweep]

Labels are the folders' names; the labelled face of a photo is the one nearest to its middle. A face without a person
is a person of its own. With --sweep, the table that `identity.cluster.DEFAULTS` was chosen from (fit half).

Bounds (issue 2), reporting half, defaults: pairwise F at least 0.97, and no person's folder with more than two people.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine

from facecluster import store
from facecluster.identity import metrics
from facecluster.identity.cluster import Radii, Rules, cluster_faces


def facecluster(*arguments, **options):
    """Run the command line, as a user would; stop if it fails."""
    return subprocess.run([sys.executable, "-m", "facecluster", *map(str, arguments)], check=True, **options)


def labelled_faces(table):
    """Return the rows of the labelled faces, and their people."""
    middle = table.photos.size[table.faces.photo] / 2
    box = table.faces.box
    distance = np.abs((box[:, :2] + box[:, 2:]) / 2 - middle).sum(axis=1)
    order = np.lexsort((distance, table.faces.photo))
    rows = order[np.diff(table.faces.photo[order], prepend=-1) > 0]
    return rows, np.array([Path(path).parent.name for path in table.photos.path[table.faces.photo[rows]]])


def report(label, rows, people):
    """Print the scores of a clustering of labelled faces."""
    pairs, bcubed = metrics.pairwise(people, label[rows]), metrics.bcubed(people, label[rows])
    placed = label[rows] >= 0
    many = Counter(people.tolist())
    founded = np.array([many[name] >= 3 for name in people])
    members = defaultdict(set)
    for person, name in zip(label[rows][placed], people[placed], strict=True):
        members[int(person)].add(name)
    mixed = Counter(len(names) for names in members.values())
    print(
        f"pairwise P {pairs.precision:.4f} R {pairs.recall:.4f} F {pairs.f:.4f}   BCubed F {bcubed.f:.4f}   "
        f"{len(members)} people, of 1 / 2 / more names {mixed[1]} / {mixed[2]} / {len(members) - mixed[1] - mixed[2]}"
        f"   placed: {placed[founded].mean():.3f} of faces of people with 3 photos or more, "
        f"{placed[~founded].sum()} of {(~founded).sum()} others"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="sface")
    parser.add_argument("--half", choices=("fit", "reporting"), default="reporting")
    parser.add_argument("--sweep", action="store_true")
    chosen = parser.parse_args()
    half = "fit" if chosen.sweep else chosen.half
    folders = [f for f in sorted((SHARED / "lfw_dev").iterdir()) if in_fit_half(f.name) == (half == "fit")]
    print(f"{machine()}\n{half} half of lfw_dev: {len(folders)} people, encoder {chosen.encoder}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        table_file, results = Path(scratch, "faces.npz"), Path(scratch, "results")
        names = "\0".join(map(str, folders))
        start = time.perf_counter()
        facecluster("encode", "-", "-0", "-o", table_file, "--encoder", chosen.encoder, input=names.encode())
        encoded = time.perf_counter()
        table = store.read(table_file)
        rows, people = labelled_faces(table)
        if chosen.sweep:
            for eps in (0.88, 0.92, 0.96, 1.0) if chosen.encoder == "sface" else (0.36, 0.38, 0.4, 0.42):
                for join in (1.0, 1.04, 1.08, 1.12) if chosen.encoder == "sface" else (0.5, 0.54):
                    print(f"eps {eps:.2f} join {join:.2f}   ", end="")
                    rules = Rules(Radii(eps, join, Rules.make(chosen.encoder).radii.margin))
                    report(cluster_faces(table, rules).label, rows, people)
            return
        facecluster("cluster", table_file, "-o", results, stdout=subprocess.DEVNULL)
        print(f"encode {encoded - start:.0f} s, cluster {time.perf_counter() - encoded:.0f} s")
        found = json.loads((results / "clusters.json").read_text())
        number = {f["id"]: i for i, person in enumerate(found["people"]) for f in person["faces"]}
        report(np.array([number.get(face, -1) for face in table.faces.id.tolist()]), rows, people)
        folders = [
            {Path(face["photo"]).parent.name for face in person["faces"]} for person in found["people"]
        ]
        print(f"most names among the photos of one person's folder: {max(map(len, folders))}")


if __name__ == "__main__":
    main()
