"""`facecluster name, merge, split, move, not-a-person, undo`: one correction of a result by somebody who knows better.

Each is a line behind the others in decisions.jsonl, beside the result, which every later `cluster` keeps to; and what
it changes in the result is changed at once. The line goes to stdout, what it means to stderr.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.identity.gate import Limits
from facecluster.library.folders import write_result
from facecluster.library.layout import (
    CLUSTERS,
    folder_of,
    read,
    table_of,
)
from facecluster.library.refer import called, find, find_face, find_person
from facecluster.library.settings import (
    ClusterOptions,
)
from facecluster.text import fold, printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.identity.decisions import Act, Decision, Spots
    from facecluster.library.correct import Correction
    from facecluster.library.refer import Face
    from facecluster.result import Person, PersonFace, Result

_log = logging.getLogger(__name__)

NOBODY = "nobody"
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Opened:
    """A result that is to be corrected.

    Attributes:
        source: as it was named.
        result: as it is.
        directory: where it lies.
        ledger: file of the decisions.
        decisions: what is in it.
        quiet: whether nothing is said but errors.
    """

    source: str
    result: Result
    directory: Path
    ledger: Path
    decisions: list[Decision]
    quiet: bool

    @classmethod
    def of(cls, source: str, *, quiet: bool) -> Opened:
        """Read a result and its decisions.

        Raises:
            FaceclusterError: they cannot be read, or an older facecluster wrote the result.
        """
        from facecluster.formats import decisions_jsonl

        if quiet:
            logging.getLogger("facecluster").setLevel(logging.ERROR)
        if not os.path.isdir(source) and os.path.basename(source) != CLUSTERS:
            raise UsageError(f"{source}: give a folder of results, or its {CLUSTERS}")
        result = read(source)
        if "link" not in result.settings:
            raise FaceclusterError(
                f"{source}: an older facecluster made it; run cluster again, then correct it"
            )
        directory = folder_of(source)
        file = decisions_jsonl.file_of(result.settings, directory)
        return cls(source, result, directory, file, decisions_jsonl.read(file), quiet)

    @property
    def in_step(self) -> bool:
        """Whether the result shows all the decisions."""
        from facecluster.identity.decisions import mark

        return (self.result.settings.get("decisions") or "") == mark(self.decisions)


def _verb(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command of a function that gets `opened: Opened`, for RESULT and --quiet, and the other arguments."""

    def make(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def with_result(*, source: str, quiet: bool, **others: Any) -> None:
            function(Opened.of(source, quiet=quiet), **others)

        quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
        return click.command(name)(click.argument("source", metavar="RESULT")(quiet(with_result)))

    return make


# ----------------------------------------------------------------------------------------------------- verbs


@_verb("name")
@click.argument("who", metavar="PERSON")
@click.argument("called_now", metavar="NAME")
def name(opened: Opened, who: str, called_now: str) -> None:
    """Give a person a name; "" takes it away.

    RESULT is a folder of results, or its clusters.json. PERSON is an id, as person-0001, or the name so far. The
    person keeps the name when clustered again, as long as most of the faces that this one is known by are together.
    """
    from facecluster.identity.decisions import Name
    from facecluster.library.correct import set_names

    person = find_person(opened.result, who)
    new = _name(called_now)
    for other in opened.result.people:
        if new is not None and other.id != person.id and other.name and fold(other.name) == fold(new):
            raise FaceclusterError(
                f"{called(other)} has that name; if they are one person: facecluster merge "
                f"{shlex.quote(opened.source)} {other.id} {person.id}"
            )
    so_far = {p.id: p.name for p in opened.result.people if p.name is not None and p.id != person.id}
    names = so_far if new is None else {**so_far, person.id: new}
    said = f"{person.id} has no name now" if new is None else f"{person.id} is {printable(new)} now"
    _keep(opened, Name(person.id, new, _typical(person)), set_names(opened.result, names), said)


@_verb("merge")
@click.argument("who", metavar="PERSON PERSON...", nargs=-1)
def merge(opened: Opened, who: tuple[str, ...]) -> None:
    """Make one person of two or more, with the id and name of the first.

    RESULT is a folder of results, or its clusters.json. PERSON is an id, as person-0001, or a name. If the first has
    no name, the next one's is taken. They stay one person when clustered again.
    """
    from facecluster.identity.decisions import Merge
    from facecluster.library import correct

    if len(who) < 2:
        raise UsageError("give two people or more, the one whose id and name stays first")
    people = [find_person(opened.result, text) for text in who]
    for i, person in enumerate(people):
        if person.id in (other.id for other in people[:i]):
            raise UsageError(f"{called(person)} is named twice ({printable(who[i])}); give different people")
    act = Merge(tuple(p.id for p in people), tuple(_typical(p) for p in people))
    corrected, changed = correct.merge(opened.result, people)
    one = next(person for person in corrected.people if person.id == people[0].id)
    all_of_them = " and ".join(called(person) for person in people)
    said = f"{all_of_them} are one person now: {called(one)}, with {_faces(one.n_faces)}"
    _keep(opened, act, (corrected, changed), said)


@_verb("split")
@click.argument("who", metavar="PERSON")
@click.argument("texts", metavar="FACE...", nargs=-1, required=True)
def split(opened: Opened, who: str, texts: tuple[str, ...]) -> None:
    """Make a new person of some faces of one.

    RESULT is a folder of results, or its clusters.json. PERSON is an id, as person-0001, or a name. FACE is a face's
    id (6 letters of its start will do), or the path of a photo; PHOTO#2 is the second of several faces in it. The
    faces stay one person, and not PERSON, when clustered again.
    """
    from facecluster.identity.decisions import Split
    from facecluster.library import correct

    person = find_person(opened.result, who)
    theirs = {face.id for face in person.faces}
    ids = list(dict.fromkeys(find_face(opened.result, text, person).id for text in texts))
    for id_ in ids:
        if id_ not in theirs:
            raise FaceclusterError(f"{id_}: is {_whose(opened.result, id_)}, not a face of {called(person)}")
    if theirs <= set(ids):
        raise FaceclusterError(
            f"these are all faces of {called(person)}, and nothing would be left; give fewer"
        )
    faces = [face for face in person.faces if face.id in ids]
    act = Split(person.id, _spots(faces), _typical(person, ids))
    corrected, changed = correct.split(opened.result, person, ids)
    (new,) = corrected.changes.appeared
    said = f"{new} is new, with {_faces(len(faces))} of {called(person)}, which keeps {len(person.faces) - len(faces)}"
    _keep(opened, act, (corrected, changed), said)


@_verb("move")
@click.argument("texts", metavar="FACE...", nargs=-1, required=True)
@click.argument("to", metavar="PERSON|nobody")
def move(opened: Opened, texts: tuple[str, ...], to: str) -> None:
    """Give faces to a person, or to nobody.

    RESULT is a folder of results, or its clusters.json. FACE is a face's id (6 letters of its start will do), or the
    path of a photo; PHOTO#2 is the second of several faces in it. PERSON is an id, as person-0001, or a name. The
    faces stay with PERSON, and not with those they were taken from, when clustered again.
    """
    from facecluster.identity.decisions import Move
    from facecluster.library import correct

    result = opened.result
    into = None if fold(to) == NOBODY else find_person(result, to)
    ids = set[str]()
    for text in texts:
        face = find_face(result, text)
        if into is not None and face.id in {theirs.id for theirs in into.faces}:
            raise FaceclusterError(f"{printable(text)}: is a face of {called(into)} already")
        ids.add(face.id)
    origins = [person for person in result.people if any(face.id in ids for face in person.faces)]
    placed = {face.id for person in origins for face in person.faces}
    if into is None and not ids <= placed:
        raise FaceclusterError(f"{min(ids - placed)}: is nobody's already; leave it out")
    if into is None and len(origins) > 1:
        several = ", ".join(called(person) for person in origins)
        raise FaceclusterError(f"the faces are of several people ({several}); move those of one at a time")
    faces = [face for face in _all_faces(result) if face.id in ids]
    act = Move(
        person=origins[0].id if len(origins) == 1 else None,
        into=None if into is None else into.id,
        faces=_spots(faces),
        to=None if into is None else _typical(into),
        away=tuple(spot for person in origins for spot in _typical(person, ids)),
    )
    whose = NOBODY if into is None else called(into)
    said = f"{_faces(len(ids))} moved to {whose}"
    gone = [called(person) for person in origins if all(face.id in ids for face in person.faces)]
    if gone:
        said += f"; {', '.join(gone)} had no other and {'is' if len(gone) == 1 else 'are'} gone"
    _keep(opened, act, correct.move(result, ids, into), said)


@_verb("not-a-person")
@click.argument("texts", metavar="PERSON|FACE...", nargs=-1, required=True)
def not_a_person(opened: Opened, texts: tuple[str, ...]) -> None:
    """Say that a person, or a face, is none: a statue, a poster.

    RESULT is a folder of results, or its clusters.json. PERSON is an id, as person-0001, or a name: whoever is formed
    by most of these faces is none from now on, with new photos too. FACE is a face's id (6 letters of its start will
    do), or the path of a photo; PHOTO#2 is the second of several faces in it.
    """
    from facecluster.identity.decisions import NotAPerson
    from facecluster.library import correct
    from facecluster.result import Person

    found = [find(opened.result, text) for text in texts]
    people = [it for it in found if isinstance(it, Person)]
    if people and len(found) > 1:
        raise UsageError(f"{called(people[0])} is a person; give one person, or faces only")
    if people:
        (person,) = people
        act = NotAPerson(person.id, _typical(person))
        ids = {face.id for face in person.faces}
        said = f"{called(person)} is no person now; {_faces(person.n_faces)} left out"
    else:
        ids = {it.id for it in found}
        act = NotAPerson(None, _spots(face for face in _all_faces(opened.result) if face.id in ids))
        said = f"{_faces(len(ids))} said to be no person's"
    _keep(opened, act, correct.not_a_person(opened.result, ids), said)


@_verb("undo")
@click.argument("which", metavar="[ID]", required=False)
def undo(opened: Opened, which: str | None) -> None:
    """Take a decision back: that of the last line, or that of an id.

    RESULT is a folder of results, or its clusters.json. ID was said when the decision was made, and is the "id" of its
    line in decisions.jsonl. An undo can be undone by its own id. People are grouped anew from the face table for it,
    except where it was about a name.
    """
    from facecluster.formats import decisions_jsonl
    from facecluster.identity.decisions import Name, Undo, resolve

    target = _to_undo(opened, which)
    root = target
    by_id = {decision.id: decision for decision in opened.decisions}
    while isinstance(root.act, Undo) and root.act.undo in by_id:
        root = by_id.pop(root.act.undo)
    what = (
        f"{'taken back' if root is target else 'the undoing is taken back'}: {describe(root.act)} ({root.id})"
    )
    counts_again = root is not target  # and may contradict others; what counts no more cannot
    if isinstance(root.act, Name):
        _keep(opened, Undo(target.id), None, what, check=counts_again)
        return
    table = table_of(opened.result, opened.directory)
    if table is None or not table.exists():
        _keep(opened, Undo(target.id), (opened.result, None), what, check=counts_again)
        named = opened.result.settings.get("table")
        why = "its face table " + ("came through a pipe" if named is None else f"({named}) is gone")
        _log.warning(
            "%s does not show it yet, as %s; run facecluster cluster with -o %s",
            CLUSTERS, why, shlex.quote(str(opened.directory)),
        )  # fmt: skip
        return
    from facecluster.formats import face_table

    faces = face_table.read(os.fspath(table))
    decision = decisions_jsonl.decide(Undo(target.id), opened.decisions)
    contradiction = None
    try:
        resolve([*opened.decisions, decision], faces.faces)
    except FaceclusterError as error:
        if counts_again:
            raise
        contradiction = error  # of others, which are taken back one by one
    decisions_jsonl.append(opened.ledger, decision)
    _say(opened, decision, what)
    if contradiction is not None:
        _log.warning(
            "%s does not show it yet, as there is more to be taken back: %s", CLUSTERS, contradiction
        )
        return
    options = _options(opened.result.settings)
    from facecluster.library.build import cluster_table

    try:
        result = cluster_table(
            faces, opened.directory, options, source=os.path.abspath(table), progress=not opened.quiet
        )
    except OutputError as error:
        raise _kept(opened, decision, error) from error
    n_faces, n_before = result.counts.faces, opened.result.counts.faces
    grouped = f"{_faces(n_faces)} grouped anew, {result.counts.people} people"
    if n_faces != n_before:
        grouped += f" (there were {_faces(n_before)} before: {printable(str(table))} is another since)"
    if not opened.quiet:
        click.echo(grouped, err=True)


def _to_undo(opened: Opened, which: str | None) -> Decision:
    """The decision that is to be undone.

    Raises:
        FaceclusterError: there is none, or it is undone already.
    """
    from facecluster.identity.decisions import in_force, undone

    if which is None:
        standing = in_force(opened.decisions)
        if not standing:
            raise FaceclusterError(f"{opened.ledger}: there is no decision to be undone")
        return max(standing, key=lambda decision: decision.line)
    found = [decision for decision in opened.decisions if decision.id == which.lower()]
    if not found:
        near = "".join(f"\n  {d.id}  {describe(d.act)}" for d in in_force(opened.decisions)[-10:])
        raise FaceclusterError(
            f"{opened.ledger}: no decision has the id {printable(which)}; the last ones:{near}"
        )
    if found[0].id in undone(opened.decisions):
        raise FaceclusterError(f"{which}: is undone already: {describe(found[0].act)}")
    return found[0]


# ---------------------------------------------------------------------------------------- what all verbs do


def _keep(
    opened: Opened,
    act: Act,
    correction: Correction | tuple[Result, None] | None,
    said: str,
    *,
    check: bool = True,
) -> None:
    """Write a decision, and the result that it makes.

    Args:
        opened: what it is about.
        act: what was decided.
        correction: the result as it is now, and whose faces changed (None: it does not show the decision); None:
            only names change, as the decisions have them.
        said: about it, for people.
        check: whether it may contradict others.

    Raises:
        FaceclusterError: it contradicts an earlier decision; nothing is written then.
        OutputError: it cannot be written.
    """
    from facecluster.formats import decisions_jsonl
    from facecluster.identity.decisions import mark, resolve
    from facecluster.result import columns

    decision = decisions_jsonl.decide(act, opened.decisions)
    decisions = [*opened.decisions, decision]
    if check:
        resolve(decisions, columns(opened.result))
    in_step = opened.in_step
    result, changed = _renamed(opened.result, decisions) if correction is None else correction
    if in_step and changed is not None:
        result = replace(result, settings={**result.settings, "decisions": mark(decisions)})
    decisions_jsonl.append(opened.ledger, decision)
    if changed is not None:
        try:
            link = result.settings["link"]
            write_result(
                result, opened.directory, sizes={}, link=link, progress=not opened.quiet, changed=changed
            )
        except OutputError as error:
            raise _kept(opened, decision, error) from error
    _say(opened, decision, said)
    if not in_step:
        _log.warning(
            "%s does not show all decisions of %s; run facecluster cluster with -o %s to see them",
            CLUSTERS, opened.ledger, shlex.quote(str(opened.directory)),
        )  # fmt: skip


def _kept(opened: Opened, decision: Decision, error: OutputError) -> OutputError:
    """Say that a decision was written, though what it makes was not."""
    return OutputError(
        f"{error}\n{opened.ledger} has the decision ({decision.id}) all the same, and cluster will keep to it"
    )


def _renamed(result: Result, decisions: Sequence[Decision]) -> Correction:
    """Give everybody the name that the decisions say."""
    from facecluster.identity.decisions import names
    from facecluster.library.correct import set_names
    from facecluster.result import columns

    faces = columns(result)
    found = names(decisions, faces, faces.person)
    return set_names(result, {result.people[number].id: name for number, name in found.items()})


def _say(opened: Opened, decision: Decision, said: str) -> None:
    """Print the line on stdout, and a sentence on stderr."""
    from facecluster.identity.decisions import Undo

    click.echo(decision.text)
    if not opened.quiet:
        back = f"facecluster undo {shlex.quote(opened.source)} {decision.id}"
        click.echo(said if isinstance(decision.act, Undo) else f"{said}; to take it back: {back}", err=True)


def describe(act: Act) -> str:
    """Put into a few words what was decided; ids are those of the time."""
    from facecluster.identity.decisions import Merge, Move, Name, NotAPerson, Split, Undo

    match act:
        case Name(person, given):
            return f"name {person} {'(none)' if given is None else printable(given)}"
        case Merge(people):
            return f"merge {' '.join(people)}"
        case Split(person, faces):
            return f"split {_faces(len(faces))} off {person}"
        case Move(into=into, faces=faces):
            return f"move {_faces(len(faces))} to {into or NOBODY}"
        case NotAPerson(person, faces):
            return f"not-a-person {person or _faces(len(faces))}"
        case Undo(undo):
            return f"undo {undo}"


def _options(settings: Mapping[str, Any]) -> ClusterOptions:
    """The options of clustering by which a result was made."""
    rules = settings["cluster"]
    known = {field.name: rules[field.name] for field in fields(ClusterOptions) if field.name in rules}
    known |= {"limits": Limits(**rules["limits"]), "eps": rules["radii"]["eps"], "link": settings["link"]}
    return ClusterOptions(**known)


def _name(text: str) -> str | None:
    """A name as it is kept; None for no name.

    Raises:
        UsageError: it is none that could be told apart from other things.
    """
    new = " ".join(text.split())
    if not new.isprintable():
        raise UsageError(f"{printable(new)!r}: not a name that can be shown everywhere; give plain text")
    if len(new) > _LONGEST_NAME:
        raise UsageError(f"a name of {len(new)} letters; give one of up to {_LONGEST_NAME}")
    if fold(new) == NOBODY or re.fullmatch(r"person-\d+", fold(new)):
        raise UsageError(f"{new!r}: has a meaning of its own and is no name; give another")
    return new or None


def _typical(person: Person, without: Iterable[str] = ()) -> Spots:
    """The faces by which a person is known, but for some: founding ones first."""
    from facecluster.identity.decisions import TYPICAL

    left_out = set(without)
    return _spots(face for face in _founding_first(person) if face.id not in left_out)[:TYPICAL]


def _founding_first(person: Person) -> list[PersonFace]:
    return sorted(person.faces, key=lambda face: not face.core)


def _spots(faces: Iterable[Face]) -> Spots:
    """How decisions know faces; copies are one."""
    from facecluster.identity.decisions import Spot, digest_of

    return tuple(dict.fromkeys(Spot(digest_of(face.id), face.box) for face in faces))


def _all_faces(result: Result) -> list[Face]:
    return [*(face for person in result.people for face in person.faces), *result.unclustered]


def _whose(result: Result, id_: str) -> str:
    """Say whose a face is."""
    for person in result.people:
        if any(face.id == id_ for face in person.faces):
            return f"of {called(person)}"
    return "nobody's"


def _faces(number: int) -> str:
    return "1 face" if number == 1 else f"{number} faces"
