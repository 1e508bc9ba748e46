"""Measure what an answer is worth: a simulated reviewer, who knows the labels, answers the questions of a library.

    python benchmarks/reviewer.py [--half fit|reporting] [--data lag_dev lfw_dev seed_football129] [--tables FOLDER]
                                  [--answers 1000]

The faces of each data set become a library with all defaults, without folders (`--link none`). Somebody then answers
in three orders, by the library's own functions; the decisions are written, the people stay in memory:

- queue: `Queue.questions(1)` and `answer`, again and again.
- random: any question that the queue has at that time, with the same answers.
- by size: without a queue. The largest people first: look at one and name it, which is one answer; give each person
  whose face is in there that face back, which is one answer each; then the faces of nobody as `show --nobody` lists
  them, group by group, and last each alone. To look at one and to change nothing is an answer, too.

A face is right where its person holds more faces of its identity than any other person does, and mostly faces of that
identity; or where it is the only face of its identity, and is alone. Faces of nobody are alone. "Put right" is the
number of right faces less that at first. "Named" are right faces whose person has the right name. F is of pairs of
labelled faces (`identity.metrics.pairwise`). "Bound" is the fewest answers that can bring F to 0.9 where each brings
one person, or one group of faces of nobody, to another: by somebody who knows the best next one. "Whole" is the same
where each answer brings all faces of somebody together at once. "Beside" is the share of the other parts of a person,
each as often as it has pairs with the largest part, that are among so many nearest bodies of that part
(`nearness.Nearness`): what a card could show that offers several at once.

Who is labelled is as in `lfw.py`; the other faces of LFW and of seed_football129 are strangers, whom the reviewer calls
nobody.

The constants of `library/questions.py` were chosen on the fit half of the people, the other half is reported.
seed_football129 has five people and no halves: it had no part in the choice. Tables of photos are made where FOLDER
does not hold them (`lfw.npz`, `seed.npz`).
"""

from __future__ import annotations

import argparse
import logging
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from children import part_of
from labelled import SHARED, in_fit_half, machine
from lfw import labelled_faces

from facecluster.formats import face_table
from facecluster.identity import metrics
from facecluster.joined import Known
from facecluster.library import correct
from facecluster.library.build import build
from facecluster.library.library import Library
from facecluster.library.questions import Queue, answer
from facecluster.library.settings import Choices
from facecluster.library.strangers import strangers

NEAREST = (1, 3, 12, 50)
"""Bodies nearest to one, among which it is looked for the others of the person."""
SOME = (10, 25, 50, 100, 200)
"""After so many answers the faces put right are printed."""
ENOUGH = 0.9
"""Pairwise F that is asked for."""


def read(data, tables):
    """Read a face table; of photos that were not encoded yet, make it."""
    if data == "lag_dev":
        return face_table.read(SHARED / data / "sface.npz")
    file = tables / {"lfw_dev": "lfw.npz", "seed_football129": "seed.npz"}[data]
    if not file.exists():
        tables.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "facecluster", "encode", SHARED / data, "-o", file, "-j", "1"]
        subprocess.run(command, check=True)
    return face_table.read(file)


def truth_of(table):
    """Return the name of each labelled face by id."""
    rows, people = labelled_faces(table)
    return dict(zip(table.faces.id[rows].tolist(), people.tolist(), strict=True))


class InMemory(Library):
    """A library that writes its decisions, and not its people: what is counted is the same, and takes a fifth."""

    def save(self, result, **how):
        """Write the first people, and keep those of later."""
        if self.result is None:
            return super().save(result, **how)
        self.result = result
        return None


class Reviewer:
    """Somebody who knows the names of some faces, and what is right in a library."""

    def __init__(self, truth):
        self.truth = truth
        self.size = Counter(truth.values())

    def names(self, faces):
        """Count the names of faces; None is a stranger's."""
        return Counter(self.truth.get(face) for face in faces)

    def mostly(self, faces):
        """Return the name that more than half of some faces have; None where there is none."""
        counted = self.names(faces)
        name, n = counted.most_common(1)[0]
        return name if 2 * n > counted.total() else None

    def reply(self, people, question):
        """Answer a question truthfully: reply and name."""
        sides = [
            side if side is None else [*(side.every or (face.id for face in people[side.person].faces))]
            for side in (question.left, question.right)
        ]
        left, right = sides
        if question.kind == "who":
            name = self.mostly(left) if question.left.person else only(self.names(left))
            return (
                ("name", name)
                if name is not None
                else ("nobody" if set(self.names(left)) == {None} else "unsure", None)
            )
        if question.kind == "same":
            one, other = self.mostly(left), self.mostly(right)
            return ("unsure" if None in (one, other) else "yes" if one == other else "no"), None
        gone = set(left)
        name, theirs = self.mostly([face for face in right if face not in gone]), self.names(left)
        if name is None:
            return "unsure", None
        return ("yes" if set(theirs) == {name} else "no" if name not in theirs else "unsure"), None

    def judge(self, result):
        """Return how many faces are right, how many of these have the right name, and the pairwise scores."""
        holders, person_of = defaultdict(Counter), {}
        for person in result.people:
            for face in person.faces:
                person_of[face.id] = person
        label, names = [], []
        number = {person.id: i for i, person in enumerate(result.people)}
        for face, name in self.truth.items():
            person = person_of.get(face)
            holders[name][None if person is None else person.id] += 1
            label.append(-1 if person is None else number[person.id])
            names.append(name)
        people = {person.id: person for person in result.people}
        right = named = 0
        for name, held in holders.items():
            n_alone = held.pop(None, 0)
            if self.size[name] == 1:
                right += n_alone
            if not held:
                continue
            id_, n = max(held.items(), key=lambda pair: (pair[1], pair[0]))
            if 2 * n > people[id_].n_faces:
                right += n
                named += n if people[id_].name == name else 0
        return right, named, metrics.pairwise(np.array(names), np.array(label))


def bounds(reviewer, bodies):
    """Return how many answers F must take at least: of one body each, and of one whole person each; None: it never is.

    Args:
        reviewer: knows the names.
        bodies: ids of the faces of each person and each group of nobody.
    """
    parts = defaultdict(list)
    for body in bodies:
        names = reviewer.names(body)
        for name in names.keys() - {None}:
            parts[name].append(names[name])
    one, whole = [], []
    for sizes in parts.values():
        together, *others = sorted(sizes, reverse=True)
        gains = []
        for n in others:
            gains.append(together * n)
            together += n
        one += gains
        whole.append(sum(gains))
    pairs = sum(n * (n - 1) // 2 for n in reviewer.size.values())
    at_first = sum(n * (n - 1) // 2 for sizes in parts.values() for n in sizes)
    return [answers_until(pairs, at_first, gains) for gains in (one, whole)]


def answers_until(pairs, found, gains):
    """Return how many answers it takes that find so many pairs each, the best first; None: it never is enough."""
    for number, gain in enumerate([0, *sorted(gains, reverse=True)]):
        found += gain
        if 2 * found / (pairs + found) >= ENOUGH:
            return number
    return None


def beside(reviewer, queue):
    """Return the share of pairs of a person's largest part whose other face is in one of so many nearest bodies."""
    near, ids = queue._bodies.numbers.near, queue._bodies.ids
    name = {key: reviewer.mostly([*faces]) for key, faces in ids.items()}
    parts = defaultdict(list)
    for key, own in name.items():
        if own is not None:
            parts[own].append(key)
    hits, of = np.zeros(len(NEAREST)), 0
    for keys in parts.values():
        largest, *others = sorted(keys, key=lambda key: (-len(ids[key]), key))
        excess = near.between(largest, [key for key in ids if key != largest])
        rank = {key: place for place, key in enumerate(sorted(excess, key=excess.get))}
        for key in others:
            pairs = len(ids[largest]) * len(ids[key])
            hits += [pairs * (rank.get(key, len(ids)) < n) for n in NEAREST]
            of += pairs
    return hits / max(of, 1)


def only(names):
    """Return the one name that is counted; None where there are several."""
    return next(iter(names)) if len(names) == 1 else None


class Log:
    """What came of the answers, one after the other."""

    def __init__(self, reviewer, result, most):
        self.reviewer, self.most = reviewer, most
        self.right, self.named, self.scores = ([value] for value in reviewer.judge(result))
        self.kinds = Counter()

    def add(self, result, what):
        """Count one answer; say whether there may be more."""
        right, named, score = self.reviewer.judge(result)
        self.right.append(right)
        self.named.append(named)
        self.scores.append(score)
        self.kinds[what] += 1
        return len(self.right) <= self.most

    def until(self, f):
        """Return after how many answers F was so high; None: never."""
        return next((i for i, score in enumerate(self.scores) if score.f >= f), None)


def by_queue(library, reviewer, log, rng):
    """Answer the questions in the order of the queue; with a generator, in any."""
    queue = Queue(library)
    told = []
    while queue.n_left:
        question = queue.questions(1)[0] if rng is None else queue.find(rng.choice(sorted(queue._asked)))
        people = {person.id: person for person in library.people.people}
        reply, name = reviewer.reply(people, question)
        answer(library, question, reply, name)
        told.append((question, reply))
        queue.refresh()
        if not log.add(library.people, f"{question.kind} {reply}"):
            break
    return told


def by_size(library, reviewer, log, table):
    """Go through the people by size, then through the faces of nobody."""
    groups = strangers(Known.of(library.people, table), table)
    seen = set()
    while True:
        left = [person for person in library.people.people if person.name is None and person.id not in seen]
        if not left:
            break
        person = max(left, key=lambda person: person.n_faces)
        seen.add(person.id)
        name = reviewer.mostly([face.id for face in person.faces])
        wrong = defaultdict(list)
        for face in person.faces:
            if name is not None and reviewer.truth.get(face.id) != name:
                wrong[reviewer.truth.get(face.id)].append(face.id)
        for other, faces in wrong.items():
            theirs = named(library, other)
            correct.move(library, faces, correct.NOBODY if theirs is None else theirs.id)
            if not log.add(library.people, "move"):
                return
        if name is not None:
            theirs = named(library, name)
            if theirs is None:
                correct.name(library, person.id, name)
            else:
                correct.merge(library, [theirs.id, person.id])
        if not log.add(library.people, "name" if name is not None else "look"):
            return
    for group in sorted(groups, key=lambda group: len(group.faces) < 2):
        faces = list(dict.fromkeys(face.id for face in group.faces))
        name = only(reviewer.names(faces))
        theirs = named(library, name)
        if name is not None and theirs is not None:
            correct.move(library, faces, theirs.id)
        elif name is not None:
            correct.make(library, name, faces)
        if not log.add(library.people, "look" if name is None else "group"):
            return


def named(library, name):
    """Return who has a name; None: nobody."""
    return next(
        (person for person in library.people.people if name is not None and person.name == name), None
    )


def run(table, reviewer, order, most):
    """Make a library, and have somebody answer; return the log and the questions with the replies."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "faces.npz")
        face_table.write(table, file)
        with InMemory.open(Path(scratch, "people"), new=True) as library:
            build(library, table, Choices(link="none"), source=str(file))
            if order == "bound":
                queue = Queue(library)
                return (*bounds(reviewer, [*queue._bodies.ids.values()]), beside(reviewer, queue)), []
            log, told = Log(reviewer, library.people, most), []
            if order == "by size":
                by_size(library, reviewer, log, table)
            else:
                told = by_queue(library, reviewer, log, random.Random(0) if order == "random" else None)
    return log, told


def report(order, log):
    """Print what came of an order."""
    n = len(log.right) - 1
    at = [*(k for k in SOME if k < n), n]
    until = log.until(ENOUGH)
    first, last = log.scores[0], log.scores[-1]
    print(
        f"{order}: F {first.f:.3f} at first, {ENOUGH} after {'more' if until is None else until} answers, {last.f:.3f} "
        f"(P {last.precision:.3f}) after {n}; right {log.right[0]} of {len(log.reviewer.truth)} at first"
    )
    for k in at:
        put, names, f = log.right[k] - log.right[0], log.named[k], log.scores[k].f
        each, called = (number / max(k, 1) for number in (put, names))
        print(
            f"  {k:5} answers: {put:5} put right ({each:.2f} each), {names:5} named ({called:.2f} each), F {f:.3f}"
        )
    print("  " + ", ".join(f"{what}: {number}" for what, number in log.kinds.most_common()), flush=True)


def calibration(told):
    """Print how often somebody said yes to a question of two sides, by what one face of it was worth."""
    bins = defaultdict(list)
    for question, reply in told:
        inside = question.why.startswith(("the weakest link", "a seam"))
        if question.right is not None and reply != "unsure" and not inside:
            n = min(question.left.n_faces, question.right.n_faces)
            bins[question.kind, min(int(question.worth / n * 5), 5)].append(reply == "yes")
    for (kind, low), hits in sorted(bins.items()):
        print(f"  {kind}, worth {low / 5:.1f} or more a face: yes {np.mean(hits):.2f} of {len(hits)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--half", choices=("fit", "reporting"), default="reporting")
    parser.add_argument("--data", nargs="+", default=["lag_dev", "lfw_dev", "seed_football129"])
    parser.add_argument("--tables", type=Path, default=Path("/tmp/facecluster-tables"))
    parser.add_argument("--answers", type=int, default=1000)
    parser.add_argument("--orders", nargs="+", default=["queue", "random", "by size"])
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)  # the photos of lag_dev are not there, which is told each time
    print(f"{machine()}; {chosen.half} half")
    for data in chosen.data:
        table = read(data, chosen.tables)
        if data != "seed_football129":
            of = [Path(path).parent.name for path in table.photos.path]
            keep = np.array([in_fit_half(name) == (chosen.half == "fit") for name in of])
            table = part_of(table, keep)
        reviewer = Reviewer(truth_of(table))
        print(
            f"{data}: {len(table.faces)} faces, {len(reviewer.truth)} of them of {len(reviewer.size)} people with names"
        )
        one, whole, nearest = run(table, reviewer, "bound", 0)[0]
        shares = ", ".join(f"{share:.2f} among {n}" for n, share in zip(NEAREST, nearest, strict=True))
        print(f"bound: F {ENOUGH} after {one} answers; whole: after {whole}; beside: {shares}")
        for order in chosen.orders:
            log, told = run(table, reviewer, order, chosen.answers)
            report(order, log)
            if chosen.half == "fit":
                calibration(told)


if __name__ == "__main__":
    main()
