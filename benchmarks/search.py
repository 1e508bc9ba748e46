"""Time search among synthetic faces, and count on one half of the people of `lfw_dev` who is found, and who wrongly.

    python benchmarks/search.py [--faces 1000000] [--jobs 2]
    python benchmarks/search.py --table FILE [--half fit|reporting]

The faces are those of `scale.py`: half of them strangers with one photo. Bound (issue 5): a query among 1,000,000 faces
takes under 100 ms once they are loaded. Prints the time of a query alone and in a batch, for faces and for people:
the median, the best, and that of all cores together, which other programs disturb less; and the memory at the end and
at most (Linux).

--table takes the labelled faces of a table of all of `lfw_dev`. Known are all photos but one of everyone with several;
those who are looked for are the photos that were left out, and everyone of one photo, who is no one. Counted are the
first matches with all defaults. Then the same of people as cluster finds them, and of these merged in pairs.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from labelled import machine
from lfw import half_of, labelled_faces
from scale import documented, make_people

from facecluster.formats import face_table
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.groups import Groups
from facecluster.identity.points import Points
from facecluster.identity.rules import Rules
from facecluster.identity.search import BATCH, Targets, find_nearest
from facecluster.joined import Known
from facecluster.library.build import make_result
from facecluster.render.matches import Gallery, search
from facecluster.result import Person
from facecluster.table import Faces

N_TIMES = 15


def resident_mb():
    """Return the memory that the process has now, and had at most."""
    now = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return now / 2**20, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def timed(query, targets, k, jobs):
    """Print how long some queries take: the median of several times."""
    for number in (1, BATCH, 10 * BATCH):
        times, busy = [], time.process_time()
        for _ in range(N_TIMES if number == 1 else 3):
            start = time.perf_counter()
            find_nearest(Points.plain(query[:number]), targets, k, jobs=jobs)
            times.append(time.perf_counter() - start)
        busy = (time.process_time() - busy) / len(times)
        each, best, cpu = (1000 * seconds / number for seconds in (np.median(times), min(times), busy))
        print(
            f"  {number:4} at once, k = {k}: {each:.1f} ms a query, {best:.1f} at best, {cpu:.1f} of all cores"
        )


def speed(n, jobs):
    """Time queries of new faces of the people in n synthetic faces."""
    encoding, person = make_people(n + 10 * BATCH, 0, documented())
    query, encoding, person = encoding[n:], encoding[:n], person[:n]
    label = np.unique(person, return_inverse=True)[1].astype(np.int32)
    print(f"{n:,} faces, memory {resident_mb()[0]:.0f} MB")
    start = time.perf_counter()
    faces = Targets.of_faces(Points.plain(encoding))
    print(f"faces, made ready in {time.perf_counter() - start:.2f} s")
    timed(query, faces, 5, jobs)
    start = time.perf_counter()
    people = Targets.of_groups(Groups.of(Points.plain(encoding), label))
    print(f"{len(people):,} people, made ready in {time.perf_counter() - start:.2f} s")
    timed(query, people, 5, jobs)
    print("memory {:.0f} MB, {:.0f} MB at most (with making the faces)".format(*resident_mb()))


def identification(table):
    """Count who of labelled faces is found among the others."""
    rows, names = labelled_faces(table)
    texts, label, count = np.unique(names, return_inverse=True, return_counts=True)
    last = np.zeros(len(rows), dtype=bool)
    last[len(rows) - 1 - np.unique(label[::-1], return_index=True)[1]] = True
    known = ~last
    of_face = np.full(len(table.faces), -1)
    of_face[rows[known]] = label[known]
    counts = of_face >= 0
    whole = Gallery.of_table(table, of_face, texts.tolist())
    gallery = replace(whole, counts=counts)
    probes, who = table.faces.encoding[rows[last]], label[last]
    several = count[who] > 1
    answers = [matches for matches, _ in search(gallery, probes, "person", k=1)]
    first = np.array([matches[0].name if matches else "" for matches in answers])
    right = first == texts[who]
    print(
        f"{table.settings.encoder}: {counts.sum()} known faces of {several.sum()} people; of one more photo of each, "
        f"{right[several].mean():.4f} are found, {((first != '') & ~right)[several].sum()} taken for somebody else; "
        f"of {(~several).sum()} strangers {(first != '')[~several].sum()} are taken for somebody"
    )


def of_merged_people(table):
    """Count who is found of people merged in pairs by hand: two looks far apart, as those of a child and an adult."""
    rows, names = labelled_faces(table)
    _, label, count = np.unique(names, return_inverse=True, return_counts=True)
    last = np.zeros(len(rows), dtype=bool)
    last[len(rows) - 1 - np.unique(label[::-1], return_index=True)[1]] = True
    keep = np.zeros(len(table.faces), dtype=bool)
    keep[rows[~last]] = True
    kept = replace(table, faces=Faces(**{name: column[keep] for name, column in vars(table.faces).items()}))
    rules = Rules.make(table.settings.encoder)
    result = make_result(kept, cluster_faces(kept, rules), rules)
    name_of_face = dict(zip(table.faces.id[rows].tolist(), names.tolist(), strict=True))
    name_of = {
        person.id: Counter(name_of_face.get(face.id, "") for face in person.faces).most_common(1)[0][0]
        for person in result.people
    }
    pairs = list(zip(result.people[::2], result.people[1::2], strict=False))
    merged = tuple(Person.of(a.id, [*a.faces, *b.faces], former=(b.id,)) for a, b in pairs)
    those = {person.id: {name_of[person.id]} for pair in pairs for person in pair}
    whose = {a.id: {name_of[a.id], name_of[b.id]} for a, b in pairs}
    wanted, strangers = np.isin(names[last], list(set().union(*those.values()))), count[label[last]] == 1
    for title, people, theirs in (
        ("apart", tuple(person for pair in pairs for person in pair), those),
        ("merged, by all their faces", tuple(replace(person, former=()) for person in merged), whose),
        ("merged, by their parts", merged, whose),
    ):
        gallery = Gallery.of_result(Known.of(replace(result, people=people), kept), kept)
        answers = [found for found, _ in search(gallery, table.faces.encoding[rows[last]], "person", k=1)]
        first = [found[0].person if found else None for found in answers]
        right = np.array(
            [who in theirs and name in theirs[who] for who, name in zip(first, names[last], strict=True)]
        )
        told = np.array([who is not None for who in first])
        print(
            f"{title}: of one more photo of {wanted.sum()} people {right[wanted].mean():.4f} are found; of "
            f"{strangers.sum()} strangers {told[strangers].sum()} are taken for somebody"
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--faces", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--half", choices=("fit", "reporting"), default="reporting")
    chosen = parser.parse_args()
    print(machine(), flush=True)
    if chosen.table:
        table = half_of(face_table.read(chosen.table), chosen.half == "fit")
        identification(table)
        of_merged_people(table)
    else:
        speed(chosen.faces, chosen.jobs)


if __name__ == "__main__":
    main()
