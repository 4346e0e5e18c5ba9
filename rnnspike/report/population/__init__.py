"""What units share and what they do together, in words and for the page."""
