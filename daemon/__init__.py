"""The process: model, ports, configuration, store, intake, missions, forges, reports, web."""

if not __name__.startswith("nightshift."):
    raise ImportError(f"import nightshift.{__name__}, not {__name__}: the checkout's root is on sys.path")
