"""`facecluster diff`: two results in; who appeared, vanished, moved, was split or merged, out."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from facecluster.library.read import read
from facecluster.render.columns import aligned
from facecluster.text import printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.identity.changes import Placed

DIFFERENT = 3
"""Exit code where the results differ."""

_N_LISTED = 20
"""Lines of a kind on a terminal."""


@dataclass(frozen=True)
class Who:
    """A person of one of the results."""

    id: str
    name: str | None
    n_faces: int


@dataclass(frozen=True)
class Both:
    """A person who is in both results, and no other.

    Attributes:
        a: in the first.
        b: in the second.
        shared: faces of both.
        left: faces of `a` only.
        joined: faces of `b` only.
    """

    a: Who
    b: Who
    shared: int
    left: int
    joined: int


@dataclass(frozen=True)
class Merged:
    """People of the first result who are one in the second; `shared` is how many faces came from each."""

    a: tuple[Who, ...]
    b: Who
    shared: tuple[int, ...]


@dataclass(frozen=True)
class SplitPerson:
    """A person of the first result who is several in the second; `shared` is how many faces went to each."""

    a: Who
    b: tuple[Who, ...]
    shared: tuple[int, ...]


@dataclass(frozen=True)
class Moved:
    """A face of both results that left its person for somebody else; ids of people, None: of nobody."""

    id: str
    photo: str
    a: str | None
    b: str | None


@dataclass(frozen=True)
class Lone:
    """A face of one result only, and the id of its person there."""

    id: str
    photo: str
    person: str | None


@dataclass(frozen=True)
class Changes:
    """All that differs.

    Attributes:
        n_both: faces that are in both.
        unchanged, grown, shrunk, changed: people who are one in both results: with the same faces, more, fewer, or
            both more and fewer.
        renamed: those of them whose name is another.
        merged, split: people who are several in one of the results. One can be in both lists.
        gone, new: people of one result, most of whose faces went to, or came from, nobody in particular.
        moved: faces of both results whose people do not correspond.
        only_a, only_b: faces of one result.
    """

    n_both: int
    unchanged: tuple[Both, ...]
    grown: tuple[Both, ...]
    shrunk: tuple[Both, ...]
    changed: tuple[Both, ...]
    renamed: tuple[Both, ...]
    merged: tuple[Merged, ...]
    split: tuple[SplitPerson, ...]
    gone: tuple[Who, ...]
    new: tuple[Who, ...]
    moved: tuple[Moved, ...]
    only_a: tuple[Lone, ...]
    only_b: tuple[Lone, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs but the numbers of the people."""
        return not any(value for kind, value in vars(self).items() if kind not in ("n_both", "unchanged"))


@click.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as a pipe gets it anyway.")
@click.option("-q", "--quiet", is_flag=True, help="No summary.")
@click.pass_context
def command(ctx: click.Context, first: str, second: str, as_json: bool, quiet: bool) -> None:
    """Say who appeared, vanished, moved, was split or merged from one result to another.

    A and B are folders of results, or their clusters.json. Faces are known by the content of their photo and by their
    box, so that renamed photos and other settings do not matter; people by the majority of their faces, whatever
    their number. Exit code 0: the same people; 3: different ones.
    """
    a, people_a = _open(first)
    b, people_b = _open(second)
    changes = compare(a, people_a, b, people_b)
    if as_json or not sys.stdout.isatty():
        sys.stdout.writelines(to_json(changes, first, second))
    else:
        for line in report(changes):
            click.echo(line)
    if not quiet:
        click.echo(_summary(changes, len(people_a), len(people_b)), err=True)
    if not changes.same:
        ctx.exit(DIFFERENT)


def _open(source: str) -> tuple[Placed, list[Who]]:
    """Read what is compared of a result."""
    from facecluster.result import columns

    result = read(source)
    return columns(result), [Who(person.id, person.name, len(person.faces)) for person in result.people]


def compare(a: Placed, people_a: Sequence[Who], b: Placed, people_b: Sequence[Who]) -> Changes:
    """Find all that differs between two results.

    Args:
        a: faces of the one.
        people_a: its people, by number of `a.person`.
        b: faces of the other.
        people_b: its people.
    """
    import numpy as np

    from facecluster.identity.changes import match_faces, match_people

    rows_a, rows_b = match_faces(a, b)
    p, q = a.person[rows_a], b.person[rows_b]
    links = list(zip(*(column.tolist() for column in match_people(p, q)), strict=True))
    to, of = defaultdict(list), defaultdict(list)
    for one, other, shared in links:
        to[one].append((other, shared))
        of[other].append((one, shared))
    both = [
        Both(x := people_a[i], y := people_b[j], n, x.n_faces - n, y.n_faces - n)
        for i, j, n in links
        if len(to[i]) == 1 and len(of[j]) == 1
    ]

    def who(people: Sequence[Who], number: int) -> str | None:
        return people[number].id if number >= 0 else None

    def lone(faces: Placed, people: Sequence[Who], known: np.ndarray) -> tuple[Lone, ...]:
        rest = np.setdiff1d(np.arange(len(faces)), known)
        return tuple(
            Lone(faces.id[i], faces.photo[i], who(people, int(faces.person[i]))) for i in rest.tolist()
        )

    linked = {(i, j) for i, j, _ in links} | {(-1, -1)}
    return Changes(
        n_both=len(rows_a),
        unchanged=tuple(x for x in both if not x.joined and not x.left),
        grown=tuple(x for x in both if x.joined and not x.left),
        shrunk=tuple(x for x in both if x.left and not x.joined),
        changed=tuple(x for x in both if x.joined and x.left),
        renamed=tuple(x for x in both if x.a.name != x.b.name),
        merged=tuple(
            Merged(tuple(people_a[i] for i, _ in parts), people_b[j], tuple(n for _, n in parts))
            for j, parts in sorted(of.items())
            if len(parts) > 1
        ),
        split=tuple(
            SplitPerson(people_a[i], tuple(people_b[j] for j, _ in parts), tuple(n for _, n in parts))
            for i, parts in sorted(to.items())
            if len(parts) > 1
        ),
        gone=tuple(person for i, person in enumerate(people_a) if i not in to),
        new=tuple(person for j, person in enumerate(people_b) if j not in of),
        moved=tuple(
            Moved(a.id[row], a.photo[row], who(people_a, i), who(people_b, j))
            for row, i, j in zip(rows_a.tolist(), p.tolist(), q.tolist(), strict=True)
            if (i, j) not in linked
        ),
        only_a=lone(a, people_a, rows_a),
        only_b=lone(b, people_b, rows_b),
    )


# --------------------------------------------------------------------------------------------------- telling


def to_json(changes: Changes, first: str, second: str) -> Iterator[str]:
    """Write strict JSON, ASCII only, one person or face a line.

    Args:
        changes: what differs.
        first: the one result, as the user named it.
        second: the other.
    """
    head = {"a": first, "b": second, "same": changes.same, "n_both": changes.n_both}
    yield json.dumps(head)[:-1]
    for kind, records in vars(changes).items():
        if kind != "n_both":
            texts = [json.dumps(record, default=vars) for record in records]
            yield f',\n"{kind}": [' + ",".join(f"\n{text}" for text in texts) + "]"
    yield "}\n"


def report(changes: Changes) -> list[str]:
    """Write what differs as lines for people; of each kind the first, and how many more.

    Faces that a new person got from nobody, or a gone one left to nobody, are no lines of their own.
    """
    told = {(None, person.id) for person in changes.new} | {(person.id, None) for person in changes.gone}
    moved = Counter(move for face in changes.moved if (move := (face.a, face.b)) not in told)
    only = {
        side: Counter(face.person for face in faces)
        for side, faces in (("A", changes.only_a), ("B", changes.only_b))
    }
    kinds = {
        "grown": [f"{_pair(x)}: {_faces(x.joined)} more" for x in changes.grown],
        "shrunk": [f"{_pair(x)}: {_faces(x.left)} less" for x in changes.shrunk],
        "changed": [f"{_pair(x)}: {_faces(x.joined)} more, {x.left} less" for x in changes.changed],
        "renamed": [f"{_pair(x)}" for x in changes.renamed],
        "merged": [f"{_all(x.a, x.shared)} -> {_who(x.b)}" for x in changes.merged],
        "split": [f"{_who(x.a)} -> {_all(x.b, x.shared)}" for x in changes.split],
        "gone": [f"{_who(x)}, {_faces(x.n_faces)}" for x in changes.gone],
        "new": [f"{_who(x)}, {_faces(x.n_faces)}" for x in changes.new],
        "moved": [f"{_faces(n)}: {a or 'nobody'} -> {b or 'nobody'}" for (a, b), n in moved.most_common()],
        "only in A": [f"{_faces(n)} of {person or 'nobody'}" for person, n in only["A"].most_common()],
        "only in B": [f"{_faces(n)} of {person or 'nobody'}" for person, n in only["B"].most_common()],
    }
    rows = []
    for kind, texts in kinds.items():
        rows += [(kind, text) for text in texts[:_N_LISTED]]
        if len(texts) > _N_LISTED:
            rows.append((kind, f"... and {len(texts) - _N_LISTED} more, see --json"))
    return aligned(rows, least=(max(map(len, kinds)),))


def _who(person: Who) -> str:
    return person.id if person.name is None else f"{person.id} ({printable(person.name)})"


def _pair(x: Both) -> str:
    return f"{_who(x.a)} -> {_who(x.b)}"


def _all(people: Sequence[Who], shared: Sequence[int]) -> str:
    return " + ".join(f"{_who(person)} [{n}]" for person, n in zip(people, shared, strict=True))


def _faces(number: int) -> str:
    return f"{number} face" if number == 1 else f"{number} faces"


def _summary(changes: Changes, n_a: int, n_b: int) -> str:
    """Count everything in a line or two."""
    parts = [
        f"{len(of)} {kind}"
        for kind, of in vars(changes).items()
        if kind not in ("n_both", "moved", "only_a", "only_b") and of
    ]
    return (
        f"people: {n_a} in A, {n_b} in B; {', '.join(parts) or 'none'}\n"
        f"faces: {changes.n_both} in both, {len(changes.only_a)} only in A, {len(changes.only_b)} only in B; "
        f"{len(changes.moved)} moved"
    )
