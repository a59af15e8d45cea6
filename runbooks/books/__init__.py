"""The runbooks that come with Nightshift, as YAML files; a package so that they travel in the wheel."""
