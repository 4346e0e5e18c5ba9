"""Single trials of a unit as page and figures show them: rasters, and the events that are marked in them."""
