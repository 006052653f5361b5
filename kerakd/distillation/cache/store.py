"""The numbers of a cache on disk: memory-mapped, checked block by block.

A block is a batch of one view. Its numbers are written and flushed before its checksum
is, so a build that is killed leaves at most one block to be done again, and a block
whose numbers changed on disk is found out.
"""

import zlib
from pathlib import Path

import numpy as np

from kerakd.errors import DataError, KerakdError
from kerakd.files import explain_os_error

_LOGITS, _CHECKSUMS = "logits.npy", "checksums.npy"
_MISSING = 0


class BlockStore:
    """An array `(views, samples, ...)` and a checksum for each block of it.

    Args:
        folder: Where the two files are.
        logits: The numbers.
        checksums: One for each view and block; 0 for a block that is not there.
        block: Samples in a block.
    """

    def __init__(
        self, folder: Path, logits: np.ndarray, checksums: np.ndarray, block: int
    ):
        self.folder = folder
        self.logits = logits
        self._checksums = checksums
        self.block = block

    @classmethod
    def create(cls, folder: Path, shape: tuple, dtype: str, block: int) -> "BlockStore":
        """Make the two files, with nothing in them yet.

        Raises:
            KerakdError: They cannot be written.
        """
        blocks = -(-shape[1] // block)
        try:
            logits = np.lib.format.open_memmap(
                folder / _LOGITS, "w+", np.dtype(dtype), shape
            )
            checksums = np.lib.format.open_memmap(
                folder / _CHECKSUMS, "w+", np.uint32, (shape[0], blocks)
            )
        except OSError as error:
            raise explain_os_error(error, folder) from error
        return cls(folder, logits, checksums, block)

    @classmethod
    def open(cls, folder: Path, shape: tuple, dtype: str, block: int) -> "BlockStore":
        """Open the two files, to read and to go on writing.

        Raises:
            DataError: One is missing, of another shape, or damaged.
        """
        parts = []
        for name in (_LOGITS, _CHECKSUMS):
            try:
                parts.append(np.load(folder / name, mmap_mode="r+", allow_pickle=False))
            except (OSError, ValueError) as error:
                raise DataError(
                    f"The teacher cache {folder} is damaged: {name} cannot be read "
                    f"({error}); delete the folder and build it anew."
                ) from None
        logits, checksums = parts
        blocks = -(-shape[1] // block)
        if (
            logits.shape != shape
            or logits.dtype != np.dtype(dtype)
            or checksums.shape != (shape[0], blocks)
        ):
            raise DataError(
                f"The teacher cache {folder} is damaged: {_LOGITS} holds "
                f"{logits.dtype} of shape {logits.shape}, expected {dtype} of shape "
                f"{shape}; delete the folder and build it anew."
            )
        return cls(folder, logits, checksums, block)

    def missing(self, view: int) -> np.ndarray:
        """Numbers of the blocks of a view that are not there yet."""
        return np.flatnonzero(self._checksums[view] == _MISSING)

    @property
    def complete(self) -> bool:
        """Whether every block is there."""
        return bool((self._checksums != _MISSING).all())

    def rows(self, number: int) -> slice:
        """The samples of a block."""
        start = number * self.block
        return slice(start, min(start + self.block, self.logits.shape[1]))

    def write(self, view: int, number: int, values: np.ndarray) -> None:
        """Write one block, then its checksum."""
        try:
            self.logits[view, self.rows(number)] = values
            self.logits.flush()
            self._checksums[view, number] = _checksum(
                self.logits[view, self.rows(number)]
            )
            self._checksums.flush()
        except OSError as error:
            raise explain_os_error(error, self.folder) from error

    def check(self) -> None:
        """Compare every block that is there with its checksum.

        Raises:
            DataError: A block holds other numbers than were written.
        """
        for view, number in np.argwhere(self._checksums != _MISSING):
            block = self.logits[view, self.rows(number)]
            if _checksum(block) != self._checksums[view, number]:
                rows = self.rows(number)
                raise DataError(
                    f"The teacher cache {self.folder} is damaged: view {view}, samples "
                    f"{rows.start} to {rows.stop - 1} are not what was written; delete "
                    "the folder and build it anew."
                )

    def require_complete(self) -> None:
        """Refuse to read from a cache that is half built."""
        if not self.complete:
            there = int((self._checksums != _MISSING).sum())
            raise KerakdError(
                f"The teacher cache {self.folder} is half built ({there} of "
                f"{self._checksums.size} batches); build it again in the same folder, "
                "which goes on where it stopped."
            )


def _checksum(block: np.ndarray) -> int:
    # 0 stands for "not there", so a checksum of 0 is told as 1.
    return zlib.crc32(np.ascontiguousarray(block).tobytes()) or 1
