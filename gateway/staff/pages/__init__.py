"""The pages that people see: the start page, and the one on which a patient answers.

Plain strings, every value escaped; no cookies, nothing from anywhere else. A page's own style and script are inline and
named by their digests in its Content-Security-Policy, so that nothing else runs.
"""
