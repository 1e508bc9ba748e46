"""Time the start of the command line.

    python benchmarks/startup.py

Bound (issue 2): `facecluster --help` in 0.2 s.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
from labelled import machine


def main():
    print(machine())
    for arguments in (["--help"], ["encode", "--help"], ["cluster", "--help"], ["run", "--help"]):
        times = []
        for _ in range(11):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "facecluster", *arguments], check=True, stdout=subprocess.DEVNULL
            )
            times.append(time.perf_counter() - start)
        print(f"facecluster {' '.join(arguments):16} {np.median(times):.3f} s")


if __name__ == "__main__":
    main()
