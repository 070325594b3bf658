"""Shards: several processes write a part of a chunk log each.

Whole chunks are shared out, in order: the shards one after the other are
what one process would have written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from unitconv.common import distributed
from unitconv.common.errors import UnitconvError
from unitconv.common.files import json_lines
from unitconv.common.files.chunk_log import ChunkLog
from unitconv.common.io import write_parts

T = TypeVar("T")


def shard_path(path: Path, rank: int, world_size: int) -> Path:
    """Return the file that one of several processes writes."""
    return path.with_name(f"{path.name}.{rank + 1}-of-{world_size}")


def write_shared(
    log: ChunkLog[T],
    header: dict[str, Any],
    is_own: Callable[[int, T], bool],
    total: int,
    chunk_size: int,
    write: Callable[[Path, slice], None],
) -> None:
    """Let every process write its share of a log, and join the shares.

    Args:
        log: the whole; one process writes it without shares.
        header: its first line.
        is_own: see `ChunkLog.begin`.
        total: number of records.
        chunk_size: of all chunks but the last.
        write: writes the records of this slice into this file, or goes on
            with it.

    Raises:
        UnitconvError: of the log's type; one process has begun the log, or
            a shard is another run's.
        LostProcessError: another process has died.
    """
    rank, count = distributed.rank(), distributed.world_size()
    if count == 1:
        write(log.path, slice(0, total))
    elif not log.path.exists():
        share = math.ceil(math.ceil(total / chunk_size) / count)
        share *= chunk_size
        write(
            shard_path(log.path, rank, count),
            slice(rank * share, (rank + 1) * share),
        )
        distributed.barrier()
        if distributed.is_main_process():
            shards = [shard_path(log.path, i, count) for i in range(count)]
            _merge(shards, header, log.path, log.error)
        distributed.barrier()
    elif log.check(header, is_own) < total:
        raise log.error(
            f"{log.path} was begun by one process: let one go on with it"
        )


def _merge(
    shards: Sequence[Path],
    header: dict[str, Any],
    path: Path,
    error: type[UnitconvError],
) -> None:
    """Write the records of shards into one file, and remove the shards."""
    lines = (
        json_lines.add_checksum(text)
        for shard in shards
        for text in islice(json_lines.iter_texts(shard, error), 1, None)
    )
    write_parts(chain([json_lines.to_line(header)], lines), path)
    for shard in shards:
        shard.unlink()
