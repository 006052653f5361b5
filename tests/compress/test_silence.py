"""Native libraries are quiet in the block, and only there."""

import logging
import os
import sys
import warnings

import pytest

from kerakd.compress.silence import quiet


def test_descriptor_2_and_absl_are_quiet_only_inside(capfd):
    os.write(2, b"before ")
    with quiet():
        os.write(2, b"inside ")
        logging.getLogger("absl").warning("inside")
        warnings.warn("inside", stacklevel=1)
    os.write(2, b"after")
    sys.stderr.write(" too")
    assert capfd.readouterr().err == "before after too"


def test_errors_pass_and_the_terminal_comes_back(capfd):
    level = logging.getLogger("absl").level
    with pytest.raises(ZeroDivisionError), quiet():
        _ = 1 / 0
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
    assert logging.getLogger("absl").level == level
