"""Running a program and what it took."""

import os
import subprocess
import sys
import time


def measure(argv, env=None):
    """Wall and CPU seconds, and the peak memory in MB of the largest process."""
    start = time.monotonic()
    process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if status != 0:
        sys.exit("failed: %s" % " ".join(argv))
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
