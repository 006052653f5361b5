"""`kerakd ...`: parses, calls one library function, prints.

Commands import what they need when they are called, so that `kerakd --help` answers at
once and loads no TensorFlow.
"""

from kerakd.cli.app import app, main

__all__ = ["app", "main"]
