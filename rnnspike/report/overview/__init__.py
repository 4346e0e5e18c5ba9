"""What the page says of the recording as a whole: what was left out, and commands for what to do next."""
