"""A file that changes between the look at it and its analysis: every digest keeps its own picture's faces."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from facecluster.encoding import pipeline
from facecluster.encoding.analysis import Analysis, unreadable
from facecluster.encoding.dated import When
from facecluster.encoding.resume import Past
from facecluster.options import EncodeOptions
from facecluster.photos import picture
from facecluster.photos.pixels import Decoded
from facecluster.table import UNREADABLE
from facecluster.workers import Died


def coded(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "PNG")
    return file.getvalue()


OLD, NEW = coded("red"), coded("blue")


class LateWorkers:
    """Stands for worker processes; the first file is another one when they come to it."""

    def __init__(self, content: bytes, *, dies: bool = False) -> None:
        self.content, self.dies = content, dies

    def work(self, paths: Iterable[str], _: int) -> Iterator[tuple[str, object]]:
        for path in list(paths):  # all are looked at before
            if Path(path).name == "changing.png" and self.content:
                Path(path).write_bytes(self.content)
                self.content = b""
                if self.dies:
                    yield path, Died(-9)
                    continue
            yield path, pipeline._analyse(path, EncodeOptions())


def looked_at(photo: Decoded, *_: object) -> Analysis:
    """Stand for an analysis whose size tells the picture."""
    old = photo.pixels[0, 0].tolist() == [255, 0, 0]
    pixels = "old" if old else "new"
    return Analysis("", pixels, (1, 1) if old else (2, 2), "no_face", "", When(0.0), 0, unreadable("").faces)


@pytest.mark.parametrize(
    ("content", "dies", "there"), [(NEW, False, (2, 2)), (NEW[:50], False, None), (NEW, True, None)]
)
def test_a_true_copy_of_the_old_content_has_its_own_faces(
    content: bytes, dies: bool, there: tuple[int, int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "analyse", looked_at)
    monkeypatch.setattr(pipeline.models, "path", lambda name: None)
    paths = [tmp_path / "changing.png", tmp_path / "copy of old.png", tmp_path / "copy of new.png"]
    for path, data in zip(paths, (OLD, OLD, NEW), strict=True):
        path.write_bytes(data)
    past = Past()
    rows, _ = pipeline.find_faces(
        [str(path) for path in paths],
        EncodeOptions(),
        past,
        workers=LateWorkers(content, dies=dies),  # type: ignore[arg-type]
    )
    changed, old, new = rows
    assert (old.coded, old.analysis.size) == (picture.coded_digest(OLD), (1, 1))
    assert (new.coded, new.analysis.size) == (picture.coded_digest(NEW), (2, 2))
    if there is None:
        assert changed.analysis.status == UNREADABLE
        assert changed.coded != picture.coded_digest(OLD)
    else:
        assert (changed.coded, changed.analysis.size) == (picture.coded_digest(NEW), there)
    assert {digest: known.size for digest, known in past.by_coded.items()} == {
        picture.coded_digest(OLD): (1, 1),
        picture.coded_digest(NEW): (2, 2),
    }
