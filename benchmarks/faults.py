"""Hurt every verb that writes, in every way we know, and see that the same command then ends with the same bytes.

    python benchmarks/faults.py [--tries 100] [--verb VERB ...] [--fault FAULT ...] [--data ../shared/data/lfw_dev]

It makes a library of 40 real photos, and for each verb what it gives when nothing disturbs it. Then, for each fault,
again and again from the same start: hurt the verb; see that no process of it remains, that all that was decided,
named and analysed before can still be read; run the same command again; compare every file. A line a fault and verb
tells

    tries    how often it was hurt
    ended    how the hurt process ended, and how often: its exit code, or the signal
    late     seconds from the signal to the end of its last process, at most
    other    tries after which the same command does not give the same bytes
    sheet    tries after which it gives index.jpg alone in other bytes: its cells are copied from the sheet before, so
             that they differ by a rounding where an earlier run ended well with fewer photos
    left     tries after which a file or process of ours remains
    damaged  tries after which an earlier name, decision or encoding cannot be read before the command runs again
    trace    tries that show a traceback

Compared are the bytes of every file, and which photos in the folders of people are links, but for times and what is
made of them: `time` and `id` of decisions and the ids in undo patches, `decisions` and `made_of` of clusters.json;
`changes` there, which tells what the last run changed; the times and earlier states in the list of our files. Of a
watch also what it told: each event once, but for the one that was being told when it was killed, which may come
twice. A verb that had done all before it was hurt is not run again.

Faults at calls (a library for LD_PRELOAD, faults.c, needs a C compiler) come at the n-th call that opens, writes,
syncs, cuts, renames, removes, links or makes a file, evenly over all of them: that is where something can go wrong.
Faults at moments come at random ones, evenly over the time that the verb takes. Full disks are a tmpfs (needs root),
from no space at all to nearly enough.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import hashlib
import io
import json
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from labelled import machine
from PIL import Image, ImageChops

HERE = Path(__file__).resolve().parent
ROOT = Path("/tmp/facecluster-faults")
WORLD, OTHER, TEMP = ROOT / "world", ROOT / "other" / "world", ROOT / "world" / "tmp"
PHOTOS, MORE, LIB = WORLD / "photos", WORLD / "more", WORLD / "lib"
SAID = Path("/tmp/facecluster-faults-said")
SHIM = SAID / "faults.so"
CHANGES = "owstrulmi"
FULL = "owtlm"
"""Kinds of calls, see faults.c: those that change a file, and those of them for which a full disk has no space."""

SHEET = "index.jpg"
ROUNDING = 12
"""Of 255, by which a cell of a sheet may differ that was copied from another sheet."""

ANNA, BERT, CARL = "Anna Berg", "Bert Alm", "Carl Dahl"


@dataclass(frozen=True)
class Verb:
    """A command, what was there before it, and who is known by name then and after any fault.

    Attributes:
        command: its arguments.
        start: commands that make what was there.
        names: of people whom `list` knows before, while and after.
        library: of whom.
        again: whether the command may be run again where it had done all.
    """

    command: tuple[object, ...]
    start: tuple[tuple[object, ...], ...] = ()
    names: tuple[str, ...] = (ANNA, BERT)
    library: Path = LIB
    again: bool = True


MADE = (
    ("run", PHOTOS, "-o", LIB, "-q"),
    ("name", LIB, "person-0001", ANNA, "-q"),
    ("name", LIB, "person-0002", BERT, "-q"),
)
QUICK = ("-q", "-j", "2")
VERBS = {
    "encode": Verb(
        ("encode", PHOTOS, MORE, "-o", WORLD / "t" / "faces.npz", *QUICK),
        (*MADE, ("encode", PHOTOS, "-o", WORLD / "t" / "faces.npz", "-q")),
    ),
    "cluster": Verb(("cluster", LIB / "faces.npz", "-o", LIB, "--min-images", "2", *QUICK), MADE),
    "run": Verb(("run", PHOTOS, MORE, "-o", LIB, "--min-images", "2", *QUICK), MADE),
    "update": Verb(("run", MORE, "-o", LIB, "--update", *QUICK), MADE, again=False),
    "elsewhere": Verb(
        ("run", PHOTOS, MORE, "-o", OTHER / "lib", "--min-images", "2", *QUICK),
        (
            ("run", PHOTOS, "-o", OTHER / "lib", "-q"),
            ("name", OTHER / "lib", "person-0001", ANNA, "-q"),
        ),
        (ANNA,),
        OTHER / "lib",
    ),
    "name": Verb(("name", LIB, "person-0003", CARL), MADE),
    "merge": Verb(("merge", LIB, ANNA, "person-0003"), MADE, again=False),
    "name again": Verb(
        ("name", LIB, "person-0003", CARL),
        (*MADE, ("merge", LIB, ANNA, "person-0004", "-q"), ("forget", LIB, "--person", BERT, "-y", "-q")),
        (ANNA,),
    ),
    "undo": Verb(("undo", LIB), (*MADE, ("merge", LIB, ANNA, BERT, "-q")), (ANNA,), again=False),
    "forget": Verb(("forget", LIB, "--person", BERT, "-y"), MADE, (ANNA,), again=False),
    "watch": Verb(("watch", MORE, "--into", LIB, "--once", "--settle", "0", "--json", *QUICK), MADE),
}


# ------------------------------------------------------------------------------------------------- the world


def make_photos(data):
    """Copy 40 photos of seven people and of some strangers: 30 that are there, and 10 that come."""
    people = sorted(path for path in data.iterdir() if path.is_dir())
    many = [path for path in people if len(list(path.iterdir())) >= 20][:6]
    few = [path for path in people if len(list(path.iterdir())) == 1][:8]
    for person in many[:5]:
        for photo in sorted(person.iterdir())[:5]:
            put(photo, PHOTOS)
        put(sorted(person.iterdir())[5], MORE)
    for photo in sorted(many[5].iterdir())[:4]:
        put(photo, MORE)
    for person in few[:5]:
        put(next(person.iterdir()), PHOTOS)
    put(next(few[5].iterdir()), MORE)


def put(photo, folder):
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(photo, folder / photo.name)
    os.utime(folder / photo.name, (1.6e9, 1.6e9))


def copy(of, to):
    """Copy a folder with times and hard links."""
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run(["cp", "-a", of, to], check=True)


class Start:
    """What is there before a verb, kept to go back to."""

    def __init__(self, name):
        self._kept = [(ROOT / f"kept-{name}", WORLD), (ROOT / "other" / f"kept-{name}", OTHER)]

    def keep(self):
        """Keep what is there."""
        for kept, used in self._kept:
            copy(used, kept)

    def restore(self):
        """Go back to it."""
        for kept, used in self._kept:
            copy(kept, used)


def snapshot():
    """Say what lies in the world, file by file, without times."""
    found = {}
    for root in (WORLD, OTHER):
        for folder, _, names in os.walk(root):
            found[folder] = "folder"
            for name in names:
                path = Path(folder, name)
                found[str(path)] = look(path)
    return found


def look(path):
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    data = path.read_bytes()
    if path.name == ".facecluster-files.jsonl":
        return listed(path.parent)
    if path.name == "clusters.json":
        data = re.sub(rb'"(decisions|made_of)": "[0-9a-f]*"', b"", data)
        data = re.sub(rb'^"changes": .*$', b"", data, flags=re.MULTILINE)
    if path.name == "decisions.jsonl":
        data = json.dumps(acts(data)).encode()
    if path.name == ".facecluster-undo.jsonl":
        data = re.sub(rb'"decision": "[0-9a-f]*"', b"", data)
    digest = hashlib.sha256(data).hexdigest()[:16]
    return f"{digest}, {path.stat().st_nlink} names"


def acts(data):
    """Decisions without their times, and ids as places."""
    records = [json.loads(line) for line in data.splitlines()]
    place = {record["id"]: n for n, record in enumerate(records)}
    for n, record in enumerate(records):
        del record["time"]
        record["id"] = n
        if record["do"] == "undo":
            record["undo"] = place[record["undo"]]
    return records


def listed(root):
    """Which files the list of our files says are ours, of those that are there."""
    from facecluster.durable.own_list import OwnList

    own = OwnList(root, None)
    return sorted(path for path in own.candidates if os.path.lexists(root / path))


# -------------------------------------------------------------------------------------------------- processes


@dataclass
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str
    seen: int = 0
    remains: bool = False
    late_s: float = 0.0


class Analysed:
    """In place of worker processes: photos that were analysed beforehand, by path."""

    def __init__(self, outcomes):
        self._outcomes = outcomes

    def work(self, items, n_workers):
        """Give what is known of each."""
        for item in items:
            yield item, self._outcomes[item]

    def rest(self):
        """Do nothing."""

    def close(self):
        """Do nothing."""


def analysed():
    """Analyse all photos, in a process of its own."""
    code = (
        "import pickle, sys; from facecluster.encoding import pipeline; from facecluster.options import EncodeOptions\n"
        "found = {path: pipeline._analyse(path, EncodeOptions()) for path in sys.argv[1:]}\n"
        "sys.stdout.buffer.write(pickle.dumps(found))"
    )
    paths = [str(path) for folder in ("photos", "more") for path in sorted((ROOT / folder).iterdir())]
    done = subprocess.run([sys.executable, "-c", code, *paths], stdout=subprocess.PIPE, check=True)
    found = pickle.loads(done.stdout)  # noqa: S301 - of our own process
    return Analysed({str(WORLD / Path(path).relative_to(ROOT)): one for path, one in found.items()})


class Forks:
    """Commands in forks of this process, which has all modules loaded, and has analysed all photos beforehand."""

    def __init__(self):
        import cv2  # noqa: F401
        import onnxruntime  # noqa: F401

        from facecluster import cli

        for verb in cli.VERBS:
            cli.main.get_command(None, verb)
        import facecluster.library.forget_steps
        import facecluster.render.montage  # noqa: F401
        from facecluster.encoding import pipeline
        from facecluster.library import watch

        known = analysed()
        pipeline.photo_workers = watch.photo_workers = lambda *_: known

        self._main = cli.main
        self._shim = ctypes.CDLL(str(SHIM))

    def run(self, command, fault="", limit_s=120):
        """Run a command; `fault` as in faults.c."""
        files = [SAID / name for name in ("out", "err", "seen")]
        child = os.fork()
        if child == 0:
            try:
                self._run(command, fault, files)
            finally:
                os._exit(71)
        code = wait_for(child, limit_s)
        remains, late = remaining(child)
        seen = int(files[2].read_text() or 0) if files[2].exists() else 0
        out, err = (file.read_text(errors="replace") for file in files[:2])
        return Ended(code, out, err, seen, remains, late)

    def _run(self, command, fault, files):
        os.setsid()
        for file, number in zip(files[:2], (1, 2), strict=True):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.environ["TMPDIR"] = str(TEMP)
        files[2].unlink(missing_ok=True)
        code = 70
        try:
            if fault:
                self._shim.fault_arm(fault.encode())
            self._main([str(word) for word in command], prog_name="facecluster")
        except SystemExit as end:
            code = end.code or 0
        except BaseException:  # noqa: BLE001 - told by its traceback
            import traceback

            traceback.print_exc()
        seen = self._shim.fault_seen()
        self._shim.fault_arm(b"")
        files[2].write_text(str(seen))
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def start(command, **environment):
    """Start a command as a user does, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "facecluster", *map(str, command)],
        stdout=(SAID / "out").open("wb"),
        stderr=(SAID / "err").open("wb"),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(TEMP), **environment},
    )


def ended(process, limit_s=120):
    """Wait for a process that was started, and for all that it started."""
    code = process.wait(limit_s)
    remains, late = remaining(process.pid)
    out, err = ((SAID / name).read_text(errors="replace") for name in ("out", "err"))
    return Ended(code, out, err, 0, remains, late)


def wait_for(child, limit_s):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 99


def of_session(session):
    """Processes of a session that are no zombies."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                words = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                if int(words[3]) == session and words[0] != "Z":
                    found.append(int(entry))
    return found


def remaining(session, limit_s=8.0):
    """Whether processes of a session remain for longer, which are ended then; and for how long they did."""
    begun = time.monotonic()
    while left := of_session(session):
        if time.monotonic() - begun > limit_s:
            for process in left:
                with suppress(OSError):
                    os.kill(process, signal.SIGKILL)
            return True, limit_s
        time.sleep(0.01)
    return False, time.monotonic() - begun


# ------------------------------------------------------------------------------------------------- one verb


@dataclass
class Row:
    """What came of the tries of a fault with a verb."""

    tries: int = 0
    ends: Counter = field(default_factory=Counter)
    late: float = 0.0
    other: int = 0
    sheet: int = 0
    left: int = 0
    damaged: int = 0
    trace: int = 0
    notes: list = field(default_factory=list)


class Trial:
    """A verb, and what it gives when nothing disturbs it."""

    def __init__(self, name, forks):
        self.name, self.verb, self._forks, self._start = name, VERBS[name], forks, Start(name)
        for folder in (WORLD, OTHER):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (TEMP, WORLD / "t", OTHER):
            folder.mkdir(parents=True)
        copy(ROOT / "photos", PHOTOS)
        copy(ROOT / "more", MORE)
        for command in self.verb.start:
            done = forks.run(command)
            assert done.code == 0, (command, done)
        self._start.keep()
        self.before = snapshot()
        self._n_decisions = len(self._decisions())
        self.calls = {}
        for kinds in (CHANGES, FULL, "RO"):
            self._start.restore()
            done = forks.run(self.verb.command, f"{ROOT}/|{kinds}|1000000|0|once")
            assert done.code == 0, done
            self.calls[kinds] = done.seen
        sheet = self.verb.library / SHEET
        self.sheet = sheet.read_bytes() if sheet.exists() else b""
        self.wanted, self.events = snapshot(), events(done.out) if name == "watch" else None
        again = Start("again")
        again.keep()
        begun = time.monotonic()
        self._start.restore()
        begun = time.monotonic()
        process = start(self.verb.command)
        assert ended(process).code == 0
        self.takes_s = time.monotonic() - begun
        assert self.differs() == [], self.differs()

    def hurt(self, row, hurting, note):
        """Try once; `hurting` runs the command and hurts it."""
        self._start.restore()
        try:
            found = hurting()
        finally:
            release()
        row.tries += 1
        row.ends[found.code] += 1
        row.late = max(row.late, found.late_s)
        row.trace += "Traceback" in found.err
        if "Traceback" in found.err:
            row.notes.append(f"{note}: {found.err[-600:]}")
        if row.tries % 2 and (damage := self.damage()):
            row.damaged += 1
            row.notes.append(f"{note}: damaged: {damage}")
        told = events(found.out) if self.events is not None else []
        if self.verb.again or self.differs():
            done = self._forks.run(self.verb.command)
            if self.events is not None:
                told += events(done.out)
            if done.code != 0:
                row.other += 1
                row.notes.append(f"{note}: the same command then ends with {done.code}: {done.err[-400:]}")
                return
        differs = self.differs()
        if [path for path, *_ in differs] == [str(self.verb.library / SHEET)] and self.is_like_sheet():
            row.sheet += 1
            differs = []
        if differs or not self.are_told(told, found.code):
            row.other += 1
            row.notes.append(f"{note}: {differs[:6]} told {len(told)}")
        if found.remains or any(path not in self.wanted for path in snapshot()):
            row.left += 1
            row.notes.append(f"{note}: left over: process {found.remains}, {differs[:3]}")

    def differs(self):
        """Which files are others than when nothing disturbs it."""
        now = snapshot()
        return [
            (path, now.get(path), self.wanted.get(path))
            for path in sorted({*now, *self.wanted})
            if now.get(path) != self.wanted.get(path)
        ]

    def is_like_sheet(self):
        """Whether a sheet shows the same as when nothing disturbs it."""
        with Image.open(self.verb.library / SHEET) as now, Image.open(io.BytesIO(self.sheet)) as wanted:
            if now.info["comment"] != wanted.info["comment"] or now.size != wanted.size:
                return False
            return max(high for _, high in ImageChops.difference(now, wanted).getextrema()) <= ROUNDING

    def damage(self):
        """What of the earlier results cannot be read."""
        from facecluster.errors import FaceclusterError
        from facecluster.formats import face_table

        library = self.verb.library
        found = self._forks.run(("list", library, "--json"))
        if found.code != 0:
            return f"list ends with {found.code}: {found.err[-300:]}"
        if lost := [name for name in self.verb.names if name not in found.out]:
            return f"{lost} are not listed"
        if self._forks.run(("show", library, ANNA, "--json")).code != 0:
            return "show fails"
        if self.name != "forget" and len(self._decisions()) < self._n_decisions:
            return "decisions are gone"
        try:
            for table in {library / "faces.npz", WORLD / "t" / "faces.npz"}:
                if str(table) in self.before:
                    face_table.read(table)
        except FaceclusterError as error:
            return str(error)
        return ""

    def are_told(self, told, code):
        """Whether each event was told once, but for one that a kill may double."""
        if self.events is None:
            return True
        more = Counter(told)
        more.subtract(self.events)
        return min(more.values()) >= 0 and sum(more.values()) <= (code != 0)

    def _decisions(self):
        file = self.verb.library / "decisions.jsonl"
        return file.read_bytes().splitlines() if file.exists() else []


def events(out):
    """Events of a watch, of whole lines."""
    found = []
    for line in out.splitlines():
        with suppress(ValueError):
            event = json.loads(line)
            found.append(f"{event['event']} {event['photo']} {event['face']}")
    return found


# --------------------------------------------------------------------------------------------------- the faults


def at_calls(kinds, action, after="once"):
    """Have something happen at the n-th call, for n evenly over all of them."""

    def hurt(trial, row, tries):
        n_calls = trial.calls.get(kinds, 0)
        for n in evenly(n_calls, tries):
            fault = f"{ROOT}/|{kinds}|{n}|{action}|{after}"
            trial.hurt(row, lambda fault=fault: trial._forks.run(trial.verb.command, fault), f"call {n}")

    return hurt


def evenly(n, tries):
    return range(1, n + 1) if n <= tries else sorted({1 + i * (n - 1) // (tries - 1) for i in range(tries)})


def at_moments(hurt_it, limit_s=60):
    """Have something happen at random moments of the time that the verb takes."""

    def hurt(trial, row, tries):
        chance = random.Random(14)
        for i in range(tries):
            moment = trial.takes_s * (i + chance.random()) / tries

            def hurting(moment=moment):
                process = start(trial.verb.command)
                time.sleep(moment)
                begun = time.monotonic()
                hurt_it(process)
                found = ended(process, limit_s)
                found.late_s = time.monotonic() - begun
                return found

            trial.hurt(row, hurting, f"after {moment:.2f} s")

    return hurt


def sent(*signals, pause_s=0.1, group=False):
    """Send signals, one after the other: to the process, or as a terminal does, to all."""

    def hurt_it(process):
        for i, one in enumerate(signals):
            if i:
                time.sleep(pause_s)
            with suppress(ProcessLookupError):
                if process.poll() is None:
                    (os.killpg if group else os.kill)(process.pid, one)

    return hurt_it


def worker_killed(process):
    """Kill one of the processes that it started."""
    left = [one for one in of_session(process.pid) if one != process.pid]
    if left:
        with suppress(OSError):
            os.kill(left[-1], signal.SIGKILL)


def full_disk(trial, row, tries):
    """Leave ever more space on the disk."""
    needed = space_needed(trial)
    for step in range(tries):
        space = needed * step // tries // 4096 * 4096

        def hurting(space=space):
            fill(space)
            return trial._forks.run(trial.verb.command)

        trial.hurt(row, hurting, f"{space} bytes free")


def space_needed(trial):
    trial._start.restore()
    least = before = free()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execv(sys.executable, [sys.executable, "-m", "facecluster", *map(str, trial.verb.command), "-q"])
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        least = min(least, free())
        time.sleep(0.001)
    return before - least + 65536


def free():
    status = os.statvfs(ROOT)
    return status.f_bavail * status.f_bsize


def fill(space):
    """Take all of the disk but so many bytes."""
    with (ROOT / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free() - space, 1))


def release():
    (ROOT / "filler").unlink(missing_ok=True)


def small_files(trial, row, tries):
    """Let no file grow over a size, as a quota does (RLIMIT_FSIZE)."""
    import resource

    largest = max(path.stat().st_size for path in trial.verb.library.rglob("*") if path.is_file())
    for step in range(tries):
        size = largest * step // tries

        def hurting(size=size):
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            process = subprocess.Popen(
                [sys.executable, "-m", "facecluster", *map(str, trial.verb.command)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1])),  # noqa: PLW1509
            )
            out, err = process.communicate()
            return Ended(process.returncode, out.decode(), err.decode(), 0, *remaining(process.pid))

        trial.hurt(row, hurting, f"files up to {size} bytes")


def read_only(trial, row, tries):
    """Mount the folder read-only."""
    del tries

    def hurting():
        target = str(WORLD if trial.verb.library == LIB else OTHER.parent)
        flags = ["mount", "--bind", target, target]
        subprocess.run(flags, check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", target], check=True)
        try:
            return trial._forks.run(trial.verb.command)
        finally:
            subprocess.run(["umount", target], check=True)

    trial.hurt(row, hurting, "read-only")


def clock_back(trial, row, tries):
    """Have the clock go back by a day in the midst of it."""
    for n in range(1, min(tries, 10) + 1):

        def hurting(n=n):
            return ended(start(trial.verb.command, LD_PRELOAD=str(SHIM), CLOCK=f"{1 + 20 * (n - 1)}|86400"))

        trial.hurt(row, hurting, f"clock {n}")


def photos_change(trial, row, tries):
    """Have photos vanish and change while they are read, and be back when the command is run again."""
    chance = random.Random(14)
    for i in range(tries):

        def hurting(i=i):
            photos = sorted(MORE.iterdir())
            process = start(trial.verb.command)
            moment = trial.takes_s * (i + chance.random()) / tries
            time.sleep(moment)
            gone, cut = chance.sample(photos, 2)
            kept = {path: path.read_bytes() for path in (gone, cut)}
            gone.unlink()
            cut.write_bytes(kept[cut][: len(kept[cut]) // 2])
            time.sleep(0.3)
            for path, data in kept.items():
                path.write_bytes(data)
                os.utime(path, (1.6e9, 1.6e9))
            return ended(process)

        trial.hurt(row, hurting, f"try {i}")


def two_at_once(trial, row, tries):
    """Start it twice."""
    for i in range(min(tries, 10)):

        def hurting(i=i):
            first = start(trial.verb.command)
            time.sleep(trial.takes_s * i / 10)
            with (SAID / "out2").open("wb") as out, (SAID / "err2").open("wb") as err:
                second = subprocess.Popen(
                    [sys.executable, "-m", "facecluster", *map(str, trial.verb.command)],
                    stdout=out,
                    stderr=err,
                )
                code = second.wait(120)
            found = ended(first)
            told = (SAID / "err2").read_text()
            row.ends[f"second {code}"] += 1
            if code not in (0, 1, 2) or "Traceback" in told:
                found.err += told
            if trial.events is not None:
                found.out += (SAID / "out2").read_text()
            return found

        trial.hurt(row, hurting, f"try {i}")


def closed_pipe(trial, row, tries):
    """Have nobody read what it prints."""
    for _ in range(min(tries, 3)):

        def hurting():
            reader, writer = os.pipe()
            os.close(reader)
            process = subprocess.Popen(
                [sys.executable, "-m", "facecluster", *map(str, trial.verb.command)],
                stdout=writer,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            os.close(writer)
            err = process.communicate()[1].decode()
            return Ended(process.returncode, "", err, 0, *remaining(process.pid))

        trial.hurt(row, hurting, "closed")


FAULTS = {
    "kill at calls": at_calls(CHANGES, -signal.SIGKILL),
    "kill at moments": at_moments(sent(signal.SIGKILL)),
    "EIO at calls": at_calls(CHANGES, errno.EIO),
    "EIO from then on": at_calls(CHANGES, errno.EIO, "on"),
    "ENOSPC at calls": at_calls(FULL, errno.ENOSPC),
    "ENOSPC from then on": at_calls(FULL, errno.ENOSPC, "on"),
    "EIO at reads": at_calls("RO", errno.EIO),
    "full disk": full_disk,
    "small files": small_files,
    "read-only": read_only,
    "Ctrl-C at calls": at_calls(CHANGES, -signal.SIGINT),
    "Ctrl-C once": at_moments(sent(signal.SIGINT, group=True)),
    "Ctrl-C twice": at_moments(sent(signal.SIGINT, signal.SIGINT, group=True)),
    "SIGTERM": at_moments(sent(signal.SIGTERM)),
    "SIGHUP": at_moments(sent(signal.SIGHUP, group=True)),
    "closed pipe": closed_pipe,
    "worker killed": at_moments(worker_killed),
    "stopped": at_moments(sent(signal.SIGSTOP, signal.SIGCONT, pause_s=0.5, group=True)),
    "clock back": clock_back,
    "photos change": photos_change,
    "two at once": two_at_once,
}
ENCODE = ("encode", "run", "update", "elsewhere", "watch")
ONLY = {"worker killed": ENCODE, "photos change": ENCODE}


def main():
    """Do it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--verb", nargs="+", choices=VERBS, default=list(VERBS))
    parser.add_argument("--fault", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data" / "lfw_dev")
    arguments = parser.parse_args()
    prepare(arguments.data)
    forks = Forks()
    print(machine())
    print(
        f"{'verb':10} {'fault':20} {'tries':>5} {'other':>5} {'sheet':>5} {'left':>5} {'damaged':>7} {'trace':>5} "
        f"{'late':>6}  ended"
    )
    bad = False
    try:
        for name in arguments.verb:
            trial = Trial(name, forks)
            print(
                f"{name:10} undisturbed: {trial.takes_s:.1f} s, {trial.calls[CHANGES]} calls that change files",
                flush=True,
            )
            for fault in arguments.fault:
                if name not in ONLY.get(fault, VERBS):
                    continue
                row = Row()
                FAULTS[fault](trial, row, arguments.tries)
                bad |= bool(row.notes)
                print(
                    f"{name:10} {fault:20} {row.tries:5} {row.other:5} {row.sheet:5} {row.left:5} {row.damaged:7} "
                    f"{row.trace:5} {row.late:5.1f}s  {', '.join(f'{code}: {n}' for code, n in row.ends.items())}",
                    flush=True,
                )
                for note in row.notes[:5]:
                    print(f"    {note[:800]}", flush=True)
    finally:
        for folder in (ROOT / "other", ROOT):
            subprocess.run(["umount", "-l", folder], check=False)
    sys.exit(bad)


def prepare(data):
    """Make the disks and the photos, and this process one that can be hurt."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # nohup and & have some ignored
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if "faults.so" not in os.environ.get("LD_PRELOAD", ""):
        for folder in (ROOT, ROOT / "other"):
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "faults", folder], check=True)
        SAID.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", SHIM, HERE / "faults.c"], check=True)
        make_photos(data)
        PHOTOS.rename(ROOT / "photos")
        MORE.rename(ROOT / "more")
        os.environ |= {"LD_PRELOAD": str(SHIM), "FACECLUSTER_CONFIG": ""}
        os.execv(sys.executable, [sys.executable, *sys.argv])


if __name__ == "__main__":
    main()
