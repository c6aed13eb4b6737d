"""Networks that may take the place of a codec's g_a, one file each; a file that calls `register` is an analysis."""
