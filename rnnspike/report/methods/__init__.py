"""Text to paste: the methods of a run in sentences, with their references."""
