import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from kerakd.data.decode import decode, resize
from kerakd.data.store import open_store
from kerakd.errors import DataError, KerakdError
from tests.data.pictures import make_samples

SHAPES = [(8, 8, 3), (12, 10, 1), (20, 16, 3)]


def test_memory_and_disk_hold_the_pixels_of_decode_and_resize(tmp_path):
    samples = make_samples(tmp_path / "images")
    in_memory = open_store(samples, SHAPES)
    on_disk = open_store(samples, SHAPES, 0, tmp_path / "cache")
    assert set(in_memory) == set(on_disk) == set(SHAPES)
    for shape in SHAPES:
        expected = np.stack(
            [resize(decode(path, shape[2]), shape[:2]) for path in samples.paths]
        )
        for array in (in_memory[shape], on_disk[shape]):
            assert array.dtype == np.uint8
            assert array.ctypes.data % 64 == 0
            np.testing.assert_array_equal(array, expected)
    assert len(list((tmp_path / "cache").iterdir())) == len(SHAPES)


def test_the_budget_decides_for_all_sizes_together(tmp_path):
    samples = make_samples(tmp_path / "images")
    shapes = [(8, 8, 3), (4, 4, 3)]
    needed = len(samples) * (8 * 8 * 3 + 4 * 4 * 3)
    open_store(samples, shapes, needed, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    open_store(samples, shapes, needed - 1, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_valid_file_is_used_again(tmp_path):
    samples = make_samples(tmp_path / "images")
    cache = tmp_path / "cache"
    open_store(samples, SHAPES, 0, cache)
    written = {file: file.stat().st_mtime_ns for file in cache.iterdir()}
    open_store(samples, [*SHAPES, (6, 6, 3)], 0, cache)
    for file, time in written.items():
        assert file.stat().st_mtime_ns == time
    assert len(list(cache.iterdir())) == 4


def test_a_stale_file_is_rebuilt_and_removed(tmp_path):
    samples = make_samples(tmp_path / "images")
    shape, cache = (20, 16, 3), tmp_path / "cache"
    before = open_store(samples, [shape], 0, cache)[shape].copy()
    (old,) = cache.iterdir()
    changed = samples.paths[2]
    Image.fromarray(255 - before[2]).save(changed)
    os.utime(changed, ns=(1, 1))
    after = open_store(samples, [shape], 0, cache)[shape]
    np.testing.assert_array_equal(after[2], 255 - before[2])
    np.testing.assert_array_equal(np.delete(after, 2, 0), np.delete(before, 2, 0))
    (new,) = cache.iterdir()
    assert new != old


def test_a_damaged_file_is_rebuilt(tmp_path):
    samples = make_samples(tmp_path / "images")
    shape, cache = (20, 16, 3), tmp_path / "cache"
    before = open_store(samples, [shape], 0, cache)[shape].copy()
    (file,) = cache.iterdir()
    os.truncate(file, file.stat().st_size - 100)
    np.testing.assert_array_equal(open_store(samples, [shape], 0, cache)[shape], before)


def test_other_samples_have_a_file_of_their_own(tmp_path):
    samples = make_samples(tmp_path / "images")
    shape, cache = (20, 16, 3), tmp_path / "cache"
    whole = open_store(samples, [shape], 0, cache)[shape]
    turned = open_store(samples.take([4, 1]), [shape], 0, cache)[shape]
    np.testing.assert_array_equal(turned, whole[[4, 1]])
    assert len(list(cache.iterdir())) == 2


def test_a_bad_image_leaves_nothing_behind(tmp_path):
    samples = make_samples(tmp_path / "images")
    bad = samples.paths[5]
    bad.write_bytes(bad.read_bytes()[:40])
    for budget in (0, 2**20):
        with pytest.raises(DataError, match=bad.name):
            open_store(samples, SHAPES, budget, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_missing_image_is_named(tmp_path):
    samples = make_samples(tmp_path / "images")
    samples.paths[1].unlink()
    with pytest.raises(DataError, match=samples.paths[1].name):
        open_store(samples, SHAPES, 0, tmp_path / "cache")


def test_a_file_in_place_of_the_cache_folder(tmp_path):
    samples = make_samples(tmp_path / "images")
    (tmp_path / "cache").write_text("")
    with pytest.raises(KerakdError, match="cache"):
        open_store(samples, SHAPES, 0, tmp_path / "cache")


def test_the_default_folder_is_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    samples = make_samples(tmp_path / "images")
    open_store(samples, [(8, 8, 3)], 0)
    assert len(list((tmp_path / "mine" / "kerakd" / "images").iterdir())) == 1


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    samples = make_samples(tmp_path / "images", count=12, size=(64, 64))
    cache = tmp_path / "cache"
    # A limit on the size of files stands in for a full disk: no root is needed.
    code = (
        "import resource, signal, sys; from pathlib import Path;"
        "from kerakd.data.samples import Samples;"
        "from kerakd.data.store import open_store;"
        "samples = Samples.load(sys.argv[1], sys.argv[2]);"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "open_store(samples, [(64, 64, 3)], 0, sys.argv[3])"
    )
    table = samples.save(tmp_path / "samples.csv")
    done = subprocess.run(
        [sys.executable, "-c", code, table, samples.root, cache],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large" in done.stderr
    assert list(cache.iterdir()) == []
