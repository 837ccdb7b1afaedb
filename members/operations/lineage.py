"""Which operation takes which one back, through new plans and retries."""

from __future__ import annotations

from members.operations.models import Operation, Relation


def undone_by(operation: Operation) -> Operation | None:
    """What `operation` takes back: as an undo, or as a new plan of one. A retry does only the rest."""
    if operation.relation == Relation.RETRY:
        return None
    ancestor: Operation | None = operation
    while ancestor is not None and ancestor.relation != Relation.UNDO:
        ancestor = ancestor.parent
    return ancestor.parent if ancestor is not None else None


def undoings_of(operation: Operation) -> list[Operation]:
    """Its undoings, and the new plans and retries of those: all that took it back, or would."""
    newest = list(operation.children.filter(relation=Relation.UNDO))
    found = newest
    while newest:
        again = Operation.objects.filter(
            parent__in=[undo.pk for undo in newest], relation__in=(Relation.RETRY, Relation.REPLAN)
        )
        newest = list(again)
        found = found + newest
    return found
