"""Project images: a repository's own packages, installed once per lock and kept on the engine.

`plan` says what an image holds, the readers find it out from a tree's files without running any of them,
`distribution` makes the tree itself look installed, `mirror` and `tunnel` are the only way out of a build.
"""

from nightshift.sandboxes.project.resolve import PROJECT, advice, files_for, image_for

__all__ = ["PROJECT", "advice", "files_for", "image_for"]
