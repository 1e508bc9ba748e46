"""Videos: the frames of one at moments, upright; what is known of a film without decoding it.

OpenCV's FFmpeg decodes, one frame at a time, so that memory does not grow with a video's length. What it opens is told
by the first bytes, and the format is forced on it: some of its formats are lists of other files and addresses.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import PurePath
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import PhotoError
from facecluster.photos import mp4, picture
from facecluster.photos.file import open_photo, read_photo
from facecluster.photos.find import OnePath
from facecluster.photos.kinds import N_HEAD, VIDEO_EXTENSIONS, kind_of
from facecluster.photos.pixels import MAX_PIXELS, Decoded, reduction

FPS = 1.0
"""Frames a second that are looked at: see `encoding.film`."""

LARGEST_FPS = 60.0
"""More is never looked at: as many as most videos have."""

_DEMUXERS = {
    "mp4": "mov",
    "mov": "mov",
    "mkv": "matroska",
    "webm": "matroska",
    "avi": "avi",
    "mts": "mpegts",
    "mpg": "mpeg",
    "wmv": "asf",
}
"""What FFmpeg calls the formats, by kind."""

_PIECES, _PIECE = 256, 1 << 16
"""How many pieces, of how many bytes, of a large part of a file are digested: 16 MB of a film of hours."""

_DENSE = 1.5
"""Key frames are looked at alone where no two are further apart than so many times what is asked for. Of 1080p as
phones code it, with a key frame each second, they decode 13 times as fast as all frames (`benchmarks/video.py`)."""

_MANY = 20
"""Of frames that are so many times as many as are looked at, those are not decoded that no other one needs: two thirds
of some H.264."""

_BETWEEN = 0.7
"""Where between two key frames a frame is that is looked at, too, over the time between them: OpenCV goes back 16
frames from where it is sent, which of a second is still after the first key frame. Halfway takes twice as long."""

_EARLY = 0.75
"""Where a key frame comes after so much of the longest time between two, or less, the encoder puts one at each cut, as
x264 does: no shot is between two key frames then, and no frame between them need be decoded."""

_RARE = 2
"""Of so many frames that are looked at one at most has another one decoded before it where that takes time: as much as
looking at two. In a pan each looks like a cut; with 4, 56 of 63 people of short shots were found in place of 60."""

_N_PASSED = 2
"""Key frames between two that are looked at that are at hand, the last ones: each is a picture in memory."""

_N_PROBED = 6
"""Key frames that are looked at to see how far apart they are."""

_NEAR_S = 0.005
"""Times are this exact: those of a face table are float32, which after 12 hours is a 256th of a second."""

_OPENING = threading.Lock()
"""Held while OpenCV opens a file: it takes some options from the environment only."""


class Frame(NamedTuple):
    """A frame that is looked at.

    Attributes:
        time_s: seconds from the start of the video.
        picture: upright.
        between: gives some between the frame before this one and this; nothing where there is none.
    """

    time_s: float
    picture: Decoded
    between: Callable[[], Sequence[Frame]] = tuple


def is_video(path: OnePath) -> bool:
    """Whether a file is read as a video: by its first bytes, else by its name; not one that is empty."""
    try:
        kind, is_empty = _kind(path)
    except PhotoError:
        return False
    is_named_so = PurePath(path).suffix.lower() in VIDEO_EXTENSIONS
    return kind in _DEMUXERS or (kind is None and is_named_so and not is_empty)


def _kind(path: OnePath) -> tuple[str | None, bool]:
    """Say what kind of file it is, and whether it is empty."""
    with open_photo(path, math.inf) as file:
        head = file.read(N_HEAD)
    return kind_of(head), not head


def coded_digest(path: OnePath) -> str:
    """Digest a film without decoding it, and without reading all of a large one.

    Of MP4 and MOV, the coded frames and sounds, how they follow each other and how the picture is turned count: texts,
    dates and places may change. Of any other file all bytes count. Of a part of more than 16 MB its length counts, and
    256 pieces spread over it.

    Returns:
        32 hex digits: BLAKE2b with 128 bits.

    Raises:
        PhotoError: the file cannot be read.
    """
    with open_photo(path, math.inf) as file:
        kind = _DEMUXERS.get(kind_of(file.read(N_HEAD)) or "", "video")
        whole = [mp4.Box(b"file", 0, os.fstat(file.fileno()).st_size)]
        try:
            parts = mp4.film(file) if kind == "mov" else whole
        except ValueError:
            parts = whole
        digest = hashlib.blake2b(kind.encode(), digest_size=16)
        for part in parts:
            digest.update(part.kind + (part.stop - part.start).to_bytes(8, "little"))
            for piece in _pieces(file, part.start, part.stop):
                digest.update(piece)
        return digest.hexdigest()


def coded_digest_of(path: OnePath) -> str:
    """Digest the coded picture, or the film, of a file: see `coded_digest` and `picture.coded_digest`.

    Raises:
        PhotoError: the file cannot be read.
    """
    return coded_digest(path) if is_video(path) else picture.coded_digest(read_photo(path)[0])


def _pieces(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """Read a part of a file, or pieces of it that are equally far apart: the first and the last one are among them."""
    n_pieces = min(_PIECES, -(-(stop - start) // _PIECE))
    for k in range(n_pieces):
        last = max(start, stop - _PIECE)
        at = start + k * _PIECE if n_pieces < _PIECES else start + (last - start) * k // (_PIECES - 1)
        file.seek(at)
        yield file.read(min(_PIECE, stop - at))


def dates(path: OnePath) -> dict[str, object]:
    """Read when a video says that it was made, as `mp4.dates`; nothing of other formats.

    Raises:
        PhotoError: the file cannot be read.
    """
    with open_photo(path, math.inf) as file:
        return mp4.dates(file) if kind_of(file.read(N_HEAD)) in ("mp4", "mov") else {}


class Video:
    """A video that is open; `close` it.

    Attributes:
        size: width, height of its first frame, upright. Frames of another size are fitted into it, as players do.
        end_s: seconds until the last frame that was decoded has been shown: after `frames` is through, the length of
            what can be decoded, whatever the file says.
        is_cut_off: whether the file ends in the middle of the film, as far as MP4 and MOV say so.
    """

    def __init__(self, path: OnePath) -> None:
        """Open it, and decode its first frame.

        Raises:
            PhotoError: no frame of it can be decoded, with the reason.
        """
        self._path, (self._kind, self.is_cut_off) = os.fspath(path), _checked_kind(path)
        with closing(self._open()) as first:
            self.size = (0, 0)
            if first.grab() is None or (shown := first.picture()) is None:
                raise PhotoError(f"no frame of this video can be decoded{first.coding()}")
            self.size, self.end_s = shown.size, first.end_s
            self._rate = first.rate
            self._skippable = "bidir" if first.codec() in _WITHOUT_B else "nonref"

    def frames(self, fps: float = FPS) -> Iterator[Frame]:
        """Decode frames in order, at least as many a second as asked for where there are so many; the first one always.

        A frame that is broken is passed by. Where the end of the file is, there is what was before it.
        """
        self._skipped = self._skippable if self._rate >= _MANY * fps else "none"
        yield from self._key_frames(fps) if self._has_dense_keys(fps) else self._in_order(fps)

    def _has_dense_keys(self, fps: float) -> bool:
        """Whether key frames alone are enough, and are not all frames; of few, OpenCV may have wrong times."""
        with closing(self._open("nonkey")) as keys:
            times = [time for _ in range(_N_PROBED) if (time := keys.grab(as_it_is=True)) is not None]
            rate = keys.rate
        gaps = np.diff(times)
        return len(gaps) >= 2 and times[0] < 1 / fps and gaps.min() > 2 / rate and gaps.max() <= _DENSE / fps

    def _in_order(self, fps: float) -> Iterator[Frame]:
        """Decode all frames, or all that others refer to, and give some."""
        with closing(self._open(self._skipped)) as capture:
            before: list[Frame] = []
            n_steps = -1
            while (time := capture.grab()) is not None:
                self.end_s = capture.end_s
                step = math.floor((time + _NEAR_S) * fps * 2)  # twice as many, for `between`
                if step == n_steps or (shown := capture.picture()) is None:
                    continue
                if step // 2 > n_steps // 2:
                    yield Frame(time, shown, before.copy)
                    before.clear()
                else:
                    before = [Frame(time, shown)]
                n_steps = step

    def _key_frames(self, fps: float) -> Iterator[Frame]:
        """Decode key frames, and others where these are far apart, and at the end.

        Key frames that are passed by are what is between; else others, where none is known to be at each cut.
        """
        with closing(self._open("nonkey")) as keys, closing(self._open(self._skipped)) as others:
            n_given = n_between = 0

            def between(start: float, stop: float) -> list[Frame]:
                nonlocal n_between
                if _RARE * n_between > n_given:
                    return []
                n_between += 1
                if (
                    not others.seek(start + _BETWEEN * (stop - start))
                    or not start + _NEAR_S < others.time_s < stop - _NEAR_S
                ):
                    return []
                shown = others.picture()
                return [] if shown is None else [Frame(others.time_s, shown)]

            last = before = -math.inf
            longest, has_keys_at_cuts = 0.0, False
            passed: deque[Frame] = deque(maxlen=_N_PASSED)
            while (time := keys.grab()) is not None:
                if before > -math.inf:
                    has_keys_at_cuts |= time - before < _EARLY * longest
                    longest = max(longest, time - before)
                before = time
                if time < last + 0.75 / fps:
                    if (shown := keys.picture()) is not None:
                        passed.append(Frame(time, shown))
                    continue
                n_given += 1
                if last > -math.inf and time - last > _DENSE / fps:
                    if passed:
                        frame = passed.pop()
                        yield frame._replace(between=partial(list, tuple(passed)))
                        last = frame.time_s
                        passed.clear()
                    if time - last > _DENSE / fps:
                        for frame in others.some(last, time - 0.5 / fps, fps):
                            last = frame.time_s
                            yield frame
                if (shown := keys.picture()) is not None:
                    is_known = bool(passed) or has_keys_at_cuts or last == -math.inf
                    yield Frame(
                        time,
                        shown,
                        partial(list, tuple(passed)) if is_known else partial(between, last, time),
                    )
                    last = time
                    passed.clear()
            self.end_s = max(self.end_s, keys.end_s)
            if passed:
                last = passed[-1].time_s
                yield passed[-1]
            yield from others.some(last, math.inf, fps)
            self.end_s = max(self.end_s, others.end_s)

    def at(self, time_s: float) -> Decoded:
        """Decode the frame that is shown at a moment.

        Raises:
            PhotoError: there is none.
        """
        for skipped in (
            "nonkey",
            "none",
        ):  # most frames that are asked for are key frames, which are found quickly
            with closing(self._open(skipped)) as capture:
                if not capture.seek(time_s) or (
                    skipped == "nonkey" and abs(capture.time_s - time_s) > _NEAR_S
                ):
                    continue
                if (shown := capture.picture()) is not None:
                    return shown
        raise PhotoError(
            f"no frame of this video can be decoded at {time_s:g} s; it has changed, or is broken there"
        )

    def _open(self, skipped: str = "none") -> _Capture:
        return _Capture(self._path, self._kind, skipped, getattr(self, "size", (0, 0)))


def frame_at(path: OnePath, time_s: float, *, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode the frame of a video that is shown at a moment, upright.

    Args:
        path: of the video.
        time_s: seconds from its start.
        max_pixels: a frame of more is reduced by a whole number.

    Raises:
        PhotoError: the file cannot be read, or has no such moment, with the reason.
    """
    import cv2

    found = Video(path).at(time_s)
    factor = reduction(found.size[0] * found.size[1], max_pixels)
    if factor == 1:
        return found
    size = tuple(-(-side // factor) for side in found.size)
    pixels = np.asarray(cv2.resize(found.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Decoded(pixels, found.size, 1 / factor)


_WITHOUT_B = frozenset({"h264", "avc1", "avc3", "mp4v", "xvid", "divx", "dx50", "fmp4", "mpeg4"})
"""Codings in which no other frame refers to a B frame, but B frames themselves."""


def _checked_kind(path: OnePath) -> tuple[str, bool]:
    """Say what FFmpeg calls the format of a video, and whether the file is cut off.

    Raises:
        PhotoError: it is none that can be decoded.
    """
    with open_photo(path, math.inf) as file:
        kind = _DEMUXERS.get(kind_of(file.read(N_HEAD)) or "")
        if kind is None:
            raise PhotoError("no video in a format that can be read, or broken at its start")
        try:
            has_index = kind != "mov" or mp4.has_index(file)
            is_cut_off = kind == "mov" and mp4.is_cut_off(file)
        except ValueError:
            has_index, is_cut_off = True, False  # FFmpeg may know better
    if not has_index:
        raise PhotoError("broken video: its index is missing, as where a recording or a download broke off")
    return kind, is_cut_off


class _Capture:
    """An open file of OpenCV; `close` it.

    Attributes:
        rate: frames a second, as the file says.
        time_s: of the frame that was grabbed last.
        end_s: seconds until that has been shown.
    """

    def __init__(self, path: str, kind: str, skipped: str, size: tuple[int, int]) -> None:
        """Open it.

        Args:
            path: of a regular file.
            kind: see `_DEMUXERS`.
            skipped: which frames are not decoded, as OpenCV calls it: "none", "nonref", "bidir" or "nonkey".
            size: into which frames of another size are fitted; (0, 0): the first one's own.

        Raises:
            PhotoError: that is not possible.
        """
        import cv2

        if not cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
            raise PhotoError(
                "OpenCV here cannot decode videos; pip install opencv-python-headless brings one that can"
            )
        self._cv2, self._size, self._file = cv2, size, (path, kind, skipped)
        self._start()
        width, height = (
            int(self._capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if width * height > MAX_PIXELS:
            raise PhotoError(f"frames of {width} x {height} pixels; a smaller copy can be read")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 1 <= rate <= 1000 else 30.0

    def _start(self) -> None:
        """Open the file, before its first frame."""
        path, kind, skipped = self._file
        how = f"protocol_whitelist;file|input_format;{kind}|avdiscard;{skipped}"
        with _OPENING, _options(how), _named(path) as name:
            one_thread = [self._cv2.CAP_PROP_N_THREADS, 1]
            self._capture: Any = self._cv2.VideoCapture(name, self._cv2.CAP_FFMPEG, one_thread)
        if not self._capture.isOpened():
            raise PhotoError("no film in this video, or none that can be decoded")
        self.time_s = self.end_s = -math.inf

    def codec(self) -> str:
        """What the frames are coded as, in lower case: four letters."""
        code = int(self._capture.get(self._cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        return code.to_bytes(4, "little").decode("ascii", "replace").strip("\0 ").lower()

    def coding(self) -> str:
        """The same for a message."""
        codec = self.codec()
        return f" (it is coded as {codec})" if codec.isalnum() else ""

    def grab(self, *, as_it_is: bool = False) -> float | None:
        """Decode the next frame, and give its time; None at the end. Times ascend, whatever the file says.

        Args:
            as_it_is: give the time that the file says.
        """
        if not self._capture.grab():
            return None
        said = self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
        least = self.time_s + 1 / self.rate if self.time_s > -math.inf else 0.0
        self.time_s = said if said > max(self.time_s, -_NEAR_S) else least
        self.end_s = self.time_s + 1 / self.rate
        return said if as_it_is else self.time_s

    def picture(self) -> Decoded | None:
        """Give the frame that was grabbed, upright; None where it is broken."""
        cv2 = self._cv2
        found, bgr = self._capture.retrieve()
        if not found or bgr is None or bgr.ndim != 3:
            return None
        pixels = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
        if self._size == (0, 0):
            self._size = (pixels.shape[1], pixels.shape[0])
        return Decoded(_fitted(pixels, self._size), self._size, 1.0)

    def seek(self, time_s: float) -> bool:
        """Grab the frame that is shown at a time, or the next one that is decoded; False where there is none."""
        time = None
        for early in (0.0, 1.0):  # OpenCV counts frames, which are not where it thinks if the rate varies
            target = max(0.0, time_s - 2 / self.rate - early)
            self.time_s = -math.inf
            self._capture.set(self._cv2.CAP_PROP_POS_MSEC, 1000 * target)
            time = self.grab()
            if time is not None and time <= time_s + _NEAR_S:
                break
        else:  # some files can only be read from their start
            self.close()
            self._start()
            time = self.grab()
        while time is not None and time < time_s - _NEAR_S:
            time = self.grab()
        return time is not None

    def some(self, start: float, stop: float, fps: float) -> Iterator[Frame]:
        """Give frames after one time and before another, so many a second."""
        if not self.seek(max(start, 0.0)):
            return
        due = start + 1 / fps if start > -math.inf else 0.0
        time: float | None = self.time_s
        while time is not None and time < stop:
            if time >= due - _NEAR_S and (shown := self.picture()) is not None:
                yield Frame(time, shown)
                due = time + 1 / fps
            time = self.grab()

    def close(self) -> None:
        """Let it go."""
        self._capture.release()


def _fitted(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Fit a frame into a size, its middle in the middle, black around it."""
    import cv2

    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    scale = min(size[0] / width, size[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    fitted = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    fitted[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        pixels, inner, interpolation=cv2.INTER_AREA
    )
    return fitted


@contextmanager
def _options(text: str) -> Iterator[None]:
    """Tell OpenCV's FFmpeg something while the `with` statement lasts, and to keep its remarks to itself."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    before = os.environ.get(name)
    os.environ[name] = text
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _named(path: str) -> Iterator[str]:
    """Give a name of a file that OpenCV takes: it wants UTF-8."""
    absolute = os.path.abspath(path)
    try:
        absolute.encode()
    except UnicodeEncodeError:
        with open_photo(path, math.inf) as file:
            yield f"/dev/fd/{file.fileno()}"
        return
    yield absolute
