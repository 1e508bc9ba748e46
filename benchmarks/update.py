"""Measure how long it takes to place one new face beside those of a large library.

    python benchmarks/update.py [faces] [people]

The library is made up: one face in seven is a stranger's, the others lie around the directions of their people. It is
measured without decisions, and with decisions that merged twenty people, two and two.
"""

import sys
import time
from dataclasses import replace

import numpy as np
from scale import make_table

from facecluster.identity.cluster import cluster_faces
from facecluster.identity.constraints import Constraints
from facecluster.identity.prior import PriorAssignment
from facecluster.identity.rules import Rules


def main(n_faces=100_000, n_people=5_000):
    """Print the seconds of four runs each, the first of which loads what is needed."""
    rng, n = np.random.default_rng(0), n_faces + 1
    centre = rng.normal(size=(n_people, 128))
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    person = rng.integers(0, n_people, n)
    encoding = centre[person] + rng.normal(size=(n, 128)) * (0.35 / np.sqrt(128))
    stray = rng.random(n) < 1 / 7
    stray[-1] = False
    encoding[stray] = rng.normal(size=(np.count_nonzero(stray), 128))
    encoding /= np.linalg.norm(encoding, axis=1, keepdims=True)
    table = make_table(encoding.astype(np.float32), False)
    label = np.where(stray, -1, person).astype(np.int32)
    label[-1] = -1
    known = PriorAssignment(
        is_new=np.arange(n) == n - 1,
        person=label,
        core=(label >= 0) & (rng.random(n) < 0.8),
        confidence=np.where(label >= 0, np.float32(70), np.float32(np.nan)),
        reason=np.where(label >= 0, 0, 9).astype(np.uint8),
        almost=(),
    )
    merged = (label >= 0) & (label < 20)
    together = np.where(merged, label // 2, -1).astype(np.int32)
    decided = replace(Constraints.none(n), together=together)
    one = np.where(merged, label // 2, np.where(label >= 20, label - 10, -1)).astype(np.int32)
    for decisions, earlier in ((None, known), (decided, replace(known, person=one))):
        seconds = []
        for _ in range(4):
            start = time.perf_counter()
            found = cluster_faces(table, Rules.make("sface"), decisions, prior=earlier)
            seconds.append(time.perf_counter() - start)
        print(found, "with decisions" if decisions else "", " ".join(f"{s:.2f} s" for s in seconds))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
