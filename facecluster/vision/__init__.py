"""One RGB image in, arrays with one row per face out. No paths, no files written, no click."""
