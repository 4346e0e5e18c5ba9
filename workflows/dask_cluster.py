"""Starts dask workers as SLURM jobs, as many as there is work for, and has them do the tasks of a rnnspike command.

    python workflows/dask_cluster.py --jobs 200 --memory 4GB --walltime 04:00:00 -- \
        rnnspike fit --files-from recordings.txt --out runs

Needs dask-jobqueue (for other queues take its PBSCluster, SGECluster, ...). ``--local N`` starts N workers here
instead. The folder of run directories and the recordings must lie on a file system that all machines share.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any


def slurm(jobs: int, memory: str, walltime: str) -> Any:
    """Return a cluster whose workers are jobs of one core each, as many as there is work for."""
    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(cores=1, processes=1, memory=memory, walltime=walltime)
    cluster.adapt(minimum=0, maximum_jobs=jobs)
    return cluster


def local(n_workers: int) -> Any:
    """Return a cluster of worker processes on this machine."""
    from distributed import LocalCluster

    return LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)


def main() -> int:
    """Run the command that follows ``--`` with the address of the scheduler."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100, help="most jobs at a time")
    parser.add_argument("--memory", default="4GB", help="of a job")
    parser.add_argument("--walltime", default="04:00:00", help="of a job")
    parser.add_argument("--local", type=int, metavar="N", help="N workers on this machine instead of jobs")
    parser.add_argument("command", nargs="+", help="a rnnspike command that takes --scheduler")
    options = parser.parse_args()
    with local(options.local) if options.local else slurm(options.jobs, options.memory, options.walltime) as cluster:
        return subprocess.run([*options.command, "--scheduler", cluster.scheduler_address], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
