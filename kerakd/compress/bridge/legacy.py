"""The one place where tf_keras and TFMOT are imported.

TFMOT knows Keras 2 alone, which lives on as the package tf_keras. On import it sets the
environment variable TF_USE_LEGACY_KERAS and makes TensorFlow's own `keras` attribute,
and those of `compat.v1` and `compat.v2`, load tf_keras, for the whole process. They
are resolved before and put back after, so that a program that uses Keras 3 by them
notices nothing.
"""

import os
from typing import Any

from kerakd.compress.silence import quiet
from kerakd.errors import KerakdError

_VARIABLE = "TF_USE_LEGACY_KERAS"
_imported: dict[str, Any] = {}


def tf_keras() -> Any:
    """The package tf_keras, Keras 2 as TFMOT takes it.

    Raises:
        KerakdError: It is not installed.
    """
    if "tf_keras" not in _imported:
        _import("tf_keras")
    return _imported["tf_keras"]


def tfmot() -> Any:
    """The package tensorflow_model_optimization.

    Raises:
        KerakdError: It is not installed.
    """
    if "tensorflow_model_optimization" not in _imported:
        tf_keras()
        _import("tensorflow_model_optimization")
    return _imported["tensorflow_model_optimization"]


def _import(name: str) -> None:
    import importlib

    import tensorflow as tf

    before = os.environ.get(_VARIABLE)
    places = [vars(tf), vars(tf.compat.v1), vars(tf.compat.v2)]
    for module in (tf, tf.compat.v1, tf.compat.v2):
        # The attribute is a lazy loader that asks the environment when first used;
        # used now, it stays what it would have been.
        getattr(module, "keras").layers  # noqa: B009, B018
    found = [place["keras"] for place in places]
    try:
        with quiet():
            _imported[name] = importlib.import_module(name)
    except ImportError as error:
        raise KerakdError(
            f"The package {name} is needed to compress a model in training and cannot "
            f"be imported ({error}); install it: pip install "
            f"{name.replace('_', '-')}."
        ) from error
    finally:
        for place, module in zip(places, found, strict=True):
            place["keras"] = module
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before
