"""Shards of a teacher cache, and the whole that they are joined to."""

import numpy as np
import pytest

from kerakd.distillation import TeacherCache
from kerakd.distillation.cache import shards
from kerakd.errors import DataError, KerakdError, RecipeError
from kerakd.files import read_json, write_json
from tests.distillation.cached import batches, make_teacher


@pytest.fixture(scope="module")
def teacher():
    return make_teacher()


@pytest.fixture(scope="module")
def made(samples, teacher, tmp_path_factory):
    """A cache built at once, and the three shards of it."""
    folder = tmp_path_factory.mktemp("shards")
    data = batches(samples)
    whole = TeacherCache.build(teacher, data, folder / "whole", layers=["pool"])
    parts = [
        TeacherCache.build(
            teacher, data, folder / f"{n}", layers=["pool"], shard=(n, 3)
        ).path
        for n in (1, 2, 3)
    ]
    return whole, parts


def test_merged_shards_are_the_whole_cache_to_the_bit(made, samples, teacher, tmp_path):
    whole, parts = made
    # In any order.
    joined = TeacherCache.merge([parts[2], parts[0], parts[1]], tmp_path / "joined")
    assert joined.info == whole.info
    assert joined.key_hash == whole.key_hash
    for name, array in whole.store.arrays.items():
        np.testing.assert_array_equal(joined.store.arrays[name], array)
    found = joined.verify(teacher, batches(samples), count=4)
    assert found["max_abs_difference"] == 0.0
    x, _ = next(iter(joined.batches(batches(samples)).dataset()))
    assert set(x) == {"student", "teacher_outputs", "teacher_features"}


def test_a_shard_reads_only_its_own_pictures(samples, teacher, tmp_path, monkeypatch):
    """A machine of a cluster must not decode what is the others' part."""
    from kerakd.data import store

    opened = []
    real = store.open_store

    def watched(samples, *rest):
        opened.append(len(samples))
        return real(samples, *rest)

    monkeypatch.setattr(store, "open_store", watched)
    data = batches(samples)
    part = TeacherCache.build(teacher, data, tmp_path, shard=(2, 3))
    assert opened == [part.info["samples"]]
    assert part.describe()["shard"] == {"number": 2, "of": 3, "first": 8, "samples": 27}


def test_mixed_pictures_may_have_partners_in_other_shards(samples, teacher, tmp_path):
    data = batches(samples, augment={"mixup": 0.4})
    whole = TeacherCache.build(teacher, data, tmp_path / "whole")
    parts = [
        TeacherCache.build(teacher, data, tmp_path / f"{n}", shard=(n, 2)).path
        for n in (1, 2)
    ]
    joined = TeacherCache.merge(parts, tmp_path / "joined")
    np.testing.assert_array_equal(
        joined.store.arrays["logits"], whole.store.arrays["logits"]
    )


def test_a_shard_is_no_cache_to_train_from(made, samples, teacher):
    shard = TeacherCache.open(made[1][1])
    with pytest.raises(DataError, match=r"shard 2 of 3 .* cache merge"):
        shard.batches(batches(samples))
    with pytest.raises(DataError, match="shard 2 of 3"):
        shard.verify(teacher, batches(samples))


def test_what_cannot_be_merged_is_named(made, samples, teacher, tmp_path):
    whole, parts = made
    merge = TeacherCache.merge
    with pytest.raises(DataError, match="1 is missing: 2/3"):
        merge([parts[0], parts[2]], tmp_path / "a")
    with pytest.raises(DataError, match=r"2 are missing: 2/3, 3/3"):
        merge(parts[:1], tmp_path / "a")
    with pytest.raises(DataError, match=r"are both shard 1"):
        merge([parts[0], parts[1], parts[2], parts[0]], tmp_path / "a")
    with pytest.raises(DataError, match="whole teacher cache and no shard"):
        merge([*parts, whole.path], tmp_path / "a")
    other = TeacherCache.build(
        make_teacher(seed=9), batches(samples), tmp_path / "other", shard=(3, 3)
    )
    with pytest.raises(DataError, match=r"other .*another teacher"):
        merge([parts[0], parts[1], other.path], tmp_path / "a")
    of_two = TeacherCache.build(
        teacher, batches(samples), tmp_path / "two", layers=["pool"], shard=(2, 2)
    )
    with pytest.raises(DataError, match="of is 2 and 3"):
        merge([parts[0], of_two.path], tmp_path / "a")
    assert not (tmp_path / "a").exists()
    with pytest.raises(DataError, match=r"a cache in .* already"):
        merge(parts, whole.path)


def test_a_damaged_shard_is_refused(made, samples, teacher, tmp_path):
    data = batches(samples)
    broken = TeacherCache.build(
        teacher, data, tmp_path / "3", layers=["pool"], shard=(3, 3)
    )
    broken.store.arrays["logits"][0, 0] += 1
    broken.store.arrays["logits"].flush()
    with pytest.raises(DataError, match=r"3 is damaged: view 0, samples 0 to 7"):
        TeacherCache.merge([*made[1][:2], broken.path], tmp_path / "out")


def test_a_half_built_shard_is_refused_and_completed(samples, teacher, tmp_path):
    data = batches(samples)
    whole = TeacherCache.build(teacher, data, tmp_path / "1", shard=(1, 2))
    whole.store._checksums[1, 0] = 0
    whole.store._checksums.flush()
    with pytest.raises(KerakdError, match="half built"):
        TeacherCache.merge([whole.path], tmp_path / "out")
    again = TeacherCache.build(teacher, data, tmp_path / "1", shard=(1, 2))
    assert again.store.complete
    with pytest.raises(DataError, match="begun with shard"):
        TeacherCache.build(teacher, data, tmp_path / "1", shard=(2, 2))


@pytest.mark.parametrize("samples, block, count", [(27, 8, 3), (100, 7, 4), (5, 2, 3)])
def test_spans_share_out_all_samples(samples, block, count):
    spans = [shards.span((n, count), samples, block) for n in range(1, count + 1)]
    assert [i for span in spans for i in span] == list(range(samples))
    assert all(span.start % block == 0 and len(span) for span in spans)


def test_shards_that_do_not_exist_are_named():
    assert shards.parse("2/4") == (2, 4)
    with pytest.raises(RecipeError, match="given as 2/4"):
        shards.parse("two of four")
    for text in ("0/4", "5/4"):
        with pytest.raises(RecipeError, match="the first is 1/4, the last 4/4"):
            shards.check(shards.parse(text))
    with pytest.raises(RecipeError, match="cannot be dealt to 9 shards; make 4"):
        shards.span((1, 9), 27, 8)


def test_a_page_that_was_edited_is_noticed(made, samples, teacher, tmp_path):
    data = batches(samples)
    part = TeacherCache.build(
        teacher, data, tmp_path / "3", layers=["pool"], shard=(3, 3)
    )
    info = read_json(part.path / "cache.json")
    info["shard"]["samples"] = 28
    write_json(part.path / "cache.json", info)
    with pytest.raises(DataError, match="samples is 28 and 27"):
        TeacherCache.merge([*made[1][:2], part.path], tmp_path / "out")
