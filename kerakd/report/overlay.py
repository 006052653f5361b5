"""Masks laid over the slices that they are of."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from kerakd.errors import DataError
from kerakd.report.style import INK, MUTED, picture, plain, save

# Okabe and Ito: core, oedema, enhancing; and where two masks differ.
CLASS_COLOURS = {1: (0.0, 0.45, 0.70), 2: (0.94, 0.89, 0.26), 3: (0.84, 0.37, 0.0)}
_ONLY_FIRST, _ONLY_SECOND = (0.84, 0.37, 0.0), (0.0, 0.62, 0.45)
_SHARE = 0.45
_TILE = 1.9


def plot_overlays(
    slices: Sequence[np.ndarray],
    masks: Mapping[str, Sequence[np.ndarray]],
    path: str | os.PathLike | None = None,
    *,
    captions: Sequence[str] = (),
    compare: tuple[str, str] | None = None,
) -> Figure:
    """Slices in rows: the image, each mask over it, and where two masks differ.

    Args:
        slices: Images `(height, width)` of any range.
        masks: `{title: one mask for each slice}`, classes inside kerakd.
        path: The PNG to write, or None.
        captions: One for each slice, in one line or several.
        compare: Titles of the two masks to set against each other.

    Returns:
        The figure.

    Raises:
        DataError: There are no slices, or masks of another number or shape.
    """
    if not len(slices) or not masks:
        raise DataError("An overlay needs one slice and one mask at least.")
    for title, several in masks.items():
        if len(several) != len(slices) or any(
            m.shape != s.shape for m, s in zip(several, slices, strict=False)
        ):
            raise DataError(
                f"The masks {title!r} do not fit the slices in number or shape."
            )
    columns = 1 + len(masks) + (compare is not None)
    width = columns * _TILE
    # Room for heads and captions.
    figure = picture(width, len(slices) * (_TILE + 0.12) + 0.5)
    panels = figure.subplots(len(slices), columns, squeeze=False)
    for row, image in enumerate(slices):
        grey = _grey(image)
        shown = {"Image": grey}
        for title, several in masks.items():
            shown[title] = _over(grey, several[row])
        if compare is not None:
            first, second = (masks[name][row] for name in compare)
            shown["Difference"] = _difference(grey, first, second)
        for axes, (title, pixels) in zip(panels[row], shown.items(), strict=True):
            axes.imshow(pixels, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
            if row == 0:
                axes.set_title(plain(title, 24), fontsize=10, color=INK)
        if row < len(captions):
            lines = [plain(line, 28) for line in captions[row].splitlines()]
            panels[row][0].set_ylabel("\n".join(lines), fontsize=7.5, color=MUTED)
    if compare is not None:
        first, second = compare
        figure.supxlabel(
            f"Difference: orange {plain(first)} alone, green {plain(second)} alone",
            fontsize=8.5,
            color=MUTED,
        )
    save(figure, path)
    return figure


def fullest_slices(classes: np.ndarray, count: int) -> list[int]:
    """Slices to show: the one with most tumour and others spread over its extent.

    Args:
        classes: `(slices, height, width)`.
        count: How many at most.

    Returns:
        Slice numbers in order; the middle ones where there is no tumour.
    """
    areas = np.count_nonzero(classes, axis=(1, 2))
    inside = np.flatnonzero(areas)
    if not len(inside):
        middle = len(areas) // 2
        inside = np.arange(max(0, middle - 2), min(len(areas), middle + 3))
    # Neither the first nor the last slice, which hold next to nothing.
    picks = np.linspace(0, len(inside) - 1, count + 2)[1:-1].round().astype(int)
    chosen = {int(n) for n in inside[picks]}
    if areas.any():
        fullest = int(areas.argmax())
        if fullest not in chosen and chosen:
            chosen.remove(min(chosen, key=lambda n: abs(n - fullest)))
        chosen.add(fullest)
    return sorted(chosen)


def _grey(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, (0.5, 99.5))
    pixels = np.clip((image - low) / (high - low or 1), 0, 1)
    return np.repeat(pixels[..., None], 3, axis=-1)


def _over(grey: np.ndarray, classes: np.ndarray) -> np.ndarray:
    pixels = grey.copy()
    for name, colour in CLASS_COLOURS.items():
        _tint(pixels, classes == name, colour)
    return pixels


def _difference(grey: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    pixels = grey.copy()
    differ = first != second
    _tint(pixels, differ & (first > 0), _ONLY_FIRST, 0.8)
    _tint(pixels, differ & (first == 0), _ONLY_SECOND, 0.8)
    return pixels


def _tint(
    pixels: np.ndarray, where: np.ndarray, colour: tuple, share: float = _SHARE
) -> None:
    pixels[where] = (1 - share) * pixels[where] + share * np.asarray(colour)
