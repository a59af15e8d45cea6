"""Dependencies taken back to the versions they had: the smallest un-bump that turns the reproduction green."""
