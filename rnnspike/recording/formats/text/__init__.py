"""Text files: spike times, and tables of trials."""
