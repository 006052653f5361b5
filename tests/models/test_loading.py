import json
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from kerakd.errors import ModelError
from kerakd.models import load_model


def saved(tmp_path, *stack, name="model.keras"):
    model = keras.Sequential([keras.Input((3,)), *stack])
    model.save(tmp_path / name)
    return tmp_path / name


def rewritten(path, change):
    """The same file with `change` applied to its metadata and its configuration."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name in ("metadata.json", "config.json"):
        parts[name] = change(name, parts[name].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def one_sentence(path):
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plain_model_comes_back(tmp_path):
    path = saved(tmp_path, layers.Dense(2))
    x = np.ones((1, 3))
    np.testing.assert_array_equal(load_model(path)(x), keras.saving.load_model(path)(x))


def test_code_in_a_file_is_not_run(tmp_path):
    path = saved(tmp_path, layers.Lambda(lambda x: x * 2))
    assert "holds code" in one_sentence(path)


def test_a_class_that_is_not_registered_is_named(tmp_path):
    class Doubling(layers.Layer):
        def call(self, x):
            return 2 * x

    assert "'Doubling'" in one_sentence(saved(tmp_path, Doubling()))


def test_another_version_is_named(tmp_path):
    def change(name, text):
        if name == "metadata.json":
            return json.dumps({"keras_version": "9.1.0"})
        return text.replace('"units"', '"many_units"')

    path = rewritten(saved(tmp_path, layers.Dense(2)), change)
    assert "saved with Keras 9.1.0" in one_sentence(path)


def test_no_foreign_module_is_imported(tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)

    def change(name, text):
        return text.replace('"module": "keras.layers"', '"module": "evil"')

    path = rewritten(saved(tmp_path, layers.Dense(2)), change)
    assert "'InputLayer'" in one_sentence(path) or "'Dense'" in one_sentence(path)


def test_what_is_no_model_file_is_refused(tmp_path):
    assert "no model file" in one_sentence(tmp_path / "absent.keras")
    (tmp_path / "model.h5").write_bytes(b"x")
    assert "no .keras file" in one_sentence(tmp_path / "model.h5")
    (tmp_path / "broken.keras").write_bytes(b"no zip")
    assert "damaged" in one_sentence(tmp_path / "broken.keras")
    whole = saved(tmp_path, layers.Dense(2)).read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in one_sentence(tmp_path / "cut.keras")
