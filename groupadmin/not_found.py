"""What stands in place of a page that is not there."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import page_not_found

from members.downloads import NoFile


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Of a file that our own page offers, people are told why they do not get it."""
    if isinstance(exception, NoFile):
        return render(request, "no_file.html", {"why": str(exception)}, status=404)
    return page_not_found(request, exception)
