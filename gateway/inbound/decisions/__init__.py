"""What a message comes to, given where its journey stands: pure functions from its data and a snapshot to actions.

A decision is a list of actions, or that something is waited for, is a person's to decide, cannot be done, or that
nothing follows.
"""
