"""Why a face is where it is, and what would have to change, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from facecluster.identity.gate import Reason
from facecluster.joined import Bounds, Known, Who
from facecluster.render.explanation import Gate, NearPerson, Neighbour, PersonExplanation, Ruling
from facecluster.result import UnclusteredFace
from facecluster.text import many

_DIGITS = {" px": 0, "°": 1, "": 3}
"""Decimals of a number, by its unit."""


def why_placed(
    who: Who,
    own: NearPerson | None,
    others: Sequence[NearPerson],
    bounds: Bounds,
    rulings: Sequence[Ruling],
    *,
    core: bool,
    passed: bool,
    n_links: int,
    spell: Callable[[str], str],
) -> list[str]:
    """Say how a face came to its person.

    Args:
        who: the person.
        own: how far its other reference faces are; None: there are none.
        others: other people, nearest first.
        bounds: what the result was made by.
        rulings: what was decided about the face.
        core: whether it is a reference face itself, one of those that others are compared with.
        passed: whether it is good enough to be one.
        n_links: how many reference faces of the person are near enough to be linked with it.
        spell: writes a face, by id.
    """
    decided = next((ruling.id for ruling in reversed(rulings) if ruling.places), None)
    if decided is not None:
        start = f"It is with {called(who)} because somebody decided so ({decided})"
    elif core:
        good = "it is good enough" if bounds.gate else "with --no-gate every face is"
        why = f": {good}" if passed else ", though it is not good enough by itself"
        start = f"It is a reference face of {called(who)}, one that other faces are compared with{why}"
    elif own is not None and own.distance <= own.within:
        start = f"It joined {called(who)}"
    else:
        start = f"It is with {called(who)}"
    if own is None:
        return [f"{start}. There is no other reference face of this person to compare it with."]
    away = close_to(own.distance, own.within)
    if core:
        text = (
            f"{start}. {n_links} of the {many(own.n_founding, 'other reference face')} of this person are within "
            f"{bounds.eps:g} (--eps), where two faces are linked; on average they are {away} away, and a face is near "
            f"enough within {_radius(own)}."
        )
    else:
        within = "and" if own.distance <= own.within else "though"
        are = "is" if own.n_founding == 1 else "are"
        text = (
            f"{start}: its {many(own.n_founding, 'reference face')}, those that others are compared with, {are} "
            f"{away} away on average, {within} a face joins within {_radius(own)}."
        )
    text += crowded(own)
    if own.in_photo is not None:
        text += (
            f" Another face of this photo is this person too: {spell(own.in_photo)}. A page of an album, a mirror or a "
            "picture of a picture may show somebody twice."
        )
    if not others:
        return [text, "There is nobody else."]
    second = others[0]
    ahead = second.distance - own.distance
    rest = f"{close_to(ahead, bounds.margin)} further" if ahead >= 0 else f"{-ahead:.2f} nearer"
    if not core:
        rest += f"; a face that joins is nearer to its person by {bounds.margin:g} at least"
    if second.in_photo is not None:
        rest += f"; that person has another face of this photo, {spell(second.in_photo)}"
    return [text, f"The nearest other person is {called(second)}, {second.distance:.2f} away: {rest}."]


def why_left_out(
    known: Known,
    face: UnclusteredFace,
    gate: Sequence[Gate],
    others: Sequence[NearPerson],
    rulings: Sequence[Ruling],
    *,
    passed: bool,
    finite: bool,
    n_links: int,
    spell: Callable[[str], str],
) -> list[str]:
    """Say why a face has no person; `n_links` are those to faces that may be reference faces, `spell` writes a face."""
    bounds, code = known.bounds, face.reason.upper()
    why = [f"It is nobody's: {Reason[code].text if code in Reason.__members__ else face.reason}."]
    why += [f"Somebody decided so ({ruling.id})." for ruling in rulings if ruling.places]
    if not finite:
        return [*why, "It has no encoding that could be compared."]

    if not others:
        why.append("There is nobody whom it could join.")
    else:
        one, ahead = others[0], _ahead(others)
        within = "but" if one.distance > one.within else "and"
        why.append(
            f"{called(one)} is nearest, {close_to(one.distance, one.within)} away on average, {within} a face joins "
            f"within {_radius(one)}.{crowded(one)}"
        )
        if one.distance <= one.within and ahead < bounds.margin:
            why.append(
                f"But {called(others[1])} is only {close_to(ahead, bounds.margin)} further, and {bounds.margin:g} are "
                "asked for."
            )
        if one.in_photo is not None:
            why.append(f"Another face of this photo is {called(one)} already: {spell(one.in_photo)}.")
        elif one.distance <= one.within and ahead >= bounds.margin and not any(r.places for r in rulings):
            why.append("These distances alone would not have kept it out.")

    if not passed and all(limit.passed for limit in gate):
        return why if face.reason == Reason.VIDEO.code else [*why, f"It is {Reason.VIDEO.text}."]
    if not passed:
        lacks = ", ".join(lacking(limit) for limit in gate if not limit.passed)
        return [*why, f"It is not good enough to make a person of, with others: {lacks}."]
    if face.reason == Reason.TOO_FEW_PHOTOS.code:
        almost = None if face.almost is None else known.result.almost[face.almost]
        count = "" if almost is None else f": {almost.n_photos} of {almost.n_photos_needed} count"
        return [
            *why,
            f"It is good enough to make a person of, with faces like it, but these are in too few photos{count}.",
        ]
    text = (
        f"It is good enough to make a person of, and there {_are(n_links, 'other good face')} within {bounds.eps:g} "
        "(--eps)"
    )
    if n_links + 1 < bounds.min_samples:
        text += f"; to link others it needs {bounds.min_samples - 1}"
    return [*why, f"{text}."]


def remedies_of(
    bounds: Bounds,
    face: UnclusteredFace,
    others: Sequence[NearPerson],
    rulings: Sequence[Ruling],
    *,
    passed: bool,
    finite: bool,
    n_links: int,
    library: str,
) -> list[str]:
    """Say what would have to change for a face that was left out; `library` is how one types it."""
    undo = [f"take the decision back: facecluster undo {library} {r.id}" for r in rulings if r.places]
    if undo or not finite:
        return undo or ["a picture of the face that can be encoded"]
    remedies = []
    if others:
        one, ahead = others[0], _ahead(others)
        if one.distance > one.within:
            beyond = one.distance - one.within
            remedies.append(f"to join {called(one)}, it would have to be nearer by {close_to(beyond, 0)}")
        elif ahead < bounds.margin:
            remedies.append(
                f"if {called(one)} and {called(others[1])} are one person: facecluster merge {library} {one.id} "
                f"{others[1].id}"
            )
        if one.distance <= one.within and one.in_photo is not None and bounds.same_photo != "allow":
            remedies.append("if one person may be in a photo twice: run or cluster with --same-photo allow")
    more = n_links + 1 < bounds.min_samples
    if not passed and face.track is not None and bounds.video == "join":
        remedies.append("to let faces of videos make people: run or cluster with --video found")
    elif not passed:
        among = f", and to be among {bounds.min_samples} good faces within {bounds.eps:g}" if more else ""
        remedies.append(f"to make a person with others, it would have to pass the limits it fails{among}")
    elif more or face.reason == Reason.TOO_FEW_PHOTOS.code:
        remedies.append(
            f"add good photos of the same person: {many(bounds.limits.min_images, 'different photo')} whose faces are "
            "alike make one"
        )
    return remedies


_CROWDED = 0.02
"""By how much the limit of Euclidean distance must be lower for this to be told."""


def crowded(near: NearPerson) -> str:
    """Say that faces look alike where a face and a person are, if they do; with a space before it."""
    if near.within - near.within_here < _CROWDED:
        return ""
    crowding = near.within**2 - near.within_here**2
    alone = math.sqrt(max(near.distance**2 - crowding, 0.0))
    return (
        f" Faces of this kind look alike to the network, as those of children do, and {near.distance:.2f} was raised "
        f"for that: between the encodings alone it is {alone:.2f}, and the limit is {near.within_here:.2f} here, not "
        f"{_radius(near)}."
    )


def _radius(near: NearPerson) -> str:
    return f"{round(near.within, 3):g}"


def _ahead(people: Sequence[NearPerson]) -> float:
    """How much further the second is than the first; infinite where there is no second."""
    return people[1].distance - people[0].distance if len(people) > 1 else math.inf


def lacking(limit: Gate) -> str:
    """Say how a face fails a limit: "size 52 px (limit 75 px)"."""
    return f"{limit.name} {measure(limit)} (limit {limit.limit:g}{limit.unit})"


def measure(limit: Gate) -> str:
    """Write the number that a limit looks at."""
    if limit.value is None:
        return "unknown"
    return f"{close_to(limit.value, limit.limit, _DIGITS[limit.unit])}{limit.unit}"


def called(who: Who | NearPerson | Neighbour | PersonExplanation) -> str:
    """A person's id, with the name where there is one."""
    return who.id if who.name is None else f"{who.id} ({who.name})"


def close_to(value: float, limit: float, digits: int = 2) -> str:
    """Round a number to so many decimals, or to as many as show that it is not on the limit."""
    while round(abs(value), digits) == limit != abs(value) and digits < 6:
        digits += 1
    return f"{round(value, digits) + 0.0:.{digits}f}"  # -0.0 + 0.0 is 0.0


def _are(number: int, one: str) -> str:
    return f"{'is' if number == 1 else 'are'} {number or 'no'} {one if number == 1 else one + 's'}"
