"""Ways a commit gets into production: one module each, all of them under one contract."""
