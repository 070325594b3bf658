"""Chunk log: a JSON Lines file with which a killed run goes on.

Its first line is a header: what a run must share to go on with the file.
Records follow, some of them in one write: a chunk. What a kill has left of
a chunk is cut off, and the chunk is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from unitconv.common.errors import UnitconvError
from unitconv.common.files import json_lines
from unitconv.common.io import write_parts

T = TypeVar("T")
P = TypeVar("P")
_HEADER = TypeAdapter(dict[str, Any])


@dataclass(frozen=True)
class ChunkLog(Generic[T]):
    """Records of one type in a file; an iteration reads them from it."""

    path: Path
    kind: TypeAdapter[T]
    error: type[UnitconvError]

    def __iter__(self) -> Iterator[T]:
        return json_lines.iter_lines(
            self.path, self.kind, self.error, first=2
        )

    def __len__(self) -> int:
        texts = json_lines.iter_texts(self.path, self.error)
        return sum(1 for _ in texts) - 1

    def extend(self, records: Iterable[dict[str, Any]]) -> None:
        """Append a chunk, and wait until it is on the disk."""
        json_lines.append_lines(self.path, records)

    def begin(
        self,
        header: dict[str, Any],
        is_own: Callable[[int, T], bool],
        total: int,
        chunk_size: int,
    ) -> int:
        """Create the file, or cut off what follows its whole chunks.

        Args:
            header: of this run.
            is_own: checks that the record of a number, from 0 on, is one
                that this run would make.
            total: number of records of the whole run.
            chunk_size: of all chunks but the last.

        Returns:
            the number of records in the file.

        Raises:
            UnitconvError: of the type `error`; the file is another run's,
                and is not changed.
        """
        if not self.path.exists() or not self.path.stat().st_size:
            write_parts([json_lines.to_line(header)], self.path)
            return 0
        done = self.check(header, is_own)
        if done < total:
            done -= done % chunk_size
        texts = json_lines.iter_texts(self.path, self.error, whole=True)
        # A line of an older version gets its checksum here. All are read:
        # Windows replaces no file that is open.
        kept = (
            json_lines.add_checksum(text)
            for number, text in enumerate(texts)
            if number <= done
        )
        write_parts(kept, self.path)
        return done

    def check(
        self, header: dict[str, Any], is_own: Callable[[int, T], bool]
    ) -> int:
        """Count the records; see `begin`."""
        # A kill may have left a partial line behind the last line end.
        texts = json_lines.iter_texts(self.path, self.error, whole=True)
        with closing(texts):
            self._check_header(texts, header)
            return self._count_own(texts, is_own)

    def _check_header(
        self, texts: Iterable[bytes], header: dict[str, Any]
    ) -> None:
        path, error = self.path, self.error
        first = [*islice(texts, 1)]
        if not first:
            raise error(f"{path}, line 1: no valid record; move it away")
        [existing] = json_lines.parse_lines(first, _HEADER, path, error)
        changed = sorted(
            k for k in header | existing if header.get(k) != existing.get(k)
        )
        if changed:
            raise error(
                f"{path} was begun with other settings "
                f"({', '.join(changed)}): give the same ones, or another "
                "output"
            )

    def _count_own(
        self, texts: Iterable[bytes], is_own: Callable[[int, T], bool]
    ) -> int:
        path, error = self.path, self.error
        records = json_lines.parse_lines(texts, self.kind, path, error, 2)
        number = 0
        for number, record in enumerate(records, start=1):
            if not is_own(number - 1, record):
                raise error(
                    f"{path}, line {number + 1}: no valid record (of "
                    "another question than this run asks): move it away"
                )
        return number


@dataclass(frozen=True)
class Parts(Collection[P], Generic[T, P]):
    """A part of each record of a file, read from it at each iteration."""

    log: ChunkLog[T]
    part: Callable[[T], P]

    def __iter__(self) -> Iterator[P]:
        return map(self.part, self.log)

    def __len__(self) -> int:
        return len(self.log)

    def __contains__(self, part: object) -> bool:
        return any(part == other for other in self)
