"""One thread a process, whatever libraries were told before."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from rnnspike.threads import one_thread

ASK = """
from rnnspike.threads import ask_for_one_thread
ask_for_one_thread()
import numpy, scipy.linalg, torch
from threadpoolctl import threadpool_info
print(max([torch.get_num_threads(), *(each["num_threads"] for each in threadpool_info())]))
"""


def test_libraries_loaded_later_take_one_thread() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, env=bare, check=True)
    assert int(done.stdout) == 1


def test_libraries_loaded_before_take_one_thread_for_as_long() -> None:
    np.linalg.inv(np.eye(3))
    before, threads = torch.get_num_threads(), [each["num_threads"] for each in threadpool_info()]
    with threadpool_limits(2):
        torch.set_num_threads(2)
        with one_thread():
            assert torch.get_num_threads() == 1
            assert {each["num_threads"] for each in threadpool_info()} == {1}
        assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
    assert [each["num_threads"] for each in threadpool_info()] == threads
