"""The main job on real input: a small shop with three defects, and a daemon that looks after it."""
