"""What a recording holds, and which fit suits it: the content of ``rnnspike inspect``."""
