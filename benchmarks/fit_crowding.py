"""Make `facecluster/identity/crowding.npz`: how dense strangers are around a face, for both encoders.

    python benchmarks/fit_crowding.py --sface FILE --dlib FILE [--write]

FILE is a face table of all of `lfw_dev` by each encoder; the tables of `lag_dev` are beside it. Only the people of the
fit half count. Of LFW and of the adults of LAG one face of each is taken, or somebody with 500 photos would be a crowd;
of the young of LAG all, as these are few. They are cut into `GROUPS` by k-means; the faces of a group of fewer than
`PEOPLE` are given to the nearest others. What is kept of a group is its mean, its number of faces, and their mean
squared distance to the mean, in half precision. Fewer and larger groups did no worse: 32, 48, 64, 96, 160 and 256 were
tried.

Prints what the constants were chosen from: the fit half is cut into two again, of which each is measured against the
background of the other, by width and share. A true match is a pair of one person's within the distance at which 1 in
10,000 pairs of LFW's strangers are; "own" is the distance at which 2 in 10,000 pairs of strangers of that group are.
--write writes the file: the same tables make the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine
from lfw import labelled_faces
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

import facecluster.identity
from facecluster.formats import face_table

GROUPS, PEOPLE = 64, 8
CHOSEN = {"sface": (0.09, 0.8, 0.95), "dlib": (0.03, 0.8, 0.5)}
"""Width, share, and the part of LFW's faces whose places are not crowded."""

TRIED = {
    "sface": ((0.06, 0.09, 0.12), (0.5, 0.65, 0.8, 1.0), (0.5, 0.75, 0.95)),
    "dlib": ((0.02, 0.03, 0.04), (0.5, 0.65, 0.8, 1.0), (0.5, 0.75, 0.95)),
}


def faces_of(encoder, lfw):
    """Return encodings, names and groups ("lfw", "adult", "young") of the fit half's labelled faces."""
    found = []
    for file, folder in ((lfw, "lfw"), (SHARED / "lag_dev" / f"{encoder}.npz", "lag")):
        table = face_table.read(file)
        rows, names = labelled_faces(table)
        group = [
            "lfw" if folder == "lfw" else {"y": "young", "a": "adult"}[Path(path).name[0]]
            for path in table.photos.path[table.faces.photo[rows]]
        ]
        fit = np.array([in_fit_half(name) for name in names])
        found.append((table.faces.encoding[rows][fit], names[fit], np.array(group)[fit]))
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def first_of_each(names):
    """Return the first row of each name, in an order that has nothing to do with the alphabet."""
    first = np.unique(names, return_index=True)[1]
    return first[np.argsort([hashlib.sha256(name.encode()).digest() for name in names[first]])]


def background(x, names, group):
    """Cut faces into groups of several people -> means, numbers of faces, mean squared distances to the mean."""
    chosen = [np.flatnonzero(group == "young")]
    for one in ("lfw", "adult"):
        rows = np.flatnonzero(group == one)
        chosen.append(rows[first_of_each(names[rows])])
    rows = np.concatenate(chosen)
    x, names = x[rows].astype(np.float64), names[rows]
    with threadpool_limits(1):
        label = KMeans(GROUPS, n_init=1, random_state=0, max_iter=100).fit(x).labels_.copy()
    middle = np.array([x[label == k].mean(axis=0) for k in range(GROUPS)])
    while True:
        people = np.array([len(np.unique(names[label == k])) for k in range(GROUPS)])
        small = np.flatnonzero((people > 0) & (people < PEOPLE))
        if not len(small):
            break
        k = small[people[small].argmin()]
        others = np.flatnonzero((people > 0) & (np.arange(GROUPS) != k))
        rows = np.flatnonzero(label == k)
        apart = np.square(middle[others]).sum(axis=1) - 2 * x[rows] @ middle[others].T
        label[rows] = others[apart.argmin(axis=1)]
    kept = [x[label == k] for k in np.unique(label)]
    mean = np.array([part.mean(axis=0) for part in kept]).astype(np.float16)
    spread = [np.square(part - part.mean(axis=0)).sum(axis=1).mean() for part in kept]
    return mean, np.array([len(part) for part in kept], np.uint16), np.array(spread, np.float16)


def density(x, kept, width):
    """Return the logarithm of the density (n,), as `points.crowding` computes it."""
    mean, faces, spread = (column.astype(np.float64) for column in kept)
    squared = np.square(x).sum(axis=1)[:, None] + np.square(mean).sum(axis=1) - 2 * x @ mean.T
    logit = -(squared + spread) / width + np.log(faces / faces.sum())
    highest = logit.max(axis=1)
    return highest + np.log(np.exp(logit - highest[:, None]).sum(axis=1))


def halves(x, names, group):
    """Yield, for each half of the people, its background and the faces of the others by group."""
    fold = np.array([hashlib.sha256(name.encode()).digest()[0] % 2 for name in names])
    for one in (0, 1):
        mine, others = fold == one, fold != one
        sets = {
            g: (x[others & (group == g)], names[others & (group == g)]) for g in ("lfw", "adult", "young")
        }
        yield background(x[mine], names[mine], group[mine]), sets


def usual(x, names, group, width, part):
    """Return the density below which a part of LFW's faces are, each measured against people of the other half."""
    return float(
        np.mean(
            [
                np.quantile(density(sets["lfw"][0], kept, width), part)
                for kept, sets in halves(x, names, group)
            ]
        )
    )


def lengths(x):
    """Return the squared lengths between which encodings of faces are, with a tenth of their range to spare."""
    squared = np.square(x.astype(np.float64)).sum(axis=1)
    spare = max(0.1 * np.ptp(squared), 1e-3)
    return squared.min() - spare, squared.max() + spare


def sweep(encoder, x, names, group):
    """Print true and false matches by width and share."""
    prepared = []
    for kept, sets in halves(x, names, group):
        pairs = {}
        for g, (faces, who) in sets.items():
            i, j = np.triu_indices(len(faces), 1)
            squared = np.square(faces).sum(axis=1)
            apart = (squared[:, None] + squared - 2 * faces @ faces.T)[i, j]
            pairs[g] = apart, who[i] == who[j], i, j
        prepared.append((kept, sets, pairs))
    for width, share, part in [(1.0, 0.0, 0.5), *product(*TRIED[encoder])]:
        lines = []
        for kept, sets, pairs in prepared:
            level = {g: density(faces, kept, width) for g, (faces, _) in sets.items()}
            middle = np.quantile(level["lfw"], part)
            line, limit = [], 0.0
            for g, (apart, same, i, j) in pairs.items():
                extra = share * width * np.maximum(level[g] - middle, 0)
                far = apart + extra[i] + extra[j]
                if g == "lfw":
                    limit = np.quantile(far[~same], 1e-4)
                own = np.quantile(far[~same], 2e-4)
                line += [1e4 * np.mean(far[~same] <= limit), *(np.mean(far[same] <= r) for r in (limit, own))]
            lines.append([*line, np.sqrt(limit)])
        it = np.mean(lines, axis=0)
        print(
            f"{encoder} width {width:.2f} share {share:.2f} of {part:.2f}: "
            f"radius {it[9]:.3f}; true matches of LFW {it[1]:.3f}; "
            f"adults {it[4]:.3f} (false {it[3]:.1f}e-4; own {it[5]:.3f}); "
            f"young {it[7]:.3f} (false {it[6]:.1f}e-4; own {it[8]:.3f})",
            flush=True,
        )


def write(file, arrays):
    """Write an .npz whose bytes depend on the arrays only."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sface", type=Path, required=True)
    parser.add_argument("--dlib", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    print(machine(), flush=True)
    arrays = {}
    for encoder, lfw in (("sface", chosen.sface), ("dlib", chosen.dlib)):
        x, names, group = faces_of(encoder, lfw)
        width, share, part = CHOSEN[encoder]
        mean, faces, spread = background(x, names, group)
        print(f"{encoder}: {faces.sum()} faces in {len(mean)} groups of {faces.min()} to {faces.max()} faces")
        arrays |= {
            f"{encoder}_mean": mean,
            f"{encoder}_faces": faces,
            f"{encoder}_spread": spread,
            f"{encoder}_constants": np.array(
                [width, share, usual(x, names, group, width, part), *lengths(x)]
            ),
        }
        if chosen.write:
            continue
        sweep(encoder, x, names, group)
    if chosen.write:
        target = Path(facecluster.identity.__file__).with_name("crowding.npz")
        write(target, arrays)
        print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
