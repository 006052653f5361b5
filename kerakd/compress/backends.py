"""Two quantisers of one float32 model: TensorFlow's converter, ai-edge-quantizer.

Both read the same signed flatbuffer and calibrate once, so that one model can be
quantised many times with other operators left in float. What is taken of TensorFlow's
private side (`Calibrator`, `mlir_quantize`, which its own QuantizationDebugger is made
of) is taken here and nowhere else.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from kerakd.compress.flatbuffer import INPUT, SIGNATURE
from kerakd.compress.silence import quiet
from kerakd.errors import ModelError

CONVERTER, EDGE = "converter", "ai_edge_quantizer"


class ConverterBackend:
    """TensorFlow Lite's own quantiser.

    Args:
        flatbuffer: A float32 model.
        images: float32 `(N, H, W, C)`, raw pixels.
    """

    name = CONVERTER

    def __init__(self, flatbuffer: bytes, images: np.ndarray):
        from tensorflow.lite.python.optimize.calibrator import Calibrator

        self._flatbuffer = flatbuffer
        self._images = images
        with quiet(), _refusals(self.name):
            self._calibrated = Calibrator(flatbuffer).calibrate(self._feed)

    def quantize(
        self, operators: Iterable[str] = (), tensors: Iterable[str] = ()
    ) -> bytes:
        """The int8 model, but for what is named.

        Args:
            operators: Kinds of operators left in float, such as `"HARD_SWISH"`.
            tensors: Operators left in float, by the name of the tensor they give.
        """
        return self._mlir_quantize(operators, tensors, verify=False)

    def quantize_verifying(self) -> bytes:
        """The int8 model with an operator after each that measures its error."""
        return self._mlir_quantize((), (), verify=True)

    def _mlir_quantize(self, operators, tensors, verify: bool) -> bytes:
        import tensorflow as tf
        from tensorflow.lite.python.convert import mlir_quantize

        with quiet(), _refusals(self.name):
            return mlir_quantize(
                self._calibrated,
                fully_quantize=True,
                input_data_type=tf.float32 if verify else tf.int8,
                output_data_type=tf.float32 if verify else tf.int8,
                enable_numeric_verify=verify,
                denylisted_ops=sorted(operators) or None,
                denylisted_nodes=sorted(tensors) or None,
            )

    def int16x8(self) -> bytes:
        """Weights in 8 bits, activations in 16; float32 pixels in, logits out."""
        import tensorflow as tf
        from tensorflow.lite.python.optimize.calibrator import Calibrator

        with quiet(), _refusals(self.name):
            return Calibrator(self._flatbuffer).calibrate_and_quantize(
                self._feed,
                tf.float32,
                tf.float32,
                allow_float=True,
                activations_type=tf.int16,
                bias_type=tf.int64,
            )

    def _feed(self) -> Iterator[list[np.ndarray]]:
        for image in self._images:
            yield [image[None]]


class EdgeBackend:
    """Google's ai-edge-quantizer, static int8.

    Args:
        flatbuffer: A signed float32 model.
        images: float32 `(N, H, W, C)`, raw pixels.
    """

    name = EDGE

    def __init__(self, flatbuffer: bytes, images: np.ndarray):
        self._flatbuffer = flatbuffer
        with self._quantizer() as quantizer:
            feed = [{INPUT: image[None]} for image in images]
            self._ranges = quantizer.calibrate({SIGNATURE: feed}, num_threads=2)

    def quantize(
        self, operators: Iterable[str] = (), tensors: Iterable[str] = ()
    ) -> bytes:
        """As `ConverterBackend.quantize`."""
        with self._quantizer() as quantizer:
            for operator in sorted(operators):
                # What it cannot quantise at all it knows no name of.
                with contextlib.suppress(ValueError):
                    _leave_float(quantizer, ".*", operator)
            for tensor in sorted(tensors):
                # Scopes end in a semicolon.
                _leave_float(quantizer, f"^{re.escape(tensor)};$", "*")
            result = quantizer.quantize(
                self._ranges, enable_progress_bar=False, enable_progress_report=False
            )
            return bytes(result.quantized_model)

    @contextlib.contextmanager
    def _quantizer(self) -> Iterator[Any]:
        # It prints its progress.
        with (
            quiet(),
            contextlib.redirect_stdout(io.StringIO()),
            _refusals(self.name),
        ):
            from ai_edge_quantizer.quantizer import Quantizer

            quantizer = Quantizer(self._flatbuffer)
            quantizer.add_static_config(".*", "*", 8, 8)
            yield quantizer


BACKENDS: dict[str, Callable[[bytes, np.ndarray], Any]] = {
    CONVERTER: ConverterBackend,
    EDGE: EdgeBackend,
}


def _leave_float(quantizer: Any, regex: str, operator: str) -> None:
    quantizer.update_quantization_recipe(
        regex=regex, operation_name=operator, algorithm_key="no_quantize"
    )


@contextlib.contextmanager
def _refusals(name: str) -> Iterator[None]:
    """A quantiser's exceptions of many kinds become one sentence."""
    try:
        yield
    except (KeyboardInterrupt, MemoryError, OSError):
        raise
    except Exception as error:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"The quantiser {name} refuses this model: {line.rstrip('.')}; try the "
            "other backend, or mode float16."
        ) from error
