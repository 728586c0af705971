"""Everything that touches the world: records, notices, scheduling, documents, replies to the referrer."""
