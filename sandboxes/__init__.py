"""Sealed places to run untrusted code, and the tester that judges in them."""

if not __name__.startswith("nightshift."):
    raise ImportError(f"import nightshift.{__name__}, not {__name__}: the checkout's root is on sys.path")
