"""The run directory: whose it is, what is written into it, and how it is read back."""
