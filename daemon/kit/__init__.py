"""Small parts that know nothing of the rest: clock, ids, subprocesses, git, redaction, tar."""
