"""Photo files: find them in a stable order, tell them apart by content, decode them to upright RGB pixels.

Nothing here knows about faces. A file that cannot be read raises `PhotoError`, whose message is the reason alone,
without the path: in a batch it becomes the reason in the photo's row.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from facecluster import decode_memory
from facecluster.coded import lacks_data, without_metadata
from facecluster.durable.own_list import RESULT_MARKER
from facecluster.durable.spelt import Seen, real, spelt
from facecluster.errors import PhotoError, UsageError
from facecluster.text import can_be_named

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif"}
    | {".heic", ".heif", ".hif", ".avif"}
)
"""What a photo in a folder is called, in lower case. A file that is named itself is tried whatever it is called."""

MAX_PIXELS = 50_000_000
"""Photos of more pixels than this are decoded reduced: at 50 megapixels a worker stays well under 1 GB."""

LARGEST = 300_000_000
"""Pixels. What claims to be larger is refused, because a small file can claim any size (a decompression bomb)."""

LARGEST_FILE = 500_000_000
"""Bytes. A larger file is refused before it is read: it may have no content at all (a sparse file)."""

_TOO_LARGE = f"the file is larger than {LARGEST_FILE // 10**6} MB; a smaller copy can be read"

_MOST_WEBP = 25_000_000
"""Pixels. OpenCV decodes WebP that are larger."""

_LARGE_FILE = 50_000_000
"""Bytes; see `alone_if_large`."""

_ALONE = threading.Lock()

_JUNK = frozenset({"@eadir", "#recycle", "$recycle.bin", "__macosx", "system volume information"})
"""Folders, in lower case, of thumbnails and deleted files that network drives and systems leave among the photos."""

_HAS_JUNCTIONS = os.name == "nt"
"""Whether a folder may be another one that lies elsewhere, without being a symbolic link."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF")
"""What Pillow may open. Its other formats hold no photos, and some of them start programs (EPS)."""

HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
"""What an HEIF file says it is, at its 9th byte, if pillow-heif reads it."""

Strips = Callable[[int, int], Image.Image]
"""Gives the rows of a picture from a first to a last one, half-open."""

_STRIP_ROWS = 64
"""Rows converted at a time, so that no second copy of a whole photo is ever made."""

_PNG_EXIF = (b"eXIf", b"Raw profile type exif")
"""Where Pillow finds EXIF data in a PNG."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a photo upright, by the value of the EXIF tag Orientation."""

# Pillow's own limit is lower and warns on stderr at half of where it refuses; photos are decoded in threads too, so
# both are set once, for the process.
Image.MAX_IMAGE_PIXELS = LARGEST // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its remarks on broken photos go to stderr


OnePath: TypeAlias = str | os.PathLike[str]
Paths: TypeAlias = OnePath | Iterable[OnePath]
"""A file or folder, or several."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """A photo as pixels.

    Attributes:
        pixels: (h, w, 3) uint8 RGB, upright, C-contiguous.
        size: width, height of the upright photo at full size.
        scale: pixels here per pixel at full size: 1, or less where the photo was reduced. Exact, so dividing a
            coordinate by it gives the coordinate at full size.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    scale: float


def find_photos(
    paths: Iterable[str | os.PathLike[str]],
    *,
    listed: Iterable[str | os.PathLike[str]] = (),
    report: Callable[[str], None] = lambda message: None,
    lost: Callable[[str], None] | None = None,
) -> list[str]:
    """Find the photo files among files and folders, each once.

    A folder gives the files with one of `EXTENSIONS` in it and below it, sorted by name at each level; links to
    folders are followed, each real folder once. Hidden files, thumbnails and bins of other systems, and folders of
    our own results (`RESULT_MARKER`) are left out. A file that is named itself always counts. A file reached again,
    by another name of it or through a link, is left out.

    Args:
        paths: files and folders. One that is there and cannot be looked at (a link that leads nowhere, no permission)
            counts like a file, so that it becomes a row that says so.
        listed: further files and folders, after `paths`, that need not exist any more.
        report: called with a message about a named folder of results, or a name that no file can have; the search
            goes on.
        lost: the same for each folder that cannot be read, and each link that might lead to one; `report` if not given.

    Returns:
        Absolute paths, with links not resolved, in the case in which the disk lists them; names that are no UTF-8 as
        `os.fsdecode` gives them.

    Raises:
        UsageError: one of `paths` does not exist, or is an empty name.
    """
    seen: Seen = {}
    given = [os.path.abspath(path) for path in paths if _can_be_a_file(check_name(path), report)]
    for path in given:
        try:
            os.stat(path)
        except FileNotFoundError as error:
            if not os.path.lexists(path):
                raise UsageError(f"{path}: {error.strerror}; give files or folders of photos") from error
        except OSError:  # a row says so
            continue
    found: list[str] = []
    reached: set[str] = set()
    folders: set[str] = set()
    for path in (*given, *(os.path.abspath(path) for path in listed if _can_be_a_file(path, report))):
        path = spelt(path, seen)
        alone = [(path, real(path, seen))]
        inside = _walk(path, folders, seen, report, lost or report) if os.path.isdir(path) else alone
        for candidate, there in inside:
            if there not in reached:
                reached.add(there)
                found.append(candidate)
    return found


def several(paths: Paths) -> list[str]:
    """Give the paths that are meant by one, or by several."""
    return [os.fspath(path) for path in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]


def check_name(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Give a path back, but refuse an empty one, which the system takes for the current folder.

    Raises:
        UsageError: it is empty.
    """
    if not os.fspath(path):
        raise UsageError("an empty name; is a variable unset?")
    return path


def _can_be_a_file(path: OnePath, report: Callable[[str], None]) -> bool:
    """Whether the system takes a path; `report` one that it does not."""
    possible = can_be_named(os.fspath(path))
    if not possible:
        report(f"{os.fspath(path)!r}: no file can have this name; skipped")
    return possible


def _walk(
    top: str,
    visited: set[str],
    seen: Seen,
    report: Callable[[str], None],
    lost: Callable[[str], None],
) -> Iterator[tuple[str, str]]:
    """Give path and real path of the photo files in a folder and below; add the real folders to `visited`."""
    pending = [(top, real(top, seen), True)]
    while pending:
        path, there, is_folder = pending.pop()
        if not is_folder:
            yield path, there
            continue
        if there in visited:
            continue
        visited.add(there)
        try:
            with os.scandir(path) as entries:
                inside = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            lost(f"{path}: {error.strerror}; skipped this folder")
            continue
        if any(entry.name == RESULT_MARKER for entry in inside):
            if path != top:
                continue
            report(
                f"{path}: holds results of facecluster, whose photos count like any others as it is named itself"
            )
        for entry in inside:
            if entry.name.startswith(".") or entry.name.lower() in _JUNK:
                continue
            is_named_so = os.path.splitext(entry.name)[1].lower() in EXTENSIONS
            try:
                is_folder = entry.is_dir()
                is_link = entry.is_symlink() or (is_folder and _HAS_JUNCTIONS)
                # A link with the name of a photo counts, wherever it leads: it becomes a row that says so.
                is_photo = is_named_so and (is_link or entry.is_file())
            except OSError as error:
                is_folder, is_link, is_photo = False, True, is_named_so
                if not is_photo:
                    lost(f"{entry.path}: {error.strerror}; skipped this link")
            if is_folder or is_photo:
                entry_real = real(entry.path, seen) if is_link else os.path.join(there, entry.name)
                # The same string object twice, where it is the same, halves the memory for a million photos.
                pending.append(
                    (entry.path, entry.path if entry_real == entry.path else entry_real, is_folder)
                )


def read(path: OnePath) -> tuple[bytes, float]:
    """Read a photo's file.

    Returns:
        Its bytes; and when the file was changed last, in seconds since 1970, also where that was hidden afterwards
        (`exiftool -P`), or where only its name changed.

    Raises:
        PhotoError: the file cannot be read, with the reason.
    """
    with opened(path) as file:
        status = os.fstat(file.fileno())
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise PhotoError(_TOO_LARGE)
    return data, max(status.st_mtime, status.st_ctime)


@contextmanager
def opened(path: OnePath) -> Iterator[BinaryIO]:
    """Open a photo's file; a file that cannot be read in the block raises the same.

    Raises:
        PhotoError: it cannot be read, is no regular file, or is larger than `LARGEST_FILE`.
    """
    try:
        _check_kind(os.stat(path).st_mode)
        # Not the kind that was asked about a moment ago, if somebody replaced it: opening a pipe must not wait.
        with open(path, "rb", opener=_opened) as file:
            status = os.fstat(file.fileno())
            _check_kind(status.st_mode)
            if status.st_size > LARGEST_FILE:
                raise PhotoError(_TOO_LARGE)
            yield file
    except (OSError, ValueError, MemoryError) as error:
        raise PhotoError(_reason(error)) from error


def alone_if_large(path: OnePath) -> AbstractContextManager[object]:
    """Hold up other threads that ask the same while one has a large file in memory, so that it is one at a time."""
    try:
        large = os.stat(path).st_size > _LARGE_FILE
    except (OSError, ValueError):
        large = False
    return _ALONE if large else nullcontext()


def digest(data: bytes) -> str:
    """Digest the bytes of a file, as an older facecluster knew photos: 32 hex digits, BLAKE2b with 128 bits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def decode(source: str | os.PathLike[str] | bytes, *, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode a photo to upright RGB pixels.

    The first page or frame, or the primary picture, of JPEG, PNG, WebP, TIFF, BMP, GIF, HEIF and AVIF, told by
    content and not by name. Transparency is dropped, as face_recognition and OpenCV do, so that encodings agree with
    theirs; 16-bit values are divided by 256; floats are 0..1; colour profiles are not applied. A photo with any
    part of its picture missing is unreadable, however little it is: what decodes of it could pass for a whole
    photo, whose digest and faces would be different once it is copied again.

    Args:
        source: path of the file, or its bytes.
        max_pixels: a photo of more pixels is reduced by a whole number: a JPEG by 2, 4 or 8 while it is decoded,
            any other format by averaging blocks.

    Raises:
        PhotoError: the file cannot be read, with the reason.
    """
    data = source if isinstance(source, bytes) else read(source)[0]
    if not data:
        raise PhotoError("the file is empty")
    try:
        return _decode(data, max_pixels)
    except PhotoError:
        raise
    except Exception as error:
        with suppress(Exception):
            if len(data) <= _LARGE_FILE and (bare := without_metadata(data)) != data:
                return _decode(bare, max_pixels)
        # Decoders raise whatever a broken file makes them trip over (OSError, ValueError, KeyError, struct.error,
        # zlib.error, ...); none of it may end a run over many photos.
        raise PhotoError(_reason(error)) from error


def perceptual_hash(pixels: NDArray[np.uint8]) -> int:
    """Hash what a photo looks like: rescaled and recompressed copies differ in few of the 64 bits.

    Each bit says whether one of 8x8 places is brighter than its right neighbour, in the luminance averaged over
    9x8 areas; the first bit is the top left one.

    Args:
        pixels: (h, w, 3) uint8 RGB.

    References:
        N. Krawetz, "Kind of Like That", hackerfactor.com, 2013 (dHash). Luminance: ITU-R BT.601.
    """
    return brightness_bits(area_luminance(reduce_blocks(pixels), 8, 9))


def reduce_blocks(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average whole blocks of pixels until the shorter side has 500 to 999, the first step of a perceptual hash.

    Args:
        pixels: (h, w, 3) uint8 RGB.
    """
    # In steps: OpenCV averages whole blocks three times as fast as fractions of them (what falls off is under a 500th);
    # it rounds to whole numbers, and 16x16 averages of those keep the fractions that tell neighbours.
    height, width = pixels.shape[:2]
    block = max(1, min(width, height) // 500)
    whole = pixels[: height // block * block, : width // block * block]
    return _resize(whole, width // block, height // block)


def area_luminance(pixels: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.float64]:
    """Average the luminance of (h, w, 3) pixels over (rows, columns) areas of equal size."""
    fine = _resize(pixels, columns * 16, rows * 16)
    luminance: NDArray[np.float64] = fine.reshape(rows, 16, columns, 16, 3).mean(axis=(1, 3)) @ (
        0.299,
        0.587,
        0.114,
    )
    return luminance


def brightness_bits(luminance: NDArray[np.float64]) -> int:
    """Give the 64 bits that say which of (8, 9) areas are brighter than their right neighbours."""
    brighter = luminance[:, :-1] > luminance[:, 1:]
    return int.from_bytes(np.packbits(brighter).tobytes(), "big")


def _resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Average pixels over the areas of fewer."""
    import cv2  # a tenth of a second, and only workers need it

    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_kind(mode: int) -> None:
    """Accept regular files; anything else could wait forever (a pipe) or has no content (a folder)."""
    if stat.S_ISDIR(mode):
        raise PhotoError("this is a folder")
    if not stat.S_ISREG(mode):
        raise PhotoError("this is not a regular file")


def _reason(error: Exception) -> str:
    """Say in a line why a file cannot be read."""
    if isinstance(error, UnidentifiedImageError):
        return "no photo in a format that can be read, or broken at its start"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {LARGEST // 10**6} megapixels"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split())
    return f"broken photo: {text or type(error).__name__}"


def _decode(data: bytes, max_pixels: int) -> Decoded:
    return _decode_heif(data, max_pixels) if is_heif(data) else _decode_pillow(data, max_pixels)


def is_heif(data: bytes) -> bool:
    """Whether pillow-heif is to decode a file."""
    return data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS


def _decode_pillow(data: bytes, max_pixels: int) -> Decoded:
    """Decode with Pillow."""
    image = Image.open(BytesIO(data), formats=FORMATS)
    width, height = image.size
    for reduction in (8, 4, 2):
        if width * height > max_pixels * (reduction // 2) ** 2:
            image.draft(None, (width // reduction, height // reduction))
            break
    drafted = round(width / image.width)
    by_opencv = image.format == "WEBP" and width * height > min(max_pixels, _MOST_WEBP)
    as_stored = width * height > max_pixels and _is_stored_row_by_row(image)
    made = _made(width * height, max_pixels)
    needs = made if as_stored else decode_memory.of_picture(image, (width, height), data, by_opencv, made)
    decode_memory.check(len(data) + needs, width * height)
    if as_stored:
        orientation = read_orientation(image)
        strip_of = _strips_as_stored(image, data)
    elif by_opencv:
        orientation = read_orientation(image)
        del image  # with its decoder
        strip_of = _strips_of_large_webp(data)
    else:
        image.load()
        if image.format in ("JPEG", "MPO") and _is_grey_at_end(image) and lacks_data(data):
            raise PhotoError("broken photo: a part of its picture is missing")
        # After load(): Pillow has then found EXIF data at the end of a PNG, and turned a TIFF itself.
        orientation = read_orientation(image)
        if drafted == 1:
            width, height = image.size
        strip_of = _strips_of(image)
    stored = -(-width // drafted), -(-height // drafted)
    factor = _reduction(stored[0] * stored[1], max_pixels)
    pixels = _assemble(strip_of, stored, factor, orientation)
    size = (height, width) if orientation >= 5 else (width, height)
    return Decoded(pixels, size, 1 / (drafted * factor))


def _made(n_pixels: int, max_pixels: int) -> int:
    """Tell how many bytes the pixels that `decode` gives take."""
    return math.ceil(3 * n_pixels / _reduction(n_pixels, max_pixels) ** 2)


def _is_grey_at_end(image: Image.Image) -> bool:
    """Whether the last pixels may be such as libjpeg makes those for which a file has no data: of middle brightness."""
    for x in range(image.width - 1, max(image.width - 9, -1), -1):
        pixel: Any = image.getpixel((x, image.height - 1))
        if isinstance(pixel, tuple):
            # Colours are those of the neighbours, where these are stored at half the size; of CMYK, black.
            pixel = pixel[3] if len(pixel) == 4 else 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
        if not 125.5 <= pixel < 129.5:
            return False
    return True


def _strips_of(image: Image.Image) -> Strips:
    """The rows of a picture of Pillow."""
    return lambda top, bottom: image.crop((0, top, image.width, bottom))


def _is_stored_row_by_row(image: Image.Image) -> bool:
    """Whether a picture as Pillow opened it is an upright TIFF of all rows below each other, uncompressed."""
    if image.format != "TIFF" or image.mode == "P" or read_orientation(image) != 1:
        return False
    tiles: list[Any] = image.tile  # type: ignore[attr-defined]
    rows = tiles[0].extents[3]
    places = [(0, top, image.width, min(top + rows, image.height)) for top in range(0, image.height, rows)]
    return {tile.codec_name for tile in tiles} == {"raw"} and [tile.extents for tile in tiles] == places


def _strips_as_stored(image: Image.Image, data: bytes) -> Strips:
    """The rows of a picture that is stored row by row, taken from its file: there is no copy of the whole of it."""
    tiles: list[Any] = image.tile  # type: ignore[attr-defined]
    rows = tiles[0].extents[3]
    bits = image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))  # type: ignore[attr-defined]
    per_row = math.ceil(image.width * sum(bits) / 8)

    def strip_of(top: int, bottom: int) -> Image.Image:
        strip = Image.new(image.mode, (image.width, bottom - top))
        for tile in tiles[top // rows : math.ceil(bottom / rows)]:
            first, stop = max(top, tile.extents[1]), min(bottom, tile.extents[3])
            at = tile.offset + (first - tile.extents[1]) * per_row
            part = data[at : at + (stop - first) * per_row]
            size = image.width, stop - first
            strip.paste(
                Image.frombytes(image.mode, size, part, "raw", tile.args[0], per_row, 1), (0, first - top)
            )
        return strip

    return strip_of


def _strips_of_large_webp(data: bytes) -> Strips:
    """The rows of a picture decoded by OpenCV: Pillow holds four copies, 1.6 GB for 100 megapixels."""
    import cv2

    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise PhotoError("broken photo: its picture cannot be decoded")
    to_rgb = cv2.COLOR_BGR2RGB if stored.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return lambda top, bottom: Image.fromarray(cv2.cvtColor(stored[top:bottom], to_rgb))


def _decode_heif(data: bytes, max_pixels: int) -> Decoded:
    """Decode HEIF with pillow-heif, without its copy of the whole picture into Pillow."""
    import pillow_heif  # a tenth of a second that only HEIF needs

    pillow_heif.options.DECODE_THREADS = 1
    picture = pillow_heif.open_heif(data)
    width, height = picture.size
    if width * height > LARGEST:
        raise Image.DecompressionBombError
    n_pixels = width * height
    needs = decode_memory.of_heif(picture.info, n_pixels, _made(n_pixels, max_pixels))
    decode_memory.check(len(data) + needs, n_pixels)
    stored = np.asarray(picture)
    # The size in the header may be wrong, and rows may be padded.
    width, height = picture.size
    factor = _reduction(width * height, max_pixels)
    # libheif has turned the picture; the orientation that EXIF repeats must be ignored (ISO/IEC 23008-12).
    pixels = _assemble(
        lambda top, bottom: Image.fromarray(stored[top:bottom, :width]), (width, height), factor, 1
    )
    return Decoded(pixels, (width, height), 1 / factor)


def read_orientation(image: Image.Image) -> int:
    """Give the value of the EXIF tag Orientation that `decode` applies; EXIF data that cannot be read count as 1."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - as in decode
        return 1
    return value if value in _TURNS else 1


def _reduction(n_pixels: int, max_pixels: int) -> int:
    """The smallest whole number that, as a divisor of both sides, leaves at most `max_pixels`."""
    return max(1, math.ceil(math.sqrt(n_pixels / max_pixels)))


def _assemble(strip_of: Strips, size: tuple[int, int], factor: int, orientation: int) -> NDArray[np.uint8]:
    """Convert a decoded picture strip by strip to RGB, reduced and upright, holding no second copy of it.

    Args:
        strip_of: the picture, in any mode of Pillow.
        size: width, height of the picture.
        factor: by which both sides are divided, rounding up.
        orientation: value of the EXIF tag.
    """
    width, height = size
    out_width, out_height = -(-width // factor), -(-height // factor)
    turned = orientation >= 5
    backwards = orientation in (3, 4, 6, 7)
    upright = np.empty((out_width, out_height, 3) if turned else (out_height, out_width, 3), np.uint8)
    for start in range(0, out_height, _STRIP_ROWS):
        stop = min(start + _STRIP_ROWS, out_height)
        strip = _rgb(strip_of(start * factor, min(stop * factor, height)))
        if factor > 1:
            strip = strip.reduce(factor)
        if orientation in _TURNS:
            strip = strip.transpose(_TURNS[orientation])
        place = slice(out_height - stop, out_height - start) if backwards else slice(start, stop)
        upright[(slice(None), place) if turned else place] = np.asarray(strip)
    return upright


def _rgb(strip: Image.Image) -> Image.Image:
    """Convert any mode of Pillow to RGB: 16 bits to 8, transparency dropped."""
    if strip.mode.startswith("I;16"):
        strip = Image.fromarray((np.asarray(strip) >> 8).astype(np.uint8))
    elif strip.mode == "I":
        strip = Image.fromarray((np.clip(np.asarray(strip), 0, 65535) >> 8).astype(np.uint8))
    elif strip.mode == "F":
        strip = Image.fromarray(
            (np.clip(np.nan_to_num(np.asarray(strip)), 0, 1) * 255).round().astype(np.uint8)
        )
    return strip if strip.mode == "RGB" else strip.convert("RGB")
