"""Names into the photos themselves, by exiftool: the one thing that touches originals.

What a photo's XMP was before stands in the library's folder `metadata-before`. A photo is replaced as a whole by a file
whose coded picture is the same to the bit, and whose XMP is what was asked for; times, mode and owner stay.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape

from facecluster.durable.own_file import oddity_at
from facecluster.durable.own_list import OwnList
from facecluster.durable.whole_file import cannot_write, whole_file
from facecluster.errors import DeclinedError, FaceclusterError, OutputError
from facecluster.formats import tags_jsonl, xmp_write
from facecluster.formats.embedded import read_embedded
from facecluster.formats.tags_jsonl import Asked, Written
from facecluster.formats.xmp_write import FIELDS, NOTHING
from facecluster.library.contents import Contents
from facecluster.library.exiftool import Exiftool
from facecluster.library.layout import METADATA_BEFORE, plain_name
from facecluster.library.named import Named, wanted_of
from facecluster.library.sidecar import ENDING, photo_stamp_of, stamp_of, two_names
from facecluster.library.tag_list import Change, Tagged, TagList, is_full
from facecluster.photos.picture import coded_digest

Agree = Callable[[Sequence[str], Path], bool]
"""Asked with photos that will be written into, and the folder in which their metadata will be kept."""

_LONGEST = 120
"""Letters of a photo's name that are in that of its metadata."""
_HEAD = b"<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>\n"
_TAIL = b"\n<?xpacket end='w'?>"
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_DECLARED = re.compile(rb"""<\?xml\s+version=["']1\.0["'](?:\s+encoding=["'](?:utf|UTF)-8["'])?\s*\?>\s*""")
_PACKET = re.compile(
    rb"\s*(<\?xpacket\s+begin=[^>]*\?>\s*)(.*?)(\s*<\?xpacket\s+end=[^>]*\?>)[\s\0]*", re.DOTALL
)


@dataclass(frozen=True)
class _Inside:
    """A photo, and who is to stand in it; `named` None: nobody of ours."""

    photo: str
    named: Named | None
    record: Written | None

    def key(self, how: Asked) -> str:
        return "" if self.named is None else self.named.key(how)


def embed(
    named: Mapping[str, Named],
    chosen: Collection[str] | None,
    listed: TagList,
    how: Asked,
    contents: Contents,
    found: Tagged,
    agree: Agree,
) -> None:
    """Write names into photos, and take those of ours out that do not hold any more.

    Args:
        named: photos with names; none: all of ours is taken out.
        chosen: photos that are meant; None: all.
        listed: the list of the library.
        how: what is written.
        contents: says whether photos are still those whose faces are known.
        found: gets what was done.
        agree: see `Agree`; False: nothing is written. Not asked for a dry run, or where nothing is to be done.

    Raises:
        DeclinedError: `agree` said no.
        FaceclusterError: exiftool is not installed, or ended; the list cannot be written; the disk is full.
    """
    from facecluster.progress import bar

    records = listed.records.files
    photos = [*named, *(file for file, one in records.items() if one.is_embedded and file not in named)]
    jobs = [
        _Inside(photo, named.get(photo), records.get(photo))
        for photo in photos
        if chosen is None or photo in chosen
    ]
    todo = [job for job in jobs if not _is_done(job, how)]
    found.unchanged += len(jobs) - len(todo)
    found.unchanged_photos += len(jobs) - len(todo)
    if not todo:
        return
    directory = listed.path.parent
    with Exiftool() as exiftool, bar(total=len(todo), what="photos") as shown:
        if not listed.dry_run:
            if not agree([job.photo for job in todo], directory / METADATA_BEFORE):
                raise DeclinedError("nothing was changed")
            listed.remember(how)
        for job in todo:
            try:
                _embed(job, listed, how, contents, exiftool, found)
            except OSError as error:  # it has gone meanwhile
                found.troubles.append(f"{job.photo}: {error.strerror or error}")
            except FaceclusterError as error:
                if exiftool.has_ended or is_full(error):
                    raise
                told = str(error)
                found.troubles.append(told if told.startswith(os.sep) else f"{job.photo}: {told}")
            shown.update()
    if not listed.dry_run:
        listed.tidy(now=any(job.named is None for job in todo))  # who is forgotten is in no line
        written = {change.file for change in found.changed}
        found.held = sorted(written.intersection(_held(directory)))


def _held(directory: Path) -> set[str]:
    """Give the photos of which a library has the bytes in its folders: by hard links, clones and copies."""
    entries = OwnList(directory.absolute(), None).candidates.values()
    return {one.source for several in entries for one in several if one.kind not in ("file", "symlink")}


def _is_done(job: _Inside, how: Asked) -> bool:
    """Say whether a photo is as we left it, and is to stay so."""
    record = job.record
    return (
        job.named is not None
        and record is not None
        and record.stamp is not None
        and record.key == job.key(how)
        and record.of == photo_stamp_of(job.photo)
    )


def _embed(
    job: _Inside, listed: TagList, how: Asked, contents: Contents, exiftool: Exiftool, found: Tagged
) -> None:
    """Do what is to be done in one photo.

    Raises:
        FaceclusterError: nothing was done, for this reason. The message may lack the photo.
    """
    from facecluster.photos.file import read_photo

    before, of = stamp_of(job.photo), photo_stamp_of(job.photo)
    if before is None or of is None:
        found.away.append(job.photo)
        return
    if os.path.islink(job.photo):
        raise FaceclusterError("a link; nothing is written through it")
    data = read_photo(job.photo)[0]
    if job.named is not None and not contents.holds(job.photo, data):
        raise FaceclusterError("is not the photo in which the faces were found; type first: facecluster run")
    inside = read_embedded(data)
    wanted = NOTHING if job.named is None else wanted_of(job.named, inside, how)
    ours = NOTHING if job.record is None else job.record.tags
    head, bare, tail = _apart(inside.xmp)
    merged = xmp_write.merge(bare, wanted, ours)
    found.remarks += [f"{job.photo}: {remark}" for remark in merged.remarks]
    if job.named is not None:
        faces = wanted_of(job.named, inside, replace(how, fields=FIELDS)).mwg
        if n := two_names(merged.data, merged.written, faces):
            found.two_names[job.photo] = n
    written = Written(
        job.photo,
        job.photo,
        "" if job.named is None else job.named.id,
        job.key(how),
        merged.written,
        of,
    )
    if merged.data != bare:
        packet = None if merged.data is None else head + merged.data.removeprefix(_DECLARATION).strip() + tail
        after = exiftool.with_packet(data, packet)
        _check(data, after, packet)
        names = () if job.named is None else job.named.names
        change = Change(job.photo, job.photo, names)
        if listed.dry_run:
            found.changed.append(change)
            return
        is_ours = job.record is not None and job.record.stamp is not None and job.record.of == of
        if inside.xmp is not None and not is_ours:
            _keep(listed.path.parent / METADATA_BEFORE, job.photo, inside.xmp)
        if job.named is not None:
            listed.append([tags_jsonl.line(written)])
            tags_jsonl.put(listed.records, written)
        try:
            _replace(job.photo, after)
        except FaceclusterError:
            if job.record is None and photo_stamp_of(job.photo) == of:  # nothing of ours is in it
                with suppress(FaceclusterError):  # the list may lie on the same full disk
                    _note_gone(job.photo, listed)
            raise
        found.changed.append(change)
    elif job.named is not None:
        found.unchanged += 1
        found.unchanged_photos += 1
    if listed.dry_run:
        return
    if job.named is None:
        _note_gone(job.photo, listed)
        return
    stamp, of = stamp_of(job.photo), photo_stamp_of(job.photo)
    if stamp is not None and of is not None:
        written = Written(**vars(written) | {"stamp": stamp, "of": of})
        listed.append([tags_jsonl.line(written)])
        listed.records.files[job.photo] = written


def _note_gone(photo: str, listed: TagList) -> None:
    """Note that nothing of ours is in a photo.

    Raises:
        FaceclusterError: the list cannot be written.
    """
    listed.append([tags_jsonl.gone(photo)])
    listed.records.files.pop(photo, None)


def _apart(packet: bytes | None) -> tuple[bytes, bytes | None, bytes]:
    """Give what stands before the XML of a packet, the XML as a file has it, and what stands behind it."""
    if packet is None:
        return _HEAD, None, _TAIL
    found = _PACKET.fullmatch(packet)
    head, inner, tail = (_HEAD, packet, _TAIL) if found is None else found.groups()
    declared = _DECLARED.match(inner)
    inner = inner[declared.end() if declared else 0 :].strip(b" \t\r\n\0")
    if inner.startswith(b"<?") or not inner.startswith(b"<"):
        return b"", packet, b""  # in another encoding, or no XMP at all
    return head, _DECLARATION + inner + b"\n", tail


def _check(before: bytes, after: bytes, packet: bytes | None) -> None:
    """Make sure that a file has the same picture, and the XMP that it should have.

    Raises:
        FaceclusterError: it has not.
    """
    if coded_digest(before) != coded_digest(after):
        raise FaceclusterError("exiftool would change more of it than its metadata, so it was left as it is")
    was, now = read_embedded(before), read_embedded(after)
    if (was.size, was.orientation, was.dates) != (now.size, now.orientation, now.dates):
        raise FaceclusterError("exiftool would change other metadata of it, so it was left as it is")
    there = None if now.xmp is None else _apart(now.xmp)[1]
    if there != (None if packet is None else _apart(packet)[1]):
        raise FaceclusterError("its metadata would not be read as they were written, so it was left as it is")


def _keep(folder: Path, photo: str, packet: bytes) -> None:
    """Put the XMP of a photo by, as it was.

    Raises:
        OutputError: the folder cannot be written, or is a link.
    """
    if folder.is_symlink():
        raise OutputError(f"{folder}: a link, where facecluster has a folder of its own; remove the link")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    name = plain_name(os.path.basename(photo))
    while len(os.fsencode(name)) > _LONGEST:
        name = name[1:]
    tells = hashlib.sha256(os.fsencode(photo) + b"\0" + packet).hexdigest()[:12]
    file = folder / f"{name}-{tells}{ENDING}"
    mode = stat.S_IMODE(os.stat(photo).st_mode) & 0o666
    with whole_file(file, follow=False, permissions=mode) as out:
        out.write(packet)


def kept_with(directory: Path, names: Sequence[str]) -> list[Path]:
    """Find the files of XMP that were put by in a library and that have one of some names in them."""
    folder = directory / METADATA_BEFORE
    if not names or folder.is_symlink() or not folder.is_dir():
        return []
    texts = [escape(name).encode() for name in names]
    files = sorted(file for file in folder.glob(f"*{ENDING}") if oddity_at(file) is None)
    return [file for file in files if any(text in file.read_bytes() for text in texts)]


def _replace(photo: str, data: bytes) -> None:
    """Put a file in the place of a photo; its times, mode, owner and attributes stay.

    Raises:
        OutputError: it cannot be written, or somebody else wrote it since it was read.
    """
    before = os.stat(photo)

    def ready(part: Path) -> None:
        now = os.stat(photo)
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
            raise OutputError(f"{photo}: another program wrote it just now; it is left as it is")
        with suppress(OSError):
            shutil.copystat(photo, part)
        if hasattr(os, "chown"):
            with suppress(OSError):
                os.chown(part, before.st_uid, before.st_gid)
        os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))

    with whole_file(Path(photo), ready=ready, follow=False) as out:
        out.write(data)
