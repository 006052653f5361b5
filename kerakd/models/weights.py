"""Weights from a file or from ImageNet into a model that was just built."""

import os
import warnings
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from kerakd.errors import ModelError, nearest
from kerakd.models.freezing import head_layers
from kerakd.models.graph import flatten, weighted_layers
from kerakd.models.loading import load_model
from kerakd.models.sources import Arrays, Source, arrays_of, first_line

# Every builder here lays a layer of this name before its backbone; published files
# lack it and follow their publisher's conventions.
_OURS = "normalize"


def load_weights(
    model: keras.Model,
    weights: str | os.PathLike,
    source: Source | None,
    options: dict[str, Any],
) -> None:
    """Fill a model that `kerakd.models.build` has just made.

    Layers are matched by name, and all of them must fit except those of the head: a
    head for other classes stays as it was drawn, and a warning says so.

    Args:
        model: The model, changed in place.
        weights: `"imagenet"`, or the path of
            a `.keras` file of the same architecture;
            a `.weights.h5` file of the whole model or, as published, of the backbone
            alone (`keras.applications`, `include_top=False`, trained on pixels as its
            `preprocess_input` gives them);
            a `.h5` file as `keras.applications` downloads it (`notop`).
        source: The published weights of this architecture, if there are any.
        options: The options that the model was built with.

    Raises:
        ModelError: The weights are absent, damaged, or of another model.
    """
    input_shape = tuple(model.inputs[0].shape[1:])
    if isinstance(weights, str) and weights == "imagenet":
        if source is None:
            raise ModelError(
                f"There are no ImageNet weights for {model.name!r}; use weights=None "
                "or the path of a file."
            )
        published = source.imagenet(input_shape, options)
        _fill(model, source.adapt(source.convert(published), model), "imagenet")
        return
    path = _existing_file(weights)
    if path.suffix == ".keras":
        arrays = _from_keras_file(path, source)
    else:
        arrays = _from_h5_file(path, model, source, input_shape, options)
    if source is not None:
        arrays = source.adapt(arrays, model)
    _fill(model, arrays, str(path))


def _existing_file(weights: str | os.PathLike) -> Path:
    if not isinstance(weights, str | os.PathLike):
        raise ModelError(
            f"`weights` must be None, 'imagenet' or a path, got {weights!r}."
        )
    path = Path(weights)
    if not path.is_file():
        hint = nearest(str(weights), ["imagenet"])
        raise ModelError(
            f"There is no weights file {path}; `weights` is None, 'imagenet' or the "
            "path of a .weights.h5 or .keras file."
            + (f" {hint}" if "mean" in hint else "")
        )
    if not path.name.endswith((".keras", ".h5")):
        raise ModelError(
            f"{path} is no weights file that can be read; expected .keras, .weights.h5 "
            "or a .h5 file of keras.applications."
        )
    return path


def _from_keras_file(path: Path, source: Source | None) -> Arrays:
    saved = flatten(load_model(path))
    ours = any(layer.name == _OURS for layer in saved.layers)
    return arrays_of(saved) if ours or source is None else source.convert(saved)


def _from_h5_file(
    path: Path,
    model: keras.Model,
    source: Source | None,
    input_shape: tuple,
    options: dict[str, Any],
) -> Arrays:
    try:
        with h5py.File(path, "r") as file:
            saved = _named_groups(file)
            if _OURS in saved or (saved and source is None):
                templates = {layer.name: layer for layer in weighted_layers(model)}
                return {
                    name: _arrays_in(group, templates.get(name))
                    for name, group in saved.items()
                }
            if "model_config" in file.attrs:
                raise ModelError(
                    f"{path} is a whole model in the old HDF5 format; load it with "
                    "keras.models.load_model and save it as .keras."
                )
    except OSError as error:
        raise ModelError(
            f"{path} is damaged or no HDF5 file ({first_line(error)}); fetch or save "
            "it again."
        ) from None
    if source is None:
        raise ModelError(
            f"{path} holds no layers that Keras 3 saved; expected the weights of a "
            f"{model.name!r} that kerakd built, saved as .weights.h5 or .keras."
        )
    reference = source.reference(input_shape, options)
    try:
        reference.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(
            f"{path} fits neither {model.name!r} nor its published backbone: "
            f"{_mismatch(error)}. Was it made by another model, or with other options "
            f"than {options or 'the defaults'}?"
        ) from error
    return source.convert(reference)


def _mismatch(error: Exception) -> str:
    """The one telling line of Keras's account of a file that does not fit."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "expected" in line.lower()]
    return (telling or lines or [type(error).__name__])[0].rstrip(".")[:240]


def _named_groups(file: h5py.File) -> dict[str, h5py.Group]:
    """The saved layers by the names that Keras notes beside their variables."""
    return {
        str(group["vars"].attrs["name"]): group
        for group in file.get("layers", {}).values()
        if "vars" in group and "name" in group["vars"].attrs
    }


def _arrays_in(group: h5py.Group, layer: keras.layers.Layer | None) -> list[np.ndarray]:
    """The weights of one saved layer in the order of `layer.weights`."""
    own = _variables(group)
    inner = [key for key in group if key != "vars" and "seed_generator" not in key]
    if not inner or layer is None:
        return own
    # A layer made of layers: the file names each by the attribute that holds it.
    by_variable = dict(zip(_ids(layer, own), own, strict=False))
    for key in inner:
        part = getattr(layer, key, None)
        if isinstance(part, keras.layers.Layer):
            arrays = _arrays_in(group[key], part)
            by_variable.update(zip(map(id, part.weights), arrays, strict=False))
    return [by_variable[id(v)] for v in layer.weights if id(v) in by_variable]


def _ids(layer: keras.layers.Layer, own: list) -> list[int]:
    """The variables that a layer holds itself; Keras lists them first."""
    return [id(variable) for variable in layer.weights[: len(own)]]


def _variables(group: h5py.Group) -> list[np.ndarray]:
    variables = group.get("vars", {})
    return [np.asarray(variables[key]) for key in sorted(variables, key=int)]


def _fill(model: keras.Model, arrays: Arrays, origin: str) -> None:
    """Set every layer from `arrays`; only the head may stay as it is."""
    head = {id(layer) for layer in head_layers(model)}
    fresh = []
    for layer in weighted_layers(model):
        wanted = [tuple(v.shape) for v in layer.weights]
        got = [tuple(a.shape) for a in arrays.get(layer.name, [])]
        if wanted == got:
            layer.set_weights(arrays[layer.name])
        elif id(layer) in head:
            fresh.append(layer.name)
        else:
            raise ModelError(
                f"{origin} does not fit {model.name!r}: its layer {layer.name!r} needs "
                f"the shapes {wanted} and the file has {got or 'no such layer'}. Was "
                "it made by another model or with other options?"
            )
    if fresh:
        warnings.warn(
            f"{origin}: the backbone was taken; {', '.join(fresh)} of {model.name!r} "
            "stays new and untrained, since the file has none for these classes.",
            stacklevel=4,
        )
