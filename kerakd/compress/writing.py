"""An exported file, and what is written of it: the file itself and its sidecar."""

import dataclasses
import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kerakd
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.metadata import append_metadata
from kerakd.errors import ModelError
from kerakd.files import replacing

if TYPE_CHECKING:
    import keras

_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "ai-edge-quantizer")


@dataclasses.dataclass(frozen=True)
class Export:
    """An exported file and what was measured on it.

    Attributes:
        path: The `.tflite` file. Its metadata lie beside it too, as `<name>.json`.
        mode: `"float32"`, `"float16"`, `"dynamic"`, `"int8"` or `"int16x8"`.
        bytes: Size of the file.
        parameters: Parameters of the Keras model.
        report: `verify`'s dict on the images given (or on random ones, as `pixels`
            says), `LiteRTModel.operators()` and `peak_activation_bytes`. Of integer
            modes also `representative` and `backend`; of int8 `reason`, `candidates`
            and `int8_over_float32`, and a `warning` where it is slower than float32.
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


def write_export(
    path: Path,
    flatbuffer: bytes,
    litert: LiteRTModel,
    model: "keras.Model",
    mode: str,
    report: dict[str, Any],
    *,
    inputs: str = "pixels",
    class_names: list[str] | None = None,
    preprocessing: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
) -> Export:
    """Put into a flatbuffer what is to be known about it, and write both or nothing.

    Args:
        path: The file to write; `<path>.json` is written too.
        flatbuffer: The model that was checked.
        litert: The same, loaded.
        model: The Keras model that it was made of.
        mode: As in `kerakd.compress.quantize`.
        report: What was measured on it.
        inputs: `"pixels"` or `"values"`.
        class_names: Names of the logits.
        preprocessing: What is done to an image before; kerakd's own of pixels if
            `None`.
        provenance: Where the model comes from.

    Raises:
        ModelError: The file was not written whole.
        KerakdError: `path` cannot be written.
    """
    shape = tuple(model.input_shape[1:])
    metadata = {
        "format": 1,
        "kerakd": kerakd.__version__,
        "model": model.name,
        "task": "segmentation" if len(litert.output_shape) == 4 else "classification",
        "mode": mode,
        "parameters": model.count_params(),
        "multiply_adds": _multiply_adds(model),
        "class_names": class_names,
        "input": litert.input_details,
        "output": litert.output_details | {"values": "logits"},
        "inputs": inputs,
        "preprocessing": preprocessing or _preprocessing(shape, inputs),
        "provenance": provenance or {},
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
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


def _preprocessing(shape: tuple[int, int, int], inputs: str) -> dict[str, Any]:
    """What is done to an image, where the caller does not tell."""
    return _own_preprocessing(shape) if inputs == "pixels" else {"values": "not told"}


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


def _multiply_adds(model: "keras.Model") -> int | None:
    """Of one image; `None` where a layer of the user's own cannot be counted."""
    from kerakd.models import multiply_adds

    try:
        return multiply_adds(model)
    except ModelError:
        return None


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
