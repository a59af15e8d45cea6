"""The HTTP API and mission control."""
