"""Measure which share of pairs of faces at a distance is of one person, and check what search makes of it.

    python benchmarks/calibration.py [--encoder dlib] [--table FILE]

Takes the labelled faces of `lfw_dev`, and those of `lag_dev` as young and as adult: three groups. In each group all
faces of one half are compared with each other. The share is of as many genuine pairs (two faces of one person) as
impostor pairs (faces of two people): a prior of one half, which stands for no archive in particular. Among genuine
pairs every face counts alike, however many others its person has: a pair of a person with n faces weighs 1 / (n - 1).
All impostor pairs weigh the same, and so do the three groups.

Genuine pairs of children are farther apart than those of adults, so there are two curves: for pairs in usual places,
and for those of which one face or both are in a crowded place, where children are (`identity.points`).

Prints the knots of `identity.search.CALIBRATION` and `CROWDED`: where a falling curve (logistic regression over steps
of 0.002) crosses round shares, in the fit half. Then, for each half and group, how far the curves that ship are from
the share, on average over steps of 0.02 where confidence is 1 to 99. The figures to report are those of the reporting
half, which has no part in the curves. At last the same for people: a face and k others of one person, at their root
mean square distance, which has no curve of its own.

--table takes the faces from a table of all of `lfw_dev` instead of encoding them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine
from lfw import encode, labelled_faces
from scipy.optimize import minimize
from scipy.special import expit

from facecluster.formats import face_table
from facecluster.identity.neighbours import squared_distances
from facecluster.identity.points import Points
from facecluster.identity.search import CROWDED, confidence

STEP = 0.002
EDGES = np.arange(0, 2, STEP)
MIDDLE = EDGES[:-1] + STEP / 2
SHARES = (0.999, 0.99, 0.95, 0.85, 0.7, 0.5, 0.3, 0.15, 0.07, 0.03, 0.01, 0.001)
"""Where knots are; the curve starts at 100 at distance 0, and is 0 from the last one on."""

GROUPS = (1, 2, 4, 8, 16)
DRAWS = 8


def groups_of(lfw, lag):
    """Yield the name of each group, and its encodings and people."""
    rows, names = labelled_faces(lfw)
    yield "lfw", lfw.faces.encoding[rows], names
    rows, names = labelled_faces(lag)
    young = np.array([Path(path).name.startswith("y_") for path in lag.photos.path[lag.faces.photo[rows]]])
    for name, chosen in (("young", young), ("adult", ~young)):
        yield name, lag.faces.encoding[rows[chosen]], names[chosen]


def compare(points, encoder):
    """Compare faces -> squared distances (n, n), and whether the places of both are crowded (n, n)."""
    crowding = points.crowding[:, None] + points.crowding
    return np.maximum(squared_distances(points, points), 0), crowding > CROWDED[encoder][0]


def counts_of(distance, weight):
    """Count by steps of distance."""
    return np.histogram(distance, EDGES, weights=weight)[0]


def pairs(squared, crowded, person):
    """Return genuine and impostor pairs at each distance (2, 2, steps): in usual places, and in crowded ones.

    All genuine pairs sum to 1, and all impostor pairs do.
    """
    size = np.bincount(person)[person]
    i, j = np.triu_indices(len(person), 1)
    distance, same, at_crowded = np.sqrt(squared[i, j]), person[i] == person[j], crowded[i, j]
    weight = np.where(same, 1 / np.maximum(size[i] - 1, 1), 1.0)
    for kind in (same, ~same):
        weight[kind] /= weight[kind].sum()
    return np.array(
        [
            [counts_of(distance[some], weight[some]) for some in (same & at, ~same & at)]
            for at in (~at_crowded, at_crowded)
        ]
    )


def people_of(squared, crowded, person, k, rng):
    """Return the same for a face and k other faces of one person, drawn at random."""
    size = np.bincount(person)
    found = {True: [], False: []}
    for name in np.flatnonzero(size > k):
        members = np.flatnonzero(person == name)
        others = rng.choice(np.flatnonzero(person != name), 500)
        for _ in range(DRAWS):
            members = rng.permutation(members)
            group, rest = members[:k], members[k:]
            for same, faces, weight in ((True, rest, len(members) / len(rest)), (False, others, 1.0)):
                at = np.ix_(faces, group)
                found[same].append(
                    (
                        np.sqrt(squared[at].mean(axis=1)),
                        crowded[at].mean(axis=1) > 0.5,
                        np.full(len(faces), weight),
                    )
                )
    counts = np.zeros((2, 2, len(MIDDLE)))
    for place, same in enumerate((True, False)):
        if found[same]:
            distance, dense, weight = (np.concatenate(column) for column in zip(*found[same], strict=True))
            for at in (0, 1):
                some = dense == at
                counts[at, place] = counts_of(distance[some], weight[some] / weight.sum())
    return counts


def knots_of(genuine, impostor):
    """Return the distances at which a falling curve crosses `SHARES`, and the confidence there.

    The curve is a logistic regression on the squared distance, of the third degree: a smooth one of four numbers, as
    few pairs are where it matters. It is made to fall.
    """
    total, z = genuine + impostor, 0.0
    seen = total > 0
    middle, width = np.average(MIDDLE[seen] ** 2, weights=total[seen]), (MIDDLE[seen] ** 2).std()
    z = (MIDDLE**2 - middle) / width
    powers = z[:, None] ** np.arange(4)

    def surprise(coefficients):
        logit = powers[seen] @ coefficients
        return (genuine[seen] * np.logaddexp(0, -logit) + impostor[seen] * np.logaddexp(0, logit)).sum()

    coefficients = minimize(surprise, np.array([0.0, -5, 0, 0]), method="BFGS").x
    inside = slice(np.flatnonzero(genuine > 0)[0], np.flatnonzero(genuine > 0)[-1] + 1)
    share = np.zeros(len(MIDDLE))
    share[: inside.start] = 1
    share[inside] = expit(powers[inside] @ coefficients)
    share = np.minimum.accumulate(share)
    crossing = [float(np.round(EDGES[np.argmax(share < wanted)], 3)) for wanted in SHARES]
    for i in range(1, len(crossing)):  # knots are in different places
        crossing[i] = round(max(crossing[i], crossing[i - 1] + STEP), 3)
    return ((0.0, 100.0), *zip(crossing, [round(100 * s, 1) for s in SHARES[:-1]] + [0.0], strict=True))


def told_apart(counts, given):
    """Return by how many percent points confidence and share differ, on average over pairs of which it is 1 to 99."""
    width = 10  # steps of 0.02
    m = len(MIDDLE) // width * width
    total = counts.sum(axis=1)
    doubt = (given > 1) & (given < 99)
    summed, right, said = (
        np.where(doubt, column, 0)[:, :m].reshape(2, -1, width).sum(axis=(0, 2))
        for column in (total, counts[:, 0], total * given)
    )
    return float(np.abs(said - 100 * right).sum() / max(summed.sum(), 1e-12))


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
    print(f"{machine()}; lfw_dev and lag_dev, encoder {encoder}")
    lag = face_table.read(SHARED / "lag_dev" / f"{encoder}.npz")
    counted, people = {}, {}
    for name, encoding, names in groups_of(table, lag):
        points = Points.of(encoding, encoder)
        for half, fit in (("fit", True), ("reporting", False)):
            keep = np.array([in_fit_half(one) == fit for one in names])
            person = np.unique(names[keep], return_inverse=True)[1]
            squared, crowded = compare(points[keep], encoder)
            counted[name, half] = pairs(squared, crowded, person)
            rng = np.random.default_rng(0)
            people[name, half] = [people_of(squared, crowded, person, k, rng) for k in GROUPS]
            print(f"  {name}, {half} half: {len(person)} faces of {person.max() + 1} people", flush=True)
    whole = sum(counts for (_, half), counts in counted.items() if half == "fit")
    print(f'CALIBRATION "{encoder}": {knots_of(*whole[0])},\nCROWDED "{encoder}": {knots_of(*whole[1])},')
    print("percent points off, where confidence is 1 to 99")
    shipped = np.array([confidence(MIDDLE, encoder, crowding) for crowding in (0.0, 1.0)])
    for (name, half), counts in counted.items():
        print(f"  {name}, {half} half: {told_apart(counts, shipped):.1f}")
        each = [
            f"{k}: {told_apart(group, shipped):.1f}"
            for k, group in zip(GROUPS, people[name, half], strict=True)
        ]
        print(f"    a face and so many of a person: {', '.join(each)}")


if __name__ == "__main__":
    main()
