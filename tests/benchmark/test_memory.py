import time

import numpy as np

from kerakd.benchmark import benchmark_cache
from kerakd.benchmark.memory import Peak, resident


def test_the_peak_sees_what_was_held_and_let_go():
    before = resident()["anonymous"]
    with Peak() as peak:
        held = np.ones(100_000_000, np.uint8)  # more than an allocator keeps back
        # It looks every 20 ms, and on a busy machine later.
        time.sleep(0.5)
        del held
    assert peak.megabytes > before + 70


def test_reading_a_cache_holds_little_however_large_it_is():
    found = benchmark_cache(samples=[4096, 400_000], views=1, classes=6, mode="exact")
    small, large = found["caches"]
    assert large["megabytes_on_disk"] > 9 > small["megabytes_on_disk"]
    grown = large["anonymous_megabytes_peak"] - large["anonymous_megabytes_before"]
    assert grown < large["megabytes_on_disk"] / 2
