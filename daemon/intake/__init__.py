"""From signals to incidents: fingerprint, dedup, counts, cool-down."""
