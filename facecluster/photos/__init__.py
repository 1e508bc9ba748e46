"""Photo files: found in a stable order, told apart by content, decoded to upright RGB pixels.

Nothing here knows about faces.
"""
