"""Shared by several suites; on sys.path as `support`."""
