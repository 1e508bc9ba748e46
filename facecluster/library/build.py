"""All faces of a table to people: cluster, give ids and names, write."""

from __future__ import annotations

import json
import logging
import os
import shlex
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError
from facecluster.identity.cluster import Clustering
from facecluster.identity.decisions import Namesakes
from facecluster.identity.gate import Reason, failures, measured
from facecluster.identity.rules import Rules
from facecluster.library.folders import write_result
from facecluster.library.layout import CLUSTERS, DAMAGED
from facecluster.library.settings import ClusterOptions
from facecluster.result import (
    SHARP_BOX_PX,
    AlmostFace,
    AlmostPerson,
    Box,
    Counts,
    Lack,
    Person,
    PersonFace,
    Pose,
    Result,
    SamePhoto,
    UnclusteredFace,
    person_id,
    plain,
)
from facecluster.table import NO_FACE, OK, UNREADABLE, FaceTable, settings_record

_log = logging.getLogger(__name__)

_USUAL = ClusterOptions()


def make_result(table: FaceTable, clustering: Clustering, rules: Rules) -> Result:
    """Turn arrays into records, whose people are numbered from 1 in the order of their labels.

    Args:
        table: n faces.
        clustering: who each of them is.
        rules: by which; written to the settings next to those of the table.
    """
    faces = table.faces
    paths = table.photos.path.tolist()
    ids, photo, reason = faces.id.tolist(), faces.photo.tolist(), clustering.reason.tolist()
    box, pose, quality = plain(faces.box), plain(faces.pose), plain(faces.quality)
    core, confidence = clustering.core.tolist(), plain(clustering.confidence)
    almost_of = {i: place for place, almost in enumerate(clustering.almost) for i in almost.rows.tolist()}

    def person_face(i: int) -> PersonFace:
        return PersonFace(
            ids[i], paths[photo[i]], Box(*box[i]), Pose(*pose[i]), quality[i], core[i], confidence[i]
        )

    def unclustered_face(i: int) -> UnclusteredFace:
        return UnclusteredFace(
            ids[i], paths[photo[i]], Box(*box[i]), Pose(*pose[i]), quality[i],
            reason=Reason(reason[i]).code, almost=almost_of.get(i),
        )  # fmt: skip

    n_left = int(np.count_nonzero(clustering.label < 0))
    order = _typical(table, clustering, rules)
    left, placed = order[:n_left], order[n_left:]
    starts = np.flatnonzero(np.diff(clustering.label[placed])) + 1
    people = []
    for number, rows in enumerate(np.split(placed, starts) if len(placed) else [], start=1):
        people.append(Person.of(person_id(number), [person_face(i) for i in rows.tolist()]))
    statuses = Counter(table.photos.status.tolist())
    return Result(
        settings={**settings_record(table.settings), "cluster": asdict(rules)},
        people=tuple(people),
        unclustered=tuple(unclustered_face(i) for i in sorted(left.tolist())),
        counts=Counts(
            photos=len(table.photos),
            ok=statuses[OK],
            no_face=statuses[NO_FACE],
            unreadable=statuses[UNREADABLE],
            faces=len(faces),
            people=len(people),
            clustered=len(placed),
            unclustered={r.code: reason.count(r) for r in Reason if r != Reason.PASSED and r in reason},
            same_photo=SamePhoto.of(people),
        ),
        almost=_almost_people(table, clustering, rules),
        next_id=len(people) + 1,
    )


def _almost_people(table: FaceTable, clustering: Clustering, rules: Rules) -> tuple[AlmostPerson, ...]:
    """Turn rows into records, with all limits that each face fails."""
    faces, limits = table.faces, rules.limits
    fails = failures(faces, limits) if rules.gate else {}
    numbers = measured(faces, limits)

    def missing(i: int, lack: int) -> tuple[Lack, ...]:
        if lack == Reason.PASSED:
            return ()
        if lack == Reason.NEAR_DUPLICATE:
            return (Lack(Reason.NEAR_DUPLICATE.code, None, None),)
        return tuple(lacking(i, reason) for reason, failing in fails.items() if failing[i])

    def lacking(i: int, reason: Reason) -> Lack:
        if reason not in numbers:
            return Lack(reason.code, None, None)
        number, limit = numbers[reason]
        return Lack(reason.code, plain(number[i : i + 1])[0], limit)

    def almost_face(i: int, lack: int) -> AlmostFace:
        return AlmostFace(str(faces.id[i]), str(table.photos.path[faces.photo[i]]), missing(i, lack))

    return tuple(
        AlmostPerson(
            n_photos=almost.n_photos,
            n_photos_needed=limits.min_images,
            faces=tuple(map(almost_face, almost.rows.tolist(), almost.lack.tolist())),
        )
        for almost in clustering.almost
    )


def _typical(table: FaceTable, clustering: Clustering, rules: Rules) -> NDArray[np.intp]:
    """Order all faces by person; within one, those worth showing first, then founding ones, then the nearest.

    Worth showing: large enough not to be enlarged, and of the quality that the gate asks for, where it is known.
    """
    faces = table.faces
    size = (faces.box[:, 2:] - faces.box[:, :2]).min(axis=1)
    poor = (size < SHARP_BOX_PX) | (faces.quality <= rules.limits.min_quality)
    return np.lexsort((faces.id, clustering.distance, ~clustering.core, poor, clustering.label))


def cluster_table(
    table: FaceTable,
    directory: Path,
    options: ClusterOptions = _USUAL,
    *,
    source: str | None = None,
    jobs: int = -1,
    progress: bool = False,
) -> Result:
    """Say who is who, and write all of it to a folder.

    Args:
        table: the faces.
        directory: gets clusters.json, folders of photos, montages; made if it is not there. People keep the ids that
            they have in the earlier clusters.json.
        options: see `ClusterOptions`.
        source: absolute path of the file of the table; None: it came from standard input.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.

    Returns:
        What clusters.json holds.

    Raises:
        TableError: an encoder nobody knows.
        OutputError: the folder cannot be written, or holds files of the user's under names that are needed.
        FaceclusterError: a decision cannot be read, or they contradict each other.
    """
    import numpy as np

    from facecluster.durable.whole_file import cannot_write
    from facecluster.formats import decisions_jsonl
    from facecluster.identity.cluster import cluster_faces, would_merge
    from facecluster.identity.decisions import mark, names, namesakes, resolve
    from facecluster.library.lineage import inherit, recall, rename

    rules = options.rules(table.settings.encoder)
    threads = jobs if jobs > 0 else os.cpu_count() or 1
    earlier = _earlier(directory)
    file = options.decisions or decisions_jsonl.file_of(
        {} if earlier is None else earlier.settings, directory
    )
    decisions = decisions_jsonl.read(file)
    constraints = resolve(decisions, table.faces)
    if earlier is not None and options.decisions is None and not decisions:
        _warn_of_other_decisions(earlier, directory)
    try:  # before the long part
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(directory, error) from error
    known = None
    if options.update:
        why = _no_update(earlier, table, rules, mark(decisions))
        if why:
            _log.warning("no update, all faces are clustered: %s", why)
        elif earlier is not None:
            known = recall(earlier, table)
    clustering = cluster_faces(table, rules, constraints, earlier=known, jobs=threads)
    result = make_result(table, clustering, rules)
    settings = {
        "table": None if source is None else _seen_from(directory, source),
        "link": options.link,
        "decisions": mark(decisions),
        "decisions_file": None
        if _same_path(file, directory / decisions_jsonl.DECISIONS)
        else os.path.abspath(file),
    }
    result = replace(result, settings={**result.settings, **settings})
    if earlier is not None:
        same = earlier.settings.get("decisions", "") == settings["decisions"]
        result = inherit(result, earlier, names=same)
    result = rename(result, names(decisions, table.faces, clustering.label))
    for pair in namesakes(decisions, table.faces, clustering.label):
        _warn_of_namesakes(result, directory, pair)
    changed = None
    if known is not None and earlier is not None:
        fresh = known.is_new | ((known.person < 0) & (clustering.label >= 0))
        pairs = would_merge(table, clustering, rules, constraints, changed=fresh, jobs=threads)
        since = earlier.settings.get("update", {"updates": 0, "new_faces": 0})
        update = {
            "updates": since["updates"] + 1,
            "new_faces": since["new_faces"] + int(np.count_nonzero(known.is_new)),
            "would_merge": [[result.people[one].id, result.people[other].id] for one, other in pairs],
        }
        result = replace(result, settings={**result.settings, "update": update})
        with_new = {result.people[number].id for number in set(clustering.label[fresh].tolist()) - {-1}}
        sizes_before = {person.id: person.n_faces for person in earlier.people}
        shrunk = {person.id for person in result.people if sizes_before.get(person.id, 0) > person.n_faces}
        changed = with_new | shrunk
    sizes = dict(zip(table.photos.path.tolist(), map(tuple, table.photos.size.tolist()), strict=True))
    write_result(
        result, directory, sizes=sizes, link=options.link, jobs=jobs, progress=progress, changed=changed
    )
    return result


def _no_update(earlier: Result | None, table: FaceTable, rules: Rules, decisions: str) -> str:
    """Say why an earlier result is of no use for an update; "" if it is."""
    from dataclasses import asdict

    from facecluster.table import settings_record

    if earlier is None:
        return "there is no earlier result in the folder"
    if earlier.settings.get("cluster") != json.loads(json.dumps(asdict(rules))):
        return "the earlier result was made with other options of clustering"
    now, then = settings_record(table.settings), earlier.settings
    if any(then.get(key) != now[key] for key in ("detector", "encoder", "options", "models")):
        return "the earlier result is of faces that were encoded otherwise"
    if earlier.settings.get("decisions", "") != decisions:
        return "something else was decided since the earlier result"
    return ""


def _earlier(directory: Path) -> Result | None:
    """Read the result that the folder holds; a damaged one of ours is set aside."""
    from facecluster.durable.own_files import ResultFolder
    from facecluster.formats.clusters_json import read_result
    from facecluster.library.lineage import check_ids

    file = directory / CLUSTERS
    if not os.path.lexists(file):
        return None
    try:
        result = read_result(file)
        check_ids(result)
    except FaceclusterError as error:
        if ResultFolder(directory, ()).has(CLUSTERS):  # else it is not replaced anyway
            file.replace(file.with_name(DAMAGED))
            _log.warning("%s; it is kept as %s, and people get new ids", error, file.with_name(DAMAGED))
        return None
    return result


def _warn_of_other_decisions(earlier: Result, directory: Path) -> None:
    """Say that what was decided for the earlier result does not count any more."""
    if earlier.settings.get("decisions"):
        _log.warning(
            "%s: the earlier result kept to the decisions of %s, which are not there; give --decisions FILE",
            directory,
            earlier.settings.get("decisions_file") or "decisions.jsonl",
        )


def _seen_from(directory: Path, file: str) -> str:
    """A file's path relative to a folder where it lies in there, so that they may be moved together, else absolute."""
    path = Path(os.path.realpath(os.path.dirname(file)), os.path.basename(file))
    folder = os.path.realpath(directory)
    return os.path.relpath(path, folder) if path.is_relative_to(folder) else os.path.abspath(file)


def _same_path(a: Path, b: Path) -> bool:
    """Whether two paths are of one file, there or not."""
    return os.path.realpath(a) == os.path.realpath(b)


def _warn_of_namesakes(result: Result, directory: Path, pair: Namesakes) -> None:
    """Say that of two people who were given one name, one has lost it."""
    from facecluster.identity.decisions import shown

    first, second = result.people[pair.first].id, result.people[pair.second]
    lines = "".join(f"\n  {shown(decision)}" for decision in pair.decisions)
    where = shlex.quote(str(directory))
    _log.warning(
        "%s and %s were given one name, and only the latter has it:%s\n"
        "merge them, facecluster merge %s %s %s, or give %s another: facecluster name %s %s NAME",
        first, second.id, lines, where, first, second.id, first, where, first,
    )  # fmt: skip
