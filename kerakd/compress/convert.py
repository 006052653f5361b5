"""Keras model in, checked LiteRT file out."""

import dataclasses
import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kerakd
from kerakd.compress.acceptance import check_agreement, check_weights_inside
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.metadata import append_metadata
from kerakd.compress.precision import in_float32
from kerakd.compress.requests import (
    check_class_names,
    check_json,
    check_model,
    check_options,
)
from kerakd.compress.silence import quiet
from kerakd.errors import ModelError
from kerakd.files import replacing

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Export:
    """An exported file and what was measured on it.

    Attributes:
        path: The `.tflite` file. Its metadata lie beside it too, as `<name>.json`.
        mode: `"float32"`, `"float16"` or `"dynamic"`.
        bytes: Size of the file.
        parameters: Parameters of the Keras model.
        report: `verify`'s dict on the images given (or on random ones, as `pixels`
            says), and `LiteRTModel.operators()`.
        inputs: Name, shape and dtype of the input.
        outputs: Name, shape and dtype of the output.
    """

    path: Path
    mode: str
    bytes: int
    parameters: int
    report: dict[str, Any]
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-able."""
        return dataclasses.asdict(self) | {"path": str(self.path)}


def quantize(
    model: "keras.Model",
    mode: str = "float32",
    representative_data: Any = None,
    *,
    path: str | os.PathLike,
    class_names: tuple[str, ...] | list[str] | None = None,
    batch_size: int | None = 1,
    preprocessing: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    threads: int = 2,
) -> Export:
    """Export a Keras model as a LiteRT (`.tflite`) file that was checked.

    The file takes raw pixels in 0..255 as float32 and gives logits. Before it takes
    its name it is run with LiteRT and compared with Keras: its weights must be in it,
    and its logits finite and near Keras's. A model that trained under mixed precision
    is exported in float32.

    Args:
        model: A functional or built Sequential model, one image input of a fixed size,
            one output of logits (classes last).
        mode: `"float32"`; `"float16"` (weights stored in half precision, computed in
            float32; half the size); `"dynamic"` (weights of 1024 values and more in
            8 bits, activations float; a quarter of the size, and slower than float32
            for depthwise networks).
        representative_data: Images the model will see, raw pixels in 0..255: an array
            `(N, H, W, C)`, a `tf.data.Dataset` or another iterable of batches, or
            `kerakd.data.ImageBatches`. These modes compare the file with Keras on the
            first 64 of them, and on 8 random images where none are given.
        path: The file to write, ending in `.tflite`. `<path>.json` is written too.
        class_names: Names of the logits, stored in the file.
        batch_size: Images per call, 1 by default; `None` for any (slower to convert,
            and slower to run for some networks).
        preprocessing: What is done to an image before it is given to the file, JSON.
            Defaults to kerakd's own: decoded to the model's channels, resized.
        provenance: Where the model comes from (recipe, data, metrics ...), JSON.
        threads: CPU threads of the check. Defaults to 2.

    Returns:
        An `Export`.

    Raises:
        RecipeError: The mode, `path`, `class_names` or `batch_size` cannot be used.
        ModelError: The model cannot be exported, or the file differs from it.
        KerakdError: `path` cannot be written; nothing is left behind.

    Example:

    ```python
    export = kerakd.compress.quantize(
        student, "float32", images, path="run/student_float32.tflite",
        class_names=["glioma", "meningioma", "notumor", "pituitary"],
    )
    print(export.bytes, export.report["max_abs_difference"])
    ```
    """
    path = Path(path)
    check_options(mode, path, batch_size)
    shape = check_model(model)
    classes = model.outputs[0].shape[-1]
    class_names = check_class_names(class_names, classes)
    preprocessing = check_json("preprocessing", preprocessing)
    provenance = check_json("provenance", provenance)

    twin = in_float32(model)
    flatbuffer = _convert(twin, mode, (batch_size, *shape))
    check_weights_inside(twin, mode, len(flatbuffer))
    litert = LiteRTModel.from_content(flatbuffer, threads, "the exported file")
    report = check_agreement(twin, litert, mode, representative_data, shape)
    report |= litert.operators()
    metadata = {
        "format": 1,
        "kerakd": kerakd.__version__,
        "model": model.name,
        "task": "segmentation" if len(litert.output_shape) == 4 else "classification",
        "mode": mode,
        "parameters": model.count_params(),
        "class_names": class_names,
        "input": litert.input_details,
        "output": litert.output_details | {"values": "logits"},
        "preprocessing": preprocessing or _own_preprocessing(shape),
        "provenance": provenance or {},
        "versions": _versions(),
        "report": report,
    }
    content = append_metadata(flatbuffer, metadata)
    _write(path, content, metadata)
    return Export(
        path=path,
        mode=mode,
        bytes=len(content),
        parameters=model.count_params(),
        report=report,
        inputs=litert.input_details,
        outputs=litert.output_details,
    )


def _convert(
    model: "keras.Model", mode: str, shape: tuple[int | None, int, int, int]
) -> bytes:
    """The converter's flatbuffer, in silence."""
    import tensorflow as tf

    def logits(images):
        return model(images, training=False)

    with quiet():
        # Autograph would leave generated source files in the temporary folder.
        function = tf.function(logits, autograph=False)
        concrete = function.get_concrete_function(
            tf.TensorSpec(shape, tf.float32, name="images")
        )
        # Without a second argument, as it freezes the weights into the graph; given a
        # Keras 3 model there, the converter leaves them outside of the file.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        if mode != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "float16":
            converter.target_spec.supported_types = [tf.float16]
        try:
            return converter.convert()
        except Exception as error:  # its ConverterError has no public name
            if type(error).__name__ != "ConverterError":
                raise
            raise ModelError(_explain(error, model.name)) from error


def _explain(error: Exception, name: str) -> str:
    """One sentence from the converter's pages."""
    lacking = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
    if lacking:
        return (
            f"Model {name!r} uses operators that LiteRT lacks: {', '.join(lacking)}; "
            "build these layers from others."
        )
    line = (str(error).strip() or "it gives no reason").splitlines()[0]
    return f"The converter refuses model {name!r}: {line}"


def _own_preprocessing(shape: tuple[int, int, int]) -> dict[str, Any]:
    """What kerakd.data.decode and resize do, in words that a phone's author needs."""
    height, width, channels = shape
    return {
        "color": "grey (ITU-R 601 luma)" if channels == 1 else "RGB",
        "resize": {
            "height": height,
            "width": width,
            "method": "bilinear, antialiased (Pillow)",
        },
        "pixels": "0..255, not normalised: the model does that itself",
    }


def _versions() -> dict[str, str]:
    import importlib.metadata

    packages = ("tensorflow", "keras", "ai-edge-litert")
    return {name: importlib.metadata.version(name) for name in packages}


def _write(path: Path, content: bytes, metadata: dict[str, Any]) -> None:
    """Write the file and its sidecar, both or none."""
    sidecar = path.with_name(path.name + ".json")
    about = metadata | {
        "file": {
            "name": path.name,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    }
    with replacing(sidecar) as temporary_sidecar, replacing(path) as temporary:
        text = json.dumps(about, indent=2, allow_nan=False)
        temporary_sidecar.write_text(text + "\n", encoding="utf-8")
        temporary.write_bytes(content)
        if temporary.stat().st_size != len(content):
            raise ModelError(f"{path} was not written whole; try again.")
