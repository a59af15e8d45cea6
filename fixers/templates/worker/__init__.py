"""The search worker: runs inside a sandbox, shipped as text, standard library and the sandbox's own pytest only.

Syntax and library of Python 3.8. Nothing outside this folder is imported, nothing here is imported by the daemon
(it is read as text), and nothing it reports is proof: survivors are judged again elsewhere.
"""
