"""Fit the model of hidden faces, facecluster/vision/occlusion.npz, and report how well it does.

    python benchmarks/occlusion.py fit|report

Fits on the first photo of each person of the fit half of `lfw_dev`, as it is and with objects of ten kinds drawn on it
(a third of all pictures damaged a little too), and reports on the other half. What is under the drawn object is
hidden. LFW has hats, sunglasses, microphones and hands of its own: photos that a first fit calls hidden most are not
learned from as unhidden. `report` also fits without each kind of object and tries it on that kind.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from damage import LADDERS, damaged
from labelled import SHARED, central, in_fit_half, labels, largest, overlap

from facecluster.photos.decode import decode
from facecluster.vision import detect, mesh, occlusion, pose

TARGET = Path(__file__).parents[1] / "facecluster" / "vision" / "occlusion.npz"

KINDS = ("bar", "patch", "noise", "hand", "sunglasses", "mask", "scarf", "hat", "hair", "microphone")
N_HIDDEN = 3  # pictures with an object per person
N_UNITS = 12  # of the hidden layer
CLEAN_PASS = 0.84  # share of frontal faces as they are to pass the passport limits; see `floors`
PASSPORT = np.array([0.02, 0, 0, 0, 0.4, 0.1])  # largest shares, in the order of `occlusion.REGIONS`

# Outlines of MediaPipe's canonical mesh.
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
        150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
EYES = ((263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
        (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246))  # fmt: skip
BROWS = ((276, 283, 282, 295, 285, 336, 296, 334, 293, 300), (46, 53, 52, 65, 55, 107, 66, 105, 63, 70))
NOSE = (168, 129, 98, 2, 327, 358)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)


# The frame.


def flat_face():
    """Return the (468, 2) place of each vertex of the mesh in the frame, in cells; the oval fills it."""
    face = pose.canonical_face()[:, :2] * [1, -1]
    low, high = face[list(OVAL)].min(axis=0), face[list(OVAL)].max(axis=0)
    return (face - low) / (high - low) * (occlusion.CELLS - 1) + 0.5


def triangles(face):
    """Return vertices and weights as in `occlusion.Model`; a cell outside the mesh takes the nearest one inside."""
    from scipy.spatial import Delaunay

    rows, cols = np.mgrid[: occlusion.CELLS, : occlusion.CELLS] + 0.5
    centres = np.column_stack([cols.ravel(), rows.ravel()])
    mesh2d = Delaunay(face)
    inside = mesh2d.find_simplex(centres) >= 0
    distance = np.square(centres[:, None] - centres[None, inside]).sum(axis=2)
    centres = centres[inside][distance.argmin(axis=1)]
    simplex = mesh2d.find_simplex(centres)
    transform = mesh2d.transform[simplex]
    first = np.einsum("nij,nj->ni", transform[:, :2], centres - transform[:, 2])
    return mesh2d.simplices[simplex], np.column_stack([first, 1 - first.sum(axis=1)]).astype(np.float32)


def regions(face, fine=8):
    """Return the (6, 1024) share of each cell in each region, each row with sum 1."""

    def drawn(outlines, wider_by=0.0):
        side = occlusion.CELLS * fine
        picture = np.zeros((side, side), np.uint8)
        for outline in outlines:
            cv2.fillPoly(picture, [np.rint(face[list(outline)] * fine).astype(np.int32)], 1)
        width = 2 * round(abs(wider_by) * fine) + 1
        change = cv2.dilate if wider_by > 0 else cv2.erode
        return change(picture, np.ones((width, width), np.uint8))

    whole = drawn([OVAL], -0.7)  # the outermost cells often show what is behind the face
    depth = cv2.distanceTransform(whole, cv2.DIST_L2, 5) / fine
    line = whole * (depth <= occlusion.CELLS / 8)
    pictures = (whole, drawn(EYES, 0.7), drawn(BROWS, 0.3), drawn([NOSE]), drawn([LIPS], 0.3), line)
    shape = (occlusion.CELLS, fine, occlusion.CELLS, fine)
    shares = np.stack([p.reshape(shape).mean(axis=(1, 3)).ravel() for p in pictures]).astype(np.float32)
    return shares / shares.sum(axis=1, keepdims=True)


# Objects in front of faces.


class Canvas:
    """A mask as large as a photo, on which shapes are drawn in units of the face: 64 to its width and height."""

    def __init__(self, pixels, points, face, rng):
        self.shape = pixels.shape[:2]
        self.mask = np.zeros(self.shape, np.uint8)
        source = np.column_stack([face * (64 / occlusion.CELLS), np.ones(len(face))])
        self.place = np.linalg.lstsq(source, points[:, :2], rcond=None)[0]
        self.unit = np.sqrt(abs(np.linalg.det(self.place[:2])))  # pixels
        self.rng = rng

    def polygon(self, corners):
        """Fill a polygon: corners (k, 2) in units of the face."""
        where = np.column_stack([corners, np.ones(len(corners))]) @ self.place
        cv2.fillPoly(self.mask, [np.rint(where * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)

    def turned(self, corners, centre, angle):
        """Fill a polygon given about its centre, turned by an angle in radians."""
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        self.polygon(np.asarray(corners, float) @ turn + centre)

    def rectangle(self, centre, a, b, angle=0.0):
        """Fill a rectangle of half width a and half height b."""
        self.turned([(-a, -b), (a, -b), (a, b), (-a, b)], centre, angle)

    def ellipse(self, centre, a, b, angle=0.0, power=2.0):
        """Fill an ellipse, or with a higher power a rounded rectangle."""
        t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        x, y = (np.sign(f) * np.abs(f) ** (2 / power) for f in (np.cos(t), np.sin(t)))
        self.turned(np.column_stack([a * x, b * y]), centre, angle)

    def grain(self, size, channels=1):
        """Return (h, w, channels) random numbers that are smooth over `size` units of the face."""
        rows, cols = (max(round(side / max(size * self.unit, 1)), 2) for side in self.shape)
        noise = self.rng.standard_normal((rows, cols, channels), np.float32)
        return cv2.resize(noise, self.shape[::-1], interpolation=cv2.INTER_CUBIC).reshape(
            *self.shape, channels
        )

    def texture(self, pictures):
        """Return a random part of a random picture as (h, w, 3)."""
        picture = pictures[self.rng.integers(len(pictures))]
        side = self.rng.integers(32, min(picture.shape[:2]) + 1)
        top, left = (self.rng.integers(length - side + 1) for length in picture.shape[:2])
        part = picture[top : top + side, left : left + side]
        return cv2.resize(part, self.shape[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32)


def hand(canvas, skin):
    """Draw some fingers side by side and often a palm; return their colours (h, w, 3): skin, darker between them."""
    rng, shade = canvas.rng, np.ones(canvas.shape, np.float32)
    centre, angle, n = rng.uniform((8, 6), (56, 60)), rng.uniform(0, 2 * np.pi), int(rng.integers(1, 5))
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    width, length = rng.uniform(2.8, 4.2), rng.uniform(12, 26)
    t = np.linspace(-np.pi / 2, np.pi / 2, 12)[:, np.newaxis]
    before = canvas.mask.copy()
    for finger in range(n):
        base = centre + across * (finger - (n - 1) / 2) * width * 2.1
        tip = base + along * length * rng.uniform(0.8, 1.1)
        round_tip = tip + (np.cos(t) * along + np.sin(t) * across) * width
        canvas.mask[:] = 0
        canvas.polygon(np.vstack([base - across * width, round_tip, base + across * width]))
        depth = cv2.distanceTransform((canvas.mask > 127).astype(np.uint8), cv2.DIST_L2, 5)
        rounded = 0.75 + 0.25 * np.clip(depth * 1.5 / (width * canvas.unit), 0, 1)
        shade = np.where(canvas.mask > 127, rounded, shade)
        before = np.maximum(before, canvas.mask)
    canvas.mask[:] = before
    if rng.random() < 0.7:
        canvas.ellipse(centre - along * width * 0.9 * n, n * width * 1.2 + 3, n * width * 1.05 + 1, -angle)
    colour = skin * rng.uniform(0.75, 1.2) + rng.normal(size=3) * 6
    return colour * shade[:, :, np.newaxis] * (1 + 0.06 * canvas.grain(12)) + canvas.grain(0) * 3


def occluded(kind, pixels, points, face, pictures, rng):
    """Draw one random object of a kind on a photo.

    Returns:
        The photo (h, w, 3) uint8, and the mask (h, w) uint8 0..255 of what is hidden.
    """
    canvas = Canvas(pixels, points, face, rng)
    grain, colour = canvas.grain, rng.uniform(0, 255, 3)
    if rng.random() < 0.3:
        colour[:] = 255 * (rng.random() < 0.33)
    opaque = 1.0
    if kind in ("patch", "noise"):
        draw = canvas.ellipse if rng.random() < 0.5 else canvas.rectangle
        draw(rng.uniform((8, 6), (56, 60)), *rng.uniform(6, 22, 2), rng.uniform(0, np.pi))
    if kind == "patch":
        paint = canvas.texture(pictures)
    elif kind == "noise":
        paint = colour + grain(rng.uniform(0, 2), rng.choice([1, 3])) * rng.uniform(15, 70)
    elif kind == "bar":
        where = rng.random()
        if where < 0.25:
            canvas.rectangle((32, 22), rng.uniform(26, 40), rng.uniform(3, 8), rng.normal() * 0.05)
        elif where < 0.4:
            canvas.rectangle((32, 47), rng.uniform(14, 34), rng.uniform(4, 9), rng.normal() * 0.05)
        else:
            place, size = rng.uniform((8, 6), (56, 60)), rng.uniform((6, 3), (30, 14))
            canvas.rectangle(place, *size, rng.uniform(0, np.pi))
        paint = colour
    elif kind == "hand":
        middle = np.zeros(canvas.shape, np.uint8)
        cv2.fillPoly(middle, [np.rint(points[list(OVAL), :2]).astype(np.int32)], 1)
        paint = hand(canvas, np.median(pixels[middle > 0], axis=0))
    elif kind == "sunglasses":
        a, b, down, power = rng.uniform((6, 4, -1, 2), (9.5, 7, 2, 5))
        for x in (17, 47):
            canvas.ellipse((x, 21 + down), a, b, power=power)
        for x, length in ((32, 8), (5, 6), (59, 6)):
            canvas.rectangle((x, 19 + down), length, 0.8)
        paint = rng.uniform(5, 90) * rng.uniform(0.7, 1.3, 3) + grain(8) * rng.uniform(0, 25)
        opaque = rng.uniform(0.85, 1)
    elif kind == "mask":
        top, ends = rng.uniform(27, 38), rng.uniform(-2, 6, 2)
        upper = [(-1, top + ends[0]), (18, top + 3), (32, top - 2), (46, top + 3), (65, top + ends[1])]
        canvas.polygon([*upper, (64, 48), (52, 62), (42, 68), (22, 68), (12, 62), (0, 48)])
        usual = ((235, 238, 240), (150, 190, 215), (120, 170, 200), (25, 25, 28), (90, 140, 120))
        base = np.array(usual[rng.integers(5)]) * rng.uniform(0.7, 1.05) if rng.random() < 0.7 else colour
        rows = np.arange(canvas.shape[0])[:, np.newaxis, np.newaxis] / canvas.unit
        paint = base * (1 + 0.05 * np.sin(rows * rng.uniform(0.5, 1.5)) + 0.06 * grain(10))
    elif kind == "scarf":
        top, tilt = rng.uniform(32, 50), rng.normal() * 3
        upper = [(-6, top - tilt - 3), (16, top - tilt), (32, top), (48, top + tilt), (70, top + tilt - 3)]
        canvas.polygon([*upper, (70, 75), (-6, 75)])
        paint = canvas.texture(pictures) if rng.random() < 0.7 else colour * (1 + 0.1 * grain(4))
    elif kind == "hat":
        low, tilt, bow = rng.uniform(7, 24), rng.normal() * 4, rng.uniform(-3, 4)
        right = [(74, low + tilt), (48, low + tilt / 2 + bow), (32, low + bow * 1.3)]
        canvas.polygon([(-12, -25), (76, -25), *right, (16, low - tilt / 2 + bow), (-10, low - tilt)])
        cloth = canvas.texture(pictures) if rng.random() < 0.5 else colour * (1 + 0.08 * grain(5))
        paint = cloth * rng.uniform(0.3, 1)
    elif kind == "hair":
        beside = rng.random() < 0.5
        middle = rng.choice([1, -1]) * rng.uniform(18, 32) + 32 if beside else rng.uniform(10, 50)
        spread, length = rng.uniform((6, 25), (16, 60)) if beside else rng.uniform((8, 14), (34, 34))
        for _ in range(int(spread * 3)):
            x, end = (
                middle + rng.uniform(-spread, spread) / (1.6 if beside else 1),
                length * rng.uniform(0.6, 1.1),
            )
            curl, thick = rng.normal() * 4, rng.uniform(0.5, 1.4)
            left, right = (x + curl * 0.4 - thick, end / 2), (x + curl * 0.4 + thick, end / 2)
            canvas.polygon([(x - thick, -12), (x + thick, -12), right, (x + curl, end), left])
        usual = ((25, 20, 18), (60, 42, 30), (105, 75, 45), (165, 130, 85), (110, 108, 105), (90, 45, 25))
        strands = rng.standard_normal((canvas.shape[0] // 20 + 2, canvas.shape[1])).astype(np.float32)
        streaks = cv2.resize(strands, canvas.shape[::-1])[:, :, np.newaxis]
        paint = np.array(usual[rng.integers(6)]) * rng.uniform(0.7, 1.2) * (1 + 0.25 * streaks)
    else:  # a microphone on its stick
        x, y, size, lean = rng.uniform((18, 44, 5, -20), (46, 62, 11, 20))
        canvas.ellipse((x, y), size, size * rng.uniform(0.8, 1.4))
        ends = [(x + lean + size * 0.4, 85), (x + lean - size * 0.4, 85)]
        canvas.polygon([(x - size * 0.4, y), (x + size * 0.4, y), *ends])
        paint = rng.uniform(10, 70) + grain(1.2, 3).mean(axis=2, keepdims=True) * 20
    mask = canvas.mask.astype(np.float32) / 255
    if rng.random() < 0.5:
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.2))
    paint = np.clip(np.broadcast_to(paint, pixels.shape), 0, 255).astype(np.float32)
    if kind != "noise":
        paint = cv2.GaussianBlur(paint, (0, 0), 0.6)
    over = opaque * mask[:, :, np.newaxis]
    return np.rint(pixels * (1 - over) + paint * over).astype(np.uint8), np.rint(mask * 255).astype(np.uint8)


def textures():
    """Return the photos without faces, at most 400 pixels wide and high."""
    found = []
    for path in sorted((SHARED / "nonface").glob("*/*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            pixels = decode(path).pixels
            scale = min(400 / max(pixels.shape[:2]), 1)
            if scale * min(pixels.shape[:2]) >= 64:
                found.append(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return found


# Samples: n pictures of faces, laid onto the frame.


@dataclass
class Samples:
    """n pictures; each attribute has n rows.

    Attributes:
        layers: (n, 32, 32, 4) float16.
        outside: (n, 1024) whether a cell is outside the photo.
        presence: (n,).
        label: (n, 1024) 0..1 share of each cell under the object, by the mesh of the picture with the object.
        share: (n, 6) share of each region under the object, by the mesh of the picture without it.
        kind: (n,) one of `KINDS`, or "none".
        person: (n,) number of the person.
        frontal: (n,) whether the head as it is fulfils the passport limits on the pose.
    """

    layers: np.ndarray
    outside: np.ndarray
    presence: np.ndarray
    label: np.ndarray
    share: np.ndarray
    kind: np.ndarray
    person: np.ndarray
    frontal: np.ndarray

    def rows(self, chosen):
        """Return some of the pictures."""
        return Samples(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def inputs(self, row, model):
        """Return the (1024, 33) features of one picture."""
        described = self.layers[row].astype(np.float32)
        return occlusion.features(described, self.outside[row], self.presence[row], model.mean, model.spread)

    def shares(self, model):
        """Return the (n, 6) measured shares before the floor."""
        rows = range(len(self.kind))
        maps = [occlusion.hidden(self.inputs(row, model), self.outside[row], model) for row in rows]
        return np.array(maps) @ model.regions.T


def is_frontal(points):
    pitch, yaw, roll = np.abs(pose.head_pose(points[np.newaxis])[0])
    return pitch <= 15 and yaw <= 10 and roll <= 10


def only_face(pixels, near=None):
    """Return box and landmarks, one row each, of the middle face, or of the one on a known face; None where none is."""
    found = detect.find_faces(pixels)
    if not len(found):
        return near
    if near is None:
        face = found.rows(central(found.box, pixels))
        return face.box, face.landmarks
    shared = overlap(near[0], found.box)[0]
    if shared.max() < 0.3:
        return near
    face = found.rows(shared.argmax()[np.newaxis])
    return face.box, face.landmarks


def gather(half, kinds_per_person=N_HIDDEN, harm=1 / 3, seed=0):
    """Make the samples of one half of the people: True is the fit half.

    Args:
        half: True for the fit half, False for the reporting half.
        kinds_per_person: how many pictures with an object.
        harm: share of the pictures that are damaged mildly too, or turned to grey.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    face = flat_face()
    vertices, weights = triangles(face)
    regions_of = regions(face)
    pictures = textures()[half::2]
    people = [folder for folder in sorted((SHARED / "lfw_dev").iterdir()) if in_fit_half(folder.name) == half]
    rows = []
    for person, folder in enumerate(people):
        pixels = decode(min(folder.iterdir())).pixels
        known = only_face(pixels)
        if known is None:
            continue
        points = mesh.fit_meshes(pixels, *known).points[0]
        if np.isnan(points).any():
            continue
        frontal = is_frontal(points)
        for kind in ("none", *rng.choice(KINDS, kinds_per_person, replace=False)):
            picture, mask = pixels, np.zeros(pixels.shape[:2], np.uint8)
            if kind != "none":
                picture, mask = occluded(kind, pixels, points, face, pictures, rng)
            if rng.random() < harm:
                picture = harmed(picture, known[0][0], rng)
            fitted = mesh.fit_meshes(picture, *only_face(picture, known))
            if np.isnan(fitted.points).any():
                continue
            frame, outside = occlusion.unroll(picture, fitted.points[0], vertices, weights)
            rows.append(
                (
                    occlusion.layers(frame).astype(np.float16),
                    outside,
                    fitted.presence[0],
                    under(mask, fitted.points[0], vertices, weights),
                    regions_of @ under(mask, points, vertices, weights),
                    kind,
                    person,
                    frontal,
                )
            )
    return Samples(*(np.array(column) for column in zip(*rows, strict=True)))


def under(mask, points, vertices, weights):
    """Return the (1024,) share of each cell that a mask covers."""
    frame, outside = occlusion.unroll(cv2.merge([mask] * 3), points, vertices, weights)
    cells = cv2.resize(frame[:, :, 0], (occlusion.CELLS,) * 2, interpolation=cv2.INTER_AREA)
    return np.where(outside, 1, cells.ravel() / 255).astype(np.float32)


def harmed(pixels, box, rng):
    kind = rng.choice(["grey", *(kind for kind in LADDERS if kind != "occlusion")])
    if kind == "grey":
        return cv2.merge([cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)] * 3)
    return damaged(pixels, box, kind, rng.uniform(0.2, 2.5), seed=int(rng.integers(1 << 30)))


# The fit.


def fit(samples, rounds=2):
    """Fit the model: statistics of unhidden faces, the perceptron, and the floors.

    After each round the unhidden pictures that seem hidden most, and those with objects of the same people, are
    set aside: they have hats, sunglasses or hair over the forehead.
    """
    face = flat_face()
    kept = np.ones(len(samples.kind), bool)
    for _ in range(rounds):
        model = learn(samples.rows(kept), face)
        clean = samples.kind == "none"
        shares = samples.rows(clean).shares(model)
        odd = (shares > np.quantile(shares, 0.97, axis=0)).any(axis=1)
        kept = ~np.isin(samples.person, samples.person[clean][odd])
    return floors(model, shares[samples.frontal[clean]])


def learn(samples, face, n_cells=400_000):
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    regions_of = regions(face)
    unhidden = samples.layers[samples.kind == "none"].astype(np.float32)
    mean = np.median(unhidden, axis=0)
    spread = 1.4826 * np.median(np.abs(unhidden - mean), axis=0) + 0.02
    nothing = np.zeros(0, np.float32)
    vertices, weights = triangles(face)
    model = occlusion.Model(vertices, weights, regions_of, mean, spread, *[nothing] * 5)
    # Cells of the whole face and, as often, of the small regions in it.
    chance = regions_of[0] + regions_of[1:5].mean(axis=0)
    each = -(-n_cells // len(samples.kind))
    inputs, hidden = [], []
    for row in range(len(samples.kind)):
        cells = rng.choice(len(chance), each, p=chance / chance.sum())
        inputs.append(samples.inputs(row, model)[cells])
        hidden.append(samples.label[row, cells] > 0.5)
    inputs, hidden = np.concatenate(inputs), np.concatenate(hidden)
    middle, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-3
    network = MLPClassifier(
        (N_UNITS,), batch_size=1000, learning_rate_init=3e-3, alpha=1e-3, max_iter=25, tol=0, random_state=0
    )
    with np.errstate(all="ignore"):
        network.fit((inputs - middle) / scale, hidden)
    into, out = network.coefs_
    into = into / scale[:, np.newaxis]
    bias = network.intercepts_[0] - middle @ into
    perceptron = (into, bias, out[:, 0], network.intercepts_[1], np.zeros(len(regions_of)))
    return occlusion.Model(
        vertices, weights, regions_of, mean, spread, *(array.astype(np.float32) for array in perceptron)
    )


def floors(model, shares):
    """Set every region's floor at the same quantile of frontal faces as they are: the lowest with which enough pass.

    Six to eight in a hundred of them do have a cap, a fringe, dark glasses or a hand over a part (37 of 668 on the
    reporting half, counted on a contact sheet of those that failed), so that 0.84 of all are 0.91 of the unhidden.
    """
    for quantile in np.arange(0.85, 1, 0.0025):
        floor = np.quantile(shares, quantile, axis=0).astype(np.float32)
        if passing(occlusion.above(shares, floor)) >= CLEAN_PASS:
            break
    columns = {field.name: getattr(model, field.name) for field in fields(model)}
    return occlusion.Model(**{**columns, "floor": floor})


def passing(shares):
    return np.mean((shares <= PASSPORT).all(axis=1))


def save(model, path=TARGET):
    half = {
        name: getattr(model, name).astype(np.float16) for name in ("weights", "regions", "mean", "spread")
    }
    columns = {field.name: getattr(model, field.name) for field in fields(model)}
    np.savez_compressed(path, **{**columns, **half, "vertices": model.vertices.astype(np.uint16)})


# The report.


def auc(hidden, unhidden):
    order = np.argsort(np.concatenate([hidden, unhidden]), kind="stable")
    values = np.concatenate([hidden, unhidden])[order]
    ranks = np.empty(len(order))
    _, first, count = np.unique(values, return_index=True, return_counts=True)
    ranks[order] = np.repeat(first + (count + 1) / 2, count)
    return (ranks[: len(hidden)].sum() / len(hidden) - (len(hidden) + 1) / 2) / len(unhidden)


def table(title, samples, model):
    """Print one line: per region the AUC (over a quarter hidden, against none), share found, and mean error."""
    shares = occlusion.above(samples.shares(model), model.floor)
    clean = samples.kind == "none"
    cells = []
    for region in range(len(occlusion.REGIONS)):
        over = samples.share[:, region] > 0.25
        if over.sum() < 20:
            cells.append(f"{'-':>17}")
            continue
        error = np.abs(shares - samples.share)[~clean, region].mean()
        found = np.mean(shares[over, region] > PASSPORT[region])
        cells.append(f"{auc(shares[over, region], shares[clean, region]):7.3f} {found:4.2f} {error:4.2f}")
    print(f"{title:28}" + "".join(cells), flush=True)


def clean_line(title, shares):
    cells = "".join(f"{value:17.3f}" for value in np.mean(shares == 0, axis=0))
    print(f"{title:28}{cells}   pass all {passing(shares):.3f} of {len(shares)}", flush=True)


def other_photos(folder, step):
    """Return (n, 6) shares of the frontal faces of another set of photos."""
    found = []
    for row in labels(folder)[::step]:
        pixels = decode(SHARED / folder / row["file"]).pixels
        faces = detect.find_faces(pixels)
        if len(faces):
            face = faces.rows(largest(faces.box))
            fitted = mesh.fit_meshes(pixels, face.box, face.landmarks)
            if not np.isnan(fitted.points).any() and is_frontal(fitted.points[0]):
                found.append(occlusion.occlusions(pixels, fitted.points, fitted.presence)[0])
    return np.array(found)


def wider():
    """Return shares and labelled occlusion (0 none, 1 partial, 2 heavy) of the faces of WIDER FACE over 60 pixels."""
    files, shares, marks = {}, [], []
    for row in labels("wider_dev"):
        files.setdefault(row["file"], []).append(row)
    for file, rows in files.items():
        pixels = decode(SHARED / "wider_dev" / file).pixels
        faces = detect.find_faces(pixels)
        if not len(faces):
            continue
        box = np.array([[float(row[key]) for key in "xywh"] for row in rows])
        box[:, 2:] += box[:, :2]
        shared = overlap(box, faces.box)
        for row, face in enumerate(shared.argmax(axis=1)):
            if shared[row, face] > 0.4 and (box[row, 2:] - box[row, :2]).min() >= 60:
                one = faces.rows(np.array([face]))
                fitted = mesh.fit_meshes(pixels, one.box, one.landmarks)
                shares.append(occlusion.occlusions(pixels, fitted.points, fitted.presence)[0])
                marks.append(int(rows[row]["occlusion"]))
    return np.array(shares), np.array(marks)


def report(fitting, reporting):
    model = occlusion.fitted()
    print(f"{'':28}" + "".join(f"{name:>17}" for name in occlusion.REGIONS))
    print("share of faces as they are at exactly 0, and within all passport limits")
    clean = reporting.rows(reporting.kind == "none")
    shares = occlusion.above(clean.shares(model), model.floor)
    clean_line("  lfw_dev, frontal", shares[clean.frontal])
    clean_line("  lfw_dev, all", shares)
    clean_line("  genki4k_odd, frontal", other_photos("genki4k_odd", 3))
    clean_line("  caltech_faces84, frontal", other_photos("caltech_faces84", 1))
    print(
        "objects: AUC of over 25 % hidden against faces as they are, share above its limit, mean error of the share"
    )
    table("  all kinds", reporting, model)
    for kind in KINDS:
        table(f"  {kind}", reporting.rows(np.isin(reporting.kind, (kind, "none"))), model)
    print("the same, fitted without that kind")
    for kind in KINDS:
        other = fit(fitting.rows(fitting.kind != kind), rounds=1)
        table(f"  {kind}", reporting.rows(np.isin(reporting.kind, (kind, "none"))), other)
    shares, marks = wider()
    print("wider_dev, total: median share and share of faces above 0.02, by the label of occlusion")
    for mark, name in enumerate(("none", "partial", "heavy")):
        one = shares[marks == mark, 0]
        unread = np.isnan(one)
        seen = one[~unread]
        print(
            f"  {name:8} {len(one):4}, no mesh {unread.sum():2}, {np.median(seen):.2f}, {np.mean(seen > 0.02):.2f}"
        )


def main():
    if sys.argv[1:] == ["fit"]:
        save(fit(gather(True)))
        print(f"{TARGET}: {TARGET.stat().st_size} bytes")
    elif sys.argv[1:] == ["report"]:
        report(gather(True), gather(False, harm=0, seed=1))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
