"""The Python interface: every command as a function, with results that a notebook shows."""
