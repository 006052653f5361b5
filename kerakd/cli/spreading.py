"""Trainings of a command on several devices or machines."""

import contextlib
from typing import Any

from kerakd.cli import common


def over(devices: int | None, strategy: str | None) -> Any:
    """The context in which trainings are spread, where that was asked for."""
    if devices is None and strategy is None:
        return contextlib.nullcontext()
    from kerakd.training import on_devices

    if strategy == "multi_worker":
        from kerakd.training.workers import read_cluster

        cluster = read_cluster()
        common.say(
            f"Worker {cluster.index} of {cluster.count} (counted from 0); it waits "
            "until all are there"
        )
    return on_devices(devices, strategy)


def keeps_files(strategy: str | None) -> bool:
    """Whether this process has the run folder, and not another worker."""
    if strategy is None:
        return True
    from kerakd.training.devices import keeps_files

    return keeps_files()
