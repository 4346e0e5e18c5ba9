"""The command line: one file per command; all computation is in the library."""
