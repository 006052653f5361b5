"""`predictions.csv`: what each model said about each picture, readable by anyone."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.errors import DataError
from kerakd.evaluation.classification import class_logits, probabilities
from kerakd.files import replacing


@dataclass(frozen=True)
class Predictions:
    """Logits of one or several models on the same pictures.

    Attributes:
        ids: The sample ids, (N,) of str.
        labels: Class indices, int32 of shape (N,).
        class_names: The name of each class, by index.
        logits: By model name, float32 of shape (N, C).
        groups: What each picture belongs to (patient, cluster of copies), (N,) of str;
            `None` where the file does not say.
        has_copy: Whether a copy of the picture was trained on, (N,) of bool; `None`
            where that was not looked for.
    """

    ids: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    logits: Mapping[str, np.ndarray]
    groups: np.ndarray | None = None
    has_copy: np.ndarray | None = None

    def probabilities(self, model: str) -> np.ndarray:
        """Probabilities of `model`, float64 of shape (N, C)."""
        return probabilities(self.logits[model])

    def predicted(self, model: str) -> np.ndarray:
        """Predicted class indices of `model`, int64 of shape (N,)."""
        return self.logits[model].argmax(axis=1)


def write_predictions(
    path: str | os.PathLike,
    ids: Sequence[str],
    labels: Any,
    logits: Mapping[str, Any],
    class_names: Sequence[str],
    *,
    groups: Sequence[Any] | None = None,
    has_copy: Sequence[bool] | None = None,
) -> Path:
    """Write the predictions of one or several models, whole or not at all.

    The columns are `id`, `label` (a class name), `group` and `has_copy` (`yes` or `no`)
    where they are given, and for each model
    `<model>.predicted`, `<model>.probability.<class>` and `<model>.logit.<class>`.
    A model with one output gets the two columns of logits (0, z).

    Args:
        path: The CSV file.
        ids: One unique id for each picture.
        labels: Class indices of shape (N,).
        logits: By model name (no dot in it), of shape (N, C).
        class_names: The name of each class, by index.
        groups: What each picture belongs to.
        has_copy: Whether a copy of it was trained on.

    Returns:
        The path written.

    Raises:
        DataError: The parts do not fit together.
        KerakdError: The file cannot be written.
    """
    import pandas as pd

    names = [str(name) for name in class_names]
    labels = np.asarray(labels)
    ids = [str(one) for one in ids]
    if len(set(ids)) != len(ids) or len(ids) != len(labels):
        raise DataError(
            f"Predictions need one id of its own for each label; got {len(ids)} ids "
            f"({len(set(ids))} different) and {len(labels)} labels."
        )
    columns = {"id": ids, "label": [names[label] for label in labels]}
    for name, extra in (("group", groups), ("has_copy", has_copy)):
        if extra is None:
            continue
        if len(extra) != len(ids):
            raise DataError(
                f"There are {len(extra)} values of {name} for {len(ids)} pictures; "
                "give one for each."
            )
        columns[name] = [str(one) for one in extra]
    if has_copy is not None:
        columns["has_copy"] = ["yes" if one else "no" for one in has_copy]
    for model, values in logits.items():
        values = class_logits(values)
        if "." in model or not model:
            raise DataError(
                f"A model's name must be a word without a dot; got {model!r}."
            )
        if values.shape != (len(ids), len(names)):
            raise DataError(
                f"The logits of {model!r} have the shape {values.shape}; expected "
                f"{(len(ids), len(names))}: pictures, classes."
            )
        columns[f"{model}.predicted"] = [names[k] for k in values.argmax(axis=1)]
        for k, column in enumerate(probabilities(values).T):
            # float32 keeps the file readable: nine digits, not seventeen.
            columns[f"{model}.probability.{names[k]}"] = column.astype(np.float32)
        for k, column in enumerate(values.T):
            columns[f"{model}.logit.{names[k]}"] = column
    with replacing(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False, float_format="%.9g")
    return Path(path)


def read_predictions(path: str | os.PathLike) -> Predictions:
    """Read what `write_predictions` wrote; the logits come back bit for bit.

    Raises:
        DataError: The file is absent or has not these columns.
    """
    import pandas as pd

    try:
        # Class names and ids such as "NA" or "None" are text here, never missing.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as e:
        raise DataError(f"{path} is no table of predictions ({e}).") from None
    models = [c.removesuffix(".predicted") for c in table if c.endswith(".predicted")]
    models = [model for model in models if "." not in model]
    if "id" not in table or "label" not in table or not models:
        raise DataError(
            f"{path} is no table of predictions: expected the columns id, label and "
            f"<model>.predicted; got {', '.join(table.columns[:6])}."
        )
    start = f"{models[0]}.logit."
    names = tuple(c.removeprefix(start) for c in table if c.startswith(start))
    unknown = sorted(set(table["label"]) - set(names))
    if unknown:
        raise DataError(
            f"{path} has the labels {', '.join(unknown)}, for which it has no logits."
        )
    try:
        logits = {
            model: table[[f"{model}.logit.{name}" for name in names]]
            .to_numpy(str)
            .astype(np.float32)
            for model in models
        }
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}.") from None
    index = {name: k for k, name in enumerate(names)}
    return Predictions(
        ids=table["id"].to_numpy(str),
        labels=table["label"].map(index).to_numpy(np.int32),
        class_names=names,
        logits=logits,
        groups=table["group"].to_numpy(str) if "group" in table else None,
        has_copy=(
            (table["has_copy"] == "yes").to_numpy() if "has_copy" in table else None
        ),
    )
