"""Numbers in, who is who out. No pixels, no files."""
