"""An OpenID provider for trying out: whoever sits at this machine chooses one of the directory's people, without a
password.

It listens on the loopback interface only and belongs to the embedded stack; a clinic uses its own provider. It runs as
a child of its own (`python -m continuum.embedded.sign_in FOLDER PORT BASE`), because to the gateway it is a stranger
like any other: the gateway finds it by discovery and checks its signatures.
"""
