"""Logits of one model over a whole data set."""

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from kerakd.errors import DataError, ModelError
from kerakd.evaluation.batches import labelled_batches, route, table_order

_MANY = 500  # pictures: below, a progress bar would only flash


class Collected(NamedTuple):
    """What a model said about a data set, row for row."""

    logits: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None


def predict_logits(
    model: Any,
    data: Any,
    progress: bool | None = None,
    *,
    key: str = "student",
) -> tuple[np.ndarray, np.ndarray]:
    """Run `model` over `data` once and gather logits and labels side by side.

    ```python
    logits, labels = kerakd.evaluation.predict_logits(student, test_batches)
    accuracy = (logits.argmax(axis=1) == labels).mean()
    ```

    Args:
        model: A `keras.Model` that ends in logits, a Distiller (its `student` is
            run), or any callable from pictures (B, H, W, C) to logits (B, C), such as
            `kerakd.compress.LiteRTModel`.
        data: A `tf.data.Dataset` of `(x, y)` or `(x, y, sample_weight)` batches, a
            `kerakd.data.ImageBatches`, or a tuple `(x, y)` of arrays.
            `y` are class indices or one-hot rows. `x` may be a dict with the keys
            `"student"` and `"teacher"`.
        progress: Whether to show a progress bar; by default for more than 500 pictures
            on a terminal.
        key: Which pictures of such a dict the model gets.

    Returns:
        Logits, float32 of shape (N, C), and class indices, int64 of shape (N,). Rows
        come in the order of `data`; those of an `ImageBatches` in the order of its
        table, shuffled or not, so that they stand beside `data.samples.ids`.

    Raises:
        ModelError: The model gives no logits: probabilities, another shape, or values
            that are not finite.
        DataError: `data` are empty, endless, or no pictures with labels.
    """
    collected = collect(model, data, progress, key=key)
    return collected.logits, collected.labels


def collect(
    model: Any,
    data: Any,
    progress: bool | None = None,
    *,
    key: str = "student",
) -> Collected:
    """As `predict_logits`, with the sample weights that the data carry."""
    require_logits(model)
    run = forward_of(model)
    logits, labels, weights = [], [], []
    for x, y, w in _with_bar(labelled_batches(data), data, progress):
        batch = check_logits(run(route(x, key)))
        if len(batch) != len(y) or (logits and batch.shape[1] != logits[0].shape[1]):
            raise ModelError(
                f"The model gave an output of shape {batch.shape} for {len(y)} "
                "pictures; expected one row of logits for each picture."
            )
        logits.append(batch)
        labels.append(y)
        weights.append(w)
    if not logits:
        raise DataError("There are no pictures to evaluate on: the data are empty.")
    result = Collected(
        np.concatenate(logits),
        np.concatenate(labels),
        None if weights[0] is None else np.concatenate(weights),
    )
    _refuse_probabilities(result.logits)
    order = table_order(data)
    if order is None:
        return result
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return Collected(*(None if rows is None else rows[back] for rows in result))


def forward_of(model: Any) -> Callable[[Any], Any]:
    """The inference function of a Keras model, a Distiller, or any callable.

    Args:
        model: As in `predict_logits`.

    Returns:
        A function from a batch of pictures to the model's output.

    Raises:
        ModelError: `model` is none of these.
    """
    model = getattr(model, "student", model)
    # Whoever holds a Keras model has loaded Keras; a LiteRT runner needs none of it.
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(model, keras.Model):
        return model.predict_on_batch
    if callable(model) and not isinstance(model, type):
        return model
    raise ModelError(
        "Expected a keras.Model, a Distiller or a function from pictures to logits; "
        f"got {model!r}."
    )


def require_logits(model: Any) -> None:
    """Refuse a Keras model (or a Distiller's student) that ends in probabilities.

    Of a subclassed model or another callable nothing can be seen, and it passes.

    Raises:
        ModelError: The model's graph ends in a softmax or sigmoid.
    """
    model = getattr(model, "student", model)
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(model, keras.Model):
        return
    from kerakd.models import ends_in_logits

    ends = ends_in_logits(model)
    if not ends:
        raise ModelError(
            f"The model {model.name!r} gives probabilities, not logits ({ends.reason});"
            " use kerakd.models.with_logits(model)."
        )


def check_logits(output: Any) -> np.ndarray:
    """Logits as float32 of shape (B, C), or a sentence saying what came instead.

    Args:
        output: What the model gave: (B, C), or (B,) or (B, 1) of a model with one
            output; or a dict that holds it under `"logits"`.

    Raises:
        ModelError: It is no single array of that shape, or not finite.
    """
    if isinstance(output, dict) and "logits" in output:
        output = output["logits"]
    if isinstance(output, tuple | list) and len(output) == 1:
        output = output[0]
    if isinstance(output, dict | tuple | list):
        names = f" ({', '.join(map(str, output))})" if isinstance(output, dict) else ""
        raise ModelError(
            f"The model has {len(output)} outputs{names}; evaluation needs one, of "
            "shape (batch, classes), or one that is named 'logits'."
        )
    logits = np.asarray(output).astype(np.float32)
    if logits.ndim == 1:
        logits = logits[:, None]
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise ModelError(
            "Logits must have the shape (batch, classes); the model gave "
            f"{logits.shape}."
        )
    if not np.isfinite(logits).all():
        bad = int((~np.isfinite(logits)).any(axis=1).sum())
        raise ModelError(
            f"The logits of {bad} of {len(logits)} pictures are not finite (NaN or "
            "infinite): the training diverged or the exported file is broken."
        )
    return logits


def _with_bar(batches: Iterator, data: Any, progress: bool | None) -> Iterator:
    """The same batches, counted in pictures by a progress bar where one is wanted."""
    from rich.console import Console
    from rich.progress import Progress

    total = _count(data)
    console = Console(stderr=True)
    if progress is None:
        progress = console.is_terminal and (total or 0) > _MANY
    with Progress(console=console, transient=True, disable=not progress) as bar:
        task = bar.add_task("Evaluating", total=total)
        for batch in batches:
            yield batch
            bar.advance(task, len(batch[1]))


def _count(data: Any) -> int | None:
    """How many pictures there are, where that is known without a look at them."""
    if isinstance(data, tuple):
        return len(data[1]) if len(data) > 1 else None
    return len(data.samples) if hasattr(data, "samples") else None


def _refuse_probabilities(logits: np.ndarray) -> None:
    # Over a whole data set no logits are all positive with rows that sum to 1.
    if len(logits) < 2 or logits.shape[1] < 2:
        return
    if logits.min() >= 0 and np.abs(logits.sum(axis=1) - 1).max() < 2e-3:
        raise ModelError(
            "The model gives probabilities (every row sums to 1), not logits; build it "
            "without its softmax, or use kerakd.models.with_logits(model)."
        )
