"""Measure encode and cluster, photos in, people out, on one half of the people of `lfw_dev`.

    python benchmarks/lfw.py [--encoder dlib] [--half fit|reporting] [--table FILE] [--sweep] [--strangers 100000]

Labels are the folders' names; the labelled face of a photo is the one nearest to its middle. Prints the scores with all
defaults and with --no-gate --min-images 1, where a face without a person counts as a person of its own. --table takes
the faces from a table of all of `lfw_dev` instead of encoding one half.

--sweep prints what `identity.rules.DEFAULTS` was chosen from (fit half). --strangers takes all people of `lfw_dev`,
alone and among so many synthetic strangers of one photo each: normal, with the mean and the covariances between and
within people of the fit half; they are scored as people, too.

Bounds (issue 4), reporting half. Everyone: sface pairwise F 0.985, BCubed 0.975; dlib 0.955, 0.92. Defaults (sface):
purity 0.99, 0.92 of the faces of people with three photos or more placed, at most 1 in 500 of the others. Among
100,000 strangers no score is lower by more than 0.01.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine

from facecluster.formats import face_table
from facecluster.identity import metrics
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.gate import Limits
from facecluster.identity.rules import DEFAULTS, Rules
from facecluster.table import Faces, FaceTable, Photos


def labelled_faces(table):
    """Return the rows of the labelled faces, and their people."""
    middle = table.photos.size[table.faces.photo] / 2
    box = table.faces.box
    distance = np.abs((box[:, :2] + box[:, 2:]) / 2 - middle).sum(axis=1)
    order = np.lexsort((distance, table.faces.photo))
    rows = order[np.diff(table.faces.photo[order], prepend=-1) > 0]
    return rows, np.array([Path(path).parent.name for path in table.photos.path[table.faces.photo[rows]]])


def report(label, people):
    """Print the scores of a clustering of labelled faces."""
    pairs, bcubed = metrics.pairwise(people, label), metrics.bcubed(people, label)
    placed = label >= 0
    many = Counter(people.tolist())
    founded = np.array([many[name] >= 3 for name in people])
    members = defaultdict(Counter)
    for person, name in zip(label[placed].tolist(), people[placed].tolist(), strict=True):
        members[person][name] += 1
    pure = sum(max(names.values()) for names in members.values()) / max(1, placed.sum())
    print(
        f"pairwise P {pairs.precision:.4f} R {pairs.recall:.4f} F {pairs.f:.4f}   BCubed F {bcubed.f:.4f}   "
        f"{len(members)} people, {sum(len(names) > 1 for names in members.values())} of more than one name, "
        f"purity {pure:.4f}   placed: {placed[founded].mean():.4f} of faces of people with 3 photos or more, "
        f"{placed[~founded].sum()} of {(~founded).sum()} others",
        flush=True,
    )


def half_of(table, fit):
    """Return the photos of the fit half's people, or of the others."""
    keep = np.array([in_fit_half(Path(path).parent.name) == fit for path in table.photos.path])
    of_face = keep[table.faces.photo]
    photos = {key: column[keep] for key, column in vars(table.photos).items()}
    faces = {key: column[of_face] for key, column in vars(table.faces).items()}
    faces["photo"] = (np.cumsum(keep) - 1)[faces["photo"]].astype(np.int32)
    return FaceTable(Photos(**photos), Faces(**faces), table.settings)


def encode(folders, encoder):
    """Run encode on folders, and read its table."""
    with tempfile.TemporaryDirectory() as scratch:
        table_file, names = Path(scratch, "faces.npz"), "\0".join(map(str, folders))
        start = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "facecluster",
            "encode",
            "-",
            "-0",
            "-o",
            table_file,
            "--encoder",
            encoder,
        ]
        subprocess.run(command, check=True, input=names.encode())
        print(f"encode {time.perf_counter() - start:.0f} s", flush=True)
        return face_table.read(table_file)


def add_strangers(table, n):
    """Return the table with n more photos of one good face each."""
    from scale import statistics_of

    mean, between, within = statistics_of(table)
    rng = np.random.default_rng(1)
    encoding = (mean + rng.normal(size=(n, 128)) @ between + rng.normal(size=(n, 128)) @ within).astype(
        np.float32
    )
    if table.settings.encoder == "sface":
        encoding /= np.linalg.norm(encoding, axis=1, keepdims=True)
    like = rng.integers(len(table.faces), size=n)  # box, pose and quality are those of faces of the table
    photo_like = table.faces.photo[like]
    photos = {key: np.concatenate([column, column[photo_like]]) for key, column in vars(table.photos).items()}
    faces = {key: np.concatenate([column, column[like]]) for key, column in vars(table.faces).items()}
    m, names = len(table.photos), np.char.mod("%032x", np.arange(n))
    photos["path"] = np.concatenate(
        [table.photos.path, np.char.add("/strangers/", np.char.add(names, "/1.jpg"))]
    )
    photos["digest"] = np.concatenate([table.photos.digest, names])
    photos["hash"][m:] = rng.integers(1, 2**63, n)
    faces["photo"][len(table.faces) :] = m + np.arange(n)
    faces["id"] = np.concatenate([table.faces.id, np.char.add(names, "-0")])
    faces["encoding"][len(table.faces) :] = encoding
    return FaceTable(Photos(**photos), Faces(**faces), table.settings)


def measure(table, jobs=-1):
    """Cluster with all defaults, and everyone, and print the scores."""
    rows, people = labelled_faces(table)
    for gate, min_images in ((True, 3), (False, 1)):
        rules = Rules.make(table.settings.encoder, gate=gate, limits=Limits(min_images=min_images))
        start = time.perf_counter()
        label = cluster_faces(table, rules, jobs=jobs).label[rows]
        what = "defaults" if gate else "everyone"
        print(f"{what}, {len(table.faces):,} faces, {time.perf_counter() - start:.0f} s: ", end="")
        known = np.char.find(table.photos.path[table.faces.photo[rows]], "/strangers/") < 0
        report(label[known], people[known])
        if not known.all():
            people_of = np.where(known, people, table.photos.digest[table.faces.photo[rows]])
            print("   strangers scored, too: ", end="")
            report(label, people_of)


def sweep(table):
    """Print the scores of the fit half by radius and caution."""
    table = half_of(table, fit=True)
    rows, people = labelled_faces(table)
    encoder = table.settings.encoder
    best = DEFAULTS[encoder]
    for join in best.join + np.array([-0.02, 0, 0.02]) * best.join:
        for caution in best.caution * np.array([0, 0.5, 1, 1.5, 2]):
            radii = replace(best, join=float(join), caution=float(caution))
            for gate, min_images in ((True, 3), (False, 1)):
                rules = Rules(radii, Limits(min_images=min_images), gate)
                print(f"join {join:.3f} caution {caution:.3f} {'defaults' if gate else 'everyone'}: ", end="")
                report(cluster_faces(table, rules).label[rows], people)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="sface")
    parser.add_argument("--half", choices=("fit", "reporting"), default="reporting")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--strangers", type=int, default=0)
    chosen = parser.parse_args()
    fit = chosen.sweep or chosen.half == "fit"
    print(machine(), flush=True)
    if chosen.table:
        table = face_table.read(chosen.table)
    else:
        folders = sorted((SHARED / "lfw_dev").iterdir())
        wanted = [f for f in folders if chosen.strangers or in_fit_half(f.name) == fit]
        table = encode(wanted, chosen.encoder)
    if chosen.sweep:
        sweep(table)
    elif chosen.strangers:
        print(f"all of lfw_dev, encoder {table.settings.encoder}")
        measure(table)
        measure(add_strangers(table, chosen.strangers))
    else:
        print(f"{'fit' if fit else 'reporting'} half of lfw_dev, encoder {table.settings.encoder}")
        measure(half_of(table, fit))


if __name__ == "__main__":
    main()
