"""Models on images from elsewhere, whose classes may have other names."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.data import ImageBatches, Samples, load_images, resolve
from kerakd.data.layouts import find_layout
from kerakd.evaluation import (
    bootstrap_intervals,
    classification_metrics,
    find_counterparts,
    predict_logits,
)
from kerakd.evaluation.counterparts import Counterparts
from kerakd.run import judging

Map = Mapping[str, str | Sequence[str]]


def load_external(
    source: str | os.PathLike, data: str | os.PathLike | None = None
) -> Samples:
    """All images of a folder of class folders, whatever splits it has.

    Args:
        source: As in `kerakd.data.resolve`.
        data: As there.
    """
    # A file that cannot be read is told; images from elsewhere are not ours to mend.
    return load_images(_folder(source, data), skip_bad=True)


def check_external(
    sections: Sequence[Any],
    data: str | os.PathLike | None,
    class_names: Sequence[str],
) -> None:
    """Find the folders and match the classes, hours before they are needed.

    Args:
        sections: A recipe's `external`.
        data: As in `kerakd.data.resolve`.
        class_names: Those of the models.

    Raises:
        DataError: A folder is absent or holds no classes, or a class is not known.
    """
    for section in sections:
        folders = find_layout(_folder(section.source, data)).folders
        theirs = sorted({folder.name for folder in folders})
        find_counterparts(class_names, theirs, section.classes)


def _folder(source: str | os.PathLike, data: str | os.PathLike | None) -> Path:
    path = Path(source)
    return path if path.is_dir() else resolve(source, data)


def judge_external(
    samples: Samples,
    class_names: Sequence[str],
    models: Mapping[str, tuple[Sequence[Any], tuple[int, int, int]]],
    mapping: Map | None = None,
) -> dict[str, Any]:
    """Metrics of models on images from elsewhere.

    Args:
        samples: All of them are taken.
        class_names: Those of the models.
        models: By name: the members (Keras models or runners), and what they see.
        mapping: As `given` in `find_counterparts`.

    Returns:
        `source` (name of the folder), `images`, `mapping` (class of the data to
        classes of the models), `left_out` (classes that the models do not know, with
        their images and what the models call them), `without_counterpart` (classes of
        the models that the data lack), `class_names`, `notes` and by model in `models`
        the metrics with `intervals`.
    """
    pairs = find_counterparts(class_names, samples.class_names, mapping)
    names = np.array(samples.class_names)[samples.labels]
    labels = pairs.labels(names.tolist())
    kept = labels >= 0
    found: dict[str, Any] = {
        "source": samples.root.name if samples.root else "",
        "images": int(kept.sum()),
        "mapping": {name: list(members) for name, members in pairs.theirs.items()},
        "left_out": {name: int((names == name).sum()) for name in pairs.left_out},
        "without_counterpart": pairs.unmatched,
        "class_names": pairs.class_names,
        "notes": samples.remarks,
        "models": {},
    }
    groups = samples.groups[kept]
    called = {}
    for model, (members, shape) in models.items():
        pictures = ImageBatches(samples, shape[:2], channels=shape[2])
        logits = judging.mean_opinion(
            [predict_logits(one, pictures)[0] for one in members]
        )
        called[model] = _what_it_calls(logits, names, pairs)
        ours = pairs.logits(logits)[kept]
        found["models"][model] = classification_metrics(
            labels[kept], ours, pairs.class_names
        ) | {"intervals": bootstrap_intervals(labels[kept], ours, groups)}
    if pairs.left_out:
        found["left_out_called"] = called
    return found


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What a person has to know about the matching of classes."""
    lines = [
        f"{name} of {found['source']} is taken as {' or '.join(members)}."
        for name, members in found["mapping"].items()
        if members and members != [name]
    ]
    if found["left_out"]:
        listed = ", ".join(f"{k} ({v} images)" for k, v in found["left_out"].items())
        lines.append(f"Without a counterpart in the model, and left out: {listed}.")
    if found["without_counterpart"]:
        lines.append(
            f"{found['source']} has no {', '.join(found['without_counterpart'])}: "
            "where the model names one of these, the answer counts as wrong."
        )
    return lines


def all_external(
    sections: Sequence[Any],
    data: str | os.PathLike | None,
    class_names: Sequence[str],
    models: Mapping[str, tuple[Sequence[Any], tuple[int, int, int]]],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """`judge_external` for each section of a recipe's `external`."""
    found = []
    for section in sections:
        say(f"Images from elsewhere: {section.source}")
        samples = load_external(section.source, data)
        found.append(judge_external(samples, class_names, models, section.classes))
    return found


def _what_it_calls(
    logits: np.ndarray, names: np.ndarray, pairs: Counterparts
) -> dict[str, dict[str, int]]:
    """For each class that was left out: how many images got which name."""
    said = np.array(pairs.ours)[judging.class_logits(logits).argmax(axis=1)]
    return {
        name: {one: int((said[names == name] == one).sum()) for one in pairs.ours}
        for name in pairs.left_out
    }
