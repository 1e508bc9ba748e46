"""Measure audit: swap 3 % of the labels of one half of `lfw_dev`, and look which of the swaps it finds.

    python benchmarks/audit.py [--encoder dlib] [--half fit|reporting] [--seeds 10] [--table FILE] [--sweep]

Faces are the labelled ones (see lfw.py), labels the folders' names. Of 3 % of the faces, drawn at random, the labels
are permuted so that each gets that of somebody else. All settings are the defaults.

A swap is found if a verdict names the face: as misfiled; in the smaller of two labels that are one person; or as one of
the fewer of a label that is two people, or of either where both have as many. What is reported is right if one of the
faces it names is a swap. Photos that LFW itself lists as errata (`lfw_meta/known_errata_images.txt`) are no swaps: a
verdict that names one is told apart, and counts neither as right nor as wrong. Other mistakes in LFW's labels, and
twins, do count as wrong. Printed first is what is reported where nothing was swapped.

--sweep prints what `identity.audit.BOUNDS` was chosen from (fit half). --table takes the faces from a table of all of
`lfw_dev` instead of encoding one half.

Bounds (issue 5), reporting half, sface: of the swaps of people with three photos or more 0.9 are found; of what is
reported 0.8 is right.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine
from lfw import encode, half_of, labelled_faces

from facecluster.cli.audit import THRESHOLD
from facecluster.formats import face_table
from facecluster.identity.audit import BOUNDS, Misfiled, OnePerson, complete_groups, judge, radius_at
from facecluster.identity.points import Points
from facecluster.identity.rules import Reach

SHARE = 0.03
MANY = 3
"""Photos that somebody has whose swaps should be found."""


def swap(label, seed):
    """Return labels (n,) of which a share was permuted, so that none of these keeps its own."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(label), round(SHARE * len(label)), replace=False)
    while True:
        given = rng.permutation(rows)
        for i in np.flatnonzero(label[given] == label[rows]):
            j = rng.integers(len(rows))
            given[[i, j]] = given[[j, i]]
        if (label[given] != label[rows]).all():
            swapped = label.copy()
            swapped[rows] = label[given]
            return swapped


def named(verdict):
    """Return the rows of the faces that a verdict says are not their label's."""
    if isinstance(verdict, Misfiled):
        return verdict.rows
    ones, others = verdict.rows
    return (
        np.concatenate([ones, others])
        if not isinstance(verdict, OnePerson) and len(ones) == len(others)
        else others
    )


class Half:
    """The labelled faces of one half: n points, numbers of their people (n,), and which are errata (n,)."""

    def __init__(self, table, fit):
        table = half_of(table, fit)
        rows, people = labelled_faces(table)
        self.encoder = table.settings.encoder
        self.points = Points.of(table.faces.encoding[rows], self.encoder)
        self.person = np.unique(people, return_inverse=True)[1]
        errata = set((SHARED / "lfw_meta" / "known_errata_images.txt").read_text().split())
        names = ("/".join(Path(path).parts[-2:]) for path in table.photos.path[table.faces.photo[rows]])
        self.erratum = np.array([name in errata for name in names])
        self.group = complete_groups(self.points, radius_at(THRESHOLD, self.encoder))

    def judge(self, label, bounds):
        """Return all verdicts."""
        found = judge(self.points, label, self.group, bounds.among(len(label)))
        return [*found.misfiled, *found.one_person, *found.two_people]

    def count(self, seed, bounds):
        """Return how many of everything there are with the swaps of a seed."""
        label = swap(self.person, seed)
        is_swap = label != self.person
        many = is_swap & (np.bincount(self.person)[self.person] >= MANY)
        among_many = many & (np.bincount(label)[label] >= MANY)
        found, counts = np.zeros(len(label), dtype=bool), Counter()
        for verdict in self.judge(label, bounds):
            faces = named(verdict)
            right = int(is_swap[faces].any())
            if right or not self.erratum[faces].any():
                kind = type(verdict).__name__
                counts.update({"reported": 1, "right": right, kind: 1, f"{kind} right": right})
                counts.update({"named": len(faces), "named right": is_swap[faces].sum()})
            else:
                counts["errata"] += 1
            found[faces] = True
        for what, chosen in (("swaps", is_swap), ("many", many), ("among many", among_many)):
            counts.update({what: chosen.sum(), f"{what} found": found[chosen].sum()})
        return counts


def scores(half, seeds, bounds):
    """Return the scores of some seeds as a text, and those of the worst seed."""
    each = [half.count(seed, bounds) for seed in range(seeds)]
    total = sum(each, Counter())
    recall, precision = (
        [c[a] / c[b] for c in each] for a, b in (("many found", "many"), ("right", "reported"))
    )
    untouched = Counter(type(verdict).__name__ for verdict in half.judge(half.person, bounds))
    return total, (
        f"found {total['many found'] / total['many']:.4f} (worst {min(recall):.3f})   "
        f"right {total['right'] / total['reported']:.4f} (worst {min(precision):.3f})   "
        f"of all swaps {total['swaps found'] / total['swaps']:.4f}   "
        f"of faces named {total['named right'] / total['named']:.4f}   nothing swapped: {dict(untouched)}"
    )


def sweep(half, seeds):
    """Print the scores by each bound, the others as they are."""
    best = BOUNDS[half.encoder]
    for name in ("same", "margin", "stray"):
        for by in (-2, -1, 0, 1, 2):
            value = (
                getattr(best, name)
                + by * {"same": 0.05, "margin": 0.025, "stray": 0.05}[name] * best.same / 1.1
            )
            print(f"{name} {value:.3f}: {scores(half, seeds, replace(best, **{name: value}))[1]}", flush=True)
    for name in ("move", "alike"):
        reach = getattr(best, name)
        for radius in reach.radius * np.array([0.92, 0.96, 1, 1.04, 1.08]):
            for caution in reach.caution * np.array([0, 0.5, 1, 1.5]):
                bounds = replace(best, **{name: Reach(float(radius), float(caution))})
                print(f"{name} {radius:.3f} {caution:.3f}: {scores(half, seeds, bounds)[1]}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="sface")
    parser.add_argument("--half", choices=("fit", "reporting"), default="reporting")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--sweep", action="store_true")
    chosen = parser.parse_args()
    fit = chosen.sweep or chosen.half == "fit"
    if chosen.table:
        table = face_table.read(chosen.table)
    else:
        folders = sorted((SHARED / "lfw_dev").iterdir())
        table = encode([f for f in folders if in_fit_half(f.name) == fit], chosen.encoder)
    half = Half(table, fit)
    n_many = np.count_nonzero(np.bincount(half.person) >= MANY)
    print(
        f"{machine()}\n{'fit' if fit else 'reporting'} half of lfw_dev, encoder {half.encoder}: {len(half.person)} "
        f"faces, {half.person.max() + 1} people, {n_many} of {MANY} photos or more"
    )
    if chosen.sweep:
        sweep(half, chosen.seeds)
        return
    total, text = scores(half, chosen.seeds, BOUNDS[half.encoder])
    print(text)
    for what in ("swaps", "many", "among many"):
        print(f"{what}: {total[f'{what} found']} of {total[what]} found")
    for kind in ("reported", "Misfiled", "OnePerson", "TwoPeople"):
        right = total["right" if kind == "reported" else f"{kind} right"]
        print(f"{kind}: {right} of {total[kind]} right")
    print(f"errata of LFW, told apart: {total['errata']}")


if __name__ == "__main__":
    main()
