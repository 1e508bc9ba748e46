"""Measure which share of pairs of faces at a distance is of one person, and check what search makes of it.

    python benchmarks/calibration.py [--encoder dlib] [--table FILE]

Takes the labelled faces of `lfw_dev`: all of one half, compared with each other. The share is of as many genuine pairs
(two faces of one person) as impostor pairs (faces of two people): a prior of one half, which stands for no archive in
particular. Among genuine pairs every face counts alike, however many others its person has: a pair of a person with n
faces weighs 1 / (n - 1). All impostor pairs weigh the same.

Prints, for the reporting half, the knots of `identity.search.CALIBRATION`: where a falling curve (isotonic regression
over steps of 0.002) crosses round shares. Then, by distance, the share in both halves beside the confidence that search
gives, and how far they are apart on average; the fit half has no part in the knots. At last the same for people: a face
and k others of one person, at their root mean square distance, which has no curve of its own.

--table takes the faces from a table of all of `lfw_dev` instead of encoding them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine
from lfw import encode, labelled_faces
from sklearn.isotonic import IsotonicRegression

from facecluster.formats import face_table
from facecluster.identity.neighbours import squared_distances
from facecluster.identity.search import CALIBRATION, confidence

STEP = 0.002
EDGES = np.arange(0, 2, STEP)
MIDDLE = EDGES[:-1] + STEP / 2
SHARES = (0.999, 0.99, 0.95, 0.75, 0.5, 0.25, 0.05, 0.01, 0.001)
"""Where knots are; the curve starts at 100 at distance 0, and is 0 from the last one on."""

GROUPS = (1, 2, 4, 8, 16)
DRAWS = 8


def half_of_faces(table, fit):
    """Return the squared distances (n, n) of one half's labelled faces, and the number of each one's person (n,)."""
    rows, names = labelled_faces(table)
    keep = np.array([in_fit_half(name) == fit for name in names])
    encoding = table.faces.encoding[rows[keep]]
    person = np.unique(names[keep], return_inverse=True)[1]
    return np.maximum(squared_distances(encoding, encoding), 0), person


def counts_of(distance, weight):
    """Count by steps of distance; all of them sum to 1."""
    return np.histogram(distance, EDGES, weights=weight)[0] / weight.sum()


def pairs(squared, person):
    """Return the shares of genuine and of impostor pairs at each distance."""
    size = np.bincount(person)[person]
    i, j = np.triu_indices(len(person), 1)
    distance, same = np.sqrt(squared[i, j]), person[i] == person[j]
    print(
        f"  {len(person)} faces of {person.max() + 1} people, {(np.bincount(person) > 1).sum()} with several; "
        f"{same.sum()} genuine pairs, {(~same).sum()} impostor pairs"
    )
    genuine = counts_of(distance[same], 1 / (size[i][same] - 1))
    return genuine, counts_of(distance[~same], np.ones((~same).sum()))


def groups(squared, person, k, rng):
    """Return the same for a face and k other faces of one person, drawn at random."""
    size = np.bincount(person)
    genuine, weight, impostor = [], [], []
    for name in np.flatnonzero(size > k):
        members = np.flatnonzero(person == name)
        for _ in range(DRAWS):
            members = rng.permutation(members)
            group, rest = members[:k], members[k:]
            genuine.append(np.sqrt(squared[np.ix_(rest, group)].mean(axis=1)))
            weight.append(np.full(len(rest), len(members) / len(rest)))
        others = rng.choice(np.flatnonzero(person != name), 2000)
        impostor.append(np.sqrt(squared[np.ix_(others, group)].mean(axis=1)))
    impostor = np.concatenate(impostor)
    return counts_of(np.concatenate(genuine), np.concatenate(weight)), counts_of(
        impostor, np.ones(len(impostor))
    )


def knots_of(genuine, impostor):
    """Return the distances at which the falling curve crosses `SHARES`, and the confidence there."""
    total = genuine + impostor
    seen = total > 0
    curve = IsotonicRegression(increasing=False, out_of_bounds="clip")
    curve.fit(MIDDLE[seen], genuine[seen] / total[seen], sample_weight=total[seen])
    share = curve.predict(MIDDLE)
    crossing = [float(np.round(EDGES[np.argmax(share < wanted)], 3)) for wanted in SHARES]
    return ((0.0, 100.0), *zip(crossing, [round(100 * s, 1) for s in SHARES[:-1]] + [0.0], strict=True))


def told_apart(genuine, impostor, encoder):
    """Return by how many percent points confidence and share differ, on average over all pairs and those in doubt."""
    total = genuine + impostor
    width = 10  # steps of 0.02
    m = len(total) // width * width
    summed, right, given = (
        column[:m].reshape(-1, width).sum(axis=1)
        for column in (total, genuine, total * confidence(MIDDLE, encoder))
    )
    gap = np.abs(given - 100 * right)
    doubt = (given > summed) & (given < 99 * summed)
    return gap.sum() / summed.sum(), gap[doubt].sum() / summed[doubt].sum()


def report(halves, encoder):
    """Print share and confidence by distance."""
    low, high = CALIBRATION[encoder][1][0] - 0.04, CALIBRATION[encoder][-2][0] + 0.04
    print("  distance  reporting half  fit half  confidence     share of true matches, %")
    for start in np.arange(np.floor(low / 0.02), np.ceil(high / 0.02)) * 0.02:
        some = slice(round(start / STEP), round(start / STEP) + 10)
        shares = [100 * g[some].sum() / max(g[some].sum() + i[some].sum(), 1e-12) for g, i in halves]
        print(
            f"  {start + 0.01:8.2f}  {shares[0]:14.1f}  {shares[1]:8.1f}  {confidence(start + 0.01, encoder):10.1f}"
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="sface")
    parser.add_argument("--table", type=Path)
    chosen = parser.parse_args()
    table = (
        face_table.read(chosen.table)
        if chosen.table
        else encode(sorted((SHARED / "lfw_dev").iterdir()), chosen.encoder)
    )
    encoder = table.settings.encoder
    print(f"{machine()}; lfw_dev, encoder {encoder}")
    halves, people = [], []
    for fit in (False, True):
        print("fit half" if fit else "reporting half")
        squared, person = half_of_faces(table, fit)
        halves.append(pairs(squared, person))
        rng = np.random.default_rng(0)
        people.append([groups(squared, person, k, rng) for k in GROUPS])
    print(f'"{encoder}": {knots_of(*halves[0])},')
    if encoder not in CALIBRATION:
        return
    report(halves, encoder)
    for name, half, grouped in zip(("reporting half", "fit half"), halves, people, strict=True):
        everywhere, doubt = told_apart(*half, encoder)
        print(f"{name}: {everywhere:.2f} points apart, {doubt:.1f} where confidence is 1 to 99")
        for k, group in zip(GROUPS, grouped, strict=True):
            everywhere, doubt = told_apart(*group, encoder)
            print(f"  a face and {k:2} of a person: {everywhere:.2f}, {doubt:.1f}")


if __name__ == "__main__":
    main()
