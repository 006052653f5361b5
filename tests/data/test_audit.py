"""Copies are found, neighbours are not taken for copies, and splits keep them apart."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from kerakd.data import Audit, audit, folds, load_images, split, without_copies
from kerakd.data.audit.index import SYMMETRIES, turn
from kerakd.errors import DataError, KerakdError

SIDE = 96


def picture(seed, side=SIDE):
    """A head-like picture with detail of its own: floats in 0..200."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    head = (x / 0.75) ** 2 + (y / 0.9) ** 2 < 1
    inside = gaussian_filter(random.normal(size=(side, side)), 2.5)
    lobes = gaussian_filter(random.normal(size=(side, side)), 9)
    scene = 90 + 35 * inside / inside.std() + 25 * lobes / lobes.std()
    return np.clip(scene, 5, 200) * head


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).save(
        path, **options
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty pictures; a0 and b0 come again in every way that must be found."""
    root = tmp_path_factory.mktemp("leaky")
    for label, start in (("a", 0), ("b", 100)):
        for i in range(15):
            save(root / "Training" / label / f"{i}.png", picture(start + i))
        for i in range(5):
            save(root / "Testing" / label / f"{i}.png", picture(start + 50 + i))
    save(root / "Testing/a/same.bmp", picture(0))
    for number in range(8):
        turned = turn(np.rint(picture(1)), number)
        save(root / f"Testing/a/turned{number}.png", turned)
    save(root / "Testing/b/jpeg.jpg", picture(100), quality=70)
    save(root / "Testing/b/contrast.png", 20 + 0.6 * picture(101))
    save(root / "Testing/b/gamma.png", 255 * (picture(102) / 255) ** 0.8)
    small = Image.fromarray(np.rint(picture(103)).astype(np.uint8)).resize((72, 72))
    small.save(root / "Testing/b/small.png")
    save(root / "Testing/b/wrong.png", picture(3)[:, ::-1])  # a3, mirrored
    return root


@pytest.fixture(scope="module")
def found(folder):
    return audit(folder, probe=False)


def test_each_kind_of_copy_is_found(found):
    clusters = found.clusters
    for copy, original in (
        ("Testing/a/same.bmp", "Training/a/0.png"),
        *((f"Testing/a/turned{n}.png", "Training/a/1.png") for n in range(8)),
        ("Testing/b/jpeg.jpg", "Training/b/0.png"),
        ("Testing/b/contrast.png", "Training/b/1.png"),
        ("Testing/b/gamma.png", "Training/b/2.png"),
        ("Testing/b/small.png", "Training/b/3.png"),
        ("Testing/b/wrong.png", "Training/a/3.png"),
    ):
        assert clusters[copy] == clusters[original], copy


def test_nothing_else_is_merged(found):
    assert found.summary["copies"]["distinct"] == 40
    assert max(found.clusters.values()) == 39
    assert found.summary["copies"]["largest_clusters"][0] == 9


def test_the_symmetry_turns_the_second_picture_onto_the_first(found, folder):
    pairs = found.pairs
    mirrored = pairs[pairs["id_a"].str.contains("turned") & (pairs["kind"] == "near")]
    assert len(mirrored) > 10

    def pixels(name):
        return np.asarray(Image.open(folder / name), np.float64)

    for row in mirrored.itertuples():
        a, b = pixels(row.id_a), pixels(row.id_b)
        assert np.array_equal(turn(b, SYMMETRIES.index(row.symmetry)), a)
        assert row.correlation > 0.999


def test_kinds_classes_and_splits_of_pairs(found):
    pairs = found.pairs.set_index(["id_a", "id_b"])
    exact = pairs.loc[("Testing/a/same.bmp", "Training/a/0.png")]
    assert exact["kind"] == "exact" and exact["correlation"] == 1
    assert exact["same_class"] and not exact["same_split"]
    wrong = pairs.loc[("Testing/b/wrong.png", "Training/a/3.png")]
    assert wrong["symmetry"] == "mirrored left-right" and not wrong["same_class"]
    assert found.summary["copies"]["contradictions"]["clusters"] == 1


def test_the_leak_is_counted(found, folder):
    shared = found.summary["copies"]["shared"]["test"]
    assert shared["images"] == 24 and shared["with_copy"] == 14
    assert shared["identical"] == 2  # same.bmp and turned0
    assert shared["without_copy_by_class"] == {"a": 5, "b": 5}
    samples = load_images(folder)
    clean = without_copies(samples, found.clusters)
    assert set(samples.ids[clean]) == {
        f"Testing/{label}/{i}.png" for label in "ab" for i in range(5)
    }
    assert any("14 of 24 test images (58.3%)" in line for line in found.warnings)
    assert any("1 picture (2 files) is filed under" in line for line in found.warnings)


def test_a_class_without_a_fair_test_image_is_told(tmp_path):
    for label, start in (("a", 0), ("b", 100)):
        for i in range(3):
            save(tmp_path / "train" / label / f"{i}.png", picture(start + i))
            save(tmp_path / "test" / label / f"{i}.png", picture(start + 10 * i))
    save(tmp_path / "test" / "b" / "1.png", picture(101))
    save(tmp_path / "test" / "b" / "2.png", picture(102)[::-1])
    done = audit(tmp_path, probe=False)
    shared = done.summary["copies"]["shared"]["test"]
    assert shared["without_copy_by_class"] == {"a": 2, "b": 0}
    assert any("No test image of b is without a copy" in w for w in done.warnings)


def test_grouped_splits_keep_copies_and_patients_together(found, folder):
    samples = load_images(folder, groups=r"([^/]+)\.\w+$")  # a7 and b7 are one patient
    done = split(samples, clusters=found.clusters, grouped=True, validation=0.2)
    share = (samples.table["split"] == "test").mean()
    assert abs((done.table["split"] == "test").mean() - share) < 0.1
    cluster = done.table["id"].map(found.clusters)
    for grouping in (cluster, samples.table["group"]):
        assert done.table.groupby(grouping)["split"].nunique().max() == 1
    assert done.notes["split"]["shared_groups"] == {}
    assert without_copies(done, found.clusters).sum() == len(done.subset("test"))


def test_clusters_keep_validation_apart_from_training(found, folder):
    done = split(load_images(folder), clusters=found.clusters, validation=0.3)
    assert len(done.subset("test")) == 24  # the official test set stays
    clean = without_copies(done, found.clusters, of="validation", against="train")
    assert clean.sum() == len(done.subset("validation")) > 0
    assert done.notes["split"]["shared_groups"]["train/test"] > 0


def test_folds_test_every_image_once_and_keep_copies_together(found, folder):
    samples = load_images(folder)
    order = np.random.default_rng(0).permutation(len(samples))
    parts = folds(samples, 4, seed=3, clusters=found.clusters, validation=0.2)
    shuffled = folds(samples.take(order), 4, seed=3, clusters=found.clusters)
    tested = np.zeros(len(samples), int)
    for part, other in zip(parts, shuffled, strict=True):
        is_test = (part.table["split"] == "test").to_numpy()
        assert part.ids.tolist() == samples.ids.tolist()
        assert without_copies(part, found.clusters).sum() == is_test.sum()
        assert set(part.counts) == {"train", "validation", "test"}
        assert (other.table["split"] == "test").tolist() == is_test[order].tolist()
        tested += is_test
    assert (tested == 1).all()
    assert [part.notes["split"]["fold"] for part in parts] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 1}, "k must be an integer of 2 or more"),
        ({"k": 2.5}, "k must be an integer"),
        ({"k": 99}, "independent groups .* too few for 99 folds"),
        ({"seed": -1}, "seed must be"),
        ({"clusters": {}}, r"lack 54 of 54 samples: .*Audit these data"),
        ({"clusters": [1]}, "must be a mapping"),
    ],
)
def test_folds_that_cannot_be_made(folder, options, message):
    with pytest.raises(DataError, match=message):
        folds(load_images(folder), **options)


def test_a_table_is_audited_as_its_folder_is(found, folder):
    again = audit(load_images(folder), probe=False)
    assert again.clusters == found.clusters
    assert again.pairs.equals(found.pairs)


def test_round_trip(found, tmp_path):
    found.save(tmp_path / "audit", sheets=False)
    again = Audit.load(tmp_path / "audit")
    assert again.clusters == found.clusters
    assert again.summary == found.summary == json.loads(json.dumps(found.summary))
    assert again.pairs.astype(str).equals(found.pairs.astype(str))
    assert again.sentences == found.sentences and again.samples is None
    assert Audit.load(tmp_path / "audit" / "audit.json").clusters == found.clusters


def test_saved_clusters_serve_as_groups(found, folder, tmp_path):
    found.save(tmp_path, sheets=False)
    samples = load_images(folder, groups=str(tmp_path / "clusters.csv"))
    assert samples.table["group"].nunique() == 40


def test_damaged_files(found, tmp_path):
    with pytest.raises(KerakdError, match=r"no file .*audit\.json"):
        Audit.load(tmp_path)
    found.save(tmp_path, sheets=False)
    (tmp_path / "clusters.csv").write_text("id,cluster\na,0\n")
    with pytest.raises(DataError, match="lacks the column group"):
        Audit.load(tmp_path)
    (tmp_path / "clusters.csv").unlink()
    with pytest.raises(DataError, match=r"no clusters\.csv"):
        Audit.load(tmp_path)
    (tmp_path / "audit.json").write_text('{"format": "kerakd audit", "version": 99}')
    with pytest.raises(DataError, match="version 99"):
        Audit.load(tmp_path)
    (tmp_path / "audit.json").write_text("{}")
    with pytest.raises(DataError, match="is no audit"):
        Audit.load(tmp_path)


def test_no_such_split(found, folder):
    with pytest.raises(DataError, match=r"no split 'tets'.*Did you mean 'test'"):
        without_copies(load_images(folder), found.clusters, of="tets")
