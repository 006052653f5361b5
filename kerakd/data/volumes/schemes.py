"""What the numbers in a mask mean: named schemes, and the regions made of them.

Inside kerakd a mask holds four classes, whatever its file held: 0 everything else, 1
tumour core that does not enhance (necrosis and non-enhancing tumour), 2 oedema, 3
enhancing tumour.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerakd.errors import DataError, RecipeError, nearest

NOTHING, CORE, OEDEMA, ENHANCING = range(4)

# Regions as sets of classes.
REGIONS = {
    "WT": (CORE, OEDEMA, ENHANCING),
    "TC": (CORE, ENHANCING),
    "ET": (ENHANCING,),
}
REGION_TITLES = {
    "WT": "whole tumour",
    "TC": "tumour core",
    "ET": "enhancing tumour",
}

# What a network tells apart: names of its logits, and the regions that they give.
TARGETS = {
    "whole_tumour": (("background", "tumour"), ("WT",)),
    "subregions": (
        ("background", "core", "oedema", "enhancing"),
        ("WT", "TC", "ET"),
    ),
}


@dataclass(frozen=True)
class LabelScheme:
    """The numbers of one data set.

    Args:
        name: Such as `"brats2023"`.
        classes: `{number in the file: class inside kerakd}`, 0 left out.
        written: `{class inside kerakd: number in a file that kerakd writes}`.
        about: What the numbers mean, in words.
    """

    name: str
    classes: Mapping[int, int]
    written: Mapping[int, int]
    about: str

    def to_classes(self, labels: np.ndarray) -> np.ndarray:
        """Numbers of a file as classes.

        Args:
            labels: Whole numbers of any type and shape.

        Returns:
            uint8 of the same shape, 0 to 3.

        Raises:
            DataError: There are numbers that the scheme does not know, or no whole
                ones.
        """
        found = np.unique(labels)
        legal = [0, *self.classes]
        unknown = [f"{value:g}" for value in found if value not in legal]
        if unknown:
            shown = np.unique([0, *found])
            raise DataError(
                f"its mask holds the labels {', '.join(f'{v:g}' for v in shown[:12])}, "
                f"and {', '.join(unknown[:8])} is not in the scheme {self.name!r} "
                f"({self.about}); name the scheme of these data with scheme=, one of "
                f"{', '.join(SCHEMES)}"
            )
        table = np.zeros(max(legal) + 1, np.uint8)
        for number, name in self.classes.items():
            table[number] = name
        return table[labels.astype(np.intp)]

    def to_labels(self, classes: np.ndarray) -> np.ndarray:
        """Classes as numbers of a file, uint8."""
        table = np.zeros(4, np.uint8)
        for name, number in self.written.items():
            table[name] = number
        return table[classes]


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        LabelScheme(
            "brats2015",
            {1: CORE, 2: OEDEMA, 3: CORE, 4: ENHANCING},
            {CORE: 1, OEDEMA: 2, ENHANCING: 4},
            "1 necrosis, 2 oedema, 3 non-enhancing tumour, 4 enhancing tumour",
        ),
        LabelScheme(
            "brats2018-2021",
            {1: CORE, 2: OEDEMA, 4: ENHANCING},
            {CORE: 1, OEDEMA: 2, ENHANCING: 4},
            "1 necrotic and non-enhancing core, 2 oedema, 4 enhancing tumour",
        ),
        LabelScheme(
            "brats2023",
            {1: CORE, 2: OEDEMA, 3: ENHANCING},
            {CORE: 1, OEDEMA: 2, ENHANCING: 3},
            "1 necrotic and non-enhancing core, 2 oedema, 3 enhancing tumour",
        ),
        LabelScheme(
            "brats2024-gli",
            # A cavity that surgery left is no tumour and belongs to no region.
            {1: CORE, 2: OEDEMA, 3: ENHANCING, 4: NOTHING},
            {CORE: 1, OEDEMA: 2, ENHANCING: 3},
            "1 non-enhancing core, 2 surrounding FLAIR hyperintensity, 3 enhancing "
            "tissue, 4 resection cavity",
        ),
        LabelScheme(
            "decathlon",
            {1: OEDEMA, 2: CORE, 3: ENHANCING},
            {OEDEMA: 1, CORE: 2, ENHANCING: 3},
            "1 oedema, 2 non-enhancing tumour, 3 enhancing tumour",
        ),
        LabelScheme(
            "tumour-1",
            {1: CORE},
            {CORE: 1, OEDEMA: 1, ENHANCING: 1},
            "1 tumour of any kind",
        ),
        LabelScheme(
            "tumour-255",
            {255: CORE},
            {CORE: 255, OEDEMA: 255, ENHANCING: 255},
            "255 tumour of any kind",
        ),
    )
}


def label_scheme(name: str | LabelScheme) -> LabelScheme:
    """The scheme of that name.

    Args:
        name: One of `SCHEMES`, or a scheme itself.

    Raises:
        RecipeError: There is none of that name.
    """
    if isinstance(name, LabelScheme):
        return name
    if name not in SCHEMES:
        raise RecipeError(f"There is no label scheme {name!r}. {_known(name)}")
    return SCHEMES[name]


def region(classes: np.ndarray, name: str) -> np.ndarray:
    """Where a region is.

    Args:
        classes: Classes inside kerakd, any shape.
        name: `"WT"`, `"TC"` or `"ET"`.

    Returns:
        bool of the same shape.

    Raises:
        RecipeError: There is no such region.
    """
    if name not in REGIONS:
        raise RecipeError(f"There is no region {name!r}. " + nearest(name, REGIONS))
    table = np.zeros(4, bool)
    table[list(REGIONS[name])] = True
    return table[classes]


def to_target(classes: np.ndarray, target: str) -> np.ndarray:
    """Classes as a network learns them: all four, or tumour and the rest.

    Args:
        classes: Classes inside kerakd, any shape.
        target: `"whole_tumour"` (2 classes) or `"subregions"` (4).

    Returns:
        uint8 of the same shape.
    """
    check_target(target)
    if target == "whole_tumour":
        return (classes > NOTHING).astype(np.uint8)
    return classes.astype(np.uint8)


def check_target(target: str) -> None:
    """Refuse an unknown target.

    Raises:
        RecipeError: It is none of `TARGETS`.
    """
    if target not in TARGETS:
        raise RecipeError(f"There is no target {target!r}. " + nearest(target, TARGETS))


def _known(name: str) -> str:
    return nearest(name, SCHEMES)
