"""Hands: creators of patches; none of them judges its own work."""

if not __name__.startswith("nightshift."):
    raise ImportError(f"import nightshift.{__name__}, not {__name__}: the checkout's root is on sys.path")
