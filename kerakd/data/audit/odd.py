"""Files unlike the others, and how the classes are filled."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image

from kerakd.data.audit.index import is_flat
from kerakd.data.audit.marks import Marks
from kerakd.data.samples import Samples

_SHOWN = 20
_RARE = 0.01


def summarise_odd(samples: Samples, marks: Marks) -> dict:
    """Files that a person may want to look at, JSON-able.

    Returns:
        `{kind: {"count": n, "examples": [ids]}}` for the kinds that occur; `modes`,
        `formats` and `sizes` count all files.
    """
    facts, ids = marks.facts, samples.ids
    width, height = (facts[n].to_numpy(np.float64) for n in ("width", "height"))
    shape = np.maximum(width, height) / np.minimum(width, height)
    kinds = {
        "flat": is_flat(marks.thumbs),
        "misnamed": ~np.array(
            [_fits(i, f) for i, f in zip(ids, facts["format"], strict=True)]
        ),
        "turned by EXIF": facts["turned"].to_numpy(bool),
        "several frames": facts["frames"].to_numpy() > 1,
        "under 32 pixels": np.minimum(width, height) < 32,
        "elongated": shape > 2 * np.median(shape),
        "rare mode": _rare(facts["mode"]),
        "rare size": _rare(
            facts["width"].astype(str) + "x" + facts["height"].astype(str)
        ),
    }
    return {
        "kinds": {
            name: {
                "count": int(which.sum()),
                "examples": ids[which][:_SHOWN].tolist(),
            }
            for name, which in kinds.items()
            if which.any()
        },
        "modes": _counted(facts["mode"]),
        "formats": _counted(facts["format"]),
        "sizes": _counted(
            [f"{int(w)}x{int(h)}" for w, h in zip(width, height, strict=True)]
        ),
    }


def summarise_balance(samples: Samples) -> dict:
    """How many images each class has, in all and by split."""
    counts = samples.table["label"].value_counts()
    return {
        "by_class": {name: int(counts[name]) for name in samples.class_names},
        "by_split": samples.counts,
        "largest_to_smallest": float(counts.max() / counts.min()),
    }


def _fits(name: str, kind: str) -> bool:
    """Whether a file's suffix is one of its format."""
    meant = Image.registered_extensions().get(PurePosixPath(name).suffix.lower())
    # Pillow's name of JPEGs that hold several pictures.
    return meant is None or meant == ("JPEG" if kind == "MPO" else kind)


def _rare(values: pd.Series) -> np.ndarray:
    """Values of fewer than one file in a hundred, where one value is the rule."""
    share = values.map(values.value_counts(normalize=True))
    if share.max() < 0.5:
        return np.zeros(len(values), bool)
    return (share < _RARE).to_numpy()


def _counted(values: Sequence[str]) -> dict[str, int]:
    counts = pd.Series(list(values)).value_counts()
    shown = {str(k): int(v) for k, v in counts.iloc[:_SHOWN].items()}
    if len(counts) > _SHOWN:
        shown["others"] = int(counts.iloc[_SHOWN:].sum())
    return shown
