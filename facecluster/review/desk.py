"""The library as a page has it: in memory, decided on at once, written behind.

The library is held only while there is something to decide or to write, so that others come to their turn: a `name` in
a shell, a run. What they wrote is seen by the size and time of two files, whenever somebody looks.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from facecluster.durable.lock import hold
from facecluster.errors import FaceclusterError, OutputError, TableError, UsageError
from facecluster.identity.decisions import digest_of
from facecluster.identity.gate import Reason
from facecluster.library.contents import Contents
from facecluster.library.layout import CLUSTERS, LOCK, PENDING, folder_of
from facecluster.library.read import take_in
from facecluster.library.refer import faces_of
from facecluster.library.strangers import Group, names_of
from facecluster.result import Person, Result
from facecluster.review.behind import Behind, Stamp, stamp_of
from facecluster.review.memory import give_back, share
from facecluster.review.shelf import Shelf
from facecluster.review.view import About, View
from facecluster.text import printable, typed

if TYPE_CHECKING:
    from facecluster.library.change import Corrected
    from facecluster.library.proposed import Proposed
    from facecluster.library.questions import Question, Queue
    from facecluster.review.links import Encodings
    from facecluster.table import FaceTable, Picture

_log = logging.getLogger(__name__)

WAIT_S = 5.0
"""Seconds that a decision waits while another facecluster is at work in the library."""
_FAIR_S = 4.0
"""Seconds after which others come to their turn, though there is always more to decide: half of what they wait."""
_TURN_S = 0.25
"""Seconds that they have for it; they look every 0.05."""
_AGAIN_S = 3.0
"""Seconds after which writing is tried again that failed, as on a full disk."""
_PATIENCE_S = 240.0
"""Seconds that a decision waits for what was decided before it: a little less than browsers wait for an answer."""
_LONG_S = 4.0
"""Seconds after which it is told that something takes long."""
_PROBE_S = 1.0
"""Seconds for which it counts whether somebody else was at work."""


_PENDING = "What you decided is kept; folders and pictures of people follow as soon as they can be written"


class BusyError(FaceclusterError):
    """Another facecluster is at work in the library."""


@dataclass(frozen=True)
class Decided:
    """What a decision did.

    Attributes:
        corrected: as the library's function says it.
        changed: people who are others now than they were, or new.
        gone: ids of those who are not there any more.
        appeared: ids of those who are new.
        view: who is who now.
        before: who was who before it.
    """

    corrected: Corrected
    changed: tuple[Person, ...]
    gone: tuple[str, ...]
    appeared: tuple[str, ...]
    view: View
    before: View


@dataclass(frozen=True)
class Asked:
    """What is asked next.

    Attributes:
        questions: by falling worth.
        n_left: how many there are in all.
        worth_left: what they are worth together, in faces.
        worth_done: what was answered was worth.
    """

    questions: tuple[Question, ...]
    n_left: int
    worth_left: float
    worth_done: float


class Desk:
    """One library. Threads may ask all of it at any time; `close` it, so that all is written."""

    def __init__(self, source: str | os.PathLike[str]) -> None:
        """Read a library, and keep nobody from it. Nothing is written, but what a watch has left to be taken in.

        Raises:
            UsageError, FaceclusterError: as `Held.look_in` raises them.
        """
        share()
        if os.fspath(source):
            take_in(folder_of(os.fspath(source)))
        self._library = Behind.look_in(source)
        self.directory: Path = self._library.directory
        self._deciding = threading.RLock()
        self._shelf = Shelf()
        self._table_seen: Stamp | None = None
        self._abouts: dict[int, tuple[Person, About]] = {}
        self._seen = self._stamp()
        self._view = self._make_view(1)
        self._trouble: str | None = None
        self._doing: tuple[str, float] | None = None
        self._probed = (0.0, False)
        self._is_held, self._held_since, self._is_behind = False, 0.0, False
        self._ledger: Stamp | None = None
        self._reading = threading.Lock()
        self._encodings: tuple[FaceTable, Encodings] | None = None
        self._asking = threading.Lock()
        self._memory = threading.Lock()  # whoever needs much of it is alone
        self._queue: Queue | None = None
        self._contents: tuple[Result, Shelf, Contents] | None = None
        self._groups: Sequence[Group] | None = None
        self._found_of: Result | None = None
        self._tell: Callable[[Collection[str]], object] = lambda ids: None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._wake, self._closing = threading.Event(), False
        self._writer = threading.Thread(target=self._write_behind, name="writer")
        self._writer.start()

    def start(self) -> None:
        """Begin with what takes its time: people who do not show all decisions, and what the face table knows."""
        self._later(self._start)

    def _start(self) -> None:
        with self._deciding:
            if self._read_photos():
                self._show()
        with suppress(OutputError):  # a decision says so
            self._library.check_ours()
        try:
            self.catch_up()
        except (FaceclusterError, OSError) as error:
            _log.warning("%s", self.said(error))
        self._tell_read()
        self._make_queue()

    def _later(self, work: Callable[[], object]) -> None:
        """Have something done in a thread of ours, after what is to be done there already."""
        self._reader.submit(work).add_done_callback(_end)

    def when_read(self, tell: Callable[[Collection[str]], object]) -> None:
        """Have somebody told the ids of all faces and photos whenever the library was read, in a thread of ours."""
        self._tell = tell

    def _tell_read(self) -> None:
        view = self._view
        self._tell({*view.faces, *view.paths})

    # -------------------------------------------------------------------------------------------------- looking

    @property
    def name(self) -> str:
        """What the library is called."""
        return Path(os.path.abspath(self.directory)).name or str(self.directory)

    @property
    def is_saving(self) -> bool:
        """Whether something decided is not in the folder yet."""
        return self._is_owing

    def look(self) -> View:
        """Give the library as it is now, with what others wrote; while something is decided, as it was before."""
        if self._is_held or self._library.is_due or self._stamp() == self._seen:
            return self._view
        if not self._deciding.acquire(blocking=False):
            return self._view
        try:
            self._reload()
        except (FaceclusterError, OSError) as error:
            self._trouble = self.said(error)
        finally:
            self._deciding.release()
        return self._view

    def knows(self, own: str) -> bool:
        """Say whether a face or a photo is in the library, by its id."""
        view = self.look()
        return own in view.faces or own in view.paths

    def busy(self) -> str | None:
        """Say why nothing can be decided just now, or what went wrong; None: nothing is in the way."""
        doing = self._doing
        if doing is not None and self._is_held and time.monotonic() - doing[1] > _LONG_S:
            return f"{doing[0]}. What you decide now waits until that is done"
        if (trouble := self._trouble) is not None:
            return f"{trouble}. {_PENDING}" if self._is_owing else trouble
        at, is_busy = self._probed
        if self._is_held:
            return None
        if time.monotonic() - at > _PROBE_S and self._deciding.acquire(blocking=False):
            try:
                is_busy = self._is_held_by_others()
            finally:
                self._deciding.release()
            self._probed = time.monotonic(), is_busy
        return "another facecluster is at work in this library" if is_busy else None

    def said(self, error: BaseException) -> str:
        """Give the sentence of an error, without the path of the library."""
        text = str(error) if isinstance(error, FaceclusterError) else f"{type(error).__name__}"
        whole = os.path.abspath(self.directory)
        for path in sorted({typed(whole), whole, typed(self.directory), str(self.directory)}, key=len)[::-1]:
            if os.sep in path:
                text = text.replace(path, self.name)
        return printable(text) if "\n" not in text else "\n".join(map(printable, text.split("\n")))

    @property
    def contents(self) -> Contents:
        """Says which photos are still those whose faces are known."""
        view, known = self._view, self._contents
        if known is None or known[0] is not view.result or known[1] is not view.shelf:
            contents = Contents(view.result, lambda: self.pictures, bare=lambda: view.shelf.digests)
            known = self._contents = view.result, view.shelf, contents
        return known[2]

    def faces_of(self, texts: Sequence[str]) -> list[str]:
        """Give ids of faces in the place of names of groups of strangers; other texts stay.

        Raises:
            UsageError: there is no such group.
        """
        if not any(text.startswith("group-") for text in texts):
            return [*texts]
        view = self.look()
        groups = {one.id: [face.id for face in one.faces] for one in self.strangers(view) or ()}
        groups |= {
            own: [face.id for face in one.faces] for own, one in view.almost.items() if own not in groups
        }
        found: list[str] = []
        for text in texts:
            if text.startswith("group-") and text not in groups:
                raise UsageError(f"{printable(text)}: there is no such group any more")
            found += groups.get(text, [text])
        return [*dict.fromkeys(found)]

    @property
    def pictures(self) -> Mapping[str, Picture]:
        """The pictures of the photos of the face table, by path."""
        return self._library.pictures

    # ------------------------------------------------------------------------------------------------- deciding

    def decide(self, act: Callable[[Behind], Corrected]) -> Decided:
        """Have a function of the library decide; once this returns, the decision is on the disk.

        Raises:
            BusyError: another facecluster has the library for longer than `WAIT_S`.
            FaceclusterError: as the function raises it.
        """
        with self._alone("Still at work on what was decided last"):
            self._hold()
            library, shown = self._library, self._view
            read_last, n_decisions = library.read_last, len(library.decisions)
            is_as_read = stamp_of(library.ledger) == self._ledger
            try:
                before = library.people
                corrected = act(library)
            except OutputError as error:
                if len(library.decisions) == n_decisions:
                    raise OutputError(f"{error}. Nothing was decided") from error
                self._is_behind = True
                raise
            finally:
                if is_as_read and len(library.decisions) != n_decisions:
                    self._ledger = stamp_of(library.ledger)
                is_other = library.result is not shown.result or len(library.decisions) != len(
                    shown.decisions
                )
                if library.result is not None and is_other:
                    self._show(anew=library.read_last is not read_last)
                self._wake.set()
            return Decided(corrected, *_differences(before, library.people), self._view, shown)

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Be the one who decides, and have others told `what` goes on where it takes long.

        Raises:
            BusyError: another one decides for longer than `_PATIENCE_S`.
        """
        if not self._deciding.acquire(timeout=_PATIENCE_S):
            raise BusyError(
                "what was decided before takes very long; nothing was decided now, try again later"
            )
        try:
            self._doing = what, time.monotonic()
            yield
        finally:
            self._doing = None
            self._deciding.release()

    def catch_up(self) -> None:
        """Group people anew where they do not show all decisions, as something was broken off; else do nothing.

        Raises:
            BusyError: another facecluster has the library.
            FaceclusterError: that cannot be done.
        """
        from facecluster.library import ledger

        with self._alone("People are grouped anew, as they do not show all decisions"):
            if self._library.in_step:
                return
            self._hold()
            try:
                if ledger.catch_up(self._library):
                    self._show(anew=True)
            finally:
                self._wake.set()

    def _hold(self, wait_s: float | None = None) -> None:
        """Keep others from the library, and see what they wrote."""
        if self._is_held:
            return
        try:
            self._library.hold(wait_s=WAIT_S if wait_s is None else wait_s)
        except OutputError as error:
            if isinstance(error.__cause__, filelock.Timeout):
                raise BusyError(self.said(error)) from error
            raise
        self._is_held, self._held_since = True, time.monotonic()
        try:
            if self._stamp() != self._seen:
                self._reload()
            self._ledger, self._library.wrote = self._seen[1], None
            if os.path.lexists(self.directory / PENDING):
                from facecluster.library import pending

                pending.take_in(self._library)
                self._show(anew=True)
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        self._library.close()
        self._is_held = False

    def _reload(self) -> None:
        """Read what others wrote."""
        if not self._is_held:
            take_in(self.directory)
        self._seen = self._stamp()  # of before it is read: what is written meanwhile is read the next time
        self._is_behind = self._is_behind or self._library.is_due
        self._library.reload()
        self._encodings = None
        self._read_photos()
        self._show(anew=True)
        self._trouble = None
        self._later(self._tell_read)

    def _show(self, *, anew: bool = False) -> None:
        """Have everybody see the library as it is now; anew: other faces may be in it than before."""
        self._view = self._make_view(self._view.version + 1, None if anew else self._view)

    def _make_view(self, version: int, earlier: View | None = None) -> View:
        people = self._library.people
        if len(self._abouts) > 2 * len(people.people) + 100:
            self._abouts = {}
        return View(version, people, self._library.decisions, self._shelf, self._abouts, earlier)

    def _stamp(self) -> tuple[Stamp | None, ...]:
        """What tells that somebody wrote who is who, or decided."""
        return tuple(map(stamp_of, (self.directory / CLUSTERS, self._library.ledger)))

    def _is_held_by_others(self) -> bool:
        if not self.directory.is_dir():  # it would be made again
            return False
        try:
            with hold(self.directory / LOCK, self.directory, wait_s=0):
                return False
        except OutputError as error:
            return isinstance(error.__cause__, filelock.Timeout)

    # -------------------------------------------------------------------------------------------------- numbers

    def _read_photos(self) -> bool:
        """Read which photos there are, unless the face table is the one that was read; say whether they are others."""
        from facecluster.formats import face_table
        from facecluster.table import Listed

        file = self._library.table_file
        stamp = None if file is None else stamp_of(file)
        if stamp is not None and stamp == self._table_seen:
            return False
        try:
            photos = None if file is None else face_table.read_listed(file)
        except TableError as error:
            _log.warning("%s", error)
            photos = None
        if photos is None:  # those with faces are known without it
            photos = [
                Listed(face.photo, digest_of(face.id), math.nan) for face in faces_of(self._library.people)
            ]
        shelf, self._table_seen = Shelf(photos), stamp
        if shelf.is_as(self._shelf):
            return False
        self._shelf, self._abouts = shelf, {}
        self._later(shelf.prepare)
        return True

    def _table(self) -> FaceTable | None:
        """The face table; None: it is not there."""
        with self._reading:
            if self._library.table_file is None:
                return None
            try:
                return self._library.table
            except TableError as error:
                _log.warning("%s", error)
                return None

    def encodings(self) -> Encodings | None:
        """Give the encodings of all faces; None: the face table is not there. The first call takes its time."""
        from facecluster.review.links import Encodings

        table, known = self._table(), self._encodings
        if table is not None and (known is None or known[0] is not table):
            known = self._encodings = table, Encodings(table)
        return None if table is None or known is None else known[1]

    def strangers(self, view: View) -> Sequence[Group] | None:
        """Give the groups of the faces of nobody, the most promising first; None: they are not found yet.

        They are found behind once, and again when others changed the library; a decision takes faces out of them, and
        each face that it makes nobody's is a group of its own until then.
        """
        if self._found_of is not self._library.read_last:
            self._found_of = self._library.read_last
            self._later(self._find_strangers)
        return None if self._groups is None else still_there(self._groups, view.result)

    def _find_strangers(self) -> None:
        import numpy as np

        from facecluster.joined import Known
        from facecluster.library.strangers import strangers

        view, table = self._view, self._table()
        groups: Sequence[Group] = ()
        free = {face.photo for face in view.result.unclustered}
        try:
            if table is not None and free:
                with self._memory:
                    theirs = table.select(np.isin(table.photos.path, list(free)))
                    groups = strangers(Known.of(replace(view.result, people=()), theirs), theirs)
        except TableError as error:
            _log.warning("%s", error)
        with self._deciding:
            self._groups = groups
            self._show()

    # ------------------------------------------------------------------------------------------------- questions

    def _make_queue(self) -> None:
        from facecluster.library.questions import Queue

        self._table()
        give_back()
        with self._asking, self._memory:
            self._queue = Queue(self._library)
        with self._deciding:
            self._show()

    def questions(self, number: int) -> Asked | None:
        """Give the next questions, as many as are wanted; None: they are not found yet."""
        with self._asking:
            if self._queue is None:
                return None
            self._queue.refresh()
            asked = self._queue.questions(number)
            return Asked(tuple(asked), self._queue.n_left, self._queue.worth_left, self._queue.worth_done)

    def question(self, own: str) -> Question:
        """Give the question of an id.

        Raises:
            UsageError: it is not asked, or not any more.
        """
        with self._asking:
            if self._queue is not None:
                self._queue.refresh()
            found = None if self._queue is None else self._queue.find(own)
        if found is None:
            raise UsageError("this question is not asked any more")
        return found

    def proposed(self, own: str) -> Sequence[Proposed]:
        """Give the names that files of other programs give to whom a question asks about.

        Raises:
            UsageError: it is not asked, or not any more.
            FaceclusterError: as `library.proposed.proposed` raises it.
        """
        from facecluster.library.proposed import proposed

        side = self.question(own).left
        person = None if side.person is None else self.look().people.get(side.person)
        every = side.every if person is None else [face.id for face in person.faces]
        return () if self._table() is None else proposed(self._library, [*side.faces, *every])

    # -------------------------------------------------------------------------------------------------- writing

    def close(self) -> None:
        """Write all that was decided, and let the library go."""
        self._reader.shutdown(cancel_futures=True)
        self._closing = True
        self._wake.set()
        self._writer.join()
        if self._is_owing:
            _log.warning(
                "%s: its folders do not show the last decisions: %s. The decisions are kept, and the next correction "
                "groups people anew",
                self.name,
                self._trouble,
            )
        self._library.close()

    def _write_behind(self) -> None:
        """Write what was decided, in a thread of its own, and let the library go."""
        while not self._closing:
            self._wake.wait()
            self._wake.clear()
            while (self._is_held or self._is_owing) and not self._write():
                if self._closing and self._trouble is not None:
                    return
                if self._trouble is not None:
                    self._wake.wait(_AGAIN_S)
                    self._wake.clear()

    @property
    def _is_owing(self) -> bool:
        """Whether something was decided that is not in the folder yet."""
        return self._library.is_due or self._is_behind

    def _write(self) -> bool:
        """Write what is due, and let the library go where that is all, or where it cannot be; say whether it is.

        Others come to their turn after a while, though there is always more: deciding waits then.
        """
        try:
            if not self._is_held or self._trouble is not None or self._is_behind:
                self._hold_again()
            with self._memory:
                self._library.write_due()
            with self._deciding:
                is_long = time.monotonic() - self._held_since > _FAIR_S
                if self._library.is_due and not is_long:
                    return False
                self._library.write_due()
                self._trouble = None
                self._let_go_as_written()
                give_back()
                if is_long:
                    time.sleep(_TURN_S)
        except (FaceclusterError, OSError) as error:
            self._trouble = self.said(error)
            with self._deciding:
                if self._is_held and (not self._library.is_due or self._library.table_file is not None):
                    self._let_go_as_written()
            return False
        return True

    def _hold_again(self) -> None:
        """Hold the library again, which may have been let go before all was written.

        Where others wrote into it meanwhile, people are grouped anew, so that they show what was decided here, too.

        Raises:
            BusyError: another facecluster has the library.
            FaceclusterError: they cannot be grouped.
        """
        from facecluster.library import ledger

        with self._alone("What could not be written is written again"):
            self._hold(wait_s=0)
            if self._is_behind:
                if ledger.catch_up(self._library):
                    self._show(anew=True)
                self._is_behind = False

    def _let_go_as_written(self) -> None:
        """Let the library go, whose files are as we left them."""
        self._seen = (self._library.wrote or self._seen[0], self._ledger)  # as far as we wrote it
        self._let_go()


def _end(done: Future[object]) -> None:
    """Give memory back after something large, and tell of what should not have happened."""
    give_back()
    if not done.cancelled() and (error := done.exception()) is not None:
        _log.error("a mistake of facecluster's", exc_info=error)


def still_there(groups: Sequence[Group], result: Result) -> list[Group]:
    """Leave those faces in groups that are nobody's still; each other face of nobody is a group of its own, at the end.

    Args:
        groups: as `strangers.strangers` found them.
        result: who is who now.
    """
    free = {face.id: face for face in result.unclustered if face.reason != Reason.NOT_A_PERSON.code}
    found = []
    for group in groups:
        if left := tuple(free.pop(face.id) for face in group.faces if face.id in free):
            photos = {digest_of(face.id) for face in left}
            is_whole = len(left) == len(group.faces)
            found.append(group if is_whole else replace(group, faces=left, n_photos=len(photos), almost=None))
    names = names_of(result, [[own] for own in free])
    found += [Group(name, (face,), 1, 0, None) for name, face in zip(names, free.values(), strict=True)]
    return found


def _differences(
    before: Result, after: Result
) -> tuple[tuple[Person, ...], tuple[str, ...], tuple[str, ...]]:
    """Who is another now, or new; whose id is gone; whose is new."""
    were, there = ({person.id: person for person in of.people} for of in (before, after))
    changed = tuple(person for own, person in there.items() if were.get(own) is not person)
    gone, new = (
        tuple(own for own in one if own not in other) for one, other in ((were, there), (there, were))
    )
    return changed, gone, new
