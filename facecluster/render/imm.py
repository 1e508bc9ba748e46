"""People and photos under the field names of Alibaba IMM, so that a client of it can read ours.

People are what QueryFigureClusters answers: `FigureClusters`, `NextToken`, `TotalCount`. Photos are what SimpleQuery
answers: `Files`, `NextToken`, `TotalHits`. What is unknown is left out, as there; `NextToken` is "" on the last page.

Confidences are 0..1, as there. Everywhere else in facecluster they are per cent.

Of FigureCluster: ObjectType, ObjectId, Name, FaceCount, ImageCount, VideoCount, Cover (a File with the cover face
as its only Figure), CreateTime and UpdateTime (both: when clusters.json was written, as runs do not keep older times).
Of File: ObjectType, ObjectId (a digest of the path, as two copies are two files), URI (file://), Filename (the path, as
there it is the key of the object), MediaType, FileHash (BLAKE2b of the content), ImageWidth and ImageHeight (upright),
of a video VideoWidth, VideoHeight and Duration (seconds), ProduceTime (of EXIF), FigureCount, Figures. Of Figure:
FigureId, FigureType, FigureConfidence (that it is a face: the detector's score, where that is in 0..1),
FigureClusterId, FigureClusterConfidence (that it is this person's), FaceQuality, Sharpness, Boundary, HeadPose
(degrees; IMM does not say which side is positive, ours are in `table.Faces`).

Where the face table has attributes: of FigureCluster AverageAge, MinAge, MaxAge, Gender; of Figure Age, AgeSD, Gender,
GenderConfidence, Mouth ("open" or "close"), MouthConfidence.

Left out: RequestId, Aggregations, OwnerId, ProjectName, DatasetName, CustomId, CustomLabels, MetaLockVersion; emotion,
attractiveness, beard, glasses, hat, mask, each with its confidence; all else that is about videos,
sound, documents, places, and object storage; Size, ContentType, Orientation.

References:
    https://www.alibabacloud.com/help/en/imm/developer-reference/api-imm-2020-09-30-queryfigureclusters and, in place of
    the last word, simplequery, struct-figurecluster, struct-file, struct-figure, struct-boundary, struct-headpose;
    models of imm-20200930 in https://github.com/aliyun/alibabacloud-python-sdk.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any, TypeAlias
from urllib.parse import quote_from_bytes

from facecluster.render.attributes import Attributes, PersonAttributes
from facecluster.render.show import Page, ShownFace, ShownPerson, ShownPhoto, Taken, stamp
from facecluster.result import Pose, plain
from facecluster.table import FaceTable
from facecluster.text import as_bytes

INDEPENDENT = "figure-cluster-id-independent"
"""FigureClusterId of a face that belongs to nobody (struct-figure)."""

Measured: TypeAlias = Mapping[str, tuple[float | None, float | None]]
"""The detector's score and the sharpness of each face, by id; None where unknown."""


def measured(table: FaceTable) -> Measured:
    """Take what IMM tells of a face, and a result does not, from its face table."""
    faces = table.faces
    numbers = zip(plain(faces.score), plain(faces.sharpness), strict=True)
    return dict(zip(faces.id.tolist(), numbers, strict=True))


def figure_cluster(
    person: ShownPerson, cover: ShownPhoto | None, written: float, numbers: Measured
) -> dict[str, Any]:
    """Name a person's fields as in FigureCluster.

    Args:
        person: who.
        cover: photo of the cover; of its faces only that is told.
        written: when clusters.json was, in seconds since 1970.
        numbers: see `Measured`.
    """
    return _known(
        {
            "ObjectType": "figure-cluster",
            "ObjectId": person.id,
            "Name": person.name,
            "FaceCount": person.n_faces,
            "ImageCount": person.n_photos - person.n_videos,
            "VideoCount": person.n_videos,
            **_of_person(person.attributes),
            "Cover": None if cover is None else file(cover, numbers, person.cover),
            "CreateTime": stamp(Taken(written, zoned=True)),
            "UpdateTime": stamp(Taken(written, zoned=True)),
        }
    )


def file(photo: ShownPhoto, numbers: Measured, only: str | None = None) -> dict[str, Any]:
    """Name a photo's fields as in File.

    Args:
        photo: with its faces.
        numbers: see `Measured`.
        only: id of the one face to tell; None: all.
    """
    about = photo.about
    width, height = about.size or (None, None)
    kind = "Image" if about.duration is None else "Video"
    return _known(
        {
            "ObjectType": "file",
            "ObjectId": hashlib.blake2b(as_bytes(photo.path, path=True), digest_size=16).hexdigest(),
            "URI": _uri(os.path.abspath(photo.path)),
            "Filename": photo.path,
            "MediaType": kind.lower(),
            "FileHash": about.digest,
            f"{kind}Width": width,
            f"{kind}Height": height,
            "Duration": about.duration,
            "ProduceTime": stamp(about.time),
            "FigureCount": len(photo.faces),
            "Figures": [figure(face, numbers) for face in photo.faces if only in (None, face.id)],
        }
    )


def _uri(path: str) -> str:
    """Write an absolute path as file://, also where this system has no bytes for it."""
    with suppress(UnicodeEncodeError):
        return PurePath(path).as_uri()
    return "file://" + quote_from_bytes(as_bytes(path, path=True))


def figure(face: ShownFace, numbers: Measured) -> dict[str, Any]:
    """Name a face's fields as in Figure."""
    score, sharpness = numbers.get(face.id, (None, None))
    left, top, right, bottom = map(round, face.box)
    return _known(
        {
            "FigureId": face.id,
            "FigureType": "face",
            "FigureConfidence": score if score is not None and 0 <= score <= 1 else None,
            "FigureClusterId": face.person or INDEPENDENT,
            "FigureClusterConfidence": _share(face.confidence),
            "FaceQuality": face.quality,
            "Sharpness": sharpness,
            "Boundary": {"Left": left, "Top": top, "Width": right - left, "Height": bottom - top},
            "HeadPose": _head_pose(face.pose),
            **_of_face(face.attributes),
        }
    )


def page_of(page: Page, kind: str) -> dict[str, Any]:
    """Name where a listing was cut; `kind` is "FigureClusters" or "Files"."""
    total = "TotalCount" if kind == "FigureClusters" else "TotalHits"
    return {total: page.total, "NextToken": page.next or ""}


def _of_person(known: PersonAttributes | None) -> dict[str, Any]:
    if known is None:
        return {}
    return {
        "AverageAge": known.age_average,
        "MinAge": known.age_min,
        "MaxAge": known.age_max,
        "Gender": known.gender,
    }


def _of_face(known: Attributes | None) -> dict[str, Any]:
    if known is None:
        return {}
    return {
        "Age": None if known.age is None else round(known.age),
        "AgeSD": known.age_sd,
        "Gender": known.gender,
        "GenderConfidence": _share(known.gender_confidence),
        "Mouth": None if known.mouth_open is None else "open" if known.mouth_open else "close",
        "MouthConfidence": _share(known.mouth_open_confidence),
    }


def _share(per_cent: float | None) -> float | None:
    """Turn per cent, as everywhere else, into 0..1, as IMM has it; decimals that only float64 has are dropped."""
    return None if per_cent is None else round(per_cent / 100, 9)


def _head_pose(pose: Pose) -> dict[str, float] | None:
    return _known({"Pitch": pose.pitch, "Yaw": pose.yaw, "Roll": pose.roll}) or None


def _known(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}
