"""exiftool, which is installed or not: it puts a packet of XMP into the file of a photo, and no more.

It gets copies in a folder of its own, under names of ours, so that no name of a photo can mean something to it.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING

from facecluster.errors import FaceclusterError, OutputError

if TYPE_CHECKING:
    from typing_extensions import Self

_READY = "{ready}"


class Exiftool:
    """exiftool, started once for many photos; use it in a `with` statement.

    Attributes:
        has_ended: whether it does nothing any more.
    """

    def __init__(self) -> None:
        """Start it.

        Raises:
            FaceclusterError: it is not installed.
        """
        self.has_ended = False
        program = shutil.which("exiftool")
        if program is None:
            raise FaceclusterError(
                "exiftool is not installed, and writes into photos; to install it: sudo apt install "
                "libimage-exiftool-perl, brew install exiftool, or see https://exiftool.org"
            )
        self._folder = TemporaryDirectory(prefix="facecluster-")
        # -config: without the settings of the user's own, which may do anything
        command = [program, "-config", "", "-stay_open", "True", "-@", "-"]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder.name,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            self._folder.cleanup()
            raise FaceclusterError(f"{program}: cannot be started: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()
        self._folder.cleanup()

    def with_packet(self, photo: bytes, packet: bytes | None) -> bytes:
        """Give the file of a photo with another packet of XMP.

        Args:
            photo: the file.
            packet: None: it is to have none.

        Raises:
            FaceclusterError: exiftool cannot do it, with the reason. No file is named.
            OutputError: there is no room for the copy.
        """
        folder = Path(self._folder.name)
        before, after, text = folder / "before", folder / "after", folder / "packet"
        try:
            after.unlink(missing_ok=True)
            before.write_bytes(photo)
            text.write_bytes(packet or b"")
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
        said = self._do("-XMP=" if packet is None else "-XMP<=packet", "-o", "after", "before")
        try:
            return after.read_bytes()
        except FileNotFoundError as error:
            raise FaceclusterError(f"exiftool says: {said}") from error

    def _do(self, *arguments: str) -> str:
        """Do one thing; give what exiftool says of it."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise TypeError("its pipes are there")
        said: list[str] = []
        with suppress(BrokenPipeError):  # it ended; its last words are read below
            process.stdin.write("".join(f"{argument}\n" for argument in (*arguments, "-execute")))
            process.stdin.flush()
        while (line := process.stdout.readline()).strip() != _READY:
            if not line:
                self.has_ended = True
                raise FaceclusterError(f"exiftool ended: {' '.join(said)[:300]}")
            said.append(line.strip())
        return " ".join(said)[:300]
