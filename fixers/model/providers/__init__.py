"""The models within reach, by name; each is imported only when a configuration names it."""
