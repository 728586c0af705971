"""`continuum corpus`: every file of a folder goes through its front door, and what became of it is counted."""
