"""Repair templates: small edits on exact source ranges, searched inside a sandbox."""
