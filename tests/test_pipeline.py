from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import filelock
import numpy as np
import pytest
from PIL import Image, ImageOps
from tables import assert_same

from facecluster.durable.journal import Journal
from facecluster.encoding import pipeline, resume, worker
from facecluster.encoding.analysis import FACE, Analysis, pack
from facecluster.encoding.dated import UNDATED
from facecluster.encoding.keep import Keep, Kept
from facecluster.encoding.pipeline import Encoded, encode_photos
from facecluster.errors import FaceclusterError, OutputError, TableError, UsageError
from facecluster.formats import face_table
from facecluster.identity.check import PRESETS, Limit
from facecluster.options import EncodeOptions
from facecluster.photos import picture
from facecluster.photos.decode import decode
from facecluster.photos.find import find_photos
from facecluster.photos.pixels import MAX_PIXELS
from facecluster.table import (
    NO_FACE,
    OK,
    QUALITY,
    UNREADABLE,
    Faces,
    Photos,
)
from facecluster.vision import detect, encode
from facecluster.workers import Died

DEFAULTS = EncodeOptions()


@pytest.fixture(scope="session")
def originals(shared_data: Path) -> list[Path]:
    """Seven photos of half a megapixel, each with one person's face."""
    return [Path(path) for path in find_photos([shared_data / "caltech_faces84"])[:84:12]]


@pytest.fixture(scope="session")
def crowd(shared_data: Path) -> Path:
    """A photo of several people, near and far."""
    return shared_data / "dlib_faces" / "2008_001322.jpg"


@pytest.fixture
def album(originals: list[Path], tmp_path: Path) -> Path:
    """A folder of the seven photos, a photo without a face, a broken one, and a copy of the first."""
    folder = tmp_path / "album"
    folder.mkdir()
    for i, path in enumerate(originals):
        shutil.copy(path, folder / f"photo-{i}.jpg")
    shutil.copy(originals[0], folder / "copy of 0.jpg")
    Image.new("RGB", (200, 100), "green").save(folder / "no face.png")
    (folder / "broken.jpg").write_bytes(originals[0].read_bytes()[:9999])
    return folder


def run(
    album: Path | Sequence[str],
    output: Path | None = None,
    *,
    options: EncodeOptions = DEFAULTS,
    jobs: int = 1,
    fresh: bool = False,
    keep_missing: bool = False,
    append: bool = False,
) -> Encoded:
    """Encode photos; of an album, or of the folders in which they lie, all is looked at."""
    paths = find_photos([album]) if isinstance(album, Path) else album
    folders = [str(album)] if isinstance(album, Path) else map(os.path.dirname, paths)
    keep = Keep(tuple(folders), missing=keep_missing, append=append)
    return encode_photos(paths, options, output=output, jobs=jobs, fresh=fresh, keep=keep)


def encoded_names(encoded: Encoded) -> list[str]:
    return [os.path.basename(path) for path in encoded.table.photos.path]


# ------------------------------------------------------------------------------------------------- the table


def test_every_photo_has_a_row_and_every_face_its_numbers(album: Path) -> None:
    encoded = run(album)
    rows, faces = encoded.table.photos, encoded.table.faces
    assert encoded_names(encoded) == sorted(path.name for path in album.iterdir())
    status = dict(zip(encoded_names(encoded), rows.status.tolist(), strict=True))
    assert status.pop("broken.jpg") == UNREADABLE
    assert status.pop("no face.png") == NO_FACE
    assert set(status.values()) == {OK}
    assert rows.reason[0] == "broken photo: " + rows.reason[0][14:] != "broken photo: "
    assert (rows.reason[1:] == "").all()
    assert (rows.hash[rows.status != UNREADABLE] > 0).sum() == 8  # the plain green one has no structure

    assert len(faces) >= 8
    assert encoded.n_new_faces == len(faces) - int((faces.photo == 1).sum())  # the copy is not analysed
    width, height = rows.size[faces.photo].T
    left, top, right, bottom = faces.box.T
    assert ((left >= 0) & (left < right) & (right <= width)).all()
    assert ((top >= 0) & (top < bottom) & (bottom <= height)).all()
    assert np.allclose(np.linalg.norm(faces.encoding, axis=1), 1, atol=1e-5)
    assert ((faces.quality >= 0) & (faces.quality <= 1)).all()
    inside = (faces.landmarks > faces.box[:, np.newaxis, :2]) & (
        faces.landmarks < faces.box[:, np.newaxis, 2:]
    )
    assert inside.mean() > 0.9
    for photo in np.unique(faces.photo):
        own = faces.photo == photo
        assert (np.diff(faces.score[own]) <= 0).all()
        assert faces.id[own].tolist() == [f"{rows.digest[photo]}-{i}" for i in range(own.sum())]


def test_a_turned_photo_gives_the_same_faces(originals: list[Path], tmp_path: Path) -> None:
    upright = ImageOps.exif_transpose(Image.open(originals[1]))
    upright.save(tmp_path / "1.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "6.png", exif=exif)
    faces = run(tmp_path).table.faces
    one, six = (faces.box[faces.photo == photo] for photo in (0, 1))
    assert len(one) > 0
    assert np.array_equal(one, six)


def test_a_face_lies_in_pixels_of_the_full_photo_where_that_is_reduced(
    originals: list[Path], tmp_path: Path
) -> None:
    photo = Image.open(originals[1])
    large = photo.resize((photo.width * 20, photo.height * 20), Image.Resampling.BICUBIC)
    assert large.width * large.height > MAX_PIXELS
    photo.save(tmp_path / "1.png")
    large.save(tmp_path / "20.jpg")
    table = run(tmp_path).table
    assert table.photos.size.tolist() == [list(photo.size), list(large.size)]
    small_box, large_box = (table.faces.box[table.faces.photo == i][0] for i in (0, 1))
    assert large_box / 20 == pytest.approx(small_box, abs=0.1 * float(small_box[2] - small_box[0]))
    small_px, large_px = (table.faces.size_px[table.faces.photo == i][0] for i in (0, 1))
    assert large_px / 20 == pytest.approx(small_px, rel=0.2)


@pytest.mark.parametrize("detector", detect.DETECTORS)
@pytest.mark.parametrize("encoder", encode.ENCODERS)
def test_every_detector_goes_with_every_encoder(
    detector: str, encoder: str, originals: list[Path], tmp_path: Path
) -> None:
    Image.open(originals[1]).save(tmp_path / "a.png")
    options = EncodeOptions(detector=detector, encoder=encoder, upsample=0, max_side=800)
    table = run(tmp_path, tmp_path / "faces.npz", options=options).table
    assert (table.settings.detector, table.settings.encoder) == (detector, encoder)
    assert len(table.faces) >= 1
    assert np.isfinite(table.faces.encoding).all()
    assert np.isfinite(table.faces.landmarks).all()


def test_options_reach_the_stages(crowd: Path) -> None:
    paths = [str(crowd)]
    plain = run(paths).table.faces
    mirrored = run(paths, options=EncodeOptions(mirror=True)).table.faces
    assert np.array_equal(plain.box, mirrored.box)
    assert not np.array_equal(plain.encoding, mirrored.encoding)
    sides = (plain.box[:, 2:] - plain.box[:, :2]).max(axis=1)
    large = run(paths, options=EncodeOptions(min_face=float(np.median(sides)) + 1)).table.faces
    assert 0 < len(large) < len(plain)


def test_a_file_that_cannot_be_read_at_all_has_no_digest(album: Path) -> None:
    encoded = run([str(album / "photo-0.jpg"), str(album / "gone.jpg"), str(album)])
    assert encoded.table.photos.status.tolist() == [OK, UNREADABLE, UNREADABLE]
    assert encoded.table.photos.digest[1:].tolist() == ["", ""]
    assert encoded.table.photos.reason.tolist() == ["", "no such file or directory", "this is a folder"]


def test_no_photos_and_no_readable_photo_are_errors(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces.npz"
    with pytest.raises(FaceclusterError, match="no photos found"):
        run([], output)
    with pytest.raises(FaceclusterError, match=r"(?s)cannot read the photo:.*broken\.jpg: broken photo"):
        run([str(album / "broken.jpg")], output)
    with pytest.raises(FaceclusterError, match=r"(?s)cannot read any of the 20 photos:.*19\.jpg|and 10 more"):
        run([str(album / f"{i}.jpg") for i in range(20)], output)
    assert list(tmp_path.iterdir()) == [album]


# --------------------------------------------------------------------------------- the same bytes, however made


def test_jobs_and_order_of_work_do_not_change_the_bytes(album: Path, tmp_path: Path) -> None:
    one, four = tmp_path / "1.npz", tmp_path / "4.npz"
    run(album, one, jobs=1)
    run(album, four, jobs=4)
    assert one.read_bytes() == four.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npz", "4.npz", "album"]


@pytest.mark.parametrize("suffix", ["npz", "pickle"])
def test_a_grown_folder_gives_what_a_fresh_run_gives(suffix: str, album: Path, tmp_path: Path) -> None:
    output, fresh = tmp_path / f"faces.{suffix}", tmp_path / f"fresh.{suffix}"
    later = [album / "photo-3.jpg", album / "photo-5.jpg"]
    for path in later:
        path.rename(tmp_path / path.name)
    before = run(album, output)
    for path in later:
        (tmp_path / path.name).rename(path)
    (album / "photo-1.jpg").rename(album / "a new name.jpg")
    (album / "photo-2.jpg").unlink()
    shutil.copy(album / "photo-0.jpg", album / "photo-4.jpg")  # changed
    after = run(album, output)
    new = [name in ("photo-3.jpg", "photo-5.jpg") for name in encoded_names(after)]
    n_without_face = 0 if suffix == "npz" else 1  # the pickle has no rows for photos without a face
    assert after.n_reused == len(new) - sum(new) - 1 - n_without_face
    assert [os.path.basename(path) for path in after.kept.renamed] == ["photo-1.jpg"]
    assert [os.path.basename(path) for path in after.kept.dropped] == ["photo-2.jpg"]
    assert after.n_new_faces == int(np.isin(after.table.faces.photo, np.flatnonzero(new)).sum())
    assert (before.n_reused, before.kept) == (0, Kept())
    run(album, fresh)
    assert output.read_bytes() == fresh.read_bytes()


@pytest.mark.parametrize("append", [False, True])
def test_photos_with_other_content_now_are_told(append: bool, album: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces.npz"
    names = ["photo-0.jpg", "copy of 0.jpg", "photo-1.jpg", "photo-2.jpg", "photo-3.jpg", "no face.png"]
    first = [str(album / name) for name in names]
    assert run(first, output).replaced == ()
    shutil.copy(album / "photo-5.jpg", album / "photo-0.jpg")  # as it was, it is still the copy
    shutil.copy(album / "photo-4.jpg", album / "photo-1.jpg")
    (album / "photo-2.jpg").rename(album / "photo-7.jpg")
    (album / "photo-3.jpg").write_text("no photo")
    shutil.copy(album / "photo-4.jpg", album / "no face.png")  # had none
    moved = [*first, str(album / "photo-7.jpg")]
    encoded = run(moved if not append else [*moved[2:], moved[0]], output, append=append)
    assert [os.path.basename(path) for path in encoded.replaced] == ["photo-1.jpg", "photo-3.jpg"]
    assert encoded.asked.tolist() == [not append or path != first[1] for path in moved]


def test_missing_photos_are_kept_on_request_as_they_were(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces.npz"
    before = run(album, output).table
    (album / "photo-0.jpg").rename(album / "moved.jpg")
    for name in ("photo-1.jpg", "no face.png", "broken.jpg"):
        (album / name).unlink()
    kept = run(album, output, keep_missing=True)
    again = run(album, output, keep_missing=True)
    assert [len(of.kept.rows) for of in (kept, again)] == [3, 3]
    assert [os.path.basename(path) for path in kept.kept.renamed] == ["photo-0.jpg"]
    assert (
        encoded_names(kept)[-3:] == encoded_names(again)[-3:] == ["broken.jpg", "no face.png", "photo-1.jpg"]
    )
    names = np.array([os.path.basename(path) for path in before.photos.path])
    old = before.faces.encoding[names[before.faces.photo] == "photo-1.jpg"]
    assert np.array_equal(kept.table.faces.encoding[-len(old) :], old)
    dropped = run(album, output)
    assert len(dropped.kept.dropped) == 3
    assert len(dropped.table.photos) == len(kept.table.photos) - 3


def test_photos_added_to_a_table_leave_its_rows_where_and_as_they_are(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces.npz"
    first = [str(album / name) for name in ("photo-1.jpg", "photo-0.jpg", "broken.jpg", "no face.png")]
    one = run(first, output, append=True)  # there is none yet
    assert (one.table.photos.path.tolist(), one.kept.rows) == (first, [])
    for name in ("photo-1.jpg", "no face.png"):
        (album / name).unlink()

    second = [str(album / name) for name in ("photo-2.jpg", "copy of 0.jpg")]
    two = run(second, output, append=True)
    assert two.table.photos.path.tolist() == first + second
    assert (two.n_reused, len(two.kept.rows)) == (1, 4)  # the copy is known, and its original stays too
    for name, column in vars(one.table.photos).items():
        assert np.array_equal(getattr(two.table.photos, name)[:4], column, equal_nan=name == "time"), name
    for name, column in vars(one.table.faces).items():
        before = getattr(two.table.faces, name)[: len(one.table.faces)]
        assert np.array_equal(before, column, equal_nan=column.dtype.kind == "f"), name

    written = output.read_bytes()
    assert run(second, output, append=True).n_new_faces == 0
    assert output.read_bytes() == written
    shutil.copy(album / "photo-3.jpg", album / "photo-0.jpg")  # changed: brought up to date in its place
    three = run([str(album / "photo-4.jpg"), first[1]], output, append=True).table.photos
    assert three.path.tolist() == [*first, *second, str(album / "photo-4.jpg")]
    photo = decode(album / "photo-3.jpg")
    assert three.digest[1] == picture.pixel_digest(photo.pixels, photo.size) != two.table.photos.digest[1]


def test_a_photo_that_cannot_be_read_is_added_with_its_reason(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces.npz"
    run([str(album / "photo-1.jpg")], output)
    before = output.read_bytes()
    with pytest.raises(FaceclusterError, match="cannot read the photo"):
        run([str(album / "broken.jpg")], output, append=True)
    assert output.read_bytes() == before
    added = run([str(album / "broken.jpg"), str(album / "photo-2.jpg")], output, append=True)
    assert added.table.photos.status.tolist() == [OK, UNREADABLE, OK]


def test_photos_are_added_only_to_a_table_with_the_same_settings(album: Path, tmp_path: Path) -> None:
    output, checked = tmp_path / "faces.npz", EncodeOptions(check="passport")
    run([str(album / "photo-1.jpg")], output)
    before = output.read_bytes()
    with pytest.raises(
        FaceclusterError, match=r"\n  --check: none there, passport now\n(?s:.*)another output"
    ) as caught:
        run([str(album / "photo-2.jpg")], output, options=checked, append=True)
    assert "limits of --check: none there, pitch -15..15, yaw -10..10," in str(caught.value)
    assert output.read_bytes() == before
    run([str(album / "photo-1.jpg")], output, options=checked, fresh=True)
    for other, name in ((DEFAULTS, "none"), (EncodeOptions(check="clustering"), "clustering")):
        with pytest.raises(FaceclusterError, match=f"check: passport there, {name} now"):
            run([str(album / "photo-2.jpg")], output, options=other, append=True)


def test_a_check_whose_limits_were_others_is_another_check(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "mine", {"width": Limit(low=10)})  # type: ignore[arg-type]
    paths, output, options = [str(album / "photo-1.jpg")], tmp_path / "faces.npz", EncodeOptions(check="mine")
    run(paths, output, options=options)
    monkeypatch.setitem(PRESETS, "mine", {"width": Limit(low=20)})  # type: ignore[arg-type]
    with pytest.raises(FaceclusterError, match=r"limits of --check: width 10\.\. there, width 20\.\. now"):
        run(paths, output, options=options)


@pytest.mark.parametrize("suffix", ["npz", "pickle"])
def test_checked_tables_keep_what_they_know_and_the_names_of_faces(
    suffix: str, crowd: Path, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = run([str(crowd)]).table.faces
    lower = every.score < every.score[0]
    assert 2 <= lower.sum() < len(every)
    limits = {"score": Limit(high=float(every.score[0]), strict=True)}
    monkeypatch.setitem(PRESETS, "lower", limits)  # type: ignore[arg-type]
    options, output, fresh = EncodeOptions(check="lower"), tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    first = [str(crowd), str(album / "photo-1.jpg")]
    one = run(first, output, options=options)
    assert one.table.faces.id.tolist() == every.id[lower].tolist()
    assert one.n_refused == one.n_new_faces - lower.sum() > 1
    assert one.table.photos.status.tolist() == [OK, NO_FACE]
    assert one.table.photos.reason[0].startswith("1 of 3 faces fail the check: (1) score ")
    assert one.table.photos.reason[1].startswith("the face fails the check: score ")

    again = run(first, output, options=options)
    if suffix == "npz":  # the pickle has no rows for photos without a face, and looks for one again
        assert (again.n_reused, again.n_new_faces, again.n_refused) == (2, 0, 0)
        assert_same(again.table, one.table)
    assert again.table.faces.id.tolist() == one.table.faces.id.tolist()
    more = [*first, str(album / "photo-2.jpg"), str(album / "copy of 0.jpg")]
    run(more[2:], output, options=options, append=True)
    run(more, fresh, options=options)
    assert output.read_bytes() == fresh.read_bytes()


def test_faces_keep_their_names_where_others_of_their_photo_were_taken_out(
    crowd: Path, tmp_path: Path
) -> None:
    output = tmp_path / "faces.npz"
    table = run([str(crowd)], output).table
    less = dataclasses.replace(
        table, faces=Faces(**{name: column[1:] for name, column in vars(table.faces).items()})
    )
    face_table.write(less, output)  # as forget does
    assert run([str(crowd)], output).table.faces.id.tolist() == table.faces.id[1:].tolist()


def test_photos_encoded_one_at_a_time_are_checked_too(crowd: Path) -> None:
    options = EncodeOptions(check="passport")
    (alone,) = pipeline.encode_each([str(crowd)], options, jobs=1)
    assert_same(alone, run([str(crowd)], options=options).table)
    assert "fail" in alone.photos.reason[0]


def test_unreadable_photos_are_tried_again(album: Path, originals: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "faces.npz"
    run(album, output)
    shutil.copy(originals[1], album / "broken.jpg")
    assert UNREADABLE not in run(album, output).table.photos.status


def test_reading_a_table_back_gives_the_same_table(album: Path, tmp_path: Path) -> None:
    written = run(album, tmp_path / "faces.npz").table
    read = face_table.read(tmp_path / "faces.npz")
    assert read.settings == written.settings
    for kind, a, b in ((Photos, read.photos, written.photos), (Faces, read.faces, written.faces)):
        for column in dataclasses.fields(kind):
            before, after = getattr(b, column.name), getattr(a, column.name)
            assert np.array_equal(before, after, equal_nan=before.dtype.kind == "f"), column.name


# ---------------------------------------------------------------------------------------------- interruptions


def start(album: Path, output: Path, *, new_session: bool = False) -> subprocess.Popen[str]:
    """Start encode in a process on these and more photos, and wait until it has done one, but not nearly all."""
    with Image.open(album / "photo-0.jpg") as photo:
        for i in range(40):  # a busy machine may look at the process late
            photo.crop((0, 0, photo.width - i, photo.height)).save(album / f"z-{i}.jpg")
    # A shell that runs the tests in the background has them ignore SIGINT, and what they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "facecluster", "encode", album, "-o", output, "-j", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=new_session,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    partial = output.with_name(output.name + ".partial")
    for _ in range(1200):
        if partial.exists() and partial.stat().st_size > 2500:  # the header and a face
            return process
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    pytest.fail("no photo was done within 12 s")


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_killed_and_run_again_gives_what_a_fresh_run_gives(
    album: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output, fresh = tmp_path / "faces.npz", tmp_path / "fresh.npz"
    process = start(album, output)
    process.kill()
    process.communicate()
    assert not output.exists()
    with (tmp_path / "faces.npz.partial").open("ab") as partial:
        partial.write(b"\x10\0\0\0torn")  # as a power cut leaves it
    with caplog.at_level("INFO", logger="facecluster"):
        resumed = run(album, output)
    assert 1 <= resumed.n_reused < 49
    assert "going on with an interrupted run" in caplog.text
    run(album, fresh)
    assert output.read_bytes() == fresh.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "faces.npz", "fresh.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to a group of processes")
def test_ctrl_c_keeps_what_is_done_and_says_so(album: Path, tmp_path: Path) -> None:
    process = start(album, tmp_path / "faces.npz", new_session=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    partial = tmp_path / "faces.npz.partial"
    assert err == (
        f"facecluster: what is done is kept in {partial}; the same command goes on from there\n"
        "facecluster: interrupted\n"
    )
    assert run(album, tmp_path / "faces.npz").n_reused >= 1
    assert not partial.exists()


def test_what_other_settings_left_is_refused_and_stays_unless_fresh(album: Path, tmp_path: Path) -> None:
    output, partial = tmp_path / "faces.npz", tmp_path / "faces.npz.partial"
    with Journal(
        partial,
        *resume._journal_headers(EncodeOptions(mirror=True).settings(), fresh=False),
    ) as journal:
        list(journal.replay())
        journal.append(b"anything")
    left = partial.read_bytes()
    with pytest.raises(OutputError, match="interrupted run with other settings"):
        run([str(album / "photo-1.jpg")], output)
    assert partial.read_bytes() == left
    assert run([str(album / "photo-1.jpg")], output, fresh=True).n_reused == 0
    assert not partial.exists()


def test_what_an_interrupted_run_did_of_other_photos_is_dropped_with_a_notice(
    album: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "faces.npz"
    analysis = Analysis("", "0" * 32, (3, 4), OK, "", UNDATED, 1, np.zeros(1, FACE))
    headers = resume._journal_headers(EncodeOptions().settings(), fresh=False)
    with Journal(tmp_path / "faces.npz.partial", *headers) as journal:
        list(journal.replay())
        journal.append(pack("of another photo", analysis))
    run([str(album / "photo-1.jpg")], output)
    assert "left out of what the interrupted run had done, as not among these photos: 1" in caplog.text


def test_a_death_becomes_a_reason() -> None:
    assert "not enough memory" in worker.obituary(Died(-9))
    assert "crashed" in worker.obituary(Died(-11))


def worker_of(process: subprocess.Popen[str]) -> int:
    """The process id of the worker, which alone holds the networks."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return max(map(int, children), key=lambda pid: int(Path(f"/proc/{pid}/statm").read_text().split()[1]))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc")
def test_a_worker_that_is_killed_costs_no_photo(album: Path, tmp_path: Path) -> None:
    process = start(album, tmp_path / "faces.npz")
    os.kill(worker_of(process), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    run(album, tmp_path / "fresh.npz")
    assert (tmp_path / "faces.npz").read_bytes() == (tmp_path / "fresh.npz").read_bytes()


# ------------------------------------------------------------------------------------------------ the output


def test_other_settings_are_refused_and_named(album: Path, tmp_path: Path) -> None:
    paths, output = [str(album / "photo-1.jpg")], tmp_path / "faces.npz"
    run(paths, output)
    before = output.read_bytes()
    other = EncodeOptions(encoder="dlib", min_face=30)
    with pytest.raises(FaceclusterError, match=r"other settings") as caught:
        run(paths, output, options=other)
    message = str(caught.value)
    assert "  --encoder: sface there, dlib now\n" in message
    assert "  --min-face: 24 there, 30 now\n" in message
    assert "--fresh" in message
    assert "upsample" not in message
    assert output.read_bytes() == before
    assert run(paths, output, options=other, fresh=True).n_reused == 0
    assert face_table.read(output).settings.encoder == "dlib"


def test_a_table_whose_quality_was_measured_by_other_formulas_is_refused(album: Path, tmp_path: Path) -> None:
    paths, output = [str(album / "photo-1.jpg")], tmp_path / "faces.npz"
    table = run(paths, output).table
    older = {key: value for key, value in table.settings.options.items() if key != "quality"}
    face_table.write(
        dataclasses.replace(table, settings=dataclasses.replace(table.settings, options=older)), output
    )
    with pytest.raises(
        FaceclusterError,
        match=rf"other settings.*\n  formulas of the quality .*: unknown there, {QUALITY} now\n.*--fresh",
    ):
        run(paths, output)
    assert run(paths, output, fresh=True).n_reused == 0


def test_a_file_that_is_no_table_is_not_replaced_unasked(album: Path, tmp_path: Path) -> None:
    paths, output = [str(album / "photo-1.jpg")], tmp_path / "faces.npz"
    output.write_text("my thesis")
    with pytest.raises(TableError, match="--fresh replaces"):
        run(paths, output)
    assert output.read_text() == "my thesis"
    assert run(paths, output, fresh=True).n_reused == 0


def test_an_output_in_use_is_refused(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces.npz"
    with (
        filelock.FileLock(tmp_path / "faces.npz.lock"),
        pytest.raises(OutputError, match="another facecluster"),
    ):
        run([str(album / "photo-1.jpg")], output)


def test_an_output_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file").touch()
    for output, error, message in [
        (tmp_path / "faces.txt", UsageError, "ends in .npz"),
        (tmp_path / "folder.npz", OutputError, "it is a folder"),
        (tmp_path / "file" / "faces.npz", OutputError, "cannot be written"),
        (tmp_path / "file" / "no" / "faces.npz", OutputError, "not a folder; make it"),
    ]:
        with pytest.raises(error, match=message):
            run(["/anything.jpg"], output)


@pytest.mark.skipif(sys.platform == "win32", reason="makes a named pipe")
def test_a_pipe_gets_the_table_and_no_side_file(album: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "faces.npz"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        encoded = run([str(album / "photo-1.jpg")], pipe)
        data, _ = reader.communicate(timeout=20)
    (tmp_path / "read.npz").write_bytes(data)
    assert len(face_table.read(tmp_path / "read.npz").faces) == len(encoded.table.faces)
    assert not list(tmp_path.glob("faces.npz.*"))
