"""Videos: frames at moments, upright, of all kinds and however odd; faces followed through them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import called
from PIL import Image

from facecluster.encoding.analysis import FACE
from facecluster.encoding.dated import UNDATED, when_of_film
from facecluster.encoding.film import analyse_film
from facecluster.encoding.pipeline import encode_photos
from facecluster.encoding.tracks import N_KEPT, Tracks
from facecluster.errors import FaceclusterError, PhotoError
from facecluster.identity.rules import DEFAULTS
from facecluster.options import EncodeOptions
from facecluster.photos import video
from facecluster.photos.video import Video

FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg to make this video")

SIZE = (96, 64)
RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def ffmpeg(*arguments: object) -> None:
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *map(str, arguments)], check=True)


def written(path: Path, pictures: list[np.ndarray], fourcc: str = "MJPG", rate: float = 10) -> Path:
    """Write RGB pictures by OpenCV."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), rate, (width, height))
    if not writer.isOpened():
        pytest.skip(f"OpenCV here writes no {fourcc}")
    for picture in pictures:
        writer.write(picture[..., ::-1])
    writer.release()
    return path


def plain(colour: tuple[int, int, int], n: int = 1) -> list[np.ndarray]:
    return [np.full((SIZE[1], SIZE[0], 3), colour, np.uint8)] * n


@pytest.fixture(scope="module")
def avi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds: one red, one green with a blue upper half."""
    half = plain(GREEN)[0].copy()
    half[: SIZE[1] // 2] = BLUE
    return written(tmp_path_factory.mktemp("made") / "two.avi", [*plain(RED, 10), *[half] * 10])


def colour(pixels: np.ndarray, x: float, y: float) -> str:
    height, width = pixels.shape[:2]
    return "rgb"[int(pixels[int(y * (height - 1)), int(x * (width - 1))].argmax())]


CODED = {
    "mp4": ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", 10],
    "mov": ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", 2],
    "mkv": ["-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=0"],
    "webm": ["-c:v", "libvpx-vp9", "-cpu-used", 8, "-deadline", "realtime"],
    "mts": ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mpegts"],
    "m2ts": ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mpegts", "-mpegts_m2ts_mode", 1],
    "mpg": ["-c:v", "mpeg2video", "-r", 25],
    "wmv": ["-c:v", "wmv2"],
    "3gp": ["-c:v", "mpeg4"],
    "avi": ["-c:v", "mjpeg"],
}


@pytest.mark.parametrize("kind", CODED)
def test_every_kind_is_read_at_every_moment(kind: str, avi: Path, tmp_path: Path) -> None:
    path = tmp_path / f"film.{kind}"
    if FFMPEG is not None:
        ffmpeg("-i", avi, *CODED[kind], path)
    elif kind in ("avi", "mp4"):
        written(path, plain(RED, 10) + plain(BLUE, 10), "MJPG" if kind == "avi" else "mp4v")
    else:
        pytest.skip("no ffmpeg to make this video")
    assert video.is_video(path)
    film = Video(path)
    frames = list(film.frames(2.0))
    assert film.size == SIZE
    assert film.end_s == pytest.approx(2.0, abs=0.15)
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.5, 1, 1.5], abs=0.21)
    assert [colour(frame.picture.pixels, 0.5, 0.2) for frame in frames] == ["r", "r", "b", "b"]
    for frame in frames[::-1]:
        assert np.array_equal(video.frame_at(path, np.float32(frame.time_s)).pixels, frame.picture.pixels)
    with pytest.raises(PhotoError, match="at 60 s"):
        video.frame_at(path, 60)
    assert video.frame_at(path, 0, max_pixels=SIZE[0] * SIZE[1] // 4).pixels.shape == (32, 48, 3)


def test_first_bytes_tell_a_video_and_nothing_else_is_opened(avi: Path, tmp_path: Path) -> None:
    shutil.copy(avi, tmp_path / "film.jpg")
    assert video.is_video(tmp_path / "film.jpg")
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:2,\n{avi}\n")
    assert video.is_video(playlist)
    with pytest.raises(PhotoError, match="no video in a format that can be read"):
        Video(playlist)
    assert not video.is_video(tmp_path / "none.mp4")


@needs_ffmpeg
def test_a_rotation_tag_is_followed(avi: Path, tmp_path: Path) -> None:
    ffmpeg("-i", avi, *CODED["mp4"], tmp_path / "lying.mp4")
    data = bytearray((tmp_path / "lying.mp4").read_bytes())
    one, other = (1).to_bytes(2, "big") + b"\0\0", (-1).to_bytes(2, "big", signed=True) + b"\0\0"
    upright = one + bytes(12) + one
    assert data.count(upright, data.index(b"tkhd")) == 1
    at = data.index(upright, data.index(b"tkhd"))
    data[at : at + 20] = bytes(4) + one + bytes(4) + other + bytes(4)  # a quarter clockwise
    (tmp_path / "turned.mp4").write_bytes(data)
    film = Video(tmp_path / "turned.mp4")
    assert film.size == SIZE[::-1]
    last = list(film.frames())[-1].picture.pixels
    assert (colour(last, 0.9, 0.5), colour(last, 0.1, 0.5)) == ("b", "g")
    assert video.coded_digest(tmp_path / "turned.mp4") != video.coded_digest(tmp_path / "lying.mp4")


def broken_off(path: Path, avi: Path) -> None:
    path.write_bytes(avi.read_bytes()[: int(avi.stat().st_size * 0.8)])


def without_index(path: Path, avi: Path) -> None:
    ffmpeg("-i", avi, *CODED["mp4"], path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


def without_frames(path: Path, avi: Path) -> None:
    written(path, plain(RED))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"movi") + 4])


def sound_alone(path: Path, avi: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", path)


def garbage(path: Path, avi: Path) -> None:
    path.write_bytes(avi.read_bytes()[:500] + bytes(range(256)) * 40)


@pytest.mark.parametrize(
    ("make", "suffix", "reason"),
    [
        (without_index, ".mp4", "its index is missing"),
        (without_frames, ".avi", "no f(rame|ilm)"),
        (sound_alone, ".mp4", "no film in this video"),
        (garbage, ".avi", "no f(rame|ilm)"),
    ],
)
def test_what_has_no_frames_says_why(
    make: Callable[[Path, Path], None], suffix: str, reason: str, avi: Path, tmp_path: Path
) -> None:
    if suffix == ".mp4" and FFMPEG is None:
        pytest.skip("no ffmpeg to make this video")
    path = tmp_path / f"odd{suffix}"
    make(path, avi)
    with pytest.raises(PhotoError, match=reason):
        Video(path)
    with pytest.raises(FaceclusterError, match=reason):
        encode_photos([str(path)], EncodeOptions(), jobs=1)


def test_a_broken_end_keeps_what_was_before_it(avi: Path, tmp_path: Path) -> None:
    broken_off(tmp_path / "part.avi", avi)
    film = Video(tmp_path / "part.avi")
    assert 2 <= len(list(film.frames(4.0))) < 8
    assert 0.4 < film.end_s < 1.9


@needs_ffmpeg
def test_what_is_missing_of_a_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    film = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=3", *CODED["mp4"]]
    ffmpeg(*film, "-movflags", "+faststart", photos / "whole.mp4")
    data = (photos / "whole.mp4").read_bytes()
    (photos / "cut.mp4").write_bytes(data[: (data.index(b"mdat") + len(data)) // 2])
    (photos / "trailer.mp4").write_bytes(data + b"SEFHjpeg" * 9)
    Image.effect_noise((320, 320), 90).save(tmp_path / "noise.jpg")
    (photos / "half.jpg").write_bytes((tmp_path / "noise.jpg").read_bytes()[:9000])
    summary = called("encode", photos, "-o", tmp_path / "faces.npz", "-j", "1").stderr
    told = [line for line in summary.splitlines() if "not all of it could be read" in line]
    assert len(told) == 1
    assert re.search(r"cut\.mp4: the file is cut off: only its first [0-2]\.\d s are there$", told[0])
    assert "photos that are cut off: --truncated" in summary
    again = called("encode", photos, "-o", tmp_path / "faces.npz", "-j", "1", "--truncated").stderr
    assert told[0] in again
    assert "--truncated" not in again
    assert again.startswith("1 photo and 3 videos with 0 faces; ")
    checked = called(
        "encode", photos, "-o", tmp_path / "checked.npz", "-j", "1", "--check", "clustering"
    ).stderr
    assert told[0] in checked
    assert "of these photos 0 have such faces" in checked


@needs_ffmpeg
def test_length_is_what_can_be_decoded_and_times_are_those_of_the_frames(avi: Path, tmp_path: Path) -> None:
    ffmpeg("-i", avi, *CODED["mp4"], "-vf", "setpts='if(lt(N,10),N*0.1,1+(N-10)*0.4)/TB'", "-fps_mode", "vfr",
           tmp_path / "uneven.mp4")  # fmt: skip
    data = bytearray((tmp_path / "uneven.mp4").read_bytes())
    for name, at in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        start = data.index(name) + at
        data[start : start + 4] = (7_200_000).to_bytes(4, "big")
    (tmp_path / "uneven.mp4").write_bytes(data)
    film = Video(tmp_path / "uneven.mp4")
    frames = list(film.frames(1.0))
    assert film.end_s == pytest.approx(4.7, abs=0.5)
    assert [frame.time_s for frame in frames] == pytest.approx([0, 1, 2.2, 3, 4.2], abs=0.05)
    assert colour(video.frame_at(tmp_path / "uneven.mp4", 4.2).pixels, 0.5, 0.2) == "b"


@needs_ffmpeg
def test_frames_of_another_size_are_fitted_and_alpha_is_dropped(avi: Path, tmp_path: Path) -> None:
    for name, size in (("a.ts", "96:64"), ("b.ts", "64:64")):
        ffmpeg("-i", avi, "-vf", f"scale={size}", *CODED["mts"], tmp_path / name)
    (tmp_path / "both.mts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    film = Video(tmp_path / "both.mts")
    shapes = {frame.picture.pixels.shape for frame in film.frames(2.0)}
    assert (film.size, shapes) == (SIZE, {(SIZE[1], SIZE[0], 3)})
    assert film.end_s > 2.5
    ffmpeg("-i", avi, "-pix_fmt", "argb", "-c:v", "qtrle", tmp_path / "alpha.mov")
    assert [f.picture.pixels.shape[2] for f in Video(tmp_path / "alpha.mov").frames()] == [3, 3]


def test_twelve_hours_are_read_one_frame_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path / "long.avi", plain(RED, 720) + plain(GREEN, 720), rate=1)
    data = bytearray(path.read_bytes())
    for name, at in ((b"avih", 8), (b"strh", 8 + 20)):  # 30 s a frame
        start = data.index(name) + at
        data[start : start + 4] = (30_000_000 if name == b"avih" else 30).to_bytes(4, "little")
    at = data.index(b"strh") + 8 + 24
    data[at : at + 4] = (1).to_bytes(4, "little")
    path.write_bytes(data)
    seen: list[float] = []
    found = analyse_film(path, EncodeOptions(), "c", UNDATED, alive=lambda: seen.append(1))
    assert (len(seen), found.status, len(found.faces)) == (1440, "no_face", 0)
    assert found.duration == pytest.approx(12 * 3600, rel=0.01)


def metadata(path: Path, avi: Path) -> None:
    ffmpeg("-i", avi, *CODED["mp4"], "-movflags", "use_metadata_tags", "-metadata",
           "com.apple.quicktime.creationdate=2023-05-06T18:30:00+0200", "-metadata",
           "creation_time=2023-05-06T16:30:05Z", path)  # fmt: skip


@needs_ffmpeg
def test_dates_are_those_of_the_film_and_tags_change_no_digest(avi: Path, tmp_path: Path) -> None:
    path = tmp_path / "dated.mp4"
    metadata(path, avi)
    when = when_of_film(str(path))
    assert (when.tag, when.zoned, when.time) == ("QuickTime:CreationDate", True, 1683390600.0)
    path.write_bytes(
        path.read_bytes().replace(b"com.apple.quicktime.creationdate", b"com.apple.quicktime.creationdatX")
    )
    assert when_of_film(str(path))[:2] == (1683390605.0, "QuickTime:CreateDate")
    before = video.coded_digest(path)
    if shutil.which("exiftool"):
        command = [
            "exiftool",
            "-q",
            "-overwrite_original",
            "-XMP:Title=A",
            "-CreateDate=2001:02:03 04:05:06",
            path,
        ]
        subprocess.run(command, check=True)
        assert when_of_film(str(path)).time == 981173106.0
        assert video.coded_digest(path) == before
    (tmp_path / "dated.mp4.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:DateTimeOriginal="1999-01-02T03:04:05"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    assert when_of_film(str(path)).tag == "exif:DateTimeOriginal"


# ------------------------------------------------------------------------------------------------------- tracks


def faces_at(*corners: tuple[float, float]) -> np.ndarray:
    return np.array([(x, y, x + 100, y + 100) for x, y in corners], np.float32).reshape(-1, 4)


def measuring(people: list[int], quality: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """Give faces of people, each of whom has an axis of encodings for himself."""

    def measure(rows: np.ndarray) -> np.ndarray:
        faces = np.zeros(len(rows), FACE)
        faces["quality"] = quality
        for i, row in enumerate(rows):
            faces["encoding"][i, people[row]] = 1
        return faces

    return measure


def add(tracks: Tracks, time_s: float, box: np.ndarray, people: list[int]) -> None:
    unknown = np.full((len(box), 4), np.nan, np.float32)
    tracks.add(time_s, box, np.ones(len(box), np.float32), unknown, measuring(people))


def test_two_who_change_places_stay_two_and_a_cut_ends_both() -> None:
    tracks = Tracks(DEFAULTS["sface"])
    add(tracks, 0, faces_at((0, 0), (200, 0)), [0, 1])
    add(tracks, 1, faces_at((0, 0), (200, 0)), [1, 0])
    tracks.cut()
    add(tracks, 2, faces_at((0, 0)), [0])
    faces = tracks.faces()
    who = {int(t): set(faces["encoding"][faces["track"] == t].argmax(axis=1)) for t in set(faces["track"])}
    assert who == {0: {0}, 1: {1}, 2: {0}}
    assert set(zip(faces["from_s"], faces["to_s"], strict=True)) == {(0, 1), (2, 2)}


@pytest.mark.parametrize("seed", range(20))
def test_tracks_that_are_there_at_once_were_seen_in_one_sample(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracks, seen = Tracks(DEFAULTS["sface"]), []
    for time in range(40):
        people = rng.permutation(4)[: rng.integers(0, 4)].tolist()
        seen.append(set(people))
        places = [(150 * int(rng.integers(3)) + 500 * k, 0) for k in range(len(people))]
        add(tracks, time, faces_at(*places), people)
    faces = tracks.faces()
    spans = {int(f["track"]): (int(f["from_s"]), int(f["to_s"]), int(f["encoding"].argmax())) for f in faces}
    assert max(np.bincount(faces["track"])) == N_KEPT
    for one, (start, stop, who) in spans.items():
        for other, (begin, end, whom) in spans.items():
            if one < other and max(start, begin) <= min(stop, end):
                assert who != whom
                assert any({who, whom} <= seen[t] for t in range(max(start, begin), min(stop, end) + 1))


# ------------------------------------------------------------------------------------------------ with real faces


def test_people_of_a_film_come_to_the_table(shared_data: Path, tmp_path: Path) -> None:
    """Two people side by side for two seconds, the second one alone, then nobody."""
    one, other = (cv2.imread(str(min((shared_data / "lfw_dev" / n).iterdir())))[..., ::-1] for n in NAMES)
    nobody = np.full_like(one, 90)
    noise = np.random.default_rng(0)
    pictures = []
    for n in range(40):
        left, right = (one, other) if n < 20 else (nobody, other) if n < 30 else (nobody, nobody)
        both = np.hstack([left, right]).astype(np.int16) + noise.integers(-4, 5, (250, 500, 1))
        pictures.append(np.roll(np.clip(both, 0, 255).astype(np.uint8), n // 2, axis=1))
    folder = tmp_path / "films"
    folder.mkdir()
    path = written(folder / "film.avi", pictures)
    shutil.copy(path, folder / "copy.avi")
    paths = [str(path), str(folder / "copy.avi")]
    output = tmp_path / "faces.npz"
    first = encode_photos(paths, EncodeOptions(), output=output, jobs=1)
    table = first.table
    assert table.photos.duration.tolist() == pytest.approx([4, 4], abs=0.1)
    assert table.photos.digest[0] == table.photos.digest[1]
    faces = table.faces
    own = (faces.photo == 0) & (faces.quality > 0.5)  # one has a part of somebody behind him
    assert len(set(faces.track[own])) == 2
    spans = {(float(a), float(b)) for a, b in zip(faces.from_s[own], faces.to_s[own], strict=True)}
    assert len(spans) == 2
    assert all(a <= t <= b for a, b, t in zip(faces.from_s, faces.to_s, faces.time_s, strict=True))
    for box, time in zip(faces.box[own], faces.time_s[own], strict=True):
        pixels = video.frame_at(path, float(time)).pixels
        left, top, right, bottom = box.astype(int)
        assert pixels[top:bottom, left:right].std() > 20
    again = encode_photos(paths, EncodeOptions(), output=output, jobs=1)
    assert (again.n_reused, again.n_new_faces) == (2, 0)
    with pytest.raises(FaceclusterError, match="--fps: 1 there, 2 now"):
        encode_photos(paths, EncodeOptions(fps=2), output=output, jobs=1)


def test_fps_is_no_other_setting_to_a_table_without_videos(shared_data: Path, tmp_path: Path) -> None:
    photo = str(min((shared_data / "lfw_dev" / NAMES[0]).iterdir()))
    output = tmp_path / "faces.npz"
    encode_photos([photo], EncodeOptions(), output=output, jobs=1)
    encoded = encode_photos([photo], EncodeOptions(fps=2), output=output, jobs=1)
    assert encoded.n_reused == 1


NAMES = ("Jeb_Bush", "Tony_Blair")
