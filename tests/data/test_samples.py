"""The table of samples is checked, cut, saved and loaded without loss."""

import json

import numpy as np
import pandas as pd
import pytest

from kerakd.data import load_images
from kerakd.data.samples import COLUMNS, Samples
from kerakd.errors import DataError, KerakdError
from tests.data.image_folders import make_samples, write_tree

ROWS = [("a/1.png", "a", "p1"), ("a/2.png", "a", "p1"), ("b/1.png", "b", "p2")]


def test_arrays():
    samples = make_samples(ROWS)
    assert len(samples) == 3
    assert samples.class_names == ("a", "b")
    assert samples.ids.tolist() == [row[0] for row in ROWS]
    assert samples.labels.tolist() == [0, 0, 1] and samples.labels.dtype == np.int32
    assert samples.groups.tolist() == ["p1", "p1", "p2"]
    assert all(path.is_absolute() for path in samples.paths)
    assert samples.counts == {"": {"a": 2, "b": 1}}
    assert "3 images" in repr(samples) and "not split 3" in repr(samples)


def test_subset_and_take_keep_the_classes():
    samples = make_samples(ROWS).with_splits(["train", "test", "train"])
    test = samples.subset("test")
    assert test.ids.tolist() == ["a/2.png"]
    assert test.class_names == ("a", "b")
    assert len(samples.subset("validation")) == 0
    assert samples.take([2, 0]).ids.tolist() == ["b/1.png", "a/1.png"]
    assert samples.take([2, 0]).labels.tolist() == [1, 0]
    kept = samples.take(np.array([False, True, True]))
    assert kept.ids.tolist() == ["a/2.png", "b/1.png"]
    with pytest.raises(DataError, match=r"'valid'.*'validation'"):
        samples.subset("valid")
    with pytest.raises(DataError, match=r"shape \(3,\)"):
        samples.take(np.array([True]))


def test_changing_a_copy_changes_nothing_else():
    samples = make_samples(ROWS)
    moved = samples.with_splits({row[0]: "train" for row in ROWS})
    alone = samples.with_groups(lambda name: name)
    assert set(moved.table["split"]) == {"train"}
    assert alone.groups.tolist() == samples.ids.tolist()
    assert set(samples.table["split"]) == {""}
    assert samples.groups.tolist() == ["p1", "p1", "p2"]
    assert samples.with_notes(x=1).notes == {"x": 1} and samples.notes == {}


def test_a_split_for_every_sample():
    with pytest.raises(DataError, match=r"1 samples: b/1\.png"):
        make_samples(ROWS).with_splits({"a/1.png": "train", "a/2.png": "test"})


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("id", ["x", "x", "y"], "unique.*x"),
        ("label", ["a", "a", "c"], "'c' is none of the classes"),
        ("split", ["train", "dev", ""], "'dev' is no split"),
    ],
)
def test_what_makes_no_table(column, values, message):
    table = make_samples(ROWS).table.assign(**{column: values})
    with pytest.raises(DataError, match=message):
        Samples(table, None, ("a", "b"))


def test_missing_columns_and_unsorted_classes():
    table = make_samples(ROWS).table
    with pytest.raises(DataError, match="mode is missing"):
        Samples(table.drop(columns="mode"), None, ("a", "b"))
    with pytest.raises(DataError, match="sorted"):
        Samples(table, None, ("b", "a"))


@pytest.mark.parametrize("classes", [("B", "M"), ("007", "NA"), ("null", 'é, "x"')])
def test_round_trip(tmp_path, classes):
    folder = write_tree(tmp_path / "data", {c: 2 for c in classes})
    samples = load_images(folder)
    path = samples.save(tmp_path / "run" / "samples.csv")
    again = Samples.load(path, root=folder)
    pd.testing.assert_frame_equal(again.table, samples.table)
    assert again.class_names == samples.class_names == tuple(sorted(classes))
    assert again.notes == samples.notes
    assert again.paths == samples.paths
    assert again.labels.tolist() == samples.labels.tolist()


def test_nothing_of_this_machine_is_saved(tmp_path):
    samples = load_images(write_tree(tmp_path / "data", {"B": 2, "M": 2}))
    path = samples.save(tmp_path / "run" / "samples.csv")
    text = path.read_text() + path.with_suffix(".json").read_text()
    assert str(tmp_path) not in text
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)
    files = {file.name for file in path.parent.iterdir()}
    assert files == {"samples.csv", "samples.json"}


def test_without_a_root_all_but_the_paths_is_there(tmp_path):
    samples = load_images(write_tree(tmp_path / "data", {"B": 2, "M": 2}))
    again = Samples.load(samples.save(tmp_path / "samples.csv"))
    assert again.ids.tolist() == samples.ids.tolist()
    with pytest.raises(DataError, match="root=folder"):
        _ = again.paths


def test_a_root_without_the_images(tmp_path):
    samples = load_images(write_tree(tmp_path / "data", {"B": 2, "M": 2}))
    path = samples.save(tmp_path / "samples.csv")
    with pytest.raises(DataError, match=r"4 of 4 images.*B/B_0\.png"):
        Samples.load(path, root=tmp_path)


def test_damaged_files(tmp_path):
    path = make_samples(ROWS).save(tmp_path / "samples.csv")
    header = path.with_suffix(".json")
    good = header.read_text()

    header.write_text(good.replace('"version": 1', '"version": 9'))
    with pytest.raises(DataError, match="version 9"):
        Samples.load(path)
    header.write_text('{"format": "other"}')
    with pytest.raises(DataError, match="not the header"):
        Samples.load(path)
    header.write_text(json.dumps({"format": "kerakd samples", "version": 1}))
    with pytest.raises(DataError, match="class_names"):
        Samples.load(path)
    header.unlink()
    with pytest.raises(KerakdError, match=r"no file .*samples\.json"):
        Samples.load(path)

    header.write_text(good)
    for content in (b"", b"id,path\nx,y\n", b"\xff\xfe\x00", b'a,"b\n'):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"samples\.csv"):
            Samples.load(path)
    path.unlink()
    with pytest.raises(DataError, match="no table of samples"):
        Samples.load(path)


def test_only_csv(tmp_path):
    with pytest.raises(DataError, match="csv"):
        make_samples(ROWS).save(tmp_path / "samples.json")


def test_a_failed_write_leaves_the_old_pair(tmp_path):
    path = make_samples(ROWS).save(tmp_path / "samples.csv")
    before = path.read_bytes(), path.with_suffix(".json").read_bytes()
    unwritable = make_samples(ROWS[:2]).with_notes(x=float("nan"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        unwritable.save(path)
    assert before == (path.read_bytes(), path.with_suffix(".json").read_bytes())
    assert len(list(tmp_path.iterdir())) == 2
