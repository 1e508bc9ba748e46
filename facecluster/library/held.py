"""A library that is held: the folder of people that somebody keeps for years, opened and locked once.

It knows its face table, its people, its settings, and what a person said (decisions), and it saves itself: every file
is whole at any time, and only what changed is written. What can be done with it stands in files of its own, each a
function of a library: `build` and `update` group faces, `correct` takes decisions, `forget` forgets, `history` tells of
the past. `library.Library` has all of these as methods.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from facecluster.durable.lock import hold
from facecluster.durable.own_file import refuse_link
from facecluster.durable.own_files import ResultFolder
from facecluster.durable.own_list import RESULT_MARKER, last_write
from facecluster.durable.placing import Holding
from facecluster.durable.spelt import Seen, real
from facecluster.durable.whole_file import cannot_write
from facecluster.errors import DecisionsLackError, FaceclusterError, OutputError, TableError, UsageError
from facecluster.library.layout import (
    CLUSTERS,
    DAMAGED,
    FILES,
    LOCK,
    PENDING,
    REPLACED,
    TABLE,
    folder_of,
    free_name,
    group_again,
)
from facecluster.text import many, printable, typed

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from typing_extensions import Self

    from facecluster.formats.forgotten_jsonl import Place
    from facecluster.identity.decisions import Decision
    from facecluster.library.refer import Look
    from facecluster.result import Person, Result
    from facecluster.table import FaceTable, Picture

_log = logging.getLogger(__name__)

_N_BEHIND = 20
"""That many decisions a library may lack which others put into its file."""

WAIT_S = 10.0
"""Seconds to wait for another facecluster that is at work in the library: longer than a correction takes."""


class Held:
    """A folder of people, open for one process; use it in a `with` statement, or `close` it.

    Attributes:
        directory: where it lies.
        result: who is who as clusters.json has it; None: nobody has been grouped yet.
        ledger: the file of the decisions.
        seen: photos whose contents were digested while it is open.
        decisions: what a person said, in order of time.
        table_file: the face table that the people are of, where it lies now; None: it is not known, or not there.
        may_lose_names: whether people may lose names that no decision gives, see `keep_to`.
    """

    def __init__(
        self, directory: Path, result: Result | None, stack: ExitStack, *, may_lose_names: bool = False
    ) -> None:
        """See `open`, which makes one."""
        from facecluster.formats import decisions_jsonl
        from facecluster.formats.clusters_json import Texts

        self.directory = directory
        self.result = result
        self.ledger = decisions_jsonl.file_of(
            None if result is None else result.settings.decisions_file, directory
        )
        self.decisions: list[Decision] = decisions_jsonl.read(self.ledger)
        self.may_lose_names = may_lose_names
        self._is_ledger_given = False
        self.seen: frozenset[str] = frozenset()
        self._stack = stack
        self._table: FaceTable | None = None
        self._pictures: dict[str, Picture] | None = None
        self._texts = Texts()

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str],
        *,
        new: bool = False,
        wait_s: float = WAIT_S,
        may_lose_names: bool = False,
    ) -> Self:
        """Open a library, and keep other processes from it until it is closed.

        Args:
            source: the folder, or its clusters.json.
            new: make the folder if it is not there, and go on where nobody has been grouped yet. A record that is
                damaged is set aside then, as it is made anew; of one that is not as we left it a copy is kept.
            wait_s: seconds to wait while another process is at work in it.
            may_lose_names: people may lose names that no decision gives, as where the file of the decisions is gone.

        Raises:
            UsageError: an empty name.
            OutputError: another process has it for longer, a file of it is a link, or it cannot be written.
            FaceclusterError: it is no library, or a file of it cannot be read.
        """
        text = os.fspath(source)
        if not text:
            raise UsageError("an empty name; is a variable unset?")
        directory = Path(text) if new else _folder(text)
        if new:
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise cannot_write(directory, error) from error
        for name in FILES:
            refuse_link(directory / name)
        with ExitStack() as stack:
            stack.enter_context(hold(directory / LOCK, directory, wait_s=wait_s))
            result = _read(directory, mend=new)
            if result is None and not new and not os.path.lexists(directory / PENDING):
                raise FaceclusterError(
                    f"{text}: holds no {CLUSTERS}; give a folder that cluster or run wrote"
                )
            return cls(directory, result, stack.pop_all(), may_lose_names=may_lose_names)
        raise AssertionError("a stack swallows nothing")

    @classmethod
    def look_in(cls, source: str | os.PathLike[str]) -> Self:
        """Read a library without keeping others from it; `hold` it, and `reload`, before anything is changed.

        Raises:
            UsageError: an empty name.
            FaceclusterError: it is no library, or a file of it cannot be read.
            OutputError: a file of it is a link.
        """
        text = os.fspath(source)
        if not text:
            raise UsageError("an empty name; is a variable unset?")
        directory = _folder(text)
        for name in FILES:
            refuse_link(directory / name)
        result = _read(directory, mend=False)
        if result is None:
            raise FaceclusterError(f"{text}: holds no {CLUSTERS}; give a folder that cluster or run wrote")
        return cls(directory, result, ExitStack())

    def close(self) -> None:
        """Let other processes use the library."""
        self._stack.close()

    def hold(self, *, wait_s: float = WAIT_S) -> None:
        """Keep other processes from it again, after it was closed; they may have written its files (`reload`).

        Raises:
            OutputError: another process has it for longer, or its folder is gone.
        """
        self.check_there()  # else it would be made again
        self._stack.enter_context(hold(self.directory / LOCK, self.directory, wait_s=wait_s))

    def check_there(self) -> None:
        """Make sure that the folder is there.

        Raises:
            OutputError: it is not.
        """
        if not self.directory.is_dir():
            raise OutputError(f"{self.directory}: the folder is not there any more; nothing was changed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}: {self.directory}, {'nobody yet' if self.result is None else self.result}"
        )

    # ------------------------------------------------------------------------------------------ what it knows

    @property
    def people(self) -> Result:
        """Who is who.

        Raises:
            FaceclusterError: nobody has been grouped yet.
        """
        if self.result is None:
            raise FaceclusterError(
                f"{self.directory}: nobody has been grouped yet; to do that: {group_again(self.directory)}"
            )
        return self.result

    @property
    def table_file(self) -> Path | None:
        """The face table that the people are of, where it lies now; None: it is not there."""
        named = None if self.result is None else self.result.settings.table
        places = [*([] if named is None else [self.directory / named]), self.directory / TABLE]
        return next((file for file in places if file.is_file()), None)

    @property
    def table(self) -> FaceTable:
        """The face table that the people are of, read when it is first asked for.

        Raises:
            TableError: it is not there, or damaged.
        """
        from facecluster.formats import face_table

        if self._table is None:
            file = self.table_file
            if file is None:
                named = None if self.result is None else self.result.settings.table
                raise TableError(
                    f"{self.directory}: its face table {named or TABLE} is not there; put it back, or type: "
                    f"{group_again(self.directory)}"
                )
            self._table = face_table.read(file)
        return self._table

    @property
    def look(self) -> Look:
        """Where to look for what a command line means, see `refer`."""
        from facecluster.library.look import look_at

        return look_at(self.directory, self.people, lambda: None if self.table_file is None else self.table)

    @property
    def places(self) -> list[Place]:
        """Where the faces were that are forgotten."""
        from facecluster.formats import forgotten_jsonl

        return forgotten_jsonl.read(forgotten_jsonl.list_of(self.directory / TABLE))

    @property
    def in_step(self) -> bool:
        """Whether the people show all the decisions."""
        from facecluster.identity.decisions import mark

        return self.result is not None and self.result.settings.decisions == mark(self.decisions)

    @property
    def ledger_elsewhere(self) -> str | None:
        """Absolute path of the file of the decisions; None: it is the one in the folder."""
        from facecluster.formats.decisions_jsonl import DECISIONS

        own = os.path.realpath(self.directory / DECISIONS)
        return None if os.path.realpath(self.ledger) == own else os.path.abspath(self.ledger)

    def keep_to(self, ledger: Path | None) -> tuple[Person, ...]:
        """Keep to a file of decisions from now on, and make sure that it gives people the names that they have.

        Args:
            ledger: None: the file that the library keeps to.

        Returns:
            People whose names no decision gives; nobody unless names may be lost.

        Raises:
            DecisionsLackError: no decision gives somebody's name, as where the file is gone or was cut short.
            FaceclusterError: the file cannot be read; the library keeps to one elsewhere, and does not know it.
        """
        from facecluster.formats import decisions_jsonl
        from facecluster.identity.decisions import Make, Name

        if ledger is not None:
            self.decisions, self.ledger = decisions_jsonl.read(ledger), ledger
            self._is_ledger_given = True
        if self.result is None or self.in_step:
            return ()
        if self.ledger_elsewhere is not None and not self._is_ledger_given:
            check_ledger(self.ledger, self.decisions, self.result, self.directory)
        acts = [decision.act for decision in self.decisions]
        given = {act.name.casefold() for act in acts if isinstance(act, Name | Make) and act.name is not None}
        nameless = tuple(
            person
            for person in self.result.people
            if person.name is not None and person.name.casefold() not in given
        )
        if nameless and not self.may_lose_names:
            then = None if ledger is not None else self.result.settings.decisions_file
            named = ", ".join(f"{printable(person.name or '')} ({person.id})" for person in nameless)
            raise DecisionsLackError(
                f"{then or self.ledger}: lacks the decisions that gave {many(len(nameless), 'person', 'people')} a "
                f"name, so nothing was changed: {named}. Put the file back from a backup, or go on without these "
                "names (as when they were forgotten in another library that keeps to this file): "
                f"{group_again(self.directory, self.result)} -y"
            )
        return nameless

    def reload(self) -> None:
        """Read all of it again: somebody else wrote its files."""
        from facecluster.formats import decisions_jsonl

        self.result = _read(self.directory, mend=False)
        self.decisions = decisions_jsonl.read(self.ledger)
        self.forget_table()

    def forget_table(self) -> None:
        """Read the face table again when it is asked for next: its file is another one now."""
        self._table = self._pictures = None

    def put_table(self, table: FaceTable, file: Path) -> None:
        """Write a face table: the one that the people are of, or that they will be of.

        Raises:
            OutputError: disk full, no permission; or another process is writing it.
        """
        from facecluster.durable.lock import only_user_of
        from facecluster.formats import face_table

        with only_user_of(file):
            face_table.write(table, file)
        self.forget_table()
        if file == self.table_file:
            self._table = table

    @property
    def pictures(self) -> Mapping[str, Picture]:
        """The pictures of the photos of the face table, by path; none where it cannot be read."""
        from facecluster.formats import face_table

        if self._pictures is None:
            file = self.table_file
            try:
                self._pictures = {} if file is None else face_table.read_pictures(file)
            except TableError as error:
                _log.warning("%s", error)
                self._pictures = {}
        return self._pictures

    # ------------------------------------------------------------------------------------------------- saving

    def record(self, *decisions: Decision) -> None:
        """Put decisions behind the others; once this returns, they are on the disk.

        Raises:
            OutputError: disk full, no permission; or clusters.json is not as we left it, and could not be replaced.
            FaceclusterError: the file lies elsewhere, and the library does not know it.
        """
        from facecluster.formats import decisions_jsonl

        self.check_ours()
        if self.ledger_elsewhere is not None and not self._is_ledger_given:
            check_ledger(self.ledger, self.decisions, self.people, self.directory)
        if decisions:
            decisions_jsonl.append(self.ledger, *decisions)
            self.decisions += decisions

    def check_ours(self) -> None:
        """Make sure that clusters.json is as we left it, and may be replaced.

        Raises:
            OutputError: it is not.
        """
        if not ResultFolder(self.directory, (), scope=[CLUSTERS]).has(CLUSTERS):
            raise OutputError(
                f"{self.directory / CLUSTERS}: not as facecluster left it (is it from a backup?); nothing was "
                f"changed; to mend it: {group_again(self.directory, self.result)}"
            )

    def save(
        self,
        result: Result,
        *,
        pictures: Mapping[str, Picture] | None = None,
        changed: Collection[str] | None = None,
        forget: Collection[str] = (),
        jobs: int = -1,
        progress: bool = False,
    ) -> Holding:
        """Write who is who: folders and montages of the people who changed, and last of all clusters.json.

        Args:
            result: who is who now.
            pictures: of the photos by path; None: as the face table has them.
            changed: ids of people whose faces are others now; None: all are looked at.
            forget: photos of whom no copy stays where the result has none.
            jobs: threads; -1 is one a core.
            progress: show a bar on stderr where that is a terminal.

        Returns:
            How the folders hold photos.

        Raises:
            OutputError: the folder cannot be written, or holds files of the user's under names that are needed.
        """
        holding = self._write(
            result,
            self.result,
            pictures=pictures,
            changed=changed,
            forget=forget,
            jobs=jobs,
            progress=progress,
        )
        self.result = result
        return holding

    def _write(
        self,
        result: Result,
        earlier: Result | None,
        *,
        pictures: Mapping[str, Picture] | None = None,
        changed: Collection[str] | None = None,
        forget: Collection[str] = (),
        jobs: int = -1,
        progress: bool = False,
    ) -> Holding:
        """Write who is who, where `earlier` was written last; see `save`."""
        from facecluster.library.contents import Contents
        from facecluster.library.folders import write_result

        def table_pictures() -> Mapping[str, Picture]:
            return self.pictures if pictures is None else pictures

        names = {} if earlier is None else {person.id: person.name for person in earlier.people}
        only_names = (
            changed is not None and not changed and last_write(self.directory).unfinished == frozenset()
        )
        return write_result(
            result,
            self.directory,
            pictures={} if pictures is None and only_names else table_pictures(),
            link=result.settings.link or ResultFolder(self.directory, ()).link(),
            jobs=jobs,
            progress=progress,
            changed=changed,
            named=[p.id for p in result.people if p.name != names.get(p.id, p.name)],
            earlier=earlier,
            forget=forget,
            texts=self._texts,
            contents=Contents(result, table_pictures, self.seen),
        )


def check_ledger(ledger: Path, decisions: Sequence[Decision], result: Result, directory: Path) -> None:
    """Make sure that a library knows the file of decisions outside of its folder that is to be written.

    A library from somebody else may name any file. Which decisions people show (`identity.decisions.mark`) can only be
    said by who knows them.

    Args:
        ledger: the file.
        decisions: in it.
        result: of the library.
        directory: its folder.

    Raises:
        FaceclusterError: the people show neither these decisions nor what they were until some of the last ones.
    """
    from facecluster.identity.decisions import mark

    n = len(decisions)
    earlier = (mark(decisions[:k]) for k in range(n, max(n - _N_BEHIND, 0), -1))
    if result.settings.decisions in earlier or (ledger.suffix == ".jsonl" and os.path.getsize(ledger) == 0):
        return
    raise FaceclusterError(
        f"{ledger}: {directory} keeps its decisions there, outside of its folder, and does not know what is in it (is "
        f"the library from somebody else?); nothing was changed. If it is the right file, type: "
        f"{group_again(directory, result)} --decisions {typed(ledger)}"
    )


def _folder(source: str) -> Path:
    """The folder of a library that is there.

    Raises:
        FaceclusterError: it is none.
    """
    if not os.path.lexists(source) and not source.endswith(".json"):
        raise UsageError(f"{source}: no such folder")
    if not os.path.isdir(source) and os.path.basename(source) != CLUSTERS:
        raise UsageError(f"{source}: give a folder of people, or its {CLUSTERS}")
    directory = folder_of(source)
    if not directory.is_dir():
        raise FaceclusterError(f"{source}: no such folder")
    return directory


def _read(directory: Path, *, mend: bool) -> Result | None:
    """Read clusters.json; None where there is none.

    Args:
        directory: the library.
        mend: a record that is damaged is set aside, and counts as none, but in a folder that is no library. One that
            is not as we left it, as it comes from a backup, counts as ours, and a copy is kept.

    Raises:
        FaceclusterError: it is damaged, and is not to be set aside.
    """
    from facecluster.formats.clusters_json import read_result
    from facecluster.library.lineage import check_ids

    file = directory / CLUSTERS
    if not os.path.lexists(file):
        return None
    try:
        result = read_result(file)
        check_ids(result)
    except FaceclusterError as error:
        if not mend:
            raise
        if (directory / RESULT_MARKER).exists():  # else it is the user's, and not replaced
            aside = free_name(directory, DAMAGED)
            file.replace(aside)
            _log.warning(
                "%s. This is done now: the damaged file is kept as %s, and people get new ids, but for those whom "
                "decisions know",
                error,
                aside,
            )
        return None
    if mend:
        _make_ours(directory)
    return result


def _make_ours(directory: Path) -> None:
    """Have clusters.json count as ours as it is now; where it is not as we left it, a copy is kept."""
    folder = ResultFolder(directory, (), scope=[CLUSTERS])
    if folder.has(CLUSTERS) or (directory / CLUSTERS).is_symlink():
        return
    aside = free_name(directory, REPLACED)
    try:
        shutil.copy2(directory / CLUSTERS, aside)
    except OSError as error:
        raise cannot_write(aside, error) from error
    folder.claim(CLUSTERS)
    _log.warning(
        "%s: not as facecluster left it (is it from a backup?); a copy is kept as %s",
        directory / CLUSTERS, aside,
    )  # fmt: skip


def is_library(folder: Path) -> bool:
    """Whether a folder holds people, or did."""
    return any(os.path.lexists(folder / name) for name in (CLUSTERS, RESULT_MARKER))


def seen_from(directory: Path, files: Iterable[str]) -> tuple[str, ...]:
    """Paths relative to a folder where they lie in there, so that they may be moved together, else absolute."""
    known: Seen = {}
    folder = real(directory, known)
    seen = []
    for file in files:
        path = Path(real(os.path.dirname(file), known), os.path.basename(file))
        inside = path.is_relative_to(folder)
        seen.append(path.relative_to(folder).as_posix() if inside else os.path.abspath(file))
    return tuple(seen)
