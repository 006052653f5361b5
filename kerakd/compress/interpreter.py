"""Run an exported file with LiteRT; TensorFlow is not needed for it."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.compress.metadata import parse_metadata, read_content
from kerakd.compress.silence import quiet
from kerakd.errors import DataError, ModelError, RecipeError

# Any-batch files take this many images in one call: memory stays bounded.
_CHUNK = 32
_TRANSPARENT = ("RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE", "CAST")


class LiteRTModel:
    """A `.tflite` file that is called like a model.

    The file is read once and checked (identifier, structure, and the SHA-256 that
    kerakd recorded); what runs are the bytes that were checked. One object serves one
    thread at a time.

    Args:
        path: A `.tflite` file with one image input and one output.
        threads: CPU threads of the interpreter, at least 1. Defaults to 2.

    Attributes:
        path: The file.
        metadata: What the file tells about itself (`kerakd.compress.read_metadata`).
        class_names: Tuple of class names, or `None` where the file has none.
        input_shape: `(batch, height, width, channels)`; `None` for any batch.
        output_shape: Shape of the logits, `None` for any batch.
        bytes: Size of the file.

    Raises:
        ModelError: The file is absent, damaged, no LiteRT model, or of a kind that
            takes or gives more than one tensor.
        RecipeError: `threads` is below 1.

    Example:

    ```python
    model = kerakd.compress.LiteRTModel("run/student_float32.tflite")
    logits = model(images)          # (B, H, W, C), raw pixels 0..255 -> (B, classes)
    ```
    """

    def __init__(self, path: str | os.PathLike, threads: int = 2):
        self._load(read_content(path), str(path), threads)
        self.path = Path(path)

    @classmethod
    def from_content(
        cls, content: bytes, threads: int = 2, name: str = "the model"
    ) -> "LiteRTModel":
        """A model from a file's content in memory; `name` is for the errors."""
        model = cls.__new__(cls)
        model._load(content, name, threads)
        model.path = None
        return model

    def _load(self, content: bytes, name: str, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        if threads < 1:
            raise RecipeError(f"threads must be at least 1, not {threads}.")
        self._name = name
        self.bytes = len(content)
        self.metadata = parse_metadata(content, name)
        names = self.metadata.get("class_names")
        self.class_names = tuple(map(str, names)) if names else None
        try:
            with quiet():
                self._interpreter = Interpreter(
                    model_content=content, num_threads=threads
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"{name} cannot be loaded by LiteRT ({_first_line(error)}); it is "
                "damaged or needs another runtime: copy or export the file again."
            ) from error
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0]["shape"]) != 4:
            raise ModelError(
                f"{name} has {len(inputs)} inputs and {len(outputs)} outputs of shapes "
                f"{[_shape(d) for d in inputs + outputs]}; expected one input "
                "(batch, height, width, channels) and one output."
            )
        self._input, self._output = inputs[0], outputs[0]
        self.input_shape = _shape(self._input)
        self.output_shape = _shape(self._output)

    @property
    def input_details(self) -> dict[str, Any]:
        """Name, shape, dtype and quantisation of the input, JSON-able."""
        return _details(self._input)

    @property
    def output_details(self) -> dict[str, Any]:
        """Name, shape, dtype and quantisation of the output, JSON-able."""
        return _details(self._output)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Logits of a batch of images.

        Args:
            images: Raw pixels in 0..255, shape `(B, H, W, C)`, float or uint8, any B.

        Returns:
            float32 array of shape `(B, classes)`, or `(B, H, W, classes)` of a
            segmentation model.

        Raises:
            DataError: The images have another shape than the model takes.
        """
        images = np.asarray(images)
        fixed = self.input_shape[0]
        if images.ndim != 4 or images.shape[1:] != self.input_shape[1:]:
            raise DataError(
                f"{self._name} takes images of shape (batch, "
                f"{', '.join(map(str, self.input_shape[1:]))}), not {images.shape}; "
                "resize them with kerakd.data.resize."
            )
        if len(images) == 0:
            return np.zeros((0, *self.output_shape[1:]), np.float32)
        size = fixed or min(len(images), _CHUNK)
        logits = [
            self._run(images[start : start + size], size)
            for start in range(0, len(images), size)
        ]
        return np.concatenate(logits)

    def _run(self, images: np.ndarray, size: int) -> np.ndarray:
        """Logits of at most `size` images, in one invocation."""
        count = len(images)
        if self.input_shape[0] is not None and count < size:
            # The last images of a file with a fixed batch.
            rest = np.repeat(images[-1:], size - count, axis=0)
            images = np.concatenate([images, rest])
        self.load(images)
        self.invoke()
        logits = self._interpreter.get_tensor(self._output["index"])
        return _dequantize(logits, self._output)[:count]

    def load(self, images: np.ndarray) -> None:
        """Put a batch of raw pixels into the input, for `invoke`."""
        if self.input_shape[0] is None:
            count = len(images)
            if self._interpreter.get_input_details()[0]["shape"][0] != count:
                shape = [count, *self.input_shape[1:]]
                self._interpreter.resize_tensor_input(self._input["index"], shape)
                with quiet():
                    self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(
            self._input["index"], _quantize(images, self._input)
        )

    def invoke(self) -> None:
        """Run the model on what its input holds; this is what timings time."""
        self._interpreter.invoke()

    def operators(self) -> dict[str, Any]:
        """Which operators the file has, and which of them the CPU delegate left.

        Returns:
            `operators` (name to count), `partitions` (how many pieces XNNPACK runs; 1
            is best) and `outside_xnnpack` (name to count of operators that run
            outside it, often far slower).
        """
        nodes = self._interpreter._get_ops_details()
        delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
        nodes = [node for node in nodes if node["op_name"] != "DELEGATE"]
        producer = {int(t): node for node in nodes for t in node["outputs"]}
        inside: set[int] = set()
        for delegate in delegates:
            given = set(map(int, delegate["inputs"]))
            wanted = list(map(int, delegate["outputs"]))
            while wanted:
                node = producer.get(wanted.pop())
                if node is None or node["index"] in inside:
                    continue
                inside.add(node["index"])
                wanted += [int(t) for t in node["inputs"] if int(t) not in given]
        return {
            "operators": dict(Counter(node["op_name"] for node in nodes)),
            "partitions": len(delegates),
            "outside_xnnpack": dict(
                Counter(n["op_name"] for n in nodes if n["index"] not in inside)
            ),
        }

    def last_operator(self) -> str:
        """Name of the operator that computes the output, such as `FULLY_CONNECTED`.

        Operators that only change shape or number format are looked through.
        """
        nodes = self._interpreter._get_ops_details()
        producer = {
            int(tensor): node
            for node in nodes
            if node["op_name"] != "DELEGATE"
            for tensor in node["outputs"]
        }
        node = producer.get(self._output["index"])
        while node is not None and node["op_name"] in _TRANSPARENT:
            before = producer.get(int(node["inputs"][0]))
            if before is None:
                break
            node = before
        return node["op_name"] if node else ""


def _shape(details: dict[str, Any]) -> tuple[int | None, ...]:
    """A tensor's shape as the file states it, `None` for any size."""
    return tuple(None if n < 0 else int(n) for n in details["shape_signature"])


def _details(details: dict[str, Any]) -> dict[str, Any]:
    """The part of LiteRT's tensor details that is of use to a reader, JSON-able."""
    scale, zero_point = details["quantization"]
    result = {
        "name": details["name"],
        "shape": list(_shape(details)),
        "dtype": np.dtype(details["dtype"]).name,
    }
    if scale:
        result |= {"scale": float(scale), "zero_point": int(zero_point)}
    return result


def _quantize(images: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Pixels in the type that the file takes."""
    dtype = np.dtype(details["dtype"])
    scale, zero_point = details["quantization"]
    if not scale:
        return np.ascontiguousarray(images, dtype)
    limits = np.iinfo(dtype)
    values = np.rint(images.astype(np.float32) / scale) + zero_point
    return np.clip(values, limits.min, limits.max).astype(dtype)


def _dequantize(logits: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Logits as float32, whatever type the file gives."""
    scale, zero_point = details["quantization"]
    logits = logits.astype(np.float32)
    return (logits - zero_point) * np.float32(scale) if scale else logits


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0].rstrip(".")
