"""What may be written: orders, the Tasks about them, answers and scores, appointments, and Bundles of these.

    bytes -> Delivery -> (reading: what it means) -> take_in -> carry_out, for as long as a caller waits -> Answer

Nothing is written that was not stored first as it came; the resources themselves are made from the record.
"""
