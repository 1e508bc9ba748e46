"""What a page gets of a library, as JSON: pure functions of a view."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from facecluster.formats.said_names import programs
from facecluster.identity.decisions import describe, digest_of
from facecluster.identity.gate import Reason
from facecluster.library.imports import in_words
from facecluster.library.refer import plain
from facecluster.photos.moment import FIRST, Moment
from facecluster.render.tile import box_in_tile, square_of, turns_of
from facecluster.result import AlmostPerson, Person, PersonFace, UnclusteredFace
from facecluster.review.view import is_named_video
from facecluster.text import fold, many, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.library.history import Line, PastDecision
    from facecluster.library.proposed import Proposed
    from facecluster.library.questions import Question, Side
    from facecluster.library.refer import Face
    from facecluster.library.strangers import Group
    from facecluster.review.desk import Asked
    from facecluster.review.links import Links, Pair
    from facecluster.review.view import Placed, View
    from facecluster.table import Picture

SORTS = ("faces", "name", "newest", "unsure")
"""Of people."""
FILTERS = ("all", "named", "unnamed", "almost", "hidden")
"""Of people."""
FACE_SORTS = ("unsure", "date", "best")
"""Of the faces of a person."""

PHOTO_FILTERS = ("all", "none", "nobody")
"""Of photos: all, those without a face, those with a face of nobody."""

_N_FACES = 12
"""Faces of a group that a list shows."""
_N_FILES = 3
"""Files that say a name, that are told."""
_PERSON, _DECISION = re.compile(r"person-\d+"), re.compile(r" \([0-9a-f]{8}\)")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TEXT = {reason.code: reason.text for reason in Reason}


def day(time: float | None) -> str | None:
    """Write seconds since 1970 as a date: "2019-05-01"; None where a calendar has no such day."""
    if time is None:
        return None
    try:
        return (_EPOCH + timedelta(seconds=time)).date().isoformat()
    except OverflowError:
        return None


# ----------------------------------------------------------------------------------------------------- people


def person(view: View, one: Person) -> dict[str, Any]:
    """A person as lists have it."""
    about = view.about(one)
    return {
        "id": one.id,
        "name": one.name,
        "n_faces": one.n_faces,
        "n_photos": one.n_photos,
        "cover": one.cover,
        "hidden": one.hidden,
        "newest": day(about.newest),
        "unsure": about.unsure,
    }


def people(view: View, *, sort: str, only: str, query: str) -> list[Person]:
    """Choose people, and sort them.

    Args:
        view: whose people.
        sort: one of `SORTS`; who lacks what is sorted by comes last.
        only: one of `FILTERS`, but for "almost". Who is hidden comes with "hidden" alone.
        query: what a name or an id has in it, accents and case aside; "": anything.
    """
    found = [one for one in view.result.people if one.hidden == (only == "hidden")]
    if only in ("named", "unnamed"):
        found = [one for one in found if (one.name is not None) == (only == "named")]
    if query:
        found = _called_like(found, query)
    if sort == "name":
        found.sort(key=lambda one: (one.name is None, plain(fold(one.name or "")), one.id))
    elif sort == "newest":
        found.sort(key=lambda one: _falling(view.about(one).newest))
    elif sort == "unsure":
        found.sort(key=lambda one: _rising(view.about(one).unsure))
    return found


def almost_people(view: View) -> list[dict[str, Any]]:
    """Who is nearly a person, the most nearly complete first."""
    return [_almost(own, one) for own, one in view.almost.items()]


def _almost(own: str, one: AlmostPerson) -> dict[str, Any]:
    return {
        "id": own,
        "cover": one.faces[0].id,
        "n_faces": len({face.id for face in one.faces}),
        "n_photos": len({digest_of(face.id) for face in one.faces}),
        "needed": _needed(one),
        "why": _lacks(one),
    }


def _needed(one: AlmostPerson | None) -> int | None:
    """How many more good photos make a person; None: that is not known."""
    return None if one is None else max(one.n_photos_needed - one.n_photos, 0)


def _lacks(one: AlmostPerson) -> str:
    return f"{many(_needed(one) or 0, 'more good photo')} would make this a person"


def names(view: View, query: str, limit: int) -> list[dict[str, Any]]:
    """Who has a name that a text may become: those of which a word starts so first, then the largest first."""
    named = _called_like((one for one in view.result.people if one.name is not None), query)
    word = plain(fold(query))
    named.sort(key=lambda one: not any(part.startswith(word) for part in _words(one)))
    return [
        {"id": one.id, "name": one.name, "n_faces": one.n_faces, "cover": one.cover} for one in named[:limit]
    ]


def _words(one: Person) -> list[str]:
    text = plain(fold(one.name or ""))
    return [text, *text.split()]


def _called_like(some: Iterable[Person], query: str) -> list[Person]:
    wanted = plain(fold(query))
    return [one for one in some if wanted in plain(fold(one.name or "")) or wanted in one.id]


def whole_person(
    view: View, one: Person, links: Links | None, past: Sequence[PastDecision]
) -> dict[str, Any]:
    """A person by itself: what lists have, its years, what holds it together, and what was said of it.

    Args:
        view: of the library.
        one: the person.
        links: None where they are not known.
        past: all decisions.
    """
    times = {digest_of(face.id): view.date(face) for face in one.faces}
    dated = sorted(time for time in times.values() if time is not None)
    days = [text for time in dated if (text := day(time)) is not None]
    weakest, seam = (None, None) if links is None else (links.weakest, links.seam)
    ids = {one.id, *one.former}
    return person(view, one) | {
        "first": days[0] if days else None,
        "last": days[-1] if days else None,
        "years": [[int(year), n] for year, n in sorted(Counter(text[:4] for text in days).items())],
        "former": one.former,
        "links": {"weakest": _pair(view, weakest), "seam": _pair(view, seam)},
        "history": [_said(past_one) for past_one in past if not ids.isdisjoint(past_one.people)],
    }


def _pair(view: View, pair: Pair | None) -> dict[str, Any] | None:
    if pair is None:
        return None
    return {
        "a": face(view, view.faces[pair.a].face),
        "b": face(view, view.faces[pair.b].face),
        "n_a": pair.n_a,
        "n_b": pair.n_b,
        "distance": pair.distance,
        "side": pair.side,
    }


# ------------------------------------------------------------------------------------------------------ faces


def face(view: View, one: Face) -> dict[str, Any]:
    """A face; of one of nobody's, `reason` says in words why."""
    record: dict[str, Any] = {
        "id": one.id,
        "photo": _scene(one),
        **_where(one.moment),
        "confidence": None,
        "core": False,
        "date": day(view.date(one)),
        "quality": one.quality,
    }
    if isinstance(one, PersonFace):
        record |= {"confidence": one.confidence, "core": one.core}
    else:
        record["reason"] = reason(one)
    return record


def _scene(one: Face) -> str:
    """The id under which a page shows the photo of a face: that of the face where it is no plain photo."""
    return digest_of(one.id) if one.moment == FIRST else one.id


def _where(moment: Moment) -> dict[str, str]:
    """Where in a file something is, in words; nothing of a plain photo."""
    return {"where": moment.words} if moment.words else {}


def frames(
    view: View, ids: Iterable[str], pictures: Callable[[], Mapping[str, Picture]]
) -> dict[str, list[float]]:
    """Say where a face is in its tile, if the middle of another one is in there too.

    Args:
        view: of the library.
        ids: of faces; those that are not there are left out.
        pictures: gives those of the face table by path.

    Returns:
        Left, top, width and height in per cent of the side, 0..100, by id of the face.
    """
    found = {}
    for own in dict.fromkeys(ids):
        if own not in view.faces:
            continue
        one = view.faces[own].face
        beside = (view.faces[other].face for other in view.in_photo[digest_of(own)] if other != own)
        boxes = [each.box for each in beside if (each.page, each.time_s) == (one.page, one.time_s)]
        picture = pictures().get(one.photo) if boxes else None
        if picture is None or not picture.width:
            continue
        size = picture.width, picture.height
        left, top, side = square_of(one.box, size)
        middles = (((box.left + box.right) / 2 - left, (box.top + box.bottom) / 2 - top) for box in boxes)
        if any(0 < x < side and 0 < y < side for x, y in middles):
            box = box_in_tile(one.box, size, turns_of(one.pose.roll))
            parts = box.left, box.top, box.right - box.left, box.bottom - box.top
            found[own] = [round(100 * part, 1) for part in parts]
    return found


def reason(one: UnclusteredFace) -> str:
    """Say in words why a face is nobody's."""
    return _TEXT.get(one.reason, one.reason)


def faces(view: View, one: Person, sort: str) -> list[PersonFace]:
    """The faces of a person, each once, in an order of `FACE_SORTS`; equal ones the most typical first."""
    found = [*{each.id: each for each in reversed(one.faces)}.values()][::-1]
    if sort == "unsure":
        found.sort(key=lambda each: _rising(each.confidence))
    elif sort == "date":
        found.sort(key=lambda each: _rising(view.date(each)))
    return found


def _rising(value: float | None) -> tuple[bool, float]:
    return value is None, 0.0 if value is None else value


def _falling(value: float | None) -> tuple[bool, float]:
    return value is None, 0.0 if value is None else -value


# ----------------------------------------------------------------------------------------------------- photos


def photos(view: View, one: Person) -> list[dict[str, Any]]:
    """The photos of a person by date, those without one last; `faces` counts everybody's."""
    theirs = {digest_of(each.id): each for each in reversed(one.faces)}
    found = sorted(theirs.items(), key=lambda pair: (_rising(view.date(pair[1])), pair[1].photo))
    return [_photo(view, own, each.photo) | {"id": _scene(each)} for own, each in found]


def _photo(view: View, own: str, path: str) -> dict[str, Any]:
    faces = [view.faces[face].face for face in view.in_photo.get(own, ())]
    record = {
        "id": own,
        "name": printable(os.path.basename(path)),
        "date": day(view.shelf.dates.get(path)),
        "faces": len({one.id if one.track is None else one.track for one in faces}),
    }
    is_video = is_named_video(path) or any(one.moment.in_video for one in faces)
    return record | ({"video": True} if is_video else {})


def all_photos(view: View, *, sort: str, only: str, query: str) -> NDArray[np.intp]:
    """Choose photos, each once, and sort them -> (k,) rows of `shelf.ids`.

    Args:
        view: of the library.
        sort: one of `shelf.SORTS`.
        only: one of `PHOTO_FILTERS`. What is said to be no person does not count as a face of nobody.
        query: words that are in the folder or the name of a photo, accents and case aside; "": any.
    """
    found = view.shelf.find(query, sort)
    if only == "none":
        return found[~view.with_face[found]]
    return found[view.with_nobody[found]] if only == "nobody" else found


def one_of_all(view: View, own: str) -> dict[str, Any]:
    """A photo as the list of all has it; `nobody` says whether a face of it is nobody's."""
    path = view.shelf.paths[own][0]
    folder = printable(view.shelf.folder(path))
    return _photo(view, own, path) | {"folder": folder, "nobody": own in view.of_nobody}


def photo(view: View, own: str, moment: Moment, size: tuple[int, int]) -> dict[str, Any]:
    """A photo, or a page or frame of one, with all its faces; its size is that of the upright photo in pixels.

    `others` are the other pages and frames with faces, each known by its first face.
    """
    scenes: dict[Moment, list[Placed]] = {moment: []}
    for one in view.photo(own):
        scenes.setdefault(one.face.moment, []).append(one)
    placed = scenes.pop(moment)
    path = view.paths[own][0]
    persons = {who.id: who for _, who in placed if who is not None}
    return {
        "id": own,
        "name": printable(os.path.basename(path)),
        "path": printable(path),
        "width": size[0],
        "height": size[1],
        "date": day(view.shelf.dates.get(path)),
        "draws": moment == FIRST,
        **_where(moment),
        "others": [
            {
                "id": those[0].face.id,
                "where": other.words or "page 1",
                "names": ", ".join(
                    dict.fromkeys(who.name for _, who in those if who is not None and who.name)
                ),
            }
            for other, those in sorted(scenes.items())
        ],
        "persons": [{"id": who.id, "name": who.name} for who in persons.values()],
        "boxes": [
            {
                "face": one.id,
                **one.box._asdict(),
                "person": None if who is None else who.id,
                "name": None if who is None else who.name,
                "confidence": one.confidence if isinstance(one, PersonFace) else None,
                "reason": reason(one) if isinstance(one, UnclusteredFace) else None,
            }
            for one, who in placed
        ],
    }


# ----------------------------------------------------------------------------------------------------- nobody


def group(one: Group) -> dict[str, Any]:
    """Faces of nobody that are alike, as lists have them."""
    needed = _needed(one.almost)
    if one.almost is not None and needed:
        why = _lacks(one.almost)
    else:
        [(code, _)] = Counter(each.reason for each in one.faces).most_common(1)
        why = _TEXT.get(code, code)
    return {
        "id": one.id,
        "n_faces": len(one.faces),
        "n_photos": one.n_photos,
        "needed": needed,
        "faces": [each.id for each in one.faces[:_N_FACES]],
        "why": why,
    }


def whole_group(view: View, one: Group) -> dict[str, Any]:
    """All faces of a group."""
    return group(one) | {"version": view.version, "faces": [face(view, each) for each in one.faces]}


def reasons(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Why faces are nobody's, the most frequent first."""
    most = sorted(counts.items(), key=lambda pair: -pair[1])
    return [{"code": code, "text": _TEXT.get(code, code), "n": n} for code, n in most]


# -------------------------------------------------------------------------------------------------- questions


def questions(asked: Asked | None) -> dict[str, Any]:
    """What is asked next; None: it is not found yet."""
    if asked is None:
        return {"searching": True, "left": 0, "worth_left": 0.0, "worth_done": 0.0, "questions": []}
    return {
        "searching": False,
        "left": asked.n_left,
        "worth_left": asked.worth_left,
        "worth_done": asked.worth_done,
        "questions": [question(one) for one in asked.questions],
    }


def question(one: Question) -> dict[str, Any]:
    """What is asked, and of whom."""
    return {
        "id": one.id,
        "kind": one.kind,
        "text": one.text,
        "left": _side(one.left),
        "right": None if one.right is None else _side(one.right),
        "worth": one.worth,
        "why": one.why,
    }


def proposed(view: View, one: Proposed) -> dict[str, Any]:
    """A name that files give, and the id of who has it here."""
    holders = (own for own, person in view.people.items() if fold(person.name or "") == fold(one.name))
    return {
        "name": one.name,
        "id": next(holders, None),
        "n_faces": len(one.faces),
        "by": programs(one.origins),
        "files": [printable(os.path.basename(file)) for file in list(one.files)[:_N_FILES]],
    }


def _side(side: Side) -> dict[str, Any]:
    return {"person": side.person, "name": side.name, "faces": side.faces, "n_faces": side.n_faces}


# ------------------------------------------------------------------------------------------------------ state


def state(view: View, library: str, path: str, *, saving: bool, busy: str | None) -> dict[str, Any]:
    """What is in a library, and what goes on. Who is hidden counts as `hidden` alone."""
    shown = [one for one in view.result.people if not one.hidden]
    named = sum(one.name is not None for one in shown)
    return {
        "version": view.version,
        "library": printable(library),
        "path": printable(path),
        "people": len(shown),
        "named": named,
        "unnamed": len(shown) - named,
        "hidden": len(view.result.people) - len(shown),
        "almost": len(view.result.almost),
        "faces": view.result.counts.faces,
        "nobody": len(view.result.unclustered),
        "photos": view.result.counts.photos,
        "undo": undo(view),
        "saving": saving,
        "busy": busy,
    }


def undo(view: View) -> dict[str, Any] | None:
    """What an undo takes back."""
    if not view.last:
        return None
    last = view.last[0]
    said = describe(last.act) if last.said_by is None else in_words(view.last)
    return {"id": last.id, "said": spoken(view, said)}


def spoken(view: View, text: str) -> str:
    """Say names in the place of ids of people, and leave out ids of decisions: nobody types them here.

    Args:
        view: knows the names; that of before a decision for what is said of it.
        text: for people, of the command line.
    """
    text = _DECISION.sub("", text)
    for own in sorted(set(_PERSON.findall(text)), key=len, reverse=True):
        person = view.people.get(own)
        if person is not None and person.name is not None:
            name = printable(person.name)
            same = re.escape(name)
            text = name.join(re.split(rf"{own}(?!\d)(?: \({same}\)| {same}(?!\w))?", text))
    return text


def _said(one: PastDecision) -> dict[str, Any]:
    return {"id": one.id, "time": one.time, "said": one.said, "holds": one.holds}


def history(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """What was decided, a line each, in the order given; `n`: decisions of it."""
    return [
        {
            "id": one.id,
            "time": one.past[0].time,
            "said": one.said,
            "holds": one.n_holding > 0,
            "undone": one.past[0].undone_by,
            "n": len(one.past),
        }
        for one in lines
    ]
