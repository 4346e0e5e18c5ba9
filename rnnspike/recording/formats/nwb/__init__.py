"""NWB 2 (HDF5)."""
