"""Files run with LiteRT alone, and damaged ones are refused without a crash."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from kerakd.compress import LiteRTModel, quantize, read_metadata
from kerakd.compress.silence import quiet
from kerakd.errors import DataError, ModelError, RecipeError
from tests.compress.tiny import pixels, small_classifier


def convert(function, *specs, images=None):
    """A file of the kind that other people's scripts make."""
    with quiet():
        concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        if images is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([x[None]] for x in images)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.int8
        return converter.convert()


SPEC = tf.TensorSpec((1, 32, 32, 3), tf.float32)


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_a_file_says(exported):
    model = LiteRTModel(exported.path, threads=1)
    assert model.class_names == ("glioma", "meningioma", "notumor", "pituitary")
    assert model.input_shape == (1, 32, 32, 3) and model.output_shape == (1, 4)
    assert model.bytes == exported.bytes
    assert model.metadata == read_metadata(exported.path)
    assert model.last_operator() == "FULLY_CONNECTED"


def test_uint8_and_float_pixels_are_the_same(exported, images):
    model = LiteRTModel(exported.path)
    logits = model(images)
    assert logits.shape == (12, 4) and logits.dtype == np.float32
    np.testing.assert_array_equal(logits, model(images.astype(np.uint8)))
    np.testing.assert_array_equal(logits, model(images.astype(np.float64)))


def test_an_image_answers_the_same_in_any_company(exported, images):
    model = LiteRTModel(exported.path)
    together = model(images)
    np.testing.assert_array_equal(together[7:8], model(images[7:8]))
    kept = together.copy()
    model(images[::-1])
    np.testing.assert_array_equal(together, kept)


def test_no_images_give_no_logits(exported):
    assert LiteRTModel(exported.path)(np.zeros((0, 32, 32, 3))).shape == (0, 4)


@pytest.mark.parametrize("shape", [(32, 32, 3), (1, 32, 32, 1), (2, 16, 32, 3)])
def test_another_shape_is_refused(exported, shape):
    with pytest.raises(DataError, match=r"\(batch, 32, 32, 3\), not \("):
        LiteRTModel(exported.path)(np.zeros(shape, np.float32))


def test_integer_files_take_pixels_and_give_float_logits(model, images, tmp_path):
    path = tmp_path / "int8.tflite"
    path.write_bytes(
        convert(lambda x: model(x, training=False), SPEC, images=pixels(64))
    )
    litert = LiteRTModel(path)
    assert litert.input_details["dtype"] == "uint8"
    assert litert.output_details["scale"] > 0
    assert litert.class_names is None and litert.metadata == {}
    expected = model.predict(images, verbose=0)
    assert litert(images).dtype == np.float32
    error = np.abs(litert(images) - expected).max()
    assert error < 0.1 * np.abs(expected).max()
    np.testing.assert_array_equal(litert(images), litert(images.astype(np.uint8)))


@pytest.mark.parametrize("images", [None, pixels(8)])
def test_a_softmax_at_the_end_is_seen(images):
    model = small_classifier(end="softmax")
    content = convert(lambda x: model(x, training=False), SPEC, images=images)
    assert LiteRTModel.from_content(content).last_operator() == "SOFTMAX"


def test_operators_outside_xnnpack_are_counted():
    def function(x):
        x = tf.nn.relu(tf.reduce_max(x, axis=(1, 2)))
        return tf.math.floormod(x, 7.0) + 1.0

    found = LiteRTModel.from_content(convert(function, SPEC)).operators()
    assert found["operators"]["FLOOR_MOD"] == found["outside_xnnpack"]["FLOOR_MOD"] == 1
    assert found["operators"]["ADD"] == 1 and "ADD" not in found["outside_xnnpack"]
    assert found["partitions"] >= 1


def test_files_with_other_tensors_are_refused():
    flat = convert(lambda x: x + 1.0, tf.TensorSpec((1, 5), tf.float32))
    with pytest.raises(ModelError, match=r"foreign has 1 inputs.*one input \(batch, h"):
        LiteRTModel.from_content(flat, name="foreign")
    pair = convert(lambda x, y: x + y, SPEC, SPEC)
    with pytest.raises(ModelError, match="has 2 inputs and 1 outputs"):
        LiteRTModel.from_content(pair)


def test_threads(exported):
    with pytest.raises(RecipeError, match="threads must be at least 1, not 0"):
        LiteRTModel(exported.path, threads=0)


def test_no_tensorflow_and_no_words(exported):
    """In a process of its own: fast to start, silent, TensorFlow not loaded."""
    result = run_python(
        """
        import sys
        import numpy as np
        from kerakd.compress import LiteRTModel, benchmark, read_metadata
        logits = LiteRTModel(sys.argv[1])(np.zeros((1, 32, 32, 3), np.uint8))
        benchmark(sys.argv[1], runs=2)
        assert logits.shape == (1, 4)
        assert read_metadata(sys.argv[1])["class_names"][0] == "glioma"
        assert "tensorflow" not in sys.modules and "keras" not in sys.modules
        """,
        exported.path,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_cut_files_are_refused_and_never_crash(exported):
    """Every cut of a real file, in a process that a crash would end."""
    result = run_python(
        """
        import sys
        from pathlib import Path
        from kerakd.compress import LiteRTModel
        from kerakd.errors import ModelError
        content = Path(sys.argv[1]).read_bytes()
        refused = 0
        ends = [*range(0, 64), *range(64, len(content), 97), len(content) - 1]
        # Where the flatbuffer is whole and what was appended is not.
        ends += range(content.index(b"kerakd.json") - 60, len(content), 3)
        for end in ends:
            try:
                LiteRTModel.from_content(content[:end], name="cut.tflite")
            except ModelError as error:
                assert str(error).startswith("cut.tflite "), error
                assert str(error).count("\\n") == 0
                refused += 1
        print(refused, len(ends))
        """,
        exported.path,
    )
    assert result.returncode == 0, result.stderr
    refused, cuts = map(int, result.stdout.split())
    assert refused == cuts > 100


def test_changed_bytes_are_refused_and_never_crash(exported):
    """A byte that differs anywhere is noticed by the recorded SHA-256."""
    result = run_python(
        """
        import sys
        from pathlib import Path
        from kerakd.compress import LiteRTModel, read_metadata
        from kerakd.errors import ModelError
        content = Path(sys.argv[1]).read_bytes()
        size = read_metadata(sys.argv[1])["flatbuffer"]["bytes"]
        for place in range(0, size, 61):
            changed = bytearray(content)
            changed[place] ^= 0xFF
            try:
                LiteRTModel.from_content(bytes(changed))
            except ModelError:
                continue
            sys.exit(f"byte {place} was not noticed")
        """,
        exported.path,
    )
    assert result.returncode == 0, result.stderr


def test_the_old_interpreter_is_not_used(exported, recwarn):
    LiteRTModel(exported.path)(pixels(1))
    assert not [w for w in recwarn if "deprecat" in str(w.message).lower()]


def test_exports_say_when_an_image_model_is_a_map(tmp_path):
    import keras

    inputs = keras.Input((16, 16, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1, name="logits")(inputs))
    export = quantize(model, path=tmp_path / "m.tflite")
    assert LiteRTModel(export.path).output_shape == (1, 16, 16, 3)
