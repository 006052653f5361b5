import numpy as np
import pytest

import kerakd
from kerakd.training import train_born_again


def test_each_generation_learns_from_the_one_before(net, arrays, tmp_path, same):
    seeds = iter([0, 1, 2])
    options = {"epochs": 2, "batch_size": 11, "verbose": 0, "temperature": 2.0}
    models = train_born_again(
        lambda: net(seed=next(seeds)), arrays, generations=2, out=tmp_path, **options
    )
    assert len(models) == 3
    first = net(seed=0)
    kerakd.train_teacher(first, arrays, epochs=2, batch_size=11, verbose=0)
    assert same(models[0], first)
    second = net(seed=1)
    kerakd.train_student(second, arrays, teacher=first, **options)
    assert same(models[1], second)
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == [
        f"history_generation_{number}.csv" for number in range(3)
    ]
    # All done: restored, whatever the networks are built with.
    again = train_born_again(
        lambda: net(seed=9), arrays, generations=2, out=tmp_path, resume=True, **options
    )
    assert all(same(a, b) for a, b in zip(models, again, strict=True))
    ensemble = kerakd.Distiller(models, net(seed=5), kerakd.losses.KLDivergence())
    assert np.shape(ensemble.ask_teachers(arrays[0])[2][0]) == (22, 3)


@pytest.mark.parametrize("generations", [0, 1.5, True])
def test_there_is_at_least_one(net, arrays, generations):
    with pytest.raises(kerakd.KerakdError, match="generations"):
        train_born_again(net, arrays, generations=generations)
