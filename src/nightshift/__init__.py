"""Nightshift: watches services at night, heals what it can prove, reports in the morning."""

__version__ = "0.1.0"
