"""Reports: tables, RD plots and the end of a sweep, always derived from result rows."""
