"""What an upgrade would do to this site, found out before it is done: nothing here writes anything."""
