"""Families of repair templates; each module has one verb, `edits(site)`, and is listed in `all_templates`."""
