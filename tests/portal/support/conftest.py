from tests.portal.webhooks.conftest import webhook

__all__ = ["webhook"]
