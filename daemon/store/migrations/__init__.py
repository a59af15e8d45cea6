"""Alembic's folder; run by store.migrate."""
