"""Where change requests live; the local forge is the default."""
