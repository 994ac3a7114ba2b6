"""Files that hold structures: one file a format, and a table of all of them."""
