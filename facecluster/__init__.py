"""Photos in, people out: find the faces in folders of photos, and group them by person."""

__version__ = "0.1.0"
