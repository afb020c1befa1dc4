"""`{{ moment|ago }}`: how long ago, in words."""

from __future__ import annotations

from django import template

from portal.support import board

register = template.Library()
register.filter("ago", board.ago)
