"""Feed each reader of a file with damaged ones, guided by which lines of ours they reach, for some minutes.

    python benchmarks/fuzz.py npz --minutes 10 --finds /tmp/finds
    python benchmarks/fuzz.py all --minutes 10

Readers: npz, pickle, clusters, decisions, forgotten, files (the list of our files), journal, labels, toml. It needs
atheris (pip install atheris).

What is fed is made from a good file, and from bytes of the fuzzer that say how it is damaged: bytes are changed, or
values inside of it, after which what guards it (lengths, checksums) is right again, so that readers look at them.
Whatever a reader accepts goes on to what uses it: faces are clustered, results written again, and so on. A find is
anything but an error of ours: an exception, over 5 s of the processor, over 300 MB. Each kind is told once, and its
input stays in the folder of finds.
It prints, a reader: calls, how many were accepted, refused, and found.
"""

# ruff: noqa: BLE001, D101, D102, PLW0603, S301

from __future__ import annotations

import argparse
import atexit
import copy
import hashlib
import io
import json
import logging
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
READERS = ("npz", "pickle", "clusters", "decisions", "forgotten", "files", "journal", "labels", "toml")
CALL_S, CALL_MB = 5, 300
PLACE = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))


class Choices:
    """What the bytes of the fuzzer stand for: one choice after the other, 0 once they are used up."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def below(self, n):
        return int.from_bytes(bytes((self.byte(), self.byte())), "little") % max(n, 1)

    def of(self, some):
        return some[self.byte() % len(some)]

    @property
    def left(self):
        return len(self.data) - self.at


def hurt(content, choices):
    """Change bytes, cut, repeat."""
    content = bytearray(content)
    for _ in range(1 + choices.byte() % 4):
        at = choices.below(len(content))
        match choices.byte() % 6:
            case 0:
                content[at : at + 1] = bytes((choices.byte(),))
            case 1 if content:
                content[min(at, len(content) - 1)] ^= 1 << choices.byte() % 8
            case 2:
                del content[at : at + 1 + choices.byte()]
            case 3:
                content[at:at] = content[at : at + 1 + choices.byte()]
            case 4:
                content[at:at] = bytes(choices.byte() for _ in range(choices.byte() % 8))
            case 5:
                content[at : at + 4] = choices.of(
                    (
                        b"\xff\xff\xff\xff",
                        b"\0\0\0\0",
                        b"\xff\xff\xff\x7f",
                        b"1e99",
                        b"\xed\xa0\x80!",
                        b"\\u00",
                    )
                )
    return bytes(content)


STRANGE = (
    None, True, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30, 0.5, -1.5, 1e308, 1e39, 5e-324, "", "a", "\0", "a\0b",
    "\ud800", "\udcff", "../x", "/etc/passwd", ".", "..", "a/b", "person-0001", "person-" + "9" * 40, "x" * 5000,
    "\n", "\x1b[2J",
    "\u202e", [], [[]], {}, {"a": 1}, [0, 0, 0, 0], [0, 0, 1e308, 1e308], [5, 5, 1, 1], [["a", [0, 0, 1, 1]]],
)  # fmt: skip


def places(record, found):
    """Every place in JSON, as its holder and key."""
    pairs = (
        record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    )
    for key, value in pairs:
        found.append((record, key))
        places(value, found)
    return found


def bend(record, choices):
    """Replace, remove, repeat or swap values inside JSON."""
    for _ in range(1 + choices.byte() % 3):
        found = places(record, [])
        if not found:
            return record
        holder, key = found[choices.below(len(found))]
        match choices.byte() % 5:
            case 0 | 1:
                holder[key] = copy.deepcopy(choices.of(STRANGE))
            case 2:
                del holder[key]
            case 3:
                other, there = found[choices.below(len(found))]
                holder[key] = copy.deepcopy(other[there])
            case 4:
                if isinstance(holder, list):
                    holder.append(copy.deepcopy(holder[key]))
                else:
                    holder[choices.of(("x", "", "format", "id", "do"))] = holder.pop(key)
    return record


def bend_lines(content, choices):
    """The same for lines of JSON."""
    lines = content.splitlines()
    for _ in range(1 + choices.byte() % 2):
        at = choices.below(len(lines))
        try:
            lines[at] = json.dumps(bend(json.loads(lines[at]), choices)).encode()
        except ValueError:
            lines[at] = hurt(lines[at], choices)
    return b"\n".join(lines) + b"\n"


# ---------------------------------------------------------------------------------------------------- readers


class Npz:
    def __init__(self):
        from tables import make_table, people

        from facecluster.formats import face_table

        self.table = make_table(people(3, 4), photo=[0, 0, *range(1, 11)])
        self.read, self.write = face_table.read, face_table.write
        file = io.BytesIO()
        self.write(self.table, file)
        self.good = file.getvalue()
        with zipfile.ZipFile(file) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}

    def make(self, choices):
        if choices.byte() % 3 == 0:
            return hurt(self.good, choices)
        members = dict(self.members)
        for _ in range(1 + choices.byte() % 2):
            name = choices.of([*members])
            head = 10 + int.from_bytes(members[name][8:10], "little")
            match choices.byte() % 6:
                case 0:
                    members[name] = hurt(members[name], choices)
                case 1:
                    members[name] = hurt(members[name][:head], choices) + members[name][head:]
                case 2 | 3:
                    width = choices.of((1, 4, 8))
                    at = head + width * choices.below(max(1, (len(members[name]) - head) // width))
                    value = choices.of((b"\xff", b"\0", b"\x7f", b"\x80", b"\1")) * width
                    if width == 4 and choices.byte() % 2:
                        value = struct.pack(
                            "<f", choices.of((3e38, float("inf"), float("nan"), -1.0, 1e-40, 1e9))
                        )
                    members[name] = members[name][:at] + value + members[name][at + width :]
                case 4:
                    del members[name]
                case 5:
                    members[name] = members[choices.of([*members])]
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", choices.of((0, 0, 8, 8, 12))) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content, choices.of((0, 8, 0, 8, 12)))
        content = file.getvalue()
        return hurt(content, choices) if choices.byte() % 8 == 7 else content

    def use(self, content):
        table = self.read(io.BytesIO(content))
        use_table(table)
        again = io.BytesIO()
        self.write(table, again)
        again.seek(0)
        self.read(again)
        file = PLACE / "faces.npz"
        file.write_bytes(content)
        from facecluster.formats import face_table

        face_table.read_settings(file)
        face_table.read_pictures(file)


def use_table(table):
    from facecluster import api
    from facecluster.encoding.analysis import make_table, rows_of
    from facecluster.encoding.resume import _differences
    from facecluster.formats.clusters_json import to_json

    people = api.cluster(table, jobs=1)
    "".join(to_json(people.result))
    make_table([*rows_of(table)], table.settings)
    _differences(table.settings, USED.table.settings if USED else table.settings)
    table.photos.pictures()
    table.faces.upright_pose()


USED = None


class Pickle(Npz):
    def __init__(self):
        super().__init__()
        from facecluster.formats.legacy_pickle import _rows

        self.rows = _rows(self.table)[:3]

    def make(self, choices):
        if choices.byte() % 3 == 0:
            rows = self.rows[:1]
            return hurt(pickle.dumps(rows, choices.byte() % 6), choices)
        rows = pickle.loads(pickle.dumps(self.rows))
        bend(rows, choices)
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and isinstance(row.get("loc"), list):
                row["loc"] = tuple(row["loc"])
        try:
            return pickle.dumps(rows, choices.of((2, 3, 4, 5, 0, 1)))
        except (pickle.PicklingError, TypeError, RecursionError, UnicodeError):
            return b""


class Clusters:
    def __init__(self):
        from tables import make_table, people

        from facecluster.library.build import build
        from facecluster.library.library import Library
        from facecluster.library.settings import Choices as Options

        table = make_table(people(3, 4), photo=[0, 0, *range(1, 11)])
        self.table, self.options, self.build, self.library = table, Options, build, Library
        self.directory = PLACE / "library"
        with Library.open(self.directory, new=True) as library:
            build(library, table, Options(link="none"))
        self.file = self.directory / "clusters.json"
        self.good = self.file.read_bytes()
        self.n = 0

    def make(self, choices):
        if choices.byte() % 4 == 0:
            return hurt(self.good, choices)
        return json.dumps(bend(json.loads(self.good), choices)).encode()

    def use(self, content):
        from facecluster.formats.clusters_json import read_result, to_json
        from facecluster.identity.constraints import resolve
        from facecluster.library.layout import folder_name, montage_of
        from facecluster.library.lineage import check_ids, clustering_of
        from facecluster.library.refer import find_person
        from facecluster.render.events import events
        from facecluster.result import columns, with_people

        file = PLACE / "clusters.json"
        file.write_bytes(content)
        result = read_result(file)
        text = "".join(to_json(result))
        file.write_text(text)
        if read_result(file) != result:
            raise AssertionError("another result when read again")
        with_people(result, result.people, result.unclustered)
        resolve([], columns(result))
        [*events([], result)]
        for person in result.people:
            for name in (folder_name(person), montage_of(person)):
                if "/" in name or "\0" in name or name in ("..", "."):
                    raise AssertionError(f"a folder called {name!r}")
            find_person(result, person.id)
        check_ids(result)
        clustering_of(result, self.table)
        self.n += 1
        if self.n % 20:
            return
        self.file.write_bytes(content)
        for verb in (
            ["show"],
            ["show", "--photos"],
            ["show", "--nobody"],
            ["list"],
            ["audit"],
            ["name"],
            ["history"],
            ["cluster"],
        ):
            call(verb, self.directory)


def call(verb, directory):
    from click.testing import CliRunner

    from facecluster.cli import main as cli

    arguments = [verb[0], str(directory), *verb[1:]]
    if verb == ["name"]:
        arguments += ["person-0001", "Anna"]
    if verb == ["cluster"]:
        arguments = ["cluster", str(PLACE / "good.npz"), "-o", str(directory), "--link", "none", "-y"]
        if not (PLACE / "good.npz").exists():
            from facecluster.formats import face_table

            face_table.write(READER.table, PLACE / "good.npz")
    found = CliRunner().invoke(cli, arguments)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception


class Decisions:
    def __init__(self):
        box, other = [0, 0, 9, 9], [5.5, 5.5, 8, 9]
        spots, more = [["a" * 32, box], ["b" * 32, other]], [["c" * 32, box]]
        acts = [
            {"do": "name", "person": "person-0001", "name": "Anna", "faces": spots},
            {"do": "merge", "people": ["person-0001", "person-0002"], "faces": [spots, more]},
            {"do": "split", "person": "person-0001", "into": "person-0003", "faces": more, "from": spots},
            {"do": "make", "person": "person-0004", "name": None, "faces": more, "from": spots},
            {"do": "move", "person": "person-0001", "into": None, "faces": more, "to": None, "from": spots},
            {"do": "not-a-person", "person": None, "faces": spots},
            {"do": "undo", "undo": "00000001"},
        ]
        lines = [
            {"format": 1, "id": f"{i:08x}", "time": f"2024-01-0{i + 1}T00:00:00.000000Z", **act}
            for i, act in enumerate(acts)
        ]
        self.good = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        from tables import make_table, people

        self.faces = make_table(
            people(1, 3), id=["a" * 32 + "-0", "b" * 32 + "-0", "c" * 32 + "-0"], box=[box, other, box]
        )

    def make(self, choices):
        return (hurt if choices.byte() % 3 == 0 else bend_lines)(self.good, choices)

    def use(self, content):
        from facecluster.formats import decisions_jsonl
        from facecluster.identity.constraints import resolve
        from facecluster.identity.decisions import describe, in_force, mark, shown, spots_of

        file = PLACE / "decisions.jsonl"
        file.write_bytes(content)
        decisions = decisions_jsonl.read(file)
        mark(decisions)
        for decision in decisions:
            describe(decision.act)
            shown(decision)
            spots_of(decision.act)
        decisions_jsonl.decide(decisions[0].act, decisions) if decisions else None
        in_force(decisions)
        resolve(decisions, self.faces.faces)


class Forgotten:
    def __init__(self):
        lines = [
            {
                "format": 1,
                "photo": "a",
                "pixels": "",
                "looks": "0" * 16,
                "size": [1000, 800],
                "box": [1, 2, 3, 4],
                "time": 5.0,
            },
            {
                "format": 1,
                "photo": f"{1:032x}",
                "pixels": "b",
                "looks": "f" * 16,
                "size": [1000, 800],
                "box": None,
            },
        ]
        self.good = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        from tables import make_table, people

        self.table = make_table(people(3, 4), photo=[0, 0, *range(1, 11)])

    make = Decisions.make

    def use(self, content):
        from facecluster.encoding.forgotten import without_places
        from facecluster.formats import forgotten_jsonl

        file = PLACE / "forgotten.jsonl"
        file.write_bytes(content)
        places = forgotten_jsonl.read(file)
        without_places(self.table, places)
        (PLACE / "again.jsonl").unlink(missing_ok=True)
        forgotten_jsonl.append(PLACE / "again.jsonl", places)
        if forgotten_jsonl.read(PLACE / "again.jsonl") != places:
            raise AssertionError("other places when read again")


class Files:
    def __init__(self):
        lines = [
            {"format": 2, "lines": 3},
            {"done": "mark"},
            {
                "path": "a.jpg",
                "kind": "file",
                "source": "",
                "size": 3,
                "mtime_ns": 5,
                "digest": "ab",
                "key": "k",
            },
            {
                "path": "p/b.jpg",
                "kind": "copy",
                "source": "/x/b.jpg",
                "size": 3,
                "mtime_ns": 5,
                "digest": "",
                "clone": True,
            },
            {"begun": ["a.jpg", "p"]},
            {
                "path": "a.jpg",
                "kind": "file",
                "source": "",
                "size": 4,
                "mtime_ns": 6,
                "digest": "",
                "was": {"size": 3, "mtime_ns": 5},
            },
            {"renamed": ["p", "q"]},
            {"renamed": ["p", "q"], "done": True},
            {"gone": "a.jpg", "key": "x"},
        ]
        self.good = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        self.root = PLACE / "result"

    make = Decisions.make

    def use(self, content):
        from facecluster.durable.own_files import ResultFolder
        from facecluster.durable.own_list import RESULT_MARKER, OwnList, last_write

        self.root.mkdir(exist_ok=True)
        (self.root / RESULT_MARKER).write_bytes(content)
        (self.root / "a.jpg").write_bytes(b"abc")
        last_write(self.root)
        for names in (None, ["a.jpg", "q"]):
            found = OwnList(self.root, names)
            for path in found.candidates:
                os.path.lexists(self.root / path)
        OwnList(self.root, ["q"]).write_anew([], {})
        (self.root / RESULT_MARKER).write_bytes(content)
        ResultFolder(self.root, ()).has("a.jpg")


class Journals:
    def __init__(self):
        import numpy as np
        from tables import make_table, people

        from facecluster.encoding.analysis import FACE, Analysis, pack
        from facecluster.encoding.dated import When
        from facecluster.library.pending import Batch, Notes, Notice, ToTell

        directory = PLACE / "journals"
        directory.mkdir()
        self.directory = directory
        self.good = {}
        with Notes(directory) as notes:
            notes.read()
            notes.start("base")
            notes.add(Batch.of(1.5, make_table(people(1, 1)), ["/gone.jpg"]))
            notes._note({"before": True}, b'[["id","/p.jpg",[0,0,1,1],null]]')
            notes._note({"placed": "0" * 16})
        with ToTell(directory) as to_tell:
            to_tell.read()
            to_tell.add("0" * 16, [Notice('{"face": "a", "confidence": 0.5}', {"A": "b"})])
            to_tell.told()
        for name in ("arrivals.journal", "watch.journal"):
            self.good[name] = self.records((directory / name).read_bytes())
        analysis = Analysis("", "p", (9, 9), "ok", "", When(1.0), 5, np.zeros(1, FACE), looks=(1, 2))
        self.good["f.npz.partial"] = (b"header", [pack("coded", analysis)])

    @staticmethod
    def records(content):
        head, _, rest = content.partition(b"\n")
        found = []
        while rest:
            length, _ = struct.unpack("<II", rest[:8])
            found.append(rest[8 : 8 + length])
            rest = rest[8 + length :]
        return head, found

    def make(self, choices):
        name = choices.of([*self.good])
        head, records = self.good[name]
        records = list(records)
        for _ in range(1 + choices.byte() % 2):
            at = choices.below(len(records))
            line, end, rest = records[at].partition(b"\n")
            kind = choices.byte() % 3
            if kind == 0:
                records[at] = hurt(records[at], choices)
            elif kind == 1 and rest:
                records[at] = line + end + hurt(rest, choices)
            else:
                records[at] = bend_lines(line or b"{}", choices)[:-1] + end + rest
        content = head + b"\n" + b"".join(struct.pack("<II", len(r), zlib.crc32(r)) + r for r in records)
        if choices.byte() % 8 == 7:
            content = hurt(content, choices)
        return name.encode() + b"|" + content

    def use(self, content):
        from facecluster.durable.journal import Journal
        from facecluster.encoding.analysis import Row, make_table, unpack
        from facecluster.library.pending import Notes, ToTell
        from facecluster.table import Settings

        name, _, content = content.partition(b"|")
        name = name.decode("ascii", "replace")
        if name not in self.good:
            return
        (self.directory / name).write_bytes(content)
        if name == "arrivals.journal":
            with Notes(self.directory) as notes:
                notes.read()
        elif name == "watch.journal":
            with ToTell(self.directory) as to_tell:
                notices, _ = to_tell.read()
                [notice.faces for notice in notices]
        else:
            with Journal(self.directory / name, "header") as journal:
                done = dict(journal.replay_as(unpack))
            make_table(
                [Row(f"/{i}", coded, one) for i, (coded, one) in enumerate(done.items())], Settings("", "")
            )


class Labels:
    good = b'photo,left,top,right,bottom,label\n000.jpg,100,200,200,300,Anna\n001.jpg,1,2,3,4,"B, c"\n'
    other = b"face,label\nface0001,Anna\nface0002,Bert\n"
    third = b"photo,label\n/photos/000.jpg,Anna\n/photos/001.jpg,Bert\n"

    def __init__(self):
        from tables import make_table, people

        self.table = make_table(people(3, 4))

    def make(self, choices):
        return hurt(choices.of((self.good, self.other, self.third)), choices)

    def use(self, content):
        from facecluster.library.labels import label_faces

        file = PLACE / "labels.csv"
        file.write_bytes(content)
        label_faces(self.table, "table", str(file), None)


class Toml:
    good = b"""[all]
verbose = true
[run]
output = "people"
min-images = 2
eps = 0.5
link = "none"
exec = "x"
[cluster]
min-size = 75.5
same-photo = "forbid"
[show]
sort = "name"
after = "2024-01-01"
"""

    def make(self, choices):
        content = hurt(self.good, choices)
        if choices.byte() % 2:
            lines = self.good.splitlines()
            at = choices.below(len(lines))
            key = lines[at].partition(b" = ")[0]
            value = choices.of(
                (
                    b'"\\u0000"',
                    b'"a\\u0000b"',
                    b"1e400",
                    b"nan",
                    b"-inf",
                    b"[]",
                    b"[[]]",
                    b"{}",
                    b"{a=1}",
                    b"2024-01-01",
                    b"07:32:00",
                    b"999999999999999999999999",
                    b'""',
                    b'"' + b"x" * 9999 + b'"',
                    b"true",
                    b"-1",
                    b"'\xff'",
                    b"[" * 3000,
                    b'["a", 1]',
                )
            )
            lines[at] = key + b" = " + value
            content = b"\n".join(lines)
        return content

    def use(self, content):
        import click

        from facecluster.cli import main as cli
        from facecluster.cli.config_file import settings_in

        file = PLACE / "facecluster.toml"
        file.write_bytes(content)
        ctx = click.Context(cli)
        for verb in ("run", "cluster", "show"):
            command = cli.get_command(ctx, verb)
            found = settings_in(file, ctx, click.Context(command, parent=ctx, info_name=verb), verb)
            for setting in found.values():
                for text in setting.value if isinstance(setting.value, (list, tuple)) else [setting.value]:
                    if "\0" in str(text):
                        raise AssertionError("a zero in a setting")


MAKERS = dict(
    zip(READERS, (Npz, Pickle, Clusters, Decisions, Forgotten, Files, Journals, Labels, Toml), strict=True)
)
READER = None


# ---------------------------------------------------------------------------------------------------- fuzzing


class TooLongError(BaseException):
    pass


class Watched:
    """Makes calls of a reader, and keeps what it finds."""

    def __init__(self, reader, name, finds):
        from facecluster.errors import FaceclusterError

        self.reader, self.folder, self.refusal = reader, finds / name, FaceclusterError
        self.counts, self.seen = Counter(), {}
        self.folder.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGPROF, self.stop)

    @staticmethod
    def stop(*_):
        raise TooLongError

    def __call__(self, data):
        self.counts["calls"] += 1
        content = self.reader.make(Choices(data))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        signal.setitimer(signal.ITIMER_PROF, CALL_S)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                self.reader.use(content)
            self.counts["accepted"] += 1
        except self.refusal:
            self.counts["refused"] += 1
        except (Exception, TooLongError) as error:
            self.keep(error, content)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > CALL_MB << 10:
            self.keep(MemoryError("too much memory"), content)

    def keep(self, error, content):
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if "facecluster" in f.filename] or frames[-1:] or [None]
        kind = f"{type(error).__name__} at {ours[-1] and f'{Path(ours[-1].filename).name}:{ours[-1].lineno}'}"
        self.counts["found"] += 1
        if kind in self.seen:
            return
        self.seen[kind] = content
        name = hashlib.sha256(kind.encode()).hexdigest()[:8]
        (self.folder / name).write_bytes(content)
        text = "".join(traceback.format_exception(error))
        (self.folder / f"{name}.txt").write_text(text, errors="backslashreplace")
        print(f"  {kind}: {ascii(str(error))[:160]}: {self.folder / name}", flush=True)


def fuzz(name, seconds, finds):
    global READER, USED
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=["facecluster"], enable_loader_override=False):
        import facecluster.api
        import facecluster.cli.cluster
        import facecluster.cli.config_file
        import facecluster.cli.show
        import facecluster.library.labels
        import facecluster.library.pending  # noqa: F401
    READER = MAKERS[name]()
    USED = READER if isinstance(READER, Npz) else None
    call = Watched(READER, name, finds)
    start = time.monotonic()

    def told():
        counts = ", ".join(f"{counted} {word}" for word, counted in call.counts.items())
        print(f"{name}: {counts}; {len(call.seen)} kinds; {time.monotonic() - start:.0f} s", flush=True)

    atexit.register(told)

    def once(data):
        call(data)
        if time.monotonic() - start > seconds:
            told()
            sys.stdout.flush()
            os._exit(0)

    atheris.Setup([sys.argv[0], "-max_len=64", "-rss_limit_mb=0", "-timeout=60", "-verbosity=0"], once)
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("reader", choices=(*READERS, "all"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"))
    given = parser.parse_args()
    if given.reader != "all":
        fuzz(given.reader, 60 * given.minutes, given.finds)
        return
    for name in READERS:
        subprocess.run(
            [sys.executable, __file__, name, f"--minutes={given.minutes}", f"--finds={given.finds}"],
            check=False,
        )


if __name__ == "__main__":
    main()
