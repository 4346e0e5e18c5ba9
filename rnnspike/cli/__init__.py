"""The command line: one file a command; it computes nothing, the library does."""
