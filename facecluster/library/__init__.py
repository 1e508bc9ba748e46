"""The folder of people that somebody keeps."""
