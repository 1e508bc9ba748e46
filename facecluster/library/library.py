"""The library, with all that can be done with it as methods.

    with Library.open("people") as library:
        library.name("person-0001", "Anna Berg")

`held` says what a library knows, and how it saves itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facecluster.errors import UsageError
from facecluster.library.held import WAIT_S, Held
from facecluster.library.settings import Choices

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from typing_extensions import Self

    from facecluster.library.change import Corrected
    from facecluster.library.forget_steps import Report
    from facecluster.library.history import PastDecision
    from facecluster.library.import_names import Imported
    from facecluster.library.run import Ran
    from facecluster.library.strangers import Group
    from facecluster.library.tag_list import Tagged
    from facecluster.photos.find import Paths
    from facecluster.render.show import Owned
    from facecluster.result import Person


class Library(Held):
    """A folder of people, open for one process; use it in a `with` statement, or `close` it."""

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str],
        *,
        new: bool = False,
        wait_s: float = WAIT_S,
        may_lose_names: bool = False,
    ) -> Self:
        """Open a library as `Held.open` does, and place the photos of a watch that are not in its files yet."""
        from facecluster.library.pending import take_in

        library = super().open(source, new=new, wait_s=wait_s, may_lose_names=may_lose_names)
        try:
            take_in(library)
        except BaseException:
            library.close()
            raise
        return library

    def run(
        self,
        photos: Paths,
        *,
        encoding: Mapping[str, Any] | None = None,
        choices: Choices | None = None,
        update: bool = False,
        fresh: bool = False,
        prune: bool = False,
        defaults: bool = False,
        jobs: int = -1,
    ) -> Ran:
        """Find the faces in photos and say who is who, as `facecluster run` does.

        Args:
            photos: a file or folder, or several; all must exist. Photos of the library that lie elsewhere stay in it.
            encoding: fields of `EncodeOptions` that are chosen now; None: as last time.
            choices: about clustering and the folders; None: as last time.
            update: leave the people who are there as they are, and place new faces only.
            fresh: encode all of these photos again.
            prune: let photos go that are not there any more, however many.
            defaults: what is not chosen is the default, not as last time.
            jobs: processes and threads; -1 is one a core.

        Raises:
            UsageError: a path does not exist.
            FaceclusterError: no photo can be read, or the library cannot be written.
        """
        from facecluster.encoding.keep import Keep
        from facecluster.library.run import run
        from facecluster.photos.find import find_some_photos, several

        named = [os.path.abspath(path) for path in several(photos)]
        return run(
            self,
            find_some_photos(named),
            sources=named,
            encoding=encoding,
            choices=choices or Choices(),
            update=update,
            fresh=fresh,
            defaults=defaults,
            keep=Keep(tuple(named), prune=prune),
            jobs=jobs,
        )

    def update(self, photos: Paths, *, jobs: int = -1) -> Ran:
        """Add photos, and leave the people who are there as they are: `run` with `update`."""
        return self.run(photos, update=True, jobs=jobs)

    def name(self, person: str, name: str) -> Corrected:
        """Give a person (an id, or the name so far) a name; "" takes it away. See `correct.name`."""
        from facecluster.library import correct

        return correct.name(self, _text(person), _text(name))

    def make(self, name: str, *faces: str | Sequence[str]) -> Corrected:
        """Make a new person of faces; a name of "" is none. See `correct.make`."""
        from facecluster.library import correct

        return correct.make(self, _text(name), _texts(faces))

    def merge(self, *people: str | Sequence[str]) -> Corrected:
        """Make one person of two or more, with the id of the first. See `correct.merge`."""
        from facecluster.library import correct

        return correct.merge(self, _texts(people))

    def split(self, person: str, *faces: str | Sequence[str]) -> Corrected:
        """Make a new person of some faces of one. See `correct.split`."""
        from facecluster.library import correct

        return correct.split(self, _text(person), _texts(faces))

    def move(self, *faces: str | Sequence[str], to: str) -> Corrected:
        """Give faces to a person, or to "nobody". See `correct.move`."""
        from facecluster.library import correct

        return correct.move(self, _texts(faces), _text(to))

    def not_a_person(self, *what: str | Sequence[str]) -> Corrected:
        """Say that a person, or faces, are none. See `correct.not_a_person`."""
        from facecluster.library import correct

        return correct.not_a_person(self, _texts(what))

    def confirm(self, *faces: str | Sequence[str], person: str) -> Corrected:
        """Say that faces of a person are that person's. See `say.confirm`."""
        from facecluster.library import correct

        return correct.confirm(self, _texts(faces), _text(person))

    def different(self, person: str, other: str) -> Corrected:
        """Say that two people are not one. See `say.different`."""
        from facecluster.library import correct

        return correct.different(self, _text(person), _text(other))

    def hide(self, *people: str | Sequence[str]) -> Corrected:
        """Leave people out of lists. See `say.hide`."""
        from facecluster.library import correct

        return correct.hide(self, _texts(people))

    def unhide(self, *people: str | Sequence[str]) -> Corrected:
        """Take people into lists again. See `say.hide`."""
        from facecluster.library import correct

        return correct.unhide(self, _texts(people))

    def cover(self, face: str) -> Corrected:
        """Choose the face that stands for whoever holds it. See `say.cover`."""
        from facecluster.library import correct

        return correct.cover(self, _text(face))

    def unsure(self, question: str, sides: Sequence[Sequence[str]]) -> Corrected:
        """Note that somebody could not answer a question about some sides. See `say.unsure`."""
        from facecluster.library import correct

        return correct.unsure(self, _text(question), [_texts(side) for side in sides])

    def draw(self, photo: str, box: Sequence[float], person: str | None = None) -> Corrected:
        """Put in a face that was missed: a box (left, top, right, bottom) in a photo, and whose. See `correct.draw`."""
        from facecluster.library import correct

        return correct.draw(self, _text(photo), box, None if person is None else _text(person))

    def import_names(
        self,
        *photos: str | os.PathLike[str],
        origins: Sequence[str] = (),
        draw: bool = False,
        dry_run: bool = False,
    ) -> Imported:
        """Take in the names that other programs gave: "xmp", "picasa", "takeout", "osxphotos", or all of these.

        See `import_names.import_names`.

        Raises:
            UsageError: no such origin, or no photo of the library is meant.
        """
        from facecluster.library.import_names import import_names
        from facecluster.library.said import origins_of

        return import_names(
            self,
            [os.fspath(path) for path in photos],
            origins=origins_of(origins),
            draw=draw,
            dry_run=dry_run,
        )

    def undo(self, decision: str | None = None, *, number: int = 1) -> Corrected:
        """Take back what was done last, or the last `number` things, or the decision of an id. See `undo.undo`."""
        from facecluster.library.undo import undo

        return undo(self, *(() if decision is None else (decision,)), number=number)

    def forget(
        self, *people: str, photos: Sequence[str] = (), dry_run: bool = False, table_gone: bool = False
    ) -> Report:
        """Take people, and photos by pattern, out of the library for good. See `forget_steps.forget`."""
        from facecluster.library.forget_steps import Wanted, forget

        wanted = Wanted(persons=people, globs=tuple(photos), table_gone=table_gone)
        return forget([str(self.directory)], wanted, library=self, dry_run=dry_run).report

    def tag(self, *photos: str, dry_run: bool = False) -> Tagged:
        """Write names into files beside photos, or beside some of them. See `tag.tag`, which can do more."""
        from facecluster.library.tag import tag

        return tag(self, photos, dry_run=dry_run)

    def untag(self, *photos: str, dry_run: bool = False) -> Tagged:
        """Take out of files beside photos what `tag` wrote. See `tag.untag`."""
        from facecluster.library.tag import untag

        return untag(self, photos, dry_run=dry_run)

    def show(self, *people: str, only: bool = False) -> tuple[Person, ...] | dict[str, tuple[Owned, ...]]:
        """Say who is there; or, of people, which photos show all of them, each with all its faces.

        Args:
            people: ids or names; nobody: all people are listed.
            only: leave out photos that show anybody else.

        Returns:
            The people; or by path the faces of the photos, with whose each is.
        """
        from facecluster.library.refer import find_person
        from facecluster.render.show import find_photos

        if not people:
            return self.people.people
        named = [find_person(self.people, text, self.look) for text in people]
        return {path: tuple(faces) for path, faces in find_photos(self.people, named, only=only).items()}

    def history(self, whom: str | None = None) -> tuple[PastDecision, ...]:
        """Give all decisions, or those about a person or a face, in order of time: what each did, whether it holds."""
        from facecluster.library.history import history
        from facecluster.library.refer import find

        return history(self, None if whom is None else find(self.people, whom, self.look))

    def strangers(self) -> tuple[Group, ...]:
        """Group the faces of nobody, the most promising first. See `strangers.strangers`."""
        from facecluster.joined import Known
        from facecluster.library.strangers import strangers

        return strangers(Known.of(self.people, self.table), self.table)


def _texts(given: Iterable[object]) -> list[str]:
    """Give the texts that are meant by texts, and lists of them.

    Raises:
        UsageError: there is none, or something else.
    """
    texts = [_text(one) for some in given for one in (some if isinstance(some, (list, tuple)) else [some])]
    if not texts:
        raise UsageError("nothing is given; give ids, names or photos as texts, or lists of them")
    return texts


def _text(given: object) -> str:
    """Give a text, also that of a path.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(given, (str, os.PathLike)):
        raise UsageError(f"{given!r}: not the text of an id, a name or a photo")
    return str(os.fspath(given))
