"""What the functions of the interface return: small objects with short texts, tables and figures."""
