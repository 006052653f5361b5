"""What a file tells about itself survives, and damage to it is noticed."""

import hashlib
import json
import zipfile

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import kerakd
from kerakd.compress import read_metadata
from kerakd.compress.metadata import append_metadata
from kerakd.errors import ModelError

NAMES = ["glioma", "meningioma", "notumor", "pituitary"]


@pytest.fixture
def damaged(exported, tmp_path):
    """A function that writes a changed copy of the exported file."""

    def write(change):
        content = bytearray(exported.path.read_bytes())
        path = tmp_path / "damaged.tflite"
        path.write_bytes(change(content))
        return path

    return write


def test_round_trip(exported):
    metadata = read_metadata(exported.path)
    assert metadata["class_names"] == NAMES
    assert metadata["task"] == "classification"
    assert metadata["mode"] == "float32"
    assert metadata["provenance"] == {"recipe": "tests"}
    assert metadata["preprocessing"]["resize"]["height"] == 32
    assert metadata["preprocessing"]["color"] == "RGB"
    assert metadata["input"] == exported.inputs
    assert metadata["output"] == exported.outputs | {"values": "logits"}
    assert metadata["report"] == exported.report
    assert metadata["kerakd"] == kerakd.__version__
    assert set(metadata["versions"]) == {
        "tensorflow",
        "keras",
        "ai-edge-litert",
        "ai-edge-quantizer",
    }


def test_any_zip_tool_finds_the_labels(exported):
    with zipfile.ZipFile(exported.path) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode().splitlines() == NAMES


def test_the_bare_interpreter_loads_the_file_by_its_path(exported, images):
    interpreter = Interpreter(model_path=str(exported.path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images[:1])
    interpreter.invoke()
    logits = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.isfinite(logits).all()


def test_the_sidecar_says_the_same_and_which_file_it_means(exported):
    sidecar = exported.path.with_name(exported.path.name + ".json")
    about = json.loads(sidecar.read_text())
    content = exported.path.read_bytes()
    assert about.pop("file") == {
        "name": "student.tflite",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    metadata = read_metadata(exported.path)
    metadata.pop("flatbuffer")
    assert about == metadata


def test_nothing_of_this_machine_is_in_the_file(exported, tmp_path):
    content = exported.path.read_bytes()
    with zipfile.ZipFile(exported.path) as archive:
        content += archive.read("kerakd.json")
    for place in (str(tmp_path.parent), str(kerakd.__path__[0])):
        assert place.encode() not in content


def test_names_of_every_script_survive(exported, tmp_path):
    names = ["gliome", "脑膜瘤", "нет опухоли", "sin tumor — 0"]
    flatbuffer = exported.path.read_bytes()[: flatbuffer_size(exported)]
    path = tmp_path / "m.tflite"
    path.write_bytes(append_metadata(flatbuffer, {"class_names": names}))
    assert read_metadata(path)["class_names"] == names
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().splitlines() == names


def flatbuffer_size(exported):
    return read_metadata(exported.path)["flatbuffer"]["bytes"]


def test_foreign_files(exported, tmp_path):
    path = tmp_path / "foreign.tflite"
    flatbuffer = exported.path.read_bytes()[: flatbuffer_size(exported)]
    # The description that the converter gives the files of everybody else.
    path.write_bytes(flatbuffer.replace(b"kerakd metadata", b"MLIR Converted."))
    assert read_metadata(path) == {}
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "cat\n dog \n\n")
    assert read_metadata(path) == {"class_names": ["cat", "dog"]}


def test_a_changed_weight_is_noticed(exported, damaged):
    def flip(content):
        content[flatbuffer_size(exported) // 2] ^= 1
        return content

    with pytest.raises(ModelError, match=r"damaged\.tflite is damaged.*SHA-256"):
        read_metadata(damaged(flip))


def test_a_file_cut_within_its_metadata_is_noticed(exported, damaged):
    size, whole = flatbuffer_size(exported), exported.bytes
    for end in np.linspace(size, whole - 1, 40).astype(int):
        path = damaged(lambda content, end=end: content[:end])
        with pytest.raises(ModelError, match="damaged: its metadata is cut off"):
            read_metadata(path)


def test_changed_metadata_are_noticed(exported, damaged):
    middle = flatbuffer_size(exported) + 100

    def scramble(content):
        content[middle : middle + 40] = bytes(40)
        return content

    with pytest.raises(ModelError, match="damaged: its metadata"):
        read_metadata(damaged(scramble))


@pytest.mark.parametrize("entry", ["no JSON", "[]", '{"flatbuffer": {}}', "{}"])
def test_a_foreign_kerakd_json(exported, tmp_path, entry):
    path = tmp_path / "m.tflite"
    path.write_bytes(exported.path.read_bytes()[: flatbuffer_size(exported)])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("kerakd.json", entry)
    with pytest.raises(ModelError, match=r"its kerakd\.json cannot be read"):
        read_metadata(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"TFL3", "is no LiteRT"),
        (b"<html>404: not found, sorry</html>", "is no LiteRT"),
    ],
)
def test_no_model(tmp_path, content, message):
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"m\.tflite {message}"):
        read_metadata(path)


def test_no_file(tmp_path):
    with pytest.raises(ModelError, match=r"no model file .*absent\.tflite"):
        read_metadata(tmp_path / "absent.tflite")
    with pytest.raises(ModelError, match="is a folder"):
        read_metadata(tmp_path)
