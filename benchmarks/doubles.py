"""Measure what tells twins in photos from one person who is twice on pages: `identity.doubles`, `Rivals.compose`.

    python benchmarks/doubles.py TABLE [--half fit|reporting] [--draws 40]

TABLE is a face table of `lfw_dev`. Pages and photos are put together of its good faces, in new places, and
clustered. Twins are two people, of whom one is moved so that their means are as far apart as said (in parts of the
joining radius); their faces spread as they do. Prints

- how far the best cut between the faces of k photos parts one person, and twins (`doubles.parted`);
- of people on pages: how many are whole and alone, how many are cut in two, which share of the faces is with most of
  them;
- of twins: how often they are two, and which share of the pairs of a face of each is in one person.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
from labelled import in_fit_half, machine
from lfw import labelled_faces

from facecluster.formats import face_table
from facecluster.identity import doubles
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.gate import Reason, judge
from facecluster.identity.rules import Rules
from facecluster.table import Faces, FaceTable, Photos

PAGES = (
    {"people": 3, "prints": 2, "pages": 6},
    {"people": 6, "prints": 2, "pages": 6},
    {"people": 3, "prints": 2, "pages": 3},
    {"people": 2, "prints": 2, "pages": 3},
    {"people": 1, "prints": 2, "pages": 6},
    {"people": 3, "prints": 4, "pages": 3},
    {"people": 4, "prints": 2, "pages": 6, "varied": True},
    {"people": 3, "prints": 2, "pages": 1, "alone": 8},
    {"people": 3, "prints": 2, "pages": 3, "alone": 6},
    {"people": 3, "prints": 4, "pages": 1, "alone": 3},
    {"people": 5, "prints": 1, "pages": 8},
)
TWINS = ((8, 0), (8, 4), (4, 6), (2, 8))
"""Photos with both, and of each alone."""


@dataclass
class Library:
    """A face table, its rules, and the rows of good faces by person of one half."""

    table: FaceTable
    rules: Rules
    rows: dict[str, np.ndarray]

    def having(self, least):
        """Return those with so many faces."""
        return {name: rows for name, rows in self.rows.items() if len(rows) >= least}

    def of_photos(self, photos, moved=None):
        """Make a table of photos, each a list of (row, name), and the (n,) names; `moved` is added to who it names."""
        flat = [(row, name, number) for number, photo in enumerate(photos) for row, name in photo]
        rows, names = np.array([row for row, _, _ in flat]), np.array([name for _, name, _ in flat])
        place = np.concatenate([np.arange(len(photo)) for photo in photos])
        shift = np.stack([place % 4, place // 4], axis=1).astype(np.float32) * 290
        columns = {key: column[rows].copy() for key, column in vars(self.table.faces).items()}
        columns["photo"] = np.array([number for _, _, number in flat], dtype=np.int32)
        columns["id"] = np.array([f"{number:06d}" for number in range(len(rows))])
        columns["box"] += np.tile(shift, 2)
        columns["landmarks"] += shift[:, np.newaxis]
        for name, vector in (moved or {}).items():
            columns["encoding"][names == name] += vector
        first = np.zeros(len(photos), dtype=int)
        kept = Photos(**{key: column[first].copy() for key, column in vars(self.table.photos).items()})
        kept.digest[:] = [f"{number:032x}" for number in range(len(photos))]
        kept.hash[:] = np.random.default_rng(0).integers(1, 2**63, len(photos))
        kept = replace(kept, path=np.array([f"/{number:06d}.jpg" for number in range(len(photos))]))
        return FaceTable(kept, Faces(**columns), self.table.settings), names

    def twin(self, one, other, apart):
        """Return what moves one person so near to another."""
        x = self.table.faces.encoding
        between = x[self.rows[one]].mean(axis=0) - x[self.rows[other]].mean(axis=0)
        return (between * (1 - apart / np.linalg.norm(between))).astype(np.float32)


def cuts(library, rng, draws):
    """Print how far the best cut parts one person and twins, by photos with both and others."""
    x, radius = library.table.faces.encoding, library.rules.radii.join

    def parted(faces, k):
        half = doubles.cut(faces, np.arange(2 * k).reshape(2, k).T)
        return doubles.parted(doubles.Side.of(faces[half]), doubles.Side.of(faces[~half]))

    for k in (2, 3, 4, 6, 8, 12):
        for alone in (0, 4, 8, 16):
            one = [
                parted(x[rng.permutation(rows)[: 2 * k + alone]], k)
                for rows in library.having(2 * k + alone).values()
                for _ in range(8)
            ]
            if len(one) < draws:
                continue
            told = f"{k} photos with both, {alone} others: one person 50, 90, 95, 99 %"
            told += f" {np.percentile(one, [50, 90, 95, 99]).round(2)}"
            names = sorted(library.having(k + alone // 2))
            for apart in (0.4, 0.5, 0.6):
                two = []
                for _ in range(5 * draws):
                    a, b = rng.choice(names, 2, replace=False)
                    of_a, of_b = (rng.permutation(library.rows[name])[: k + alone // 2] for name in (a, b))
                    faces, twin = x[of_a], x[of_b] + library.twin(a, b, apart * radius)
                    two.append(parted(np.concatenate([faces[:k], twin[:k], faces[k:], twin[k:]]), k))
                told += f"; twins {apart} 5, 50 % {np.percentile(two, [5, 50]).round(2)}"
            print(told, flush=True)


def on_pages(library, rng, draws, *, people, prints, pages, alone=0, varied=False):
    """Print what becomes of people on pages."""
    whole, cut, placed, mixed = [], [], [], 0
    pool = library.having(prints * pages + alone)
    if len(pool) < people:
        return
    for _ in range(draws):
        names = rng.choice(sorted(pool), people, replace=False)
        left = {name: rng.permutation(pool[name]).tolist() for name in names}
        photos = [
            [
                (left[name].pop(), name)
                for name in names
                for _ in range(rng.integers(1, 2 * prints) if varied else prints)
                if left[name]
            ]
            for _ in range(pages)
        ]
        photos += [[(left[name].pop(), name)] for name in names for _ in range(alone) if left[name]]
        table, who = library.of_photos([photo for photo in photos if photo])
        label = cluster_faces(table, library.rules).label
        for name in names:
            own = label[who == name]
            sizes = np.unique(own[own >= 0], return_counts=True)[1]
            cut.append(len(sizes) > 1)
            placed.append(sizes.max(initial=0) / len(own))
            whole.append(placed[-1] == 1)
        for number in range(label.max(initial=-1) + 1):
            sizes = np.unique(who[label == number], return_counts=True)[1]
            mixed += sizes.sum() - sizes.max()
    number = f"1 to {2 * prints - 1}" if varied else prints
    print(
        f"{pages} pages with {number} prints of {people} people, {alone} photos of each: {np.mean(whole):.3f} whole, "
        f"{np.mean(cut):.3f} cut, {np.mean(placed):.3f} of the faces, {mixed} false",
        flush=True,
    )


def together(library, rng, draws, apart, k, alone, pairs):
    """Print how often twins are two."""
    two, false = [], []
    pool = library.having(k + alone)
    for _ in range(draws):
        names = rng.choice(sorted(pool), 2 * pairs + 2, replace=False)
        left = {name: rng.permutation(pool[name]).tolist() for name in names}
        twins, others = names[: 2 * pairs], names[2 * pairs :]
        photos = [
            [(left[name].pop(), name) for name in (*twins, *others[rng.random(2) < 0.7])] for _ in range(k)
        ]
        photos += [[(left[name].pop(), name)] for name in twins for _ in range(alone)]
        moved = {
            twins[i + 1]: library.twin(twins[i], twins[i + 1], apart * library.rules.radii.join)
            for i in range(0, 2 * pairs, 2)
        }
        table, who = library.of_photos(photos, moved)
        label = cluster_faces(table, library.rules).label
        for i in range(0, 2 * pairs, 2):
            one, other = label[who == twins[i]], label[who == twins[i + 1]]
            most = [np.bincount(own[own >= 0]).argmax() if (own >= 0).any() else -1 for own in (one, other)]
            two.append(most[0] != most[1])
            false.append(np.mean((one[:, np.newaxis] == other) & (one[:, np.newaxis] >= 0)))
    print(
        f"{pairs} pairs of twins at {apart}, {k} photos with all, {alone} of each: {np.mean(two):.2f} are two, "
        f"{np.mean(false):.3f} false",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("--half", choices=("fit", "reporting"), default="fit")
    parser.add_argument("--draws", type=int, default=40)
    chosen = parser.parse_args()
    table = face_table.read(chosen.table)
    rules = Rules.make(table.settings.encoder)
    rows, names = labelled_faces(table)
    wanted = np.array([in_fit_half(name) == (chosen.half == "fit") for name in names])
    wanted &= judge(table.faces, rules.limits)[rows] == Reason.PASSED
    rows, names = rows[wanted], names[wanted]
    library = Library(table, rules, {name: rows[names == name] for name in np.unique(names)})
    rng = np.random.default_rng(0)
    print(f"{machine()}, {chosen.half} half, {table.settings.encoder}")
    cuts(library, rng, chosen.draws)
    for kind in PAGES:
        on_pages(library, rng, chosen.draws, **kind)
    for pairs in (1, 2):
        for k, alone in TWINS:
            for apart in (0.4, 0.5, 0.6, 0.7):
                together(library, rng, chosen.draws, apart, k, alone, pairs)


if __name__ == "__main__":
    main()
