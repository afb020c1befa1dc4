from __future__ import annotations

import hmac


def is_same_signature(computed: str, stored: str) -> bool:
    """Compare in constant time. What is stored may have been replaced by any text, while
    `hmac.compare_digest` raises TypeError for what is not ASCII.
    """
    return hmac.compare_digest(computed.encode(), stored.encode(errors="replace"))
