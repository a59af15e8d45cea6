"""Eyes: one module per source, each turning what it sees into signals."""

if not __name__.startswith("nightshift."):
    raise ImportError(f"import nightshift.{__name__}, not {__name__}: the checkout's root is on sys.path")
