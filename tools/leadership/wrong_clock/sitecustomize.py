"""
Makes the wall clock of a Python process wrong, by as many seconds as a file says at the moment.

Python runs this at its start if the folder is in ``PYTHONPATH``; the file is named by
``WRONG_CLOCK_FILE``. Clocks that measure how long something takes stay right, as they do when
somebody sets the time of a machine.

libfaketime would do it to any program, but it is not everywhere, and it bends the clocks by which
threads wait, too; our server asks for the time in one place.
"""

import os
import time
from pathlib import Path

_LOOK_NANOSECONDS = 5_000_000

_file = Path(os.environ.get("WRONG_CLOCK_FILE", os.devnull))
_right_time_ns, _monotonic_ns = time.time_ns, time.monotonic_ns
_offset = _looked_at = 0


def _time_ns() -> int:
    global _offset, _looked_at  # noqa: PLW0603
    now = _monotonic_ns()
    if now - _looked_at > _LOOK_NANOSECONDS:
        _looked_at = now
        try:
            _offset = int(float(_file.read_text() or 0) * 10**9)
        except FileNotFoundError:
            _offset = 0
    return _right_time_ns() + _offset


def _time() -> float:
    return _time_ns() / 10**9


time.time_ns = _time_ns
time.time = _time
