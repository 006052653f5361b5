"""Draws made block by block are those of the whole epoch."""

import numpy as np
import pytest

from kerakd.data import rows
from kerakd.data.augment import Augmentation
from kerakd.data.augment.drawing import draw
from kerakd.data.plan import Plan
from kerakd.data.rows import Rows
from kerakd.data.tensorflow_batches import in_batches

BLOCK = 12
POLICIES = {
    "none": None,
    "flips": Augmentation.of("flip_rotation"),
    "slices": Augmentation.of("slices"),
    "mixed": Augmentation.preset("full", mixup=0.4, cutmix=1.0),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    assert rows.BLOCK == 8192
    monkeypatch.setattr(rows, "BLOCK", BLOCK)


def made(count, policy, batch_size):
    ids = np.char.mod("case %d", np.arange(count))
    plan = Plan(ids, 3, 4, True, policy, 2)
    return Rows(plan, plan.order, plan.view, batch_size)


def drawn_at_once(made, epoch, policy):
    """The rows of an epoch from one call of `draw` for all samples in table order."""
    ids, positions = made.plan._ids, made.plan.order(epoch)
    found = {"index": positions}
    if policy is None:
        return found
    table = draw(policy, 3, made.view(epoch), ids, ids)
    for name in made.plan.rows(np.arange(1), 0):
        if name == "partner":
            found[name] = np.argsort(ids, kind="stable")[table[name][positions]]
        elif name in table:
            found[name] = table[name][positions]
    for name in [name for name in made.plan.rows(np.arange(1), 0) if name not in found]:
        plain = name.removeprefix("partner_")
        found[name] = table[plain][found["partner"]]
    return found


def joined(batches, size):
    batches = list(batches)
    assert {len(batch["index"]) for batch in batches[:-1]} <= {size}
    return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize(
    ("count", "size"),
    [(1, 4), (11, 4), (12, 4), (13, 4), (24, 4), (25, 4), (25, 5), (21, 7), (30, 13)],
)
def test_blocks_are_drawn_as_the_whole(count, size, policy):
    found = made(count, policy, size)
    assert found.block % size == 0 and (found.block <= BLOCK or size > BLOCK)
    steps = -(-count // size)
    reader = found.reader()
    for epoch in (0, 3):
        expected = drawn_at_once(found, epoch, policy)
        plain = joined((reader(epoch, number) for number in range(steps)), size)
        dataset = in_batches(found, range(epoch, epoch + 1), 0, lambda x: x, steps)
        of_tensorflow = joined(dataset.as_numpy_iterator(), size)
        assert set(plain) == set(of_tensorflow) == set(expected)
        for name, values in expected.items():
            np.testing.assert_array_equal(plain[name], values, err_msg=name)
            np.testing.assert_array_equal(of_tensorflow[name], values, err_msg=name)


@pytest.mark.parametrize("done", [0, 1, 2, 3, 4, 6])
def test_epochs_go_on_after_any_batch(done):
    found = made(25, POLICIES["flips"], 4)
    reader = found.reader()
    expected = [reader(*divmod(step, 7)) for step in range(done, 14)]
    dataset = in_batches(found, range(2), done, lambda x: x, 14 - done)
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == len(expected) == len(dataset)
    for one, other in zip(batches, expected, strict=True):
        for name, values in other.items():
            np.testing.assert_array_equal(one[name], values)


def test_no_more_than_a_block_is_drawn_for_at_once(monkeypatch):
    found = made(50, POLICIES["flips"], 5)
    calls = []
    plain = Plan.rows

    def counted(plan, positions, view):
        calls.append(len(positions))
        return plain(plan, positions, view)

    monkeypatch.setattr(Plan, "rows", counted)
    reader = found.reader()
    for number in range(10):
        reader(0, number)
    list(in_batches(found, range(1), 0, lambda x: x, 10))
    assert calls == [10] * 5 + [1] + [10] * 5
