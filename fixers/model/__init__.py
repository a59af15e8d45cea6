"""Creators that ask a language model. Optional, budgeted, never trusted: they pass the same tester as any other."""
