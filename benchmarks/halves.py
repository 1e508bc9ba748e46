"""Measure how distinct the two halves of one person are, and those of two people: `identity.split.DISTINCT`.

    python benchmarks/halves.py TABLE [--half fit|reporting]

TABLE is a face table of `lfw_dev`. Of each person with eight photos or more, the faces are cut in halves as `split`
does; and so are as many faces of two people put together, 200 times. Prints the mean squared distance between the
halves over that within them.
"""

from __future__ import annotations

import argparse

import numpy as np
from labelled import in_fit_half, machine
from lfw import labelled_faces

from facecluster.formats import face_table
from facecluster.identity.groups import Groups
from facecluster.identity.points import Points
from facecluster.identity.split import _ROUNDS, _longest, within


def ratio(x):
    """Return how distinct the halves of (n, 128) are; None where one has fewer than three."""
    half = (x - x.mean(axis=0)) @ _longest(x - x.mean(axis=0)) > 0
    for _ in range(_ROUNDS):
        if half.all() or not half.any():
            return None
        one, other = x[half].mean(axis=0), x[~half].mean(axis=0)
        half = (x - (one + other) / 2) @ (one - other) > 0
    if min(half.sum(), (~half).sum()) < 3:
        return None
    groups = Groups.of(Points.plain(x.astype(np.float32)), (~half).astype(np.int32))
    return groups.squared_between(0)[1] / within(groups)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("--half", choices=("fit", "reporting"), default="fit")
    chosen = parser.parse_args()
    table = face_table.read(chosen.table)
    rows, names = labelled_faces(table)
    wanted = np.array([in_fit_half(name) == (chosen.half == "fit") for name in names])
    rows, names = rows[wanted], names[wanted]
    people = [table.faces.encoding[rows[names == name]].astype(np.float64) for name in np.unique(names)]
    people = [faces for faces in people if len(faces) >= 8]
    rng = np.random.default_rng(0)
    pairs = [rng.choice(len(people), 2, replace=False) for _ in range(200)]
    sizes = [min(len(people[i]), len(people[j]), 20) for i, j in pairs]
    together = [
        np.concatenate([people[i][:n], people[j][:n]]) for (i, j), n in zip(pairs, sizes, strict=True)
    ]
    print(f"{machine()}, {chosen.half} half, {table.settings.encoder}")
    for what, sets in (("one person", people), ("two people", together)):
        found = np.array([value for faces in sets if (value := ratio(faces)) is not None])
        least, low, middle, high, most = np.percentile(found, [0, 5, 50, 95, 100])
        print(
            f"{what}: {len(found)} sets, {least:.2f} to {most:.2f}, 5 % {low:.2f}, median {middle:.2f}, 95 % {high:.2f}"
        )


if __name__ == "__main__":
    main()
