"""Splits are stratified, seeded, grouped, independent of order, and kept in a file."""

import itertools
import json

import numpy as np
import pytest

from kerakd.data import load_splits, save_splits, split
from kerakd.errors import DataError, KerakdError
from tests.data.image_folders import load_real_mri, make_samples

SIZES = {"a": 130, "b": 60, "c": 31}


def ungrouped(sizes=SIZES, split=""):
    ids = [(f"{c}/{i}.png", c) for c, n in sizes.items() for i in range(n)]
    return make_samples([(i, c, i) for i, c in ids], split)


def grouped(patients=60, seed=0):
    """Patients of 1 to 30 slices, each of one class."""
    random = np.random.default_rng(seed)
    rows = []
    for p in range(patients):
        label = "abc"[p % 3]
        slices = range(random.integers(1, 31))
        rows += [(f"{label}/p{p}_{i}.png", label, f"p{p}") for i in slices]
    return make_samples(rows)


def assignment(samples):
    return dict(zip(samples.ids.tolist(), samples.table["split"], strict=True))


def with_official_test(samples):
    official = ["test" if i % 5 == 0 else "train" for i in range(len(samples))]
    samples = samples.with_splits(official)
    return samples.with_notes(official_splits=["train", "test"])


@pytest.mark.parametrize(
    ("validation", "test"), [(0.2, None), (0.15, 0.2), (0.01, 0.5)]
)
def test_fractions_are_honoured_in_every_class(validation, test):
    sizes = {"a": 400, "b": 200, "c": 300}
    done = split(ungrouped(sizes), validation=validation, test=test)
    counts = done.counts
    for name, fraction in (("validation", validation), ("test", test or 0)):
        found = counts.get(name, dict.fromkeys(sizes, 0))
        assert sum(found.values()) == round(fraction * 900)
        for label, size in sizes.items():
            assert abs(found[label] - fraction * size) <= 1
    assert sum(sum(c.values()) for c in counts.values()) == 900


@pytest.mark.parametrize(("validation", "test"), [(0.2, None), (0.15, 0.2), (0.3, 0.1)])
def test_groups_stay_whole_and_fractions_are_near(validation, test):
    samples = grouped()
    done = split(samples, validation=validation, test=test)
    per_group = done.table.groupby("group")["split"].nunique()
    assert per_group.max() == 1
    for name, fraction in (("validation", validation), ("test", test)):
        if fraction:
            for label, found in done.counts[name].items():
                size = (samples.table["label"] == label).sum()
                assert abs(found / size - fraction) < 0.05
    assert done.notes["split"]["method"] == "stratified by class, whole groups"


def test_groups_given_to_split():
    done = split(ungrouped(), groups=lambda name: name[:-5])
    assert done.table.groupby("group")["split"].nunique().max() == 1
    assert done.table["group"].nunique() < len(done)


@pytest.mark.parametrize("samples", [ungrouped(), grouped()], ids=["alone", "groups"])
def test_a_pure_function_of_ids_and_seed(samples):
    first = split(samples, test=0.2, seed=3)
    order = np.random.default_rng(0).permutation(len(samples))
    shuffled = split(samples.take(order), test=0.2, seed=3)
    assert assignment(shuffled) == assignment(first)
    assert shuffled.ids.tolist() == samples.ids[order].tolist()
    assert assignment(split(first, test=0.2, seed=3)) == assignment(first)
    other = split(first, test=0.2, seed=4)
    assert assignment(other) != assignment(first)
    assert assignment(other) == assignment(split(samples, test=0.2, seed=4))


def test_an_official_test_split_is_kept():
    samples = with_official_test(ungrouped())
    official = set(samples.subset("test").ids)
    for seed in (0, 1):
        done = split(samples, seed=seed)
        assert set(done.subset("test").ids) == official
        wanted = round(0.2 * (len(samples) - len(official)))
        assert len(done.subset("validation")) == wanted
    assert done.notes["split"]["official"] == ["test"]
    with pytest.raises(DataError, match="folders hold a test split"):
        split(samples, test=0.1)


def test_an_official_validation_split_is_kept():
    samples = ungrouped()
    names = np.resize(["train", "train", "validation", "test"], len(samples))
    samples = samples.with_splits(names.tolist())
    samples = samples.with_notes(official_splits=["train", "validation", "test"])
    done = split(samples, validation=0.5, seed=9)
    assert assignment(done) == assignment(samples)
    assert done.notes["split"]["method"] == "the folders' own"


def test_no_validation():
    for validation in (0, None):
        assert set(split(ungrouped(), validation=validation).counts) == {"train"}


def test_groups_that_an_official_split_shares_are_counted():
    samples = with_official_test(ungrouped()).with_groups(lambda name: name[:3])
    done = split(samples)
    shared = done.notes["split"]["shared_groups"]
    assert shared["train/test"] > 0 and "train/validation" not in shared
    assert any("groups are in both train and test" in line for line in done.remarks)


def test_too_few_images_or_groups():
    with pytest.raises(
        DataError, match=r"'c' has 2 images, too few .* train, val.*test"
    ):
        split(ungrouped({"a": 50, "b": 50, "c": 2}), test=0.2)
    rows = [
        (f"{c}/p{p}_{i}.png", c, f"{c}{p}")
        for c in "ab"
        for p in range(9)
        for i in range(3)
    ]
    rows += [(f"c/{i}.png", "c", "one") for i in range(20)]
    with pytest.raises(DataError, match=r"'c' has 1 group \(20 images\), too few"):
        split(make_samples(rows))


def test_a_fraction_too_small_for_every_class():
    with pytest.raises(DataError, match=r"validation split of 1 of 30 .*a 10, b 10, c"):
        split(ungrouped({"a": 10, "b": 10, "c": 10}), validation=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_three_groups_a_class_fill_three_splits(seed):
    rows = [
        (f"{c}/p{p}_{i}.png", c, f"{c}{p}")
        for c in "ab"
        for p in range(3)
        for i in range(4 + p)
    ]
    done = split(make_samples(rows), validation=0.3, test=0.3, seed=seed)
    for counts in done.counts.values():
        assert min(counts.values()) > 0
    assert done.table.groupby("group")["split"].nunique().max() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 1.0}, "validation must be a fraction"),
        ({"validation": -0.1}, "validation must be a fraction"),
        ({"validation": True}, "validation must be a fraction"),
        ({"validation": "0.2"}, "validation must be a fraction"),
        ({"test": 20}, "test must be a fraction"),
        ({"validation": 0.5, "test": 0.5}, "nothing for training"),
        ({"seed": -1}, "seed must be an integer"),
        ({"seed": 0.5}, "seed must be an integer"),
        ({"seed": "a"}, "seed must be an integer"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(DataError, match=message):
        split(ungrouped(), **options)


def test_round_trip(tmp_path):
    done = split(ungrouped(), test=0.2, seed=7)
    path = save_splits(done, tmp_path / "run" / "splits.json")
    content = json.loads(path.read_text())
    assert list(content) == ["seed", "method", "counts", "splits"]
    assert content["seed"] == 7 and content["counts"] == done.counts
    assert sorted(itertools.chain(*content["splits"].values())) == sorted(done.ids)
    order = np.random.default_rng(0).permutation(len(done))
    again = load_splits(ungrouped().take(order), path)
    assert assignment(again) == assignment(done)
    assert again.ids.tolist() == done.ids[order].tolist()
    assert save_splits(again, tmp_path / "b.json").read_bytes() == path.read_bytes()


def test_nothing_to_save():
    with pytest.raises(DataError, match=r"221 samples are in no split .*call split"):
        save_splits(ungrouped(), "splits.json")


def test_other_samples_are_named(tmp_path):
    done = split(ungrouped())
    path = save_splits(done, tmp_path / "splits.json")
    with pytest.raises(DataError, match=r"data lack 1 of its samples: a/0\.png\. Use"):
        load_splits(done.take(range(1, len(done))), path)
    short = save_splits(done.take(range(2, len(done))), tmp_path / "short.json")
    with pytest.raises(DataError, match=r"lacks 2 samples of the data: a/0\.png, a/1"):
        load_splits(done, short)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"splits": {"dev": []}}, "unknown split 'dev'"),
        ({"splits": {"train": ["a/0.png"], "test": ["a/0.png"]}}, "a/0.png twice"),
        ({"splits": {"train": "a/0.png"}}, "holds no splits"),
        ({"splits": {"train": [1]}}, "holds no splits"),
        ({}, "holds no splits"),
        ([], "holds no splits"),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "splits.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        load_splits(ungrouped(), path)


def test_absent_or_no_json(tmp_path):
    with pytest.raises(KerakdError, match=r"no file .*splits\.json"):
        load_splits(ungrouped(), tmp_path / "splits.json")
    (tmp_path / "splits.json").write_text("{")
    with pytest.raises(KerakdError, match="not valid JSON"):
        load_splits(ungrouped(), tmp_path / "splits.json")


def test_real_official_split(real_data):
    samples = load_real_mri(real_data)
    done = split(samples, validation=0.2, seed=0)
    assert sum(done.counts["validation"].values()) == 1142
    assert done.counts["test"] == samples.counts["test"]
    for label, size in samples.counts["train"].items():
        assert abs(done.counts["validation"][label] - 0.2 * size) <= 1
