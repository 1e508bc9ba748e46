"""Fit the probability that both eyes are open on one half of the people, and judge it on the other.

    python benchmarks/eyes.py fit       writes facecluster/vision/closed_eyes.npy (1 min)
    python benchmarks/eyes.py report    ranking, decisions, calibration, winks and time on the other half (1 min)

The faces are the labelled one of each photo of `lfw_dev` and the largest of each of `genki4k_odd`, some 8,500. The
labels of `eyes.csv` are ours, set by looking at enlarged eyes: "closed", "open", or "unsure" for dark glasses, blur and
lids of which we could not tell; those are left out. We looked at random faces, at some that an older measure ranked
low, and in four rounds at those that the model of the round before ranked low. A face that is not listed counts as
open: of 1,056 of those drawn at random, seen at small size, none was plainly closed. So the shares are nearly those
of all faces.
"""

from __future__ import annotations

import csv
import sys
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from labelled import SHARED, central, in_fit_half, largest, machine

from facecluster.photos.decode import decode
from facecluster.vision import detect, mesh, parts

LABELS = Path(__file__).with_name("eyes.csv")
TARGET = Path(parts.__file__).with_name("closed_eyes.npy")
STRENGTH, CLOSED_COUNTS, FOLDS = 30.0, 8, 8
"""Inverse penalty, weight of a closed eye, folds of people; in these, 3 to 100 and 3 to 26 differ little."""
CLOSED_FIRST = np.array([1 / 3, 2 / 3])
"""Weights of the smaller and the larger logit, as in `parts.eyes_open`."""
LIDS = np.array([[159, 145], [386, 374]])
"""Per eye the middle of the upper and of the lower lid."""
BINS = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0)


def faces(half):
    """Return of one half of the people (True: the fit half) chips, labels (n,) and persons (n,); "" is not listed."""
    with LABELS.open(newline="") as file:
        labelled = {row["file"]: row["eyes"] for row in csv.DictReader(file)}
    rows = []
    for path in sorted([*SHARED.glob("lfw_dev/*/*.jpg"), *SHARED.glob("genki4k_odd/images/*.jpg")]):
        file = path.relative_to(SHARED).as_posix()
        lfw = file.startswith("lfw_dev")
        person = path.parent.name if lfw else file
        if in_fit_half(person) != half:
            continue
        pixels = decode(path).pixels
        found = detect.find_faces(pixels)
        if len(found):
            face = found.rows(central(found.box, pixels) if lfw else largest(found.box))
            points = mesh.fit_meshes(pixels, face.box, face.landmarks).points[0]
            if not np.isnan(points).any():
                rows.append((parts.cut_chip(pixels, points[:, :2]), labelled.get(file, ""), person))
    chips, label, person = zip(*rows, strict=True)
    return chips, np.array(label), np.array(person)


def joint(logits):
    """Return (n,) one logit a face of the (n, 2) of its eyes."""
    return np.sort(logits, axis=1) @ CLOSED_FIRST


def fit():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    chips, label, person = faces(True)
    use = label != "unsure"
    closed = label[use] == "closed"
    both = np.concatenate([parts.describe_eyes(chip) for chip, used in zip(chips, use, strict=True) if used])
    model = LogisticRegression(C=STRENGTH, class_weight={False: 1, True: CLOSED_COUNTS}, max_iter=2000)
    each, groups = np.repeat(closed, 2), np.repeat(person[use], 2)
    unseen = cross_val_predict(
        model, both, each, groups=groups, cv=GroupKFold(FOLDS), method="decision_function"
    )
    unseen = joint(unseen.reshape(-1, 2))
    scale = LogisticRegression(C=1e6).fit(unseen[:, np.newaxis], closed)
    slope, offset = scale.coef_[0, 0], scale.intercept_[0]
    model.fit(both, each)
    np.save(
        TARGET, np.append(slope * model.coef_[0], slope * model.intercept_[0] + offset).astype(np.float32)
    )
    print(f"fit half: {len(closed)} faces, {closed.sum()} closed, {np.sum(~use)} unsure left out")
    print(f"logits of the faces that a fold did not see, times {slope:.3f}, plus {offset:.3f}")
    report_probabilities(1 / (1 + np.exp(slope * unseen + offset)), label[use])


def auc(low, high):
    """Return the share of pairs in which the one of `low` is below that of `high`; ties count half."""
    below = low[:, np.newaxis] < high
    return below.mean() + (low[:, np.newaxis] == high).mean() / 2


def lid_gap(points):
    """Return the smaller gap between the lids of a mesh (468, 2) over the distance of eyes and chin, as OFIQ has it."""
    middle = points[parts.EYES].reshape(4, 2).mean(axis=0)
    gaps = np.linalg.norm(points[LIDS[:, 0]] - points[LIDS[:, 1]], axis=1)
    return gaps.min() / np.linalg.norm(middle - points[parts.CHIN])


def report_probabilities(open_, label):
    closed = label == "closed"
    print(f"AUC, closed against all others {auc(open_[closed], open_[~closed]):.4f}", end="")
    print(f", against those that we looked at {auc(open_[closed], open_[label == 'open']):.4f}")
    print("limit    called closed   precision   recall")
    for limit in (0.1, 0.3, 0.5, 0.7, 0.9):
        called = open_ < limit
        print(f"{limit:5.1f}{called.sum():17}{closed[called].mean():12.3f}{called[closed].mean():9.3f}")
    print("probability      faces   mean   open in fact")
    for low, high in pairwise(BINS):
        inside = (open_ >= low) & (open_ < high if high < 1 else open_ <= 1)
        if inside.any():
            print(
                f"{low:4.2f} to {high:4.2f}{inside.sum():10}{open_[inside].mean():7.3f}{np.mean(~closed[inside]):15.3f}"
            )
    expected = np.where(closed, 1 - open_, open_)
    rate = closed.mean()
    print(
        f"log loss {-np.log(expected).mean():.4f}; of the rate of closed ones alone, {rate:.4f}, it is "
        f"{-rate * np.log(rate) - (1 - rate) * np.log(1 - rate):.4f}"
    )


def report():
    chips, label, _ = faces(False)
    start = time.thread_time()
    open_ = np.array([parts.eyes_open(chip) for chip in chips])
    spent = (time.thread_time() - start) / len(chips)
    known = ~np.isnan(open_)
    use = known & (label != "unsure")
    closed = label == "closed"
    print(
        f"reporting half: {use.sum()} faces, {closed.sum()} closed; {np.sum(label == 'unsure')} unsure left out, "
        f"of which {np.mean(open_[label == 'unsure'] < 0.5):.2f} below 0.5; {np.sum(~known)} unknown; "
        f"{spent * 1e3:.2f} ms a face"
    )
    report_probabilities(open_[use], label[use])
    gaps = np.array([lid_gap(chip.points) for chip in chips])
    print(f"AUC of the gap between the lids {auc(gaps[closed], gaps[use & ~closed]):.3f}")
    weights = np.load(TARGET)
    logits = np.array([parts.describe_eyes(chip) @ weights[:-1] + weights[-1] for chip in chips])
    others = np.random.default_rng(0).choice(np.flatnonzero(use & ~closed), closed.sum() * 50)
    winks = np.column_stack([np.repeat(logits[closed, 0], 50), logits[others, 1]])
    print(f"one closed eye beside an open one of another face: {np.mean(joint(winks) > 0):.2f} below 0.5")


def main():
    cv2.setNumThreads(1)
    print(machine())
    if sys.argv[1:] == ["fit"]:
        fit()
    elif sys.argv[1:] == ["report"]:
        report()
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
