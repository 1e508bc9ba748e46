"""`facecluster name`, `merge`, `split`, `undo` and the others of `cli._DECIDE`: one correction by who knows better.

On a terminal what was done is a sentence. In a pipe stdout gets the lines that decisions.jsonl got, and stderr the
sentence.
"""

from __future__ import annotations

import functools
import logging
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from facecluster.library.layout import CLUSTERS, group_again

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.library.change import Corrected
    from facecluster.library.library import Library

_log = logging.getLogger(__name__)


def _verb(name: str) -> Callable[[Callable[..., Corrected]], click.Command]:
    """Make a command of a function that gets `library: Library`, for LIBRARY, and the other arguments."""

    def make(function: Callable[..., Corrected]) -> click.Command:
        @functools.wraps(function)
        def with_library(*, source: str, as_json: bool, quiet: bool, **others: Any) -> None:
            from facecluster.library.library import Library

            if quiet:
                logging.getLogger("facecluster").setLevel(logging.ERROR)
            with Library.open(source) as library:
                done = function(library, **others)
                _say(library, source, done, as_json=as_json, quiet=quiet)

        quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
        as_json = click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="Print what decisions.jsonl gets, as a pipe gets it anyway.",
        )
        return click.command(name)(click.argument("source", metavar="LIBRARY")(as_json(quiet(with_library))))

    return make


@_verb("name")
@click.argument("texts", metavar="PERSON NAME | NAME FACE...", nargs=-1, required=True)
def name(library: Library, texts: tuple[str, ...]) -> Corrected:
    """Give a person a name, or make a person of faces.

    \b
    facecluster name people person-0003 "Anna Berg"
    facecluster name people "Aunt Eva" IMG_1.jpg#2 IMG_7.jpg
    facecluster name people "Aunt Eva" group-3fa2c1

    LIBRARY is a folder of people. PERSON is an id, as person-0001, or the name so far; a NAME of "" takes it away. FACE
    is a photo by its name, PHOTO#2 the second face in it, person-0004#7 the face that a montage numbers so,
    person-0004#9-17 several, or a group of nobody's faces as show --nobody lists them. Whoever has a name stays a
    person with that id and name, whatever is run later.
    """  # noqa: D301
    from facecluster.library import correct

    return correct.name_or_make(library, texts)


@_verb("merge")
@click.argument("who", metavar="PERSON PERSON...", nargs=-1)
def merge(library: Library, who: tuple[str, ...]) -> Corrected:
    """Make one person of two or more, with the id and name of the first.

    LIBRARY is a folder of people. PERSON is an id, as person-0001, or a name. If the first has no name, the next one's
    is taken. They stay one person when clustered again.
    """
    from facecluster.library import correct

    return correct.merge(library, who)


@_verb("split")
@click.argument("who", metavar="PERSON")
@click.argument("texts", metavar="FACE...", nargs=-1, required=True)
def split(library: Library, who: str, texts: tuple[str, ...]) -> Corrected:
    """Make a new person of some faces of one.

    \b
    facecluster split people person-0004 3 7 9-17
    facecluster split people "Anna Berg" IMG_7.jpg IMG_9.jpg

    LIBRARY is a folder of people. PERSON is an id, as person-0001, or a name. FACE is the number of a face on the
    person's montage, 9-17 several of them, a photo by its name, PHOTO#2 the second face in it, or a face's id (6
    letters of its start will do). The faces stay one person, and not PERSON, when clustered again.
    """  # noqa: D301
    from facecluster.library import correct

    return correct.split(library, who, texts)


@_verb("move")
@click.argument("texts", metavar="FACE...", nargs=-1, required=True)
@click.argument("to", metavar="PERSON|nobody")
def move(library: Library, texts: tuple[str, ...], to: str) -> Corrected:
    """Give faces to a person, or to nobody.

    LIBRARY is a folder of people. FACE is a photo by its name, PHOTO#2 the second face in it, person-0004#7 the face
    that a montage numbers so, person-0004#9-17 several, a group of nobody's faces, or a face's id (6 letters of its
    start will do). PERSON is an id, as person-0001, or a name. The faces stay with PERSON, and not with those they were
    taken from, when clustered again.
    """
    from facecluster.library import correct

    return correct.move(library, texts, to)


@_verb("not-a-person")
@click.argument("texts", metavar="PERSON|FACE|GROUP|PHOTO|FOLDER...", nargs=-1, required=True)
def not_a_person(library: Library, texts: tuple[str, ...]) -> Corrected:
    """Say that people, or faces, are nobody you know: passers-by, a statue, a poster.

    \b
    facecluster not-a-person people person-0031 person-0040
    facecluster not-a-person people group-3fa2c1 IMG_7.jpg#2
    facecluster not-a-person people ~/Pictures/2019/wedding

    LIBRARY is a folder of people. PERSON is an id, as person-0001, or a name: whoever is formed by most of these faces
    is none from now on, with new photos too. FACE is a face's id, or the photo of one face; PHOTO#2 is the second of
    several. A PHOTO of several faces, a FOLDER of photos and a GROUP of show --nobody stand for all faces of nobody in
    them: no face of a person is touched.
    """  # noqa: D301
    from facecluster.library import correct

    return correct.not_a_person(library, texts)


@_verb("different")
@click.argument("who", metavar="PERSON")
@click.argument("other", metavar="PERSON")
def different(library: Library, who: str, other: str) -> Corrected:
    """Say that two people are not one, so that no later run makes one person of them.

    LIBRARY is a folder of people. PERSON is an id, as person-0001, or a name. A later merge makes one of them all the
    same.
    """
    from facecluster.library import correct

    return correct.different(library, who, other)


@_verb("hide")
@click.argument("who", metavar="PERSON...", nargs=-1, required=True)
def hide(library: Library, who: tuple[str, ...]) -> Corrected:
    """Leave people out of lists, and off the sheet of everybody; they stay people.

    LIBRARY is a folder of people. PERSON is an id, as person-0001, or a name. `list --hidden` and `show --hidden` list
    them too; JSON says of everybody whether they are hidden. `unhide` takes them in again.
    """
    from facecluster.library import correct

    return correct.hide(library, who)


@_verb("unhide")
@click.argument("who", metavar="PERSON...", nargs=-1, required=True)
def unhide(library: Library, who: tuple[str, ...]) -> Corrected:
    """Take people into lists again whom hide left out.

    LIBRARY is a folder of people. PERSON is an id, as person-0001, or a name.
    """
    from facecluster.library import correct

    return correct.unhide(library, who)


@_verb("cover")
@click.argument("face", metavar="FACE")
def cover(library: Library, face: str) -> Corrected:
    """Choose the face that stands for a person, as on the sheet of everybody.

    \b
    facecluster cover people person-0004#7
    facecluster cover people IMG_7.jpg#2

    LIBRARY is a folder of people. FACE is a photo by its name, PHOTO#2 the second face in it, person-0004#7 the face
    that a montage numbers so, or a face's id (6 letters of its start will do). It is the cover of whoever holds it.
    """  # noqa: D301
    from facecluster.library import correct

    return correct.cover(library, face)


class _Box(click.ParamType[tuple[float, float, float, float]]):
    """Four numbers: left, top, right, bottom."""

    name = "box"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read them."""
        try:
            left, top, right, bottom = map(float, str(value).split(","))
        except ValueError:
            self.fail(
                f"{value!r}: give four numbers, left,top,right,bottom, in pixels of the upright photo",
                param,
                ctx,
            )
        return left, top, right, bottom


@_verb("draw")
@click.argument("photo", metavar="PHOTO")
@click.argument("box", metavar="LEFT,TOP,RIGHT,BOTTOM", type=_Box())
@click.argument("who", metavar="[PERSON]", required=False)
def draw(library: Library, photo: str, box: tuple[float, float, float, float], who: str | None) -> Corrected:
    """Put in a face that was missed, and say whose it is.

    \b
    facecluster draw people IMG_7.jpg 812,240,905,361 "Anna Berg"

    LIBRARY is a folder of people. PHOTO is a photo of it by its name. The box is drawn round the face, in pixels of the
    upright photo; it need not be exact. The face is looked for there, measured and encoded at once. It stays in the
    library when photos are encoded again, renamed or edited. PERSON is an id, as person-0001, or a name; a new name
    makes a person. Without, the face is nobody's until people are grouped again. A face that is none: not-a-person.
    """  # noqa: D301
    from facecluster.library import correct

    return correct.draw(library, photo, box, who)


@_verb("undo")
@click.argument("which", metavar="[ID]...", nargs=-1)
@click.option(
    "-n",
    "number",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take back the last N things that were done.  [default: 1]",
)
def undo(library: Library, which: tuple[str, ...], number: int | None) -> Corrected:
    """Take back what was decided last, as with name, merge or split; or the decisions of some ids.

    LIBRARY is a folder of people. `facecluster history LIBRARY` lists what was decided, with the ids; ID+ is all of an
    import. An undo can be undone by its own id. What forget took away does not come back.
    """
    from facecluster.errors import UsageError
    from facecluster.library.undo import undo

    if which and number is not None:
        raise UsageError("-n counts from the last decision; give an ID or -n, not both")
    return undo(library, *which, number=number or 1)


def _say(library: Library, source: str, done: Corrected, *, as_json: bool, quiet: bool) -> None:
    """Say what was done: on a terminal in sentences, in a pipe as lines, with the sentences on stderr."""
    from facecluster.formats.decisions_jsonl import text_of
    from facecluster.identity.decisions import Undo

    plain = sys.stdout.isatty() and not as_json
    if not plain:
        for decision in done.decisions:
            click.echo(text_of(decision))
    if not quiet:
        click.echo(done.said, err=not plain)
        if done.decision is not None and isinstance(done.decision.act, Undo):
            of_call = {
                decision.time: decision.id for decision in reversed(done.decisions)
            }  # any of them will do
            ids = " ".join(of_call.values())
            what = "it counts" if len(done.decisions) == 1 else "they count"
            click.echo(f"so that {what} again: facecluster undo {shlex.quote(source)} {ids}", err=not plain)
        elif done.decision is not None:
            which = "" if done.others else f" {done.decision.id}"
            click.echo(f"to take it back: facecluster undo {shlex.quote(source)}{which}", err=not plain)
    if not done.in_step:
        _log.warning(
            "%s does not show all decisions of %s; to see them: %s",
            CLUSTERS, library.ledger, group_again(library.directory, library.result),
        )  # fmt: skip
