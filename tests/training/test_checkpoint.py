import json

import keras
import ml_dtypes
import numpy as np
import pytest

from kerakd.errors import KerakdError, ModelError
from kerakd.training import checkpoint
from kerakd.training.checkpoint import Position


def test_a_checkpoint_comes_back(tmp_path):
    position = Position(
        epoch=2,
        step=3,
        rows=[{"epoch": 1, "loss": 0.1, "f1": float("nan")}],
        callbacks={"stop": {"best": float("inf")}},
        setup={"options": {"epochs": 4}},
    )
    arrays = {"a/0": np.arange(3), "b/0": np.float32(2)}
    checkpoint.write(tmp_path, position, arrays)
    found, stored = checkpoint.read(tmp_path)
    assert str(found) == str(position)
    assert {k: v.tolist() for k, v in stored.items()} == {"a/0": [0, 1, 2], "b/0": 2}


def test_only_the_newest_state_is_kept(tmp_path):
    (tmp_path / ".partial-x-state-00001-0000000.npz").write_bytes(b"killed")
    for epoch in range(3):
        checkpoint.write(tmp_path, Position(epoch=epoch), {"a": np.ones(1)})
    assert len(list(tmp_path.iterdir())) == 2
    assert checkpoint.read(tmp_path)[0].epoch == 2


def test_a_write_that_breaks_leaves_the_one_before(tmp_path):
    class Unwritable:
        dtype = np.dtype("float32")

        def __array__(self, *args, **kwargs):
            raise OSError(28, "No space left on device")

    checkpoint.write(tmp_path, Position(epoch=1), {"a": np.ones(1)})
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(KerakdError, match="disk is full"):
        checkpoint.write(tmp_path, Position(epoch=2), {"a": Unwritable()})
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert checkpoint.read(tmp_path)[0].epoch == 1


def test_there_is_none(tmp_path):
    assert checkpoint.read(tmp_path / "nowhere") is None
    assert not checkpoint.is_finished(tmp_path, "student")


def test_a_folder_is_tried_before_it_is_needed(tmp_path):
    folder = checkpoint.prepare(tmp_path / "run", "student")
    assert list(folder.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(KerakdError, match="choose another folder"):
        checkpoint.prepare(tmp_path / "file", "student")


def test_finished_is_known_by_name(tmp_path):
    folder = checkpoint.folder_of(tmp_path, "student")
    checkpoint.write(folder, Position(epoch=1), {})
    assert not checkpoint.is_finished(tmp_path, "student")
    checkpoint.write(folder, Position(epoch=2, finished=True), {})
    assert checkpoint.is_finished(tmp_path, "student")
    assert not checkpoint.is_finished(tmp_path, "teacher")


def test_cleared_is_gone(tmp_path):
    checkpoint.write(tmp_path, Position(epoch=1), {"a": np.ones(1)})
    checkpoint.clear(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"format": "something"}, "is no checkpoint of kerakd"),
        ([], "is no checkpoint of kerakd"),
        (
            {"format": "kerakd training checkpoint", "version": 99},
            "format version 99",
        ),
        (
            {"format": "kerakd training checkpoint", "version": 1, "state": "no.npz"},
            "is damaged",
        ),
        ({"format": "kerakd training checkpoint", "version": 1}, "is damaged"),
    ],
)
def test_foreign_files(tmp_path, content, sentence):
    (tmp_path / "checkpoint.json").write_text(json.dumps(content))
    with pytest.raises(KerakdError, match=sentence):
        checkpoint.read(tmp_path)


def test_a_cut_off_state_is_noticed(tmp_path):
    checkpoint.write(tmp_path, Position(epoch=1), {"a": np.ones(1000)})
    (state,) = tmp_path.glob("*.npz")
    state.write_bytes(state.read_bytes()[:2000])
    with pytest.raises(KerakdError, match="is damaged"):
        checkpoint.read(tmp_path)


def test_variables_of_every_dtype_come_back(tmp_path):
    def variables(offset):
        return [
            keras.Variable(np.full((2, 2), 1 / 3 + offset), dtype="float32"),
            keras.Variable(np.full(3, 1 / 3 + offset), dtype="bfloat16"),
            keras.Variable(7 + offset, dtype="int64"),
            keras.Variable(np.array([1, 2], "uint32") + offset, dtype="uint32"),
        ]

    before, after = variables(0), variables(5)
    checkpoint.write(tmp_path, Position(), checkpoint.values_of(before, "model"))
    checkpoint.assign(after, "model", checkpoint.read(tmp_path)[1], tmp_path)
    for a, b in zip(before, after, strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(np.asarray(a.value), np.asarray(b.value))
    assert np.asarray(after[1].value).dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("shapes", [[(2, 2)], [(2, 2), (4,)]])
def test_variables_of_another_model(shapes, tmp_path):
    stored = checkpoint.values_of([keras.Variable(np.ones((2, 2)))] * 2, "model")
    variables = [keras.Variable(np.zeros(shape)) for shape in shapes]
    with pytest.raises(ModelError, match="is of another model"):
        checkpoint.assign(variables, "model", stored, tmp_path)
    assert all(not np.asarray(v.value).any() for v in variables)
