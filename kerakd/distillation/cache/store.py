"""The numbers of a cache on disk: memory-mapped, checked block by block.

A block is a batch of one view. Its numbers are written and flushed before its checksum
is, so a build that is killed leaves at most one block to be done again, and a block
whose numbers changed on disk is found out.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerakd.errors import DataError, KerakdError
from kerakd.files import explain_os_error

_CHECKSUMS = "checksums"
LOGITS = "logits"
_MISSING = 0

# Of each array: its shape behind `(views, samples)`, and its dtype.
Layout = dict[str, tuple[tuple[int, ...], str]]


class BlockStore:
    """Arrays `(views, samples, ...)` and a checksum for each block of them.

    Args:
        folder: Where the files are, `<name>.npy` for each array.
        arrays: The numbers by name.
        checksums: One for each view and block; 0 for a block that is not there.
        block: Samples in a block.
    """

    def __init__(
        self,
        folder: Path,
        arrays: dict[str, np.ndarray],
        checksums: np.ndarray,
        block: int,
    ):
        self.folder = folder
        self.arrays = arrays
        self._checksums = checksums
        self.block = block

    @classmethod
    def create(
        cls, folder: Path, views: int, samples: int, layout: Layout, block: int
    ) -> "BlockStore":
        """Make the files, with nothing in them yet but with all of their room taken.

        Raises:
            KerakdError: They cannot be written, or the disk is too small.
        """
        arrays = {}
        try:
            for name, shape, dtype in _files(views, samples, layout, block):
                path = folder / f"{name}.npy"
                arrays[name] = np.lib.format.open_memmap(path, "w+", dtype, shape)
                _take_room(path)
        except OSError as error:
            raise explain_os_error(error, folder) from error
        checksums = arrays.pop(_CHECKSUMS)
        return cls(folder, arrays, checksums, block)

    @classmethod
    def open(
        cls, folder: Path, views: int, samples: int, layout: Layout, block: int
    ) -> "BlockStore":
        """Open the files, to read and, where they may be written, to go on writing.

        Raises:
            DataError: One is missing, of another shape, or damaged.
        """
        arrays = {}
        for name, shape, dtype in _files(views, samples, layout, block):
            path = folder / f"{name}.npy"
            try:
                array = np.load(path, mmap_mode=_mode(path), allow_pickle=False)
            except (OSError, ValueError) as error:
                raise DataError(
                    f"The teacher cache {folder} is damaged: {path.name} cannot be "
                    f"read ({error}); delete the folder and build it anew."
                ) from None
            if array.shape != shape or array.dtype != dtype:
                raise DataError(
                    f"The teacher cache {folder} is damaged: {path.name} holds "
                    f"{array.dtype} of shape {array.shape}, expected {dtype} of shape "
                    f"{shape}; delete the folder and build it anew."
                )
            arrays[name] = array
        checksums = arrays.pop(_CHECKSUMS)
        return cls(folder, arrays, checksums, block)

    @property
    def nbytes(self) -> int:
        """Size of the numbers on disk, in bytes."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def blocks(self) -> int:
        """Blocks of a view."""
        return self._checksums.shape[1]

    def checksum(self, view: int, number: int) -> int:
        """What was written down of a block; 0 where it is not there yet."""
        return int(self._checksums[view, number])

    def missing(self, view: int) -> np.ndarray:
        """Numbers of the blocks of a view that are not there yet."""
        return np.flatnonzero(self._checksums[view] == _MISSING)

    @property
    def complete(self) -> bool:
        """Whether every block is there."""
        return bool((self._checksums != _MISSING).all())

    @property
    def progress(self) -> tuple[int, int]:
        """How many blocks are there, and how many there are to be."""
        return int((self._checksums != _MISSING).sum()), self._checksums.size

    def rows(self, number: int) -> slice:
        """The samples of a block."""
        start = number * self.block
        samples = next(iter(self.arrays.values())).shape[1]
        return slice(start, min(start + self.block, samples))

    def write(self, view: int, number: int, values: dict[str, np.ndarray]) -> None:
        """Write one block of every array, then its checksum."""
        try:
            for name, array in self.arrays.items():
                array[view, self.rows(number)] = values[name]
                array.flush()
            self._checksums[view, number] = self._checksum(view, number)
            self._checksums.flush()
        except OSError as error:
            raise explain_os_error(error, self.folder) from error

    def check(self) -> None:
        """Compare every block that is there with its checksum.

        Raises:
            DataError: A block holds other numbers than were written.
        """
        for view, number in np.argwhere(self._checksums != _MISSING):
            if self._checksum(view, number) != self._checksums[view, number]:
                rows = self.rows(number)
                raise DataError(
                    f"The teacher cache {self.folder} is damaged: view {view}, samples "
                    f"{rows.start} to {rows.stop - 1} are not what was written; delete "
                    "the folder and build it anew."
                )

    def require_complete(self) -> None:
        """Refuse to read from a cache that is half built."""
        if not self.complete:
            there, total = self.progress
            raise KerakdError(
                f"The teacher cache {self.folder} is half built ({there} of "
                f"{total} batches); build it again in the same folder, "
                "which goes on where it stopped."
            )

    def _checksum(self, view: int, number: int) -> int:
        found = 0
        for array in self.arrays.values():
            block = np.ascontiguousarray(array[view, self.rows(number)])
            found = zlib.crc32(block.view(np.uint8).reshape(-1), found)
        # 0 stands for "not there", so a checksum of 0 is told as 1.
        return found or 1


def _files(views: int, samples: int, layout: Layout, block: int) -> Iterator[tuple]:
    """Name, shape and dtype of every file."""
    for name, (shape, dtype) in layout.items():
        yield name, (views, samples, *shape), np.dtype(dtype)
    yield _CHECKSUMS, (views, -(-samples // block)), np.dtype(np.uint32)


def _take_room(path: Path) -> None:
    """Have the disk's blocks at once: a full one would end the process later on."""
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _mode(path: Path) -> str:
    """A cache on a disk that is read-only can be read all the same."""
    return "r+" if os.access(path, os.W_OK) else "r"
