import dataclasses
import os

import numpy as np
import pytest

import kerakd
from kerakd.data.volumes import SliceStore, normalise, read_case, to_slices
from kerakd.errors import RecipeError
from tests.data.volumes import made


@pytest.fixture
def volumes(tmp_path):
    for number in range(2):
        made.write_case(tmp_path / "data", f"BraTS2021_{number:05d}", number)
    made.write_case(tmp_path / "data", "BraTS2021_00007", 7)
    found = kerakd.data.load_volumes(tmp_path / "data")
    splits = ["train", "test", "validation"]
    return dataclasses.replace(found, samples=found.samples.with_splits(splits))


def test_slices_are_those_of_the_cases(volumes, tmp_path):
    store = SliceStore.build(volumes, 16, "subregions", cache_dir=tmp_path / "cache")
    assert store.images.shape[1:] == (16, 16, 3)
    assert store.class_names == ("background", "core", "oedema", "enhancing")
    start = 0
    for case in volumes.cases:
        read = read_case(case, volumes.modalities, volumes.scheme)
        images, brain = normalise(read)
        kept = np.flatnonzero(brain.any(axis=(1, 2)))
        # The outermost slices of the sphere hold no brain.
        assert 0 < len(kept) < len(brain)
        pictures, masks = to_slices(
            images[kept], read.classes[kept], (16, 16), "subregions"
        )
        part = slice(start, start + len(kept))
        np.testing.assert_allclose(store.images[part], pictures, atol=4e-3)
        np.testing.assert_array_equal(store.masks[part], masks)
        names = [f"{case.id}/{k:03d}" for k in kept]
        assert store.samples.ids[part].tolist() == names
        start += len(kept)
    assert len(store) == start


def test_slices_carry_patient_split_and_whether_there_is_tumour(volumes, tmp_path):
    store = SliceStore.build(volumes, 16, cache_dir=tmp_path)
    table = store.samples.table
    assert (table["group"] == table["id"].str.partition("/")[0]).all()
    assert (table.groupby("group")["split"].nunique() == 1).all()
    tumour = store.masks.any(axis=(1, 2))
    np.testing.assert_array_equal(table["label"] == "tumour", tumour)
    rows = store.rows("test")
    assert set(table["group"].iloc[rows]) == {"BraTS2021_00001"}


def test_made_once_and_taken_up_again_whatever_the_splits(volumes, tmp_path):
    first = SliceStore.build(volumes, 16, cache_dir=tmp_path)
    assert not first.reused
    files = {f: f.stat().st_mtime_ns for f in first.folder.iterdir()}
    others = volumes.samples.with_splits(["test", "validation", "train"])
    again = SliceStore.build(
        dataclasses.replace(volumes, samples=others), 16, cache_dir=tmp_path
    )
    assert again.samples.table["split"].iloc[0] == "test"
    assert again.reused
    assert {f: f.stat().st_mtime_ns for f in again.folder.iterdir()} == files
    np.testing.assert_array_equal(first.images, again.images)
    for size, target in ((24, "whole_tumour"), (16, "subregions")):
        other = SliceStore.build(volumes, size, target, cache_dir=tmp_path)
        assert not other.reused
        assert other.folder != first.folder


@pytest.mark.parametrize("damage", ["bits", "length", "header", "absent"])
def test_a_damaged_cache_is_made_anew(volumes, tmp_path, damage):
    first = SliceStore.build(volumes, 16, cache_dir=tmp_path)
    expected = np.array(first.images)
    file = first.folder / "images.f16"
    if damage == "bits":
        content = bytearray(file.read_bytes())
        content[1000] ^= 1
        file.write_bytes(bytes(content))
    elif damage == "length":
        file.write_bytes(file.read_bytes()[:-2])
    elif damage == "header":
        (first.folder / "slices.json").write_text("{")
    else:
        (first.folder / "masks.u8").unlink()
    again = SliceStore.build(volumes, 16, cache_dir=tmp_path)
    assert not again.reused
    np.testing.assert_array_equal(again.images, expected)


def test_a_changed_case_has_another_key(volumes, tmp_path):
    first = SliceStore.build(volumes, 16, cache_dir=tmp_path)
    file = volumes.cases[0].mask
    os.utime(file, ns=(1, 1))
    again = SliceStore.build(volumes, 16, cache_dir=tmp_path)
    assert again.folder != first.folder


def test_wrong_sizes_are_refused(volumes, tmp_path):
    for size in (0, "16", (16, 16, 3)):
        with pytest.raises(RecipeError, match="size must be a number of pixels"):
            SliceStore.build(volumes, size, cache_dir=tmp_path)
