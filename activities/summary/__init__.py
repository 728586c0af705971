"""The discharge summary: composed from the record, set as text and as PDF."""
