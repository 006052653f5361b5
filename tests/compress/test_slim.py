"""Files without what no runtime needs."""

import numpy as np
import pytest

from kerakd.compress import LiteRTModel, flatbuffer, read_metadata
from kerakd.compress.backends import ConverterBackend
from kerakd.compress.converter import to_flatbuffer
from kerakd.compress.rewrites import take_uint8
from kerakd.compress.slim import slim
from tests.compress.tiny import pixels


@pytest.fixture(scope="module")
def fat(model):
    """The model as the converter makes it, in float32 and int8, before `slim`."""
    flat = to_flatbuffer(model, "float32", (1, 32, 32, 3))
    images = pixels(4)
    images[0, 0, 0, :2] = 0, 255
    int8 = flatbuffer.sign(take_uint8(ConverterBackend(flat, images).quantize()))
    return {"float32": flat, "int8": int8}


@pytest.mark.parametrize("mode", ["float32", "int8"])
def test_a_slim_file_computes_the_same_bits_in_the_same_pieces(fat, mode):
    before = LiteRTModel.from_content(fat[mode])
    content = slim(fat[mode])
    after = LiteRTModel.from_content(content)
    assert len(content) < 0.95 * len(fat[mode])
    images = pixels(8, seed=5)
    np.testing.assert_array_equal(before(images), after(images))
    assert before.operators() == after.operators()
    assert before.input_details == after.input_details
    assert before.output_details == after.output_details
    assert slim(content) == content


def test_names_are_short_and_differ_and_those_of_layers_stay(fat, model):
    names = [name for _, name in flatbuffer.operator_names(slim(fat["int8"]))]
    assert names[-1] == "logits"
    layers = {layer.name for layer in model.layers}
    assert all(
        any(name.startswith(layer) for layer in layers) for name in names[1:-1]
    ), names
    graph = flatbuffer.read(slim(fat["int8"])).subgraphs[0]
    every = [bytes(tensor.name) for tensor in graph.tensors]
    assert len(set(every)) == len(every)
    assert max(map(len, every)) < 64


def test_a_free_batch_stays_free(model):
    content = slim(to_flatbuffer(model, "float32", (None, 32, 32, 3)))
    assert LiteRTModel.from_content(content).input_shape == (None, 32, 32, 3)


def test_an_export_is_slim_and_keeps_signature_and_metadata(exported):
    from ai_edge_litert.interpreter import Interpreter

    content = exported.path.read_bytes()
    metadata = read_metadata(exported.path)
    part = content[: metadata["flatbuffer"]["bytes"]]
    # Their description aside, a file that is slim becomes no smaller.
    assert len(slim(part)) == len(part)
    assert metadata["class_names"][0] == "glioma"
    signatures = Interpreter(model_path=str(exported.path)).get_signature_list()
    assert signatures == {
        "serving_default": {"inputs": ["images"], "outputs": ["logits"]}
    }
