"""Writing that survives: whole files, locks, journals, a folder in which only our own files change."""
