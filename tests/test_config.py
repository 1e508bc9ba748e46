from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from commands import PROGRAM
from tables import make_table, people

from facecluster.cli import VERBS, config_file, main
from facecluster.formats import face_table

SETTING = "facecluster.toml"


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), env=environment or None)


def done(*arguments: object, **environment: str) -> Result:
    found = run(*arguments, **environment)
    assert found.exit_code == 0, found.output
    return found


def wrong(*arguments: object, **environment: str) -> str:
    """What is said of a file that is wrong."""
    found = run(*arguments, **environment)
    assert (found.exit_code, found.stdout) == (2, ""), found.output
    return found.stderr


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def limits(found: Result) -> dict[str, Any]:
    """The limits that people were found by, of a call with --json."""
    settings: dict[str, Any] = json.loads(found.stdout)["settings"]["cluster"]
    return {**settings, **settings["limits"]}


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Two people in four photos each, which are not there."""
    table = make_table(people(2, 4), paths=[f"{tmp_path}/photos/{i}.jpg" for i in range(8)])
    file = tmp_path / "faces.npz"
    face_table.write(table, file)
    return file


@pytest.fixture
def library(faces: Path, tmp_path: Path) -> Path:
    done("cluster", faces, "-o", tmp_path / "people", "--link", "none", "-q")
    return tmp_path / "people"


# -------------------------------------------------------------------------------------------------- which counts


def test_line_before_config_before_library_before_memory_before_default(
    faces: Path, library: Path, tmp_path: Path
) -> None:
    def min_images(*arguments: object, **environment: str) -> int:
        found = done("cluster", faces, "-o", library, "--json", *arguments, **environment)
        number: int = limits(found)["min_images"]
        return number

    assert min_images() == 3
    done("cluster", faces, "-o", library, "--min-images", 4, "-q")
    assert min_images() == 4  # remembered
    user = str(write(tmp_path / "user" / SETTING, "[all]\nmin-images = 2\n"))
    assert min_images(FACECLUSTER_CONFIG=user) == 2
    write(library / SETTING, "[all]\nmin-images = 1\n")
    assert min_images(FACECLUSTER_CONFIG=user) == 1
    named = write(tmp_path / "named.toml", "[all]\nmin-images = 3\n")
    assert min_images("--config", named, FACECLUSTER_CONFIG=user) == 3
    assert min_images("--config", named, "--min-images", 2, FACECLUSTER_CONFIG=user) == 2


def test_config_replaces_the_users_file_and_not_that_of_the_library(
    faces: Path, library: Path, tmp_path: Path
) -> None:
    user = str(write(tmp_path / "user.toml", "[all]\nmin-images = 2\n"))
    write(library / SETTING, "[all]\nmin-quality = 0.5\n")
    named = write(tmp_path / "named.toml", "[all]\nmax-angle = 20\n")
    used = limits(done("cluster", faces, "-o", library, "--json", "--config", named, FACECLUSTER_CONFIG=user))
    assert (used["min_images"], used["min_quality"], used["max_angle_deg"]) == (3, 0.5, 20)


def test_table_of_a_verb_before_all_in_one_file_and_files_before_tables(
    faces: Path, library: Path, tmp_path: Path
) -> None:
    file = write(library / SETTING, "[cluster]\nmin-images = 4\n\n[all]\nmin-images = 2\nmin-quality = 0.5\n")
    user = str(write(tmp_path / "user.toml", "[cluster]\nmin-quality = 0.9\n"))
    told = done("cluster", faces, "-o", library, "-v", FACECLUSTER_CONFIG=user).stderr.splitlines()
    assert f"min-images 4 (from {file})" in told
    assert f"min-quality 0.5 (from {file})" in told


def test_the_users_file_lies_in_the_configuration_folder(library: Path, tmp_path: Path) -> None:
    code = "import platformdirs; print(platformdirs.user_config_dir('facecluster', appauthor=False))"
    home = os.environ | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "APPDATA": str(tmp_path)}
    home.pop("FACECLUSTER_CONFIG")
    folder = subprocess.run(
        [sys.executable, "-c", code], env=home, capture_output=True, text=True, check=True
    )
    file = write(Path(folder.stdout.strip()) / SETTING, "[show]\nformat = 'paths'\n")
    told = subprocess.run(
        [*PROGRAM, "show", library, "-v"], env=home, capture_output=True, text=True, check=True
    )
    assert f"format paths (from {file})" in told.stderr.splitlines()


def test_library_of_the_users_file_has_a_file_of_its_own(faces: Path, tmp_path: Path) -> None:
    user = write(tmp_path / "user.toml", '[cluster]\noutput = "people"\nlink = "none"\n')
    write(tmp_path / "people" / SETTING, "[all]\nmin-images = 4\n")
    found = done("cluster", faces, "--json", FACECLUSTER_CONFIG=str(user))
    assert limits(found)["min_images"] == 4
    assert (tmp_path / "people" / "clusters.json").exists()


@pytest.mark.parametrize("named", ["people", "people/clusters.json", "people/faces.npz"])
def test_file_of_a_library_that_is_named_by_a_file_in_it(
    named: str, library: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(faces, library / "faces.npz")
    file = write(library / SETTING, "[all]\nquiet = false\n")
    monkeypatch.chdir(library.parent)
    told = done("list", named, "-v", *(["--labels", "folder"] if named.endswith("npz") else [])).stderr
    assert f"quiet false (from {file})" in told


def test_library_of_search_and_of_watch(library: Path, faces: Path, tmp_path: Path) -> None:
    write(library / SETTING, "[search]\nk = 0\n[watch]\nsettle = -1\n")
    assert "[search] k = 0: " in wrong("search", "--face", "0.jpg", "--in", library)
    assert "[watch] settle = -1: " in wrong("watch", tmp_path, "--into", library)
    assert "nothing" in done("show", library, "-v").stderr


def test_every_verb_that_is_about_a_library_looks_for_its_file() -> None:
    ctx = click.Context(main)
    without = set()
    for verb in VERBS:
        command = main.get_command(ctx, verb)
        assert command is not None
        named = [one.name for one in command.params if one.name in config_file.NAME_THE_LIBRARY]
        assert len(named) <= 1, verb
        without |= {verb} - {verb for _ in named}
    assert without == {"check", "models"}


def test_a_value_of_a_file_counts_as_given_and_is_remembered(faces: Path, library: Path) -> None:
    file = write(library / SETTING, "[all]\nmin-images = 5\n")
    assert "2 people would go with these settings" in done("cluster", faces, "-o", library).stderr
    file.unlink()
    again = done("cluster", faces, "-o", library, "-v").stderr
    assert "min-images 5 (remembered by the library, also without a file that said it)" in again.splitlines()


def test_argument_comes_before_the_option_of_a_file_that_says_the_same(faces: Path, tmp_path: Path) -> None:
    user = str(write(tmp_path / "user.toml", '[cluster]\nencodings = "gone.npz"\nlink = "none"\n'))
    done("cluster", faces, "-o", tmp_path / "people", FACECLUSTER_CONFIG=user)
    assert "gone.npz" in run("cluster", "-o", tmp_path / "people", FACECLUSTER_CONFIG=user).stderr


def test_options_of_clustering_in_a_file_do_not_hinder_who_looks_at_a_result(
    library: Path, faces: Path, tmp_path: Path
) -> None:
    write(library / SETTING, "[all]\nmin-images = 4\ndetector = 'hog'\n")
    found = run("evaluate", library, "--labels", "folder")
    assert "is clustered already" not in found.output
    user = str(write(tmp_path / "user.toml", "[all]\ndetector = 'hog'\n"))
    found = run("check", faces, "-q", FACECLUSTER_CONFIG=user)
    assert found.exit_code in (0, 3), found.output
    assert "--detector" in wrong("check", faces, "-d", "hog")


# ------------------------------------------------------------------------------------------------------- values


def test_flags_lists_and_keys_with_underscores(faces: Path, library: Path) -> None:
    file = write(library / SETTING, "[cluster]\ngate = false\nmin_images = 2\njson = true\n")
    found = done("cluster", faces, "-o", library)
    assert limits(found)["gate"] is False
    assert limits(found)["min_images"] == 2
    write(file, '[check]\nlimit = ["yaw=off", "quality=0.5.."]\n')
    told = done("check", faces, "-v", "--config", file).stderr.splitlines()
    assert f"limit yaw=off, quality=0.5.. (from {file})" in told
    write(file, '[check]\nlimit = "yaw=off"\n[show]\ntogether = ["person-0001", "person-0002"]\n')
    assert f"limit yaw=off (from {file})" in done("check", faces, "-v", "--config", file).stderr
    assert f"together person-0001 person-0002 (from {file})" in done("show", library, "-v").stderr


def test_no_takes_a_flag_of_a_file_back(faces: Path, library: Path) -> None:
    write(library / SETTING, "[all]\nquiet = true\n")
    assert done("cluster", faces, "-o", library).stderr == ""
    assert "people with" in done("cluster", faces, "-o", library, "--no-quiet").stderr
    assert "--no-quiet" not in done("cluster", "--help").stdout


def test_paths_are_relative_to_the_file(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path.parent)
    text = '[cluster]\nencodings = "../faces.npz"\noutput = "~/people"\nlink = "none"\n'
    user = str(write(tmp_path / "conf" / SETTING, text))
    done("cluster", FACECLUSTER_CONFIG=user)
    assert (tmp_path / "people" / "clusters.json").exists()


@pytest.mark.parametrize(
    ("verb", "keys"),
    [
        ("encode", {"output", "encodings", "dataset"}),
        ("run", {"output", "dataset", "decisions"}),
        ("cluster", {"output", "encodings", "decisions"}),
        ("watch", {"into", "dataset", "decisions"}),
        ("evaluate", {"encodings", "labels"}),
        ("search", {"in", "faces", "labels", "table"}),
        ("explain", {"image", "table"}),
        ("check", {"annotate", "dataset"}),
    ],
)
def test_which_options_are_paths(verb: str, keys: set[str], tmp_path: Path) -> None:
    command = main.get_command(click.Context(main), verb)
    assert command is not None
    options = config_file._options(command)
    placed = {
        key
        for key, option in options.items()
        if not option.is_flag and config_file._place(option, "x", tmp_path) != "x"
    }
    assert placed - {"config"} == keys


def test_words_that_are_no_paths_stay_words(faces: Path, tmp_path: Path) -> None:
    user = str(write(tmp_path / "user.toml", '[list]\nlabels = "folder"\n'))
    found = done("list", faces, FACECLUSTER_CONFIG=user)
    assert json.loads(found.stdout)["name"] == "photos"


def test_date_of_toml_is_a_date(library: Path) -> None:
    write(library / SETTING, "[history]\nsince = 2026-11-22\n")
    assert "since 2026-11-22 00:00 (from " in done("history", library, "-v").stderr


def test_file_with_a_byte_order_mark(library: Path) -> None:
    (library / SETTING).write_bytes(b"\xef\xbb\xbf[show]\nformat = 'paths'\n")
    assert "format paths" in done("show", library, "-v").stderr


# ------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[cluster]\nmin-imges = 3", "[cluster] min-imges: no such setting; did you mean min-images?"),
        ("[all]\nmin-imges = 3", "[all] min-imges: no such setting; did you mean min-images?"),
        ("[cluster]\neps = 'far'", "[cluster] eps = \"far\": give a number"),
        ("[all]\nxyzzy = 3", "[all] xyzzy: no such setting\n"),
        ("[cluster]\nno-gate = true", "[cluster] no-gate: no such setting; write gate = false"),
        ("[all]\nno-gate = true", "[all] no-gate: no such setting; write gate = false"),
        ("[cluster]\nformat = 'csv'", "[cluster] format: no setting of cluster, but of show; write [show]"),
        ("[cluster]\nfile = 'f.npz'", "[cluster] file: no such setting"),
        ("[clutser]\neps = 1", "[clutser]: no such verb; did you mean [cluster]?"),
        ("eps = 1", "eps: stands in no table; write [all] above it, or the name of a verb: [run]"),
        ("[[cluster]]\neps = 1", "cluster: stands in no table"),
        ("[cluster]\nmin-images = 0", "[cluster] min-images = 0: 0 is not in the range x>=1."),
        ("[cluster]\nmin-images = 2.5", "[cluster] min-images = 2.5: give a whole number"),
        ("[cluster]\nmin-images = 'three'", "min-images = \"three\": give a whole number"),
        ("[cluster]\nmin-images = true", "min-images = true: true and false are for flags; --min-images takes"),
        ("[cluster]\nmin-images = [3]", "[cluster] min-images = [3]: expected one value"),
        ("[cluster]\nmin-images.x = 3", "[cluster] min-images = {...}: expected one value"),
        ("[cluster]\neps = nan", "[cluster] eps = nan: nan is no finite number."),
        ("[cluster]\ngate = 'no'", '[cluster] gate = "no": expected true or false'),
        ("[cluster]\njson = 1", "[cluster] json = 1: expected true or false"),
        ("[cluster]\nlink = 'symlnk'", "[cluster] link = \"symlnk\": 'symlnk' is not one of 'auto'"),
        ("[cluster]\ndecisions = 'gone.jsonl'", "gone.jsonl' does not exist."),
        ("[cluster]\nmin-size = 3\nmin_size = 4", "[cluster] min_size: is set twice, as min-size too"),
        ("[not-a-person]\n[not_a_person]", "[not-a-person] stands there twice, as [not_a_person] too"),
        ("[cluster]\neps = ", "is no TOML: Invalid value (at line 2, column 7)"),
        ("[cluster]\n\x1b = 1", "is no TOML: "),
        ('[cluster]\n"\\u001b[31m" = 1', "[cluster] \\x1b[31m: no such setting"),
        ("x = " + "[" * 5000, "is no TOML: "),
        ("x = " + "9" * 5000, "is no TOML: "),
        ("[cluster]\nconfig = 'a.toml'", "[cluster] config: may not stand in a file, as a file does not name"),
        ("[cluster]\nyes = true", "[cluster] yes: may not stand in a file, as it answers a question in your"),
        ("[all]\nprune = true", "[all] prune: may not stand in a file, as it lets photos go for good; say it on the"),
        ("[all]\nperson = 'Ann'", "[all] person: may not stand in a file, as what was forgotten does not come back"),
        ("[cluster]\ndefault_settings = true", "default_settings: may not stand in a file, as it drops what"),
        ("[cluster]\noutput = 'x'", "[cluster] output: says which library is meant, which this file lies in"),
    ],
)  # fmt: skip
def test_errors_name_file_table_and_key(
    text: str, message: str, library: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(library.parent)
    write(library / SETTING, text + "\n")
    said = wrong("cluster", faces, "-o", "people")
    assert said.startswith(f"facecluster: error: people/{SETTING}: ")
    assert message in said


@pytest.mark.parametrize("key", ["yes", "person", "photo", "label", "table-gone"])
def test_nothing_is_forgotten_by_a_file(key: str, library: Path) -> None:
    write(library / SETTING, f"[forget]\n{key} = true\n")
    before = (library / "clusters.json").read_bytes()
    said = wrong("forget", library, "--person", "person-0001")
    assert f"{SETTING}: [forget] {key}: may not stand in a file, as " in said
    assert (library / "clusters.json").read_bytes() == before


def test_what_a_watch_runs_is_not_said_by_a_library(library: Path, tmp_path: Path) -> None:
    write(library / SETTING, "[watch]\nexec = 'true'\n")
    assert "[watch] exec: does not count in a library" in wrong("watch", tmp_path, "--into", library)
    (library / SETTING).unlink()
    user = write(tmp_path / "user.toml", "[watch]\nexec = 'no-such-program'\n")
    (tmp_path / "in").mkdir()
    said = wrong("watch", tmp_path / "in", "--into", library, FACECLUSTER_CONFIG=str(user))
    assert "--exec: no such program: no-such-program" in said
    assert f'  exec = "no-such-program" stands in {user}' in said


@pytest.mark.parametrize(
    ("verb", "setting"),
    [
        ("run", "dataset"),
        ("cluster", "encodings"),
        ("show", "image"),
        ("explain", "image"),
        ("audit", "labels"),
    ],
)
def test_what_leads_out_of_a_library_is_not_said_by_it(
    library: Path, tmp_path: Path, verb: str, setting: str
) -> None:
    away = tmp_path / "elsewhere" / "mine.png"
    write(library / SETTING, f"[{verb}]\n{setting} = '{away}'\n")
    given = {"run": ["-o", library], "cluster": ["-o", library], "explain": [library, "person-0001"]}
    said = wrong(verb, *given.get(verb, [library]))
    assert f"[{verb}] {setting}: leads out of the library ({away})" in said
    assert not away.parent.exists()


def test_file_that_cannot_be_read(library: Path, tmp_path: Path) -> None:
    assert "Invalid value for '--config'" in wrong("show", library, "--config", tmp_path / "gone.toml")
    said = wrong("show", library, FACECLUSTER_CONFIG=str(tmp_path / "gone.toml"))
    assert f"FACECLUSTER_CONFIG: {tmp_path / 'gone.toml'}: no such file" in said
    (library / SETTING).write_bytes(b"[show]\nformat = '\xff'\n")
    assert f"{library / SETTING}: is not in UTF-8" in wrong("show", library)
    (library / SETTING).unlink()
    (library / SETTING).mkdir()
    assert f"{library / SETTING}: " in wrong("show", library)


def test_help_comes_whatever_is_in_the_file(library: Path) -> None:
    write(library / SETTING, "nonsense")
    assert done("show", library, "--help").stdout.startswith("Usage: ")


def test_settings_of_another_verb_are_no_error_in_all_and_not_read_elsewhere(library: Path) -> None:
    write(library / SETTING, "[all]\nmin-images = 3\n[search]\nnonsense = 1\n")
    done("show", library)


def test_arguments_that_do_not_fit_a_file_name_it(faces: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "user.toml", "[all]\nkeep-missing = true\n")
    arguments = ("run", tmp_path, "-o", tmp_path / "people", "--prune")
    said = wrong(*arguments, FACECLUSTER_CONFIG=str(file))
    assert said == (
        "facecluster: error: --prune lets go what --keep-missing keeps; give one of them\n"
        f"  keep-missing = true stands in {file}\n"
    )
    assert "stands in" not in wrong("run", "-o", tmp_path / "people", FACECLUSTER_CONFIG=str(file))
    assert "give one" not in run(*arguments, "--no-keep-missing", FACECLUSTER_CONFIG=str(file)).output


# ------------------------------------------------------------------------------------------------- what is told


def test_verbose_tells_each_setting_and_its_source(faces: Path, library: Path) -> None:
    done("cluster", faces, "-o", library, "--max-angle", 25, "-q")
    file = write(library / SETTING, "[all]\nmin-images = 4\n")
    told = done("cluster", faces, "-o", library, "-v", "--eps", 1).stderr.splitlines()
    for line in (
        f"min-images 4 (from {file})",
        "eps 1.0 (command line)",
        "link none (remembered by the library, also without a file that said it)",
        "max-angle 25.0 (remembered by the library, also without a file that said it)",
        f"output {library} (command line)",
    ):
        assert line in told
    assert not any("min-quality" in line and "(" in line for line in told)


def test_quiet_is_quiet(faces: Path, library: Path) -> None:
    assert done("cluster", faces, "-o", library, "-v", "-q").stderr == ""


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_both_options(verb: str) -> None:
    text = " ".join(done(verb, "--help").stdout.split())
    assert "-v, --verbose" in text
    assert "--config FILE" in text


def test_verbose_of_verbs_that_had_none(library: Path, tmp_path: Path) -> None:
    file = write(library / SETTING, "[all]\nquiet = false\n")
    (tmp_path / "in").mkdir()
    told = done("watch", tmp_path / "in", "--into", tmp_path / "new", "--once", "-v", "--settle", 0)
    assert "settle 0.0 (command line)" in told.stderr.splitlines()
    for arguments in (("name", library, "person-0001", "Ann"), ("history", library), ("undo", library)):
        assert f"quiet false (from {file})" in done(*arguments, "-v").stderr.splitlines()
    assert "quiet" not in done("show", library).stderr
    assert f"{file}: nothing that counts here" not in done("show", library, "-v").stderr
    write(file, "[search]\nk = 3\n")
    assert f"{file}: nothing that counts here" in done("show", library, "-v").stderr


def test_watch_tells_what_the_library_remembers(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo = next((shared_data / "seed_football129" / "person_0").iterdir())
    shutil.copy(photo, tmp_path / "in")
    watch = ("watch", tmp_path / "in", "--into", tmp_path / "people", "--once", "--settle", 0, "-j", 1)
    done(*watch, "--min-images", 4, "--link", "none", "--min-face", 30)
    told = done(*watch, "-v").stderr.splitlines()
    for setting in ("min-images 4", "link none", "min-face 30.0"):
        assert f"{setting} (remembered by the library, also without a file that said it)" in told


def test_encode_tells_what_its_table_remembers(shared_data: Path, tmp_path: Path) -> None:
    photo = next((shared_data / "seed_football129" / "person_0").iterdir())
    done("encode", photo, "-o", tmp_path / "f.npz", "--min-face", 30, "-j", 1)
    told = done("encode", photo, "-o", tmp_path / "f.npz", "-v", "-j", 1).stderr.splitlines()
    assert "min-face 30.0 (remembered by the face table, also without a file that said it)" in told


# ------------------------------------------------------------------------------------------------- and the rest


def test_file_in_a_library_is_the_users(faces: Path, library: Path) -> None:
    text = "# mine\n[all]\nmin-images = 4\n"
    file = write(library / SETTING, text)
    done("cluster", faces, "-o", library, "-q")
    done("name", library, "person-0001", "Ann")
    done("cluster", faces, "-o", library, "--link", "copy", "--min-images", 5, "-q")
    done("forget", library, "--person", "person-0002", "-q", *(["--yes"] if has_yes() else []))
    done("forget", library, "--person", "Ann", "-q", *(["--yes"] if has_yes() else []))
    assert file.read_text(encoding="utf-8") == text
    assert [path.name for path in library.iterdir() if path.name.endswith(".toml")] == [SETTING]


def has_yes() -> bool:
    command = main.get_command(click.Context(main), "forget")
    assert command is not None
    return any("--yes" in option.opts for option in command.params)


def test_moved_library_takes_its_file_along(faces: Path, library: Path, tmp_path: Path) -> None:
    write(library / SETTING, "[all]\nmin-images = 4\n")
    moved = library.rename(tmp_path / "moved")
    assert limits(done("cluster", faces, "-o", moved, "--json"))["min_images"] == 4


def test_toml_is_imported_only_where_there_is_a_file(library: Path) -> None:
    code = (
        "import sys; from facecluster.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "print('tomllib' in sys.modules or 'tomli' in sys.modules, file=sys.stderr)"
    )

    def imported() -> str:
        arguments = [sys.executable, "-c", code, "show", library]
        return subprocess.run(arguments, capture_output=True, text=True, check=True).stderr.split()[-1]

    assert imported() == "False"
    write(library / SETTING, "[show]\nformat = 'json'\n")
    assert imported() == "True"


def test_zero_byte_is_refused(faces: Path, library: Path) -> None:
    write(library / SETTING, '[cluster]\ndecisions = "\\u0000"\n')
    result = run("cluster", faces, "-o", library)
    assert result.exit_code == 2
    assert "has a zero byte" in result.stderr
