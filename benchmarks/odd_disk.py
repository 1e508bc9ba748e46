"""Work on disks that this kernel has not: FAT with its refusals, and names as Windows and macOS compare them.

    pip install fusepy      # and libfuse 2: apt install libfuse2, or FUSE_LIBRARY_PATH=.../libfuse.so.2
    python benchmarks/odd_disk.py PHOTOS

PHOTOS is a folder of some photos with faces. For each kind of disk a folder is mounted through FUSE, a library is made
and worked on there, and it prints a line a command: its exit code, and what it said of trouble. In the second half the
photos lie on that disk, too. `python benchmarks/odd_disk.py --serve KIND STORE MOUNT` only mounts.

    fat    letters <>:"|?* and a file over 4 GB are refused, so are links, times and modes; no fsync (EINVAL); case is
           not told apart; times are even seconds
    mac    case is not told apart, and names come back taken apart (NFD), as on HFS+
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REFUSED = set('<>:"|?*\\')
LONGEST = 2**32 - 1


def fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def serve(kind: str, store: str, mount: str) -> None:
    """Mount a view of a folder, until it is unmounted."""
    import fuse

    store = os.path.realpath(store)

    def no(code: int) -> None:
        raise fuse.FuseOSError(code)

    def real(path: str) -> str:
        """The stored path: each name as it is there, whatever its case."""
        at = store
        for name in filter(None, path.split("/")):
            there = os.path.join(at, name)
            if not os.path.lexists(there) and os.path.isdir(at):
                same = (one for one in os.listdir(at) if fold(one) == fold(name))
                there = os.path.join(at, next(same, name))
            at = there
        return at

    def new(path: str) -> str:
        if kind == "fat" and REFUSED & set(os.path.basename(path)):
            no(errno.EINVAL)
        return real(path)

    class View(fuse.Operations):  # type: ignore[misc]
        def access(self, path: str, mode: int) -> None:
            if not os.access(real(path), mode):
                no(errno.EACCES)

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            status = os.lstat(real(path))
            found = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
            if kind == "fat":
                found["st_mtime"] = int(status.st_mtime) // 2 * 2
            return found

        def readdir(self, path: str, fh: int) -> list[str]:
            names = os.listdir(real(path))
            if kind == "mac":
                names = [unicodedata.normalize("NFD", name) for name in names]
            return [".", "..", *names]

        def readlink(self, path: str) -> str:
            return os.readlink(real(path))

        def mkdir(self, path: str, mode: int) -> None:
            os.mkdir(new(path), mode)

        def rmdir(self, path: str) -> None:
            os.rmdir(real(path))

        def unlink(self, path: str) -> None:
            os.unlink(real(path))

        def rename(self, old: str, to: str) -> None:
            target = new(to)
            if fold(old) == fold(to):  # only its case
                target = os.path.join(os.path.dirname(target), os.path.basename(to))
            os.rename(real(old), target)

        def symlink(self, target: str, source: str) -> None:
            if kind == "fat":
                no(errno.EPERM)
            os.symlink(source, real(target))

        def link(self, target: str, source: str) -> None:
            if kind == "fat":
                no(errno.EPERM)
            os.link(real(source), real(target))

        def chmod(self, path: str, mode: int) -> None:
            if kind == "fat":
                no(errno.EPERM)
            os.chmod(real(path), mode)

        def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
            if kind == "fat":
                no(errno.EPERM)
            os.utime(real(path), times)

        def create(self, path: str, mode: int, fi: Any = None) -> int:
            return os.open(new(path), os.O_RDWR | os.O_CREAT, mode)

        def open(self, path: str, flags: int) -> int:
            return os.open(real(path), flags)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            if kind == "fat" and offset + len(data) > LONGEST:
                no(errno.EFBIG)
            return os.pwrite(fh, data, offset)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            os.truncate(real(path), length)

        def flush(self, path: str, fh: int) -> None:
            pass

        def release(self, path: str, fh: int) -> None:
            os.close(fh)

        def fsync(self, path: str, datasync: int, fh: int) -> None:
            if kind == "fat":
                no(errno.EINVAL)
            os.fsync(fh)

        def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
            no(errno.EINVAL)

        def statfs(self, path: str) -> dict[str, int]:
            status = os.statvfs(real(path))
            return {
                name: getattr(status, name)
                for name in dir(status)
                if name.startswith("f_") and name != "f_fsid"
            }

    fuse.FUSE(View(), mount, foreground=True, nothreads=True, use_ino=True, attr_timeout=0, entry_timeout=0)


@contextmanager
def mounted(kind: str, folder: Path) -> Iterator[Path]:
    """A disk of some kind, in a folder of its own."""
    store, mount = folder / f"{kind}-store", folder / f"{kind}-disk"
    store.mkdir()
    mount.mkdir()
    with subprocess.Popen([sys.executable, __file__, "--serve", kind, store, mount]) as server:
        try:
            while not os.path.ismount(mount):
                time.sleep(0.05)
                if server.poll() is not None:
                    sys.exit(f"{kind}: cannot be mounted")
            yield mount
        finally:
            subprocess.run(["umount", "-l", mount], check=False)
            server.terminate()


def said(*command: object) -> None:
    """Run facecluster, and print how it ended and what it said of trouble."""
    program = [os.environ.get("FACECLUSTER_PYTHON", sys.executable), "-m", "facecluster"]
    ended = subprocess.run([*program, *map(str, command)], check=False, capture_output=True, text=True)
    print(f"  {ended.returncode}  {' '.join(Path(str(word)).name or str(word) for word in command)}")
    for line in ended.stderr.splitlines():
        if line.startswith("facecluster:") or "Error" in line:
            print(f"       {line}")


def main() -> None:
    """Make a library on each disk."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="*")
    parser.add_argument("--serve", action="store_true")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(*arguments.photos)
        return
    folder = Path(tempfile.mkdtemp(prefix="odd-disk-"))
    try:
        mine = folder / "photos"
        shutil.copytree(arguments.photos[0], mine)
        odd = (
            "what? <1>.jpg",
            "12:30:00.jpg",
            "Jose\u0301.jpg",
            "Zo\xeb.jpg",
            "IMG.jpg",
            "img.JPG",
            "aux.jpg",
        )
        for photo, name in zip(sorted(mine.iterdir()), odd, strict=False):
            photo.rename(mine / name)
        for kind in ("fat", "mac"):
            with mounted(kind, folder) as disk:
                print(f"{kind}: the library")
                said("run", mine, "-o", disk / "people", "--min-images", 1)
                said("name", disk / "people", "person-0001", "Zo\xeb Berg")
                said("run", mine, "-o", disk / "people")
                said("name", disk / "people", "person-0001", "zo\xeb berg")
                said("run", mine, "-o", disk / "PEOPLE")
                for file in sorted((disk / "people").rglob("*")):
                    print(f"         {str(file.relative_to(disk))!a}")
                print(f"{kind}: the photos, too")
                (disk / "Photos").mkdir()
                for photo in mine.iterdir():
                    if not REFUSED & set(photo.name) and photo.name != "img.JPG":
                        (disk / "Photos" / photo.name).write_bytes(photo.read_bytes())
                said("encode", disk / "Photos", "-o", disk / "f.npz")
                said("encode", disk / "photos", disk / "PHOTOS" / "img.JPG", "-o", disk / "f.npz")
                said("run", disk / "Photos", "-o", disk / "Photos" / "People", "--min-images", 1)
                said("run", disk / "photos", "-o", disk / "photos" / "people")
                said("forget", disk / "photos" / "people", "--person", "person-0001", "-y")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
