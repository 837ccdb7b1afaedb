"""Searching the findings: names are asked of the groups and the employees, not of 200,000 findings."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from audits.models import Finding
from members.list_search import words_of
from members.models import Employee, Group


def findings_with(findings: QuerySet[Finding], term: str) -> QuerySet[Finding]:
    """Those about a group or a person with each word of `term` in their name, id or key."""
    for word in words_of(term):
        groups = Group.objects.filter(Q(name__icontains=word) | Q(external_id__icontains=word))
        people = Employee.objects.filter(Q(name__icontains=word) | Q(key__icontains=word))
        findings = findings.filter(
            Q(group__in=groups.order_by().values("pk"))
            | Q(employee__in=people.order_by().values("pk"))
            # Who was deleted is known by what the finding itself has kept.
            | Q(group=None, group_external_id__icontains=word)
            | Q(employee=None, subject__icontains=word)
        )
    return findings
