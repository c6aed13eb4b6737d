"""Networks, one file each; a file that calls `register` is a codec."""
