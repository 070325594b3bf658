"""Weights in full precision, from the Hugging Face hub and its cache."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import snapshot_download, try_to_load_from_cache
from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

from unitconv.inference.weights.cache import Weights, WeightsError

#: Files of a model; the repositories hold exports to other formats too.
FILES = [
    "*config.json",
    "model*.safetensors*",
    "tokenizer.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "README.md",
]


@dataclass(frozen=True)
class HubWeights:
    """A repository of the hub, by its id; its weights have a commit."""

    repository: str

    def cached(self) -> Weights | None:
        """Return the last commit that the hub's own cache holds whole."""
        try:
            return self._snapshot(local_files_only=True)
        except (OSError, ValueError):
            return None

    def fetch(self) -> Weights:
        """Download the newest commit; the client resumes and shows a bar.

        Raises:
            WeightsError: the hub cannot be reached or does not deliver.
        """
        if not hub_is_reachable():
            raise WeightsError(
                f"the model hub, {ENDPOINT}, does not answer"
            )
        try:
            return self._snapshot(local_files_only=False)
        except Exception as error:  # its client's have no common base
            raise WeightsError(
                f"the model hub did not deliver {self.repository}: {error}"
            ) from error

    def _snapshot(self, local_files_only: bool) -> Weights:
        folder = Path(
            snapshot_download(
                self.repository,
                allow_patterns=FILES,
                local_files_only=local_files_only,
            )
        )
        # An old client returns what an interrupted download has left.
        if not any(folder.glob("*.safetensors")):
            raise FileNotFoundError(f"no weights in {folder}")
        return Weights(f"{self.repository}@{folder.name}", folder)


def exact_name(repository: str, revision: str | None) -> str:
    """Return ``owner/model@commit`` of a model that the hub has delivered.

    The commit is that of the revision in the hub's cache, by default of
    the newest one there.
    """
    path = try_to_load_from_cache(
        repository, "config.json", revision=revision
    )
    return f"{repository}@{Path(str(path)).parent.name}"


def split_commit(name: str) -> tuple[str, str | None]:
    """Split ``owner/model@commit`` into the hub's id and the commit.

    Other names are returned as they are, with None.
    """
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})", name)
    return (match[1], match[2]) if match else (name, None)


def hub_is_reachable(timeout: float = 5.0) -> bool:
    """Return whether the model hub can be connected to.

    Retries would take a minute. Behind a proxy only a request shows it.
    """
    if HF_HUB_OFFLINE:
        return False
    if getproxies():
        return True
    address = urlsplit(ENDPOINT)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname, port), timeout).close()
    except OSError:
        return False
    return True
