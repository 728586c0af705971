"""What one request may cost before anybody looked into it: bytes, headers, seconds, and how many are answered at once.

How often a client may ask is something else: `gateway/access/limits.py`.
"""

from gateway.limits.bounds import Bounds
from gateway.limits.requests import RequestLimits, install

__all__ = ["Bounds", "RequestLimits", "install"]
