"""Keras model in, checked LiteRT file out."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerakd.compress.acceptance import (
    check_agreement,
    check_weights_inside,
    first_images,
)
from kerakd.compress.backends import CONVERTER, ConverterBackend
from kerakd.compress.calibration import LEAST, Representative, representative
from kerakd.compress.converter import to_flatbuffer
from kerakd.compress.dynamic import mend
from kerakd.compress.flatbuffer import OUTPUT, peak_activations, sign
from kerakd.compress.integer import to_int8
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.modes import MODES
from kerakd.compress.precision import in_float32
from kerakd.compress.requests import (
    check_class_names,
    check_integer_options,
    check_json,
    check_model,
    check_options,
)
from kerakd.compress.rewrites import take_float32, take_uint8
from kerakd.compress.slim import slim
from kerakd.compress.writing import Export, write_export
from kerakd.errors import DataError

if TYPE_CHECKING:
    import keras

_IN_WORDS = {"pixels": "raw pixels in 0..255", "values": "as the model takes them"}
_TAKING = {"uint8": take_uint8, "float32": take_float32}


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
    inputs: str = "pixels",
    input_dtype: str | None = None,
    backend: str = "auto",
    integer_only: bool = False,
    sensitive: str | list[str] | None = None,
    calibration_images: int = 200,
    seed: int = 0,
) -> Export:
    """Export a Keras model as a LiteRT (`.tflite`) file that was checked.

    The file takes raw pixels in 0..255 (or what `inputs` says) and gives logits:
    float32, or 8-bit integers in mode int8. Before it takes its name it is run with
    LiteRT and compared with Keras: its weights must be in it, and its logits finite and
    near Keras's. A model that trained under mixed precision is exported in float32.

    In mode int8 two back ends quantise the model; operators that would run outside of
    LiteRT's fast CPU kernels (XNNPACK) are left in float or split into others, and the
    fastest file whose logits are near is taken, by measurement on this machine. The
    report says what was tried. The Keras model is not changed.

    Args:
        model: A functional or built Sequential model, one image input of a fixed size,
            one output of logits (classes last).
        mode: `"float32"`; `"float16"` (weights stored in half precision, computed in
            float32; half the size); `"dynamic"` (weights of 1024 values and more in
            8 bits, of convolutions and dense layers alike, activations float; a quarter
            of the size; with 32 images and more kernels are rounded so that their
            errors cancel on these, where that helps); `"int8"`
            (weights and activations in 8 bits; a quarter of the size, and faster);
            `"int16x8"` (activations in 16 bits, float32 in and out; nearer to float,
            and far slower, as XNNPACK has no such kernels).
        representative_data: Training images, raw pixels in 0..255 (or values, see
            `inputs`): an array `(N, H, W, C)`, a `tf.data.Dataset` or another iterable
            of batches, `kerakd.data.ImageBatches`, for the integer modes also
            `kerakd.data.Samples`, and of values `kerakd.data.volumes.SliceBatches`. The
            integer modes need at least 100 of them, see `representative`. The file is
            compared with Keras on 64 of them, and on 8 random images where a mode needs
            none and none are given.
        path: The file to write, ending in `.tflite`. `<path>.json` is written too.
        class_names: Names of the logits, stored in the file.
        batch_size: Images per call, 1 by default; `None` for any (slower to convert,
            and slower to run for some networks).
        preprocessing: What is done to an image before it is given to the file, JSON.
            Defaults to kerakd's own: decoded to the model's channels, resized.
        provenance: Where the model comes from (recipe, data, metrics ...), JSON.
        threads: CPU threads of the check. Defaults to 2.
        inputs: What the model takes: `"pixels"` in 0..255, or `"values"` that were
            made of them before, such as the z-scores of a segmentation.
        input_dtype: Of int8 files. Of pixels `"uint8"` (default) takes the bytes of an
            image as they are, `"int8"` takes them less 128. Of values `"float32"`
            (default) takes them as they are, and the file's first operator rounds them;
            `"int8"` takes them rounded by the scale and zero point of the input.
            Logits are int8 with scale and zero point.
        backend: Of int8 files: `"converter"`, `"ai_edge_quantizer"`, or `"auto"` for
            the better of the two.
        integer_only: Of int8 files: whether no operator may be left in float, as some
            accelerators ask.
        sensitive: Of int8 files: `"auto"` looks for the layers that harm the logits and
            leaves them in float where that helps; a list names Keras layers to be left
            in float.
        calibration_images: How many representative images are drawn, at least 100.
        seed: Of that draw.

    Returns:
        An `Export`.

    Raises:
        RecipeError: The mode, `path`, `class_names`, `batch_size` or another option
            cannot be used.
        DataError: An integer mode has too few representative images, or images that
            are no raw pixels.
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
    input_dtype = check_integer_options(
        mode, backend, inputs, input_dtype, integer_only, sensitive
    )
    shape = check_model(model)
    classes = model.outputs[0].shape[-1]
    class_names = check_class_names(class_names, classes)
    preprocessing = check_json("preprocessing", preprocessing)
    provenance = check_json("provenance", provenance)

    about: dict[str, Any] = {}
    if MODES[mode].calibrated:
        if representative_data is None:
            raise DataError(
                f"Mode {mode} needs representative_data: at least {LEAST} training "
                f"images, {_IN_WORDS[inputs]}, by which the ranges of activations are "
                "found."
            )
        drawn = representative(
            representative_data, shape, calibration_images, seed, inputs
        )
        representative_data = drawn.judged

    twin = in_float32(model)
    kind = "float32" if MODES[mode].calibrated else mode
    flatbuffer = to_flatbuffer(twin, kind, (batch_size, *shape))
    if MODES[mode].calibrated:
        options = {
            "backend": backend,
            "integer_only": integer_only,
            "sensitive": sensitive,
            "inputs": inputs,
            "input_dtype": input_dtype,
        }
        flatbuffer, about = _integers(twin, mode, flatbuffer, drawn, options, threads)
    elif mode == "dynamic":
        given = None
        if representative_data is not None:
            given = first_images(representative_data, shape)
            representative_data = given
        reference = to_flatbuffer(twin, "float32", (batch_size, *shape))
        flatbuffer, about["prepared"] = mend(flatbuffer, reference, given)
    flatbuffer = slim(flatbuffer)
    check_weights_inside(twin, mode, len(flatbuffer))
    litert = LiteRTModel.from_content(flatbuffer, threads, "the exported file")
    report = check_agreement(twin, litert, mode, representative_data, shape, inputs)
    report |= litert.operators()
    report["peak_activation_bytes"] = peak_activations(flatbuffer)
    report |= about
    return write_export(
        path,
        flatbuffer,
        litert,
        model,
        mode,
        report,
        inputs=inputs,
        class_names=class_names,
        preprocessing=preprocessing,
        provenance=provenance,
    )


def _integers(
    model: "keras.Model",
    mode: str,
    flatbuffer: bytes,
    drawn: Representative,
    options: dict[str, Any],
    threads: int,
) -> tuple[bytes, dict[str, Any]]:
    """The integer flatbuffer, and what its report says beside the agreement."""
    about: dict[str, Any] = {"representative": drawn.as_dict()}
    if mode == "int16x8":
        content = sign(ConverterBackend(flatbuffer, drawn.images).int16x8())
        return content, about | {"backend": CONVERTER}
    sensitive = options["sensitive"]
    if isinstance(sensitive, list | tuple):
        last = model.layers[-1].name
        sensitive = [OUTPUT if name == last else name for name in sensitive]
    choice = to_int8(
        flatbuffer,
        drawn.images,
        backend=options["backend"],
        integer_only=options["integer_only"],
        sensitive=sensitive,
        threads=threads,
        pixels=options["inputs"] == "pixels",
    )
    content = choice.content
    if options["input_dtype"] in _TAKING:
        content = _TAKING[options["input_dtype"]](content)
    about |= choice.report | {"int8_over_float32": choice.ratio}
    if choice.ratio > 1:
        about["warning"] = (
            f"int8 takes {choice.ratio:.2f} times as long as float32 on this machine"
        )
        warnings.warn(
            f"The int8 file of model {model.name!r} takes {choice.ratio:.2f} times as "
            "long as float32 on this machine; see report['candidates'], or export "
            "float16.",
            stacklevel=3,
        )
    return sign(content), about
