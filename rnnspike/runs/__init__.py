"""A fit as tasks on disk: settings, engine, store."""
