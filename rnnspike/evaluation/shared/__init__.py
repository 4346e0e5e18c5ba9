"""What units share within a trial: its statistics, and how much of it joint models have captured."""
