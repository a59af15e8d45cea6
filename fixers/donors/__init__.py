"""Fixes this repository has seen before, tried where it breaks now."""
