import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import kerakd
from kerakd.losses import Hint, KLDivergence
from tests.distillation.cached import batches, make_student, make_teacher, train
from tests.distillation.tiny import assert_trained_alike, crossentropy, make_model


@pytest.mark.parametrize("count", [1, 2])
def test_exact_cache_trains_as_online(samples, tmp_path, count):
    teachers = [make_teacher(seed) for seed in range(1, count + 1)]
    source = batches(samples)
    cache = kerakd.TeacherCache.build(teachers, source, tmp_path / "cache")
    online, cached = make_student(), make_student()
    train(online, teachers, source)
    train(cached, teachers, cache.batches(source))
    assert_trained_alike(online, cached)


def test_the_student_may_see_other_sizes_and_batches(samples, tmp_path):
    teacher = make_teacher()
    cache = kerakd.TeacherCache.build(teacher, batches(samples), tmp_path / "cache")
    online, cached = (make_model(4, seed=2, size=12) for _ in range(2))
    sizes = {"student": (12, 1), "teacher": (16, 1)}
    train(online, teacher, batches(samples, None, sizes=sizes, batch_size=5))
    train(cached, teacher, cache.batches(batches(samples, 12, batch_size=5)))
    assert_trained_alike(online, cached)


def test_a_compact_cache_is_smaller_and_close(samples, tmp_path):
    teacher, source = make_teacher(), batches(samples)
    exact = kerakd.TeacherCache.build(teacher, source, tmp_path / "exact")
    compact = kerakd.TeacherCache.build(
        teacher, source, tmp_path / "compact", mode="compact"
    )
    assert compact.nbytes * 3 == exact.nbytes
    rows = np.arange(len(samples))
    a, b = exact.read(1, rows), compact.read(1, rows)
    np.testing.assert_allclose(a - a[..., -1:], b, atol=2e-3)
    assert compact.verify(teacher, source)["max_abs_difference"] < 2e-3


def test_epochs_read_the_view_that_they_show(samples, tmp_path):
    teacher, source = make_teacher(), batches(samples, views=3)
    cache = kerakd.TeacherCache.build(teacher, source, tmp_path / "cache")
    steps = source.steps_per_epoch
    data = list(cache.batches(source).dataset(epochs=4))
    for step in (0, steps - 1, 2 * steps, 3 * steps + 1):
        x, _ = data[step]
        said = teacher(x["student"], training=False)
        np.testing.assert_allclose(x["teacher_outputs"][:, 0], said, atol=1e-5)
    later = next(iter(cache.batches(source).dataset(epochs=4, start_step=steps + 2)))
    np.testing.assert_array_equal(
        later[0]["teacher_outputs"], data[steps + 2][0]["teacher_outputs"]
    )


def test_views_differ_and_verify_says_what_it_saw(samples, tmp_path):
    teacher, source = make_teacher(), batches(samples)
    cache = kerakd.TeacherCache.build(teacher, source, tmp_path / "cache")
    rows = np.arange(len(samples))
    assert np.abs(cache.read(0, rows) - cache.read(1, rows)).max() > 1e-3
    found = cache.verify(teacher, source, count=3)
    assert found["max_abs_difference"] == 0.0
    assert found["batches"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 6}, "another seed"),
        ({"augment": {"rotation": 15.0}}, "another augmentation"),
        ({"views": 3}, "2 views"),
    ],
)
def test_a_stale_cache_is_refused_by_name(samples, tmp_path, change, message):
    teacher = make_teacher()
    cache = kerakd.TeacherCache.build(teacher, batches(samples), tmp_path / "cache")
    with pytest.raises(kerakd.KerakdError, match=message):
        cache.batches(batches(samples, **change))
    with pytest.raises(kerakd.KerakdError):
        kerakd.TeacherCache.build(
            teacher, batches(samples, **change), tmp_path / "cache"
        )


def test_other_samples_and_teachers_are_refused(samples, tmp_path):
    cache = kerakd.TeacherCache.build(
        make_teacher(), batches(samples), tmp_path / "cache"
    )
    fewer = samples.take(np.arange(len(samples) - 1))
    with pytest.raises(kerakd.KerakdError, match="other samples"):
        cache.batches(batches(fewer))
    with pytest.raises(kerakd.KerakdError, match="another teacher"):
        cache.verify(make_teacher(seed=9), batches(samples))
    # The same weights behind another preprocessing.
    other = make_teacher()
    other.layers[1].scale = 1 / 127.5
    with pytest.raises(kerakd.KerakdError, match="another teacher"):
        cache.verify(other, batches(samples))


def test_the_key_is_the_same_for_a_teacher_from_a_file(samples, tmp_path):
    teacher, source = make_teacher(), batches(samples)
    cache = kerakd.TeacherCache.build(teacher, source, tmp_path / "cache")
    teacher.save(tmp_path / "teacher.keras")
    loaded = kerakd.load(tmp_path / "teacher.keras")
    assert cache.verify(loaded, source)["max_abs_difference"] == 0.0


def test_a_damaged_cache_is_refused(samples, tmp_path):
    path = tmp_path / "cache"
    kerakd.TeacherCache.build(make_teacher(), batches(samples), path)
    content = bytearray((path / "logits.npy").read_bytes())
    content[-5] ^= 1
    (path / "logits.npy").write_bytes(content)
    with pytest.raises(kerakd.KerakdError, match="damaged: view 1, samples 24 to 26"):
        kerakd.TeacherCache.open(path)
    (path / "logits.npy").write_bytes(content[:-40])
    with pytest.raises(kerakd.KerakdError, match="damaged"):
        kerakd.TeacherCache.open(path)
    (path / "logits.npy").unlink()
    with pytest.raises(kerakd.KerakdError, match="damaged"):
        kerakd.TeacherCache.open(path)
    (path / "cache.json").write_text("{}")
    with pytest.raises(kerakd.KerakdError, match="damaged"):
        kerakd.TeacherCache.open(path)
    with pytest.raises(kerakd.KerakdError, match="no teacher cache"):
        kerakd.TeacherCache.open(tmp_path / "nowhere")


def test_no_pickle_is_read(samples, tmp_path):
    path = tmp_path / "cache"
    kerakd.TeacherCache.build(make_teacher(), batches(samples), path)
    np.save(path / "logits.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(kerakd.KerakdError, match="damaged"):
        kerakd.TeacherCache.open(path)


def test_another_format_is_named(samples, tmp_path):
    path = tmp_path / "cache"
    kerakd.TeacherCache.build(make_teacher(), batches(samples), path)
    info = json.loads((path / "cache.json").read_text())
    info["key"]["format"] = 99
    (path / "cache.json").write_text(json.dumps(info))
    with pytest.raises(kerakd.KerakdError, match="another version"):
        kerakd.TeacherCache.open(path)


def test_what_cannot_be_cached_is_refused(samples, tmp_path):
    teacher = make_teacher()
    with pytest.raises(kerakd.KerakdError, match="number of views"):
        kerakd.TeacherCache.build(teacher, batches(samples, views=None), tmp_path / "a")
    with pytest.raises(kerakd.KerakdError, match="compact"):
        kerakd.TeacherCache.build(
            teacher, batches(samples), tmp_path / "b", mode="compakt"
        )
    source = batches(samples)
    cache = kerakd.TeacherCache.build(teacher, source, tmp_path / "cache")
    plain = make_model(8, seed=1, size=16)
    distiller = kerakd.Distiller(plain, make_student(), Hint("relu", "relu"))
    distiller.compile("adam", crossentropy())
    with pytest.raises(kerakd.KerakdError, match="cache holds logits and no features"):
        distiller.fit(cache.batches(source).dataset(), verbose=0)
    two = kerakd.Distiller([teacher, plain], make_student(), KLDivergence())
    two.compile("adam", crossentropy())
    with pytest.raises(kerakd.KerakdError, match="1 teacher"):
        two.fit(cache.batches(source).dataset(), verbose=0)


def test_a_killed_build_is_completed_and_loses_one_batch_at_most(samples, tmp_path):
    """A real process is killed in the middle; the rest is built, nothing twice."""
    teacher, source = make_teacher(), batches(samples)
    teacher.save(tmp_path / "teacher.keras")
    samples.save(tmp_path / "samples.csv")
    script = f"""
        import os, signal
        from kerakd.distillation.cache.store import BlockStore
        import kerakd
        from kerakd.data import ImageBatches, Samples
        samples = Samples.load({str(tmp_path / "samples.csv")!r}, {str(samples.root)!r})
        source = ImageBatches(samples, 16, channels=1, batch_size=8, shuffle=True,
            seed=5, augment={{"horizontal_flip": True, "rotation": 15.0}}, views=2)
        write, count = BlockStore.write, [0]
        def killed(self, *arguments):
            write(self, *arguments)
            count[0] += 1
            if count[0] == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        BlockStore.write = killed
        teacher = kerakd.load({str(tmp_path / "teacher.keras")!r})
        kerakd.TeacherCache.build(teacher, source, {str(tmp_path / "cache")!r})
    """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()[-2000:]
    with pytest.raises(kerakd.KerakdError, match=r"half built \(3 of 8 batches\)"):
        kerakd.TeacherCache.open(tmp_path / "cache")
    loaded = kerakd.load(tmp_path / "teacher.keras")
    cache = kerakd.TeacherCache.build(loaded, source, tmp_path / "cache")
    whole = kerakd.TeacherCache.build(loaded, source, tmp_path / "whole")
    rows = np.arange(len(samples))
    for view in range(2):
        np.testing.assert_array_equal(cache.read(view, rows), whole.read(view, rows))
