"""Measure whether children are one person over the years, on simulated ones among a half of `lfw_dev`.

    python benchmarks/years.py TABLE [--half fit|reporting] [--children 90] [--siblings 15] [--seed 0] [--times]

TABLE is a face table of `lfw_dev`, encoded by sface. There are no photos of children with dates to measure on. So a
child is a way on the sphere from the encoding of somebody young, by estimated age under 15, to that of the same person
as an adult (`lag_dev`, one half of the people), in 8 to 15 years. The squared distance of two points of it is as the
time between them, as in `lag_dev` that between faces of one person grows with the difference of their estimated ages
(fit half, ages 0-2, 2-5, 5-9, 9-14, copies left out: means of 0.74 to 0.88 in one of these, 0.89 to 1.17 to the next,
0.95 to 1.17 to those after it, 1.37 to 1.60 to adults). On a straight way 0.98 is found without times. The encoding
of a photo is a point of it and half of the difference, in squared length, of two photos of somebody in `lfw_dev` drawn
at random: two of one year are as far from each other as two of one person in LFW. There are 3 to 6 photos a year, and
none in one year of ten. A sibling is 2 to 3 years younger and has a way of its own, which begins and ends nearer to
that of the first.
The crowd is the same half of `lfw_dev`, at random times over 15 years: nobody of it is older in one photo than in
another.

Prints scores with and without times: of each child, the share of its faces that are in the person with most of them,
and how many people have faces of it; people who have faces of two children, and how many of them siblings; pairwise
precision and recall of all, and of LFW alone. --times prints how much of the time of clustering it takes for all of
`lfw_dev`, and 20,000 faces, at random times.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine
from lfw import add_strangers, half_of, labelled_faces

from facecluster.formats import face_table
from facecluster.identity import find, metrics
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.rules import Rules
from facecluster.identity.years import YEAR
from facecluster.table import Faces, FaceTable, Photos

BEGIN, SPAN = 30, 15
"""Years from 1970, and how many, in which photos are taken."""

STEPS = 24
"""Of a way."""

YOUNG = 15
"""Years that the young face of a child is estimated at most."""

START_COSINE, END_COSINE = 0.55, 0.4
"""Of the ways of two siblings, set by hand; of two strangers it is 0.38 for young faces and 0.14 for adults, the noise
of a photo left out (fit half)."""


def differences(table):
    """Return (k, 128) differences of two photos of one person, each person once."""
    rows, names = labelled_faces(table)
    rng = np.random.default_rng(2)
    found = []
    for name in np.unique(names):
        own = rows[names == name]
        if len(own) > 1:
            one, other = rng.choice(own, 2, replace=False)
            found.append(table.faces.encoding[one].astype(np.float64) - table.faces.encoding[other])
    return np.array(found)


def ends_of_lives(fit):
    """Return (k, 2, 128) a young and an adult face of each person of a half of `lag_dev`."""
    table = face_table.read(SHARED / "lag_dev" / "sface.npz")
    ends = {}
    for row in np.argsort(table.faces.age, kind="stable").tolist():
        _, _, person, file = table.photos.path[table.faces.photo[row]].split("/")
        if in_fit_half(person) == fit and (file[0] == "a" or table.faces.age[row] < YOUNG):
            ends.setdefault(person, {}).setdefault(file[0], table.faces.encoding[row].astype(np.float64))
    return np.array([[one["y"], one["a"]] for _, one in sorted(ends.items()) if len(one) == 2])


def way(start, end, noise, changes, rng):
    """Return a function that gives the point at 0..1 of the way between two faces, of which each has its noise.

    The squared distance of two points is as the time between them: the straight way, and a Brownian bridge that is as
    long, in steps of the directions in which others change (k, 128).
    """
    cosine = np.clip(start @ end / (1 - noise), -1, 1)  # of what is not noise
    across = end - (start @ end) * start
    last = cosine * start + np.sqrt(1 - cosine**2) * across / np.linalg.norm(across)
    total = np.linalg.norm(last - start)
    steps = changes[rng.choice(len(changes), STEPS, replace=False)] * rng.choice([-1, 1], (STEPS, 1))
    steps *= total / np.sqrt(STEPS) / np.linalg.norm(steps, axis=1, keepdims=True)
    walk = np.vstack([np.zeros(128), np.cumsum(steps, axis=0)])
    walk -= np.linspace(0, 1, STEPS + 1)[:, None] * walk[-1]
    points = walk + start + np.linspace(0, 1, STEPS + 1)[:, None] * (last - start)

    def at(share):
        step = min(int(share * STEPS), STEPS - 1)
        x = points[step] + (share * STEPS - step) * (points[step + 1] - points[step])
        return np.sqrt(1 - noise) * x / np.linalg.norm(x)

    return at


def blended(one, other, cosine):
    """Return the direction between two that has a cosine to the first."""
    across = other - (one @ other) * one
    return cosine * one + np.sqrt(1 - cosine**2) * across / np.linalg.norm(across)


def children(table, fit, n, n_siblings, rng):
    """Return encodings (k, 128), times (k,) and children (k,); from n on, siblings of the first ones."""
    pool, lives = differences(table), ends_of_lives(fit)
    noise = (pool**2).sum(axis=1).mean() / 2
    lives = lives[rng.permutation(len(lives))]
    found = []
    begun: dict[int, float] = {}
    length: dict[int, int] = {}
    for child in range(min(n + n_siblings, len(lives))):
        start, end = lives[child]
        years = int(rng.integers(8, 16))
        first = BEGIN + rng.uniform(0, SPAN - years) if years < SPAN else BEGIN
        if child >= n:
            start = blended(lives[child - n][0], start, START_COSINE)
            end = blended(lives[child - n][1], end, END_COSINE)
            first, years = begun[child - n] + rng.uniform(2, 3), length[child - n]
        begun[child], length[child] = first, years
        at = way(start, end, noise, lives[:, 1] - lives[:, 0], rng)
        for year in range(years):
            if 0 < year < years - 1 and rng.random() < 0.1:
                continue
            for _ in range(rng.integers(3, 7)):
                when = year + rng.random()
                x = at(when / years) + pool[rng.integers(len(pool))] * rng.choice([-1, 1]) / np.sqrt(2)
                found.append((x / np.linalg.norm(x), (first + when) * YEAR, child))
    encoding, when, child = zip(*found, strict=True)
    return np.array(encoding, dtype=np.float32), np.array(when), np.array(child)


def with_children(table, encoding, when, rng):
    """Return a table with more photos of one good face each, at times."""
    good = np.flatnonzero((table.faces.quality > 0.9) & (np.abs(table.faces.pose) < 15).all(axis=1))
    like = rng.choice(good, len(encoding))
    photo = table.faces.photo[like]
    photos = {key: np.concatenate([column, column[photo]]) for key, column in vars(table.photos).items()}
    faces = {key: np.concatenate([column, column[like]]) for key, column in vars(table.faces).items()}
    m, names = len(table.photos), np.char.mod("c%031x", np.arange(len(encoding)))
    photos["path"] = np.concatenate([table.photos.path, np.char.add("/children/", names)])
    photos["digest"] = np.concatenate([table.photos.digest, names])
    photos["hash"][m:] = rng.integers(1, 2**63, len(encoding))
    photos["time"][m:] = when
    faces["photo"][len(table.faces) :] = m + np.arange(len(encoding))
    faces["id"] = np.concatenate([table.faces.id, np.char.add(names, "-0")])
    faces["encoding"][len(table.faces) :] = encoding
    return FaceTable(Photos(**photos), Faces(**faces), table.settings)


def at_times(table, when):
    """Return the table with other times."""
    return replace(table, photos=replace(table.photos, time=when))


def at_random(table, rng):
    """Return the table with times at random."""
    return at_times(table, (BEGIN + SPAN * rng.random(len(table.photos))) * YEAR)


def report(what, table, child, rules):
    """Print the scores; `child` are those of the last faces."""
    label = cluster_faces(table, rules, jobs=-1).label
    own = label[-len(child) :] if len(child) else label[:0]
    whole, parts = [], []
    for one in np.unique(child):
        of = Counter(own[(child == one) & (own >= 0)].tolist())
        whole.append(max(of.values(), default=0) / np.count_nonzero(child == one))
        parts.append(len(of))
    rows, names = labelled_faces(table)
    is_child = np.char.startswith(table.photos.path[table.faces.photo[rows]], "/children/")
    names = names.astype("U60")
    names[is_child] = np.char.add("child ", child[rows[is_child] - len(table.faces) + len(child)].astype(str))
    pairs = metrics.pairwise(names, label[rows])
    lfw = metrics.pairwise(names[~is_child], label[rows[~is_child]])
    mixed = [
        {int(one) for one in np.unique(child[own == number])} for number in np.unique(own[own >= 0]).tolist()
    ]
    theirs = (
        f"children whole {np.mean(whole):.3f} ({np.mean(np.array(whole) > 0.9):.3f} of them over 0.9), people a child "
        f"{np.mean(parts):.2f}, people of two children {sum(len(several) > 1 for several in mixed)}; "
        if len(child)
        else ""
    )
    print(
        f"{what}: {theirs}all: "
        f"P {pairs.precision:.4f} R {pairs.recall:.4f}; LFW: P {lfw.precision:.5f} R {lfw.recall:.5f}, "
        f"{len(np.unique(label[rows[~is_child]])) - 1} people",
        flush=True,
    )
    return mixed


def measure(table, fit, n, n_siblings, seed):
    """Print the scores with and without times."""
    rng = np.random.default_rng(seed)
    rules = Rules.make(table.settings.encoder)
    encoding, when, child = children(half_of(table, fit), fit, n, n_siblings, rng)
    print(f"{n} children, {n_siblings} siblings, {len(child)} photos of them, {len(table.photos)} others")
    crowd = at_random(table, rng)
    everyone = with_children(crowd, encoding, when, rng)
    for what, own in (("without times", np.nan), ("with times", everyone.photos.time)):
        mixed = report(what, at_times(everyone, np.full(len(everyone.photos), own)), child, rules)
        siblings = sum(one + n in several for several in mixed for one in several)
        print(f"    of these, siblings: {siblings}")
    none = np.empty(0, dtype=np.int64)
    report("LFW alone, without times", table, none, rules)
    report("LFW alone, with times", crowd, none, rules)


def times(table):
    """Print which share of clustering the tying takes, the median of nine runs.

    It is a share of the same run, as whole runs differ by more than that on a machine that does other things, too.
    """
    rng = np.random.default_rng(0)
    rules = Rules.make(table.settings.encoder)
    tie = find._over_years
    took = []

    def timed(*of):
        start = time.process_time()
        ties = tie(*of)
        took.append(time.process_time() - start)
        return ties

    find._over_years = timed
    for one in (table, add_strangers(table, 20_000 - len(table.faces))):
        dated, shares = at_random(one, rng), []
        for _ in range(9):
            took.clear()
            start = time.process_time()
            cluster_faces(dated, rules, jobs=1)
            shares.append((sum(took) / (time.process_time() - start), sum(took)))
        share, seconds = np.median(shares, axis=0)
        print(f"{len(one.faces)} faces: {100 * share:.1f} % of the time, {seconds:.3f} s", flush=True)
    find._over_years = tie


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path)
    parser.add_argument("--half", choices=("fit", "reporting"), default="reporting")
    parser.add_argument("--children", type=int, default=90)
    parser.add_argument("--siblings", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--times", action="store_true")
    chosen = parser.parse_args()
    print(machine(), flush=True)
    table = face_table.read(chosen.table)
    if chosen.times:
        times(table)
    else:
        fit = chosen.half == "fit"
        print(f"{chosen.half} half of lag_dev and lfw_dev")
        measure(half_of(table, fit), fit, chosen.children, chosen.siblings, chosen.seed)


if __name__ == "__main__":
    main()
