"""The process that workers are forked from, which imports once what all of them need.

Importing this module makes a process that one: it ends with the process that started it, and its
workers with it (`confinement.confine`). Threads do not live through a fork: it has none.
"""

from __future__ import annotations

import gc
import os
import signal

from longplay.engine.confinement import die_with_parent

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read as NumPy is imported, which comes after this
die_with_parent(signal.SIGKILL)
gc.disable()  # what is imported from here on stays: workers share its memory if none touches it
