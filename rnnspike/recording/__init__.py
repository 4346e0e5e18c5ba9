"""What was measured: files in, plain arrays and findings out."""
