"""A table of which each row is printed as soon as it is known."""

from collections.abc import Sequence


class Rows:
    """Prints a heading at once, and each row as it comes.

    Args:
        headings: One for each column, with the width that its cells get; the first
            column is flush left, the others right. A wider cell moves the rest of its
            row.
    """

    def __init__(self, headings: Sequence[tuple[str, int]]):
        self._widths = [max(len(name), width) for name, width in headings]
        self.add([name for name, _ in headings])
        print("-" * (sum(self._widths) + 2 * (len(headings) - 1)), flush=True)

    def add(self, cells: Sequence[str]) -> None:
        """Print a row."""
        padded = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(
                zip(cells, self._widths, strict=True)
            )
        ]
        print("  ".join(padded).rstrip(), flush=True)

    def note(self, text: str) -> None:
        """Print a line that belongs to the row above it."""
        print(f"  {text}", flush=True)
