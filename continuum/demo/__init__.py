"""The demo: people play their parts against the real workflows, whose clocks are moved through months."""
