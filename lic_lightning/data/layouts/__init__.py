"""Data sets by their official layouts, one file each."""
