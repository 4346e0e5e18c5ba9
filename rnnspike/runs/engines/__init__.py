"""Where tasks are done: in this process, in worker processes, or on a cluster. Each engine is one file."""
