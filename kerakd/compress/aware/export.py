"""An 8-bit file of a network that learned with rounded tensors."""

from pathlib import Path
from typing import Any

import numpy as np

from kerakd.compress.acceptance import check_weights_inside
from kerakd.compress.agreement import verify
from kerakd.compress.flatbuffer import sign
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.modes import MODES
from kerakd.compress.silence import quiet
from kerakd.compress.slim import slim
from kerakd.compress.writing import Export, write_export
from kerakd.errors import ModelError

_CHECKED = 64
# LiteRT rounds each operator once more than the network that was trained.
_TOLERANCE = MODES["int8"].tolerance


def convert(whole: Any) -> bytes:
    """The flatbuffer of a wrapped network: bytes in and out, ranges as learned.

    Raises:
        ModelError: An operator computes in float.
    """
    import tensorflow as tf

    shape = (1, *whole.input_shape[1:])
    with quiet():
        function = tf.function(lambda x: whole(x, training=False), autograph=False)
        concrete = function.get_concrete_function(
            tf.TensorSpec(shape, tf.float32, name="images")
        )
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.int8
        return converter.convert()


def float_operators(flatbuffer: bytes) -> dict[str, int]:
    """Name to count of the operators that read or give floating-point numbers."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(model_content=flatbuffer)
        interpreter.allocate_tensors()
    dtypes = {
        d["index"]: np.dtype(d["dtype"]) for d in interpreter.get_tensor_details()
    }
    found: dict[str, int] = {}
    for node in interpreter._get_ops_details():
        tensors = [int(t) for t in (*node["inputs"], *node["outputs"])]
        if node["op_name"] != "DELEGATE" and any(
            t in dtypes and dtypes[t].kind == "f" for t in tensors
        ):
            found[node["op_name"]] = found.get(node["op_name"], 0) + 1
    return found


def _check_rounded(
    whole: Any, name: str, litert: LiteRTModel, images: np.ndarray
) -> dict[str, float]:
    """Compare the file with the network whose tensors were rounded in training.

    The Keras 3 model is no measure: without rounding it may have become another one.
    """
    expected = np.concatenate(
        [
            np.asarray(whole(images[i : i + 16], training=False))
            for i in range(0, len(images), 16)
        ]
    )
    difference = np.abs(expected - litert(images))
    relative = float(difference.max() / max(np.abs(expected).max(), 1e-12))
    if not relative <= _TOLERANCE:
        raise ModelError(
            f"The exported file of model {name!r} differs by {relative:.2g} of the "
            "largest logit from the network that was trained (at most "
            f"{_TOLERANCE:g} is allowed); it was not written."
        )
    return {
        "max_abs_difference": float(difference.max()),
        "mean_abs_difference": float(difference.mean()),
        "relative": relative,
    }


def export(
    whole: Any,
    model: Any,
    path: Path,
    images: Any,
    class_names: list[str] | None,
    preprocessing: dict[str, Any] | None,
    provenance: dict[str, Any],
    threads: int,
) -> Export:
    """Write a wrapped network as a checked int8 file.

    Args:
        whole: The wrapped network.
        model: The Keras 3 model with the weights that it learned.
        path: The file.
        images: On which the file is compared with both.
        class_names: Stored in the file.
        preprocessing: As in `kerakd.compress.quantize`.
        provenance: As there.
        threads: As there.

    Raises:
        ModelError: An operator is left in float, or the file differs from `whole`.
    """
    flatbuffer = convert(whole)
    left = float_operators(flatbuffer)
    if left:
        raise ModelError(
            f"Operators of {model.name!r} are left in float: "
            f"{', '.join(f'{n} {name}' for name, n in left.items())}; the file was "
            "not written."
        )
    flatbuffer = slim(sign(flatbuffer))
    check_weights_inside(model, "int8", len(flatbuffer))
    litert = LiteRTModel.from_content(flatbuffer, threads, "the exported file")
    images = images[:_CHECKED]
    report = {"pixels": "given"} | verify(model, litert, images)
    report["rounded_network"] = _check_rounded(whole, model.name, litert, images)
    report |= litert.operators() | {"float_operators": left}
    return write_export(
        path,
        flatbuffer,
        litert,
        model,
        "int8",
        report,
        # Bytes that mean themselves are pixels; else they are rounded z-scores.
        inputs="pixels" if litert.input_details.get("scale") == 1 else "values",
        class_names=class_names,
        preprocessing=preprocessing,
        provenance=provenance,
    )
