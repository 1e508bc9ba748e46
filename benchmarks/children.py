"""Measure how children are grouped: who is mixed up with whom, and how much is found, by age.

    python benchmarks/children.py [--encoder dlib] [--half fit|reporting|all]

Takes the face tables of `lag_dev`: public figures as children and as adults. The reporting half has no part in what the
distances are made from (`fit_crowding.py`). Prints, with all defaults and with everyone grouped (--no-gate --min-images
1), the scores of all faces, of the young ones and of the adult ones; the same with Euclidean distances alone, as they
were before; and in which a person there are most names. Then, of everyone grouped, the young ones by estimated age: the
mean of a person's, which is a rough guide.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine
from lfw import labelled_faces

from facecluster.formats import face_table
from facecluster.identity import metrics, points
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.gate import Limits
from facecluster.identity.rules import Rules
from facecluster.table import Faces, FaceTable, Photos

AGES = ((0, 5), (5, 12), (12, 20), (20, 200))


def part_of(table, keep):
    """Return the photos that are marked, with their faces."""
    of_face = keep[table.faces.photo]
    faces = {name: column[of_face] for name, column in vars(table.faces).items()}
    faces["photo"] = (np.cumsum(keep) - 1)[faces["photo"]].astype(np.int32)
    photos = {name: column[keep] for name, column in vars(table.photos).items()}
    return FaceTable(Photos(**photos), Faces(**faces), table.settings)


def scores(label, people):
    """Write the scores of some faces."""
    names = defaultdict(set)
    for one, name in zip(label.tolist(), people.tolist(), strict=True):
        if one >= 0:
            names[one].add(name)
    pairs, bcubed = metrics.pairwise(people, label), metrics.bcubed(people, label)
    most = max(map(len, names.values()), default=0)
    return f"P {pairs.precision:.3f}, R {pairs.recall:.3f}, BCubed F {bcubed.f:.3f}, {most} names at most in a person"


def grouped(table, rows, *, everyone):
    """Cluster, and return the labels of some rows."""
    limits = Limits(min_images=1) if everyone else Limits()
    rules = Rules.make(table.settings.encoder, gate=not everyone, limits=limits)
    return cluster_faces(table, rules, jobs=-1).label[rows]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="sface")
    parser.add_argument("--half", choices=("fit", "reporting", "all"), default="reporting")
    chosen = parser.parse_args()
    whole = face_table.read(SHARED / "lag_dev" / f"{chosen.encoder}.npz")
    of = [Path(path).parent.name for path in whole.photos.path]
    keep = np.array([chosen.half == "all" or in_fit_half(name) == (chosen.half == "fit") for name in of])
    table = part_of(whole, keep)
    rows, people = labelled_faces(table)
    young = np.array(
        [Path(path).name.startswith("y_") for path in table.photos.path[table.faces.photo[rows]]]
    )
    counts = f"{young.sum()} young faces, {(~young).sum()} adult"
    print(f"{machine()}; lag_dev, {chosen.half}, encoder {chosen.encoder}: {counts}")
    known, crowding = {}, points.crowding
    for what, of_place in (("", crowding), ("Euclidean ", lambda x, encoder: np.zeros(len(x)))):
        points.crowding = of_place
        for everyone in (False, True):
            label = known[what, everyone] = grouped(table, rows, everyone=everyone)
            for group, some in (("all", young | True), ("young", young), ("adult", ~young)):
                title = f"{what}{'everyone' if everyone else 'defaults'}, {group}"
                print(f"{title:28} {scores(label[some], people[some])}", flush=True)
    points.crowding = crowding
    faces = face_table.read(SHARED / "lag_dev" / "sface.npz").faces  # the one with ages
    age_of = dict(zip(faces.id.tolist(), faces.age.tolist(), strict=True))
    age = np.array([age_of.get(face, np.nan) for face in table.faces.id[rows].tolist()])
    mean = {name: np.nanmean(age[young & (people == name)]) for name in set(people[young].tolist())}
    of_person = np.array([mean.get(name, np.nan) for name in people])
    for low, high in AGES:
        some = young & (of_person >= low) & (of_person < high)
        for what in ("", "Euclidean "):
            print(
                f"{what}young, {low} to {high}, {some.sum()} faces: {scores(known[what, True][some], people[some])}"
            )


if __name__ == "__main__":
    main()
