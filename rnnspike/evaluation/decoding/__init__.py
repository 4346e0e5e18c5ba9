"""What can be decoded from held-out trials."""
