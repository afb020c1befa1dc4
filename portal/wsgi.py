"""The door for a WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

from portal.web.content_type import read_as_utf8

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = read_as_utf8(get_wsgi_application())
