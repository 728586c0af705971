"""What `continuum board` says: the site's numbers with what they mean, and the links of the cockpit."""
