"""Time clustering on synthetic faces, and print the memory it takes at most (Linux).

    python benchmarks/scale.py [--table FILE] [--jobs 2] [--faces N] [--dlib] [--costs]

Bounds (issue 4): DBSCAN of 100,000 faces with a person of 20,000 photos among them at least 3 times faster than
scikit-learn's, under 1.5 GB, and the same partition of the dense faces; with --faces 1000000, all of clustering with
its defaults under 20 minutes and 4 GB on two cores, the table included. --faces also times an update with a
thousandth of the faces more. --dlib takes un-normalised encodings of dlib's scale. --costs prints the two prices in
`identity/neighbours.py`.

Half of the faces are strangers with one photo; the others belong to people whose number of photos has a power-law
tail, 2 to 2,000. Centres of people and differences within a person are normal, with the mean and the covariances of
the labelled faces of the fit half of `lfw_dev`: as the constants below sum them up, or with --table as measured in a
face table of these photos. It takes some thousand faces; from 600, the first axes come out too long.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from labelled import in_fit_half, machine

from facecluster.formats import face_table
from facecluster.identity import metrics
from facecluster.identity.cluster import cluster_faces, would_merge
from facecluster.identity.dbscan import dbscan
from facecluster.identity.neighbours import TILE, WAITING, _near
from facecluster.identity.points import Points
from facecluster.identity.prior import PriorAssignment
from facecluster.identity.rules import MIN_SAMPLES, Rules
from facecluster.table import MEASURED, OK, QUALITY, Faces, FaceTable, Photos, Settings

MEAN = 0.292
BETWEEN = (0.161, 0.120, 0.094, 0.074, 0.056, 0.041, 0.025, 0.007)
WITHIN = (0.072, 0.059, 0.051, 0.044, 0.037, 0.032, 0.026, 0.018)
"""sface on the fit half of `lfw_dev`, 3,137 faces of 1,443 people: length of the mean encoding; variance of people's
centres and of the faces of one person on its principal axes, in sums of 16. Printed with --table."""

DLIB_SCALE = 0.53
"""Strangers are 1.35 apart in sface's encodings and 0.72 in dlib's (FACTS.md: eps 0.92 and 0.38)."""


def statistics_of(table):
    """Return the mean (128,) and two factors (128, 128) that turn normal numbers into centres and into differences.

    Of the labelled faces of the fit half's people in a table of `lfw_dev`.
    """
    from lfw import labelled_faces

    rows, names = labelled_faces(table)
    fit = np.array([in_fit_half(name) for name in names])
    encoding, names = table.faces.encoding[rows[fit]].astype(np.float64), names[fit]
    person, first, number, count = np.unique(
        names, return_index=True, return_inverse=True, return_counts=True
    )
    centre = np.zeros((len(person), 128))
    np.add.at(centre, number, encoding)
    centre /= count[:, None]
    apart = (encoding - centre[number])[count[number] >= 2]
    within = apart.T @ apart / (count[count >= 2] - 1).sum()
    one = encoding[first]
    between = np.cov(one.T) - within
    for name, covariance in (("between", between), ("within", within)):
        sums = np.linalg.eigvalsh(covariance)[::-1].reshape(8, 16).sum(axis=1)
        print(f"variance {name} people, sums of 16 axes: {np.round(sums, 3).tolist()}")
    length = np.linalg.norm(one.mean(axis=0))
    print(f"{len(encoding)} faces of {len(person)} people, length of the mean {length:.3f}")
    return one.mean(axis=0), factor(between), factor(within)


def factor(covariance):
    """Return the square root of a covariance; what is negative in it by chance is 0."""
    value, axes = np.linalg.eigh(covariance)
    return np.sqrt(np.maximum(value, 0))[:, None] * axes.T


def documented():
    """Return what `statistics_of` does, from the constants, the axes of differences in random directions."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(128, 128)))[0]
    spread = [np.sqrt(np.repeat(sums, 16) / 16)[:, None] for sums in (BETWEEN, WITHIN)]
    return MEAN * turn[0], spread[0] * np.eye(128), spread[1] * turn


def make_people(n, largest, numbers):
    """Return n shuffled encodings (n, 128) float32 and their people (n,); one person has `largest` photos."""
    rng = np.random.default_rng(4)
    mean, between, within = numbers
    sizes = (
        (2 / rng.uniform(size=n)).clip(2, 2000).astype(int)
    )  # the share of people with more photos falls as 1/s
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), (n - largest) // 2)]
    sizes = np.r_[sizes, [largest] if largest else []].astype(int)
    person = np.r_[
        np.repeat(np.arange(len(sizes)), sizes), np.arange(len(sizes), len(sizes) + n - sizes.sum())
    ]
    rng.shuffle(person)
    centre = (mean + rng.normal(size=(person.max() + 1, 128)) @ between).astype(np.float32)
    encoding = np.empty((n, 128), dtype=np.float32)
    for start in range(0, n, 10_000):
        some = slice(start, start + 10_000)
        encoding[some] = centre[person[some]] + rng.normal(size=(len(person[some]), 128)) @ within
        encoding[some] /= np.linalg.norm(encoding[some], axis=1, keepdims=True)
    return encoding, person


def make_table(encoding, dlib):
    """Return a table of good faces, one a photo."""
    n = len(encoding)
    digest = np.char.mod("%032x", np.arange(n))
    photos = Photos(
        path=np.char.mod("/photos/%07d.jpg", np.arange(n)),
        digest=digest,
        coded=np.zeros(n, dtype="S32"),
        pixels=np.zeros(n, dtype="S32"),
        size=np.full((n, 2), 1000, dtype=np.int32),
        status=np.full(n, OK),
        reason=np.full(n, ""),
        time=np.full(n, np.nan),
        time_from=np.full(n, ""),
        zoned=np.zeros(n, dtype=np.uint8),
        hash=np.random.default_rng(5).integers(1, 2**63, n).astype(np.uint64),
        lost=np.zeros(n, dtype=np.uint8),
    )
    column = np.full(n, 0.9, dtype=np.float32)  # one array for all: they are only read
    box = np.tile(np.array([100, 100, 200, 200], dtype=np.float32), (n, 1))
    faces = Faces(
        photo=np.arange(n, dtype=np.int32),
        id=np.char.add(digest, "-0"),
        box=box,
        anchor=box,
        score=column,
        landmarks=np.full((n, 5, 2), 150, dtype=np.float32),
        pose=np.zeros((n, 3), dtype=np.float32),
        turned=np.zeros(n, dtype=np.float32),
        quality=column,
        **dict.fromkeys(MEASURED, column),
        encoding=encoding,
    )
    return FaceTable(photos, faces, Settings("yunet", "dlib" if dlib else "sface", {"quality": QUALITY}))


def group(method, n, largest, numbers, dlib, jobs):
    """Group n synthetic faces in a process of its own: labels, dense ones, people, seconds, and the peak in MB."""
    encoding, person = make_people(n, largest, numbers)
    if dlib:
        encoding *= DLIB_SCALE
        encoding += 0.1  # dlib's mean encoding is far from zero
    rules = Rules.make("dlib" if dlib else "sface")
    eps = rules.radii.eps
    table = make_table(encoding, dlib) if method.startswith("cluster") else None
    start, work = time.perf_counter(), time.process_time()
    if method == "cluster":
        found = cluster_faces(table, rules, jobs=jobs)
        label, dense = found.label, found.core
    elif method == "cluster, update":
        k = n - n // 1000
        found = cluster_faces(first(table, k), rules, jobs=jobs)
        earlier = PriorAssignment.nothing(n)
        earlier.is_new[:k] = False
        for name in ("person", "core", "confidence", "reason"):
            getattr(earlier, name)[:k] = found.label if name == "person" else getattr(found, name)
        start, work = time.perf_counter(), time.process_time()
        found = cluster_faces(table, rules, prior=replace(earlier, almost=found.almost), jobs=jobs)
        would_merge(table, found, rules, changed=earlier.is_new, jobs=jobs)
        label, dense = found.label, found.core
    elif method == "DBSCAN":
        label, dense = dbscan(Points.plain(encoding), eps, MIN_SAMPLES, jobs=jobs)
    else:
        from sklearn.cluster import DBSCAN

        found = DBSCAN(eps=eps, min_samples=MIN_SAMPLES, algorithm="brute", n_jobs=jobs).fit(encoding)
        label, dense = found.labels_, np.isin(np.arange(n), found.core_sample_indices_)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    # Not ru_maxrss, which a new process inherits from the one that started it.
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return label, dense, person, seconds, work, int(peak.split()[1]) * 1024 / 1e6


def first(table, k):
    """Return the first k faces of a table of one face a photo."""
    photos, faces = (
        {key: column[:k] for key, column in vars(rows).items()} for rows in (table.photos, table.faces)
    )
    return FaceTable(Photos(**photos), Faces(**faces), table.settings)


def run(method, *arguments):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        label, dense, person, seconds, work, peak = pool.apply(group, (method, *arguments))
    placed = label >= 0
    pairs, people = metrics.pairwise(person[placed], label[placed]), label.max() + 1
    print(
        f"{method:15} {len(label):9,} faces {seconds:7.1f} s ({work:.0f} s of processor time) {peak:6.0f} MB, "
        f"{len(label) * 512 / 1e6:.0f} of it encodings; {people:,} groups of {placed.sum():,} faces, "
        f"{dense.sum():,} dense or founding; pairs: precision {pairs.precision:.4f}, recall {pairs.recall:.4f}",
        flush=True,
    )
    return label, dense, seconds


def same_partition(one, other):
    """Say whether two labellings differ in the numbers only."""
    pairs = len(np.unique(np.stack([one, other]), axis=1).T)
    return pairs == len(np.unique(one)) == len(np.unique(other))


def print_costs():
    """Print nanoseconds a pair, by the axis in a product of tiles and by itself, on one thread."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    x = rng.normal(size=(100_000, 128)).astype(np.float32)
    with threadpool_limits(1):
        for k in (32, 64, 96, 128):
            a, b, product = x[: TILE[0], :k].copy(), x[-TILE[1] :, :k].copy(), np.empty(TILE, np.float32)
            times = []
            for _ in range(20):
                start = time.thread_time()
                np.matmul(a, b.T, out=product)
                times.append(time.thread_time() - start)
            print(f"{k:4} axes {np.median(times) / product.size * 1e9:.2f} ns a pair")
        none, times = np.full(len(x), -1, dtype=np.int32), []
        for first in range(0, 80_000, 4_000):
            i, j = rng.integers(first, first + TILE[0], WAITING), rng.integers(90_000, len(x), WAITING)
            start = time.thread_time()
            _near(i, j, x, np.zeros(len(x)), 1.0, none.__getitem__)
            times.append(time.thread_time() - start)
        print(f"by itself {np.median(times) / WAITING * 1e9:.0f} ns a pair")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--faces", type=int)
    parser.add_argument("--dlib", action="store_true")
    parser.add_argument("--costs", action="store_true")
    chosen = parser.parse_args()
    print(f"{machine()}, {chosen.jobs} threads", flush=True)
    if chosen.costs:
        print_costs()
        return
    numbers = statistics_of(face_table.read(chosen.table)) if chosen.table else documented()
    if chosen.faces:
        case = (chosen.faces, chosen.faces // 50, numbers, chosen.dlib, chosen.jobs)
        run("cluster", *case)
        run("cluster, update", *case)
        return
    case = (100_000, 20_000, numbers, chosen.dlib, chosen.jobs)
    label, dense, seconds = run("DBSCAN", *case)
    label2, dense2, seconds2 = run("scikit-learn", *case)
    same = np.array_equal(dense, dense2) and same_partition(label[dense], label2[dense])
    print(
        f"{seconds2 / seconds:.1f} times as fast; the same partition of the dense faces: {'yes' if same else 'NO'}"
    )


if __name__ == "__main__":
    main()
