"""Face tables that somebody made to harm: each is refused with one sentence, nothing runs, and memory stays small."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tables import make_table, people

from facecluster.errors import TableError
from facecluster.formats import face_table
from facecluster.formats.table_fields import room
from facecluster.table import FaceTable


def table() -> FaceTable:
    return make_table(people(1, 3))


def stored(changed: FaceTable | None = None) -> dict[str, bytes]:
    """The members of a good file."""
    file = io.BytesIO()
    face_table.write(changed or table(), file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED, **others: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in (members | {f"{key}.npy": value for key, value in others.items()}).items():
            archive.writestr(name, content)
    return file.getvalue()


def npy(
    descr: str, shape: str, values: bytes, *, order: str = "False", version: bytes = b"\x01\x00"
) -> bytes:
    """A column by hand, whose header may say anything."""
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode("latin1")
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + values


def refused(content: bytes, at_most: int = 20_000_000) -> str:
    """What is said of a file, in little memory, and without a traceback."""
    tracemalloc.start()
    try:
        with pytest.raises(TableError) as caught:
            face_table.read(io.BytesIO(content))
        assert tracemalloc.get_traced_memory()[1] < at_most
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 500
    return str(caught.value)


def test_fortran_order_and_other_widths_are_as_good() -> None:
    good = table()
    box = npy("'<f4'", "(3, 4)", good.faces.box.tobytes(order="F"), order="True")
    path = npy("'<U40'", "(3,)", good.photos.path.astype("<U40").tobytes())
    read = face_table.read(io.BytesIO(zipped(stored(), box=box, photo_path=path)))
    np.testing.assert_array_equal(read.faces.box, good.faces.box)
    assert read.photos.path.tolist() == good.photos.path.tolist()


@pytest.mark.parametrize(
    "column",
    [
        npy("'|O'", "(3,)", b"\0" * 24),
        npy("'<f4'", "(3", b"\0" * 12),
        npy("'<f4'", "(3, 1, 1, 1, 1)", b"\0" * 12),
        npy("'<f4'", "(-3,)", b"\0" * 12),
        npy("'<f4'", "(3.0,)", b"\0" * 12),
        npy("'<f4'", "(True,)", b"\0" * 4),
        npy("'<f4'", "(99999999999999999999999,)", b"\0" * 12),
        npy("'<f4'", "(4611686018427387904,)", b"\0" * 12),
        npy("[('a', '<f4')]", "(3,)", b"\0" * 12),
        npy("'<f4,<f4'", "(3,)", b"\0" * 24),
        npy("'<M8[s]'", "(3,)", b"\0" * 24),
        npy("'<f4'", "(3,)", b"\0" * 12, version=b"\x03\x00"),
        npy("'<f4'", "(3,)", b"\0" * 12, version=b"\xff\xff"),
        npy("'<f4'", "(3,)", b"\0" * 11),
        npy("'<f4'", "(3,)", b"\0" * 13),
        npy("__import__('os').system('x')", "(3,)", b"\0" * 12),
        npy("'<f4'", "(" * 300, b"\0" * 12),
        npy("'\xff'", "(3,)", b"\0" * 12),
        npy("'<f4", "(3,)\0", b"\0" * 12),
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x01",
        b"",
        pickle.dumps(np.zeros(3, np.float32)),
    ],
)
def test_a_column_that_is_none_is_refused(column: bytes) -> None:
    refused(zipped(stored(), quality=column))
    refused(zipped(stored(), photo_path=column))


@pytest.mark.parametrize(
    ("letters", "message"),
    [
        ("a\0b", "zero"),
        ("\ud800", "half a letter"),
        ("\udbff\udfff", "half a letter"),
        (b"\xff\xff\xff\x7f", "none"),
    ],
)
@pytest.mark.parametrize("column", ["photo_path", "photo_digest", "photo_reason", "face_id"])
def test_text_that_names_nothing_is_refused(letters: str | bytes, message: str, column: str) -> None:
    text = letters if isinstance(letters, bytes) else letters.encode("utf-32-le", "surrogatepass")
    width = len(text) // 4
    values = npy(
        f"'<U{width}'", "(3,)", b"".join([text, b"a\0\0\0".ljust(len(text), b"\0"), b"\0" * len(text)])
    )
    assert message in refused(zipped(stored(), **{column: values}))


def test_bytes_of_a_path_that_are_no_text_stay() -> None:
    odd = make_table(people(1, 2), paths=["/p/\udcff\U0001f600.jpg", "/p/\ue000"])
    read = face_table.read(io.BytesIO(zipped(stored(odd))))
    assert read.photos.path.tolist() == odd.photos.path.tolist()


def test_digests_are_ascii() -> None:
    assert "digest" in refused(zipped(stored(), photo_coded=npy("'|S2'", "(3,)", b"\xff\xfe" * 3)))


@pytest.mark.parametrize("box", [np.inf, 1e30, np.nan])
def test_boxes_are_in_their_photos(box: float) -> None:
    assert "without a box" in refused(
        zipped(stored(), box=npy("'<f4'", "(3, 4)", np.full(12, box, "<f4").tobytes()))
    )


# ------------------------------------------------------------------------------------------------------ zip bombs


def bomb(**columns: tuple[str, str, int]) -> bytes:
    """A file of some kilobytes whose columns are of many gigabytes: zeros, compressed a chunk at a time."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in stored().items():
            if name.removesuffix(".npy") not in columns:
                archive.writestr(name, content)
        for name, (descr, shape, n) in columns.items():
            with archive.open(f"{name}.npy", "w") as member:
                member.write(npy(descr, shape, b""))
                for _ in range(n // 2**20):
                    member.write(bytes(2**20))
    return file.getvalue()


def test_wide_text_of_many_rows_is_refused_before_it_is_read() -> None:
    content = bomb(photo_path=("'<U9999'", "(1000000,)", 2**25))
    assert "not as long as it says" in refused(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:  # declared as long, too
        size = archive.getinfo("photo_path.npy").file_size
    lies = content.replace(struct.pack("<I", size), struct.pack("<I", 2**32 - 2))
    refused(lies)


def test_columns_of_other_lengths_are_refused_before_they_are_read() -> None:
    content = bomb(photo_hash=("'<u8'", f"({2**22},)", 2**25))
    assert "Photos.hash" in refused(content)


def test_a_table_larger_than_its_file_can_be_is_refused_before_it_is_read() -> None:
    m, width = 1000, 99_999
    photos = {key: np.resize(value, (m, *value.shape[1:])) for key, value in vars(table().photos).items()}
    members = stored(FaceTable(type(table().photos)(**photos), table().faces, table().settings))
    head = members["photo_path.npy"] = npy(f"'<U{width}'", f"({m},)", b"")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.getinfo("photo_path.npy").file_size = len(head) + 4 * m * width
    assert 4 * m * width > room(len(file.getvalue()))
    assert "MB of memory, out of" in refused(file.getvalue())


def test_what_would_be_refused_for_its_texts_is_not_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facecluster.formats.table_fields.FREE", 0)
    wide = make_table(people(1, 3), paths=["/a", "/b", "/" + "c" * 30_000])
    file = io.BytesIO()
    face_table.write(wide, file)
    with zipfile.ZipFile(file) as archive:
        assert archive.getinfo("photo_path.npy").compress_type == zipfile.ZIP_STORED
    file.seek(0)
    assert face_table.read(file).photos.path.tolist() == wide.photos.path.tolist()


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(how: int) -> None:
    assert "a way of its own" in refused(zipped(stored(), how))


def test_two_columns_of_a_name_are_refused() -> None:
    file = io.BytesIO(zipped(stored()))
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("box.npy", stored()["box.npy"])
    assert "twice" in refused(file.getvalue())


def directory_of(content: bytes) -> int:
    return struct.unpack("<I", content[-6:-2])[0]  # type: ignore[no-any-return]


def with_entry(content: bytes, name: str, at: int, value: bytes) -> bytes:
    """Change a field of a member in the directory at the end."""
    start = content.index(b"PK\1\2", directory_of(content))
    while content[start + 46 : start + 46 + len(name)] != name.encode():
        start = content.index(b"PK\1\2", start + 4)
    return content[: start + at] + value + content[start + at + len(value) :]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (8, b"\1\0"),  # encrypted
        (8, b"\x40\0"),  # strongly
        (8, b"\x20\0"),  # patched
        (10, b"\x5d\0"),  # an unknown method
        (16, b"\1\2\3\4"),  # checksum
        (20, b"\xff\xff\xff\xff"),  # 4 GB in the file
        (24, b"\xff\xff\xff\xff"),  # 4 GB of it
        (24, b"\0\0\0\0"),
        (42, b"\0\0\0\0"),  # where another lies
        (42, b"\xff\xff\xff\x7f"),
    ],
)
def test_a_directory_that_lies_is_refused(at: int, value: bytes) -> None:
    refused(with_entry(zipped(stored()), "quality.npy", at, value))


def test_a_zip_in_a_zip_and_half_of_one_are_refused() -> None:
    inner = zipped(stored())
    refused(zipped({"faces.npz": inner}))
    refused(inner[: len(inner) // 2])


@pytest.mark.parametrize(
    "settings",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 10_000,
        '{"detector": "a", "encoder": "b", "options": {"x": [1]}, "models": {}, "versions": {}}',
        '{"detector": "a", "encoder": "b", "options": {}, "models": {"a": 1}, "versions": {}}',
        '{"detector": "\\ud800", "encoder": "b", "options": {}, "models": {}, "versions": {}}',
        '{"detector": "\\u0000", "encoder": "b", "options": {}, "models": {}, "versions": {}}',
        '{"detector": "a", "encoder": "b", "options": {"x": NaN}, "models": {}, "versions": {}}',
        '{"detector": "a", "encoder": "b", "options": {"x": 1e999}, "models": {}, "versions": {}}',
    ],
)
def test_settings_that_are_none_are_refused(settings: str) -> None:
    text = npy(f"'<U{len(settings)}'", "()", settings.encode("utf-32-le"))
    refused(zipped(stored(), settings=text))


def test_settings_without_end_are_refused() -> None:
    refused(zipped(stored(), settings=npy("'<U999999'", "(1000,)", b"")))


@pytest.mark.parametrize("version", [b"\xff" * 8, b"\0" * 4 + b"\1\0\0\0"])
def test_versions(version: bytes) -> None:
    content = zipped(stored(), format=npy("'<u8'", "()", version))
    assert "upgrade" in refused(content)


def test_other_readers_of_a_file_refuse_it_too(tmp_path: Path) -> None:
    file = tmp_path / "f.npz"
    for name in ("settings", "photo_path", "photo_size"):
        file.write_bytes(zipped(stored(), **{name: npy("'|O'", "(3,)", b"\0" * 24)}))
        reader: Callable[[Path], Any] = (
            face_table.read_settings if name == "settings" else face_table.read_pictures
        )
        with pytest.raises(TableError, match=r"f\.npz"):
            reader(file)
    file.write_bytes(zipped(stored(), photo_path=npy("'<U3'", "(3,)", "a\0b".encode("utf-32-le") * 3)))
    with pytest.raises(TableError, match="zero"):
        face_table.read_pictures(file)


# -------------------------------------------------------------------------------------------------- bad pickles


def shared(depth: int) -> list[Any]:
    """Lists that have the one before it ten times: small in a file, without end to whoever looks into them."""
    inner: list[Any] = ["x"] * 10
    for _ in range(depth):
        inner = [inner] * 10
    return inner


def tuples(depth: int) -> tuple[Any, ...]:
    inner: tuple[Any, ...] = ("x",) * 10
    for _ in range(depth):
        inner = (inner,) * 10
    return inner


ROW: dict[str, Any] = {"imagePath": "/p/a.jpg", "loc": (1, 9, 8, 2), "encoding": np.zeros(128)}


@pytest.mark.parametrize("depth", [25])
@pytest.mark.parametrize(
    "key", ["imagePath", "loc", "encoding", "id", "settings", "format", "box", "pose", "quality", "photo"]
)
def test_shared_lists_stay_small(key: str, depth: int) -> None:
    for value in (shared(depth), tuples(depth)):
        content = pickle.dumps([ROW | {key: value}])
        assert len(content) < 2000
        refused(content)


@pytest.mark.parametrize("key", ["digest", "coded", "pixels", "size", "time", "hash", "lost"])
def test_shared_lists_in_what_is_said_of_a_photo_stay_small(key: str) -> None:
    for value in (shared(25), tuples(25), (shared(25), 1), "x\0y" if key == "digest" else []):
        refused(pickle.dumps([ROW | {"photo": {key: value}}]))


def test_one_row_very_often_is_refused() -> None:
    assert "faces in" in refused(b"\x80\x02]q\0(}q\1" + b"h\1" * 199_999 + b"e.", 30_000_000)


def test_one_text_made_into_bytes_over_and_over_is_refused() -> None:
    text = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\1"
    once = b"h\2h\1h\3\x86R"
    head = b"\x80\x02c_codecs\nencode\nq\2X\6\0\0\0latin1q\3" + text + b"]("
    assert "over and over" in refused(head + once * 10_000 + b"e.")


def test_numbers_in_one_bytearray_are_not_copied() -> None:
    raw = b"\x96" + struct.pack("<Q", 1_000_000) + b"\0" * 1_000_000 + b"\x94"
    kind = b"\x8c\5numpy\x8c\5dtype\x93\x94\x8c\2f8\x85R\x94"
    name = b"\x8c\x13numpy._core.numeric\x8c\x0b_frombuffer\x93\x94"
    shape = b"J" + struct.pack("<i", 125_000) + b"\x85\x94"
    once = b"h\3(h\0h\2h\4\x8c\1Ct\x52"
    refused(b"\x80\x05" + raw + kind + name + shape + b"](" + once * 1000 + b"e.")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04]}(" + b"]" + b"K\1se.",  # a list as a key
        b"\x80\x04](}]K\1se.",
        b"\x80\x04](}(K\1K\1ue.",  # a number as a key
        b"\x80\x04\x8f(K\1\x90.",  # sets
        b"\x80\x04](]\x91e.",
        b"\x80\x04]((K\1\x91\x91e.",
        b"\x80\x04N.",
        b"\x80\x06].",
        b"\x80\xff].",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff].",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",  # LONG4
        b"\x80\x02\x8b\xff\xff\xff\xff.",
        b"\x80\x02\x8a\xff.",
        b"\x80\x02]j\xff\xff\xff\xff.",
        b"\x80\x02]2e.",
        b"\x80\x02]00.",
        b"\x80\x02(((((((.",
        b"\x80\x02]" + b"(]" * 20_000 + b"e.",
        b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b".",
        b"(lp0\n" + b"(lp1\n" * 20_000,
        b"\x80\x02I" + b"9" * 100_000 + b"\n.",
        b"]L" + b"9" * 100_000 + b"L\na.",
        b"]Ixyz\na.",
        b"]F" + b"9" * 1000 + b"\na.",
        b"]V\\ud800\na.",
        b"]S'\\xff\na.",
        b"\x80\x02]q\0h\0a.",  # a list in itself
        b"\x80\x02}q\0X\1\0\0\0ah\0s.",
    ],
)
def test_pickles_that_are_none_end_in_one_sentence(content: bytes) -> None:
    refused(content, 60_000_000)


NAMES = """
os.system posix.system nt.system os.popen os.execv os.spawnl os.remove os.unlink os.rename os.putenv
subprocess.Popen subprocess.run subprocess.getoutput builtins.eval builtins.exec builtins.compile
builtins.open builtins.getattr builtins.setattr builtins.__import__ builtins.globals builtins.map
builtins.type builtins.object builtins.bytearray builtins.print __builtin__.eval __builtin__.file io.open
_io.FileIO io.open_code importlib.import_module runpy.run_path runpy._run_code types.CodeType
types.FunctionType functools.partial functools.reduce operator.attrgetter operator.methodcaller
operator.itemgetter itertools.starmap pickle.loads _pickle.loads pickle.Unpickler marshal.loads shelve.open
dill.loads cloudpickle.loads joblib.load copyreg._reconstructor copyreg.__newobj__ copyreg.__newobj_ex__
copyreg.add_extension copy.copy codecs.encode codecs.decode _codecs.decode _codecs.encode.__self__
_codecs.lookup _codecs.register code.InteractiveInterpreter codeop.compile_command timeit.timeit pdb.run
cProfile.run profile.run trace.Trace ctypes.CDLL ctypes.memmove _ctypes.dlopen socket.socket
urllib.request.urlopen webbrowser.open shutil.rmtree shutil.move pathlib.Path pathlib.PosixPath
tempfile.mkstemp zipfile.ZipFile logging.config.dictConfig multiprocessing.Process
asyncio.create_subprocess_shell pty.spawn platform.popen commands.getoutput pydoc.pipepager
doctest.debug_script ensurepip._run_pip pip.main venv.create distutils.core.run_setup
setuptools.sandbox.run_setup numpy.load numpy.loadtxt numpy.save numpy.fromfile numpy.memmap
numpy.ndarray.tofile numpy.ndarray.dump numpy.dtype.__class__ numpy.dtype.__reduce__ numpy.f2py.compile
numpy.f2py.crackfortran.myeval numpy.testing._private.utils.runstring numpy.testing.rundocs
numpy.ctypeslib.load_library numpy.distutils.exec_command.exec_command numpy.lib.npyio.load
numpy.lib._npyio_impl.load numpy.lib.utils._makenamedict numpy.core.records.fromfile
numpy.core.multiarray.fromfile numpy._core.multiarray._reconstruct.__self__
numpy.core.multiarray.scalar.__globals__ numpy.core.numeric.load numpy.random._pickle.__generator_ctor
numpy.ma.core._mareconstruct numpy.rec.fromfile numpy.polynomial.polyutils.__builtins__
numpy.core._internal._reconstruct numpy.matrixlib.defmatrix.matrix numpy.vectorize numpy.frompyfunc
numpy.apply_along_axis facecluster.formats.unpickle._Name facecluster.formats.unpickle._ADMITTED
facecluster.workers.Workers __main__.__builtins__ sys.modules sys.settrace gc.get_objects signal.signal
atexit.register threading.Thread sqlite3.connect torch.load pandas.read_pickle pandas.eval
sklearn.externals.joblib.load PIL.ImageMath.eval
""".split()  # noqa: SIM905  # a list of words is what it is


def told(tmp_path: Path, content: bytes) -> None:
    """Refused, and nothing ran."""
    refused(content)
    assert list(tmp_path.iterdir()) == []


def test_no_name_is_looked_up_by_any_instruction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    argument = f"open({str(tmp_path / 'ran')!r}, 'w')"
    text = b"X" + struct.pack("<I", len(argument)) + argument.encode()
    for full in NAMES:
        module, _, name = full.rpartition(".")
        plain = f"c{module}\n{name}\n".encode()
        packed = [b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, name)]
        stacked = packed[0] + packed[1] + b"\x93"
        for named in (plain, stacked):
            told(tmp_path, b"\x80\x04](" + named + text + b"\x85Re.")  # REDUCE
        told(tmp_path, b"\x80\x02](" + plain + text + b"\x85\x81e.")  # NEWOBJ
        told(tmp_path, b"\x80\x04](" + stacked + text + b"\x85}\x92e.")  # NEWOBJ_EX
        told(tmp_path, b"\x80\x02](" + plain + text + b"oe.")  # OBJ
        told(tmp_path, b"((" + text + f"i{module}\n{name}\n".encode() + b"l.")  # INST
        told(tmp_path, b"\x80\x04](" + stacked + b"}X\1\0\0\0a" + text + b"sbe.")  # BUILD


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]\x82\1a.", b"\x80\x02]\x83\1\0a.", b"\x80\x02]\x84\1\0\0\0a.",  # EXT1, EXT2, EXT4
        b"\x80\x02]Pname\na.", b"\x80\x02]N" + b"Qa.",  # PERSID, BINPERSID
        b"\x80\5]\x97a.", b"\x80\5](\x97\x98e.",  # NEXT_BUFFER, READONLY_BUFFER
        b"\x80\4](K\1K\2\x93e.", b"\x80\4](\x8c\2os]\x93e.", b"\x80\4]\x93.",  # names that are no texts
        b"\x80\4](]]be.", b"\x80\4](}}be.", b"\x80\4](K\1}be.", b"\x80\4](\x8c\1aN}\x86be.",  # BUILD of plain things
        b"\x80\4](]]Re.", b"\x80\4](\x8c\1a)Re.", b"\x80\4](N)Re.", b"\x80\4](})Re.",  # REDUCE of plain things
        b"\x80\4](cnumpy\ndtype\n]Re.", b"\x80\4](cnumpy\ndtype\n\x8c\2f8Re.",  # with other than a tuple
        b"\x80\4](cnumpy\ndtype\n)Re.", b"\x80\4](cnumpy\ndtype\n\x8c\1O\x85Re.",
        b"\x80\4](cnumpy\ndtype\n" + b"X\xe8\3\0\0" + b"f" * 1000 + b"\x85Re.",
        b"\x80\4](c_codecs\nencode\n\x8c\1a\x8c\3hex\x86Re.", b"\x80\4](c_codecs\nencode\n\x8c\1a\x8c\3zip\x86Re.",
        b"\x80\4](cbuiltins\nbytes\nI1000000000000\n\x85Re.",
        b"\x80\4](cnumpy.core.multiarray\n_reconstruct\n)R\x8c\1abe.",
        b"\x80\4](cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n\x8c\1O\x85RC\1a\x86Re.",
        b"\x80\4](cnumpy.core.multiarray\nscalar\n)Re.",
    ],
)  # fmt: skip
def test_instructions_that_make_no_numbers_are_refused(content: bytes, tmp_path: Path) -> None:
    told(tmp_path, content)


def test_an_odd_number_or_text_in_a_row_is_refused() -> None:
    for key, value in (
        ("quality", 10**400), ("loc", (1, 9, 8, 10**400)), ("loc", (True, None, 8, 2)), ("id", 7), ("id", "a\0"),
        ("imagePath", "a\0b"), ("imagePath", "/\ud800"), ("format", "1"), ("format", None), ("turned", [0]),
        ("encoding", np.zeros((128, 1))), ("encoding", np.zeros(128, complex)), ("pose", {"pitch": 0}),
        ("photo", None), ("photo", {"size": (1, 2, 3)}), ("photo", {"size": (2**40, 1)}), ("photo", {"hash": 2**64}),
        ("photo", {"lost": 300}), ("photo", {"time": "now"}), ("settings", 5), ("settings", "[" * 50_000),
    ):  # fmt: skip
        refused(pickle.dumps([ROW | {key: value}]))


def test_a_pickle_of_an_older_script_is_read_as_before() -> None:
    rows = [ROW | {"imagePath": f"/p/{i}.jpg", "encoding": [0.5] * 128} for i in range(3)]
    assert len(face_table.read(io.BytesIO(pickle.dumps(rows))).faces) == 3
