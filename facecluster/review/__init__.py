"""A local page over one library: look and decide in the browser. Nothing of it is needed for the command line."""
