"""Say what a result holds: the people on standard output, a summary for standard error."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.sources import list_unreadable
from facecluster.identity.gate import Reason
from facecluster.library.layout import CLUSTERS, INDEX, UNCLUSTERED, folder_name, table_of
from facecluster.library.refer import Spelling
from facecluster.render.columns import aligned
from facecluster.text import many, printable, size, some, typed, without

if TYPE_CHECKING:
    from facecluster.durable.links import Kind
    from facecluster.durable.placing import Holding
    from facecluster.identity.decisions import Act
    from facecluster.identity.rules import Rules
    from facecluster.library.build import Built
    from facecluster.result import AlmostPerson, Lack, Person, Result, Updated

_N_ALMOST = 10
"""Almost-people that the summary tells of."""
_N_PHOTOS = 3
"""Photos of one that it names, of those that count and of the others."""


def print_result(result: Result, *, as_json: bool, more: Mapping[str, object] | None = None) -> None:
    """Print the people on stdout: on a terminal one a line, with names if somebody has one; else as clusters.json.

    Args:
        result: who is who.
        as_json: on a terminal too.
        more: stands in JSON behind what clusters.json has.
    """
    from facecluster.formats.clusters_json import to_json

    if as_json or not sys.stdout.isatty():
        for piece in to_json(result, more=more or {}):
            sys.stdout.write(piece)
        return
    people = [person for person in result.people if not person.hidden]
    named = any(person.name is not None for person in people)
    rows = [("person", "faces", "photos", *["name"] * named, "cover")]
    for person in people:
        name, cover = printable(person.name or "-"), printable(person.cover_face.photo)
        rows.append((person.id, str(person.n_faces), str(person.n_photos), *[name] * named, cover))
    for line in aligned(rows if people else [], right=(1, 2)):
        click.echo(line)


def summary(built: Built, directory: Path) -> str:
    """Say in a few lines what was found, what was left out and why, and where the pictures are."""
    result, rules = built.result, built.chosen.rules
    counts = result.counts
    lines = [
        f"{many(counts.photos, 'photo')}: {without(counts.no_face, built.n_forgotten)}, {counts.unreadable} unreadable",
        f"{many(counts.people, 'person', 'people')} with {counts.clustered} of {many(counts.faces, 'face')}",
    ]
    n_hidden = sum(person.hidden for person in result.people)
    if n_hidden:
        are = "is hidden" if n_hidden == 1 else "are hidden"
        lines.append(f"{n_hidden} of them {are}; to list them: facecluster list {typed(directory)} --hidden")
    table = table_of(result, directory)
    if counts.unreadable and table is not None:
        lines.append(f"to list the unreadable photos: {list_unreadable(str(table))}")
    if built.chosen.remembered:
        told = ", ".join(_option(name, value) for name, value in built.chosen.remembered.items())
        lines.append(f"settings as last time: {told} (--default-settings goes back to the defaults)")
    if counts.same_photo.twice:
        lines.append(_about_twice(result, directory))
    if update := result.settings.update:
        lines += _about_update(update)
    changes = {kind: len(those) for kind, those in vars(result.changes).items() if those}
    if changes:
        lines.append("since the earlier result: " + ", ".join(f"{n} {kind}" for kind, n in changes.items()))
    lines += _about_losses(built, directory)
    left = sorted(counts.unclustered.items(), key=lambda item: -item[1])
    if left:
        n_left = sum(counts.unclustered.values())
        lines.append(f"{many(n_left, 'face')} {'is' if n_left == 1 else 'are'} nobody's:")
        rows = [(str(number), Reason[code.upper()].text) for code, number in left]
        lines += [f"  {line}" for line in aligned(rows, right=(0,), least=(7,))]
    lines += _about_almost(result, directory)
    unknown = sum(counts.unclustered.get(r.code, 0) for r in (Reason.NO_POSE, Reason.NO_QUALITY))
    small = counts.unclustered.get(Reason.TOO_SMALL.code, 0)
    if not counts.faces:
        lines.append("Nobody was found: there is no face in the table.")
    elif not counts.people and rules.gate and unknown and unknown + small == counts.faces:
        lines.append(
            "Nobody was found: the table says nothing of pose and quality, as those of older programs. "
            "Run encode again, or let every face count with --no-gate."
        )
    elif not counts.people:
        lines.append(
            f"Nobody was found: no one is in {many(rules.limits.min_images, 'photo', 'different photos')} with "
            "faces that are alike and good enough. "
            "To find more: a lower --min-images, --min-size or --min-quality, a larger --max-angle or --eps, or "
            "--no-gate, by which every face counts."
        )
    lines += _about_photos(built.holding)
    folders = [UNCLUSTERED, *map(folder_name, result.people)]
    has_folders = built.chosen.link != "none" and any((directory / folder).is_dir() for folder in folders)
    what = f"{CLUSTERS}, folders of photos" if has_folders else CLUSTERS
    lines.append(f"{printable(str(directory))}: {what}{_about_montages(result, directory)}")
    if counts.people and sys.stderr.isatty():
        lines += [
            f"to look and decide: facecluster review {typed(directory)}",
            f"to give it away: facecluster report {typed(directory)} -o report.html",
        ]
    return "\n".join(lines)


def _about_montages(result: Result, directory: Path) -> str:
    """Say how many montages there are, and where everybody is."""
    from facecluster.durable.own_list import is_listed
    from facecluster.library.folders import n_montages

    n, n_people = n_montages(result, directory), len(result.people)
    if not n:
        return ""
    whose = "each person" if n == n_people else f"{n} of {n_people} people"
    everybody = f", everybody on one page ({INDEX})" if is_listed(directory, INDEX) else ""
    return f", a montage of {whose}{everybody}"


def cost(built: Built) -> str:
    """Say who is lost with other settings, by name."""
    gone = [one.person for one in built.gone if one.heir is None]
    return f"{many(len(gone), 'person', 'people')} would go with these settings: {some_people(gone)}"


def some_people(people: Sequence[Person]) -> str:
    """Name the first people, those with a name before the others, and count the rest."""
    ordered = sorted(people, key=lambda person: person.name is None)
    return some([_who(person) for person in ordered], _N_ALMOST)


def _about_photos(holding: Holding | None) -> list[str]:
    """Say how the folders hold photos, what that costs, and what to know about links that are new."""
    if holding is None or not (holding.photos or holding.n_last):
        return []
    parts = [
        many(n, one, several) for kind, (one, several) in _KINDS.items() if (n := holding.photos.get(kind, 0))
    ]
    told = ", ".join([*parts, size(holding.n_bytes) if "copy" in holding.photos else "no space used"])
    notes = [told] if parts else []
    if before := [many(n, *_KINDS[kind]) for kind, n in holding.before.items()]:
        notes.append(f"{' and '.join(before)} until now")
    if holding.auto_is_free:
        notes.append("--link auto costs none here")
    elif holding.link == "auto" and "copy" in holding.photos:
        notes.append("links to these are not possible there")
    if holding.n_new and "hardlink" in holding.photos:
        notes.append(
            "what a program writes into a hard link is in the original too (--link copy keeps them apart)"
        )
    if holding.n_new and "symlink" in holding.photos:
        notes.append("symbolic links show nothing where the originals are away")
    if holding.n_last:
        last = many(
            holding.n_last,
            "last copy of a photo that is not where it was",
            "last copies of photos that are not where they were",
        )
        notes.append(f"{last}, {size(holding.n_bytes_last)}")
    where = "photos in the folders" if holding.is_all else "photos new in the folders"
    return [f"{where}: {'; '.join(notes)}"]


_KINDS: Mapping[Kind, tuple[str, str]] = {
    "clone": ("clone", "clones"),
    "hardlink": ("hard link", "hard links"),
    "symlink": ("symbolic link", "symbolic links"),
    "copy": ("copy", "copies"),
}
"""What a photo in a folder is called, and several of them."""


def _about_losses(built: Built, directory: Path) -> list[str]:
    """Say by name who is gone, which decisions find nobody any more, and which names clash."""
    lines, library = [], shlex.quote(printable(str(directory)))
    if built.n_left_out:
        n = built.n_left_out
        lines.append(f"{many(n, 'face')} of the table {'is' if n == 1 else 'are'} forgotten, and left out")
    became = [f"{_who(one.person)}, is {_called(one.heir)} now" for one in built.gone if one.heir is not None]
    if became:
        lines.append(some(became, _N_ALMOST, "; "))
    no_heir = [one for one in built.gone if one.heir is None]
    for why, gone in (
        ("none of their faces is there any more", [one.person for one in no_heir if not one.n_left]),
        ("nobody has most of their faces now", [one.person for one in no_heir if one.n_left]),
    ):
        if gone:
            lines.append(f"gone, as {why}: {some_people(gone)}")
    if built.fewer:
        fewer = [
            f"{_called(person)}: {many(n, 'face')}, {'was' if person.n_faces == 1 else 'were'} {person.n_faces}"
            for person, n in built.fewer
        ]
        lines.append(f"fewer faces than before: {some(fewer, _N_ALMOST, '; ')}")
    if built.strayed:
        spelling = Spelling(built.result)
        strayed = [
            f"{_called(person)}: {some([spelling.face(face) for face in faces], _N_PHOTOS)}"
            for person, faces in built.strayed
        ]
        lines.append(
            f"not with them any more: {some(strayed, _N_ALMOST, '; ')}. To give a face back: facecluster move "
            f"{library} PHOTO NAME"
        )
    lines += [
        f"{printable(_about(decision.act))}: none of the faces that it was about is there any more "
        f"(decision {decision.id}); it holds again when they are back"
        for decision in built.lapsed
    ]
    called = {person.id: f"{printable(person.name or '')} ({person.id})" for person in built.result.people}
    for one, other in built.alike:
        lines.append(
            f"{called[one]} and {called[other]} look like one person, and stay two as their names say; if they are "
            f"one: facecluster merge {library} {one} {other}"
        )
    for first, second, decisions in built.namesakes:
        ids = " and ".join(decision.id for decision in decisions)
        lines.append(
            f"{first} and {second} were given one name (decisions {ids}), and only the latter has it; if they are "
            f"one: facecluster merge {library} {second} {first}; if not: facecluster name {library} {first} NAME"
        )
    return lines


def _about(act: Act) -> str:
    """Name a decision for somebody who made it."""
    from facecluster.identity.decisions import Name

    if isinstance(act, Name) and act.name is not None:
        return f"{act.name} ({act.person})"
    from facecluster.identity.decisions import describe

    return describe(act)


def _who(person: Person) -> str:
    return f"{_called(person)}, {many(person.n_faces, 'face')}"


def _called(person: Person) -> str:
    return person.id if person.name is None else f"{person.id} ({printable(person.name)})"


def _option(name: str, value: object) -> str:
    """Write a setting as the option that makes it."""
    from facecluster.cli.parameters import FLAGS

    flag = FLAGS.get(name, "--" + name.replace("_", "-"))
    if isinstance(value, bool):
        return flag if value else "--no-" + flag.removeprefix("--")
    return f"{flag} {value:g}" if isinstance(value, float) else f"{flag} {value}"


def used(rules: Rules) -> str:
    """Say by which rules faces were grouped: options as they are typed, and the distances that are none."""
    values: dict[str, object] = {
        "gate": rules.gate,
        "eps": rules.radii.eps,
        "min_samples": rules.min_samples,
        **vars(rules.limits),
        "same_photo": rules.same_photo,
        "video": rules.video,
    }
    options = " ".join(_option(name, value) for name, value in values.items())
    return (
        f"used: {options}; a face joins a person within {rules.radii.join:.3g} on average, if it is nearer than to "
        f"others by {rules.radii.margin:.3g}"
    )


def _about_update(update: Updated) -> list[str]:
    """Say how the result differs from one of a full run."""
    several = f" in {update.updates} updates" if update.updates > 1 else ""
    placed = f"an update: {many(update.new_faces, 'new face')}{several} since all faces were clustered; "
    lines = [placed + "earlier people stay as they were. Without --update everybody is looked at again."]
    if pairs := update.would_merge:
        named = some([f"{one} with {other}" for one, other in pairs], _N_ALMOST)
        lines.append(f"a full run would merge {named}")
    return lines


def _about_twice(result: Result, directory: Path) -> str:
    """Name the people who are in one photo twice, and say what to type."""
    from facecluster.result import seen_twice

    spelling, shared = Spelling(result), result.counts.same_photo
    two: list[str] = []
    which: list[str] = []
    for person in result.people:
        if photos := seen_twice(person):
            two.append(f"{_called(person)} in {some([spelling.photo(photo) for photo in photos], _N_PHOTOS)}")
            which += [spelling.face(face) for face in person.faces if face.photo == photos[0]][-1:]
    explain = shlex.join(["facecluster", "explain", str(directory), which[0]])
    return (
        f"in {shared.twice} of {many(shared.photos, 'photo')} with several people, one of them is there twice: "
        f"{some(two, _N_ALMOST, '; ')}. To see why: {printable(explain)}"
    )


def _about_almost(result: Result, directory: Path) -> list[str]:
    """Say who is almost a person, and what to type."""
    if not result.almost:
        return []
    spelling, library = Spelling(result), str(directory)
    lines = [f"almost a person: {_almost(almost, spelling)}" for almost in result.almost[:_N_ALMOST]]
    if len(result.almost) > _N_ALMOST:
        lines.append(f"... and {len(result.almost) - _N_ALMOST} more in {CLUSTERS}")
    first = result.almost[0]
    faces = [*dict.fromkeys(spelling.face(face) for face in first.faces)]
    if any(face.missing for face in first.faces) or len(faces) > _N_ALMOST:
        from facecluster.library.strangers import name_of

        faces = [name_of(result, [face.id for face in first.faces])]
    name = shlex.join(["facecluster", "name", library, "NAME", *faces])
    return [
        *lines,
        f"  to see them: {shlex.join(['facecluster', 'show', printable(library), '--nobody'])}",
        f"  to make the first a person all the same: {printable(name)}",
    ]


def _almost(almost: AlmostPerson, spelling: Spelling) -> str:
    """Say what is there and what is missing: "2 of 3 photos (a.jpg, b.jpg); c.jpg fails yaw 34° (limit 30°)"."""
    counting = {face.photo: face for face in reversed(almost.faces) if not face.missing}
    others: dict[str, Sequence[Lack]] = {}
    for face in almost.faces:
        if face.photo not in counting:
            others.setdefault(face.photo, face.missing)
    names = [spelling.face(face) for face in reversed(counting.values())]
    lacking = [f"{spelling.photo(photo)} {_lacking(lacks)}" for photo, lacks in others.items()]
    n_needed = almost.n_photos_needed - almost.n_photos
    there = f"{almost.n_photos} of {many(almost.n_photos_needed, 'photo')} ({some(names, _N_PHOTOS)})"
    return "; ".join([there, some(lacking, min(n_needed, _N_PHOTOS), "; ")] if lacking else [there])


def _lacking(lacks: Sequence[Lack]) -> str:
    """Put into words what a face lacks: the numbers that fail, and what is not known."""
    fails, others = [], []
    for lack in lacks:
        reason = Reason[lack.reason.upper()]
        if lack.value is not None and lack.limit is not None:
            name, unit, digits = _MEASURES[reason]
            fails.append(
                f"{name} {_beyond(lack.value, lack.limit, digits)}{unit} (limit {lack.limit:g}{unit})"
            )
        else:
            others.append(_UNMEASURED[reason])
    return ", ".join([f"fails {' and '.join(fails)}", *others] if fails else others)


_MEASURES = {
    Reason.TOO_SMALL: ("size", " px", 0),
    Reason.PITCH: ("pitch", "°", 0),
    Reason.YAW: ("yaw", "°", 0),
    Reason.ROLL: ("roll", "°", 0),
    Reason.LOW_QUALITY: ("quality", "", 2),
}
"""Name, unit and decimals of the number that a limit looks at."""
_UNMEASURED = {
    Reason.NO_POSE: "is too unclear to tell which way the head is turned",
    Reason.NO_QUALITY: "has no measured quality",
    Reason.NEAR_DUPLICATE: "is nearly the same picture as another photo (counts once)",
}


def _beyond(value: float, limit: float, digits: int) -> str:
    """Round a number, without sign, to so many decimals, or to as many as show that it is not on its limit."""
    value = abs(value)
    while round(value, digits) == limit != value and digits < 6:
        digits += 1
    return f"{value:.{digits}f}"
