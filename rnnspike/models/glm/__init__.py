"""Log-linear models of drive and spike history, their penalties and their designs."""
