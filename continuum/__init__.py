"""The command line, settings, and the embedded stack."""
