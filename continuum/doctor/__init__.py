"""The doctor: whether the record, Temporal and what leaves the house agree, and putting right what can be."""
