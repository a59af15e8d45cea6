"""From signals to incidents: fingerprint, dedup, correlation, counts, cool-down.

Importing the package imports nothing: sensors and `nightshift scan` take the fingerprint without the rest.
"""
