"""Plain HDF5, shared by the readers of NWB and NIX."""
